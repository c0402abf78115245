//! Callbacks of jobs as subscriptions: taken back, paused, in a scope; and that nothing stays of them.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use slotcast::jobs::Progress;
use slotcast::{Bus, Job, JobError, Promise, Queue, Scope, Subscription, WaitError, promise};

use super::LONG;
use crate::log::{Dropped, Log, boom};

/// All forms of a callback, each with captures that say when they are dropped.
fn subscribe_all(job: &Job<u32>, queue: &Queue, log: &Log) -> Vec<Subscription> {
    let name = |name: &'static str| (Dropped(log.clone(), name), log.clone());
    let (done, progress) = (name("done"), name("progress"));
    let (done_in, progress_in) = (name("done in"), name("progress in"));
    fn tell((_captured, log): &(Dropped, Log), what: &str) {
        log.add(what);
    }
    vec![
        job.subscribe()
            .on_done(move |_| tell(&done, "told of done")),
        job.subscribe()
            .on_done_in(queue, move |(), _| tell(&done_in, "told of done in")),
        job.subscribe()
            .on_progress(move |_| tell(&progress, "told of progress")),
        job.subscribe().on_progress_in(queue, move |(), _| {
            tell(&progress_in, "told of progress in")
        }),
    ]
}

fn job_with(log: &Log) -> (Promise<u32>, Job<u32>, Queue, Vec<Subscription>) {
    let (promise, job) = promise();
    let queue = Queue::new();
    let all = subscribe_all(&job, &queue, log);
    (promise, job, queue, all)
}

#[test]
fn callbacks_with_a_subscription_are_called_like_those_without() {
    let log = Log::default();
    let (promise, job, queue, all) = job_with(&log);
    assert!(all.iter().all(Subscription::is_active));
    promise.progress(1, 2);
    assert_eq!(log.take(), ["told of progress"]);
    promise.complete(1);
    assert_eq!(log.take(), ["drop progress", "told of done", "drop done"]);
    assert_eq!(queue.drain().delivered(), 2);
    let told = [
        "told of progress in",
        "drop progress in",
        "told of done in",
        "drop done in",
    ];
    assert_eq!(log.take(), told);
    assert!(!all.iter().any(Subscription::is_active));
    assert!(!all.iter().any(Subscription::cancel));
    // The queue has taken the outcome.
    assert_eq!(job.wait(), Err(JobError::Taken));
}

#[test]
fn a_callback_that_is_taken_back_is_not_called_and_its_captures_are_dropped_at_once() {
    let log = Log::default();
    let (promise, job, queue, all) = job_with(&log);
    for sub in &all {
        assert!(sub.cancel() && !sub.is_active() && !sub.cancel());
    }
    let drops = [
        "drop done",
        "drop done in",
        "drop progress",
        "drop progress in",
    ];
    assert_eq!(log.take(), drops);
    promise.progress(1, 2);
    promise.complete(7);
    assert_eq!(queue.drain().delivered(), 0);
    assert!(log.take().is_empty());
    // Nobody has taken the outcome.
    assert_eq!(job.wait(), Ok(7));
}

#[test]
fn an_outcome_that_waits_in_the_queue_can_be_taken_back_with_its_value() {
    let log = Log::default();
    let queue = Queue::new();
    let waits = || {
        let (kept, job) = promise();
        let captured = Dropped(log.clone(), "captures");
        let done = job.subscribe();
        let done = done.on_done_in(&queue, move |(), _| drop(captured));
        let told = job.subscribe();
        let told = told.on_progress_in(&queue, |(), _| unreachable!("taken back"));
        kept.progress(1, 2);
        kept.complete(Dropped(log.clone(), "value"));
        [done, told]
    };
    let dropped = || {
        let mut dropped = log.take();
        dropped.sort();
        dropped
    };
    let subs = waits();
    assert_eq!(queue.len(), 2);
    assert!(subs.iter().all(Subscription::cancel));
    assert_eq!(dropped(), ["drop captures", "drop value"]);
    let dialog: Scope = waits().into_iter().collect();
    assert_eq!(dialog.len(), 2);
    drop(dialog);
    assert_eq!(dropped(), ["drop captures", "drop value"]);
    assert_eq!(queue.drain().delivered(), 0);
}

#[test]
fn an_outcome_goes_to_one_queue_and_the_next_one_is_told_so() {
    let queue = Queue::<Vec<Result<u32, JobError>>>::with_context();
    let (kept, job) = promise::<u32>();
    let first = job
        .subscribe()
        .on_done_in(&queue, |seen, outcome| seen.push(outcome));
    let _late = job
        .subscribe()
        .on_done_in(&queue, |seen, outcome| seen.push(outcome));
    let mut seen = Vec::new();
    queue.drain_with(&mut seen);
    assert_eq!(seen, [Err(JobError::Taken)]);
    // When the first one is taken back, there is room for another.
    drop(first);
    let _second = job
        .subscribe()
        .on_done_in(&queue, |seen, outcome| seen.push(outcome));
    drop(job);
    kept.complete(2);
    queue.drain_with(&mut seen);
    assert_eq!(seen, [Err(JobError::Taken), Ok(2)]);
}

#[test]
fn a_callback_that_is_paused_is_skipped() {
    let log = Log::default();
    let (promise, _job, queue, all) = job_with(&log);
    let pauses: Vec<_> = all.iter().map(Subscription::pause).collect();
    promise.progress(1, 2);
    assert!(log.take().is_empty());
    drop(pauses);
    promise.progress(2, 2);
    assert_eq!(log.take(), ["told of progress"]);
    let _pauses: Vec<_> = all.iter().map(Subscription::pause).collect();
    promise.complete(1);
    queue.drain();
    let drops = [
        "drop progress",
        "drop done",
        "drop progress in",
        "drop done in",
    ];
    assert_eq!(log.take(), drops);
}

#[test]
fn a_callback_that_takes_others_back_keeps_them_from_being_called() {
    let log = Log::default();
    let (promise, job) = promise::<u32>();
    let (give, gets) = mpsc::channel::<Subscription>();
    job.on_done(move |_| gets.try_iter().for_each(drop));
    let told = log.clone();
    let sub = job.subscribe().on_done(move |_| told.add("told"));
    give.send(sub).unwrap();
    promise.complete(1);
    assert!(log.take().is_empty());
}

#[test]
fn a_waiting_cancel_waits_for_the_callback_that_runs_and_knows_that_it_is_inside() {
    let (promise, job) = promise::<u32>();
    let (began, begins) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let ended = Arc::new(AtomicUsize::new(0));
    let ends = ended.clone();
    let sub = Arc::new(job.subscribe().on_done(move |_| {
        began.send(()).unwrap();
        let _ = gate.recv();
        ends.fetch_add(1, SeqCst);
    }));
    let completes = thread::spawn(move || promise.complete(1));
    begins.recv().unwrap();
    assert_eq!(
        sub.cancel_and_wait_timeout(std::time::Duration::ZERO),
        Err(WaitError::TimedOut)
    );
    drop(open);
    assert_eq!(sub.cancel_and_wait_timeout(LONG), Ok(()));
    assert_eq!(ended.load(SeqCst), 1);
    completes.join().unwrap();
    // Inside of it.
    let (kept, job) = slotcast::promise::<u32>();
    let (give, gets) = mpsc::channel::<Subscription>();
    let (tell, tells) = mpsc::channel();
    let sub = job.subscribe().on_progress({
        let gets = Mutex::new(gets);
        move |_| {
            tell.send(gets.lock().unwrap().recv().unwrap().cancel_and_wait())
                .unwrap()
        }
    });
    give.send(sub).unwrap();
    kept.progress(1, 1);
    assert_eq!(tells.recv(), Ok(Err(WaitError::Inside)));
}

#[test]
fn the_label_of_a_callback_names_it_where_it_fails() {
    let bus = Bus::new();
    let (promise, job) = promise::<u32>();
    let _done = job
        .subscribe()
        .label("title")
        .on_done_in(&bus.queue(), |(), _| Err::<(), _>("no window"));
    promise.complete(1);
    let drained = bus.drain();
    let error = &drained.errors()[0];
    assert_eq!(
        (error.label(), error.location().file()),
        (Some("title"), file!())
    );
}

#[test]
fn a_queued_callback_for_progress_survives_a_drain_inside_of_its_own_call() {
    let ui = Queue::<Vec<u64>>::with_context();
    let (promise, job) = promise::<()>();
    let promise = Arc::new(promise);
    let (tells, inner) = (Arc::downgrade(&promise), ui.clone());
    let _sub = job
        .subscribe()
        .on_progress_in(&ui, move |seen: &mut Vec<u64>, progress| {
            seen.push(progress.done);
            if progress.done == 1 {
                tells.upgrade().unwrap().progress(2, 2);
                // A modal dialog; its own calls are not made inside of each other.
                inner.drain_with(&mut Vec::new());
            } else {
                boom("once");
            }
        });
    promise.progress(1, 2);
    let mut seen = Vec::new();
    let drains = std::panic::AssertUnwindSafe(|| while ui.drain_with(&mut seen).remaining() > 0 {});
    let _ = std::panic::catch_unwind(drains);
    assert_eq!(seen, [1, 2]);
}

#[test]
fn no_callback_sees_an_older_report_after_a_newer_one() {
    let rounds = if cfg!(miri) { 20 } else { 2000 };
    let (promise, job) = promise::<()>();
    let wrong = Arc::new(AtomicUsize::new(0));
    let in_order = || {
        let (last, wrong) = (AtomicUsize::new(0), wrong.clone());
        move |progress: Progress| {
            let done = usize::try_from(progress.done).unwrap();
            if last.swap(done, SeqCst) >= done {
                wrong.fetch_add(1, SeqCst);
            }
        }
    };
    job.on_progress(in_order());
    let reported = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let _late_comer = job.subscribe().on_progress(in_order());
                    let mut done = reported.lock().unwrap();
                    *done += 1;
                    // In order: by one thread after the other.
                    promise.progress(*done, 0);
                }
            });
        }
    });
    assert_eq!(wrong.load(SeqCst), 0);
    let told = Arc::new(AtomicUsize::new(0));
    let tells = told.clone();
    job.on_progress(move |progress| tells.store(progress.done.try_into().unwrap(), SeqCst));
    assert_eq!(told.load(SeqCst), 3 * rounds);
}

#[test]
fn the_newest_of_many_reports_of_several_threads_is_told_last() {
    let rounds = if cfg!(miri) { 20 } else { 1000 };
    for _ in 0..rounds {
        let (promise, job) = promise::<()>();
        let last = Arc::new(Mutex::new(0));
        let tells = last.clone();
        job.on_progress(move |progress| *tells.lock().unwrap() = progress.done);
        thread::scope(|scope| {
            for n in 1..=2 {
                let promise = &promise;
                scope.spawn(move || promise.progress(n, 0));
            }
        });
        assert_eq!(*last.lock().unwrap(), job.progress().unwrap().done);
    }
}

#[test]
fn a_report_that_comes_while_another_is_told_is_told_afterwards_by_the_same_thread() {
    let log = Log::default();
    let (promise, job) = promise::<()>();
    let (began, begins) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let (tells, gate) = (log.clone(), Mutex::new(gate));
    job.on_progress(move |progress| {
        tells.add(format!("begins {}", progress.done));
        if progress.done == 1 {
            began.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
        }
        tells.add(format!("ends {}", progress.done));
    });
    thread::scope(|scope| {
        let promise = &promise;
        scope.spawn(move || promise.progress(1, 3));
        begins.recv().unwrap();
        promise.progress(2, 3);
        promise.progress(3, 3);
        assert_eq!(log.take(), ["begins 1"]);
        drop(open);
    });
    assert_eq!(log.take(), ["ends 1", "begins 3", "ends 3"]);
}
