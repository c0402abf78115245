//! The last events of a signal, retained for later subscribers.
//!
//! Under one lock, an emission retains its event and collects its handlers, and a subscription inserts its
//! handler and reads the retained events. So each event reaches each handler exactly once: from the
//! emission if the handler was subscribed by then, otherwise from here.
//!
//! # Decisions
//!
//! **Each handler has a backlog while it is behind.** The step that retains an event appends it to the backlogs of
//! all its handlers, and a subscription starts its handler's with what is retained. Whoever comes to a handler
//! calls it with all that is in its backlog, the oldest first; one call at a time does that, so that a handler
//! sees the events in the order in which they were retained, whichever thread emits. Where the handler is being
//! called already, on another thread or further out on this one, its events are left to that call. So nobody
//! waits for another thread, and no lock is held while a handler runs. What it costs: an emission may return before
//! a handler that is busy on another thread has been called. A backlog ends when it is empty: between emissions
//! there is none.
//!
//! **A handler that emits while it is called** is called at once, inside of its own call, as for any signal, unless
//! older events wait for it.
//!
//! **With a context, a new handler stays behind** until somebody lends one: the next emission, which calls it with
//! its backlog first as always, or the next drain of the bus's queue, which is asked to. One call in the queue
//! stands for all handlers that are behind, and a backlog keeps nothing alive but its events, so that handlers
//! that come and go before a loop that stands still leave nothing.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};

use crate::core::emission::gathered;
use crate::core::failure::link::Follows;
use crate::core::handler::entry::{Entry, Header, WeakRef, state};
use crate::core::handler::erased::{DynHandler, HandlerRef};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::counted::Live;
use crate::core::settings::failure_source::{drop_event, guarded};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::retain::{CollectHandlers, Deliver, Kept, Retain};
use crate::failure::CallSite;

/// With fewer handlers behind, none of them is looked for that was removed.
const MANY: usize = 16;

/// The captures of what retains events.
type Retained<M, E, C> = <M as Primitives>::Lock<History<M, E, C>>;

type RetainedEntry<M, E, C> = Entry<M, HandOver<M, C>, Retained<M, E, C>>;

type KeptRef<M, E> = <M as Primitives>::Ptr<Kept<M, E>>;

/// The last events.
pub(crate) struct History<M: SignalFlavour, E: 'static, C: 'static> {
    events: VecDeque<KeptRef<M, E>>,
    most: usize,
    /// The number of the next event.
    next: u64,
    /// What handlers have not been given yet, by their sequence numbers.
    behind: BTreeMap<u64, Backlog<M, E, C>>,
    /// How many may be behind before those that were removed are looked for.
    most_behind: usize,
    /// Exists as long as a call waits that hands over to all that are behind.
    asked: Option<M::Weak<()>>,
}

/// Calls a closure with a context.
type Lend<C> = fn(&mut dyn FnMut(&mut C));

/// When a new handler is handed the retained events.
enum HandOver<M: Primitives, C> {
    /// At once: the signal has no context but `()`, which is lent here.
    Now(Lend<C>),
    /// When a context is lent. The closure asks for that, with what is to be dropped once it has happened.
    Later(Box<dyn Fn(M::Ptr<()>)>),
}

/// The events that a handler has not been given yet.
struct Backlog<M: SignalFlavour, E: 'static, C: 'static> {
    handler: WeakRef<M, dyn DynHandler<M, C>>,
    events: VecDeque<KeptRef<M, E>>,
    /// The token of the thread that calls the handler, or 0.
    caller: usize,
    /// The number of the event that it is called with.
    current: u64,
    /// The number of the last event that it is handed over. Those have been emitted, and cannot be stopped.
    handed: u64,
}

/// What to do next for a handler.
enum Step<M: SignalFlavour, E: 'static, C: 'static> {
    Call(KeptRef<M, E>),
    /// Nothing: a handler that came earlier has stopped this event.
    Skip(KeptRef<M, E>),
    /// Nothing is left. The backlog is to be dropped outside of the lock.
    End(Option<Backlog<M, E, C>>),
}

impl<M: SignalFlavour, E, C> History<M, E, C> {
    fn backlog(&mut self, handler: &HandlerRef<M, C>) -> &mut Backlog<M, E, C> {
        let new = || Backlog {
            handler: handler.downgrade(),
            events: VecDeque::new(),
            caller: 0,
            current: 0,
            handed: 0,
        };
        self.behind
            .entry(handler.head().sequence)
            .or_insert_with(new)
    }

    /// Begins the hand-over to a handler that is inserted in the same moment. Returns it, and the number of the
    /// last event that it is handed.
    fn begin(&mut self, handler: Option<HandlerRef<M, C>>) -> Option<(HandlerRef<M, C>, u64)> {
        let handler = handler?;
        let after = self.ended_at().unwrap_or(0);
        let events = self.events.iter().filter(|it| it.number > after);
        let (events, handed) = (events.cloned().collect(), self.next - 1);
        let backlog = self.backlog(&handler);
        (backlog.events, backlog.handed) = (events, handed);
        Some((handler, handed))
    }

    /// Lets a new handler wait for a context, if there is anything to hand it. Returns what is to be kept until
    /// all that wait have been handed what they have not been given, unless somebody keeps it already. What is
    /// added to `removed` is to be dropped outside of the lock.
    fn wait(&mut self, sequence: u64, removed: &mut Vec<Backlog<M, E, C>>) -> Option<M::Ptr<()>> {
        let backlog = self.behind.get(&sequence);
        if backlog.is_none_or(|it| it.events.is_empty()) {
            removed.extend(self.behind.remove(&sequence));
            return None;
        }
        if self.behind.len() > self.most_behind {
            removed.extend(self.take_removed());
        }
        if self.asked.as_ref().is_some_and(M::exists) {
            return None;
        }
        let asked = M::ptr(());
        self.asked = Some(M::downgrade(&asked));
        Some(asked)
    }

    /// Takes the backlogs of handlers that were removed, except of those that are being called.
    fn take_removed(&mut self) -> Vec<Backlog<M, E, C>> {
        let is_removed = |it: &Backlog<M, E, C>| {
            it.caller == 0 && it.handler.head().original().has(state::REMOVED)
        };
        let removed = self.behind.iter().filter(|(_, it)| is_removed(it));
        let removed: Vec<_> = removed.map(|(sequence, _)| *sequence).collect();
        let removed = removed
            .iter()
            .filter_map(|it| self.behind.remove(it))
            .collect();
        self.most_behind = MANY.max(2 * self.behind.len());
        removed
    }

    /// The next step of a call of `deliver`; `leads` is whether it is the one that calls the handler.
    fn step(&mut self, sequence: u64, leads: &mut bool) -> Step<M, E, C> {
        let Some(backlog) = self.behind.get_mut(&sequence) else {
            return Step::End(None);
        };
        let token = thread::token();
        if !*leads {
            match backlog.caller {
                0 => (backlog.caller, *leads) = (token, true),
                // Inside of its own call, with nothing older before it.
                caller if caller == token && backlog.events.len() == 1 => {}
                _ => return Step::End(None),
            }
        }
        match backlog.events.pop_front() {
            Some(event) if event.number > backlog.handed && event.stopped.get() != 0 => {
                Step::Skip(event)
            }
            Some(event) => {
                backlog.current = event.number;
                Step::Call(event)
            }
            None if *leads => Step::End(self.behind.remove(&sequence)),
            None => Step::End(None),
        }
    }

    /// The number of the last event that a handler has been given that has ended and is being called on this
    /// thread. What it subscribes takes its place, and begins after that event.
    fn ended_at(&self) -> Option<u64> {
        let token = thread::token();
        let has_ended = |it: &&Backlog<M, E, C>| {
            it.caller == token && it.handler.head().original().has(state::REMOVED)
        };
        let ended = self.behind.values().filter(has_ended);
        ended.map(|it| it.current).max()
    }
}

/// Creates an empty history. The caller has to release it. `ask` is for a signal with a context: it asks for a
/// call of [`Retain::catch_up`], and keeps what it is given until then.
pub(crate) fn retain<M: SignalFlavour, E: Clone + 'static, C: 'static>(
    most: usize,
    location: CallSite,
    ask: impl Fn(M::Ptr<()>) + 'static,
) -> WeakRef<M, dyn Retain<M, E, C>> {
    let history = History {
        events: VecDeque::new(),
        most,
        next: 1,
        behind: BTreeMap::new(),
        most_behind: MANY,
        asked: None,
    };
    let lend: Lend<()> = |f| f(&mut ());
    let hand_over = match (&lend as &dyn Any).downcast_ref() {
        Some(lend) => HandOver::Now(*lend),
        None => HandOver::Later(Box::new(ask)),
    };
    WeakRef::<M, RetainedEntry<M, E, C>>::new_live(
        Header::alone(location, None),
        hand_over,
        M::Lock::new(history),
        |live| live as &dyn Retain<M, E, C>,
    )
}

impl<M: SignalFlavour, E: Clone + 'static, C: 'static> Retain<M, E, C>
    for Live<RetainedEntry<M, E, C>>
{
    fn keep(
        &self,
        event: &E,
        info: &SignalInfo<M>,
        collect_handlers: &mut CollectHandlers<'_, M, C>,
    ) -> Option<KeptRef<M, E>> {
        let location = self.head().location;
        let mut clone = None;
        // A panic is a failure of the topic. The handlers are called nevertheless.
        guarded(Some(info), None, location, || clone = Some(event.clone()));
        let (kept, dropped) = self.captures().with(|history| {
            let kept = clone.take().map(|event| {
                let number = history.next;
                history.next += 1;
                M::ptr(Kept::new(number, event))
            });
            let is_open = collect_handlers(&mut |handler| {
                if let Some(kept) = &kept {
                    history.backlog(handler).events.push_back(kept.clone());
                }
            });
            if !is_open {
                return (None, kept);
            }
            history.events.extend(kept.clone());
            match history.events.len() > history.most {
                true => (kept, history.events.pop_front()),
                false => (kept, None),
            }
        });
        drop_event(dropped, info, location);
        kept
    }

    fn deliver(
        &self,
        handler: &HandlerRef<M, C>,
        number: u64,
        info: &SignalInfo<M>,
        deliver: &mut Deliver<'_, M, E>,
    ) {
        let (sequence, mut leads) = (handler.head().sequence, false);
        loop {
            let step = |history: &mut History<M, E, C>| history.step(sequence, &mut leads);
            let event = match self.captures().with(step) {
                Step::End(_backlog) => return,
                Step::Skip(event) => event,
                Step::Call(event) => {
                    deliver((event.number != number).then_some(&*event));
                    event
                }
            };
            drop_event(event, info, self.head().location);
        }
    }

    fn hand_over(
        &self,
        info: &SignalInfo<M>,
        insert: &mut dyn FnMut() -> Option<HandlerRef<M, C>>,
    ) {
        let ask = match self.link() {
            HandOver::Now(lend) => {
                let begun = self.captures().with(|history| history.begin(insert()));
                if let Some((handler, handed)) = begun {
                    lend(&mut |context| hand_to(self, &handler, handed, info, context));
                }
                return;
            }
            HandOver::Later(ask) => ask,
        };
        let mut removed = Vec::new();
        let (begun, asked) = self.captures().with(|history| {
            let begun = history.begin(insert());
            let sequence = begun.as_ref().map(|(handler, _)| handler.head().sequence);
            let asked = sequence.and_then(|sequence| history.wait(sequence, &mut removed));
            (begun, asked)
        });
        // Out here: something else may have removed the handler, and this be the last strong reference.
        drop(begun);
        drop_backlogs(removed, info, self.head().location);
        if let Some(asked) = asked {
            ask(asked);
        }
    }

    fn catch_up(&self, info: &SignalInfo<M>, context: &mut C) {
        let (removed, behind) = self.captures().with(|history| {
            let removed = history.take_removed();
            // Those that are being called go on by themselves, further out on this thread too.
            let behind = history.behind.values().filter(|it| it.caller == 0);
            let behind: Vec<_> = behind.map(|it| (it.handler.clone(), it.handed)).collect();
            (removed, behind)
        });
        drop_backlogs(removed, info, self.head().location);
        for (handler, handed) in behind {
            if let Some(handler) = handler.upgrade() {
                hand_to(self, &handler, handed, info, context);
            }
        }
    }

    fn resize(&self, most: usize, info: &SignalInfo<M>) {
        let removed: Vec<_> = self.captures().with(|history| {
            history.most = most;
            let too_many = history.events.len().saturating_sub(most);
            history.events.drain(..too_many).collect()
        });
        for event in removed {
            drop_event(event, info, self.head().location);
        }
    }

    fn len(&self) -> usize {
        self.captures().with(|history| history.events.len())
    }

    fn last(&self) -> Option<KeptRef<M, E>> {
        self.captures()
            .with(|history| history.events.back().cloned())
    }
}

/// Drops backlogs, outside of locks.
fn drop_backlogs<M: SignalFlavour, E, C>(
    backlogs: Vec<Backlog<M, E, C>>,
    info: &SignalInfo<M>,
    location: CallSite,
) {
    let events = backlogs.into_iter().flat_map(|it| it.events);
    events.for_each(|event| drop_event(event, info, location));
}

/// Calls a handler with all that it has not been given yet. `handed` is the number of the last event that was
/// emitted before it was there.
fn hand_to<M: SignalFlavour, E: 'static, C: 'static>(
    retained: &dyn Retain<M, E, C>,
    handler: &HandlerRef<M, C>,
    handed: u64,
    info: &SignalInfo<M>,
    context: &mut C,
) {
    let scope_guard = thread::enter_scope(ActiveScope {
        inside: handler.address(),
        sequence_limit: 0,
    });
    retained.deliver(handler, 0, info, &mut |event| {
        if let Some(event) = event {
            let _hand_over = thread::begin_hand_over();
            // There is no emission to return failures. Those without a hook are logged here.
            let summary = gathered::run_one(handler, &*event.event, info, context, Follows::NONE);
            if event.number > handed {
                event.note(summary.counts.ran(), summary.counts.stopped());
            }
        }
    });
    drop(scope_guard);
}
