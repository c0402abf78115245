//! What jobs need of the rest of the crate: reporting of failures that no emission collects,
//! subscriptions, and queues.
//!
//! The only file of this folder that imports from `crate::core`, apart from its primitives (atomics,
//! locks, thread-locals).

use std::any::Any;
use std::sync::{Arc, Weak};

pub(super) use crate::core::failure::panics::catch_and_report;
use crate::core::failure::pending;
use crate::core::flavour::Shared;
use crate::core::handler::entry::{
    Alive, CallResult, Connection, Entry, Header, HeaderExt, QueuedHandler, WeakRef, state,
};
use crate::core::handler::erased::code;
use crate::core::primitives::sync::{AtomicUsize, Mutex, Ordering, Word, lock};
use crate::core::primitives::thread::{ActiveScope, enter_scope};
use crate::core::queue::claim::Claim;
use crate::core::queue::queue::Queue as Core;
use crate::core::settings::bus::{BusConfig, Provided};
use crate::core::settings::failure_source::guarded;
use crate::core::settings::observer::observer;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::signal::next_sequence;
use crate::error::{DeferErrorKind, ReplaceErrorKind};
pub(super) use crate::failure::CallSite;
pub(super) use crate::failure::Cause;
use crate::failure::HandlerError;
use crate::outcome::{BoxError, Flow, Outcome};
use crate::policy::Panics;
use crate::queue::Queue;
use crate::signal::subscription::Subscription;

/// The topic that failures of jobs name.
const TOPIC: &str = "(job)";

/// What user code is blamed for, and by what name.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) location: CallSite,
    pub(super) label: Option<Box<str>>,
}

impl Place {
    pub(super) fn new(location: CallSite) -> Self {
        Place {
            location,
            label: None,
        }
    }

    fn error(&self, cause: Cause) -> HandlerError {
        HandlerError::new(TOPIC.into(), self.label.clone(), self.location, cause)
    }
}

/// Where the failures of a pool's jobs are reported: to its error hook, or to the log if it has none.
#[derive(Clone)]
pub(super) struct Reports {
    config: BusConfig<Shared>,
    /// Only kept.
    _provided: Option<Arc<Provided<Shared>>>,
}

/// To the log.
pub(super) static LOG: Reports = Reports {
    config: BusConfig::without_bus(),
    _provided: None,
};

fn report(config: &BusConfig<Shared>, place: &Place, cause: Cause) {
    pending::report(place.error(cause), |error| config.call_hook(error));
}

impl Reports {
    pub(super) fn new() -> Self {
        let provided = Provided::<Shared>::new(None);
        Reports {
            config: BusConfig::new(Panics::Contain, 0, 0, &provided),
            _provided: Some(provided),
        }
    }

    pub(super) fn set_hook(
        &self,
        hook: impl Fn(&HandlerError) + Send + Sync + 'static,
        location: CallSite,
    ) {
        let observer = observer::<Shared, _, _>(hook, location);
        self.config.set_hook(Some(observer));
    }

    pub(super) fn clear_hook(&self) -> bool {
        self.config.set_hook(None)
    }

    pub(super) fn report(&self, place: &Place, cause: Cause) {
        report(&self.config, place, cause);
    }

    /// Runs user code that must not unwind into the caller; reports its panic.
    #[inline]
    pub(super) fn guard(&self, location: CallSite, f: impl FnOnce()) {
        pending::contained(
            f,
            |cause| Place::new(location).error(cause),
            |error| self.config.call_hook(error),
        );
    }

    /// Runs a callback, and reports its panic or its error. Returns what it says about those that
    /// follow.
    #[inline]
    pub(super) fn call<R: Outcome>(&self, place: &Place, f: impl FnOnce() -> R) -> Flow {
        let mut settled = Ok(Flow::Continue);
        pending::contained(
            || settled = f().settle(),
            |cause| place.error(cause),
            |error| self.config.call_hook(error),
        );
        settled.unwrap_or_else(|error: BoxError| {
            self.report(place, Cause::Failed(error));
            Flow::Continue
        })
    }
}

/// How often a callback is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// Once: from the beginning of the call on, its subscription reads inactive.
    One,
    Many,
}

/// What the entry of a callback knows beside its captures.
pub(super) struct CallbackLink<C: 'static> {
    /// The queue that calls it, if one does.
    sender: Option<QueueSender<C>>,
    calls: Calls,
    /// The job, while it has the callback, and the calls that wait in the queue. Whoever is the last
    /// releases the captures.
    holders: AtomicUsize,
    /// Not 0: an outcome has been put into the queue.
    posted: AtomicUsize,
    /// That of the call that waits in the queue.
    turn: Mutex<Option<Turn>>,
}

type CallbackEntry<K, C> = Entry<Shared, CallbackLink<C>, K>;

impl<K: 'static, C: 'static> Connection<Shared> for CallbackEntry<K, C> {
    fn cancel(&self) -> bool {
        let taken_back = state::REMOVED | state::CANCELLED;
        self.head().state.or(taken_back) & state::REMOVED == 0
    }
    fn cancel_itself(&self, alive: Alive<'_>) -> CallResult {
        self.cancel();
        if let Some(entry) = self.live(alive) {
            entry.release();
        }
        CallResult::Ran
    }
    fn give_up(&self) {}
    fn dropped(&self) -> usize {
        0
    }
    fn is_run_by(&self, _: usize) -> bool {
        false
    }
    fn is_alive(&self, _: Option<Alive<'_>>) -> bool {
        true
    }
    fn replace(&self, _: &mut dyn Any) -> Result<(), ReplaceErrorKind> {
        Err(ReplaceErrorKind::WrongType)
    }
}

/// Whether a call that comes now is to be made: the callback was not taken back and is not paused.
fn claims(head: &Header<Shared>, calls: Calls) -> bool {
    let flags = match calls {
        Calls::One => state::REMOVED,
        Calls::Many => 0,
    };
    // AcqRel, as all of `Word`: of the only call and a cancel, one comes first.
    head.state.or(flags) & state::REMOVED == 0 && !head.is_paused()
}

/// Lets go of a callback. Returns whether its captures have to be released.
fn let_go<C: 'static>(head: &Header<Shared>, link: &CallbackLink<C>) -> bool {
    if link.holders.sub(1) > 1 {
        return false;
    }
    let called = head.state.or(state::REMOVED) & state::REMOVED != 0;
    if let Some(sender) = link
        .sender
        .as_ref()
        .filter(|_| link.posted.get() != 0 && !called)
    {
        sender.report_cleared(head);
    }
    true
}

/// A callback that its subscription can take back. The job has it; when the job lets go of it, its
/// subscription ends.
pub(super) struct Callback<K: 'static, C: 'static = ()> {
    entry: WeakRef<Shared, CallbackEntry<K, C>>,
    /// Only kept: the hook to tell if the queue has gone.
    _provided: Option<Arc<Provided<Shared>>>,
}

impl<K: Send + 'static, C: 'static> Callback<K, C> {
    pub(super) fn new(
        captures: K,
        calls: Calls,
        place: Place,
        sender: Option<QueueSender<C>>,
    ) -> Self {
        let info = sender.as_ref().map(|sender| sender.info.clone());
        let provided = info.as_ref().and_then(|info| info.config.provided());
        let mut header = Header::alone(place.location, info);
        header.sequence = next_sequence();
        header.extra = place.label.map(|label| {
            Box::new(HeaderExt {
                label: Some(label),
                left: None,
                priority: 0,
                original: None,
            })
        });
        let link = CallbackLink {
            sender,
            calls,
            holders: AtomicUsize::new(1),
            posted: AtomicUsize::new(0),
            turn: Mutex::new(None),
        };
        let entry = WeakRef::<Shared, CallbackEntry<K, C>>::new(header, link, captures);
        Callback {
            entry,
            _provided: provided,
        }
    }

    pub(super) fn subscription(&self) -> Subscription<Shared> {
        let entry = self.entry.clone();
        Subscription::new(entry.erase(|entry| entry as &dyn Connection<Shared>))
    }

    /// Whether it was not taken back.
    pub(super) fn is_live(&self) -> bool {
        !self.entry.head().has(state::REMOVED)
    }

    /// Calls `f` with the captures, unless the callback was taken back or is paused. Takes it back if it
    /// says so. Returns whether it was called.
    pub(super) fn call(&self, f: impl FnOnce(&K) -> Flow) -> bool {
        let Some(strong) = self.entry.upgrade() else {
            return false;
        };
        if !claims(self.entry.head(), self.entry.link().calls) {
            return false;
        }
        // A wait for the end of the call, inside of the call, would not end.
        let scope = enter_scope(ActiveScope {
            inside: strong.address(),
            sequence_limit: 0,
        });
        let flow = f(strong.live().captures());
        drop(scope);
        if flow == Flow::Cancel {
            self.entry.cancel_itself(strong.alive());
        }
        true
    }

    /// Lends the captures, unless the callback was taken back.
    pub(super) fn prepare(&self, f: impl FnOnce(&K)) {
        if let Some(strong) = self.entry.upgrade().filter(|_| self.is_live()) {
            f(strong.live().captures());
        }
    }
}

impl<C: 'static, K: Queued<C>> Callback<K, C> {
    /// Puts a call into the queue, unless the callback was taken back. Refused, it is dropped.
    pub(super) fn post(&self, turn: Turn) -> Result<(), DeferErrorKind> {
        if !self.is_live() {
            return Ok(());
        }
        let link = self.entry.link();
        let queue = link
            .sender
            .as_ref()
            .and_then(|sender| sender.queue.upgrade());
        let Some(queue) = queue else {
            return Err(DeferErrorKind::Closed);
        };
        link.holders.add(1);
        let before = lock(&link.turn).replace(turn);
        drop(before);
        let entry = self.entry.clone();
        let claim = Claim(entry.erase(|entry| entry as &dyn QueuedHandler<Shared, C>));
        let put = queue.call_uncounted(claim, ());
        if put.is_ok() && link.calls == Calls::One {
            link.posted.set(1);
        }
        put.map_err(|refused| refused.kind())
    }

    /// Reports that the queue has refused an outcome.
    pub(super) fn report_lost(&self, kind: DeferErrorKind) {
        if let Some(sender) = &self.entry.link().sender {
            sender.report(self.entry.head(), Cause::Unqueued(kind));
        }
    }
}

impl<K: 'static, C: 'static> Drop for Callback<K, C> {
    fn drop(&mut self) {
        if let_go(self.entry.head(), self.entry.link()) {
            self.entry.release();
        }
    }
}

/// The captures of a callback that a queue calls.
pub(super) trait Queued<C>: Send + 'static {
    /// Makes the call, and passes on what it returns.
    fn deliver(&self, context: &mut C, returned: impl FnMut(Result<Flow, BoxError>));
}

/// What a call in the queue has: the right to be the only one that waits there, if it is one of
/// many. Given up when the call begins, or is dropped.
pub(super) struct Turn(Mutex<Option<Arc<AtomicUsize>>>);

impl Turn {
    /// For the only call.
    pub(super) fn only() -> Self {
        Turn(Mutex::new(None))
    }

    /// `None` if another call waits. `waits` is not 0 while one does.
    pub(super) fn take(waits: &Arc<AtomicUsize>) -> Option<Self> {
        // AcqRel; pairs with the swap in `give_up`: a call that still waits sees what
        // the caller did before.
        (waits.swap(1, Ordering::AcqRel) == 0).then(|| Turn(Mutex::new(Some(waits.clone()))))
    }

    fn give_up(&self) {
        let waits = lock(&self.0).take();
        // AcqRel; pairs with the swap in `take`.
        waits
            .into_iter()
            .for_each(|waits| _ = waits.swap(0, Ordering::AcqRel));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<C: 'static, K: Queued<C>> QueuedHandler<Shared, C> for CallbackEntry<K, C> {
    fn deliver(&self, alive: Alive<'_>, number: u64, context: &mut C) -> Option<CallResult> {
        self.discard(number);
        let head = self.head();
        let entry = self.live(alive).filter(|_| claims(head, self.link().calls));
        let mut result = CallResult::Skipped;
        if let Some(entry) = entry {
            result = CallResult::Failed;
            guarded(head.info.as_deref(), head.label(), head.location, || {
                let flow = |returned: Result<Flow, BoxError>| result = code(head, None, returned);
                entry.captures().deliver(context, flow);
            });
        }
        Some(match result {
            CallResult::Cancelled => self.cancel_itself(alive),
            result => result,
        })
    }

    fn discard(&self, _: u64) -> bool {
        let turn = lock(&self.link().turn).take();
        drop(turn);
        true
    }

    fn is_waiting(&self, _: u64) -> bool {
        true
    }

    fn is_posted(&self) -> bool {
        false
    }

    fn settle(&self) -> bool {
        let_go(self.head(), self.link())
    }
}

/// A queue that callbacks are put into. Does not keep it alive.
pub(super) struct QueueSender<C: 'static> {
    queue: Weak<Core<Shared, C>>,
    info: Arc<SignalInfo<Shared>>,
}

impl<C: 'static> QueueSender<C> {
    pub(super) fn new(queue: &Queue<Shared, C>) -> Self {
        QueueSender {
            queue: Arc::downgrade(&queue.core),
            info: queue.core.info.clone(),
        }
    }

    /// Reports to the error hook of the queue's bus, or to the log.
    fn report(&self, head: &Header<Shared>, cause: Cause) {
        let place = Place {
            location: head.location,
            label: head.label().map(Box::from),
        };
        report(&self.info.config, &place, cause);
    }

    /// Reports that the queue was cleared with an outcome inside. A queue that is dropped does that itself.
    fn report_cleared(&self, head: &Header<Shared>) {
        if self.queue.upgrade().is_some() {
            self.report(head, Cause::Cleared);
        }
    }
}
