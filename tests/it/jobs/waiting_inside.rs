//! Promise 22: jobs complete once, and call back in order.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;

use slotcast::jobs::{Cancelled, JobContext, JobHandle, Outcome, SubmitErrorKind};
use slotcast::{Bus, Executor, FailureKind, Job, JobError, Jobs, Overflow, Queue, promise};

use crate::log::{Dropped, Log, OnDrop, boom, panic_of};

const LONG: Duration = Duration::from_secs(60);

/// A job that runs until it is let go.
struct Gate(Sender<()>);

impl Gate {
    /// Returns when the job runs.
    fn close(jobs: &Jobs) -> (Gate, Job<&'static str>) {
        let (open, gate) = mpsc::channel::<()>();
        let (began, begins) = mpsc::channel();
        let job = jobs.submit(move |_| {
            began.send(()).unwrap();
            let _ = gate.recv();
            "let go"
        });
        begins.recv().unwrap();
        (Gate(open), job)
    }

    fn open(self) {
        drop(self.0);
    }
}

/// Waits until the other thread has come to where `is_there` says; the test would hang otherwise.
fn until(is_there: impl Fn() -> bool) {
    while !is_there() {
        thread::yield_now();
    }
}

fn callback<T: std::fmt::Debug + Send + 'static>(log: &Log, job: &Job<T>, name: &'static str) {
    let log = log.clone();
    job.on_done(move |outcome| log.add(format!("{name} {outcome:?}")));
}

#[test]
fn a_job_runs_and_its_value_is_taken() {
    let jobs = Jobs::new(2);
    let job = jobs.submit(|_| 6 * 7);
    assert_eq!(job.wait(), Ok(42));
    let job = jobs.submit(|_| thread::current().name().map(str::to_owned));
    let name = job.wait().unwrap().unwrap();
    assert!(name.starts_with("jobs-"), "{name}");
}

#[test]
fn jobs_begin_in_the_order_they_were_submitted() {
    let jobs = Jobs::new(1);
    let (gate, _busy) = Gate::close(&jobs);
    let log = Log::default();
    for n in 0..50 {
        let log = log.clone();
        jobs.submit(move |_| log.add(n));
    }
    assert_eq!(jobs.waiting(), 50);
    gate.open();
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(
        log.take(),
        (0..50).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn callbacks_run_once_each_in_the_order_added() {
    let log = Log::default();
    let (promise, job) = promise::<u32>();
    for name in ["first", "second", "third"] {
        callback(&log, &job, name);
    }
    assert!(log.take().is_empty());
    promise.complete(7);
    assert_eq!(log.take(), ["first Ok(7)", "second Ok(7)", "third Ok(7)"]);
    assert_eq!(job.wait(), Ok(7));
    assert!(log.take().is_empty());
}

#[test]
fn a_callback_added_while_they_run_joins_the_end() {
    let log = Log::default();
    let (promise, job) = promise::<u32>();
    let job = Arc::new(job);
    let (adds, inner) = (log.clone(), job.clone());
    job.on_done(move |_| {
        callback(&adds, &inner, "added inside");
        adds.add("first");
    });
    callback(&log, &job, "second");
    promise.complete(1);
    assert_eq!(log.take(), ["first", "second Ok(1)", "added inside Ok(1)"]);
}

#[test]
fn a_callback_added_afterwards_runs_at_once_on_the_adders_thread() {
    let jobs = Jobs::new(1);
    let job = Arc::new(jobs.submit(|_| 3));
    until(|| job.is_done());
    let ran = Arc::new(Mutex::new(Vec::new()));
    let (outer, inner, again) = (ran.clone(), ran.clone(), job.clone());
    job.on_done(move |outcome| {
        assert_eq!(*outcome, Ok(3));
        // Added while that one runs: after it.
        again.on_done(move |_| {
            inner
                .lock()
                .unwrap()
                .push(("inner", thread::current().id()))
        });
        outer
            .lock()
            .unwrap()
            .push(("outer", thread::current().id()));
    });
    let me = thread::current().id();
    assert_eq!(*ran.lock().unwrap(), [("outer", me), ("inner", me)]);
    assert!(job.is_done());
    assert_eq!(Arc::into_inner(job).unwrap().wait(), Ok(3));
}

#[test]
fn a_callback_that_panics_stops_no_other_and_no_waiter() {
    let log = Log::default();
    let (promise, job) = promise::<u32>();
    callback(&log, &job, "before");
    job.on_done(|_| boom("this line is part of a test"));
    callback(&log, &job, "after");
    assert_eq!(panic_of(|| promise.complete(5)), "(none)");
    assert_eq!(log.take(), ["before Ok(5)", "after Ok(5)"]);
    assert_eq!(job.wait(), Ok(5));
}

#[test]
fn the_taker_gets_the_value_after_the_callbacks_that_were_there() {
    let jobs = Jobs::new(1);
    let (gate, _busy) = Gate::close(&jobs);
    let job = jobs.submit(|_| 1);
    let (open, hold) = mpsc::channel::<()>();
    let (began, begins) = mpsc::channel();
    job.on_done(move |_| {
        began.send(()).unwrap();
        let _ = hold.recv();
    });
    gate.open();
    begins.recv().unwrap();
    // It has completed, and its callbacks run: nobody gets at the value.
    assert!(!job.is_done());
    let job = job.try_take().unwrap_err();
    let job = job.wait_timeout(Duration::ZERO).unwrap_err();
    drop(open);
    assert_eq!(job.wait(), Ok(1));
}

#[test]
fn work_that_panics_completes_its_job_with_the_message() {
    let jobs = Jobs::new(1);
    let log = Log::default();
    let job = jobs.submit(|_| -> u32 { boom("out of paper") });
    callback(&log, &job, "told");
    let out = JobError::Panicked("out of paper".to_owned());
    assert_eq!(job.wait(), Err(out));
    assert_eq!(log.take(), ["told Err(Panicked(\"out of paper\"))"]);
    // The thread goes on.
    assert_eq!(jobs.submit(|_| 2).wait(), Ok(2));
    until(|| jobs.running() == 0);
}

#[test]
fn a_pending_job_that_is_cancelled_never_starts() {
    let jobs = Jobs::new(1);
    let (gate, _busy) = Gate::close(&jobs);
    let log = Log::default();
    let (captured, ran) = (Dropped(log.clone(), "captures"), log.clone());
    let job = jobs.submit(move |_| {
        let _captured = captured;
        ran.add("ran");
    });
    callback(&log, &job, "told");
    assert_eq!(jobs.waiting(), 1);
    assert!(job.cancel());
    // At once: its captures have gone, its callbacks have run, and it waits no more.
    assert_eq!(log.take(), ["drop captures", "told Err(Cancelled)"]);
    assert_eq!(jobs.waiting(), 0);
    assert!(!job.cancel());
    gate.open();
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(job.wait(), Err(JobError::Cancelled));
    assert!(log.take().is_empty());
}

#[test]
fn a_running_job_that_is_cancelled_is_told() {
    fn runs(cx: &JobContext, began: &Sender<()>) -> Result<u32, Cancelled> {
        assert!(cx.check().is_ok());
        began.send(()).unwrap();
        loop {
            cx.check()?;
            thread::yield_now();
        }
    }
    let jobs = Jobs::new(1);
    let (began, begins) = mpsc::channel();
    let job = jobs.submit(move |cx| runs(cx, &began));
    begins.recv().unwrap();
    assert!(!job.cancel());
    assert_eq!(job.wait(), Ok(Err(Cancelled)));
    assert_eq!(JobError::from(Cancelled), JobError::Cancelled);
}

#[test]
fn a_dropped_job_goes_on_and_its_value_is_dropped_once() {
    let jobs = Jobs::new(1);
    let log = Log::default();
    let (gate, busy) = Gate::close(&jobs);
    let job = jobs.submit({
        let log = log.clone();
        move |_| Dropped(log, "value")
    });
    let told = log.clone();
    job.on_done(move |outcome| told.add(format!("told {}", outcome.is_ok())));
    let handle = job.handle();
    drop((job, busy));
    gate.open();
    until(|| handle.is_done());
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(log.take(), ["told true", "drop value"]);
}

#[test]
fn abort_on_drop_turns_that_round() {
    let jobs = Jobs::new(1);
    let (gate, busy) = Gate::close(&jobs);
    let log = Log::default();
    let ran = log.clone();
    let job = jobs.submit(move |_| ran.add("ran")).abort_on_drop();
    callback(&log, &job, "told");
    drop(job);
    assert_eq!(log.take(), ["told Err(Cancelled)"]);
    // One that was taken is not cancelled.
    gate.open();
    assert_eq!(busy.abort_on_drop().wait(), Ok("let go"));
    let (promise, job) = promise::<u32>();
    let queue = Queue::new();
    let handle = job.abort_on_drop().on_done_in(&queue, |(), _| ());
    drop(handle);
    assert!(!promise.is_cancelled());
}

#[test]
fn a_dropped_promise_abandons_its_job() {
    let log = Log::default();
    let (kept, job) = promise::<u32>();
    callback(&log, &job, "told");
    drop(kept);
    assert_eq!(log.take(), ["told Err(Abandoned)"]);
    assert_eq!(job.wait(), Err(JobError::Abandoned));
    // By unwinding, too, in which nothing of ours may panic.
    let (kept, job) = promise::<u32>();
    job.on_done(|_| boom("this line is part of a test"));
    let message = panic_of(move || {
        let _kept = kept;
        boom("unwinds");
    });
    assert_eq!(message, "unwinds");
    assert_eq!(job.wait(), Err(JobError::Abandoned));
}

#[test]
fn a_promise_is_told_of_a_cancel_and_decides() {
    let (first, job) = promise::<u32>();
    assert!(!first.is_cancelled());
    assert!(!job.cancel());
    assert!(first.is_cancelled() && !job.is_done());
    first.complete(1);
    assert_eq!(job.wait(), Ok(1));
    let (second, job) = promise::<u32>();
    second.fail(JobError::Cancelled);
    assert_eq!(job.wait(), Err(JobError::Cancelled));
}

// --- taking

#[test]
fn a_job_that_is_not_done_comes_back() {
    let (promise, job) = promise::<u32>();
    let job = job.try_take().unwrap_err();
    let job = job.wait_timeout(Duration::from_millis(2)).unwrap_err();
    promise.complete(4);
    assert_eq!(job.wait_timeout(Duration::MAX).unwrap(), Ok(4));
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_job_can_be_awaited_and_wakes_its_last_waker() {
    let (promise, job) = promise::<u32>();
    let mut job = pin!(job);
    let flags = [(); 2].map(|()| Arc::new(Flag(AtomicBool::new(false))));
    for flag in &flags {
        let waker = Waker::from(flag.clone());
        let mut context = Context::from_waker(&waker);
        assert_eq!(job.as_mut().poll(&mut context), Poll::Pending);
    }
    promise.complete(9);
    assert_eq!(
        flags.each_ref().map(|flag| flag.0.load(SeqCst)),
        [false, true]
    );
    // The wakers have been let go of.
    assert_eq!(flags.each_ref().map(Arc::strong_count), [1, 1]);
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(job.as_mut().poll(&mut context), Poll::Ready(Ok(9)));
    let again = panic_of(|| job.as_mut().poll(&mut context).is_ready());
    assert_eq!(again, "a job was polled after it gave its outcome");
}

/// A waker whose clone, wake and drop do something.
fn hostile(f: fn()) -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            call(data);
            RawWaker::new(data, &TABLE)
        },
        call,
        call,
        call,
    );
    fn call(data: *const ()) {
        // SAFETY: it is what was put in below.
        let f = unsafe { std::mem::transmute::<*const (), fn()>(data) };
        f();
    }
    // SAFETY: the functions take the data for what it is, from any thread, and own nothing.
    unsafe { Waker::from_raw(RawWaker::new(f as *const (), &TABLE)) }
}

#[test]
fn wakers_may_use_the_job_and_panic() {
    static JOB: Mutex<Option<JobHandle>> = Mutex::new(None);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static PANICS: AtomicBool = AtomicBool::new(false);
    fn used() {
        let handle = JOB.lock().unwrap().clone();
        if let Some(handle) = handle {
            // Takes the lock of the job, which nobody holds.
            let _ = handle.is_done();
            CALLS.fetch_add(1, SeqCst);
        }
        if PANICS.load(SeqCst) {
            boom("this line is part of a test");
        }
    }
    let (promise, job) = promise::<u32>();
    *JOB.lock().unwrap() = Some(job.handle());
    let mut job = Box::pin(job);
    for _ in 0..2 {
        let waker = hostile(used);
        assert!(
            job.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    assert!(CALLS.load(SeqCst) >= 3);
    PANICS.store(true, SeqCst);
    assert_eq!(panic_of(|| promise.complete(1)), "(none)");
    PANICS.store(false, SeqCst);
    assert!(
        job.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
}

#[test]
fn a_job_in_hand_can_be_dropped_from_its_own_waker_and_callback() {
    let (first, job) = promise::<u32>();
    let slot = Arc::new(Mutex::new(Some(job)));
    let inside = slot.clone();
    slot.lock().unwrap().as_ref().unwrap().on_done(move |_| {
        let job = inside.lock().unwrap().take();
        drop(job);
    });
    first.complete(1);
    let (second, job) = promise::<u32>();
    let slot = Arc::new(Mutex::new(Some(job)));
    let (told, tells) = mpsc::channel();
    let inside = slot.clone();
    slot.lock().unwrap().as_ref().unwrap().on_done(move |_| {
        let job = inside.lock().unwrap().take().unwrap();
        // It would wait for itself.
        told.send(job.wait()).unwrap();
    });
    second.complete(1);
    assert_eq!(tells.recv().unwrap(), Err(JobError::Inside));
}

// --- user code under no lock

#[test]
fn captures_and_values_that_panic_when_they_are_dropped_do_no_harm() {
    let jobs = Jobs::new(1);
    let bomb = || OnDrop(|| boom("this line is part of a test"));
    // The captures of work that never ran,
    let (gate, _busy) = Gate::close(&jobs);
    let captured = bomb();
    let job = jobs.submit(move |_| drop(captured));
    assert!(job.cancel());
    assert_eq!(job.wait(), Err(JobError::Cancelled));
    // that a pool that is full or shut down drops,
    gate.open();
    // of work that ran,
    let captured = bomb();
    let job = jobs.submit(move |_| {
        let _captured = &captured;
        7
    });
    let panicked = JobError::Panicked("this line is part of a test".to_owned());
    assert_eq!(job.wait(), Err(panicked));
    // of callbacks and listeners,
    let (first, job) = promise::<u32>();
    let (captured, listens) = (bomb(), Mutex::new(bomb()));
    job.on_done(move |_| _ = &captured);
    job.on_progress(move |_| _ = &listens);
    assert_eq!(panic_of(|| first.complete(1)), "(none)");
    assert_eq!(job.wait(), Ok(1));
    // and values that nobody takes.
    let job = jobs.submit(move |_| OnDrop(|| boom("this line is part of a test")));
    let handle = job.handle();
    drop(job);
    until(|| handle.is_done());
    let job = jobs.submit(move |_| OnDrop(|| boom("this line is part of a test")));
    until(|| job.is_done());
    assert_eq!(panic_of(|| drop(job)), "(none)");
    assert_eq!(jobs.submit(|_| 1).wait(), Ok(1));
    jobs.shutdown();
    let captured = bomb();
    assert_eq!(
        jobs.submit(move |_| drop(captured)).wait(),
        Err(JobError::Cancelled)
    );
}

#[test]
fn callbacks_and_drops_may_use_the_pool() {
    let jobs = Jobs::builder().workers(1).backlog(4).build();
    let (gate, _busy) = Gate::close(&jobs);
    let (told, tells) = mpsc::channel();
    let (pool, also) = (jobs.clone(), told.clone());
    let captured = OnDrop(move || also.send(pool.waiting()).unwrap());
    let job = jobs.submit(move |_| drop(captured));
    let pool = jobs.clone();
    job.on_done(move |_| {
        pool.submit(move |_| told.send(100).unwrap());
    });
    assert!(job.cancel());
    assert_eq!(tells.recv(), Ok(0));
    gate.open();
    assert_eq!(tells.recv(), Ok(100));
}

// --- room

#[test]
fn a_full_backlog_hands_the_work_back() {
    let jobs = Jobs::builder().workers(1).backlog(2).build();
    let (gate, _busy) = Gate::close(&jobs);
    let waits = [jobs.submit(|_| 1), jobs.submit(|_| 2)];
    let refused = jobs.try_submit(|_| 3).unwrap_err();
    assert_eq!(refused.kind(), SubmitErrorKind::Full);
    assert_eq!(refused.to_string(), "backlog of jobs is full");
    assert_eq!(format!("{refused:?}"), "SubmitError::Full(..)");
    // A cancel makes room.
    assert!(waits[0].cancel());
    let third = jobs.try_submit(refused.into_work()).unwrap();
    assert_eq!(jobs.waiting(), 2);
    gate.open();
    assert_eq!(third.wait(), Ok(3));
    jobs.shutdown();
    let refused = jobs.try_submit(|_| 4).unwrap_err();
    assert_eq!(refused.kind(), SubmitErrorKind::ShutDown);
}

#[test]
fn submit_waits_for_room() {
    let jobs = Jobs::builder().workers(1).backlog(1).build();
    let (gate, _busy) = Gate::close(&jobs);
    let first = jobs.submit(|_| 1);
    let (done, submitted) = mpsc::channel();
    let pool = jobs.clone();
    let submits = thread::spawn(move || {
        let job = pool.submit(|_| 2);
        done.send(()).unwrap();
        job.wait()
    });
    assert!(submitted.recv_timeout(Duration::from_millis(20)).is_err());
    assert!(first.cancel());
    submitted.recv().unwrap();
    gate.open();
    assert_eq!(submits.join().unwrap(), Ok(2));
}

#[test]
fn a_shutdown_ends_the_wait_for_room() {
    let jobs = Jobs::builder().workers(1).backlog(1).build();
    let (gate, _busy) = Gate::close(&jobs);
    let first = jobs.submit(|_| 1);
    let (pool, (done, submitted)) = (&jobs, mpsc::channel());
    thread::scope(|scope| {
        for _ in 0..3 {
            let done = done.clone();
            scope.spawn(move || done.send(pool.submit(|_| 2).wait()).unwrap());
        }
        // Most likely they wait by then; what is promised is the same if they do not.
        assert!(submitted.recv_timeout(Duration::from_millis(20)).is_err());
        assert_eq!(jobs.shutdown_timeout(Duration::ZERO), 1);
    });
    drop(done);
    let all: Vec<_> = submitted.iter().collect();
    assert_eq!(all, [(); 3].map(|()| Err(JobError::Cancelled)));
    assert_eq!(first.wait(), Err(JobError::Cancelled));
    gate.open();
}

#[test]
fn a_job_that_submits_to_its_own_full_pool_does_not_wait() {
    let jobs = Jobs::builder().workers(1).backlog(1).build();
    let pool = jobs.clone();
    let job = jobs.submit(move |_| {
        let all: Vec<_> = (0..10).map(|n| pool.submit(move |_| n)).collect();
        let refused = pool.try_submit(|_| 0).unwrap_err();
        assert_eq!(refused.kind(), SubmitErrorKind::Full);
        all
    });
    let all = job.wait().unwrap();
    let sum: i32 = all.into_iter().map(|job| job.wait().unwrap()).sum();
    assert_eq!(sum, 45);
}

// --- waiting inside of the pool

#[test]
fn jobs_that_wait_for_jobs_do_not_stop_a_pool_of_one() {
    // Deeper than jobs are run on top of each other.
    fn down(pool: &Jobs, depth: u32) -> u32 {
        let next = pool.clone();
        match depth {
            0 => 0,
            _ => 1 + pool.submit(move |_| down(&next, depth - 1)).wait().unwrap(),
        }
    }
    let jobs = Jobs::new(1);
    let pool = jobs.clone();
    assert_eq!(jobs.submit(move |_| down(&pool, 200)).wait(), Ok(200));
    assert_eq!(jobs.shutdown(), 0);
}

#[test]
fn a_job_that_waits_for_a_promise_does_not_stop_a_pool_of_one() {
    for timed in [false, true] {
        let jobs = Jobs::new(1);
        let (promise, promised) = promise::<u32>();
        let waits = jobs.submit(move |_| match timed {
            false => promised.wait(),
            true => promised.wait_timeout(LONG).unwrap(),
        });
        jobs.submit(move |_| promise.complete(3));
        assert_eq!(waits.wait(), Ok(Ok(3)));
        assert_eq!(jobs.shutdown(), 0);
    }
}

#[test]
fn a_job_that_waits_for_itself_is_told() {
    let jobs = Jobs::new(1);
    let (hand, gets) = mpsc::channel::<Job<Option<JobError>>>();
    let (told, tells) = mpsc::channel();
    let (gate, _busy) = Gate::close(&jobs);
    let job = jobs.submit(move |_| {
        let own = gets.recv().unwrap();
        let own = own.wait_timeout(LONG).unwrap_err();
        let error = own.wait().unwrap_err();
        told.send(error.clone()).unwrap();
        Some(error)
    });
    hand.send(job).unwrap();
    gate.open();
    assert_eq!(tells.recv(), Ok(JobError::Inside));
    assert_eq!(jobs.shutdown(), 0);
}

// --- ending

#[test]
fn shutdown_finishes_what_runs_and_cancels_what_waits() {
    let jobs = Jobs::new(1);
    let log = Log::default();
    let (gate, busy) = Gate::close(&jobs);
    let waits = jobs.submit(|_| "never");
    callback(&log, &busy, "ran");
    callback(&log, &waits, "waited");
    assert_eq!(jobs.shutdown_timeout(Duration::ZERO), 1);
    assert!(jobs.is_shut_down());
    assert_eq!(log.take(), ["waited Err(Cancelled)"]);
    gate.open();
    assert_eq!((jobs.shutdown(), jobs.shutdown()), (0, 0));
    assert_eq!(log.take(), ["ran Ok(\"let go\")"]);
    assert_eq!(busy.wait(), Ok("let go"));
    assert_eq!(waits.wait(), Err(JobError::Cancelled));
    assert_eq!(jobs.submit(|_| ()).wait(), Err(JobError::Cancelled));
}

#[test]
fn shutdown_from_inside_of_a_job_does_not_wait() {
    let jobs = Jobs::new(2);
    let pool = jobs.clone();
    assert_eq!(jobs.submit(move |_| pool.shutdown()).wait(), Ok(1));
    assert_eq!(jobs.shutdown(), 0);
}

#[test]
fn dropping_the_pool_cancels_what_waits_and_tells_what_runs() {
    let jobs = Jobs::new(1);
    let (began, begins) = mpsc::channel();
    let runs = jobs.submit(move |cx| {
        began.send(()).unwrap();
        while !cx.is_cancelled() {
            thread::yield_now();
        }
        "told"
    });
    begins.recv().unwrap();
    let waits = jobs.submit(|_| "never");
    let handle = jobs.clone();
    drop(jobs);
    assert_eq!(handle.waiting(), 1);
    // The last one.
    drop(handle);
    assert_eq!(waits.wait(), Err(JobError::Cancelled));
    assert_eq!(runs.wait(), Ok("told"));
}

#[test]
fn a_pool_can_be_dropped_by_its_own_job() {
    let jobs = Jobs::new(1);
    let slot = Arc::new(Mutex::new(Some(jobs.clone())));
    let (gate, _busy) = Gate::close(&jobs);
    let inner = slot.clone();
    let job = jobs.submit(move |cx| {
        let pool = inner.lock().unwrap().take();
        drop(pool);
        cx.is_cancelled()
    });
    drop(jobs);
    gate.open();
    assert_eq!(job.wait(), Ok(true));
}

// --- where a queue is drained

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
fn an_outcome_for_a_closed_or_full_queue_is_told_to_the_hook_once() {
    let told = undelivered(|bus| {
        let queue = bus.queue().clone();
        (queue.clone(), Box::new(move || queue.close()))
    });
    let text = "Undelivered outcome of a job was not delivered to the callback that was added";
    let closed = format!("{text}: queue or signal is closed");
    assert_eq!(told, [&closed, "drop captures", "drop value"]);
    let told = undelivered(|bus| {
        let queue = bus.queue().bounded(1, Overflow::Reject);
        queue.post(|| ()).unwrap();
        (queue.clone(), Box::new(|| ()))
    });
    assert!(told.contains(&format!("{text}: queue is full")), "{told:?}");
    assert!(told.contains(&"drop value".to_owned()) && told.contains(&"drop captures".to_owned()));
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

// --- other people's threads

#[test]
fn an_executor_that_drops_a_task_abandons_its_job() {
    let jobs = Jobs::with_executor(|task: Box<dyn FnOnce() + Send>| drop(task));
    let job = jobs.submit(|_| 1);
    assert_eq!(jobs.waiting(), 0);
    assert_eq!(job.wait(), Err(JobError::Abandoned));
}

#[test]
fn an_executor_that_runs_its_task_at_once_works() {
    let jobs = Jobs::builder()
        .backlog(1)
        .executor(|task: Box<dyn FnOnce() + Send>| task())
        .build();
    let pool = jobs.clone();
    for n in 0..10 {
        assert_eq!(jobs.submit(move |_| n).try_take().unwrap(), Ok(n));
    }
    let nested = jobs.submit(move |_| pool.submit(|_| 5).wait());
    assert_eq!(nested.wait(), Ok(Ok(5)));
    assert_eq!((jobs.shutdown(), jobs.running()), (0, 0));
}

#[test]
fn an_executor_that_panics_leaves_nothing_behind() {
    let jobs = Jobs::with_executor(|_: Box<dyn FnOnce() + Send>| boom("no runtime"));
    assert_eq!(panic_of(|| drop(jobs.submit(|_| 1))), "no runtime");
    assert_eq!((jobs.waiting(), jobs.running()), (0, 0));
}

/// An executor whose tasks run when the test says so.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<VecDeque<Task>>>);

type Task = Box<dyn FnOnce() + Send>;

impl Later {
    fn jobs(&self) -> Jobs {
        let tasks = self.0.clone();
        Jobs::with_executor(move |task| tasks.lock().unwrap().push_back(task))
    }
    fn take(&self) -> Option<Task> {
        self.0.lock().unwrap().pop_front()
    }
}

#[test]
fn an_executor_keeps_the_promises_about_cancel_and_shutdown() {
    let later = Later::default();
    let jobs = later.jobs();
    let (first, second, third) = (jobs.submit(|_| 1), jobs.submit(|_| 2), jobs.submit(|_| 3));
    assert_eq!(jobs.waiting(), 3);
    assert!(first.cancel());
    later.take().unwrap()();
    assert_eq!(first.wait(), Err(JobError::Cancelled));
    later.take().unwrap()();
    assert_eq!(second.wait(), Ok(2));
    assert_eq!(jobs.shutdown(), 0);
    assert_eq!(third.wait(), Err(JobError::Cancelled));
    // Too late, and nobody minds.
    later.take().unwrap()();
}

#[test]
fn a_job_of_an_executor_runs_the_one_it_waits_for() {
    let later = Later::default();
    let jobs = later.jobs();
    let pool = jobs.clone();
    let job = jobs.submit(move |_| pool.submit(|_| 1).wait());
    later.take().unwrap()();
    assert_eq!(job.wait(), Ok(Ok(1)));
}

#[test]
fn threads_of_a_closure_and_a_runtime_do() {
    let spawns = Jobs::with_executor(|task| drop(thread::spawn(task)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let tokio = Jobs::with_executor(move |task| drop(handle.spawn_blocking(task)));
    for jobs in [spawns, tokio] {
        let all: Vec<_> = (0..20).map(|n| jobs.submit(move |_| n)).collect();
        let sum = runtime.block_on(async {
            let mut sum = 0;
            for job in all {
                sum += job.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 190);
        assert_eq!(jobs.shutdown(), 0);
    }
    // A runtime that is gone drops its tasks.
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    let gone = Jobs::with_executor(move |task| drop(handle.spawn_blocking(task)));
    assert_eq!(gone.submit(|_| 1).wait(), Err(JobError::Abandoned));
}

#[test]
fn a_pool_is_an_executor() {
    let jobs = Jobs::builder().workers(1).backlog(8).build();
    let (told, tells): (_, Receiver<u32>) = mpsc::channel();
    jobs.execute(Box::new(|| boom("this line is part of a test")));
    let sends = told.clone();
    jobs.execute(Box::new(move || sends.send(1).unwrap()));
    assert_eq!(tells.recv(), Ok(1));
    // Where it is shut down, tasks are dropped.
    jobs.shutdown();
    jobs.execute(Box::new(move || told.send(2).unwrap()));
    assert!(tells.recv().is_err());
    let outer = Jobs::with_executor(jobs);
    assert_eq!(outer.submit(|_| 1).wait(), Err(JobError::Abandoned));
}

// --- many at a time

#[test]
fn each_of_many_jobs_completes_once_whoever_meddles() {
    let jobs = Jobs::builder().workers(2).backlog(64).build();
    let (told, wanted) = (
        Arc::new(AtomicUsize::new(0)),
        if cfg!(miri) { 50 } else { 5000 },
    );
    let submits: Vec<_> = (0..2)
        .map(|seed: usize| {
            let (jobs, told) = (jobs.clone(), told.clone());
            thread::spawn(move || {
                for n in 0..wanted {
                    let job = jobs.submit(move |_| n);
                    let count = told.clone();
                    job.on_done(move |_| _ = count.fetch_add(1, SeqCst));
                    match (n + seed) % 5 {
                        0 => drop(job),
                        1 => drop(job.abort_on_drop()),
                        2 => _ = job.cancel(),
                        3 => drop(job.wait_timeout(Duration::ZERO)),
                        _ => assert_eq!(job.wait(), Ok(n)),
                    }
                }
            })
        })
        .collect();
    for thread in submits {
        thread.join().unwrap();
    }
    assert_eq!(jobs.shutdown(), 0);
    assert_eq!(told.load(SeqCst), 2 * wanted);
}

#[test]
fn misuse_is_refused_at_the_callers_line() {
    assert_eq!(
        panic_of(|| Jobs::new(0)),
        "a pool of 0 workers would never run a job: give it 1 or more"
    );
    assert_eq!(
        panic_of(|| drop(Jobs::builder().backlog(0))),
        "a backlog of 0 jobs would never take one: give it room for 1 or more"
    );
    assert_eq!(
        panic_of(|| drop(Jobs::builder().name("a\0b"))),
        "the name \"a\\0b\" contains a NUL character, which the name of a thread cannot"
    );
}

/// Long enough for whoever would stand still without.
fn soon<T: Send + 'static>(job: Job<T>) -> Outcome<T> {
    job.wait_timeout(LONG)
        .unwrap_or_else(|_| panic!("it stands still"))
}

#[test]
fn a_pool_of_one_goes_on_while_a_job_waits_for_one_that_runs() {
    let jobs = Jobs::new(1);
    let (promise, promised) = promise::<u32>();
    let (began, begins) = mpsc::channel();
    let first = jobs.submit(move |_| {
        began.send(()).unwrap();
        promised.wait()
    });
    begins.recv().unwrap();
    let second = jobs.submit(move |_| first.wait());
    until(|| jobs.running() == 2);
    let third = jobs.submit(move |_| promise.complete(7));
    assert_eq!(soon(second), Ok(Ok(Ok(7))));
    assert_eq!(soon(third), Ok(()));
}

#[test]
fn a_thread_that_slept_is_not_the_one_that_stands_in() {
    let jobs = Jobs::new(2);
    let (promise, promised) = promise::<u32>();
    let first = jobs.submit(move |_| {
        // The other thread sleeps by then.
        thread::sleep(Duration::from_millis(100));
        promised.wait()
    });
    thread::sleep(Duration::from_millis(200));
    let (send, receive) = mpsc::sync_channel::<()>(0);
    let second = jobs.submit(move |_| receive.recv_timeout(LONG).is_ok());
    let third = jobs.submit(move |_| {
        _ = send.send(());
        promise.complete(7);
    });
    assert_eq!((soon(second), soon(third)), (Ok(true), Ok(())));
    assert_eq!(soon(first), Ok(Ok(7)));
}

/// A pool that runs its jobs where they are submitted, so that a job of another pool is inside of both.
fn inline() -> Jobs {
    Jobs::with_executor(|task: Box<dyn FnOnce() + Send>| task())
}

#[test]
fn a_job_in_a_job_of_another_pool_waits_for_neither() {
    let (jobs, here) = (Jobs::new(1), inline());
    let (promise, promised) = promise::<u32>();
    let (began, begins) = mpsc::channel();
    let first = jobs.submit(move |_| {
        let inner = here.submit(move |_| {
            began.send(()).unwrap();
            promised.wait()
        });
        inner.wait()
    });
    begins.recv().unwrap();
    let second = jobs.submit(move |_| promise.complete(7));
    assert_eq!(soon(first), Ok(Ok(Ok(7))));
    assert_eq!(soon(second), Ok(()));
}

#[test]
fn a_job_in_a_job_of_another_pool_shuts_down_neither_under_itself() {
    let (jobs, here) = (Jobs::new(1), inline());
    let pool = jobs.clone();
    let first = jobs.submit(move |_| here.submit(move |_| pool.shutdown()).wait());
    assert_eq!(soon(first), Ok(Ok(1)), "the outer one runs still");
}

#[test]
fn a_job_in_a_job_of_another_pool_does_not_wait_for_room_that_it_has_to_make() {
    let jobs = Jobs::builder().workers(1).backlog(1).build();
    let (here, pool) = (inline(), jobs.clone());
    let first = jobs.submit(move |_| {
        here.submit(move |_| drop((pool.submit(|_| ()), pool.submit(|_| ()))))
            .wait()
    });
    assert_eq!(soon(first), Ok(Ok(())));
}
