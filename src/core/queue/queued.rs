//! Handlers that a queue calls, and closures that are posted to one.

use std::sync::OnceLock;

use crate::core::handler::entry::{
    Alive, CallResult, Entry, Header, QueuedHandler, WeakRef, state,
};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::erased::code;
use crate::core::handler::failures::failed;
use crate::core::handler::handler_fn::{BackRef, Captures, Filter, HandlerFn, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::primitives::sync::Word;
use crate::core::queue::claim::Claim;
use crate::core::queue::lanes::QueueFlavour;
use crate::core::queue::queue::Queue;
use crate::error::{DeferError, DeferErrorKind};
use crate::outcome::Outcome;

/// Puts a claimed call and its event into a queue.
type Put<M, E, D> = fn(&Queue<M, D>, Claim<M, E, D>, E) -> Result<(), DeferError<E>>;

/// A closure that a queue calls: emitting clones the event into the queue, whose context is `D`.
pub(crate) struct QueueHandler<M: QueueFlavour, E: 'static, D: 'static, F> {
    f: F,
    queue: M::Weak<Queue<M, D>>,
    put: Put<M, E, D>,
    /// The entry that this stands in, for the items. Goes with the captures, so it is no cycle.
    own_entry: OnceLock<WeakRef<M, dyn QueuedHandler<M, E, D>>>,
}

impl<M: QueueFlavour, E: 'static, D: 'static, F> QueueHandler<M, E, D, F> {
    pub(crate) fn new(f: F, queue: M::Weak<Queue<M, D>>, put: Put<M, E, D>) -> Self {
        QueueHandler {
            f,
            queue,
            put,
            own_entry: OnceLock::new(),
        }
    }
}

/// How many claimed calls wait in the queue, and one more until the limit has removed the handler.
/// Whoever brings it to zero releases the captures.
pub(crate) struct PendingCalls<M: QueueFlavour>(M::Word);

impl<M: QueueFlavour> PendingCalls<M> {
    fn settle(&self) -> bool {
        self.0.sub(1) == 1
    }
}

impl<M: QueueFlavour> Default for PendingCalls<M> {
    fn default() -> Self {
        PendingCalls(M::Word::new(1))
    }
}

impl<M, E, C, D, F, R> HandlerFn<M, E, C> for QueueHandler<M, E, D, F>
where
    M: QueueFlavour,
    E: Clone + 'static,
    C: 'static,
    D: 'static,
    F: Fn(&mut D, &E) -> R + 'static,
    R: Outcome,
{
    const QUEUED: bool = true;
    type EntryState = PendingCalls<M>;
    fn on_subscribed<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &WeakRef<M, Subscribed<M, S, P, Self>>,
    ) {
        if let Some(strong) = entry.upgrade() {
            let own_entry = entry
                .clone()
                .erase(|entry| entry as &dyn QueuedHandler<M, E, D>);
            _ = strong.live().captures().callee.own_entry.set(own_entry);
        }
    }

    fn reserve_call(state: &PendingCalls<M>) {
        state.0.add(1);
    }

    fn release_reservation(&self, state: &PendingCalls<M>) {
        if state.settle() {
            self.own_entry.get().into_iter().for_each(WeakRef::release);
        }
    }

    fn on_limit_reached(state: &PendingCalls<M>) {
        let last = state.settle();
        debug_assert!(!last, "the call that was the last of the limit is pending");
    }

    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let Some(own_entry) = self.own_entry.get() else {
            return CallResult::Skipped;
        };
        // Made before the clone, which may panic.
        let claim = Claim::new(own_entry.clone());
        let put = match M::upgrade(&self.queue) {
            Some(queue) => {
                (self.put)(&queue, claim, event.clone()).map_err(|refused| refused.kind())
            }
            None => Err(DeferErrorKind::Closed),
        };
        match put {
            Ok(()) => CallResult::Ran,
            Err(kind) => failed(head, Some(cx.topic_info()), Box::new(kind)),
        }
    }
}

impl<M, S, D, P, F, R> QueuedHandler<M, S::Event, D>
    for Entry<M, BackRef<M, S, PendingCalls<M>>, Captures<P, QueueHandler<M, S::Event, D, F>>>
where
    M: QueueFlavour,
    S: Owner<M>,
    D: 'static,
    P: 'static,
    F: Fn(&mut D, &S::Event) -> R + 'static,
    R: Outcome,
{
    fn deliver(&self, alive: Alive<'_>, event: &S::Event, context: &mut D) -> CallResult {
        let head = self.head();
        if head.has(state::CANCELLED) || head.is_paused() {
            return CallResult::Skipped;
        }
        let Some(entry) = self.live(alive) else {
            return CallResult::Skipped;
        };
        let f = &entry.captures().callee.f;
        code(head, None, f(context, event))
    }

    fn settle(&self) -> bool {
        self.link().state.settle()
    }
}
