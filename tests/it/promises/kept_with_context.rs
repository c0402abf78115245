//! Kept events where emissions and drains lend a context: a new handler is handed them when one is lent.

use slotcast::{Flow, Overflow, Topic};

use super::{Bus, Ptr, Signal};
use crate::gate::block_on;
use crate::log::{Log, boom};

const LEVEL: Topic<u32> = Topic::new("level");

type Seen = Vec<String>;

/// A bus whose topic keeps three events: 1, 2 and 3.
fn three() -> Bus<Seen> {
    let bus = Bus::<Seen>::with_context();
    bus.retain(&LEVEL, 3);
    for n in 1..=3 {
        bus.emit_with(&mut Seen::new(), &LEVEL, &n);
    }
    bus
}

fn note(seen: &mut Seen, n: &u32) {
    seen.push(n.to_string());
}

#[test]
fn a_new_handler_is_handed_them_by_the_next_drain() {
    let (bus, mut seen) = (three(), Seen::new());
    let _one = bus.on_with(&LEVEL, note);
    let _two = bus.on_with(&LEVEL, |seen, n| seen.push(format!("two {n}")));
    let _none = bus.subscribe(&LEVEL).skip_kept().on_with(note);
    assert_eq!(bus.queue().len(), 1, "one call stands for all");
    assert!(bus.queue().drain_with(&mut seen).errors().is_empty());
    assert_eq!(seen, ["1", "2", "3", "two 1", "two 2", "two 3"]);
    bus.queue().drain_with(&mut seen);
    assert_eq!(seen.len(), 6, "once");
    let _three = bus.on_with(&LEVEL, |seen, n| seen.push(format!("three {n}")));
    bus.queue().drain_with(&mut seen);
    assert_eq!(seen[6..], ["three 1", "three 2", "three 3"]);
}

#[test]
fn an_emission_before_that_hands_them_over_before_its_event() {
    let (bus, mut seen) = (three(), Seen::new());
    let _sub = bus.on_with(&LEVEL, note);
    bus.emit_with(&mut seen, &LEVEL, &4);
    assert_eq!(seen, ["1", "2", "3", "4"]);
    bus.queue().drain_with(&mut seen);
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_deferred_event_comes_after_them() {
    let (bus, mut seen) = (three(), Seen::new());
    bus.defer(&LEVEL, 4).unwrap();
    let _sub = bus.on_with(&LEVEL, note);
    bus.queue().drain_with(&mut seen);
    assert_eq!(seen, ["1", "2", "3", "4"]);
}

#[test]
fn an_awaited_emission_in_order_hands_them_over_before_its_event() {
    let (bus, mut seen) = (three(), Seen::new());
    let _sub = bus.on_with(&LEVEL, note);
    let emission = bus.emit_async_with(&mut seen, &LEVEL, 4).in_order();
    assert_eq!(block_on(emission).ran(), 1);
    assert_eq!(seen, ["1", "2", "3", "4"]);
}

#[test]
fn a_signal_without_a_bus_hands_them_over_with_its_next_emission() {
    let (signal, mut seen) = (Signal::<u32, Seen>::with_context(), Seen::new());
    signal.retain_last();
    signal.emit_with(&mut seen, &1);
    let _sub = signal.on_with(note);
    assert_eq!(signal.last(), Some(1));
    signal.emit_with(&mut seen, &2);
    assert_eq!(seen, ["1", "2"]);
}

#[test]
fn neither_a_full_queue_nor_a_cleared_one_is_in_the_way() {
    let (bus, mut seen) = (three(), Seen::new());
    let queue = bus.queue().bounded(1, Overflow::Reject);
    bus.defer(&Topic::<()>::new("other"), ()).unwrap();
    let _sub = bus.on_with(&LEVEL, note);
    assert_eq!(queue.clear(), 2);
    queue.drain_with(&mut seen);
    assert!(seen.is_empty(), "the call was cleared with the rest");
    let _asks = bus.on_with(&LEVEL, |_, _| ());
    queue.drain_with(&mut seen);
    assert_eq!(seen, ["1", "2", "3"], "whoever comes next asks for all");
}

#[test]
fn a_closed_queue_leaves_them_to_the_next_emission() {
    let (bus, mut seen) = (three(), Seen::new());
    bus.queue().close();
    let _sub = bus.on_with(&LEVEL, note);
    bus.emit_with(&mut seen, &LEVEL, &4);
    assert_eq!(seen, ["1", "2", "3", "4"]);
}

#[test]
fn handlers_that_come_and_go_before_that_leave_nothing() {
    let (bus, alive, kept) = (Bus::<Seen>::with_context(), Ptr::new(()), Ptr::new(7));
    let topic = Topic::<Ptr<u32>>::new("owned");
    bus.retain_last(&topic);
    bus.emit_with(&mut Seen::new(), &topic, &kept);
    for _ in 0..1000 {
        let alive = alive.clone();
        let sub = bus.on_with(&topic, move |_, _| _ = &alive);
        sub.cancel();
    }
    assert_eq!(Ptr::strong_count(&alive), 1, "captures go with the cancel");
    assert_eq!(bus.queue().len(), 1);
    bus.queue().drain_with(&mut Seen::new());
    assert_eq!(Ptr::strong_count(&kept), 2, "that of the topic is left");
}

#[test]
fn a_handler_that_ends_or_fails_while_it_is_handed_them_does_so_once() {
    let log = Log::default();
    let told = log.clone();
    let (bus, mut seen) = (three(), Seen::new());
    bus.set_error_hook(move |error| told.add(error));
    let _once = bus.subscribe(&LEVEL).once_with(note);
    let _ends = bus.on_with(&LEVEL, |seen, n| {
        seen.push(format!("ends {n}"));
        if *n == 2 {
            Flow::Cancel
        } else {
            Flow::Continue
        }
    });
    let _fails = bus
        .subscribe(&LEVEL)
        .label("fails")
        .on_with(|_, n| match n {
            1 => Err("one"),
            2 => boom("two"),
            _ => Ok(()),
        });
    bus.queue().drain_with(&mut seen);
    assert_eq!(seen, ["1", "ends 1", "ends 2"]);
    assert_eq!(log.take().len(), 2);
}

#[test]
fn a_paused_handler_is_not_handed_them() {
    let (bus, mut seen) = (three(), Seen::new());
    let sub = bus.on_with(&LEVEL, note);
    let pause = sub.pause();
    bus.queue().drain_with(&mut seen);
    drop(pause);
    bus.emit_with(&mut seen, &LEVEL, &4);
    assert_eq!(seen, ["4"]);
}

#[test]
fn a_stream_and_a_queued_handler_are_handed_them_in_the_same_way() {
    let (bus, mut seen) = (three(), Seen::new());
    let mut stream = bus.subscribe(&LEVEL).stream(8, Overflow::DropOldest);
    let _queued = bus.subscribe(&LEVEL).on_queue(&bus.queue(), note);
    assert_eq!(stream.len(), 0);
    bus.queue().drain_with(&mut seen);
    bus.queue().drain_with(&mut seen);
    assert_eq!(seen, ["1", "2", "3"]);
    let taken = std::iter::from_fn(|| stream.try_take());
    assert_eq!(taken.collect::<Result<Vec<_>, _>>(), Ok(vec![1, 2, 3]));
}

#[test]
fn a_handler_that_has_missed_nothing_asks_for_no_context() {
    let bus = Bus::<Seen>::with_context();
    bus.retain_last(&LEVEL);
    let _sub = bus.on_with(&LEVEL, note);
    assert_eq!(bus.queue().len(), 0);
}

#[test]
fn keeping_nothing_more_hands_nothing_over() {
    let (bus, mut seen) = (three(), Seen::new());
    let _sub = bus.on_with(&LEVEL, note);
    bus.retain(&LEVEL, 0);
    bus.queue().drain_with(&mut seen);
    assert!(seen.is_empty());
    bus.emit_with(&mut seen, &LEVEL, &4);
    assert_eq!(seen, ["4"]);
}

#[test]
fn an_awaited_emission_inside_of_a_hand_over_leaves_the_rest_to_that() {
    let (bus, mut seen) = (three(), Seen::new());
    let weak = bus.downgrade();
    let _sub = bus.subscribe(&LEVEL).on_mut_with(move |seen, n| {
        note(seen, n);
        if *n == 2 {
            let bus = weak.upgrade().unwrap();
            let emission = bus.emit_async_with(seen, &LEVEL, 4).in_order();
            assert_eq!(
                block_on(emission).errors().len(),
                1,
                "that of the nested event alone"
            );
        }
    });
    bus.queue().drain_with(&mut seen);
    assert_eq!(seen, ["1", "2", "3"]);
}
