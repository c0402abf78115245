//! Handlers that belong to a target they do not keep.

use crate::core::failure::panics::caught;
use crate::core::handler::entry::{Code, Head, Round};
use crate::core::handler::erased::code;
use crate::core::handler::failures as faults;
use crate::core::handler::handler_fn::Callee;
use crate::core::primitives::flavour::Primitives as Mode;
use crate::outcome::Outcome;
use crate::topic::any_event::Subject;

/// A closure and its target, which is lent to it while it lives.
pub(crate) struct Weak<M: Mode, T: ?Sized, F> {
    target: M::Weak<T>,
    f: F,
}

/// What keeps the target for one call. Its last owner may be this one.
struct Kept<'k, M: Mode, T: ?Sized> {
    target: Option<M::Ptr<T>>,
    head: &'k Head<M>,
    subject: &'k Subject,
}

impl<M: Mode, T: ?Sized> Drop for Kept<'_, M, T> {
    fn drop(&mut self) {
        // The handler may be unwinding, so a panic of the target's `Drop` must not.
        if let Err(payload) = caught(|| drop(self.target.take())) {
            faults::panicked(self.head, Some(self.subject), payload);
        }
    }
}

impl<M: Mode, T: ?Sized, F> Weak<M, T, F> {
    pub(crate) fn new(target: &M::Ptr<T>, f: F) -> Self {
        Weak {
            target: M::downgrade(target),
            f,
        }
    }

    fn call<C, R: Outcome>(
        &self,
        head: &Head<M>,
        round: &mut Round<'_, C>,
        call: impl FnOnce(&F, &T, &mut C) -> R,
    ) -> Code {
        let Some(target) = M::upgrade(&self.target) else {
            // It has died since it was asked for; the next emission removes the handler.
            return Code::Skipped;
        };
        let subject = round.subject;
        let kept = Kept::<M, T> {
            target: Some(target),
            head,
            subject,
        };
        let Some(target) = &kept.target else {
            return Code::Skipped;
        };
        code(head, Some(subject), call(&self.f, target, round.context))
    }
}

/// [`Weak`], called with the target and the event.
pub(crate) struct WeakPlain<M: Mode, T: ?Sized, F>(pub(crate) Weak<M, T, F>);

impl<M: Mode, E: 'static, C: 'static, T, F, R> Callee<M, E, C> for WeakPlain<M, T, F>
where
    T: ?Sized + 'static,
    F: Fn(&T, &E) -> R + 'static,
    R: Outcome,
{
    const WEAK: bool = true;
    type Kept = ();
    fn call(&self, head: &Head<M>, event: &E, round: &mut Round<'_, C>) -> Code {
        self.0.call(head, round, |f, target, _| f(target, event))
    }
    fn lives(&self) -> bool {
        M::exists(&self.0.target)
    }
}

/// [`Weak`], called with the target, the context and the event.
pub(crate) struct WeakWithContext<M: Mode, T: ?Sized, F>(pub(crate) Weak<M, T, F>);

impl<M: Mode, E: 'static, C: 'static, T, F, R> Callee<M, E, C> for WeakWithContext<M, T, F>
where
    T: ?Sized + 'static,
    F: Fn(&T, &mut C, &E) -> R + 'static,
    R: Outcome,
{
    const WEAK: bool = true;
    type Kept = ();
    fn call(&self, head: &Head<M>, event: &E, round: &mut Round<'_, C>) -> Code {
        self.0
            .call(head, round, |f, target, context| f(target, context, event))
    }
    fn lives(&self) -> bool {
        M::exists(&self.0.target)
    }
}
