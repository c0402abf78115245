//! What happens to an event when a queue is full: the slow path of adding one.
//!
//! # Decision
//!
//! **`bounded` sets the queue that it is called on**, for all its handles, so that the queue of a
//! bus can be bounded. In the local flavour `Overflow::Block` panics there, at the caller's line,
//! and not later when the queue is full for the first time.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::core::primitives::clock::Instant;
use crate::core::primitives::room::Room;
use crate::core::primitives::sync::{THREADS, Word};
use crate::core::primitives::thread;
use crate::core::queue::envelope::Envelope;
use crate::core::queue::inbox::Inbox;
use crate::core::queue::lanes::QueueFlavour;
use crate::core::queue::queue::Queue;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::error::DeferError;
use crate::policy::Overflow;

/// What happens to an event.
enum Admission {
    /// It was added. Whether those that wait for events have to be notified.
    Added(bool),
    /// It may be added.
    Admitted,
    /// Its thread has to wait for capacity.
    Wait,
    Closed,
    Full,
    /// The thread cannot wait, because it drains this queue.
    Inside,
    TimedOut,
    /// It is dropped.
    Dropped,
}

/// What an attempt to add an event does under the lock.
pub(super) type AdmitOne<'f, M, C, X> = dyn FnMut(&mut Inbox<M, C>, &mut X) + 'f;

/// What came of an attempt to add an event.
pub(super) enum Attempt<E> {
    Done(Result<(), DeferError<E>>),
    /// The thread has to wait for room, and to make another one.
    Wait(E),
}

/// Makes attempts to add an event until one needs no room. Waits in between, without a reference to
/// the queue, if `attempt` holds none: `attempt` is called again after each change of the room, and
/// whenever something has ended that made the event worth waiting for. Takes the room, a deadline, and how
/// often to make an attempt in any case.
pub(super) fn wait_for_room<E>(
    (room, until, interval): (&Arc<Room>, Option<Instant>, Option<Duration>),
    mut event: E,
    mut attempt: impl FnMut(E, &mut bool) -> Attempt<E>,
) -> Result<(), DeferError<E>> {
    let (mut waiter, mut blocked) = (None, false);
    loop {
        let seen = room.changes();
        match attempt(event, &mut blocked) {
            Attempt::Done(result) => return result,
            Attempt::Wait(returned) => event = returned,
        }
        match &waiter {
            // One more attempt: what has ended before did not notify this thread.
            None => waiter = Some(room.enter()),
            Some(waiter) => {
                let next = interval.map(|interval| Instant::now() + interval);
                waiter.wait(seen, next.into_iter().chain(until).min());
            }
        }
    }
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Whether drains take single events under the lock, so that each frees its capacity when its
    /// delivery begins, and the oldest can be dropped while a drain runs.
    pub(super) fn is_stepped(&self) -> bool {
        let stepped = matches!(self.overflow, Overflow::Block | Overflow::DropOldest);
        stepped && self.capacity < usize::MAX
    }
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    pub(crate) fn bound(&self, capacity: usize, overflow: Overflow) {
        self.boxes.with_both(|inbox, outbox| {
            (inbox.capacity, inbox.overflow) = (capacity, overflow);
            inbox.set_limit();
            // What a drain has left. If one runs, it does this itself.
            if let Some(outbox) = outbox.filter(|_| inbox.running.is_empty() && inbox.is_stepped())
            {
                self.take_back(inbox, &outbox.borrow());
            }
        });
        self.room.notify();
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        let capacity = self.boxes.with(|inbox| inbox.capacity);
        (capacity < usize::MAX).then_some(capacity)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.boxes.with(|inbox| inbox.dropped)
    }

    /// Adds an event by `push`, which is called once, under the lock, when there is capacity. Until
    /// then it drops the oldest events, waits, or refuses the event, as the queue's `Overflow`
    /// says; it is refused as soon as `is_pointless` returns `true`. `info` is that of its topic.
    #[cold]
    #[inline(never)]
    pub(super) fn admit<E>(
        &self,
        event: E,
        info: Option<&SignalInfo<M>>,
        until: Option<Instant>,
        is_pointless: impl Fn() -> bool,
        mut push: impl FnMut(&mut Inbox<M, C>, E),
    ) -> Result<(), DeferError<E>> {
        let room = (&self.room, until, None);
        let mut push = |inbox: &mut Inbox<M, C>, (): &mut (), event| push(inbox, event);
        wait_for_room(room, event, |event, blocked| {
            let lock = |f: &mut AdmitOne<'_, M, C, ()>| self.boxes.with(|inbox| f(inbox, &mut ()));
            self.try_admit(
                event,
                info,
                until,
                blocked,
                &is_pointless,
                (lock, &mut push),
            )
        })
    }

    /// Makes one attempt of [`admit`](Self::admit). `blocked` says whether the thread is counted as
    /// one that waits for room, before and after. `lock` calls what it is given, under the lock, with what `push`
    /// needs.
    pub(super) fn try_admit<E, X>(
        &self,
        event: E,
        info: Option<&SignalInfo<M>>,
        until: Option<Instant>,
        blocked: &mut bool,
        is_pointless: &impl Fn() -> bool,
        (lock, push): (
            impl FnOnce(&mut AdmitOne<'_, M, C, X>),
            &mut impl FnMut(&mut Inbox<M, C>, &mut X, E),
        ),
    ) -> Attempt<E> {
        let mut event = Some(event);
        let mut oldest = SmallVec::<[M::Envelope<C>; 1]>::new();
        let mut admission = Admission::Closed;
        let mut admit = |inbox: &mut Inbox<M, C>, more: &mut X| {
            inbox.blocked -= usize::from(std::mem::take(blocked));
            let len = self.boxes.pending(inbox);
            if is_pointless() {
                return Admission::Closed;
            }
            match self.check_capacity(inbox, until, &mut oldest) {
                Admission::Wait => {
                    inbox.blocked += 1;
                    *blocked = true;
                    Admission::Wait
                }
                Admission::Admitted => {
                    if let Some(event) = event.take() {
                        push(inbox, more, event);
                    }
                    Admission::Added(len == 0 && inbox.has_waiters())
                }
                admission => admission,
            }
        };
        lock(&mut |inbox, more| admission = admit(inbox, more));
        if let Admission::Added(true) = admission {
            self.notify_ready();
        }
        self.discard(oldest);
        let Some(event) = event else {
            return Attempt::Done(Ok(()));
        };
        Attempt::Done(Err(match admission {
            Admission::Wait => return Attempt::Wait(event),
            Admission::Full => DeferError::Full(event),
            Admission::Inside => DeferError::Inside(event),
            Admission::TimedOut => DeferError::TimedOut(event),
            Admission::Dropped => {
                let info = info.unwrap_or(&self.info);
                info.dropped.add(1);
                drop_event(event, info, self.location);
                return Attempt::Done(Ok(()));
            }
            _ => DeferError::Closed(event),
        }))
    }

    /// Decides what happens to one more event, and removes the oldest ones if they have to be
    /// dropped.
    fn check_capacity(
        &self,
        inbox: &mut Inbox<M, C>,
        until: Option<Instant>,
        oldest: &mut SmallVec<[M::Envelope<C>; 1]>,
    ) -> Admission {
        if inbox.closed {
            return Admission::Closed;
        }
        if self.boxes.counted(inbox) < inbox.capacity {
            return Admission::Admitted;
        }
        match inbox.overflow {
            Overflow::Reject => Admission::Full,
            Overflow::DropNewest => {
                inbox.dropped += 1;
                Admission::Dropped
            }
            Overflow::DropOldest => {
                // They make no capacity, and are accounted for when they are dropped.
                let mut holes = 0;
                while self.boxes.counted(inbox) + holes >= inbox.capacity {
                    // Those that a drain had taken before the queue was bounded, and is delivering,
                    // are out of reach.
                    let is_oldest =
                        |position| position <= inbox.batch.first() || inbox.batch.len() == 0;
                    let latest = inbox.latest.as_mut();
                    let of_latest =
                        latest.filter(|it| it.counted_position().is_some_and(is_oldest));
                    let envelope = match of_latest {
                        Some(latest) => latest.pop_counted(),
                        None => inbox.batch.pop(inbox.batch.len(), &mut inbox.free_list),
                    };
                    inbox.set_limit();
                    let Some(envelope) = envelope else {
                        break;
                    };
                    if envelope.is_hole() {
                        holes += 1;
                    } else {
                        inbox.dropped += 1;
                        if let Some(info) = envelope.info() {
                            info.dropped.add(1);
                        }
                    }
                    oldest.push(envelope);
                }
                Admission::Admitted
            }
            // Kept events are bounded already, and the thread that subscribes may be the one that drains.
            Overflow::Block if thread::is_handing_over() => Admission::Admitted,
            Overflow::Block if !M::WAITS || self.boxes.is_mine() => Admission::Inside,
            Overflow::Block if !THREADS => Admission::Full,
            Overflow::Block if until.is_some_and(|until| Instant::now() >= until) => {
                Admission::TimedOut
            }
            Overflow::Block => Admission::Wait,
        }
    }

    /// Notifies the threads that wait for capacity, if there are any.
    pub(super) fn notify_not_full(&self, blocked: usize) {
        if blocked > 0 {
            self.room.notify();
        }
    }
}
