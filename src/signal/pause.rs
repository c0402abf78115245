//! Pauses: of one handler, of those of a scope, of a signal or a bus.

use std::fmt;
use std::mem;

use crate::core::flavour::Flavour;
use crate::core::handler::entry::{Connection, WeakRef, state};
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::unwind::unwind_safe;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::signal_info::SignalInfo;

#[doc = include_str!("../flavour/pause.md")]
#[must_use = "dropping the guard ends the pause at once"]
pub struct Pause<M: Flavour>(Paused<M>);

/// What is paused.
enum Paused<M: Flavour> {
    Handler(WeakRef<M, dyn Connection<M>>),
    Scope(M::Ptr<ScopePauses<M>>),
    Signal(M::Ptr<SignalInfo<M>>),
    Bus(BusConfig<M>),
}

impl<M: Flavour> Pause<M> {
    pub(crate) fn of_handler(handler: &WeakRef<M, dyn Connection<M>>) -> Self {
        handler.head().state.add(state::PAUSE);
        Pause(Paused::Handler(handler.clone()))
    }

    /// The pause has begun.
    pub(crate) fn of_scope(pauses: M::Ptr<ScopePauses<M>>) -> Self {
        Pause(Paused::Scope(pauses))
    }

    /// The pause has begun.
    pub(crate) fn of_signal(info: M::Ptr<SignalInfo<M>>) -> Self {
        Pause(Paused::Signal(info))
    }

    /// The pause has begun.
    pub(crate) fn of_bus(config: BusConfig<M>) -> Self {
        Pause(Paused::Bus(config))
    }
}

impl<M: Flavour> Drop for Pause<M> {
    fn drop(&mut self) {
        match &self.0 {
            Paused::Handler(handler) => _ = handler.head().state.sub(state::PAUSE),
            Paused::Scope(pauses) => pauses.end(),
            Paused::Signal(info) => _ = info.pauses.sub(1),
            Paused::Bus(config) => config.resume(),
        }
    }
}

/// The pauses of a scope. While there is one, each handler of the scope is paused once for all of them.
pub(crate) struct ScopePauses<M: Flavour>(M::Lock<ScopePaused<M>>);

struct ScopePaused<M: Flavour> {
    pauses: usize,
    /// The handlers that are paused, with some that have ended.
    handlers: Vec<WeakRef<M, dyn Connection<M>>>,
}

impl<M: Flavour> ScopePauses<M> {
    pub(crate) fn new() -> Self {
        ScopePauses(M::Lock::new(ScopePaused {
            pauses: 0,
            handlers: Vec::new(),
        }))
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.0.with(|paused| paused.pauses > 0)
    }

    /// Begins a pause of these handlers, which are all of the scope.
    pub(crate) fn begin<'s>(&self, all: impl Iterator<Item = &'s WeakRef<M, dyn Connection<M>>>) {
        self.0.with(|paused| {
            paused.pauses += 1;
            if paused.pauses == 1 {
                let pause = |it: &WeakRef<M, dyn Connection<M>>| {
                    it.head().state.add(state::PAUSE);
                    it.clone()
                };
                paused.handlers = all.map(pause).collect();
            }
        });
    }

    /// Pauses a handler that is new in the scope, if there is a pause. Amortized O(1).
    pub(crate) fn add(&self, handler: &WeakRef<M, dyn Connection<M>>) {
        let ended = self.0.with(|paused| {
            if paused.pauses == 0 {
                return Vec::new();
            }
            let mut ended = Vec::new();
            if paused.handlers.len() == paused.handlers.capacity() {
                let all = mem::take(&mut paused.handlers).into_iter();
                (ended, paused.handlers) = all.partition(|it| it.head().has(state::DROPPED));
                paused.handlers.reserve(paused.handlers.len() + 1);
            }
            handler.head().state.add(state::PAUSE);
            paused.handlers.push(handler.clone());
            ended
        });
        // Outside of the lock: their memory may hold an event of a future.
        drop(ended);
    }

    fn end(&self) {
        let handlers = self.0.with(|paused| {
            paused.pauses -= 1;
            match paused.pauses {
                0 => mem::take(&mut paused.handlers),
                _ => Vec::new(),
            }
        });
        for handler in handlers {
            handler.head().state.sub(state::PAUSE);
        }
    }
}

impl<M: Flavour> fmt::Debug for Pause<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").finish_non_exhaustive()
    }
}

unwind_safe! {
    [M: Flavour] Pause<M>;
}
