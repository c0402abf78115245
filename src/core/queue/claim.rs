//! Claimed calls, which wait in a queue, and closures that are posted to one.

use crate::core::handler::entry::{
    Alive, CallResult, Entry, Header, QueuedHandler, StrongRef, WeakRef,
};
use crate::core::handler::erased::code;
use crate::core::handler::plain::Once;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::thread::{self, ActiveScope, ScopeGuard};
use crate::core::settings::failure_source::guarded;
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::CallSite;
use crate::outcome::Outcome;

/// The handler of claimed calls. Those of a handler have numbers, and their events wait with the handler.
pub(crate) struct Claim<M: Primitives, C: 'static>(pub(crate) WeakRef<M, dyn QueuedHandler<M, C>>);

impl<M: Primitives, C> Claim<M, C> {
    pub(super) fn entry(&self) -> &WeakRef<M, dyn QueuedHandler<M, C>> {
        &self.0
    }

    /// Drops the event of a call. Returns whether it was there.
    pub(super) fn discard(&self, number: u64) -> bool {
        let was_there = self.0.discard(number);
        if was_there {
            self.settle();
        }
        was_there
    }

    pub(super) fn is_waiting(&self, number: u64) -> bool {
        self.0.is_waiting(number)
    }

    fn settle(&self) {
        if self.0.settle() {
            self.0.release();
        }
    }
}

/// What a thread has while it makes calls of one handler: a strong reference, unless the captures are dropped, and a
/// scope. When it is dropped, settles the calls that were made; that may drop captures.
pub(super) struct Calling<'c, M: Primitives, C: 'static> {
    claim: &'c Claim<M, C>,
    strong: Option<StrongRef<M, dyn QueuedHandler<M, C>>>,
    has_called: bool,
    /// The number of failures before the first call.
    pub(super) mark: usize,
    // Dropped last.
    _scope: ScopeGuard,
}

impl<'c, M: Primitives, C: 'static> Calling<'c, M, C> {
    pub(super) fn begin(claim: &'c Claim<M, C>) -> Self {
        let scope = thread::enter_scope(ActiveScope {
            inside: claim.0.address(),
            sequence_limit: 0,
        });
        Calling {
            claim,
            strong: claim.0.upgrade(),
            has_called: false,
            mark: thread::failures(),
            _scope: scope,
        }
    }

    /// Makes a call. `None` if its event was taken already, or is dropped because the handler was given up.
    pub(super) fn call(&mut self, number: u64, context: &mut C) -> Option<CallResult> {
        let Some(strong) = &self.strong else {
            let was_there = self.claim.discard(number);
            return was_there.then_some(CallResult::Skipped);
        };
        let result = strong.deliver(strong.alive(), number, context)?;
        self.has_called = true;
        Some(result)
    }
}

impl<M: Primitives, C: 'static> Drop for Calling<'_, M, C> {
    fn drop(&mut self) {
        if self.has_called {
            self.claim.settle();
        }
    }
}

impl<M: Primitives, C> Clone for Claim<M, C> {
    fn clone(&self) -> Self {
        Claim(self.0.clone())
    }
}

impl<M: Primitives, C> Drop for Claim<M, C> {
    fn drop(&mut self) {
        if self.0.is_posted() {
            self.0.release();
        }
    }
}

/// A posted closure.
pub(crate) struct Posted<M: Primitives, F>(Once<M, F>);

impl<M: Primitives, C: 'static, F, R> QueuedHandler<M, C> for Entry<M, (), Posted<M, F>>
where
    F: FnOnce(&mut C) -> R + 'static,
    R: Outcome,
{
    fn deliver(&self, alive: Alive<'_>, _: u64, context: &mut C) -> Option<CallResult> {
        let f = self.live(alive)?.captures().0.take()?;
        let (head, mut result) = (self.head(), CallResult::Failed);
        guarded(head.info.as_deref(), None, head.location, || {
            result = code(head, None, f(context));
        });
        Some(result)
    }
    fn discard(&self, _: u64) -> bool {
        true
    }
    fn is_waiting(&self, _: u64) -> bool {
        true
    }
    fn settle(&self) -> bool {
        false
    }
    fn is_posted(&self) -> bool {
        true
    }
}

/// The claim of a posted closure.
pub(crate) fn posted<M: Primitives, C: 'static, R: Outcome>(
    f: impl FnOnce(&mut C) -> R + 'static,
    info: M::Ptr<SignalInfo<M>>,
    location: CallSite,
) -> Claim<M, C> {
    let header = Header::alone(location, Some(info));
    let entry = WeakRef::<M, Entry<M, (), Posted<M, _>>>::new(header, (), Posted(Once::new(f)));
    Claim(entry.erase(|entry| entry as &dyn QueuedHandler<M, C>))
}
