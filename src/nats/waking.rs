//! Wakes whoever awaits an emission, on a thread that does nothing else: a waker is user code, which must not hold up
//! the connection; and it must not wait for other user code, because an error hook or a handler of states may await an
//! emission itself.
//!
//! The thread begins with the first that is to be woken, and ends with the bridge. What is to be woken later than that
//! has another one, which ends at once.

use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::core::primitives::sync::{lock, wait, wait_until};
use crate::nats::teller::contained;

/// As many wakers as there are emissions that somebody awaits.
#[derive(Default)]
pub(super) struct Waking {
    state: Mutex<State>,
    /// Notified when there is somebody to wake, and when the thread has ended.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wakers: Vec<Waker>,
    /// Whether the thread waits for more: who notifies it asks the system, which takes longer than all the rest.
    is_idle: bool,
    is_running: bool,
    is_ended: bool,
    thread: Option<JoinHandle<()>>,
}

impl Waking {
    /// Has this one woken. A thread that is begun for that first calls what `begin` returns.
    pub(super) fn wake<F>(self: &Arc<Self>, waker: Waker, begin: impl FnOnce() -> F)
    where
        F: FnOnce() + Send + 'static,
    {
        let mut state = lock(&self.state);
        if !state.is_running {
            let (this, begin) = (self.clone(), begin());
            let run = move || {
                begin();
                this.run();
            };
            match thread::Builder::new()
                .name("slotcast nats wake".to_owned())
                .spawn(run)
            {
                Ok(thread) => {
                    state.is_running = true;
                    state.thread = Some(thread);
                }
                // Here, which may hold something up, or never.
                Err(_) => {
                    drop(state);
                    return contained(|| waker.wake());
                }
            }
        }
        state.wakers.push(waker);
        let was_idle = std::mem::take(&mut state.is_idle);
        drop(state);
        if was_idle {
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        let mut wakers = Vec::new();
        let mut state = lock(&self.state);
        loop {
            if !state.wakers.is_empty() {
                std::mem::swap(&mut state.wakers, &mut wakers);
                drop(state);
                for waker in wakers.drain(..) {
                    contained(|| waker.wake());
                }
                state = lock(&self.state);
            } else if state.is_ended {
                state.is_running = false;
                drop(state);
                return self.changed.notify_all();
            } else {
                state.is_idle = true;
                state = wait(&self.changed, state);
            }
        }
    }

    /// Has the thread end when all are woken.
    pub(super) fn end(&self) {
        lock(&self.state).is_ended = true;
        self.changed.notify_all();
    }

    /// Waits until it has ended, or the time is over.
    pub(super) fn wait(&self, until: Option<Instant>) {
        let mut state = lock(&self.state);
        while state.is_running {
            match wait_until(&self.changed, state, until) {
                Ok(woken) => state = woken,
                Err(_) => return,
            }
        }
        let thread = state.thread.take();
        drop(state);
        thread.map(JoinHandle::join);
    }
}
