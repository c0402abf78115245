//! The help for users' tests: probes and recorders.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use slotcast::flavour::Local;
use slotcast::testing::{Probe, Recorder};
use slotcast::{Bus, FailureKind, Flow, Panics, Queue, Signal, Topic, local};

use crate::log::{Dropped, Log, boom, panic_of};

const PLACED: Topic<u32> = Topic::new("order.placed");
const SHIPPED: Topic<u32> = Topic::new("order.shipped");

/// Bounds a test that fails.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_probe_records_what_is_emitted_and_gives_it_away_once() {
    let bus = Bus::new();
    let probe = Probe::on(&bus, &PLACED);
    for n in 1..=3 {
        assert_eq!(bus.emit(&PLACED, &n).ran(), 1);
    }
    assert_eq!((probe.len(), probe.is_empty()), (3, false));
    assert_eq!(probe.topics(), ["order.placed"; 3]);
    assert_eq!(probe.take(), [1, 2, 3]);
    assert!(probe.is_empty() && probe.take().is_empty() && probe.topics().is_empty());
    assert_eq!(
        format!("{probe:?}"),
        "Probe { topics: [], is_closed: false }"
    );
}

#[test]
fn a_local_probe_records_what_cannot_leave_the_thread() {
    const COUNTED: Topic<Rc<Cell<u32>>> = Topic::new("counted");
    let bus = local::Bus::<Vec<u32>>::with_context();
    let offset = Rc::new(Cell::new(10));
    let clones: Probe<_, Local> = Probe::on(&bus, &COUNTED);
    let mapped = Probe::on_map(&bus, &COUNTED, {
        let offset = offset.clone();
        move |n| Rc::new(n.get() + offset.get())
    });
    let any = Probe::on_pattern(&bus, ">", |event| Rc::new(event.type_name().len()));
    let recorder = Recorder::new();
    recorder.watch(&bus, &COUNTED);
    recorder.watch_pattern(&bus, ">");
    let event = Rc::new(Cell::new(1));
    bus.emit_with(&mut Vec::new(), &COUNTED, &event);
    assert!(Rc::ptr_eq(&clones.take()[0], &event));
    assert_eq!(*mapped.take()[0], 11);
    assert_eq!(
        (any.topics(), any.take().len()),
        (vec!["counted".to_owned()], 1)
    );
    recorder.expect(["counted", "counted"]);
    drop(mapped);
    assert_eq!(Rc::strong_count(&offset), 1);
}

#[test]
fn a_probe_sees_what_a_handler_stops_or_fails_at() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let _stops = bus
        .subscribe(&PLACED)
        .priority(i32::MAX - 1)
        .on(|n| match n {
            0 => Flow::Stop,
            _ => boom("after the probe"),
        });
    let _later = bus.on(&PLACED, |_| ());
    let probe = Probe::on(&bus, &PLACED);
    let kept = Probe::by(bus.subscribe(&PLACED).priority(i32::MIN), |n| *n);
    assert_eq!(bus.emit(&PLACED, &0).ran(), 2);
    let done = bus.emit(&PLACED, &1);
    assert_eq!((done.ran(), done.errors().len()), (4, 1));
    assert_eq!((probe.take(), kept.take()), (vec![0, 1], vec![1]));
}

#[test]
fn a_mapping_that_panics_is_a_failed_handler_and_records_nothing() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let (probe, line) = (Probe::on_map(&bus, &PLACED, |n| 10 / n), line!());
    let done = bus.emit(&PLACED, &0);
    let error = &done.errors()[0];
    assert_eq!(
        (error.kind(), error.label(), error.location().line()),
        (FailureKind::Panicked, Some("probe"), line)
    );
    assert_eq!(error.location().file(), file!());
    bus.emit(&PLACED, &2);
    assert_eq!(probe.take(), [5]);
}

#[test]
fn a_probe_of_a_pattern_records_names_that_nobody_holds() {
    let bus = Bus::new();
    let probe = Probe::on_pattern(&bus, "order.*", |event| event.payload::<u32>().copied());
    let held = bus.signal(&SHIPPED);
    bus.emit(&PLACED, &1);
    held.emit(&2);
    bus.emit(&Topic::new("order.note"), &"hello");
    bus.emit(&Topic::new("stock.low"), &3_u32);
    let names = ["order.placed", "order.shipped", "order.note"];
    assert_eq!(probe.topics(), names);
    assert_eq!(probe.take(), [Some(1), Some(2), None]);
    assert_eq!(bus.topics(), ["order.shipped"]);
}

#[test]
fn deferred_events_are_recorded_when_they_are_delivered() {
    let bus = Bus::new();
    let (probe, recorder) = (Probe::on(&bus, &PLACED), Recorder::new());
    recorder.watch_pattern(&bus, "order.>");
    bus.defer(&PLACED, 1).unwrap();
    bus.emit(&SHIPPED, &2);
    assert!(probe.is_empty());
    bus.drain();
    assert_eq!(probe.take(), [1]);
    recorder.expect(["order.shipped", "order.placed"]);
}

#[test]
fn a_probe_ends_with_its_drop_and_drops_all_it_has_outside_of_locks() {
    let (bus, log) = (Bus::new(), Log::default());
    let captured = Dropped(log.clone(), "captured");
    let probe = Probe::on_map(&bus, &PLACED, move |_| {
        let _captured = &captured;
        Dropped(captured.0.clone(), "value")
    });
    bus.emit(&PLACED, &1);
    drop(probe);
    assert_eq!(log.take(), ["drop captured", "drop value"]);
    assert_eq!(bus.emit(&PLACED, &2).ran(), 0);
    assert!(bus.topics().is_empty());
}

#[test]
fn clone_and_drop_of_events_may_ask_the_probe() {
    static PROBE: OnceLock<Probe<Asks>> = OnceLock::new();
    struct Asks(Log);
    impl Clone for Asks {
        fn clone(&self) -> Self {
            self.0.add(format!("clone {}", PROBE.get().unwrap().len()));
            Asks(self.0.clone())
        }
    }
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.add(format!("drop {}", PROBE.get().unwrap().len()));
        }
    }
    const ASKS: Topic<Asks> = Topic::new("asks");
    let (bus, log) = (Bus::new(), Log::default());
    let probe = PROBE.get_or_init(|| Probe::on(&bus, &ASKS));
    let event = Asks(log.clone());
    bus.emit(&ASKS, &event);
    bus.emit(&ASKS, &event);
    drop(probe.take());
    assert_eq!(log.take(), ["clone 0", "clone 1", "drop 0", "drop 0"]);
}

#[test]
fn waiting_takes_as_many_as_it_waits_for() {
    let bus = Bus::new();
    let probe = Probe::on(&bus, &PLACED);
    thread::scope(|scope| {
        scope.spawn(|| (1..=5).for_each(|n| _ = bus.emit(&PLACED, &n)));
        assert_eq!(probe.wait_for(2, LONG).unwrap(), [1, 2]);
        assert!(probe.wait_for(0, LONG).unwrap().is_empty());
        assert_eq!(probe.wait_for(3, Duration::MAX).unwrap(), [3, 4, 5]);
    });
    assert!(probe.is_empty());
}

#[test]
fn waiting_in_vain_says_what_was_seen_and_takes_nothing() {
    let bus = Bus::new();
    let recorder = Recorder::new();
    recorder.watch(&bus, &PLACED);
    recorder.watch(&bus, &SHIPPED);
    let nothing = recorder.wait_for(1, Duration::ZERO).unwrap_err();
    assert_eq!(nothing.to_string(), "0 of 1 event within 0ns");
    bus.emit(&PLACED, &1);
    bus.emit(&SHIPPED, &1);
    let missing = recorder.wait_for(3, Duration::from_millis(1)).unwrap_err();
    assert_eq!((missing.expected(), missing.seen()), (3, 2));
    assert_eq!(missing.topics(), ["order.placed", "order.shipped"]);
    assert!(!missing.is_closed());
    assert_eq!(
        missing.to_string(),
        "2 of 3 events within 1ms: order.placed, order.shipped"
    );
    recorder.expect(["order.placed", "order.shipped"]);
    (0..20).for_each(|n| _ = bus.emit(&PLACED, &n));
    let long = recorder.wait_for(99, Duration::ZERO).unwrap_err();
    assert!(long.to_string().ends_with("order.placed and 4 more"));
}

/// Waits on another thread, and says so when it is about to.
fn awaited(end: impl FnOnce()) -> slotcast::testing::Missing {
    let bus = Bus::new();
    let probe = Probe::on(&bus, &PLACED);
    awaited_on(probe, bus, end)
}

fn awaited_on<T: Send>(
    probe: Probe<T>,
    kept: impl Sized,
    end: impl FnOnce(),
) -> slotcast::testing::Missing {
    let (begins, begun) = mpsc::channel();
    thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            begins.send(()).unwrap();
            probe.wait_for(1, Duration::MAX).err().unwrap()
        });
        begun.recv().unwrap();
        end();
        drop(kept);
        waiter.join().unwrap()
    })
}

#[test]
fn whoever_waits_is_woken_when_nothing_more_can_come() {
    // The bus goes.
    assert!(awaited(|| ()).is_closed());
    // It is closed.
    let bus = Bus::new();
    let missing = awaited_on(Probe::on(&bus, &PLACED), (), || bus.close());
    assert_eq!(
        missing.to_string(),
        "0 of 1 event, and what was watched is closed"
    );
    // Of a pattern, too.
    let bus = Bus::new();
    let probe = Probe::on_pattern(&bus, ">", |_| ());
    assert!(awaited_on(probe, (), || bus.close()).is_closed());
    // The topic is cleared.
    let signal = Signal::<u32>::new();
    let probe = Probe::by(signal.subscribe(), |n| *n);
    assert_eq!(
        format!("{probe:?}"),
        "Probe { topics: [], is_closed: false }"
    );
    assert!(awaited_on(probe, (), || _ = signal.clear()).is_closed());
    // It was closed before.
    signal.close();
    let probe = Probe::by(signal.subscribe(), |n| *n);
    assert!(probe.is_closed() && probe.wait_for(1, LONG).unwrap_err().is_closed());
}

#[test]
fn what_was_recorded_before_the_end_is_there_after_it() {
    let bus = Bus::new();
    let (probe, limited) = (
        Probe::on(&bus, &PLACED),
        Probe::by(bus.subscribe(&PLACED).limit(1), |n| *n),
    );
    bus.emit(&PLACED, &1);
    assert!(limited.is_closed() && !probe.is_closed());
    drop(bus);
    assert_eq!(probe.wait_for(1, LONG).unwrap(), [1]);
    assert_eq!(limited.wait_for(1, LONG).unwrap(), [1]);
    assert!(probe.wait_for(1, LONG).unwrap_err().is_closed());
}

#[test]
fn a_recorder_ends_when_all_it_watches_has_ended() {
    let (one, two) = (Bus::new(), Bus::<String>::with_context());
    let recorder = Recorder::new();
    assert!(recorder.is_closed() && recorder.wait_for(1, LONG).unwrap_err().is_closed());
    recorder.watch(&one, &PLACED);
    recorder.watch_pattern(&two, "order.*");
    one.emit(&PLACED, &1);
    two.emit_with(&mut String::new(), &SHIPPED, &2);
    one.close();
    assert!(!recorder.is_closed());
    two.emit_with(&mut String::new(), &PLACED, &3);
    drop(two);
    assert!(recorder.is_closed());
    recorder.expect(["order.placed", "order.shipped", "order.placed"]);
}

#[test]
fn a_recorder_keeps_the_order_in_which_deliveries_begin() {
    let bus = Bus::new();
    let own = bus.downgrade();
    let _ships = bus.on(&PLACED, move |n| {
        own.upgrade().unwrap().emit(&SHIPPED, n);
    });
    let recorder = Recorder::new();
    recorder.watch(&bus, &SHIPPED);
    recorder.watch(&bus, &PLACED);
    bus.emit(&PLACED, &1);
    recorder.expect(["order.placed", "order.shipped"]);
    recorder.expect([]);
}

#[test]
fn an_expectation_that_fails_shows_both_sequences() {
    let (bus, recorder) = (Bus::new(), Recorder::default());
    recorder.watch_pattern(&bus, "order.>");
    bus.emit(&PLACED, &1);
    bus.emit(&PLACED, &2);
    let panic = panic_of(|| recorder.expect(["order.placed", "order.shipped"]));
    assert_eq!(
        panic,
        "the recorded topics are not those expected, from place 1 on\n  \
         expected: order.placed, order.shipped\n  \
         recorded: order.placed, order.placed"
    );
    let panic = panic_of(|| recorder.expect(["order.placed"]));
    assert!(panic.ends_with("from place 0 on\n  expected: order.placed\n  recorded: (nothing)"));
}

#[test]
fn probes_of_many_threads_lose_nothing() {
    const EACH: u32 = if cfg!(miri) { 20 } else { 1000 };
    let bus = Bus::new();
    let (probe, recorder) = (Arc::new(Probe::on(&bus, &PLACED)), Recorder::new());
    recorder.watch(&bus, &PLACED);
    let ui = Queue::<u32>::with_context();
    let _sub = bus
        .subscribe(&PLACED)
        .on_queue(&ui, |sum: &mut u32, n| *sum += n);
    thread::scope(|scope| {
        for base in [0, EACH] {
            let bus = &bus;
            scope.spawn(move || (base..base + EACH).for_each(|n| _ = bus.emit(&PLACED, &n)));
        }
        let mut all = probe.wait_for(2 * EACH as usize, LONG).unwrap();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..2 * EACH));
    });
    assert_eq!(recorder.take().len(), 2 * EACH as usize);
    let mut sum = 0;
    ui.drain_with(&mut sum);
    assert_eq!(sum, (0..2 * EACH).sum::<u32>());
}
