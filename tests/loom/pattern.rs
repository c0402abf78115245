//! Patterns against the topics that they match.

use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;
use slotcast::{Bus, Subscription, Topic, WaitError};

use super::{Captures, model};

const TOPIC: Topic<u32> = Topic::new("room.one");

/// Planted: `Unrenewed`.
#[test]
fn cancel_of_a_pattern_against_emit_drops_captures_promptly() {
    model(|| {
        let bus = Bus::new();
        let signal = bus.signal(&TOPIC);
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let _stays = bus.on_pattern("room.*", |_| ());
        let sub = bus.on_pattern("room.*", move |_| captures.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        sub.cancel();
        emitting.join().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
        assert_eq!(signal.emit(&2).ran(), 1);
    });
}

/// Planted: `Unattached`.
#[test]
fn a_pattern_and_a_topic_that_meet_find_each_other() {
    model(|| {
        let bus = Bus::new();
        let subscribing = thread::spawn({
            let bus = bus.clone();
            move || bus.on_pattern("room.*", |_| ())
        });
        let signal = bus.signal(&TOPIC);
        signal.emit(&0);
        let sub = subscribing.join().unwrap();
        assert_eq!(signal.emit(&1).ran(), 1);
        drop(sub);
        assert_eq!(signal.emit(&2).ran(), 0);
    });
}

/// While one thread tells the topics of a change, another makes one. Planted: `Unshown`, `Forgotten`.
#[test]
fn two_handlers_that_are_added_to_a_pattern_at_a_time_are_both_known_at_once() {
    model(|| {
        let bus = Bus::new();
        let signal = bus.signal(&TOPIC);
        let _known = bus.on_pattern("room.*", |_| ());
        signal.emit(&0);
        let subscribing = thread::spawn({
            let bus = bus.clone();
            move || bus.on_pattern("room.*", |_| ())
        });
        let _second = bus.on_pattern("room.*", |_| ());
        assert!(signal.emit(&1).ran() >= 2);
        let _first = subscribing.join().unwrap();
        assert_eq!(signal.emit(&2).ran(), 3);
    });
}

/// Planted: `Unlimited`.
#[test]
fn a_pattern_that_comes_while_a_list_is_gathered_knows_that_it_is_inside() {
    model(|| {
        let bus = Bus::new();
        let signal = bus.signal(&TOPIC);
        let _known = bus.on_pattern("room.*", |_| ());
        let place = Arc::new(Mutex::new(None::<Subscription>));
        let subscribing = thread::spawn({
            let (bus, place) = (bus.clone(), place.clone());
            move || {
                let own = place.clone();
                let sub = bus.on_pattern("room.*", move |_| {
                    let sub = own.lock().unwrap().take();
                    if let Some(sub) = sub {
                        let answer = sub.cancel_and_wait_timeout(Duration::ZERO);
                        assert_eq!(answer, Err(WaitError::Inside));
                    }
                });
                *place.lock().unwrap() = Some(sub);
            }
        });
        signal.emit(&0);
        subscribing.join().unwrap();
        drop(place.lock().unwrap().take());
    });
}
