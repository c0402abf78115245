//! Handlers that are called exclusively: one thread at a time, in turns.
//!
//! A turn is the one lock that a handler runs under: it guards the closure itself, and nothing of
//! the crate's own.

use crate::core::handler::entry::{Code, Head, Round, state};
use crate::core::handler::erased::code;
use crate::core::handler::failures as faults;
use crate::core::handler::handler_fn::Callee;
use crate::core::primitives::flavour::Primitives as Mode;
use crate::core::primitives::sync::{Fault, Lock, Word, planted};
use crate::core::primitives::thread;
use crate::outcome::Outcome;

/// A closure, and whose turn it is to call it.
pub(crate) struct Turns<M: Mode, F> {
    closure: M::Lock<F>,
    /// The token of the thread that has the turn, or 0. Written by whoever has it; whoever compares it
    /// with a token of its own finds that only if it has written it itself.
    owner: M::Word,
}

/// Ends the turn, when the call returns or unwinds.
struct Turn<'t, W: Word>(&'t W);

impl<W: Word> Drop for Turn<'_, W> {
    fn drop(&mut self) {
        self.0.set(0);
    }
}

impl<M: Mode, F> Turns<M, F> {
    pub(crate) fn new(f: F) -> Self {
        Turns {
            closure: M::Lock::new(f),
            owner: M::Word::new(0),
        }
    }

    /// Waits for the turn and calls. Refuses a thread that has it already.
    fn call<C, R: Outcome>(
        &self,
        head: &Head<M>,
        round: &mut Round<'_, C>,
        call: impl FnOnce(&mut F, &mut C) -> R,
    ) -> Code {
        let me = thread::token();
        if self.owner.get() == me {
            return faults::reentered(head, round.subject);
        }
        let outcome = self.closure.with(|closure| {
            // It may have been cancelled while others had their turns. Its limit does not count: this
            // call is claimed.
            match head.state.get() {
                state if state & state::CLOSED != 0 => return Err(Code::Closed),
                state if state & state::CANCELLED != 0 => return Err(Code::Skipped),
                _ => {}
            }
            if !planted(Fault::Unowned) {
                self.owner.set(me);
            }
            let _turn = Turn(&self.owner);
            Ok(call(closure, round.context))
        });
        match outcome {
            // After the turn: to convert an error is user code, too.
            Ok(outcome) => code(head, Some(round.subject), outcome),
            Err(code) => code,
        }
    }
}

/// [`Turns`], called with the event alone.
pub(crate) struct TurnsPlain<M: Mode, F>(pub(crate) Turns<M, F>);

impl<M: Mode, E: 'static, C: 'static, F, R> Callee<M, E, C> for TurnsPlain<M, F>
where
    F: FnMut(&E) -> R + 'static,
    R: Outcome,
{
    type Kept = ();
    fn call(&self, head: &Head<M>, event: &E, round: &mut Round<'_, C>) -> Code {
        self.0.call(head, round, |f, _| f(event))
    }
}

/// [`Turns`], called with the context.
pub(crate) struct TurnsWithContext<M: Mode, F>(pub(crate) Turns<M, F>);

impl<M: Mode, E: 'static, C: 'static, F, R> Callee<M, E, C> for TurnsWithContext<M, F>
where
    F: FnMut(&mut C, &E) -> R + 'static,
    R: Outcome,
{
    type Kept = ();
    fn call(&self, head: &Head<M>, event: &E, round: &mut Round<'_, C>) -> Code {
        self.0.call(head, round, |f, context| f(context, event))
    }
}
