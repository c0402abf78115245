//! Promise 16: clearing one topic of a queue.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use slotcast::Overflow;

use super::queue::{NUMBER, TEXT, written};
use super::{Bus, Queue, Signal};
use crate::log::Log;

#[test]
fn clear_topic_takes_each_kind_of_event_of_a_topic_and_keeps_the_order_of_the_others() {
    let log = Log::default();
    let bus = written(&log);
    let (number, text) = (bus.signal(&NUMBER), bus.signal(&TEXT));
    let called = log.clone();
    let _calls = bus
        .subscribe(&NUMBER)
        .on_queue(&bus.queue(), move |(), n| called.add(format!("call {n}")));
    let add = |s: &str| text.defer(s.to_owned()).unwrap();
    add("a");
    number.defer(1).unwrap();
    bus.defer_latest(&NUMBER, 2).unwrap();
    add("b");
    assert_eq!(number.emit(&3).ran(), 2);
    log.take();
    add("c");
    bus.defer_latest(&TEXT, "d".to_owned()).unwrap();
    bus.defer_after(Duration::ZERO, &NUMBER, 4).unwrap();
    bus.defer_after(Duration::ZERO, &TEXT, "e".to_owned())
        .unwrap();
    number.defer(5).unwrap();
    assert_eq!(bus.queue().clear_topic(&number), 5);
    assert_eq!(bus.queue().clear_topic(&number), 0);
    assert_eq!(bus.queue().len(), 4);
    add("f");
    assert_eq!(bus.drain().delivered(), 6);
    assert_eq!(log.take(), ["a", "b", "c", "d", "f", "e"]);
}

#[test]
fn clear_topic_inside_of_a_drain_takes_what_it_has_not_delivered_and_the_rest_goes_on() {
    let (bus, log) = (Bus::new(), Log::default());
    let (number, text) = (bus.signal(&NUMBER), bus.signal(&TEXT));
    let (weak, of, writes) = (bus.downgrade(), number.clone(), log.clone());
    let _text = text.on(move |text| {
        let bus = weak.upgrade().unwrap();
        writes.add(text);
        if text == "a" {
            bus.defer(&TEXT, "later".to_owned()).unwrap();
            bus.defer(&NUMBER, 9).unwrap();
            writes.add(bus.queue().clear_topic(&of));
        }
    });
    let writes = log.clone();
    let _number = number.on(move |n| writes.add(n));
    for (n, text) in ["a", "b", "c"].into_iter().enumerate() {
        bus.defer(&TEXT, text.to_owned()).unwrap();
        bus.defer(&NUMBER, u32::try_from(n).unwrap()).unwrap();
    }
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (3, 1));
    assert_eq!(log.take(), ["a", "4", "b", "c"]);
    assert_eq!(bus.drain().delivered(), 1);
    assert_eq!(log.take(), ["later"], "it waited for the next drain");
}

/// The outer drain begins with `a`, the inner one with `b` too, and `c` comes later.
#[test]
fn clear_topic_inside_of_nested_drains_leaves_each_of_them_what_it_began_with() {
    let (bus, log) = (Bus::new(), Log::default());
    let (weak, writes) = (bus.downgrade(), log.clone());
    let _text = bus.on(&TEXT, move |text| {
        let bus = weak.upgrade().unwrap();
        writes.add(text);
        match text.as_str() {
            "outer" => {
                bus.defer(&TEXT, "inner".to_owned()).unwrap();
                bus.defer(&TEXT, "b".to_owned()).unwrap();
                bus.defer(&NUMBER, 1).unwrap();
                let inner = bus.queue().drain_one();
                writes.add(format!("left {}", inner.remaining()));
            }
            "a" => {
                bus.defer(&TEXT, "c".to_owned()).unwrap();
                let number = bus.signal(&NUMBER);
                writes.add(format!("cleared {}", bus.queue().clear_topic(&number)));
            }
            _ => {}
        }
    });
    bus.defer(&TEXT, "outer".to_owned()).unwrap();
    bus.defer(&TEXT, "a".to_owned()).unwrap();
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (1, 3));
    let expected = ["outer", "a", "cleared 1", "left 3"];
    assert_eq!(
        log.take(),
        expected,
        "the inner one has taken what was first"
    );
    assert_eq!(bus.drain().delivered(), 3);
    assert_eq!(log.take(), ["inner", "b", "c"]);
}

#[test]
fn clear_topic_finds_the_calls_of_a_topic_that_has_ceased_to_exist() {
    let bus = Bus::new();
    let other = Bus::new();
    for bus in [&bus, &other] {
        let queue = bus.queue();
        bus.subscribe(&NUMBER)
            .once_queue(&queue, |(), _| ())
            .detach();
        assert_eq!(bus.emit(&NUMBER, &1).ran(), 1);
        assert!(bus.topics().is_empty());
    }
    assert_eq!(other.queue().clear_topic(&bus.signal(&NUMBER)), 0);
    assert_eq!(bus.queue().clear_topic(&bus.signal(&TEXT)), 0);
    assert_eq!(bus.queue().clear_topic(&bus.signal(&NUMBER)), 1);
    assert_eq!((bus.queue().len(), other.queue().len()), (0, 1));
    let (one, two) = (Signal::<u32>::new(), Signal::<u32>::new());
    let queue = Queue::new();
    queue.defer(&one, 1).unwrap();
    assert_eq!(queue.clear_topic(&two), 0, "signals without a bus");
}

#[test]
fn clear_topic_makes_room() {
    let log = Log::default();
    let queue = Queue::new().bounded(3, Overflow::Reject);
    let (one, two) = (Signal::<u32>::new(), Signal::<u32>::new());
    let writes = log.clone();
    let _sub = two.on(move |n| writes.add(n));
    queue.defer(&one, 1).unwrap();
    queue.defer(&two, 2).unwrap();
    queue.defer(&one, 3).unwrap();
    assert!(queue.defer(&two, 4).is_err());
    assert_eq!(queue.clear_topic(&one), 2);
    queue.defer(&two, 5).unwrap();
    queue.defer(&two, 6).unwrap();
    assert!(queue.defer(&two, 7).is_err());
    assert_eq!(queue.drain().delivered(), 3);
    assert_eq!(log.take(), ["2", "5", "6"]);
}

#[test]
fn what_a_full_queue_drops_is_counted_by_its_topic() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let bus = Bus::new();
        bus.queue().bounded(2, overflow);
        let (number, text) = (bus.signal(&NUMBER), bus.signal(&TEXT));
        let _calls = text.subscribe().on_queue(&bus.queue(), |(), _| ());
        number.defer(1).unwrap();
        assert_eq!(text.emit(&"a".to_owned()).ran(), 1);
        for n in 2..=4 {
            bus.defer(&NUMBER, n).unwrap();
            assert_eq!(text.emit(&"b".to_owned()).ran(), 1);
        }
        assert_eq!((number.dropped(), text.dropped()), (3, 3));
        bus.defer_latest(&NUMBER, 5).unwrap();
        assert_eq!(number.dropped() + text.dropped(), 7);
        assert_eq!(bus.queue().dropped(), 7);
    }
}

thread_local! {
    /// What waits on after the drop that has begun it.
    static WAITING: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Adds another event to its queue when it is dropped, and waits for one.
struct Posts(Queue, Log);

impl Drop for Posts {
    fn drop(&mut self) {
        let Posts(queue, log) = self;
        queue.post(|| ()).unwrap();
        let mut ready = queue.ready();
        let waker = Waker::from(Arc::new(Told(log.clone())));
        let found = Pin::new(&mut ready).poll(&mut Context::from_waker(&waker));
        log.add(if found.is_ready() { "ready" } else { "waits" });
        WAITING.with_borrow_mut(|all| all.push(Box::new(ready)));
    }
}

struct Told(Log);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.0.add("woken");
    }
}

#[test]
fn what_is_posted_while_a_clear_drops_is_told_although_calls_were_taken_back() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let sub = signal.subscribe().on_queue(&queue, |(), _| ());
    assert_eq!(signal.emit(&1).ran() + signal.emit(&2).ran(), 2);
    let event = Posts(queue.clone(), log.clone());
    sub.cancel();
    queue.post(move || _ = &event).unwrap();
    assert_eq!(queue.clear(), 1);
    let told = log.take();
    assert!(told[0] == "ready" || told == ["waits", "woken"], "{told:?}");
    WAITING.take();
    assert_eq!(queue.drain().delivered(), 1);
}
