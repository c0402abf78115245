//! Adding events to a queue, at its end.
//!
//! The fast path, [`put`](Queue::put), takes the lock once. Where it finds the queue full or
//! closed, the slow path in [`overflow`](crate::core::queue::overflow) decides.
//!
//! # Decision
//!
//! **An event deferred by name joins the one before it** if that one is of the same type, and its
//! signal has this name in the same bus. That is safe: a topic that an event waits for exists, so
//! no other topic can have its name. It saves looking the topic up, which costs three times as much
//! as the rest of deferring.

use std::time::Duration;

use crate::core::failure::link::Link;
use crate::core::handler::entry::Header;
use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::Word;
use crate::core::queue::claim::Claim;
use crate::core::queue::inbox::{Inbox, QueueBoxes};
use crate::core::queue::lanes::{LaneFor, QueueFlavour};
use crate::core::queue::mailbox::{Joined, Mailbox, discard};
use crate::core::queue::overflow::{AdmitOne, Attempt, wait_for_room};
use crate::core::queue::queue::Queue;
use crate::core::queue::target::Target;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::TopicId;
use crate::core::signal::signal::{Accepted, Signal};
use crate::error::{DeferError, DeferErrorKind};
use crate::topic::name::Name;

/// What became of the call of a queued handler.
pub(crate) enum Queued {
    Waiting,
    /// Its bound, or that of the queue, has dropped it, and counted that.
    Dropped,
    /// There was no event, or the handler has been given up.
    Nothing,
    /// The handler was removed, and its captures do not stay.
    Retired,
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Adds an event for the handlers that are subscribed to `signal` when it is delivered. `until`
    /// bounds the wait for capacity.
    #[inline]
    #[cfg_attr(feature = "follow", track_caller)]
    pub(crate) fn defer<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        event: E,
        until: Option<Instant>,
    ) -> Result<(), DeferError<E>>
    where
        M: LaneFor<E>,
    {
        if signal.is_closed() {
            return Err(DeferError::Closed(event));
        }
        let joins = |last: &Target<M, E, C>, _| last.is_signal(signal.address());
        match self.put(event, joins, || Accepted::new(signal).map(Target::Signal)) {
            Ok(()) => Ok(()),
            Err(event) => self.defer_where_full(signal, event, until),
        }
    }

    /// Adds an event to a queue that was full or closed a moment ago.
    #[cold]
    #[inline(never)]
    #[cfg_attr(feature = "follow", track_caller)]
    fn defer_where_full<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        event: E,
        until: Option<Instant>,
    ) -> Result<(), DeferError<E>>
    where
        M: LaneFor<E>,
    {
        let mut link = Link::here();
        self.admit_accepted(signal, event, until, |inbox, accepted, event| {
            let joins = |last: &Target<M, E, C>, _| last.is_signal(signal.address());
            inbox.push(event, &mut link, joins, || {
                accepted.take().map(Target::Signal)
            });
        })
    }

    /// Like [`admit`](Self::admit), for an event of a signal, which accepts it first. `push` may take that.
    fn admit_accepted<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        event: E,
        until: Option<Instant>,
        mut push: impl FnMut(&mut Inbox<M, C>, &mut Option<Accepted<M, E, C>>, E),
    ) -> Result<(), DeferError<E>> {
        // Out here, so that it is dropped after the lock if the queue refuses the event.
        let mut accepted = Accepted::new(signal);
        if accepted.is_none() {
            return Err(DeferError::Closed(event));
        }
        let (info, is_closed) = (Some(&*signal.info), || signal.is_closed());
        self.admit(event, info, until, is_closed, |inbox, event| {
            push(inbox, &mut accepted, event);
        })
    }

    /// Adds an event for the topic with this name in the bus with this configuration, if the last
    /// event of its type was for that topic, which saves looking the topic up. Otherwise returns
    /// the event.
    #[inline]
    #[cfg_attr(feature = "follow", track_caller)]
    pub(crate) fn defer_again<E: 'static>(
        &self,
        config: &BusConfig<M>,
        name: &Name,
        event: E,
    ) -> Result<(), E>
    where
        M: LaneFor<E>,
    {
        // If the topic is closed, the caller finds that out when it looks the topic up.
        let wanted = TopicId::new::<M>(config, name);
        let joins = |last: &Target<M, E, C>, topic_id| {
            last.signal().is_some_and(|last| {
                (topic_id == Some(wanted) || last.info.is(config, name)) && !last.is_closed()
            })
        };
        self.put(event, joins, || None)
    }

    /// Adds the call of a posted closure.
    #[cfg_attr(feature = "follow", track_caller)]
    pub(crate) fn call(&self, claim: Claim<M, C>, event: ()) -> Result<(), DeferError<()>>
    where
        M: LaneFor<()>,
    {
        // Out here, so that it is dropped after the lock if the queue refuses it: that may drop
        // captures.
        let mut claim = Some(claim);
        let mut target = || claim.take().map(|claim| Target::Call(claim, 0));
        let Err(event) = self.put(event, |_, _| false, &mut target) else {
            return Ok(());
        };
        let mut link = Link::here();
        let push = |inbox: &mut Inbox<M, C>, event| {
            inbox.push(event, &mut link, |_, _| false, &mut target);
        };
        self.admit(event, None, None, || false, push)
    }

    /// Adds the call of a posted closure whatever the capacity, which does not count it. Never waits;
    /// refused only by a closed queue.
    #[cfg_attr(feature = "follow", track_caller)]
    pub(crate) fn call_uncounted(&self, claim: Claim<M, C>, event: ()) -> Result<(), DeferError<()>>
    where
        M: LaneFor<()>,
    {
        let mut link = Link::here();
        // Dropped after the lock if the queue refuses it.
        let mut claim = Some(claim);
        let notify = self.boxes.with(|inbox| {
            let Some(claim) = claim.take_if(|_| !inbox.closed) else {
                return Err(DeferError::Closed(event));
            };
            let notify = self.boxes.pending(inbox) == 0 && inbox.has_waiters();
            let envelope = inbox.envelope(Target::Call(claim, 0), &mut link, event);
            let now = inbox.now();
            let latest = inbox.latest.get_or_insert_default();
            latest.push_uncounted(envelope, now);
            Ok(notify)
        });
        if let Some(claim) = claim {
            claim.discard(0);
        }
        if notify? {
            self.notify_ready();
        }
        Ok(())
    }

    /// Adds a claimed call to the queue of a mailbox, which may go while this thread waits for room: then
    /// the call is refused, as it is when `is_pointless` returns `true`, which is asked in this interval if
    /// nothing else tells of it. `event` makes the event, if there is a queue.
    #[cfg_attr(feature = "follow", track_caller)]
    pub(crate) fn call_if_exists<T>(
        mailbox: &Mailbox<M, C, T>,
        head: &Header<M>,
        claim: impl Fn() -> Claim<M, C>,
        event: impl FnOnce() -> Option<T>,
        is_pointless: impl Fn() -> bool,
        interval: Option<Duration>,
    ) -> Result<Queued, DeferErrorKind>
    where
        M: LaneFor<()>,
    {
        if !mailbox.has_queue() {
            return Err(DeferErrorKind::Closed);
        }
        let Some(event) = event() else {
            return Ok(Queued::Nothing);
        };
        let (mut link, mut event) = (Link::here(), Some(event));
        let notify = mailbox.with(|boxes, inbox, calls| {
            let len = inbox.batch.len() + boxes.left.get();
            if len >= inbox.limit {
                return None;
            }
            let number = mailbox.join_unbounded(calls, &mut event)?;
            let was_empty = boxes.was_empty(inbox, len);
            let is_same = |last: &Target<M, (), C>, _| last.is_of(head);
            let target = || Some(Target::Call(claim(), number));
            inbox.push((), &mut link, is_same, target);
            Some(was_empty && inbox.has_waiters())
        });
        if let Some(event) = event {
            let wait = (is_pointless, interval);
            return Self::call_bounded(mailbox, head, link, claim, event, wait);
        }
        if notify.flatten() == Some(true) {
            // Otherwise nobody waits for it any more.
            if let Some(queue) = mailbox.queue() {
                queue.notify_ready();
            }
        }
        Ok(Queued::Waiting)
    }

    /// Adds a claimed call where a bound may forbid it, or the handler was given up.
    #[inline(never)]
    #[cfg_attr(feature = "follow", track_caller)]
    fn call_bounded<T>(
        mailbox: &Mailbox<M, C, T>,
        head: &Header<M>,
        mut link: Link,
        claim: impl Fn() -> Claim<M, C>,
        event: T,
        (is_pointless, interval): (impl Fn() -> bool, Option<Duration>),
    ) -> Result<Queued, DeferErrorKind>
    where
        M: LaneFor<()>,
    {
        let Some(queue) = mailbox.queue() else {
            discard(event, head);
            return Err(DeferErrorKind::Closed);
        };
        // Handled after the lock: what is in them is dropped there.
        let (mut joined, mut emptied) = (None, Vec::new());
        let mut push = |boxes: &QueueBoxes<M, C>, inbox: &mut Inbox<M, C>, calls: &mut _, event| {
            let result = mailbox.join(calls, event);
            if let Joined::Number(number, displaced) = &result {
                let is_same = |last: &Target<M, (), C>, _| last.is_of(head);
                inbox.push((), &mut link, is_same, || {
                    Some(Target::Call(claim(), *number))
                });
                if displaced.is_some() {
                    emptied = boxes.leave_holes(inbox, 1);
                }
            }
            joined = Some(result);
        };
        let mut event = Some(event);
        let notify = mailbox.with(|boxes, inbox, calls| {
            let len = inbox.batch.len() + boxes.left.get();
            if len >= inbox.limit && (inbox.closed || !mailbox.is_full(calls)) {
                return false;
            }
            let was_empty = boxes.was_empty(inbox, len);
            if let Some(event) = event.take() {
                push(boxes, inbox, calls, event);
            }
            was_empty && inbox.has_waiters()
        });
        let waited = match event {
            None => {
                if notify == Some(true) {
                    queue.notify_ready();
                }
                Ok(())
            }
            Some(event) => {
                let room = queue.room.clone();
                // May be the last reference.
                drop(queue);
                wait_for_room(
                    (&room, None, interval),
                    event,
                    |event, blocked| match mailbox.queue() {
                        Some(queue) => {
                            let info = head.info.as_deref();
                            let mut push = |inbox: &mut Inbox<M, C>, calls: &mut _, event| {
                                push(&queue.boxes, inbox, calls, event);
                            };
                            let lock = |f: &mut AdmitOne<'_, M, C, _>| {
                                mailbox.with(|_, inbox, calls| f(inbox, calls));
                            };
                            let pushing = (lock, &mut push);
                            queue.try_admit(event, info, None, blocked, &is_pointless, pushing)
                        }
                        None => Attempt::Done(Err(DeferError::Closed(event))),
                    },
                )
            }
        };
        drop(emptied);
        if let Err(refused) = waited {
            let kind = refused.kind();
            discard(refused.into_event(), head);
            return Err(kind);
        }
        match joined {
            Some(Joined::Number(_, displaced)) => {
                displaced.into_iter().for_each(|event| discard(event, head));
                Ok(Queued::Waiting)
            }
            Some(Joined::Full(event)) => {
                discard(event, head);
                Err(DeferErrorKind::Full)
            }
            Some(Joined::GivenUp(event)) => {
                discard(event, head);
                Ok(Queued::Nothing)
            }
            Some(Joined::Retired(event)) => {
                discard(event, head);
                Ok(Queued::Retired)
            }
            Some(Joined::Dropped(event)) => {
                discard(event, head);
                Ok(Queued::Dropped)
            }
            // The queue has dropped it, as its overflow says.
            None => Ok(Queued::Dropped),
        }
    }

    /// Adds an event if neither the capacity nor a close forbids it; see
    /// [`Batch::push`](crate::core::queue::lanes::Batch::push) for `joins` and `target`. Otherwise
    /// returns the event.
    #[inline]
    #[cfg_attr(feature = "follow", track_caller)]
    fn put<E: 'static>(
        &self,
        event: E,
        joins: impl FnOnce(&Target<M, E, C>, Option<TopicId>) -> bool,
        target: impl FnOnce() -> Option<Target<M, E, C>>,
    ) -> Result<(), E>
    where
        M: LaneFor<E>,
    {
        // Made and dropped outside of the lock: both may call a `tracing` subscriber.
        let (mut link, boxes) = (Link::here(), &*self.boxes);
        let notify = boxes.with(|inbox| {
            let len = inbox.batch.len() + boxes.left.get();
            if len >= inbox.limit {
                return Err(event);
            }
            let was_empty = boxes.was_empty(inbox, len);
            inbox
                .batch
                .push(&mut inbox.index, event, &mut link, joins, target)?;
            Ok(was_empty && inbox.has_waiters())
        })?;
        if notify {
            self.notify_ready();
        }
        Ok(())
    }

    /// Adds an event at the end in place of the one that this method added for the same signal
    /// before, if that one still waits.
    #[cfg_attr(feature = "follow", track_caller)]
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
        let mut old = None;
        let mut replace = |inbox: &mut Inbox<M, C>, link: &mut Link, event| {
            old = inbox.replace_latest(signal.address(), link, event)?;
            Ok(())
        };
        let push = |inbox: &mut Inbox<M, C>, link: &mut Link, accepted, event| {
            let now = inbox.now();
            let envelope = inbox.envelope(Target::Signal(accepted), link, event);
            let latest = inbox.latest.get_or_insert_default();
            latest.push(signal.address(), envelope, now);
            inbox.set_limit();
        };
        let put = self.boxes.with(|inbox| {
            let Err(event) = replace(inbox, &mut link, event) else {
                return Ok(false);
            };
            let len = inbox.batch.len() + self.boxes.left.get();
            if len >= inbox.limit {
                return Err(event);
            }
            let Some(accepted) = Accepted::new(signal) else {
                return Err(event);
            };
            let notify = self.boxes.was_empty(inbox, len) && inbox.has_waiters();
            push(inbox, &mut link, accepted, event);
            Ok(notify)
        });
        let result = match put {
            Ok(notify) => {
                if notify {
                    self.notify_ready();
                }
                Ok(())
            }
            Err(event) => self.admit_accepted(signal, event, None, |inbox, accepted, event| {
                // Once more: another thread may have added one meanwhile.
                if let Err(event) = replace(inbox, &mut link, event) {
                    let Some(accepted) = accepted.take() else {
                        unreachable!("an event is added once")
                    };
                    push(inbox, &mut link, accepted, event);
                }
            }),
        };
        // Outside of the lock: dropping it runs user code.
        drop_event(old, &signal.info, self.location);
        result
    }
}
