//! The recorded events, and the threads that wait for more.
//!
//! Does not know the bus, and runs no user code under its lock: events are mapped before the lock is
//! taken, and recorded values are dropped after it is released.

use std::any::Any;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::missing::{End, Missing};
use crate::core::primitives::sync::THREADS;
use crate::topic::any_event::AnyEvent;

/// A topic name and a value for each event, in recording order.
type Records<T> = Vec<(Arc<str>, T)>;

pub(super) struct Tape<T> {
    state: Mutex<State<T>>,
    /// Notified when an event was recorded, and when a handler was dropped.
    condvar: Condvar,
}

struct State<T> {
    records: Records<T>,
    /// The number of handlers that record here.
    handlers: usize,
}

impl<T> Tape<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Tape {
            state: Mutex::new(State {
                records: Vec::new(),
                handlers: 0,
            }),
            condvar: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Returns whether no handler records here, any more or yet.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().handlers == 0
    }

    pub(super) fn topics(&self) -> Vec<String> {
        names(&self.lock().records)
    }

    pub(super) fn take(&self) -> Records<T> {
        std::mem::take(&mut self.lock().records)
    }

    /// Takes the first `count` events, as soon as that many are recorded.
    pub(super) fn wait_for(&self, count: usize, limit: Duration) -> Result<Records<T>, Missing> {
        let waits =
            |state: &mut State<T>| THREADS && state.records.len() < count && state.handlers > 0;
        let woken = self.condvar.wait_timeout_while(self.lock(), limit, waits);
        let mut state = woken.unwrap_or_else(PoisonError::into_inner).0;
        if state.records.len() >= count {
            let rest = state.records.split_off(count);
            return Ok(std::mem::replace(&mut state.records, rest));
        }
        Err(Missing {
            expected: count,
            topics: names(&state.records),
            end: match state.handlers {
                0 => End::Closed,
                _ => End::TimedOut(limit),
            },
        })
    }
}

pub(super) fn names<T>(records: &Records<T>) -> Vec<String> {
    records.iter().map(|(topic, _)| topic.to_string()).collect()
}

/// The captures of one handler. Private outside of this crate. Dropped with the handler, for whatever
/// reason, which notifies the waiting threads that it records nothing more.
#[allow(
    missing_debug_implementations,
    reason = "it cannot be named from outside"
)]
pub struct Recording<F, T, E> {
    tape: Arc<Tape<T>>,
    topic: Arc<str>,
    captured: F,
    map: fn(&F, &E) -> T,
}

impl<F, T, E: 'static> Recording<F, T, E> {
    pub(super) fn new(tape: &Arc<Tape<T>>, topic: &str, captured: F, map: fn(&F, &E) -> T) -> Self {
        tape.lock().handlers += 1;
        Recording {
            tape: tape.clone(),
            topic: topic.into(),
            captured,
            map,
        }
    }

    pub(super) fn record(&self, event: &E) {
        // The subscription's topic; for a handler of a pattern, that of the event.
        let any: Option<&AnyEvent> = (event as &dyn Any).downcast_ref();
        let topic = any.map_or_else(|| self.topic.clone(), |any| any.topic().into());
        // User code, so before the lock.
        let value = (self.map)(&self.captured, event);
        self.tape.lock().records.push((topic, value));
        self.tape.condvar.notify_all();
    }
}

impl<F, T, E> Drop for Recording<F, T, E> {
    fn drop(&mut self) {
        self.tape.lock().handlers -= 1;
        self.tape.condvar.notify_all();
    }
}
