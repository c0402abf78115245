//! What the parts of a bridge share: who it is, what it counts, its state, and what it tells.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::core::failure::panics::{catch, drop_payload};
use crate::core::primitives::sync::lock;
use crate::core::primitives::thread;
use crate::failure::CallSite;
use crate::nats::error::BridgeError;
use crate::nats::state::State;
use crate::nats::stats::Counts;
use crate::nats::teller::{Report, Teller};
use crate::nats::waking::Waking;

/// What a report names that concerns no topic.
pub(super) const NO_TOPIC: &str = "(all topics)";
/// What a server takes that has not said so.
const MAX_PAYLOAD: usize = 1024 * 1024;
/// No thread.
const NOBODY: usize = usize::MAX;

/// Where what talks to the server runs.
pub(super) enum Place {
    /// On a thread of the bridge.
    Own,
    /// On a runtime of the user's that has one thread at a time: the one that has run it last.
    OneThread(AtomicUsize),
    /// On one that has several.
    ManyThreads,
}

pub(super) struct Hub {
    /// 16 random bytes in base 16: the same for no other bridge, and for no other start of this one.
    pub(super) origin: String,
    /// Its name, which followers on other machines see.
    #[cfg_attr(not(feature = "follow"), expect(dead_code, reason = "there are none"))]
    pub(super) name: Option<String>,
    /// What stands before topics in subjects, with its dot.
    prefix: String,
    pub(super) counts: Counts,
    pub(super) teller: Teller,
    pub(super) waking: Arc<Waking>,
    /// The line that has started it.
    pub(super) place: CallSite,
    runs: Place,
    max_payload: AtomicUsize,
    state: Mutex<State>,
    /// How many routes the server holds.
    held: AtomicUsize,
    /// How many events were abandoned when what talks to the server has ended.
    abandoned: AtomicUsize,
}

impl Hub {
    pub(super) fn new(
        origin: String,
        name: Option<String>,
        prefix: Option<&str>,
        place: CallSite,
        runtime: Option<&Handle>,
    ) -> Self {
        let runs = match runtime.map(Handle::runtime_flavor) {
            None => Place::Own,
            Some(RuntimeFlavor::CurrentThread) => Place::OneThread(AtomicUsize::new(NOBODY)),
            Some(_) => Place::ManyThreads,
        };
        Hub {
            origin,
            name,
            prefix: prefix.map_or(String::new(), |it| format!("{it}.")),
            counts: Counts::default(),
            teller: Teller::default(),
            waking: Arc::default(),
            place,
            runs,
            max_payload: AtomicUsize::new(MAX_PAYLOAD),
            state: Mutex::new(State::Connecting),
            held: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
        }
    }

    pub(super) fn subject(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// The topic of a subject, if it has the prefix.
    pub(super) fn topic<'s>(&self, subject: &'s str) -> Option<&'s str> {
        subject.strip_prefix(&self.prefix)
    }

    pub(super) fn max_payload(&self) -> usize {
        self.max_payload.load(Ordering::Relaxed)
    }

    pub(super) fn set_max_payload(&self, bytes: usize) {
        self.max_payload.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> State {
        lock(&self.state).clone()
    }

    /// Changes the state, and has it told if it is another one. [`State::Stopped`] stays.
    pub(super) fn set_state(&self, change: impl FnOnce(&State) -> Option<State>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == State::Stopped {
            return;
        }
        let Some(new) = change(&state) else { return };
        if new != *state {
            *state = new.clone();
            // Under the lock, so that states are told in the order of their changes.
            self.teller.state(new);
        }
    }

    /// A route is held by the server.
    pub(super) fn hold(&self, reason: &str) {
        self.held.fetch_add(1, Ordering::Relaxed);
        self.set_state(|state| {
            let reason = reason.to_owned();
            (*state == State::Connected).then_some(State::Holding { reason })
        });
    }

    /// And is not any more.
    pub(super) fn release(&self) {
        if self.held.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.set_state(|state| {
                matches!(state, State::Holding { .. }).then_some(State::Connected)
            });
        }
    }

    pub(super) fn report(&self, topic: &str, place: CallSite, error: BridgeError) {
        let topic = topic.to_owned();
        self.teller.report(Report {
            topic,
            place,
            error,
        });
    }

    /// Has this one woken, not here: it is user code.
    pub(super) fn wake(self: &Arc<Self>, waker: Waker) {
        self.waking.wake(waker, || {
            let hub = self.clone();
            move || hub.own_thread(false)
        });
    }

    /// Tells of what concerns no topic.
    pub(super) fn note(&self, error: BridgeError) {
        self.report(NO_TOPIC, self.place, error);
    }

    pub(super) fn abandon(&self, events: usize) {
        self.abandoned.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::Relaxed)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Marks this thread as one of the bridge, for good: one that delivers, or another.
    pub(super) fn own_thread(&self, delivers: bool) {
        OWN.set((self.address(), delivers));
    }

    /// Marks this thread as one that drains a queue and delivers meanwhile, until the guard is dropped. It is no thread
    /// of the bridge: what it emits may wait for room.
    pub(super) fn enter_drain(&self) -> DrainGuard {
        DrainGuard(DRAINS.replace(self.address()))
    }

    /// Whether this thread delivers an event of the bridge now: it is one of the bridge, or drains a queue.
    pub(super) fn is_delivering(&self) -> bool {
        OWN.try_with(Cell::get) == Ok((self.address(), true))
            || DRAINS.try_with(Cell::get) == Ok(self.address())
    }

    /// Whether this thread is one of the bridge.
    pub(super) fn is_own_thread(&self) -> bool {
        OWN.try_with(Cell::get)
            .is_ok_and(|(hub, _)| hub == self.address())
    }

    /// What talks to the server runs on this thread now.
    pub(super) fn runs_here(&self) {
        if let Place::OneThread(last) = &self.runs {
            last.store(this_thread(), Ordering::Relaxed);
        }
    }

    /// Whether what talks to the server runs on this thread, on a runtime of the user's, and on no other: while this
    /// thread waits, nothing is sent.
    pub(super) fn is_driver(&self) -> bool {
        matches!(&self.runs, Place::OneThread(last) if last.load(Ordering::Relaxed) == this_thread())
    }

    /// Waits for what talks to the server. In a task of a runtime with several threads another one goes on with what
    /// this one has begun to do: a task that this one was about to run next is taken over by nobody else.
    pub(super) fn while_blocked<T>(&self, wait: impl Fn() -> T) -> T {
        let is_many = |it: Handle| it.runtime_flavor() == RuntimeFlavor::MultiThread;
        if !matches!(self.runs, Place::ManyThreads) || !Handle::try_current().is_ok_and(is_many) {
            return wait();
        }
        catch(|| block_in_place(&wait)).unwrap_or_else(|payload| {
            drop_payload(payload);
            // It has not begun: that is not allowed in a `LocalSet`, whose thread is none of the runtime's.
            wait()
        })
    }

    /// Marks the emission that this thread begins next, at this depth, as one that has come in, until the guard is
    /// dropped.
    pub(super) fn enter_inbound(&self) -> InboundGuard {
        let mark = (self.address(), thread::depth() + 1);
        InboundGuard(INBOUND.replace(mark))
    }

    /// How the emission that calls the handler of this code has come in. What a handler emits because of one that has
    /// come in has not: it is deeper.
    pub(super) fn inbound(&self) -> Inbound {
        match INBOUND.try_with(Cell::get) {
            Ok((hub, depth)) if hub != 0 && depth == thread::depth() => {
                if hub == self.address() {
                    Inbound::Here
                } else {
                    Inbound::Elsewhere
                }
            }
            _ => Inbound::No,
        }
    }
}

/// How an emission has come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inbound {
    /// It is one of this process.
    No,
    /// By this bridge.
    Here,
    /// By another bridge of the same bus.
    Elsewhere,
}

thread_local! {
    /// The bridge that this thread belongs to, or 0, and whether it delivers.
    static OWN: Cell<(usize, bool)> = const { Cell::new((0, false)) };
    /// The bridge whose event this thread emits in the drain of a queue, or 0.
    static DRAINS: Cell<usize> = const { Cell::new(0) };
    /// The bridge and the depth of an emission that has come in.
    static INBOUND: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// What tells this thread from the others that there are.
fn this_thread() -> usize {
    // In the destructor of another thread-local it is none.
    OWN.try_with(|it| std::ptr::from_ref(it).addr())
        .unwrap_or_default()
}

/// Ends the mark of [`Hub::enter_inbound`] when dropped.
pub(super) struct InboundGuard((usize, usize));

impl Drop for InboundGuard {
    fn drop(&mut self) {
        INBOUND.set(self.0);
    }
}

/// Ends the mark of [`Hub::enter_drain`] when dropped.
pub(super) struct DrainGuard(usize);

impl Drop for DrainGuard {
    fn drop(&mut self) {
        DRAINS.set(self.0);
    }
}
