//! One queue: what waits, under a lock, and how it gets there.
//!
//! The *inbox* is what has been deferred; a drain swaps it against the empty *outbox*, under the
//! lock, and delivers from there, outside of it. What a drain leaves behind stays in the outbox,
//! before all that the inbox has. How a drain goes on is in [`drain`](crate::core::queue::drain), what happens
//! where there is no room in [`room`](crate::core::queue::overflow), who is told in [`wakes`](crate::core::queue::ready).

use std::time::Instant;

use crate::core::failure::log::log;
use crate::core::failure::trace::Link;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::thread;
use crate::core::queue::claim::Claim;
use crate::core::queue::delayed::{DelayQueue, TimerKey};
use crate::core::queue::envelope::{Envelope, FreeList, exchange};
use crate::core::queue::index::Index;
use crate::core::queue::lanes::{Batch, LaneFor, QueueFlavour};
use crate::core::queue::latest::{Latest, Now};
use crate::core::queue::report::DrainReport;
use crate::core::queue::target::Target;
use crate::core::queue::wakers::Wakers;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::observer::ObserverRef;
use crate::core::settings::signal_info::{SignalInfo, TopicId};
use crate::core::signal::signal::Signal;
use crate::error::DeferError;
use crate::failure::{CallSite, Cause, HandlerError};
use crate::policy::Overflow;
use crate::topic::any_event::{Kind, TopicInfo};
use crate::topic::name::Name;

/// What only the holder of the lock touches. Nothing in here is dropped under it.
pub(super) struct Inbox<M: QueueFlavour, C: 'static> {
    /// Boxed, as the outbox is, because what is swapped right after it was written stalls.
    pub(super) batch: Box<Batch<M, C>>,
    pub(super) index: Index,
    /// How many events of inbox and outbox leave room for one more, as far as that is plain: 0 once
    /// the queue is closed, else the capacity, less those in `latest`.
    pub(super) limit: usize,
    pub(super) wake: Option<ObserverRef<M, ()>>,
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
    pub(super) delayed: Option<Box<DelayQueue<M, C>>>,
    /// How many events have been delayed.
    sequence: u64,
    /// How many of them had the earliest deadline.
    pub(super) firsts: u64,
    pub(super) free_list: FreeList<M, C>,
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
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
            position: self.batch.end(),
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
        M: LaneFor<E>,
    {
        let now = self.now();
        let latest = self.latest.as_mut();
        match latest.and_then(|latest| latest.renew(signal, now)) {
            Some(envelope) => Ok(exchange::<M, E, C>(envelope, link, event)),
            None => Err(event),
        }
    }
}

pub(crate) struct Queue<M: QueueFlavour, C: 'static> {
    pub(super) inbox: M::Lock<Inbox<M, C>>,
    /// The turn: held while a drain calls handlers. Only one at a time, and never by a thread that
    /// is inside a drain already.
    pub(super) outbox: M::Lock<Box<Batch<M, C>>>,
    /// How many events of the outbox are left to deliver. Written by whoever has the turn, and by
    /// the handlers that it calls.
    pub(super) left: M::Word,
    /// Rings when something waits.
    pub(super) condvar: M::Condvar,
    /// Rings when there is room.
    pub(super) room: M::Condvar,
    pub(super) info: M::Ptr<SignalInfo<M>>,
    pub(super) location: CallSite,
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    pub(crate) fn new(config: BusConfig<M>, location: CallSite) -> Self {
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
            free_list: FreeList::default(),
        };
        Queue {
            inbox: M::Lock::new(inbox),
            outbox: M::Lock::new(Box::default()),
            left: M::Word::new(0),
            condvar: M::condvar(),
            room: M::condvar(),
            info: M::ptr(SignalInfo {
                topic_info: TopicInfo::new::<()>(Kind::Topic, Name::Fixed("(queue)")),
                key: 0,
                config,
            }),
            location,
        }
    }

    pub(crate) fn info(&self) -> &M::Ptr<SignalInfo<M>> {
        &self.info
    }

    pub(super) fn tray(&self) -> DrainReport<'_, M> {
        DrainReport::new(&self.info, self.location, &self.left)
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
        M: LaneFor<E>,
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
        config: &BusConfig<M>,
        name: &Name,
        event: E,
    ) -> Result<(), E>
    where
        M: LaneFor<E>,
    {
        // A topic that an event waits for exists, so nothing else can have its name. If it is
        // closed, whoever looks for it will see.
        let wanted = TopicId::new::<M>(config, name);
        let joins = |last: &Target<M, E, C>, topic_id| match last {
            Target::Signal(last) => {
                (topic_id == Some(wanted) || last.info.is(config, name)) && !last.is_closed()
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
        M: LaneFor<E>,
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
        joins: impl FnOnce(&Target<M, E, C>, Option<TopicId>) -> bool,
        target: impl FnOnce() -> Option<Target<M, E, C>>,
    ) -> Result<(), E>
    where
        M: LaneFor<E>,
    {
        // Made and dropped outside of the lock: both may call a subscriber.
        let mut link = Link::here();
        let notify = self.inbox.with(|inbox| {
            let there = inbox.batch.len() + self.left.get();
            if there >= inbox.limit {
                return Err(event);
            }
            let Inbox { batch, index, .. } = inbox;
            batch.push(index, event, &mut link, joins, target)?;
            Ok(there == 0 && inbox.latest_len() == 0 && inbox.has_waiters())
        })?;
        if notify {
            self.notify_ready();
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
        M: LaneFor<E>,
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
        M: LaneFor<E>,
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
                        let envelope =
                            inbox
                                .free_list
                                .allocate(&mut inbox.index, target, link.take(), event);
                        let latest = inbox.latest.get_or_insert_default();
                        latest.push(signal.address(), envelope, now);
                        inbox.set_limit();
                    }
                }
            }),
        };
        // Outside of the lock: dropping it runs user code.
        if let Some(old) = old {
            drop_event(old, &signal.info, self.location);
        }
        result
    }

    /// Adds an event that joins the end when a drain starts after its deadline.
    pub(crate) fn defer_at<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        deadline: Instant,
        event: E,
    ) -> Result<TimerKey, DeferError<E>>
    where
        M: LaneFor<E>,
    {
        if signal.is_closed() {
            return Err(DeferError::Closed(event));
        }
        let mut link = Link::here();
        let (timer, first) = self.inbox.with(|inbox| {
            if inbox.closed {
                return Err(DeferError::Closed(event));
            }
            if inbox.delayed_len() >= inbox.capacity {
                return Err(DeferError::Full(event));
            }
            let target = Target::Signal(signal.clone());
            let envelope = inbox
                .free_list
                .allocate(&mut inbox.index, target, link.take(), event);
            inbox.sequence += 1;
            let delayed = inbox.delayed.get_or_insert_default();
            let first = delayed.next().is_none_or(|next| deadline < next);
            inbox.firsts += u64::from(first);
            Ok((delayed.insert(deadline, inbox.sequence, envelope), first))
        })?;
        if first {
            // Whoever sleeps until the next deadline has to look at it again.
            self.notify_ready();
        }
        Ok(timer)
    }

    /// Drops a delayed event; whether it was still there.
    pub(crate) fn cancel(&self, timer: TimerKey) -> bool {
        let cancelled = self.inbox.with(|inbox| {
            let delayed = inbox.delayed.as_mut();
            delayed.and_then(|delayed| delayed.cancel(timer))
        });
        let Some(envelope) = cancelled else {
            return false;
        };
        self.discard([envelope]);
        true
    }

    pub(crate) fn is_delayed(&self, timer: TimerKey) -> bool {
        self.inbox.with(|inbox| {
            let delayed = inbox.delayed.as_ref();
            delayed.is_some_and(|delayed| delayed.contains(timer))
        })
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.inbox.with(|inbox| inbox.delayed.as_ref()?.next())
    }

    pub(crate) fn delayed(&self) -> usize {
        self.inbox.with(|inbox| inbox.delayed_len())
    }

    /// Drops what is in these parcels, and puts them back on the shelf.
    pub(super) fn discard(&self, envelopes: impl IntoIterator<Item = M::Envelope<C>>) {
        let tray = self.tray();
        for mut envelope in envelopes {
            envelope.discard(&tray);
            self.inbox.with(|inbox| inbox.free_list.recycle(envelope));
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
        M::notify_all(&self.condvar);
        M::notify_all(&self.room);
        self.wake_all(wakers);
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
                let free_list = std::mem::take(&mut inbox.free_list);
                (batch, left, latest, delayed, free_list)
            })
        };
        let taken = self.outbox.try_with(|outbox| {
            let rest = std::mem::take(outbox);
            (take(true), Some(rest))
        });
        // A drain on this thread is below us on the stack, and drops the rest when it finds nothing
        // left; one on another keeps what it has.
        let ((mut batch, left, latest, delayed, free_list), rest) =
            taken.unwrap_or_else(|| (take(thread::drains(self.address())), None));
        M::notify_all(&self.room);
        let mut count = batch.len() + left;
        let tray = self.tray();
        if let Some(mut rest) = rest {
            rest.discard(&tray);
        }
        batch.discard(&tray);
        let latest = latest.into_iter().flat_map(|it| it.into_envelopes());
        let delayed = delayed.into_iter().flat_map(|it| it.into_envelopes());
        for mut envelope in latest.chain(delayed) {
            envelope.discard(&tray);
            count += 1;
        }
        drop(free_list);
        count
    }
}

/// Whether an event for the signal goes where the last one of its type goes.
#[inline]
fn joins<M: QueueFlavour, E, C>(signal: &M::Ptr<Signal<M, E, C>>, last: &Target<M, E, C>) -> bool {
    matches!(last, Target::Signal(last) if last.address() == signal.address())
}

impl<M: QueueFlavour, C: 'static> Drop for Queue<M, C> {
    fn drop(&mut self) {
        let count = self.clear();
        if count > 0 {
            let (topic, cause) = ("(queue)".into(), Cause::Undelivered(count));
            let error = HandlerError {
                topic,
                label: None,
                location: self.location,
                cause,
            };
            if !self.info.config.tell(&error) {
                log(&error);
            }
        }
        if let Some(wake) = self.inbox.with(|inbox| inbox.wake.take()) {
            wake.release();
        }
    }
}
