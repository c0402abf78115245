//! Handlers that are closures, called at once.

use std::marker::PhantomData;

use crate::core::handler::entry::{CallResult, Header};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::erased::code;
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Lock;
use crate::outcome::Outcome;

/// A closure that is called by reference, with the event alone.
pub(crate) struct Plain<F>(pub(crate) F);

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for Plain<F>
where
    F: Fn(&E) -> R + 'static,
    R: Outcome,
{
    type EntryState = ();
    #[inline(always)]
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        code(head, Some(cx.topic_info()), (self.0)(event))
    }
}

/// A closure that is called by reference, with the context.
pub(crate) struct WithContext<F>(pub(crate) F);

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for WithContext<F>
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

/// A closure that is called by value. Its limit of one is claimed before, so it is always there;
/// the lock is held to take it and not to call it.
pub(crate) struct Once<L, F>(L, PhantomData<F>);

impl<L: Lock<Option<F>>, F> Once<L, F> {
    pub(crate) fn new(f: F) -> Self {
        Once(L::new(Some(f)), PhantomData)
    }
    pub(crate) fn take(&self) -> Option<F> {
        self.0.with(Option::take)
    }
}

/// [`Once`], called with the event alone.
pub(crate) struct OncePlain<M: Primitives, F>(pub(crate) Once<M::Lock<Option<F>>, F>);

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for OncePlain<M, F>
where
    F: FnOnce(&E) -> R + 'static,
    R: Outcome,
{
    type EntryState = ();
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let Some(f) = self.0.take() else {
            return CallResult::Skipped;
        };
        code(head, Some(cx.topic_info()), f(event))
    }
}

/// [`Once`], called with the context.
pub(crate) struct OnceWithContext<M: Primitives, F>(pub(crate) Once<M::Lock<Option<F>>, F>);

impl<M: Primitives, E: 'static, C: 'static, F, R> HandlerFn<M, E, C> for OnceWithContext<M, F>
where
    F: FnOnce(&mut C, &E) -> R + 'static,
    R: Outcome,
{
    type EntryState = ();
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let Some(f) = self.0.take() else {
            return CallResult::Skipped;
        };
        code(head, Some(cx.topic_info()), f(cx.context, event))
    }
}
