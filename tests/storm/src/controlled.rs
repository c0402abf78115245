//! Control operations: events that are counted, each to everybody who stays. See `control.rs`.

use std::time::Duration;

use slotcast::{DeferErrorKind, Topic};

use crate::checks::violation;
use crate::executor::poll_for;
use crate::ledger::caught;
use crate::operations::{Worker, drain_somehow, drained, emitted};
use crate::random::{below, one_in, pick};

/// Emits, in any way, and looks whether all have got it.
pub fn emit(worker: &mut Worker) {
    let (line, own) = (pick(&worker.world.control.now), worker.number);
    let (signal, event) = (&line.signals[0], line.next(own));
    line.gave(own);
    let topic = Topic::named(signal.subscribe().topic().to_owned()).expect("a name that is in use");
    _ = caught(|| match below(4) {
        0 => emitted(&line.bus.emit(&topic, &event)),
        1 => emitted(&signal.emit_lazy(|| event)),
        2 => {
            let mut emission = signal.emit_async(event);
            poll_for(&mut emission, Duration::from_micros(300))
                .iter()
                .for_each(emitted);
        }
        _ => emitted(&signal.emit(&event)),
    });
    line.must_be_complete(own);
}

/// Defers to the queue that everybody drains.
pub fn defer(worker: &mut Worker) {
    let (line, own) = (&worker.world.control.later, worker.number);
    let (signal, event) = (pick(&line.signals), line.next(own));
    let accepted = match below(3) {
        0 => signal.defer(event),
        1 => line.bus.queue().defer(signal, event),
        _ => line
            .bus
            .queue()
            .defer_timeout(signal, event, Duration::from_secs(1)),
    };
    match accepted {
        Ok(()) => line.gave(own),
        Err(refused) => {
            let kind = refused.kind();
            violation(
                "1, control",
                format!("an open queue without a bound has refused: {kind}"),
            );
        }
    }
}

/// Emits to a handler of `on_queue`.
pub fn hand(worker: &mut Worker) {
    let (line, own) = (&worker.world.control.handed, worker.number);
    let event = line.next(own);
    line.gave(own);
    let emission = line.signals[0].emit(&event);
    emitted(&emission);
    if emission.ran() != 1 || !emission.errors().is_empty() {
        let text = format!("an emission to `on_queue` of an open queue: {emission:?}");
        violation("1, control", text);
    }
}

/// Waits for room.
pub fn room(worker: &mut Worker) {
    let (line, own) = (&worker.world.control.room, worker.number);
    let event = line.next(own);
    if one_in(8) {
        _ = line.signals[2].defer_latest(event);
        return;
    }
    let long = Duration::from_secs(10);
    let accepted = match below(4) {
        0 => {
            line.gave(own);
            emitted(&line.signals[1].emit(&event));
            return;
        }
        1 => line.signals[0].defer(event),
        2 => line.signals[0].defer_timeout(event, Duration::from_micros(100)),
        _ => {
            let accepted = line.signals[0].defer_timeout(event, long);
            if accepted
                .as_ref()
                .is_err_and(|refused| refused.kind() == DeferErrorKind::TimedOut)
            {
                let text = "a queue that is drained all the time had no room for 10 s";
                violation("1, control", text.to_owned());
            }
            accepted
        }
    };
    match accepted.map_err(|refused| refused.kind()) {
        Ok(()) => line.gave(own),
        Err(DeferErrorKind::TimedOut) => {}
        Err(kind) => violation(
            "1, control",
            format!("an open queue that blocks has refused: {kind}"),
        ),
    }
}

/// Defers to queues that are full at times.
pub fn bounded(worker: &mut Worker) {
    let (control, own) = (&worker.world.control, worker.number);
    let line = match below(3) {
        0 => &control.small,
        which => &control.dropping[which - 1],
    };
    let accepted = line.signals[0]
        .defer(line.next(own))
        .map_err(|refused| refused.kind());
    let rejects = std::ptr::eq(line, &control.small);
    match accepted {
        Ok(()) => line.gave(own),
        Err(DeferErrorKind::Full) if rejects => {}
        Err(kind) => violation("1, control", format!("an open queue has refused: {kind}")),
    }
}

/// Emits to a stream that waits.
pub fn flow(worker: &mut Worker) {
    let (line, own) = (&worker.world.control.flow, worker.number);
    let event = line.next(own);
    line.gave(own);
    emitted(&line.signals[0].emit(&event));
}

/// Emits to an async handler that an executor runs.
pub fn futures(worker: &mut Worker) {
    let (line, own) = (&worker.world.control.futures, worker.number);
    let event = line.next(own);
    line.gave(own);
    emitted(&line.signals[0].emit(&event));
}

/// Drains what others drain as well.
pub fn drain(worker: &mut Worker) {
    let control = &worker.world.control;
    let line = pick(&[
        &control.later,
        &control.handed,
        &control.small,
        &control.room,
    ])
    .to_owned();
    match one_in(8) {
        true => drained(&line.bus.drain()),
        false => drain_somehow(&line.bus.queue()),
    }
}
