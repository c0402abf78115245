//! A drain: acquires the drain lock, and delivers what was in the queue when it began.
//!
//! Lanes are swapped out as a whole, under the lock of the inbox, and delivered without it. Single
//! events are taken under that lock one by one. There are two kinds of them: those in the list that
//! a newer one may replace, and all events of a bounded queue that blocks or drops the oldest.
//!
//! # Decision
//!
//! **A queue with a bound that others wait for or drop from is drained by single events**, each
//! taken under the lock, where any other queue swaps its lanes out. Only so is there capacity as
//! soon as the delivery of an event begins, and is the oldest event within reach while a drain
//! runs: lanes that a drain has swapped out are out of reach. It costs such a queue a lock for each
//! event, and the others nothing.

use std::panic::Location;
use std::time::Instant;

use crate::core::failure::report::Report;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::thread;
use crate::core::queue::envelope::Envelope;
use crate::core::queue::inbox::Inbox;
use crate::core::queue::lanes::{Batch, QueueFlavour};
use crate::core::queue::latest::Now;
use crate::core::queue::queue::Queue;
use crate::core::queue::report::DrainReport;
use crate::core::settings::failure_source::collect;
use crate::failure::{CallSite, Cause, HandlerError};

/// The result of a drain.
pub(crate) struct DrainSummary {
    pub(crate) delivered: usize,
    pub(crate) remaining: usize,
    /// Another thread had the drain lock.
    pub(crate) busy: bool,
    pub(crate) report: Option<Box<Report>>,
}

impl DrainSummary {
    pub(crate) const NOTHING: DrainSummary = DrainSummary {
        delivered: 0,
        remaining: 0,
        busy: false,
        report: None,
    };
}

/// How far a drain goes.
#[derive(Clone, Copy)]
pub(crate) struct DrainOptions {
    /// The maximum number of events.
    pub(crate) most: usize,
    /// No event but the first is begun after this time.
    pub(crate) until: Option<Instant>,
    /// The time that decides which delayed events are due, in place of the clock.
    pub(crate) now: Option<Instant>,
    /// Whether to wait for the drain lock if another thread has it.
    pub(crate) waits: bool,
}

impl DrainOptions {
    /// No limits.
    pub(crate) const ALL: DrainOptions = DrainOptions {
        most: usize::MAX,
        until: None,
        now: None,
        waits: true,
    };

    pub(crate) fn at_most(events: usize) -> Self {
        DrainOptions {
            most: events,
            ..DrainOptions::ALL
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.most == 0 || self.until.is_some_and(has_passed)
    }
}

#[inline(never)]
fn has_passed(until: Instant) -> bool {
    Instant::now() >= until
}

/// What a drain does next.
enum Next<P> {
    /// Deliver this event. The number of threads that wait for the capacity it frees.
    Single(P, usize),
    /// Deliver so many events from the outbox. Whether there is nothing after them.
    Run(usize, bool),
    Done,
}

/// Where a drain ends: it delivers what was added before it began.
#[derive(Clone, Copy)]
struct Cutoff {
    /// The number of the first lane event that was added later.
    position: u64,
    /// How many drains had begun, this one included.
    drains: u64,
}

/// The state of the queue at the end of a drain.
struct DrainEnd {
    remaining: usize,
    /// Whether those that wait for events have to be notified of the remaining ones.
    wake: bool,
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Delivers what is in the queue now, within the limits of `options`.
    #[track_caller]
    pub(crate) fn drain(&self, context: &mut C, mut options: DrainOptions) -> DrainSummary {
        let config = &self.info.config;
        let Some(draining) = thread::begin_drain(self.address()) else {
            return self.refuse(Location::caller());
        };
        let mark = thread::failures();
        let mut drain_report = self.drain_report();
        let waits = options.waits;
        let deliver = |outbox: &mut Box<Batch<M, C>>| {
            self.deliver(outbox, context, &mut options, &mut drain_report)
        };
        let end = if waits {
            Some(self.outbox.with(deliver))
        } else {
            self.outbox.try_with(deliver)
        };
        // Before any hook runs, and after the drain lock is released.
        drop(draining);
        let Some(end) = end else {
            return DrainSummary {
                remaining: self.len(),
                busy: true,
                ..DrainSummary::NOTHING
            };
        };
        // Raised between emissions: by the drop of an event or of a signal.
        if thread::failures() > mark {
            drain_report.report(collect(0, mark, config));
        }
        if end.wake {
            self.notify_ready();
        }
        DrainSummary {
            delivered: drain_report.delivered,
            remaining: end.remaining,
            busy: false,
            report: drain_report
                .report
                .map(|report| report.resume(config.panics())),
        }
    }

    /// The result of a drain inside of a drain.
    #[cold]
    fn refuse(&self, location: CallSite) -> DrainSummary {
        let topic = self.info.name().to_cow();
        let mut report = Report::new(vec![HandlerError {
            topic,
            label: None,
            location,
            cause: Cause::NestedDrain,
        }]);
        report.tell(&|error| self.info.config.tell(error));
        DrainSummary {
            remaining: self.len(),
            report: Some(report),
            ..DrainSummary::NOTHING
        }
    }

    /// Delivers, with the drain lock held.
    fn deliver(
        &self,
        outbox: &mut Box<Batch<M, C>>,
        context: &mut C,
        options: &mut DrainOptions,
        drain_report: &mut DrainReport<'_, M>,
    ) -> DrainEnd {
        if options.most == 0 {
            return self.finish();
        }
        let (cutoff, mut next) = self.inbox.with(|inbox| {
            let cutoff = inbox.begin(options.now);
            (cutoff, self.next(inbox, outbox, cutoff))
        });
        loop {
            match next {
                Next::Done => break,
                Next::Single(envelope, blocked) => {
                    next = self.singles(
                        envelope,
                        blocked,
                        cutoff,
                        outbox,
                        context,
                        options,
                        drain_report,
                    );
                }
                Next::Run(count, is_all) => {
                    self.run(outbox, context, count, options, drain_report);
                    self.discard_cleared(outbox, drain_report);
                    if is_all || options.is_over() {
                        break;
                    }
                    next = self.inbox.with(|inbox| self.next(inbox, outbox, cutoff));
                }
            }
        }
        self.finish()
    }

    /// Delivers single events as long as the next one is single; returns what comes after them.
    #[inline(never)]
    #[allow(clippy::too_many_arguments, reason = "all that a drain has")]
    fn singles(
        &self,
        mut envelope: M::Envelope<C>,
        mut blocked: usize,
        cutoff: Cutoff,
        outbox: &mut Box<Batch<M, C>>,
        context: &mut C,
        options: &mut DrainOptions,
        drain_report: &mut DrainReport<'_, M>,
    ) -> Next<M::Envelope<C>> {
        loop {
            // There is capacity as soon as the delivery begins.
            self.notify_not_full(blocked);
            envelope.deliver(context, drain_report);
            options.most -= 1;
            self.discard_cleared(outbox, drain_report);
            let is_over = options.is_over();
            let next = self.inbox.with(|inbox| {
                inbox.free_list.recycle(envelope);
                if is_over {
                    Next::Done
                } else {
                    self.next(inbox, outbox, cutoff)
                }
            });
            match next {
                Next::Single(another, more) => (envelope, blocked) = (another, more),
                next => return next,
            }
        }
    }

    /// Drops the rest of the outbox if a handler has cleared the queue.
    fn discard_cleared(&self, outbox: &mut Batch<M, C>, drain_report: &mut DrainReport<'_, M>) {
        if self.left.get() == 0 && outbox.len() > 0 {
            outbox.discard(drain_report);
        }
    }

    /// Delivers `count` events from the outbox, or fewer if a limit of `options` is reached; at
    /// least one.
    fn run(
        &self,
        outbox: &mut Batch<M, C>,
        context: &mut C,
        mut count: usize,
        options: &mut DrainOptions,
        drain_report: &mut DrainReport<'_, M>,
    ) {
        while count > 0 && self.left.get() > 0 {
            let most = match options.until {
                None => count.min(options.most),
                // The clock is checked after each event.
                Some(_) => 1,
            };
            let taken = outbox.deliver(most, context, drain_report);
            count -= taken;
            options.most -= taken;
            if options.is_over() {
                break;
            }
        }
    }

    /// Returns what to deliver next, up to the cutoff. If the outbox has nothing left to deliver,
    /// it is empty.
    #[inline]
    fn next(
        &self,
        inbox: &mut Inbox<M, C>,
        outbox: &mut Box<Batch<M, C>>,
        cutoff: Cutoff,
    ) -> Next<M::Envelope<C>> {
        let mut left = self.left.get();
        if left == 0 && !inbox.is_stepped() && inbox.batch.first() < cutoff.position {
            let end = inbox.batch.end();
            std::mem::swap(&mut inbox.batch, outbox);
            inbox.batch.begin_at(end);
            left = outbox.len();
            self.left.set(left);
        }
        let first = match left {
            0 => inbox.batch.first(),
            _ => outbox.first(),
        };
        // The number of the lane event before which the next event of the list is to be delivered.
        let single = match &inbox.latest {
            Some(latest) => latest.position(cutoff.drains).unwrap_or(u64::MAX),
            None => u64::MAX,
        };
        if single <= first || (left == 0 && first < cutoff.position) {
            return inbox.single(single <= first);
        }
        let end = single.min(cutoff.position);
        if first >= end {
            return Next::Done;
        }
        let count = usize::try_from(end - first).map_or(left, |count| count.min(left));
        let is_all = first + count as u64 == cutoff.position && inbox.latest_len() == 0;
        Next::Run(count, is_all)
    }

    /// Ends a drain, before the drain lock is released.
    fn finish(&self) -> DrainEnd {
        let (end, blocked) = self.inbox.with(|inbox| {
            inbox.draining = false;
            let latest = inbox.latest.as_ref();
            let has_replaced = latest.is_some_and(|latest| latest.has_replaced());
            let end = (!has_replaced).then(|| self.drain_end(inbox));
            (end, inbox.blocked)
        });
        self.notify_not_full(blocked);
        end.unwrap_or_else(|| self.finish_replacing())
    }

    /// Drops the events that the drain had taken but did not deliver, and for which a newer one was
    /// added.
    #[cold]
    fn finish_replacing(&self) -> DrainEnd {
        let mut replaced = Vec::new();
        let end = self.inbox.with(|inbox| {
            if let Some(latest) = &mut inbox.latest {
                replaced.extend(std::iter::from_fn(|| latest.pop_replaced()));
            }
            inbox.set_limit();
            self.drain_end(inbox)
        });
        self.discard(replaced);
        end
    }

    fn drain_end(&self, inbox: &Inbox<M, C>) -> DrainEnd {
        let remaining = self.pending(inbox);
        let wake = remaining > 0 && inbox.has_waiters();
        DrainEnd { remaining, wake }
    }
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Begins a drain: adds the delayed events that are due, and returns where the drain ends.
    fn begin(&mut self, now: Option<Instant>) -> Cutoff {
        if self.delayed.is_some() {
            self.join_due(now);
        }
        self.drains += 1;
        self.draining = true;
        Cutoff {
            position: self.batch.end(),
            drains: self.drains,
        }
    }

    /// Moves the delayed events that are due to the end of the queue.
    #[cold]
    fn join_due(&mut self, now: Option<Instant>) {
        let Some(delayed) = self.delayed.as_mut().filter(|it| it.len() > 0) else {
            return;
        };
        let now = now.unwrap_or_else(Instant::now);
        let position = Now {
            position: self.batch.end(),
            drains: self.drains,
            draining: false,
        };
        while let Some(envelope) = delayed.pop(now) {
            let singles = self.latest.get_or_insert_default();
            singles.push_single(envelope, position);
        }
        self.set_limit();
    }

    /// Removes the first event, of the list or of the lanes.
    #[inline(never)]
    fn single(&mut self, of_latest: bool) -> Next<M::Envelope<C>> {
        let envelope = if of_latest {
            self.latest.as_mut().and_then(|latest| latest.pop())
        } else {
            self.batch.pop(&mut self.free_list)
        };
        self.set_limit();
        envelope.map_or(Next::Done, |envelope| Next::Single(envelope, self.blocked))
    }
}
