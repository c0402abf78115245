//! One queue: what waits, under a lock, and how it gets there.
//!
//! The *inbox* is what has been deferred; a drain swaps it against the empty *outbox*, under the
//! lock, and delivers from there, outside of it. What a drain leaves behind stays in the outbox,
//! before all that the inbox has. How a drain goes on is in [`drain`](crate::core::queue::drain), what happens
//! where there is no room in [`room`](crate::core::queue::overflow), who is told in [`wakes`](crate::core::queue::ready).

use std::time::Instant;

use crate::core::failure::log::log;
use crate::core::failure::trace::Link;
use crate::core::primitives::sync::{Fault, Lock, Word, planted};
use crate::core::primitives::thread;
use crate::core::queue::claim::Claim;
use crate::core::queue::delayed::{Delayed, Ticket};
use crate::core::queue::envelope::{Parcel, Shelf, exchange};
use crate::core::queue::index::Index;
use crate::core::queue::lanes::{Batch, Queues as Mode, Stores as Carries};
use crate::core::queue::latest::{Latest, Now};
use crate::core::queue::report::Tray;
use crate::core::queue::target::Target;
use crate::core::queue::wakers::Wakers;
use crate::core::settings::bus::Settings;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::observer::Hook;
use crate::core::settings::signal_info::{Home, Origin};
use crate::core::signal::signal::Signal;
use crate::error::DeferError;
use crate::failure::{Cause, HandlerError, Place};
use crate::policy::Overflow;
use crate::topic::any_event::{Kind, Subject};
use crate::topic::name::Name;

/// What only the holder of the lock touches. Nothing in here is dropped under it.
pub(super) struct Inbox<M: Mode, C: 'static> {
    /// Boxed, as the outbox is, because what is swapped right after it was written stalls.
    pub(super) batch: Box<Batch<M, C>>,
    pub(super) index: Index,
    /// How many events of inbox and outbox leave room for one more, as far as that is plain: 0 once
    /// the queue is closed, else the capacity, less those in `latest`.
    pub(super) limit: usize,
    pub(super) wake: Option<Hook<M, ()>>,
    /// How many threads wait for the bell.
    pub(super) waiting: usize,
    pub(super) wakers: Wakers,
    pub(super) closed: bool,
    pub(super) capacity: usize,
    pub(super) overflow: Overflow,
    /// How many events overflow has dropped.
    pub(super) dropped: usize,
    /// How many threads wait for room.
    pub(super) blocked: usize,
    /// How many drains have begun.
    pub(super) drains: u64,
    /// Whether the last one still runs.
    pub(super) draining: bool,
    pub(super) latest: Option<Box<Latest<M, C>>>,
    pub(super) delayed: Option<Box<Delayed<M, C>>>,
    /// How many events have been delayed.
    sequence: u64,
    /// How many of them had the earliest deadline.
    pub(super) firsts: u64,
    pub(super) shelf: Shelf<M, C>,
}

impl<M: Mode, C: 'static> Inbox<M, C> {
    pub(super) fn latest_len(&self) -> usize {
        self.latest.as_ref().map_or(0, |latest| latest.len())
    }

    pub(super) fn delayed_len(&self) -> usize {
        self.delayed.as_ref().map_or(0, |delayed| delayed.len())
    }

    /// After a change of what the limit is made of.
    pub(super) fn set_limit(&mut self) {
        self.limit = match self.closed {
            true => 0,
            false => self.capacity.saturating_sub(self.latest_len()),
        };
    }

    fn now(&self) -> Now {
        Now {
            place: self.batch.end(),
            drains: self.drains,
            draining: self.draining,
        }
    }

    /// Puts an event in the place of the one that waits for this signal, which comes back.
    fn renew<E: 'static>(
        &mut self,
        signal: usize,
        link: &mut Link,
        event: E,
    ) -> Result<Option<E>, E>
    where
        M: Carries<E>,
    {
        let now = self.now();
        let latest = self.latest.as_mut();
        match latest.and_then(|latest| latest.renew(signal, now)) {
            Some(parcel) => Ok(exchange::<M, E, C>(parcel, link, event)),
            None => Err(event),
        }
    }
}

pub(crate) struct Queue<M: Mode, C: 'static> {
    pub(super) inbox: M::Lock<Inbox<M, C>>,
    /// The turn: held while a drain calls handlers. Only one at a time, and never by a thread that
    /// is inside a drain already.
    pub(super) outbox: M::Lock<Box<Batch<M, C>>>,
    /// How many events of the outbox are left to deliver. Written by whoever has the turn, and by
    /// the handlers that it calls.
    pub(super) left: M::Word,
    /// Rings when something waits.
    pub(super) bell: M::Bell,
    /// Rings when there is room.
    pub(super) room: M::Bell,
    pub(super) home: M::Ptr<Home<M>>,
    pub(super) place: Place,
}

impl<M: Mode, C: 'static> Queue<M, C> {
    pub(crate) fn new(settings: Settings<M>, place: Place) -> Self {
        let inbox = Inbox {
            batch: Box::default(),
            index: Index::default(),
            limit: usize::MAX,
            wake: None,
            waiting: 0,
            wakers: Wakers::default(),
            closed: false,
            capacity: usize::MAX,
            overflow: Overflow::Reject,
            dropped: 0,
            blocked: 0,
            drains: 0,
            draining: false,
            latest: None,
            delayed: None,
            sequence: 0,
            firsts: 0,
            shelf: Shelf::default(),
        };
        Queue {
            inbox: M::Lock::new(inbox),
            outbox: M::Lock::new(Box::default()),
            left: M::Word::new(0),
            bell: M::bell(),
            room: M::bell(),
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

    pub(super) fn tray(&self) -> Tray<'_, M> {
        Tray::new(&self.home, self.place, &self.left)
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
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
        let put = self.put(
            event,
            |last, _| joins(signal, last),
            || Some(Target::Signal(signal.clone())),
        );
        match put {
            Ok(()) => Ok(()),
            Err(event) => self.defer_where_full(signal, event, None),
        }
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
        let put = self.put(event, |_, _| false, || claim.take().map(Target::Call));
        let Err(event) = put else { return Ok(()) };
        let mut link = Link::here();
        self.admit(event, None, |inbox, event| {
            let target = || claim.take().map(Target::Call);
            let added = inbox
                .batch
                .push(&mut inbox.index, event, &mut link, |_, _| false, target);
            debug_assert!(added.is_ok(), "admitted once");
        })
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
        let ring = self.inbox.with(|inbox| {
            let there = inbox.batch.len() + self.left.get();
            if there >= inbox.limit {
                return Err(event);
            }
            let Inbox { batch, index, .. } = inbox;
            batch.push(index, event, &mut link, joins, target)?;
            Ok(there == 0 && inbox.latest_len() == 0 && inbox.is_heard())
        })?;
        if ring {
            self.announce();
        }
        Ok(())
    }

    /// Adds an event for the signal where there was no room a moment ago.
    #[cold]
    #[inline(never)]
    pub(super) fn defer_where_full<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        event: E,
        until: Option<Instant>,
    ) -> Result<(), DeferError<E>>
    where
        M: Carries<E>,
    {
        let mut link = Link::here();
        self.admit(event, until, |inbox, event| {
            let added = inbox.batch.push(
                &mut inbox.index,
                event,
                &mut link,
                |last, _| joins(signal, last),
                || Some(Target::Signal(signal.clone())),
            );
            debug_assert!(added.is_ok(), "there is a target");
        })
    }

    /// Adds an event at the end, and takes back the one that was added so for the same signal.
    pub(crate) fn defer_latest<E: 'static>(
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
        let mut link = Link::here();
        let renewed = self.inbox.with(|inbox| match inbox.closed {
            true => Err(event),
            false => inbox.renew(signal.address(), &mut link, event),
        });
        let mut old = None;
        let result = match renewed {
            Ok(event) => {
                old = event;
                Ok(())
            }
            Err(event) => self.admit(event, None, |inbox, event| {
                // Another thread may have been faster.
                match inbox.renew(signal.address(), &mut link, event) {
                    Ok(event) => old = event,
                    Err(event) => {
                        let now = inbox.now();
                        let target = Target::Signal(signal.clone());
                        let parcel = inbox
                            .shelf
                            .pack(&mut inbox.index, target, link.take(), event);
                        let latest = inbox.latest.get_or_insert_default();
                        latest.push(signal.address(), parcel, now);
                        inbox.set_limit();
                    }
                }
            }),
        };
        // Outside of the lock: dropping it runs user code.
        if let Some(old) = old {
            drop_event(old, &signal.home, self.place);
        }
        result
    }

    /// Adds an event that joins the end when a drain starts after its deadline.
    pub(crate) fn defer_at<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        deadline: Instant,
        event: E,
    ) -> Result<Ticket, DeferError<E>>
    where
        M: Carries<E>,
    {
        if signal.is_closed() {
            return Err(DeferError::Closed(event));
        }
        let mut link = Link::here();
        let (ticket, first) = self.inbox.with(|inbox| {
            if inbox.closed {
                return Err(DeferError::Closed(event));
            }
            if inbox.delayed_len() >= inbox.capacity {
                return Err(DeferError::Full(event));
            }
            let target = Target::Signal(signal.clone());
            let parcel = inbox
                .shelf
                .pack(&mut inbox.index, target, link.take(), event);
            inbox.sequence += 1;
            let delayed = inbox.delayed.get_or_insert_default();
            let first = delayed.next().is_none_or(|next| deadline < next);
            inbox.firsts += u64::from(first);
            Ok((delayed.insert(deadline, inbox.sequence, parcel), first))
        })?;
        if first {
            // Whoever sleeps until the next deadline has to look at it again.
            self.announce();
        }
        Ok(ticket)
    }

    /// Drops a delayed event; whether it was still there.
    pub(crate) fn cancel(&self, ticket: Ticket) -> bool {
        let cancelled = self.inbox.with(|inbox| {
            let delayed = inbox.delayed.as_mut();
            delayed.and_then(|delayed| delayed.cancel(ticket))
        });
        let Some(parcel) = cancelled else {
            return false;
        };
        self.discard([parcel]);
        true
    }

    pub(crate) fn is_delayed(&self, ticket: Ticket) -> bool {
        self.inbox.with(|inbox| {
            let delayed = inbox.delayed.as_ref();
            delayed.is_some_and(|delayed| delayed.contains(ticket))
        })
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.inbox.with(|inbox| inbox.delayed.as_ref()?.next())
    }

    pub(crate) fn delayed(&self) -> usize {
        self.inbox.with(|inbox| inbox.delayed_len())
    }

    /// Drops what is in these parcels, and puts them back on the shelf.
    pub(super) fn discard(&self, parcels: impl IntoIterator<Item = M::Parcel<C>>) {
        let tray = self.tray();
        for mut parcel in parcels {
            parcel.discard(&tray);
            self.inbox.with(|inbox| inbox.shelf.keep(parcel));
        }
    }

    /// How many events wait for a drain that starts now.
    pub(super) fn there(&self, inbox: &Inbox<M, C>) -> usize {
        inbox.batch.len() + self.left.get() + inbox.latest_len()
    }

    pub(crate) fn len(&self) -> usize {
        self.inbox.with(|inbox| self.there(inbox))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inbox.with(|inbox| inbox.closed)
    }

    pub(crate) fn close(&self) {
        let wakers = self.inbox.with(|inbox| {
            inbox.closed = true;
            inbox.set_limit();
            inbox.wakers.take()
        });
        if !planted(Fault::Untolled) {
            M::ring(&self.bell);
            M::ring(&self.room);
            self.wake_all(wakers);
        }
    }

    /// Drops what waits; how many events. What a drain on another thread has begun to deliver does
    /// not wait any more, what one on this thread has not come to does.
    pub(crate) fn clear(&self) -> usize {
        // All in one go, or a wake could be lost in between: what is put meanwhile would find
        // something waiting that is gone already.
        let take = |with_left: bool| {
            self.inbox.with(|inbox| {
                let left = if with_left { self.left.swap(0) } else { 0 };
                let end = inbox.batch.end();
                let batch = std::mem::take(&mut inbox.batch);
                inbox.batch.begin_at(end);
                let (latest, delayed) = (inbox.latest.take(), inbox.delayed.take());
                inbox.set_limit();
                let shelf = std::mem::take(&mut inbox.shelf);
                (batch, left, latest, delayed, shelf)
            })
        };
        let taken = self.outbox.try_with(|outbox| {
            let rest = std::mem::take(outbox);
            (take(true), Some(rest))
        });
        // A drain on this thread is below us on the stack, and drops the rest when it finds nothing
        // left; one on another keeps what it has.
        let ((mut batch, left, latest, delayed, shelf), rest) =
            taken.unwrap_or_else(|| (take(thread::drains(self.address())), None));
        M::ring(&self.room);
        let mut count = batch.len() + left;
        let tray = self.tray();
        if let Some(mut rest) = rest {
            rest.discard(&tray);
        }
        batch.discard(&tray);
        let latest = latest.into_iter().flat_map(|it| it.into_parcels());
        let delayed = delayed.into_iter().flat_map(|it| it.into_parcels());
        for mut parcel in latest.chain(delayed) {
            parcel.discard(&tray);
            count += 1;
        }
        drop(shelf);
        count
    }
}

/// Whether an event for the signal goes where the last one of its type goes.
#[inline]
fn joins<M: Mode, E, C>(signal: &M::Ptr<Signal<M, E, C>>, last: &Target<M, E, C>) -> bool {
    matches!(last, Target::Signal(last) if last.address() == signal.address())
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
            if !self.home.settings.tell(&error) {
                log(&error);
            }
        }
        if let Some(wake) = self.inbox.with(|inbox| inbox.wake.take()) {
            wake.release();
        }
    }
}
