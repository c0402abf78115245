//! Handlers that a queue calls, and closures that are posted to one.

use std::sync::OnceLock;

use crate::core::handler::entry::{Anchor, Code, Deliver, Entity, Entry, Head, Round, state};
use crate::core::handler::erased::code;
use crate::core::handler::failures::failed;
use crate::core::handler::handler_fn::{Callee, Captures, Filter, Link, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::primitives::sync::Word;
use crate::core::queue::claim::Claim;
use crate::core::queue::lanes::Queues as Mode;
use crate::core::queue::queue::Queue;
use crate::error::{DeferError, DeferErrorKind};
use crate::outcome::Outcome;

/// Puts a claimed call and its event into a queue.
type Put<M, E, D> = fn(&Queue<M, D>, Claim<M, E, D>, E) -> Result<(), DeferError<E>>;

/// A closure that a queue calls: emitting clones the event into the queue, whose context is `D`.
pub(crate) struct Queued<M: Mode, E: 'static, D: 'static, F> {
    f: F,
    queue: M::Weak<Queue<M, D>>,
    put: Put<M, E, D>,
    /// The entry that this stands in, for the items. Goes with the captures, so it is no cycle.
    me: OnceLock<Anchor<M, dyn Deliver<M, E, D>>>,
}

impl<M: Mode, E: 'static, D: 'static, F> Queued<M, E, D, F> {
    pub(crate) fn new(f: F, queue: M::Weak<Queue<M, D>>, put: Put<M, E, D>) -> Self {
        Queued {
            f,
            queue,
            put,
            me: OnceLock::new(),
        }
    }
}

/// How many claimed calls wait in the queue, and one more until the limit has removed the handler.
/// Whoever brings it to zero lets go of the captures.
pub(crate) struct Pending<M: Mode>(M::Word);

impl<M: Mode> Pending<M> {
    fn settle(&self) -> bool {
        self.0.sub(1) == 1
    }
}

impl<M: Mode> Default for Pending<M> {
    fn default() -> Self {
        Pending(M::Word::new(1))
    }
}

impl<M, E, C, D, F, R> Callee<M, E, C> for Queued<M, E, D, F>
where
    M: Mode,
    E: Clone + 'static,
    C: 'static,
    D: 'static,
    F: Fn(&mut D, &E) -> R + 'static,
    R: Outcome,
{
    const QUEUED: bool = true;
    type Kept = Pending<M>;
    fn born<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &Anchor<M, Subscribed<M, S, P, Self>>,
    ) {
        let me = entry.cast::<dyn Deliver<M, E, D>>(|entry| entry);
        entry.with_captures(|captures| _ = captures.callee.me.set(me));
    }

    fn reserve(kept: &Pending<M>) {
        kept.0.add(1);
    }

    fn forgo(&self, kept: &Pending<M>) {
        if kept.settle() {
            self.me.get().into_iter().for_each(Anchor::release);
        }
    }

    fn spent(kept: &Pending<M>) -> bool {
        kept.settle()
    }

    fn call(&self, head: &Head<M>, event: &E, round: &mut Round<'_, C>) -> Code {
        let Some(me) = self.me.get() else {
            return Code::Skipped;
        };
        // Made before the clone, which may panic.
        let claim = Claim::new(me.clone());
        let put = match M::upgrade(&self.queue) {
            Some(queue) => {
                (self.put)(&queue, claim, event.clone()).map_err(|refused| refused.kind())
            }
            None => Err(DeferErrorKind::Closed),
        };
        match put {
            Ok(()) => Code::Ran,
            Err(kind) => failed(head, Some(round.subject), Box::new(kind)),
        }
    }
}

impl<M, S, D, P, F, R> Deliver<M, S::Event, D>
    for Entry<M, Link<M, S, Pending<M>>, Captures<P, Queued<M, S::Event, D, F>>>
where
    M: Mode,
    S: Owner<M>,
    D: 'static,
    P: 'static,
    F: Fn(&mut D, &S::Event) -> R + 'static,
    R: Outcome,
{
    unsafe fn deliver(&self, event: &S::Event, context: &mut D) -> Code {
        let head = self.head();
        if head.has(state::CANCELLED) || head.is_paused() {
            return Code::Skipped;
        }
        // SAFETY: the caller has a hold.
        let f = unsafe { &self.captures().callee.f };
        code(head, None, f(context, event))
    }

    fn settle(&self) -> bool {
        self.link.kept.settle()
    }
}
