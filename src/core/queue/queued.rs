//! Handlers that a queue calls.

use crate::core::handler::entry::{Alive, CallResult, Entry, Header, QueuedHandler, state};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::erased::code;
use crate::core::handler::failures::unqueued;
use crate::core::handler::handler_fn::{BackRef, Captures, Filter, HandlerFn, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::primitives::room;
use crate::core::primitives::sync::Word;
use crate::core::queue::claim::Claim;
use crate::core::queue::lanes::{LaneFor, QueueFlavour};
use crate::core::queue::queue::Queue;
use crate::core::reclaim::counted::Live;
use crate::outcome::Outcome;

/// A closure that a queue calls: an emission clones the event into the queue, whose context is `D`.
pub(crate) struct QueueHandler<M: QueueFlavour, D: 'static, F> {
    pub(crate) f: F,
    pub(crate) queue: M::Weak<Queue<M, D>>,
}

/// The number of claimed calls that wait in the queue, and one more until the limit or a close has removed
/// the handler. The thread that reduces it to zero releases the captures; no call is claimed after that.
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

impl<M, E, C, D, F, R> HandlerFn<M, E, C> for QueueHandler<M, D, F>
where
    M: LaneFor<E>,
    E: Clone + 'static,
    C: 'static,
    D: 'static,
    F: Fn(&mut D, &E) -> R + 'static,
    R: Outcome,
{
    const QUEUED: bool = true;
    type EntryState = PendingCalls<M>;

    fn reserve_call(state: &PendingCalls<M>) -> bool {
        let more = |calls: usize| if calls == 0 { None } else { Some(calls + 1) };
        state.0.update(more).is_some()
    }

    fn release_reservation<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
    ) {
        if entry.link().state.settle() {
            entry.weak_ref().release();
        }
    }

    fn retire(state: &PendingCalls<M>) -> bool {
        state.settle()
    }

    fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
        event: &E,
        cx: &mut EmitContext<'_, C>,
    ) -> CallResult {
        let weak = entry.weak_ref();
        // Made before the clone, which may panic.
        let claim = Claim(weak.erase(|entry| entry as &dyn QueuedHandler<M, E, D>));
        let (head, topic_info) = (entry.head(), cx.topic_info());
        let is_closed = || head.has(state::CLOSED) || topic_info.is_closed();
        // An event that was accepted before the close is delivered all the same.
        let is_over = || head.has(state::CANCELLED) || (!topic_info.is_late() && is_closed());
        let queue = &entry.captures().callee.queue;
        match Queue::call_if_exists(queue, claim, || event.clone(), is_over) {
            Ok(()) => CallResult::Ran,
            // While it waited for room: as if it had been cancelled before it was called.
            Err(_) if topic_info.is_closed() => CallResult::Closed,
            Err(_) if is_over() => CallResult::Skipped,
            Err(kind) => unqueued(head, topic_info, kind),
        }
    }

    fn on_removed(&self, _: &PendingCalls<M>, _: &Header<M>) {
        if M::WAITS {
            room::let_go();
        }
    }
}

impl<M, S, D, P, F, R> QueuedHandler<M, S::Event, D>
    for Entry<M, BackRef<M, S, PendingCalls<M>>, Captures<P, QueueHandler<M, D, F>>>
where
    M: QueueFlavour,
    S: Owner<M>,
    D: 'static,
    P: Filter<S::Event>,
    M: LaneFor<S::Event>,
    S::Event: Clone,
    F: Fn(&mut D, &S::Event) -> R + 'static,
    R: Outcome,
{
    fn deliver(&self, alive: Alive<'_>, event: &S::Event, context: &mut D) -> CallResult {
        let head = self.head();
        if head.has(state::CANCELLED) || head.is_paused() {
            return CallResult::Skipped;
        }
        self.live(alive).map_or(CallResult::Skipped, |entry| {
            if entry.is_orphaned() {
                entry.cancel_itself();
                return CallResult::Skipped;
            }
            let f = &entry.captures().callee.f;
            match code(head, None, f(context, event)) {
                CallResult::Cancelled => entry.cancel_itself(),
                result => result,
            }
        })
    }

    fn settle(&self) -> bool {
        self.link().state.settle()
    }
}
