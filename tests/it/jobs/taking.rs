//! How the outcome of a job is taken: by waiting, by trying, by a timeout and by a future.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use slotcast::{JobError, Jobs, Queue, promise};

use super::{Gate, until};
use crate::log::panic_of;

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

#[test]
fn a_job_that_gave_its_outcome_has_a_handle_that_says_so() {
    let mut context = Context::from_waker(Waker::noop());
    let (promise, mut job) = promise::<u32>();
    promise.progress(1, 2);
    promise.complete(9);
    let poll = Pin::new(&mut job).poll(&mut context);
    assert_eq!(poll, Poll::Ready(Ok(9)));

    let handle = job.handle();
    assert!(job.is_done() && handle.is_done());
    assert!(!job.cancel() && !handle.cancel());
    assert_eq!(handle.progress().unwrap().done, 1);

    // Whoever comes later is told that it was taken.
    let told = Arc::new(Mutex::new(Vec::new()));
    let (tells, also) = (told.clone(), told.clone());
    job.on_done(move |outcome| tells.lock().unwrap().push(outcome.clone()));
    job.on_progress(move |progress| {
        also.lock()
            .unwrap()
            .push(Ok(progress.done.try_into().unwrap()))
    });
    assert_eq!(*told.lock().unwrap(), [Err(JobError::Taken), Ok(1)]);
    let queue = Queue::<Vec<u64>>::with_context();
    job.on_progress_in(&queue, |seen, progress| seen.push(progress.done));
    let handle = job.on_done_in(&queue, |seen, outcome| {
        assert_eq!(outcome, Err(JobError::Taken));
        seen.push(2);
    });
    assert!(handle.is_done());
    let mut seen = Vec::new();
    assert_eq!(queue.drain_with(&mut seen).delivered(), 2);
    assert_eq!(seen, [1, 2]);
}

#[test]
fn a_wait_for_an_outcome_that_was_taken_ends_at_once() {
    let (promise, mut job) = promise::<u32>();
    promise.complete(9);
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut job).poll(&mut context).is_ready());
    let outcome = job.wait_timeout(Duration::ZERO).unwrap();
    assert_eq!(outcome, Err(JobError::Taken));
    let jobs = Jobs::new(1);
    let mut job = jobs.submit(|_| 1);
    until(|| job.is_done());
    assert!(Pin::new(&mut job).poll(&mut context).is_ready());
    assert_eq!(job.wait(), Err(JobError::Taken));
}
