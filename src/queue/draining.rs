//! Draining a queue.

use crate::core::primitives::clock::Instant;
use std::time::Duration;

use crate::core::flavour::Flavour;
use crate::core::queue::active_drain::DrainOptions;
use crate::queue::Queue;
use crate::queue::drained::Drained;

impl<M: Flavour> Queue<M> {
    /// Delivers the events that are in the queue now.
    ///
    /// Waits if another thread drains; not inside of a drain, where it says so instead: see
    /// [drains inside of drains](Queue#drains-inside-of-drains). Allocates nothing once the queue has
    /// been as full lately.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// queue.post(|| println!("called by the drain"))?;
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn drain(&self) -> Drained {
        self.drain_with(&mut ())
    }

    /// Delivers the first event, if there is one. If that is a call that was cancelled or paused,
    /// it is removed and not delivered, so check [`Drained::remaining`] to see whether the queue is
    /// empty.
    ///
    /// # Panics
    ///
    /// If a handler panics.
    #[track_caller]
    pub fn drain_one(&self) -> Drained {
        self.drain_one_with(&mut ())
    }

    /// Like [`drain`](Self::drain), but does not wait: if another thread drains, delivers nothing,
    /// and [`Drained::is_busy`] returns `true`.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// let other = queue.clone();
    /// queue.post(move || std::thread::scope(|scope| {
    ///     scope.spawn(|| assert!(other.try_drain().is_busy()));
    /// }))?;
    /// assert_eq!(queue.try_drain().delivered(), 1);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn try_drain(&self) -> Drained {
        self.try_drain_with(&mut ())
    }

    /// Delivers the events that are in the queue now, but begins none after `budget` has passed.
    /// The rest stays at the front, in order. A budget of zero delivers nothing, any other at least
    /// one event, so that a loop that is late makes progress.
    ///
    /// Reads the clock after each event, of whatever kind. The budget starts with the call: waiting
    /// for another thread's drain counts.
    ///
    /// # Panics
    ///
    /// If a handler panics: when the drain ends, the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = slotcast::Queue::new();
    /// for _ in 0..3 {
    ///     queue.post(|| std::thread::sleep(Duration::from_millis(2)))?;
    /// }
    /// let frame = queue.drain_for(Duration::from_millis(1));
    /// assert_eq!((frame.delivered(), frame.remaining()), (1, 2));
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn drain_for(&self, budget: Duration) -> Drained {
        self.drain_for_with(&mut (), budget)
    }

    /// Drains until the queue is empty, events deferred by handlers meanwhile included, or until
    /// `limit` events have been delivered: handlers that always defer another event do not make it
    /// run forever.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. The remaining events stay in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const COUNT: Topic<u32> = Topic::new("count.down");
    /// let bus = Bus::new();
    /// let own = bus.downgrade();
    /// let _sub = bus.on(&COUNT, move |n| if *n > 0 {
    ///     own.upgrade().unwrap().defer(&COUNT, n - 1).unwrap();
    /// });
    /// bus.defer(&COUNT, 3)?;
    /// assert_eq!(bus.queue().drain_until_idle(100).delivered(), 4);
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    #[track_caller]
    pub fn drain_until_idle(&self, limit: usize) -> Drained {
        self.drain_until_idle_with(&mut (), limit)
    }

    /// Like [`drain`](Self::drain), at a time that the caller passes in: delayed events join if
    /// they are due at `now`, and the clock is not read. For tests, and for games with a clock of
    /// their own.
    ///
    /// That clock may stand still or go back: each drain decides anew which events are due.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    /// use std::time::{Duration, Instant};
    ///
    /// let respawn = Signal::<u32>::new();
    /// let _sub = respawn.on(|_| ());
    /// let queue = Queue::new();
    /// let mut clock = Instant::now();
    /// queue.defer_at(clock + Duration::from_secs(3), &respawn, 7)?;
    /// assert_eq!(queue.drain_at(clock).delivered(), 0);
    /// clock += Duration::from_secs(3);
    /// assert_eq!(queue.drain_at(clock).delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    #[track_caller]
    pub fn drain_at(&self, now: Instant) -> Drained {
        self.drain_at_with(&mut (), now)
    }
}

impl<M: Flavour, C: 'static> Queue<M, C> {
    /// Like [`drain`](Queue::drain), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    #[track_caller]
    pub fn drain_with(&self, context: &mut C) -> Drained {
        self.drain_by(context, DrainOptions::ALL)
    }

    /// Like [`drain_one`](Queue::drain_one), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics.
    #[track_caller]
    pub fn drain_one_with(&self, context: &mut C) -> Drained {
        self.drain_by(context, DrainOptions::at_most(1))
    }

    /// Like [`try_drain`](Queue::try_drain), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    #[track_caller]
    pub fn try_drain_with(&self, context: &mut C) -> Drained {
        let mut options = DrainOptions::ALL;
        options.waits = false;
        self.drain_by(context, options)
    }

    /// Like [`drain_for`](Queue::drain_for), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when the drain ends, the first panic resumes.
    #[track_caller]
    pub fn drain_for_with(&self, context: &mut C, budget: Duration) -> Drained {
        let mut options = DrainOptions::ALL;
        options.until = Instant::now().checked_add(budget);
        if budget.is_zero() {
            options.most = 0;
        }
        self.drain_by(context, options)
    }

    /// Like [`drain_until_idle`](Queue::drain_until_idle), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. The remaining events stay in the queue.
    #[track_caller]
    pub fn drain_until_idle_with(&self, context: &mut C, limit: usize) -> Drained {
        let mut all = self.drain_by(context, DrainOptions::at_most(limit));
        while all.remaining() > 0 && all.taken() < limit && !all.is_stuck() {
            let options = DrainOptions::at_most(limit - all.taken());
            all.append(self.drain_by(context, options));
        }
        all
    }

    /// Like [`drain_at`](Queue::drain_at), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    #[track_caller]
    pub fn drain_at_with(&self, context: &mut C, now: Instant) -> Drained {
        let mut options = DrainOptions::ALL;
        options.now = Some(now);
        self.drain_by(context, options)
    }

    #[track_caller]
    pub(super) fn drain_by(&self, context: &mut C, options: DrainOptions) -> Drained {
        Drained(self.core.drain(context, options))
    }
}
