//! What a signal is set to, and how it ends: kept events, pauses, `len`, `clear` and `close`.

use std::panic::Location;

use crate::core::emission::retained::retain;
use crate::core::flavour::{Flavour, SendBound, SyncBound};
use crate::core::queue::claim::posted;
use crate::core::signal::signal::Signal as Core;
use crate::signal::pause::Pause;
use crate::signal::{Signal, WeakSignal};
use crate::wiring::handler::HandlerInfo;

impl<M: Flavour, E: 'static, C: 'static> Signal<M, E, C> {
    /// Keeps the last event from now on, and hands it to later subscribers; see
    /// [`retain`](Signal::retain).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    ///
    /// let level = Signal::<u32>::new();
    /// level.retain_last();
    /// level.emit(&40);
    /// level.emit(&42);
    /// let (sender, seen) = std::sync::mpsc::channel();
    /// let _sub = level.on(move |n| sender.send(*n).unwrap()); // is called at once
    /// level.emit(&43);
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), [42, 43]);
    /// ```
    #[doc(alias = "replay")]
    #[doc(alias = "sticky")]
    #[doc(alias = "behavior subject")]
    #[track_caller]
    pub fn retain_last(&self)
    where
        E: Clone,
        M: SyncBound<E> + SendBound<()>,
    {
        self.retain(1);
    }

    /// Keeps the last `events` events from now on, and hands them to later subscribers, the oldest
    /// first, before `on` returns; 0 stops that, and drops the kept events.
    ///
    /// Each handler of this signal sees each kept or emitted event once, in the order in which they were kept,
    /// whichever thread emits: the kept ones first, then what is emitted meanwhile, also by the handler
    /// itself. No handler sees an older event after a newer one. Nobody waits for that: where a handler is
    /// running already, on another thread, or on this one with older events before it, the event is left to
    /// that call, which continues with it. So an `emit` may return before such a handler has seen its event,
    /// [`ran`](crate::Emission::ran) does not count it yet, and its failure is the other caller's. An awaited
    /// emission [in order](crate::EmitAsync::in_order) calls each handler when its turn comes.
    ///
    /// Limits, filters and pauses apply as for an emission; failures are reported to the error hook or
    /// logged, and a panic does not reach the subscriber. What a handler subscribes after it has ended,
    /// while it is called, takes its place and gets what follows: a `once` handler that subscribes itself
    /// anew runs once for each event. Handlers of patterns are not handed anything, nor those of
    /// [`skip_kept`](crate::flavour::Subscribe::skip_kept). `clear` leaves the kept events, `close` drops
    /// them. A topic that retains events exists until its bus is dropped, it is closed, or 0 are kept.
    ///
    /// [`next`](Self::next) counts as a new handler each time: `loop { signal.next().await }` gets the
    /// oldest kept event again and again. For each event once there is a
    /// [`stream`](Self::stream), for the next change `signal.subscribe().skip_kept().next()`.
    ///
    /// With a context there is none to lend when a handler is subscribed, so `on` does not call it. It is handed
    /// the kept events by the next emission, before the event of that, or by the next drain of the queue of the
    /// bus, where one call waits for that whatever the capacity. A signal without a bus has no queue, and leaves
    /// it to the next emission. A handler that is cancelled before that is not called, and leaves nothing.
    ///
    /// An emission costs one clone of the event, a lock and an allocation more, and three locks for each
    /// handler; signals that retain nothing pay nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const RENAMED: Topic<&str> = Topic::new("renamed");
    /// let bus = Bus::<Vec<&str>>::with_context();
    /// bus.retain(&RENAMED, 2);
    /// let mut titles = Vec::new();
    /// bus.emit_with(&mut titles, &RENAMED, &"a");
    /// bus.emit_with(&mut titles, &RENAMED, &"b");
    /// let _sub = bus.on_with(&RENAMED, |titles, name| titles.push(*name));
    /// assert!(titles.is_empty(), "nobody has lent it the titles");
    /// bus.queue().drain_with(&mut titles);
    /// assert_eq!(titles, ["a", "b"]);
    /// ```
    #[track_caller]
    pub fn retain(&self, events: usize)
    where
        E: Clone,
        M: SyncBound<E> + SendBound<()>,
    {
        let location = Location::caller();
        let (signal, queue) = (
            M::downgrade(&self.core),
            self.queue.as_ref().map(M::downgrade),
        );
        let ask = move |asked: M::Ptr<()>| {
            let Some(queue) = queue.as_ref().and_then(M::upgrade) else {
                return;
            };
            let signal = signal.clone();
            let catch_up = move |context: &mut C| {
                // From here on, whoever is subscribed asks anew.
                drop(asked);
                if let Some(signal) = M::upgrade(&signal) {
                    let retained = signal.retained();
                    _ = retained.map(|it| it.catch_up(&signal.info, context));
                }
            };
            let info = queue.info.clone();
            // A closed queue refuses it: then it is left to the next emission.
            _ = queue.call_uncounted(posted(catch_up, info, location), ());
        };
        Core::retain(&self.core, events, || {
            retain::<M, E, C>(events, location, ask)
        });
    }

    /// A clone of the event that was kept last; `None` if the signal keeps none. O(1) beside the clone, which is
    /// made outside of locks.
    ///
    /// # Examples
    ///
    /// ```
    /// let level = slotcast::Signal::<u32>::new();
    /// level.retain_last();
    /// assert_eq!(level.last(), None);
    /// level.emit(&42);
    /// assert_eq!(level.last(), Some(42));
    /// ```
    #[must_use]
    pub fn last(&self) -> Option<E>
    where
        E: Clone,
    {
        let kept = self.core.retained()?.last()?;
        Some(E::clone(&kept.event))
    }
}

impl<M: Flavour, E: 'static, C: 'static> Signal<M, E, C> {
    /// The number of connected handlers, including paused ones, without those whose target or owner
    /// has been dropped. A snapshot. O(1), or with handlers that have a target or an owner O(n).
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Whether no handler is connected. A snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connected handlers in the order of their calls, those of patterns included: who they are, where each was
    /// subscribed, and whether it would be called. A snapshot, owned and detached.
    ///
    /// The signal's own handlers are seen at one moment, those of each pattern at another: locks are taken one at
    /// a time. No user code is called, but what another thread gives up meanwhile may be dropped by this call, outside
    /// of locks, as by an emission. A handler whose target or owner has been dropped is not listed. Where there
    /// are none, the hook for unhandled events is listed, if the bus has one. O(n log n), and allocates.
    ///
    /// [`Bus::wiring`](crate::flavour::Bus::wiring) lists those of all topics.
    ///
    /// # Examples
    ///
    /// ```
    /// let key = slotcast::Signal::<char>::new();
    /// let _log = key.subscribe().label("log").on(|k| println!("{k}"));
    /// let _menu = key.subscribe().label("menu").priority(1).filter(|k| *k == 'm').on(|_| ());
    /// let handlers = key.handlers();
    /// assert_eq!(handlers.iter().filter_map(|it| it.label()).collect::<Vec<_>>(), ["menu", "log"]);
    /// assert!(handlers[0].has_filter());
    /// println!("{} is called by {}", handlers[1].place(), handlers[1].topic());
    /// ```
    #[doc(alias = "listeners")]
    #[doc(alias = "introspection")]
    #[must_use]
    pub fn handlers(&self) -> Vec<HandlerInfo> {
        self.core.handlers()
    }

    /// Pauses all handlers of this signal until the guard is dropped, those that are subscribed meanwhile
    /// too. Pauses are counted, and add to those of the [bus](crate::flavour::Bus::pause) and of single
    /// [subscriptions](crate::flavour::Subscription::pause), which this means the same as: paused handlers are skipped at
    /// once, also by an emission that runs, without spending a limit; calls of them that wait in a queue
    /// are skipped if they are drained meanwhile; what they miss is not kept for them, and a kept event is
    /// not handed to them. Futures and streams are handlers, too.
    ///
    /// Handlers of patterns are not the signal's, and go on: [`clear`](Self::clear) and
    /// [`len`](Self::len) leave them out as well. An event that finds only paused handlers is not
    /// unhandled.
    ///
    /// O(n) in the number of handlers, when it begins and once after it has ended; emissions pay nothing
    /// for it. The guard keeps nothing alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let moved = slotcast::Signal::<(i32, i32)>::new();
    /// let _sub = moved.on(|_| ());
    /// let quiet = moved.pause();
    /// let _late = moved.on(|_| ());
    /// assert_eq!(moved.emit(&(1, 1)).ran(), 0);
    /// drop(quiet);
    /// assert_eq!(moved.emit(&(2, 2)).ran(), 2);
    /// ```
    pub fn pause(&self) -> Pause<M> {
        self.core.pause();
        Pause::of_signal(self.core.info.clone())
    }

    /// Whether all handlers are paused, by a pause of this signal or of its bus. A snapshot.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.core.info.is_paused()
    }

    /// Cancels all handlers, and returns their number. As with each cancel, captures are dropped in
    /// this call or with the last emission that is inside, and calls that wait in queues are
    /// cancelled.
    pub fn clear(&self) -> usize {
        self.core.clear()
    }

    /// Removes all handlers, and closes the signal: from now on `on` returns an inactive subscription,
    /// `emit` runs nothing and reports that, `defer` hands the event back. A running emission ends after
    /// its current handler; streams and futures of the signal end.
    ///
    /// What was accepted before stays to be drained: calls of [`on_queue`](crate::flavour::Subscribe::on_queue) that wait
    /// are made, and events that were deferred reach the handlers that were subscribed at the close.
    /// These read inactive, and a cancel still takes them away, with their calls. Captures are dropped in
    /// this call, or after the last accepted event.
    ///
    /// # Examples
    ///
    /// ```
    /// let key = slotcast::Signal::<char>::new();
    /// let sub = key.on(|_| ());
    /// key.close();
    /// assert!(!sub.is_active() && key.emit(&'a').is_closed());
    /// ```
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether the signal was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }

    /// The number of its events that queues have dropped because they were full, oldest and newest, and of the
    /// calls of its [`on_queue`](crate::flavour::Subscribe::on_queue) handlers. What a handler's own
    /// [`room`](crate::flavour::Subscribe::room) drops is counted by its subscription instead. A topic that
    /// ceases to exist, and comes into being again, begins with 0. A snapshot.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Overflow, Topic};
    ///
    /// let bus = Bus::new();
    /// bus.queue().bounded(1, Overflow::DropOldest);
    /// let moved = bus.signal(&Topic::<u32>::new("moved"));
    /// let _sub = moved.on(|_| ());
    /// moved.defer(1)?;
    /// moved.defer(2)?;
    /// assert_eq!((moved.dropped(), bus.queue().dropped()), (1, 1));
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.core.dropped()
    }

    /// Returns a handle that does not keep the signal alive, for its own handlers to capture. A topic
    /// without another handle ceases to exist with its last handler, and a weak handle does not restore
    /// it: ask the bus for the signal again.
    ///
    /// # Examples
    ///
    /// ```
    /// let tick = slotcast::Signal::<u32>::new();
    /// let own = tick.downgrade();
    /// let sub = tick.on(move |n| if *n > 0 { own.upgrade().unwrap().emit(&(n - 1)); });
    /// tick.emit(&3);
    /// drop(tick);
    /// assert!(!sub.is_active());
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakSignal<M, E, C> {
        let queue = self.queue.as_ref().map(M::downgrade);
        WeakSignal {
            core: M::downgrade(&self.core),
            queue,
        }
    }
}
