//! Handlers that are called exclusively: one thread at a time, in turns.
//!
//! A turn is the one lock that a handler runs under: it guards the closure itself, and nothing of
//! the crate's own.

use crate::core::handler::entry::{CallResult, Header, state};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::erased::code;
use crate::core::handler::failures;
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::thread;
use crate::outcome::Outcome;

/// A closure, and whose turn it is to call it.
pub(crate) struct Exclusive<M: Primitives, F> {
    closure: M::Lock<F>,
    /// The token of the thread that has the turn, or 0. Written by whoever has it; whoever compares it
    /// with a token of its own finds that only if it has written it itself.
    owner: M::Word,
}

/// Ends the turn, when the call returns or unwinds.
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

    /// Waits for the turn and calls. Refuses a thread that has it already.
    fn call<C, R: Outcome>(
        &self,
        head: &Header<M>,
        cx: &mut EmitContext<'_, C>,
        call: impl FnOnce(&mut F, &mut C) -> R,
    ) -> CallResult {
        let own_entry = thread::token();
        if self.owner.get() == own_entry {
            return failures::reentered(head, cx.topic_info());
        }
        let outcome = self.closure.with(|closure| {
            // It may have been cancelled while others had their turns. Its limit does not count: this
            // call is claimed.
            match head.state.get() {
                state if state & state::CLOSED != 0 => return Err(CallResult::Closed),
                state if state & state::CANCELLED != 0 => return Err(CallResult::Skipped),
                _ => {}
            }
            self.owner.set(own_entry);
            let _turn = OwnerGuard(&self.owner);
            Ok(call(closure, cx.context))
        });
        match outcome {
            // After the turn: to convert an error is user code, too.
            Ok(outcome) => code(head, Some(cx.topic_info()), outcome),
            Err(code) => code,
        }
    }
}

/// [`Exclusive`], called with the event alone.
pub(crate) struct ExclusivePlain<M: Primitives, F>(pub(crate) Exclusive<M, F>);

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for ExclusivePlain<M, F>
where
    F: FnMut(&E) -> R + 'static,
    R: Outcome,
{
    type EntryState = ();
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        self.0.call(head, cx, |f, _| f(event))
    }
}

/// [`Exclusive`], called with the context.
pub(crate) struct ExclusiveWithContext<M: Primitives, F>(pub(crate) Exclusive<M, F>);

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for ExclusiveWithContext<M, F>
where
    F: FnMut(&mut C, &E) -> R + 'static,
    R: Outcome,
{
    type EntryState = ();
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        self.0.call(head, cx, |f, context| f(context, event))
    }
}
