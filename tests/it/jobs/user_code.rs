//! Promise 12 for jobs: wakers, callbacks and drops may use the job and its pool, and may panic.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use slotcast::jobs::JobHandle;
use slotcast::{JobError, Jobs, promise};

use super::{Gate, until};
use crate::log::{OnDrop, boom, panic_of};

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
        drop(pool.submit(move |_| told.send(100).unwrap()));
    });
    assert!(job.cancel());
    assert_eq!(tells.recv(), Ok(0));
    gate.open();
    assert_eq!(tells.recv(), Ok(100));
}
