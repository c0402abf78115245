//! Handlers that are called by one thread at a time.
//!
//! Their lock is the only one under which a handler runs. It guards the closure, and nothing of the crate.

use crate::core::handler::entry::{CallResult, Header, state};
use crate::core::handler::erased::{EmitContext, code};
use crate::core::handler::failures;
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::thread;
use crate::outcome::Outcome;
use crate::wiring::handler::HandlerKind;

/// A closure, and the thread that calls it.
pub(crate) struct Exclusive<M: Primitives, F> {
    closure: M::Lock<F>,
    /// The token of the thread that has the lock, or 0. Written only under the lock, so a thread that reads
    /// its own token has written it itself.
    owner: M::Word,
}

/// Clears the owner when the call returns or unwinds.
struct OwnerGuard<'t, W: Word>(&'t W);

impl<W: Word> Drop for OwnerGuard<'_, W> {
    fn drop(&mut self) {
        self.0.set(0);
    }
}

impl<M: Primitives, F> Exclusive<M, F> {
    pub(crate) fn new(f: F) -> Self {
        Exclusive {
            closure: M::Lock::new(f),
            owner: M::Word::new(0),
        }
    }
}

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for Exclusive<M, F>
where
    F: FnMut(&mut C, &E) -> R + 'static,
    R: Outcome,
{
    type EntryState = ();
    fn kind(&self) -> (HandlerKind, usize) {
        (HandlerKind::Mut, 0)
    }
    #[inline(always)]
    /// Waits for the lock and calls. A thread that has the lock already is refused.
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let token = thread::token();
        if self.owner.get() == token {
            return failures::reentered(head, cx.topic_info());
        }
        let outcome = self.closure.with(|closure| {
            // It may have been cancelled during the wait. Its limit does not matter: this call is claimed.
            match head.state.get() {
                state if state & state::CLOSED != 0 && !cx.topic_info().is_late() => {
                    return Err(CallResult::Closed);
                }
                state if state & (state::CANCELLED | state::FINISHED) != 0 => {
                    return Err(CallResult::Skipped);
                }
                _ => {}
            }
            self.owner.set(token);
            let outcome = {
                let _guard = OwnerGuard(&self.owner);
                closure(cx.context, event)
            };
            if outcome.cancels() {
                // Under the lock: a thread that waits for it may be faster than the cancel.
                head.state.or(state::FINISHED);
            }
            Ok(outcome)
        });
        match outcome {
            // After the lock: the conversion of an error is user code, too.
            Ok(outcome) => code(head, Some(cx.topic_info()), outcome),
            Err(result) => result,
        }
    }
}
