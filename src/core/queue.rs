//! One queue: events that wait under a lock, and the drain that takes them out of it.
//!
//! The *inbox* is what has been deferred; a drain swaps it against the empty *outbox*, under the
//! lock, and delivers from there, outside of it. What a drain leaves behind stays in the outbox,
//! before all that the inbox has.

use std::panic::Location;

use super::faults::{self, Report};
use super::handlers::Claim;
use super::home::{Home, Hook, Name, Origin, Place, Settings, Subject};
use super::lanes::{Batch, Index, Target};
use super::mode::{Carries, Mode, Shared};
use super::signal::Signal;
use super::sync::{Fault, Lock, Word, lock, planted};
use super::thread;
use super::trace::Link;
use super::trie::Kind;
use crate::drained::Drained;
use crate::error::{Cause, DeferError, HandlerError};

/// What only the holder of the lock touches. Nothing in here is dropped under it.
struct Inbox<M: Mode, C: 'static> {
    /// Boxed, as the outbox is, because what is swapped right after it was written stalls.
    batch: Box<Batch<M, C>>,
    index: Index,
    closed: bool,
    wake: Option<Hook<M, ()>>,
    /// How many threads wait for the bell.
    waiting: usize,
    /// How often the queue was cleared.
    clears: u64,
}

pub(crate) struct Queue<M: Mode, C: 'static> {
    inbox: M::Lock<Inbox<M, C>>,
    /// The turn: held while a drain calls handlers. Only one at a time, and never by a thread that
    /// is inside a drain already.
    outbox: M::Lock<Box<Batch<M, C>>>,
    /// How many events of the outbox are left to deliver. Written by whoever has the turn, and by
    /// the handlers that it calls.
    left: M::Word,
    bell: M::Bell,
    home: M::Ptr<Home<M>>,
    place: Place,
}

/// What a drain collects.
pub struct Tray<'q, M: Mode> {
    pub(crate) delivered: usize,
    report: Option<Box<Report>>,
    /// Where failures go that no signal is to blame for.
    pub(crate) home: &'q Home<M>,
    /// Where the queue was made.
    pub(crate) place: Place,
    left: &'q M::Word,
}

impl<M: Mode> Tray<'_, M> {
    /// Whether there is another event to deliver; counts it as taken.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        let left = self.left.get();
        if left > 0 {
            self.left.set(left - 1);
        }
        left > 0
    }

    pub(crate) fn report(&mut self, later: Option<Box<Report>>) {
        match (&mut self.report, later) {
            (Some(report), Some(mut later)) => report.append(&mut later),
            (report @ None, later) => *report = later,
            (Some(_), None) => {}
        }
    }
}

impl<M: Mode, C: 'static> Queue<M, C> {
    pub(crate) fn new(settings: Settings<M>, place: Place) -> Self {
        let inbox = Inbox {
            batch: Box::default(),
            index: Index::default(),
            closed: false,
            wake: None,
            waiting: 0,
            clears: 0,
        };
        Queue {
            inbox: M::Lock::new(inbox),
            outbox: M::Lock::new(Box::default()),
            left: M::Word::new(0),
            bell: M::bell(),
            home: M::ptr(Home {
                subject: Subject::new::<()>(Kind::Topic, Name::Fixed("(queue)")),
                topic: 0,
                settings,
            }),
            place,
        }
    }

    pub(crate) fn home(&self) -> &M::Ptr<Home<M>> {
        &self.home
    }

    fn tray(&self) -> Tray<'_, M> {
        let Queue {
            left, home, place, ..
        } = self;
        Tray {
            delivered: 0,
            report: None,
            home,
            place,
            left,
        }
    }

    /// Adds an event for whoever is subscribed to `signal` by the time it is delivered.
    #[inline]
    pub(crate) fn defer<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        event: E,
    ) -> Result<(), DeferError<E>>
    where
        M: Carries<E>,
    {
        if signal.is_closed() {
            return Err(DeferError::Closed(event));
        }
        self.put(
            event,
            |last, _| matches!(last, Target::Signal(last) if last.address() == signal.address()),
            || Some(Target::Signal(signal.clone())),
        )
        .map_err(DeferError::Closed)
    }

    /// Adds an event for the topic of this name in the bus with these settings, if the last one of
    /// its type was for it, which spares looking for the topic. Otherwise it comes back.
    #[inline]
    pub(crate) fn defer_again<E: 'static>(
        &self,
        settings: &Settings<M>,
        name: &Name,
        event: E,
    ) -> Result<(), E>
    where
        M: Carries<E>,
    {
        // A topic that an event waits for exists, so nothing else can have its name. If it is
        // closed, whoever looks for it will see.
        let wanted = Origin::new::<M>(settings, name);
        let joins = |last: &Target<M, E, C>, origin| match last {
            Target::Signal(last) => {
                (origin == Some(wanted) || last.home.is(settings, name)) && !last.is_closed()
            }
            Target::Call(_) => false,
        };
        self.put(event, joins, || None)
    }

    /// Adds a call that was claimed.
    pub(crate) fn call<E: 'static>(
        &self,
        claim: Claim<M, E, C>,
        event: E,
    ) -> Result<(), DeferError<E>>
    where
        M: Carries<E>,
    {
        // Outlives the lock where the queue refuses: dropping it may drop captures.
        let mut claim = Some(claim);
        self.put(event, |_, _| false, || claim.take().map(Target::Call))
            .map_err(DeferError::Closed)
    }

    #[inline]
    fn put<E: 'static>(
        &self,
        event: E,
        joins: impl FnOnce(&Target<M, E, C>, Option<Origin>) -> bool,
        target: impl FnOnce() -> Option<Target<M, E, C>>,
    ) -> Result<(), E>
    where
        M: Carries<E>,
    {
        // Made and dropped outside of the lock: both may call a subscriber.
        let mut link = Link::here();
        let (wake, waiting) = self.inbox.with(|inbox| {
            if inbox.closed {
                return Err(event);
            }
            let was_empty = inbox.batch.len() == 0 && self.left.get() == 0;
            let Inbox { batch, index, .. } = inbox;
            batch.push(index, event, &mut link, joins, target)?;
            Ok((
                if was_empty { inbox.wake.clone() } else { None },
                inbox.waiting > 0,
            ))
        })?;
        if waiting {
            M::ring(&self.bell);
        }
        if let Some(wake) = wake {
            self.wake(&wake);
        }
        Ok(())
    }

    /// Calls the wake. A panic in it is a failure of the queue, and told as such.
    #[cold]
    fn wake(&self, wake: &Hook<M, ()>) {
        let Some(hold) = wake.hold() else { return };
        // SAFETY: `hold` is one.
        let call = || _ = unsafe { hold.entry().deliver(&(), &mut ()) };
        faults::guarded(Some(&*self.home), None, wake.head().place, call);
    }

    pub(crate) fn on_ready(&self, wake: Hook<M, ()>) {
        let (old, fire) = self.inbox.with(|inbox| {
            let waits = inbox.batch.len() + self.left.get() > 0;
            (inbox.wake.replace(wake.clone()), waits)
        });
        if let Some(old) = old {
            old.release();
        }
        if fire {
            self.wake(&wake);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.inbox.with(|inbox| inbox.batch.len() + self.left.get())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inbox.with(|inbox| inbox.closed)
    }

    pub(crate) fn close(&self) {
        self.inbox.with(|inbox| inbox.closed = true);
        if !planted(Fault::Untolled) {
            M::ring(&self.bell);
        }
    }

    /// Drops what waits; how many events. What a drain on another thread has begun to deliver does
    /// not wait any more, what one on this thread has not come to does.
    pub(crate) fn clear(&self) -> usize {
        // Both in one go, or a wake could be lost in between: what is put meanwhile would find
        // something waiting that is gone already.
        let take = |with_left: bool| {
            self.inbox.with(|inbox| {
                inbox.clears += 1;
                let left = if with_left { self.left.swap(0) } else { 0 };
                (std::mem::take(&mut inbox.batch), left)
            })
        };
        let taken = self.outbox.try_with(|outbox| {
            let rest = std::mem::take(outbox);
            (take(true), Some(rest))
        });
        // A drain on this thread is below us on the stack, and drops the rest when it finds nothing
        // left; one on another keeps what it has.
        let ((mut batch, left), rest) =
            taken.unwrap_or_else(|| (take(thread::drains(self.address())), None));
        let count = batch.len() + left;
        let tray = self.tray();
        if let Some(mut rest) = rest {
            rest.discard(&tray);
        }
        batch.discard(&tray);
        count
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Delivers what is there now, `most` events at most.
    #[track_caller]
    pub(crate) fn drain(&self, context: &mut C, most: usize) -> Drained {
        let settings = &self.home.settings;
        let Some(draining) = thread::begin_drain(self.address()) else {
            let topic = self.home.name().to_cow();
            let (place, cause) = (Location::caller(), Cause::NestedDrain);
            let mut report = Report::new(vec![HandlerError {
                topic,
                label: None,
                place,
                cause,
            }]);
            report.tell(settings);
            return Drained {
                delivered: 0,
                remaining: self.len(),
                report: Some(report),
            };
        };
        let mark = thread::failures();
        let mut tray = self.tray();
        self.outbox
            .with(|outbox| self.deliver(outbox, context, most, &mut tray));
        // Before any hook runs: the turn is over.
        drop(draining);
        // Raised between the emissions: by the drop of an event, or of a signal.
        if thread::failures() > mark {
            tray.report(faults::collect(0, mark, settings));
        }
        let (remaining, wake) = self.inbox.with(|inbox| {
            let remaining = inbox.batch.len() + self.left.get();
            if remaining > 0 && !planted(Fault::Unwoken) {
                (remaining, inbox.wake.clone())
            } else {
                (remaining, None)
            }
        });
        if let Some(wake) = wake {
            self.wake(&wake);
        }
        Drained {
            delivered: tray.delivered,
            remaining,
            report: tray.report.map(|report| report.resume(settings.panics())),
        }
    }

    fn deliver(
        &self,
        outbox: &mut Box<Batch<M, C>>,
        context: &mut C,
        most: usize,
        tray: &mut Tray<'_, M>,
    ) {
        // What is there when the drain begins; what was left by an earlier one comes first.
        let (there, clears) = self.refill(outbox);
        let mut goal = there.min(most);
        while goal > 0 {
            goal -= outbox.deliver(goal, context, tray);
            if self.left.get() > 0 {
                continue;
            }
            // All delivered, or cleared by a handler, with the rest of the outbox to be dropped.
            outbox.discard(tray);
            // What was there and is not by now has been cleared; what is, came later.
            if goal > 0 {
                let (there, now) = self.refill(outbox);
                if there == 0 || now != clears {
                    break;
                }
            }
        }
    }

    /// Swaps the inbox against the outbox, if that is empty; how many events are in both, and how
    /// often the queue was cleared.
    fn refill(&self, outbox: &mut Box<Batch<M, C>>) -> (usize, u64) {
        self.inbox.with(|inbox| {
            if self.left.get() == 0 {
                std::mem::swap(&mut inbox.batch, outbox);
                self.left.set(outbox.len());
            }
            (self.left.get() + inbox.batch.len(), inbox.clears)
        })
    }
}

impl<C: 'static> Queue<Shared, C> {
    /// Parks until there is something to drain; `false` once the queue is closed and empty.
    pub(crate) fn wait(&self) -> bool {
        let mut inbox = lock(&self.inbox);
        loop {
            if inbox.batch.len() + self.left.get() > 0 {
                return true;
            }
            if inbox.closed {
                return false;
            }
            inbox.waiting += 1;
            inbox = self
                .bell
                .wait(inbox)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            inbox.waiting -= 1;
        }
    }
}

impl<M: Mode, C: 'static> Drop for Queue<M, C> {
    fn drop(&mut self) {
        let count = self.clear();
        if count > 0 {
            let (topic, cause) = ("(queue)".into(), Cause::Undelivered(count));
            let error = HandlerError {
                topic,
                label: None,
                place: self.place,
                cause,
            };
            if !faults::tell(&self.home.settings, &error) {
                faults::log(&error);
            }
        }
        if let Some(wake) = self.inbox.with(|inbox| inbox.wake.take()) {
            wake.release();
        }
    }
}
