//! Handlers with a weak reference to a target.

use crate::core::failure::panics::catch;
use crate::core::handler::entry::{CallResult, Header};
use crate::core::handler::erased::{EmitContext, code};
use crate::core::handler::failures;
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::primitives::flavour::Primitives;
use crate::outcome::Outcome;
use crate::topic::any_event::TopicInfo;
use crate::wiring::handler::HandlerKind;

/// A closure, and the target that is passed to it while that is alive.
pub(crate) struct Weak<M: Primitives, T: ?Sized, F> {
    target: M::Weak<T>,
    f: F,
}

/// Keeps the target alive for one call. May be its last owner.
struct TargetGuard<'k, M: Primitives, T: ?Sized> {
    target: Option<M::Ptr<T>>,
    head: &'k Header<M>,
    topic_info: &'k TopicInfo,
}

impl<M: Primitives, T: ?Sized> Drop for TargetGuard<'_, M, T> {
    fn drop(&mut self) {
        // The handler may be unwinding, so a panic in the target's `Drop` must not unwind.
        if let Err(payload) = catch(|| drop(self.target.take())) {
            failures::panicked(self.head, Some(self.topic_info), payload);
        }
    }
}

impl<M: Primitives, T: ?Sized, F> Weak<M, T, F> {
    pub(crate) fn new(target: &M::Ptr<T>, f: F) -> Self {
        Weak {
            target: M::downgrade(target),
            f,
        }
    }
}

impl<M: Primitives, E: 'static, C: 'static, T, F, R> HandlerFn<M, E, C> for Weak<M, T, F>
where
    T: ?Sized + 'static,
    F: Fn(&T, &mut C, &E) -> R + 'static,
    R: Outcome,
{
    const WEAK: bool = true;
    type EntryState = ();
    fn kind(&self) -> (HandlerKind, usize) {
        (HandlerKind::Weak, 0)
    }
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let Some(target) = M::upgrade(&self.target) else {
            // It died after the check; the next emission removes the handler.
            return CallResult::Orphaned;
        };
        let topic_info = cx.topic_info();
        let kept = TargetGuard::<M, T> {
            target: Some(target),
            head,
            topic_info,
        };
        let Some(target) = &kept.target else {
            return CallResult::Skipped;
        };
        code(head, Some(topic_info), (self.f)(target, cx.context, event))
    }
    fn is_alive(&self) -> bool {
        M::exists(&self.target)
    }
}
