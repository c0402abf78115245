//! Handlers that are closures, called at once.

use crate::core::handler::entry::{CallResult, Header};
use crate::core::handler::erased::{EmitContext, code};
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Lock;
use crate::outcome::Outcome;

/// A closure that is called by reference.
pub(crate) struct Plain<F>(pub(crate) F);

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for Plain<F>
where
    F: Fn(&mut C, &E) -> R + 'static,
    R: Outcome,
{
    type EntryState = ();
    #[inline(always)]
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        code(head, Some(cx.topic_info()), (self.0)(cx.context, event))
    }
}

/// A closure that is called by value. Its limit of one is claimed before the call, so it is always present.
/// The lock is held to take it, and not to call it.
pub(crate) struct Once<M: Primitives, F>(M::Lock<Option<F>>);

impl<M: Primitives, F> Once<M, F> {
    pub(crate) fn new(f: F) -> Self {
        Once(M::Lock::new(Some(f)))
    }
    pub(crate) fn take(&self) -> Option<F> {
        self.0.with(Option::take)
    }
}

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for Once<M, F>
where
    F: FnOnce(&mut C, &E) -> R + 'static,
    R: Outcome,
{
    const ENDS: bool = true;
    type EntryState = ();
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let Some(f) = self.take() else {
            return CallResult::Skipped;
        };
        code(head, Some(cx.topic_info()), f(cx.context, event))
    }
}
