//! Promise 5 where a thread has hold of handlers that it does not call just then: it is inside all the
//! same, and a wait would be for itself.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use slotcast::{Bus, Signal, Subscription, Topic, WaitError};

use crate::gate::poll;
use crate::log::OnDrop;

const NUMBER: Topic<u32> = Topic::new("a.number");

/// A handler that is to be waited for, and what came of it.
#[derive(Clone, Default)]
struct Waited {
    subscription: Arc<Mutex<Option<Subscription>>>,
    answer: Arc<Mutex<Option<Result<(), WaitError>>>>,
}

impl Waited {
    fn set(&self, subscription: Subscription) {
        *self.subscription.lock().unwrap() = Some(subscription);
    }

    /// The first time only.
    fn wait(&self) {
        let subscription = self.subscription.lock().unwrap().take();
        if let Some(subscription) = subscription {
            let answer = subscription.cancel_and_wait_timeout(Duration::from_millis(100));
            *self.answer.lock().unwrap() = Some(answer);
        }
    }

    fn is_inside(&self) -> bool {
        *self.answer.lock().unwrap() == Some(Err(WaitError::Inside))
    }

    /// A bus whose error hook waits.
    fn told(&self, bus: Bus) -> Bus {
        let waited = self.clone();
        bus.set_error_hook(move |_| waited.wait());
        bus
    }
}

#[test]
fn where_an_event_is_made_for_a_name_that_nobody_holds() {
    let (bus, waited) = (Bus::new(), Waited::default());
    waited.set(bus.on_pattern("a.*", |_| ()));
    bus.emit_lazy(&NUMBER, || {
        waited.wait();
        7
    });
    assert!(waited.is_inside());
}

#[test]
fn where_an_emission_by_name_has_lost_its_topic() {
    let (bus, waited) = (Bus::new(), Waited::default());
    let own = Arc::new(Mutex::new(None::<Subscription>));
    waited.set(bus.on_pattern("a.*", {
        let (bus, own, waited) = (bus.downgrade(), own.clone(), waited.clone());
        move |_| {
            let last = own.lock().unwrap().take();
            if last.is_some_and(|it| it.cancel()) {
                // Nobody holds the topic but the emission, which calls this very handler.
                assert_eq!(bus.upgrade().unwrap().topics(), [NUMBER.name()]);
                waited.wait();
            }
        }
    }));
    let last = bus.on(&NUMBER, |_| ());
    for n in 0..2 {
        assert_eq!(bus.emit(&NUMBER, &n).ran(), 2);
    }
    *own.lock().unwrap() = Some(last);
    assert_eq!(bus.emit(&NUMBER, &2).ran(), 1);
    assert!(waited.is_inside());
}

#[test]
fn where_a_future_waits_for_the_event() {
    let (signal, waited) = (Signal::<u32>::new(), Waited::default());
    let _waits = signal.on({
        let waited = waited.clone();
        move |_| waited.wait()
    });
    waited.set(signal.on(|_| ()));
    let _next = signal.next();
    signal.emit(&7);
    assert!(waited.is_inside());
}

#[test]
fn where_a_handler_was_subscribed_after_an_emission() {
    let (signal, waited) = (Signal::<u32>::new(), Waited::default());
    let _other = signal.on(|_| ());
    signal.emit(&0);
    waited.set(signal.on({
        let waited = waited.clone();
        move |_| waited.wait()
    }));
    signal.emit(&1);
    assert!(waited.is_inside());
}

#[test]
fn where_an_emission_by_a_name_that_nobody_holds_is_refused() {
    let waited = Waited::default();
    let bus = waited.told(Bus::builder().max_depth(1).build());
    waited.set(bus.on_pattern("a.*", |_| ()));
    let other = bus.signal(&Topic::<u32>::new("other"));
    let own = bus.downgrade();
    other
        .on(move |n| _ = own.upgrade().unwrap().emit(&NUMBER, n))
        .detach();
    other.emit(&1);
    assert!(waited.is_inside());
}

#[test]
fn where_the_bus_has_gone_and_a_builder_keeps_the_pattern() {
    let (bus, waited) = (Bus::new(), Waited::default());
    let builder = bus.subscribe_pattern("a.*");
    waited.set(bus.on_pattern("a.*", |_| ()));
    let signal = bus.signal(&NUMBER);
    let bus = Mutex::new(Some(bus));
    let _first = signal.subscribe().priority(1).on({
        let waited = waited.clone();
        move |_| {
            drop(bus.lock().unwrap().take());
            waited.wait();
        }
    });
    signal.emit(&1);
    assert!(waited.is_inside());
    drop(builder);
}

/// Waits when it is dropped, if it is armed.
#[derive(Clone, Default)]
struct Event(Waited, Arc<AtomicBool>);

impl Drop for Event {
    fn drop(&mut self) {
        if self.1.load(SeqCst) {
            self.0.wait();
        }
    }
}

#[test]
fn where_an_event_is_dropped_for_one_that_is_kept() {
    let signal = Signal::<Event>::new();
    signal.retain_last();
    let event = Event::default();
    signal.emit(&event);
    event.0.set(signal.on(|_| ()));
    event.1.store(true, SeqCst);
    signal.emit(&Event::default());
    assert!(event.0.is_inside());
}

/// Never ready; waits when it is dropped.
struct Never(Waited);

impl Future for Never {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Never {
    fn drop(&mut self) {
        self.0.wait();
    }
}

#[test]
fn where_an_awaited_emission_is_dropped() {
    let (signal, waited) = (Signal::<u32>::new(), Waited::default());
    let _first = signal.subscribe().on_async({
        let waited = waited.clone();
        move |_| Never(waited.clone())
    });
    waited.set(signal.subscribe().on_async(|_| pending::<()>()));
    let mut emission = signal.emit_async(1);
    assert!(poll(&mut emission).is_pending());
    drop(emission);
    assert!(waited.is_inside());
}

#[test]
fn where_an_awaited_emission_in_order_is_dropped() {
    let (signal, waited) = (Signal::<u32>::new(), Waited::default());
    let _first = signal.subscribe().on_async(|_| pending::<()>());
    let captured = OnDrop({
        let waited = waited.clone();
        move || waited.wait()
    });
    let second = signal.on(move |_| _ = &captured);
    waited.set(signal.on(|_| ()));
    let mut emission = signal.emit_async(1).in_order();
    assert!(poll(&mut emission).is_pending());
    second.cancel();
    drop(emission);
    assert!(waited.is_inside());
}

#[test]
fn where_a_hook_is_told_while_futures_are_collected() {
    let waited = Waited::default();
    let bus = waited.told(Bus::new());
    let signal = bus.signal(&NUMBER);
    let waits = signal.subscribe().on_async(|_| pending::<()>());
    signal.on(|_| Err::<(), _>("failed")).detach();
    let mut first = signal.emit_async(0);
    assert!(poll(&mut first).is_pending());
    // The list is published by now, and read without the lock from here on.
    drop(first);
    waited.set(waits);
    assert!(poll(&mut signal.emit_async(1)).is_pending());
    assert!(waited.is_inside());
}

/// Subscribes when it is cloned.
struct Subscribes(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Clone for Subscribes {
    fn clone(&self) -> Self {
        let subscribe = self.0.lock().unwrap().take();
        if let Some(subscribe) = subscribe {
            subscribe();
        }
        Subscribes(Mutex::new(None))
    }
}

#[test]
fn where_a_clone_that_is_kept_has_subscribed() {
    let (signal, waited) = (Signal::<Subscribes>::new(), Waited::default());
    signal.retain_last();
    let _first = signal.subscribe().on_async({
        let waited = waited.clone();
        move |_| {
            let waited = waited.clone();
            async move { waited.wait() }
        }
    });
    let (own, later) = (signal.downgrade(), waited.clone());
    let subscribe = move || {
        let signal = own.upgrade().unwrap();
        later.set(signal.subscribe().on_async(|_| pending::<()>()));
    };
    let event = Subscribes(Mutex::new(Some(Box::new(subscribe))));
    _ = poll(&mut signal.emit_async(event));
    assert!(waited.is_inside());
}

#[test]
fn where_an_executor_drops_what_was_started() {
    let (sender, tasks) = channel::<Box<dyn FnOnce() + Send>>();
    let waited = Waited::default();
    let executor = move |task| drop(sender.send(task));
    let bus = waited.told(Bus::builder().executor(executor).build());
    waited.set(bus.subscribe(&NUMBER).on_async(|_| pending::<()>()));
    bus.emit(&NUMBER, &1);
    drop(tasks);
    assert!(waited.is_inside());
}
