//! Emissions by name against changes of the topics.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;
use slotcast::{Bus, Signal, Topic, WeakBus};

use super::{Captures, model};

const TOPIC: Topic<u32> = Topic::new("room.one");

/// Emits by name until that takes no lock.
fn warm_up(bus: &Bus) {
    for _ in 0..2 {
        bus.emit(&TOPIC, &0);
    }
}

/// Planted: `Unwaited`, `Ungated`, `Unpassed`.
#[test]
fn a_topic_that_goes_against_an_emission_by_its_name() {
    model(|| {
        let bus = Bus::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let sub = bus.on(&TOPIC, move |_| captures.read());
        warm_up(&bus);
        let emitting = thread::spawn({
            let bus = bus.clone();
            move || (0..2).map(|_| bus.emit(&TOPIC, &1).ran()).sum::<usize>()
        });
        // Nothing else keeps the topic.
        sub.cancel();
        assert!(emitting.join().unwrap() <= 2);
        assert_eq!(dropped.load(SeqCst), 1);
        assert_eq!(bus.emit(&TOPIC, &2).ran(), 0);
    });
}

#[test]
fn two_emissions_by_name_against_a_new_topic() {
    model(|| {
        let bus = Bus::new();
        let _sub = bus.on(&TOPIC, |_| ());
        warm_up(&bus);
        let emitting = thread::spawn({
            let bus = bus.clone();
            move || (0..2).map(|_| bus.emit(&TOPIC, &1).ran()).sum::<usize>()
        });
        let _other = bus.signal(&Topic::<u32>::new("room.two"));
        assert_eq!(bus.emit(&TOPIC, &2).ran(), 1);
        assert_eq!(emitting.join().unwrap(), 2);
    });
}

/// Uses the bus when it is dropped.
struct Busy(WeakBus, Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        let bus = self.0.upgrade().unwrap();
        let _made = bus.signal(&Topic::<u32>::new("room.two"));
        self.1.fetch_add(1, SeqCst);
    }
}

/// Planted: `Unlet`.
#[test]
fn what_an_emission_by_name_drops_may_use_the_bus() {
    model(|| {
        let bus = Bus::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Busy(bus.downgrade(), dropped.clone());
        let _stays = bus.on(&TOPIC, |_| ());
        let sub = bus.on(&TOPIC, move |_| _ = &captures);
        warm_up(&bus);
        let cancelling = thread::spawn(move || sub.cancel());
        assert!(bus.emit(&TOPIC, &1).ran() >= 1);
        assert!(cancelling.join().unwrap());
        assert_eq!(dropped.load(SeqCst), 1);
    });
}

/// A topic whose last handle is being dropped: as if a thread had got no further than that.
fn going(signal: Signal<u32>) -> Option<impl Sized> {
    std::sync::Arc::into_inner(signal.core)
}

/// Planted: `Unseen`.
#[test]
fn a_hook_that_comes_while_a_topic_goes_is_told() {
    model(|| {
        let bus = Bus::new();
        let signal = bus.signal(&TOPIC);
        warm_up(&bus);
        let going = going(signal);
        let told = Arc::new(AtomicUsize::new(0));
        bus.set_unhandled_hook({
            let told = told.clone();
            move |_| _ = told.fetch_add(1, SeqCst)
        });
        bus.emit(&TOPIC, &1);
        assert_eq!(told.load(SeqCst), 1);
        drop(going);
    });
}

/// Planted: `closed-bus-silent`.
#[test]
fn a_bus_that_closes_while_a_topic_goes_is_closed() {
    model(|| {
        let bus = Bus::new();
        let signal = bus.signal(&TOPIC);
        warm_up(&bus);
        let going = going(signal);
        bus.close();
        for _ in 0..2 {
            assert!(bus.emit(&TOPIC, &1).is_closed());
        }
        drop(going);
    });
}

/// Planted: `Unmatched`.
#[test]
fn a_pattern_that_comes_while_a_topic_goes_is_called() {
    model(|| {
        let bus = Bus::new();
        let signal = bus.signal(&TOPIC);
        warm_up(&bus);
        let going = going(signal);
        let _sub = bus.on_pattern("room.*", |_| ());
        for _ in 0..2 {
            assert_eq!(bus.emit(&TOPIC, &1).ran(), 1);
        }
        drop(going);
    });
}
