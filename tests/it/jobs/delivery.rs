//! Outcomes and progress on their way into a queue: delivered where it is drained, and never lost in
//! silence.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use slotcast::jobs::Outcome;
use slotcast::{Bus, FailureKind, Jobs, Overflow, Queue, promise};

use super::{callback, until};
use crate::log::{Dropped, Log, boom, panic_of};

struct App(Vec<String>);

#[test]
fn an_outcome_is_delivered_by_value_where_the_queue_is_drained() {
    let ui = Queue::<App>::with_context();
    let (promise, job) = promise::<Box<u32>>();
    let log = Log::default();
    callback(&log, &job, "callback");
    let handle = job.on_done_in(&ui, |app: &mut App, outcome: Outcome<Box<u32>>| {
        app.0.push(format!(
            "{} on {:?}",
            outcome.unwrap(),
            thread::current().id()
        ));
    });
    assert!(!handle.is_done());
    thread::spawn(move || promise.complete(Box::new(7)))
        .join()
        .unwrap();
    assert!(handle.is_done());
    assert_eq!(log.take(), ["callback Ok(7)"]);
    let mut app = App(Vec::new());
    assert_eq!(ui.drain_with(&mut app).delivered(), 1);
    assert_eq!(app.0, [format!("7 on {:?}", thread::current().id())]);
    // Of a job that has completed: at once.
    let jobs = Jobs::new(1);
    let job = jobs.submit(|_| 8);
    until(|| job.is_done());
    job.on_done_in(&ui, |app, outcome| app.0.push(outcome.unwrap().to_string()));
    assert_eq!(ui.len(), 1);
    ui.drain_with(&mut app);
    assert_eq!(app.0[1], "8");
}

#[test]
fn what_a_delivered_callback_returns_is_in_the_drained() {
    let bus = Bus::new();
    let (promise, job) = promise::<u32>();
    job.on_done_in(&bus.queue(), |(), outcome| match outcome {
        Ok(_) => Err("disk full"),
        Err(_) => Ok(()),
    });
    promise.complete(1);
    let drained = bus.drain();
    assert_eq!(drained.errors().len(), 1);
    assert_eq!(drained.errors()[0].kind(), FailureKind::Failed);
}

fn undelivered(queue_of: impl FnOnce(&Bus) -> (Queue, Box<dyn FnOnce()>)) -> Vec<String> {
    let bus = Bus::new();
    let log = Log::default();
    let told = log.clone();
    bus.set_error_hook(move |error| told.add(format!("{:?} {error}", error.kind())));
    let (queue, end) = queue_of(&bus);
    let (promise, job) = promise();
    let (value, captured) = (
        Dropped(log.clone(), "value"),
        Dropped(log.clone(), "captures"),
    );
    job.on_done_in(&queue, move |(), outcome| drop((captured, outcome)));
    drop(queue);
    end();
    promise.complete(value);
    drop(bus);
    let mut told = log.take();
    told.iter_mut().for_each(|line| {
        if let Some(at) = line.find(" at ") {
            let rest = line[at..]
                .find(": ")
                .map_or("", |colon| &line[at + colon..])
                .to_owned();
            line.replace_range(at.., &rest);
        }
    });
    told.sort();
    told
}

#[test]
fn an_outcome_for_a_closed_queue_is_told_to_the_hook_once() {
    let told = undelivered(|bus| {
        let queue = bus.queue().clone();
        (queue.clone(), Box::new(move || queue.close()))
    });
    let text = "Undelivered outcome of a job was not delivered to the callback that was added";
    let closed = format!("{text}: queue or signal is closed");
    assert_eq!(told, [&closed, "drop captures", "drop value"]);
}

#[test]
fn an_outcome_and_the_last_progress_before_it_join_a_queue_whatever_its_bound() {
    for overflow in [
        Overflow::Reject,
        Overflow::DropNewest,
        Overflow::DropOldest,
        Overflow::Block,
    ] {
        let ui = Queue::<Vec<u32>>::with_context().bounded(1, overflow);
        ui.post_with(|seen: &mut Vec<u32>| seen.push(1)).unwrap();
        let (promise, job) = promise::<u32>();
        job.on_progress_in(&ui, |seen: &mut Vec<u32>, progress| {
            seen.push(u32::try_from(progress.done).unwrap());
        });
        job.on_done_in(&ui, |seen, outcome| seen.push(outcome.unwrap()));
        promise.progress(2, 2);
        promise.complete(3);
        assert_eq!((ui.len(), ui.dropped()), (3, 0), "{overflow:?}");
        let mut seen = Vec::new();
        assert_eq!(ui.drain_with(&mut seen).delivered(), 3);
        assert_eq!(seen, [1, 2, 3], "{overflow:?}");
    }
}

#[test]
fn overflow_drops_what_the_bound_counts_and_no_outcome() {
    let ui = Queue::<Vec<u32>>::with_context().bounded(2, Overflow::DropOldest);
    for n in 0..3 {
        let (promise, job) = promise::<u32>();
        job.on_done_in(&ui, |seen, outcome| seen.push(outcome.unwrap()));
        promise.complete(n);
        ui.post_with(move |seen: &mut Vec<u32>| seen.push(10 + n))
            .unwrap();
    }
    // The bound counts two of them: there was room for no third one.
    assert_eq!((ui.len(), ui.dropped()), (5, 1));
    let mut seen = Vec::new();
    ui.drain_with(&mut seen);
    assert_eq!(seen, [0, 1, 11, 2, 12]);
}

#[test]
fn a_job_that_is_completed_inside_of_a_drain_of_a_full_queue_is_delivered_by_the_next() {
    let ui = Queue::<Vec<u32>>::with_context().bounded(1, Overflow::Block);
    let (promise, job) = promise::<u32>();
    job.on_done_in(&ui, |seen, outcome| seen.push(outcome.unwrap()));
    let fills = ui.clone();
    ui.post_with(move |_: &mut Vec<u32>| {
        fills.post_with(|seen: &mut Vec<u32>| seen.push(1)).unwrap();
        promise.complete(2);
    })
    .unwrap();
    let mut seen = Vec::new();
    assert_eq!(ui.drain_with(&mut seen).remaining(), 2);
    ui.drain_with(&mut seen);
    assert_eq!(seen, [1, 2]);
}

#[test]
fn an_outcome_for_a_queue_that_is_gone_is_told_to_the_hook_once() {
    let log = Log::default();
    let bus = Bus::new();
    let told = log.clone();
    bus.set_error_hook(move |error| told.add(format!("{:?}", error.kind())));
    let (first, job) = promise::<u32>();
    job.on_done_in(&bus.queue(), |(), _| ());
    drop(bus);
    first.complete(1);
    assert_eq!(log.take(), ["Undelivered"]);
    // Inside when it goes: the queue tells.
    let bus = Bus::new();
    let told = log.clone();
    bus.set_error_hook(move |error| told.add(format!("{:?}", error.kind())));
    let (second, job) = promise::<u32>();
    job.on_done_in(&bus.queue(), |(), _| ());
    second.complete(1);
    drop(bus);
    assert_eq!(log.take(), ["Undelivered"]);
}

#[test]
fn fast_progress_waits_once_in_a_slow_queue() {
    let ui = Queue::<Vec<u64>>::with_context();
    let (promise, job) = promise::<()>();
    job.on_progress_in(&ui, |seen: &mut Vec<u64>, progress| {
        assert_eq!(progress.total, 1000);
        seen.push(progress.done);
    });
    let mut seen = Vec::new();
    for done in 1..=1000 {
        promise.progress(done, 1000);
        assert_eq!(ui.len(), 1);
        if done == 400 {
            ui.drain_with(&mut seen);
        }
        if done == 700 {
            // Taken out of the queue undelivered, it makes room for the next.
            assert_eq!(ui.clear(), 1);
            promise.progress(700, 1000);
        }
    }
    assert_eq!(job.progress().unwrap().done, 1000);
    job.on_done_in(&ui, |seen, _| seen.push(u64::MAX));
    promise.complete(());
    // What it told last comes before its end.
    ui.drain_with(&mut seen);
    assert_eq!(seen, [400, 1000, u64::MAX]);
}

#[test]
fn progress_that_is_told_while_it_is_delivered_is_delivered_next() {
    let ui = Queue::<Vec<u64>>::with_context();
    let (promise, job) = promise::<()>();
    // What listens must not keep its own promise.
    let promise = Arc::new(promise);
    let tells = Arc::downgrade(&promise);
    job.on_progress_in(&ui, move |seen: &mut Vec<u64>, progress| {
        seen.push(progress.done);
        if progress.done < 3 {
            tells.upgrade().unwrap().progress(progress.done + 1, 3);
        } else if seen.len() == 3 {
            boom("once")
        }
    });
    promise.progress(1, 3);
    let mut seen = Vec::new();
    for _ in 0..2 {
        ui.drain_with(&mut seen);
    }
    assert_eq!(panic_of(|| ui.drain_with(&mut seen)), "once");
    promise.progress(9, 9);
    ui.drain_with(&mut seen);
    assert_eq!(seen, [1, 2, 3, 9]);
}

#[test]
fn progress_is_told_where_it_is_made_and_survives_a_panic() {
    let log = Log::default();
    let (promise, job) = promise::<()>();
    promise.progress(1, 0);
    assert_eq!(job.progress().unwrap().fraction(), None);
    job.on_progress(|_| boom("this line is part of a test"));
    let told = log.clone();
    job.on_progress(move |progress| told.add(progress.done));
    promise.progress(2, 4);
    assert_eq!(log.take(), ["1", "2"]);
    let captured = Dropped(log.clone(), "listener");
    job.on_progress(move |_| _ = &captured);
    callback(&log, &job, "done");
    promise.complete(());
    assert_eq!(log.take(), ["drop listener", "done Ok(())"]);
}

#[test]
fn the_last_progress_before_an_outcome_arrives_although_another_thread_tells_of_an_older_one() {
    let ui = Queue::<Vec<u64>>::with_context();
    let (promise, job) = promise::<()>();
    let (began, begins) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    job.on_progress(move |_| {
        began.send(()).unwrap();
        let _ = gate.lock().unwrap().recv();
    });
    job.on_progress_in(&ui, |seen: &mut Vec<u64>, progress| {
        seen.push(progress.done)
    });
    let promise = Arc::new(promise);
    let tells = promise.clone();
    let thread = thread::spawn(move || tells.progress(1, 2));
    begins.recv().unwrap();
    promise.progress(2, 2);
    job.on_done_in(&ui, |seen, _| seen.push(100));
    promise.try_complete(()).unwrap();
    let mut seen = Vec::new();
    ui.drain_with(&mut seen);
    assert_eq!(seen, [2, 100]);
    drop(open);
    thread.join().unwrap();
    assert_eq!(ui.drain_with(&mut seen).delivered(), 0);
}
