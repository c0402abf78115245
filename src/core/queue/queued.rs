//! Handlers that a queue calls.

use std::time::Duration;

use crate::core::handler::describe::Waiting;
use crate::core::handler::entry::{Alive, CallResult, Entry, Header, QueuedHandler, state};
use crate::core::handler::erased::{EmitContext, code};
use crate::core::handler::failures::{reentered, unqueued};
use crate::core::handler::handler_fn::{BackRef, Captures, Condition, HandlerFn, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::handler::plain::{Once, Plain};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::room;
use crate::core::primitives::sync::Lock;
use crate::core::queue::claim::Claim;
use crate::core::queue::enqueue::Queued;
use crate::core::queue::inbox::QueueBoxes;
use crate::core::queue::lanes::{LaneFor, QueueFlavour};
use crate::core::queue::mailbox::{Mailbox, discard};
use crate::core::queue::queue::Queue;
use crate::core::reclaim::counted::Live;
use crate::core::settings::bus::KeptByCaptures;
use crate::core::settings::failure_source::guarded;
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::CallSite;
use crate::outcome::Outcome;
use crate::policy::Overflow;
use crate::wiring::handler::HandlerKind;

/// How often a thread that waits for room looks whether the owner of the handler still exists.
const OWNERS: Duration = Duration::from_millis(1);

/// A closure that a queue calls, with the context `D` of the drain: an emission puts what `map` makes of the
/// event into the queue.
pub(crate) struct QueueHandler<M: QueueFlavour, D: 'static, G, F> {
    map: G,
    f: F,
    queue: M::Weak<Queue<M, D>>,
    boxes: M::Ptr<QueueBoxes<M, D>>,
    room: Option<(usize, Overflow)>,
    /// The line that made the queue, which may have gone.
    place: CallSite,
    /// Only kept: the hook to tell of calls that wait longer than their signal exists.
    provided: KeptByCaptures<M>,
}

impl<M: QueueFlavour, D, G, F> QueueHandler<M, D, G, F> {
    pub(crate) fn new(
        map: G,
        f: F,
        queue: &M::Ptr<Queue<M, D>>,
        room: Option<(usize, Overflow)>,
    ) -> Self {
        QueueHandler {
            map,
            f,
            queue: M::downgrade(queue),
            boxes: queue.boxes.clone(),
            room,
            place: queue.location,
            provided: KeptByCaptures(None),
        }
    }
}

/// How a closure is called by a queue.
pub(crate) trait QueueFn<M: Primitives, D, T>: 'static {
    fn call(&self, head: &Header<M>, event: &T, context: &mut D) -> CallResult;
}

impl<M: Primitives, D, T, F, R> QueueFn<M, D, T> for Plain<F>
where
    F: Fn(&mut D, &T) -> R + 'static,
    R: Outcome,
{
    fn call(&self, head: &Header<M>, event: &T, context: &mut D) -> CallResult {
        code(head, None, (self.0)(context, event))
    }
}

/// A closure that changes its captures. A queue has one drain at a time, so its lock is free unless the call
/// drains the queue itself.
pub(crate) struct Changing<M: Primitives, F>(M::Lock<F>);

impl<M: Primitives, F> Changing<M, F> {
    pub(crate) fn new(f: F) -> Self {
        Changing(M::Lock::new(f))
    }
}

impl<M: Primitives, D, T, F, R> QueueFn<M, D, T> for Changing<M, F>
where
    F: FnMut(&mut D, &T) -> R + 'static,
    R: Outcome,
{
    fn call(&self, head: &Header<M>, event: &T, context: &mut D) -> CallResult {
        match (self.0.try_with(|f| f(context, event)), &head.info) {
            // After the lock: the conversion of an error is user code, too.
            (Some(outcome), _) => code(head, None, outcome),
            (None, Some(info)) => reentered(head, &info.topic_info),
            (None, None) => CallResult::Skipped,
        }
    }
}

impl<M: Primitives, D, T, F, R> QueueFn<M, D, T> for Once<M, F>
where
    F: FnOnce(&mut D, &T) -> R + 'static,
    R: Outcome,
{
    fn call(&self, head: &Header<M>, event: &T, context: &mut D) -> CallResult {
        let f = self.take();
        f.map_or(CallResult::Skipped, |f| code(head, None, f(context, event)))
    }
}

impl<M, E, C, D, T, G, F> HandlerFn<M, E, C> for QueueHandler<M, D, G, F>
where
    M: QueueFlavour + LaneFor<()>,
    E: 'static,
    C: 'static,
    D: 'static,
    T: 'static,
    G: Fn(&E) -> Option<T> + 'static,
    F: QueueFn<M, D, T>,
{
    const QUEUED: bool = true;
    type EntryState = Mailbox<M, D, T>;

    fn prepare(&mut self, info: &SignalInfo<M>) {
        self.provided.0 = info.config.provided();
    }

    fn new_state(&self) -> Mailbox<M, D, T> {
        Mailbox::new(self.queue.clone(), self.boxes.clone(), self.room)
    }

    fn kind(&self) -> (HandlerKind, usize) {
        let (place, target) = (self.place, M::address(&self.queue).addr());
        (HandlerKind::Queue { place }, target)
    }

    fn waiting(&self) -> Option<Waiting> {
        // Without a reference to the queue, which could be the last one: its drop calls the error hook.
        M::exists(&self.queue).then(|| self.boxes.waiting())
    }

    fn reserve_call(mailbox: &Mailbox<M, D, T>) -> bool {
        mailbox.reserve()
    }

    fn release_reservation<S: Owner<M, Event = E, Context = C>, P: Condition<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
    ) {
        if entry.link().state.retire() {
            entry.release();
        }
    }

    fn retire(mailbox: &Mailbox<M, D, T>) -> bool {
        mailbox.retire()
    }

    fn give_up(mailbox: &Mailbox<M, D, T>, head: &Header<M>) {
        mailbox.give_up(head);
    }

    fn dropped(mailbox: &Mailbox<M, D, T>) -> usize {
        mailbox.dropped()
    }

    fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Condition<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
        event: &E,
        cx: &mut EmitContext<'_, C>,
    ) -> CallResult {
        let claim = || Claim(entry.weak_ref(|entry| entry as &dyn QueuedHandler<M, D>));
        let (head, topic_info) = (entry.head(), cx.topic_info());
        let is_closed = || head.has(state::CLOSED) || topic_info.is_closed();
        // An event that was accepted before the close is delivered all the same.
        let is_over = || {
            let is_cancelled = head.has(state::CANCELLED) || (P::OWNED && entry.is_orphaned());
            is_cancelled || (!topic_info.is_late() && is_closed())
        };
        // Nobody tells of the end of an owner.
        let interval = P::OWNED.then_some(OWNERS);
        let make = || (entry.captures().callee.map)(event);
        match Queue::call_if_exists(&entry.link().state, head, claim, make, is_over, interval) {
            Ok(Queued::Waiting | Queued::Dropped) => CallResult::Ran,
            Ok(Queued::Retired) if topic_info.is_closed() && !topic_info.is_late() => {
                CallResult::Closed
            }
            Ok(Queued::Retired) => CallResult::Skipped,
            Ok(Queued::Nothing) => CallResult::Skipped,
            // While it waited for room: as if it had been cancelled before it was called.
            Err(_) if topic_info.is_closed() => CallResult::Closed,
            Err(_) if is_over() => CallResult::Skipped,
            Err(kind) => unqueued(head, topic_info, kind),
        }
    }

    fn on_removed(&self, mailbox: &Mailbox<M, D, T>, head: &Header<M>) {
        if M::WAITS {
            room::let_go();
        }
        if head.has(state::CANCELLED) {
            mailbox.give_up(head);
        }
    }
}

impl<M, S, D, T, P, G, F> QueuedHandler<M, D>
    for Entry<M, BackRef<M, S, Mailbox<M, D, T>>, Captures<P, QueueHandler<M, D, G, F>>>
where
    M: QueueFlavour,
    S: Owner<M>,
    D: 'static,
    P: Condition<S::Event>,
    M: LaneFor<()>,
    T: 'static,
    G: Fn(&S::Event) -> Option<T> + 'static,
    F: QueueFn<M, D, T>,
{
    fn deliver(&self, alive: Alive<'_>, number: u64, context: &mut D) -> Option<CallResult> {
        let event = self.link().state.take(number)?;
        let (head, mut result) = (self.head(), CallResult::Skipped);
        if !head.has(state::CANCELLED) && !head.is_paused() {
            result = CallResult::Failed;
            guarded(head.info.as_deref(), head.label(), head.location, || {
                let Some(entry) = self.live(alive) else {
                    return;
                };
                if entry.is_orphaned() {
                    entry.cancel_itself();
                    result = CallResult::Skipped;
                } else {
                    result = entry.captures().callee.f.call(head, &event, context);
                }
                if result == CallResult::Cancelled {
                    result = entry.cancel_itself();
                }
            });
            if head.has(state::CANCELLED) {
                self.link().state.give_up(head);
            }
        }
        discard(event, head);
        Some(result)
    }

    fn discard(&self, number: u64) -> bool {
        let event = self.link().state.take(number);
        event.map(|event| discard(event, self.head())).is_some()
    }

    fn is_waiting(&self, number: u64) -> bool {
        self.link().state.is_waiting(number)
    }

    fn settle(&self) -> bool {
        self.link().state.is_over()
    }

    fn is_posted(&self) -> bool {
        false
    }
}
