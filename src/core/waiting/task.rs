//! Futures that an executor runs: one task for each time that they are woken.
//!
//! # Decisions
//!
//! **A state machine of our own, under a lock, instead of `async-task`**, which stood here before. That one
//! drops the future inside of the wake if the executor refuses the task, so a channel that wakes under its
//! own lock, which the future takes when it is dropped, stood still for ever. It frees a future that has kept
//! no waker without dropping it. And a future that wakes itself, on an executor that runs its tasks at once,
//! recurs. No model could look into it.
//!
//! **A wake calls the executor and nothing else.** What would be dropped meanwhile, because the executor
//! refuses the task, drops another one for it, or panics, or because the last waker goes, is handed to a
//! thread that is started for it, and takes all that waits by then. It has to be another thread: whoever wakes
//! may hold the lock that the future takes in its drop, and nothing says when that is released. What an
//! executor drops at other times is dropped there and then: in the emission that started it, or where the
//! executor goes.
//!
//! **Tasks run on top of each other, but at most [`MAX_NESTED`] on one stack.** A future that emits, and
//! waits for what that has started, on an executor that runs its tasks at once, has to have it run inside.
//! A future that has woken itself is never run inside of itself, and beyond the limit a task runs after the one
//! that it was given out by. So chains of wakes need constant stack, whatever their length.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::core::failure::log::write_log;
use crate::core::failure::panics::{catch, drop_payload, message};
use crate::core::primitives::sync::{Mutex, global, lock, per_thread, thread};
use crate::executor::Executor;

/// The limit of tasks that run on top of each other on one thread.
const MAX_NESTED: usize = 16;

/// What a task runs. If it is dropped before it has completed, it was abandoned; its drop says so. Neither its
/// poll nor its drop unwinds.
pub(crate) trait Work: Future<Output = ()> + Unpin + Send + 'static {}

/// Gives a future to an executor. If it refuses the first task, the future is dropped here.
pub(crate) fn spawn<F: Work>(future: F, executor: Arc<dyn Executor>) {
    let task = Arc::new(Task(Mutex::new(Phase::Scheduled(Parts {
        future,
        executor: executor.clone(),
    }))));
    schedule(task, &*executor);
}

/// A future, and whoever runs it.
struct Parts<F> {
    future: F,
    executor: Arc<dyn Executor>,
}

struct Task<F: Work>(Mutex<Phase<F>>);

enum Phase<F> {
    /// Nobody has been given a task for it: it has not been woken.
    Idle(Parts<F>),
    /// The executor has a task for it.
    Scheduled(Parts<F>),
    /// It is being polled.
    Running { woken: bool },
    /// It has completed, or was abandoned.
    Ended,
}

/// What the executor is given. If it is dropped and not run, it was refused.
struct Scheduled<F: Work>(Option<Arc<Task<F>>>);

fn schedule<F: Work>(task: Arc<Task<F>>, executor: &dyn Executor) {
    let scheduled = Scheduled(Some(task));
    executor.execute(Box::new(move || scheduled.run()));
}

/// Schedules a task that was woken. The panic of an executor ends here.
fn schedule_woken<F: Work>(task: Arc<Task<F>>, executor: &dyn Executor) {
    if let Err(payload) = catch(|| schedule(task, executor)) {
        outside_of_wakes(move || {
            let line = format!("an executor panicked: {}", message(&payload));
            write_log(&line, None);
            drop_payload(payload);
        });
    }
}

impl<F: Work> Scheduled<F> {
    fn run(mut self) {
        if let Some(task) = self.0.take() {
            run(task);
        }
    }
}

impl<F: Work> Drop for Scheduled<F> {
    fn drop(&mut self) {
        let Some(task) = self.0.take() else { return };
        let refused = task.change(|phase| match phase {
            Phase::Scheduled(parts) => (Phase::Ended, Some(parts)),
            other => (other, None),
        });
        outside_of_wakes(move || drop(refused));
    }
}

impl<F: Work> Task<F> {
    fn change<R>(&self, f: impl FnOnce(Phase<F>) -> (Phase<F>, R)) -> R {
        let mut phase = lock(&self.0);
        let (after, returned) = f(std::mem::replace(&mut *phase, Phase::Ended));
        *phase = after;
        returned
    }
}

impl<F: Work> Wake for Task<F> {
    fn wake(self: Arc<Self>) {
        let executor = self.change(|phase| match phase {
            Phase::Idle(parts) => {
                let executor = parts.executor.clone();
                (Phase::Scheduled(parts), Some(executor))
            }
            Phase::Running { .. } => (Phase::Running { woken: true }, None),
            other => (other, None),
        });
        if let Some(executor) = executor {
            let _guard = enter(|inside| inside.waking = true);
            schedule_woken(self, &*executor);
        }
    }
}

impl<F: Work> Drop for Task<F> {
    /// The last waker goes: nobody can wake it any more.
    fn drop(&mut self) {
        if let Phase::Idle(parts) = self.change(|phase| (Phase::Ended, phase)) {
            elsewhere(move || drop(parts));
        }
    }
}

/// A task of any future.
trait Run: Send + Sync {
    /// Polls the future, if it is scheduled.
    fn poll(self: Arc<Self>);
}

impl<F: Work> Run for Task<F> {
    fn poll(self: Arc<Self>) {
        let scheduled = self.change(|phase| match phase {
            Phase::Scheduled(parts) => (Phase::Running { woken: false }, Some(parts)),
            other => (other, None),
        });
        let Some(mut parts) = scheduled else { return };
        let waker = Waker::from(self.clone());
        let polled = Pin::new(&mut parts.future).poll(&mut Context::from_waker(&waker));
        drop(waker);
        if polled.is_ready() {
            self.change(|_| (Phase::Ended, ()));
            return;
        }
        let woken = self.change(|phase| match phase {
            Phase::Running { woken: true } => {
                let executor = parts.executor.clone();
                (Phase::Scheduled(parts), Some(executor))
            }
            _ => (Phase::Idle(parts), None),
        });
        if let Some(executor) = woken {
            // If the executor runs it at once, it is put off until this has returned.
            let _guard = enter(|inside| inside.nested = MAX_NESTED);
            schedule_woken(self, &*executor);
        } else if let Some(task) = Arc::into_inner(self) {
            // The future has kept no waker.
            let abandoned = task.change(|phase| (Phase::Ended, phase));
            outside_of_wakes(move || drop(abandoned));
        }
    }
}

/// What a thread is inside of.
#[derive(Clone, Copy)]
struct Inside {
    /// Tasks that run on top of each other: how many.
    nested: usize,
    /// A wake.
    waking: bool,
}

per_thread! {
    INSIDE: Cell<Inside> = Cell::new(Inside { nested: 0, waking: false })
}
per_thread! {
    /// Tasks to be run when the innermost one has returned.
    LATER: RefCell<VecDeque<Arc<dyn Run>>> = RefCell::new(VecDeque::new())
}

/// Changes what this thread is inside of, until the guard is dropped.
fn enter(change: impl FnOnce(&mut Inside)) -> InsideGuard {
    let before = INSIDE.with(Cell::get);
    let mut inside = before;
    change(&mut inside);
    INSIDE.with(|current| current.set(inside));
    InsideGuard(before)
}

struct InsideGuard(Inside);

impl Drop for InsideGuard {
    fn drop(&mut self) {
        INSIDE.with(|current| current.set(self.0));
    }
}

/// Runs a task, and those that are put off meanwhile.
fn run(task: Arc<dyn Run>) {
    // An error while the thread ends, after its thread-locals were destroyed.
    let put_off = |task| LATER.try_with(|later| later.borrow_mut().push_back(task));
    if INSIDE.with(Cell::get).nested >= MAX_NESTED && put_off(task.clone()).is_ok() {
        return;
    }
    let _guard = enter(|inside| inside.nested += 1);
    let mut next = Some(task);
    while let Some(task) = next {
        task.poll();
        let put_off = LATER.try_with(|later| later.borrow_mut().pop_front());
        next = put_off.ok().flatten();
    }
}

/// Does something here, or elsewhere if this thread is inside of a wake.
fn outside_of_wakes(f: impl FnOnce() + Send + 'static) {
    if INSIDE.with(Cell::get).waking {
        elsewhere(f);
    } else {
        f();
    }
}

/// What is to be done on a thread where nobody holds a lock.
struct Elsewhere {
    waiting: Vec<Box<dyn FnOnce() + Send>>,
    /// A thread was started, and has not taken yet what waits.
    started: bool,
}

global! {
    ELSEWHERE: Mutex<Elsewhere> = Mutex::new(Elsewhere { waiting: Vec::new(), started: false })
}

/// Does something on another thread, soon. If no thread can be started, it waits for the next call.
fn elsewhere(f: impl FnOnce() + Send + 'static) {
    let starts = {
        let mut elsewhere = lock(&ELSEWHERE);
        elsewhere.waiting.push(Box::new(f));
        !std::mem::replace(&mut elsewhere.started, true)
    };
    let builder = || thread::Builder::new().name("slotcast-abandoned".to_owned());
    if starts && builder().spawn(do_elsewhere).is_err() {
        lock(&ELSEWHERE).started = false;
    }
}

fn do_elsewhere() {
    let waiting = {
        let mut elsewhere = lock(&ELSEWHERE);
        elsewhere.started = false;
        std::mem::take(&mut elsewhere.waiting)
    };
    waiting
        .into_iter()
        .for_each(|f| _ = catch(f).map_err(drop_payload));
}
