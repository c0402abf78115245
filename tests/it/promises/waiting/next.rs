//! Promises 20 and 21: futures for one event, streams of many, and what leads into and out of them.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::stream::{self, FusedStream, Stream, StreamExt};
use slotcast::{Closed, FailureKind, Flow, Lagged, Overflow, Panics, StreamFull, Topic};

use super::{Bus, Signal};
use crate::log::{Dropped, Log, boom, panic_of};

const NUMBER: Topic<u32> = Topic::new("waiting.number");

/// Runs a closure when it wakes, and counts.
struct Doing<F>(AtomicUsize, F);

impl<F: Fn() + Send + Sync> Wake for Doing<F> {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
        (self.1)();
    }
}

impl<F> Doing<F> {
    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

fn doing<F: Fn() + Send + Sync + 'static>(f: F) -> (Arc<Doing<F>>, Waker) {
    let doing = Arc::new(Doing(AtomicUsize::new(0), f));
    (doing.clone(), doing.into())
}

type Counting = Doing<fn()>;

fn counting() -> (Arc<Counting>, Waker) {
    doing(|| ())
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

fn poll_next<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()))
}

/// All that a stream has, and whether it has ended: what was lost stands in brackets.
fn all<T: ToString>(
    stream: &mut (impl Stream<Item = Result<T, Lagged>> + Unpin),
) -> (Vec<String>, bool) {
    let mut items = Vec::new();
    loop {
        match poll_next(stream) {
            Poll::Ready(Some(Ok(item))) => items.push(item.to_string()),
            Poll::Ready(Some(Err(lagged))) => items.push(format!("({})", lagged.lost())),
            Poll::Ready(None) => return (items, true),
            Poll::Pending => return (items, false),
        }
    }
}

/// An event whose clones are told of, and may fail.
struct Loud<F: Fn()>(u32, F);

impl<F: Fn() + Clone> Clone for Loud<F> {
    fn clone(&self) -> Self {
        (self.1)();
        Loud(self.0, self.1.clone())
    }
}

#[test]
fn what_is_emitted_before_the_first_poll_is_not_missed() {
    let signal = Signal::<u32>::new();
    let (mut next, mut stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    assert_eq!(signal.emit(&1).ran(), 2);
    assert_eq!(signal.emit(&2).ran(), 1);
    assert_eq!(poll(&mut next), Poll::Ready(Ok(1)));
    assert_eq!(all(&mut stream), (vec!["1".into(), "2".into()], false));
}

#[test]
fn a_next_gets_the_first_event_that_passes_and_leaves() {
    let signal = Signal::<u32>::new();
    let mut even = signal.next_where(|n| n % 2 == 0);
    let (count, waker) = counting();
    assert!(poll_with(&mut even, &waker).is_pending());
    assert_eq!((signal.emit(&1).ran(), count.count()), (0, 0));
    assert_eq!((signal.emit(&2).ran(), count.count()), (1, 1));
    assert!(signal.is_empty());
    assert_eq!((signal.emit(&4).ran(), count.count()), (0, 1));
    assert_eq!(poll(&mut even), Poll::Ready(Ok(2)));
    assert_eq!(
        poll(&mut even),
        Poll::Ready(Err(closed())),
        "it has completed"
    );
}

fn closed() -> Closed {
    let mut next = Signal::<u32>::new().next();
    match poll(&mut next) {
        Poll::Ready(Err(closed)) => closed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_next_is_made_by_name_by_pattern_and_by_the_builder() {
    let bus = Bus::new();
    let mut nexts = [
        bus.next(&NUMBER),
        bus.next_where(&NUMBER, |n| *n > 1),
        bus.subscribe(&NUMBER).limit(1).filter(|n| *n > 2).next(),
        bus.next_pattern("waiting.*", |event| event.payload::<u32>().map(|n| n * 10)),
        bus.subscribe(&NUMBER).next_map(|n| (*n > 3).then_some(99)),
    ];
    for n in 1..=4 {
        bus.emit(&NUMBER, &n);
    }
    let got = nexts.each_mut().map(poll);
    assert_eq!(got, [1, 2, 3, 10, 99].map(|n| Poll::Ready(Ok(n))));
    assert!(
        poll(&mut bus.subscribe(&NUMBER).limit(0).next()).is_ready(),
        "no call, no event"
    );
}

type End = (&'static str, fn(Bus));

/// All that ends what was subscribed to a topic of a bus.
fn ends() -> Vec<End> {
    vec![
        ("close", |bus| bus.signal(&NUMBER).close()),
        ("clear", |bus| _ = bus.signal(&NUMBER).clear()),
        ("the bus is closed", |bus| bus.close()),
        ("the bus goes", drop),
    ]
}

#[test]
fn whoever_waits_is_told_that_nothing_comes_any_more() {
    for (how, end) in ends() {
        let bus = Bus::new();
        let (mut next, mut stream) = (bus.next(&NUMBER), bus.stream(&NUMBER, 4, Overflow::Reject));
        let (count, waker) = counting();
        assert!(poll_with(&mut next, &waker).is_pending());
        assert!(
            stream
                .poll_next_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        end(bus);
        assert_eq!(count.count(), 2, "{how}");
        assert_eq!(poll(&mut next), Poll::Ready(Err(closed())), "{how}");
        assert_eq!(poll_next(&mut stream), Poll::Ready(None), "{how}");
        assert!(stream.is_terminated() && stream.is_closed());
    }
    let signal = Signal::<u32>::new();
    let (mut next, mut stream) = (signal.next(), signal.stream(1, Overflow::Reject));
    drop(signal);
    assert_eq!(poll(&mut next), Poll::Ready(Err(closed())));
    assert_eq!(all(&mut stream), (vec![], true));
    // Of a pattern, and of what was closed before.
    for (how, end) in [("closed", (|bus| bus.close()) as fn(Bus)), ("gone", drop)] {
        let bus = Bus::new();
        let mut next = bus.next_pattern("waiting.>", |_| Some(1));
        let mut stream = bus.stream_pattern("waiting.>", 1, Overflow::Reject, |_| Some(1));
        end(bus.clone());
        bus.close();
        let (mut late, mut later) = (bus.next(&NUMBER), bus.stream(&NUMBER, 1, Overflow::Reject));
        drop(bus);
        for next in [&mut next, &mut late] {
            assert_eq!(poll(next), Poll::Ready(Err(closed())), "{how}");
        }
        assert_eq!(
            (all(&mut stream), all(&mut later)),
            ((vec![], true), (vec![], true)),
            "{how}"
        );
    }
}

#[test]
fn what_came_before_the_end_is_delivered() {
    for (how, end) in ends() {
        let bus = Bus::new();
        let (mut next, mut stream) = (
            bus.next(&NUMBER),
            bus.stream(&NUMBER, 1, Overflow::DropNewest),
        );
        bus.emit(&NUMBER, &1);
        bus.emit(&NUMBER, &2);
        end(bus);
        assert_eq!(poll(&mut next), Poll::Ready(Ok(1)), "{how}");
        assert_eq!(
            all(&mut stream),
            (vec!["1".into(), "(1)".into()], true),
            "{how}"
        );
    }
}

#[test]
fn a_close_inside_of_an_emission_wakes_before_that_ends() {
    let signal = Signal::<u32>::new();
    let (count, waker) = counting();
    let woken = Log::default();
    let _closing = signal.subscribe().priority(1).on({
        let (own, woken, count) = (signal.downgrade(), woken.clone(), count.clone());
        move |_| {
            own.upgrade().unwrap().close();
            woken.add(count.count());
        }
    });
    let (mut next, mut stream) = (signal.next(), signal.stream(1, Overflow::Reject));
    assert!(poll_with(&mut next, &waker).is_pending());
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(woken.take(), ["2"]);
    assert_eq!(poll(&mut next), Poll::Ready(Err(closed())));
    assert_eq!(all(&mut stream), (vec![], true));
}

#[test]
fn dropping_unsubscribes_and_drops_what_had_come() {
    let log = Log::default();
    let signal = Signal::<Arc<Dropped>>::new();
    let (next, stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    let (never, pending) = (
        signal.next_where(|_| false),
        signal.stream(4, Overflow::Reject),
    );
    assert_eq!(signal.len(), 4);
    drop((never, pending));
    assert_eq!(signal.len(), 2);
    signal.emit(&Arc::new(Dropped(log.clone(), "event")));
    assert!(log.take().is_empty());
    drop(next);
    assert!(log.take().is_empty());
    drop(stream);
    assert_eq!(log.take(), ["drop event"]);
    assert!(signal.is_empty());
}

#[test]
fn an_event_that_only_a_waiter_gets_is_not_unhandled() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_unhandled_hook({
        let log = log.clone();
        move |event| log.add(event.topic())
    });
    let stream = bus.stream(&NUMBER, 1, Overflow::DropNewest);
    bus.emit(&NUMBER, &1);
    drop(stream);
    let next = bus.next(&NUMBER);
    bus.emit(&NUMBER, &2);
    assert!(log.take().is_empty());
    bus.emit(&NUMBER, &3);
    assert_eq!(log.take(), ["waiting.number"], "the next has its event");
    drop(next);
}

#[test]
fn waiters_stand_in_the_order_and_a_stop_before_them_holds() {
    let signal = Signal::<u32>::new();
    let mut before = signal.next();
    let _stop = signal.on(|_| Flow::Stop);
    let (mut after, mut first) = (signal.next(), signal.subscribe().priority(1).next());
    assert_eq!(signal.emit(&1).ran(), 3);
    assert_eq!(
        (poll(&mut before), poll(&mut first)),
        (Poll::Ready(Ok(1)), Poll::Ready(Ok(1)))
    );
    assert!(poll(&mut after).is_pending());
}

#[test]
fn the_last_waker_is_woken_and_no_other() {
    let signal = Signal::<u32>::new();
    let (mut next, mut stream) = (signal.next(), signal.stream(1, Overflow::Reject));
    let ((old, old_waker), (new, new_waker)) = (counting(), counting());
    for waker in [&old_waker, &old_waker, &new_waker, &new_waker] {
        assert!(poll_with(&mut next, waker).is_pending());
        assert!(
            stream
                .poll_next_unpin(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    // This one, the waker, and the one that is kept twice.
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (2, 4));
    signal.emit(&1);
    assert_eq!((old.count(), new.count()), (0, 2));
    assert_eq!(Arc::strong_count(&new), 2);
}

#[test]
fn a_waker_may_use_everything() {
    let signal = Signal::<u32>::new();
    let places = Arc::new(Mutex::new((None, None)));
    let emits = AtomicBool::new(true);
    // A local signal cannot be in a waker, so a thread-local is: the waker comes back on this thread.
    thread_local! { static AGAIN: std::cell::RefCell<Option<Box<dyn Fn()>>> = const { std::cell::RefCell::new(None) }; }
    let (own, waiting) = (signal.downgrade(), places.clone());
    AGAIN.set(Some(Box::new(move || {
        let own = own.upgrade().unwrap();
        if emits.swap(false, Relaxed) {
            own.emit(&2);
            own.close();
        }
        let (next, stream) = std::mem::take(&mut *waiting.lock().unwrap());
        drop((next, stream));
    })));
    let (count, waker) = doing(|| AGAIN.with_borrow(|again| (again.as_ref().unwrap())()));
    let (mut next, mut stream) = (signal.next(), signal.stream(1, Overflow::Reject));
    assert!(poll_with(&mut next, &waker).is_pending());
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    *places.lock().unwrap() = (Some(next), Some(stream));
    signal.emit(&1);
    assert!(count.count() >= 1);
    assert!(signal.is_closed() && signal.is_empty());
    AGAIN.set(None);
}

#[test]
fn a_waker_that_panics_is_a_failure_and_does_no_harm() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let (mut next, mut stream) = (bus.next(&NUMBER), bus.stream(&NUMBER, 2, Overflow::Reject));
    let (count, waker) = doing(|| boom("waker"));
    let after = Log::default();
    let _last = bus.on(&NUMBER, {
        let after = after.clone();
        move |n| after.add(n)
    });
    assert!(poll_with(&mut next, &waker).is_pending());
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let done = bus.emit(&NUMBER, &1);
    let kinds: Vec<_> = done.errors().iter().map(|error| error.kind()).collect();
    assert_eq!(kinds, [FailureKind::Panicked; 2]);
    assert_eq!((count.count(), after.take()), (2, vec!["1".to_owned()]));
    assert_eq!(poll(&mut next), Poll::Ready(Ok(1)));
    assert_eq!(all(&mut stream), (vec!["1".into()], false));
    // And where there is no emission.
    let told = Log::default();
    bus.set_error_hook({
        let told = told.clone();
        move |error| told.add(error.kind() == FailureKind::Panicked)
    });
    let mut next = bus.next(&NUMBER);
    assert!(poll_with(&mut next, &waker).is_pending());
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    bus.signal(&NUMBER).close();
    assert_eq!(told.take(), ["true", "true"]);
    assert_eq!(poll(&mut next), Poll::Ready(Err(closed())));
}

#[test]
fn a_clone_that_panics_leaves_a_next_waiting_and_is_lost_to_a_stream() {
    let bad = Arc::new(AtomicBool::new(true));
    let event = Loud(7, {
        let bad = bad.clone();
        move || {
            if bad.load(Relaxed) {
                boom("clone")
            }
        }
    });
    let signal = Signal::new();
    let (mut next, mut stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    let (count, waker) = counting();
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(panic_of(|| signal.emit(&event)), "clone");
    assert_eq!((signal.len(), count.count()), (2, 1));
    bad.store(false, Relaxed);
    signal.emit(&event);
    assert!(matches!(poll(&mut next), Poll::Ready(Ok(Loud(7, _)))));
    assert!(matches!(poll_next(&mut stream), Poll::Ready(Some(Err(lagged))) if lagged.lost() == 1));
    assert!(matches!(
        poll_next(&mut stream),
        Poll::Ready(Some(Ok(Loud(7, _))))
    ));
    assert!(poll_next(&mut stream).is_pending());
}

#[test]
fn a_clone_may_emit_and_the_inner_event_is_the_first() {
    // The clone is made before anything is decided, and of two events that one is late.
    let signal = Signal::<Arc<Mutex<Option<Log>>>>::new();
    thread_local! { static INNER: std::cell::RefCell<Option<Box<dyn Fn()>>> = const { std::cell::RefCell::new(None) }; }
    let mut next = signal.subscribe().next_map(|event| {
        if let Some(inner) = INNER.take() {
            inner();
        }
        Some(event.lock().unwrap().is_some())
    });
    let own = signal.downgrade();
    INNER.set(Some(Box::new(move || {
        let done = own
            .upgrade()
            .unwrap()
            .emit(&Arc::new(Mutex::new(Some(Log::default()))));
        assert_eq!(done.ran(), 1);
    })));
    assert_eq!(signal.emit(&Arc::default()).ran(), 0, "it came too late");
    assert_eq!(poll(&mut next), Poll::Ready(Ok(true)));
}

#[test]
fn a_signal_that_retains_hands_its_last_event_over() {
    let signal = Signal::<u32>::new();
    signal.retain_last();
    signal.emit(&1);
    let (mut next, mut stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    assert_eq!(poll(&mut next), Poll::Ready(Ok(1)));
    signal.emit(&2);
    assert_eq!(all(&mut stream), (vec!["1".into(), "2".into()], false));
}

#[test]
fn a_stream_says_where_and_how_many_it_lost() {
    let signal = Signal::<u32>::new();
    let mut oldest = signal.stream(2, Overflow::DropOldest);
    let mut newest = signal.stream(2, Overflow::DropNewest);
    for n in 1..=5 {
        assert!(signal.emit(&n).errors().is_empty());
    }
    assert_eq!((oldest.len(), newest.len(), oldest.capacity()), (2, 2, 2));
    assert_eq!(oldest.try_next().unwrap().unwrap_err().lost(), 3);
    assert_eq!(newest.try_next(), Some(Ok(1)));
    signal.emit(&6);
    signal.emit(&7);
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(all(&mut oldest), (texts(&["(2)", "6", "7"]), false));
    assert_eq!(all(&mut newest), (texts(&["2", "(3)", "6", "(1)"]), false));
    signal.emit(&8);
    assert_eq!(all(&mut newest), (texts(&["8"]), false));
}

#[test]
fn what_is_behind_a_loss_is_in_the_buffer_still() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.stream(2, Overflow::DropOldest);
    (1..=3).for_each(|n| _ = signal.emit(&n));
    assert_eq!(stream.try_next().unwrap().unwrap_err().lost(), 1);
    assert_eq!(stream.len(), 2);
    signal.emit(&4); // in the place of 2
    signal.emit(&5); // in that of 3
    assert_eq!(stream.len(), 2);
    let rest = ["(2)", "4", "5"].map(str::to_owned);
    assert_eq!(all(&mut stream), (rest.to_vec(), false));
    signal.emit(&6);
    assert_eq!((stream.len(), stream.try_next()), (1, Some(Ok(6))));
}

#[test]
fn a_full_stream_that_rejects_is_a_failure_in_the_emission() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.subscribe().label("slow").stream(1, Overflow::Reject);
    assert!(signal.emit(&1).errors().is_empty());
    let done = signal.emit(&2);
    let [error] = done.errors() else {
        panic!("{done:?}")
    };
    assert_eq!(
        (error.label(), error.kind()),
        (Some("slow"), FailureKind::Failed)
    );
    let full = error.error().unwrap().downcast_ref::<StreamFull>().unwrap();
    assert_eq!(
        (full.capacity(), full.to_string()),
        (1, "stream is full (1 events)".to_owned())
    );
    assert_eq!(all(&mut stream), (vec!["1".into()], false));
    assert!(signal.emit(&3).errors().is_empty());
}

#[test]
fn a_limit_ends_a_stream_after_its_last_event() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.subscribe().limit(2).stream(4, Overflow::Reject);
    for n in 1..=3 {
        signal.emit(&n);
    }
    assert_eq!(all(&mut stream), (vec!["1".into(), "2".into()], true));
    let mut none = signal.subscribe().limit(0).stream(1, Overflow::Reject);
    assert_eq!(all(&mut none), (vec![], true));
}

#[test]
fn a_panic_in_the_drop_of_an_event_keeps_no_other_from_being_dropped() {
    struct Bad(Log, u32);
    impl Drop for Bad {
        fn drop(&mut self) {
            self.0.add(self.1);
            if self.1 == 1 {
                boom("drop")
            }
        }
    }
    let (log, told) = (Log::default(), Log::default());
    let bus = Bus::new();
    bus.set_error_hook({
        let told = told.clone();
        move |error| told.add(error.kind() == FailureKind::Panicked)
    });
    let stream = bus.subscribe(&NUMBER).stream_map(4, Overflow::Reject, {
        let log = log.clone();
        move |n| Some(Bad(log.clone(), *n))
    });
    let next = bus.subscribe(&NUMBER).next_map({
        let log = log.clone();
        move |n| Some(Bad(log.clone(), *n))
    });
    for n in 1..=3 {
        bus.emit(&NUMBER, &n);
    }
    drop(stream);
    assert_eq!(
        (log.take(), told.take()),
        (
            vec!["1".into(), "2".into(), "3".into()],
            vec!["true".to_owned()]
        )
    );
    drop(next);
    assert_eq!(
        (log.take(), told.take()),
        (vec!["1".to_owned()], vec!["true".to_owned()])
    );
}

#[test]
#[should_panic(expected = "a stream needs a capacity of at least one event")]
fn a_stream_without_room_panics() {
    _ = Signal::<u32>::new().stream(0, Overflow::Reject);
}

#[test]
fn a_sink_gets_clones_and_tells_of_its_back_pressure() {
    let signal = Signal::<u32>::new();
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let sub = signal
        .subscribe()
        .filter(|n| *n > 1)
        .send_to(move |n| sender.try_send(n));
    for (n, failures) in [(1, 0), (2, 0), (3, 1)] {
        assert_eq!(signal.emit(&n).errors().len(), failures);
    }
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2]);
    drop(receiver);
    assert_eq!(signal.emit(&4).errors().len(), 1);
    drop(sub);
    assert!(signal.is_empty());
}

#[test]
fn emit_all_emits_until_the_stream_ends_or_the_signal_is_closed() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let _sub = signal.on({
        let (own, log) = (signal.downgrade(), log.clone());
        move |n| {
            log.add(n);
            if *n == 100 {
                own.upgrade().unwrap().close();
            }
        }
    });
    let mut all = signal.emit_all(stream::iter([1, 2]));
    assert_eq!((poll(&mut all), log.take().len()), (Poll::Ready(2), 2));
    assert_eq!(poll(&mut all), Poll::Ready(2), "it has completed");
    let (count, waker) = counting();
    let mut all = signal.emit_all(stream::iter(1..));
    assert!(
        poll_with(&mut all, &waker).is_pending(),
        "others have their turn"
    );
    assert_eq!((count.count(), log.take().len()), (1, 64));
    assert_eq!(
        (poll_with(&mut all, &waker), log.take().len()),
        (Poll::Ready(100), 36)
    );
    assert_eq!(
        poll(&mut pin!(signal.emit_all(stream::repeat(1)))),
        Poll::Ready(0)
    );
}

#[test]
fn emit_all_goes_on_after_a_handler_that_panics() {
    let signal = Signal::<u32>::new();
    let _sub = signal.on(|n| {
        if *n == 2 {
            boom("two")
        }
    });
    let mut all = signal.emit_all(stream::iter(1..=3));
    assert_eq!(panic_of(|| poll(&mut all)), "two");
    assert_eq!(poll(&mut all), Poll::Ready(3));
}
