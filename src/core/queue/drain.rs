//! A drain: takes a turn, and delivers what was there when it began.
//!
//! Lanes are swapped out as a whole and delivered outside of the lock. Single events, of which there
//! are two kinds, are taken under it one by one: those that a newer one may replace, and all of a
//! queue that is full in a way that others wait for or drop from.

use std::panic::Location;
use std::time::Instant;

use crate::core::failure::report::Report;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::thread;
use crate::core::queue::envelope::Envelope;
use crate::core::queue::lanes::{Batch, QueueFlavour};
use crate::core::queue::latest::Now;
use crate::core::queue::queue::{Inbox, Queue};
use crate::core::queue::report::DrainReport;
use crate::core::settings::failure_source::collect;
use crate::failure::{CallSite, Cause, HandlerError};

/// What a drain came to.
pub(crate) struct DrainSummary {
    pub(crate) delivered: usize,
    pub(crate) remaining: usize,
    /// Another thread had the turn.
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
    /// How many events at most.
    pub(crate) most: usize,
    /// Until when, by the clock. One event is delivered, whatever it says.
    pub(crate) until: Option<Instant>,
    /// What time it is for delayed events, if not what the clock says.
    pub(crate) now: Option<Instant>,
    /// Whether it waits for its turn.
    pub(crate) waits: bool,
}

impl DrainOptions {
    /// Everything.
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
    /// Delivers this event; how many threads wait for its place.
    Single(P, usize),
    /// Delivers so many from the outbox; whether that is all.
    Run(usize, bool),
    Done,
}

/// What was there when a drain began: what came before.
#[derive(Clone, Copy)]
struct Cutoff {
    /// The number of the first event in lanes that came later.
    position: u64,
    /// How many drains had begun, this one included.
    drains: u64,
}

/// What a drain leaves behind.
struct DrainEnd {
    remaining: usize,
    wake: bool,
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Delivers what is there now, as far as planned.
    #[track_caller]
    pub(crate) fn drain(&self, context: &mut C, mut options: DrainOptions) -> DrainSummary {
        let config = &self.info.config;
        let Some(draining) = thread::begin_drain(self.address()) else {
            return self.refuse(Location::caller());
        };
        let mark = thread::failures();
        let mut tray = self.tray();
        let waits = options.waits;
        let turn = |outbox: &mut Box<Batch<M, C>>| {
            self.take_turn(outbox, context, &mut options, &mut tray)
        };
        let rest = match waits {
            true => Some(self.outbox.with(turn)),
            false => self.outbox.try_with(turn),
        };
        // Before any hook runs: the turn is over.
        drop(draining);
        let Some(rest) = rest else {
            return DrainSummary {
                remaining: self.len(),
                busy: true,
                ..DrainSummary::NOTHING
            };
        };
        // Raised between the emissions: by the drop of an event, or of a signal.
        if thread::failures() > mark {
            tray.report(collect(0, mark, config));
        }
        if rest.wake {
            self.notify_ready();
        }
        DrainSummary {
            delivered: tray.delivered,
            remaining: rest.remaining,
            busy: false,
            report: tray.report.map(|report| report.resume(config.panics())),
        }
    }

    /// What a drain inside of a drain comes to.
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

    fn take_turn(
        &self,
        outbox: &mut Box<Batch<M, C>>,
        context: &mut C,
        options: &mut DrainOptions,
        tray: &mut DrainReport<'_, M>,
    ) -> DrainEnd {
        if options.most == 0 {
            return self.end_turn();
        }
        let (cutoff, mut next) = self.inbox.with(|inbox| {
            let cutoff = inbox.begin(options.now);
            (cutoff, self.next(inbox, outbox, cutoff))
        });
        loop {
            match next {
                Next::Done => break,
                Next::Single(envelope, blocked) => {
                    next = self.singles(envelope, blocked, cutoff, outbox, context, options, tray);
                }
                Next::Run(count, is_all) => {
                    self.run(outbox, context, count, options, tray);
                    self.tidy(outbox, tray);
                    if is_all || options.is_over() {
                        break;
                    }
                    next = self.inbox.with(|inbox| self.next(inbox, outbox, cutoff));
                }
            }
        }
        self.end_turn()
    }

    /// Delivers single events as long as they come; what comes then.
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
        tray: &mut DrainReport<'_, M>,
    ) -> Next<M::Envelope<C>> {
        loop {
            // Its place is free as soon as it begins.
            self.notify_room(blocked);
            envelope.deliver(context, tray);
            options.most -= 1;
            self.tidy(outbox, tray);
            let is_over = options.is_over();
            let next = self.inbox.with(|inbox| {
                inbox.free_list.recycle(envelope);
                match is_over {
                    true => Next::Done,
                    false => self.next(inbox, outbox, cutoff),
                }
            });
            match next {
                Next::Single(another, more) => (envelope, blocked) = (another, more),
                next => return next,
            }
        }
    }

    /// Drops the rest of the outbox, if a handler has cleared the queue.
    fn tidy(&self, outbox: &mut Batch<M, C>, tray: &mut DrainReport<'_, M>) {
        if self.left.get() == 0 && outbox.len() > 0 {
            outbox.discard(tray);
        }
    }

    /// Delivers so many from the outbox, or as many as are left of the plan; at least one.
    fn run(
        &self,
        outbox: &mut Batch<M, C>,
        context: &mut C,
        mut count: usize,
        options: &mut DrainOptions,
        tray: &mut DrainReport<'_, M>,
    ) {
        while count > 0 && self.left.get() > 0 {
            let most = match options.until {
                None => count.min(options.most),
                // To look at the clock after each.
                Some(_) => 1,
            };
            let taken = outbox.deliver(most, context, tray);
            count -= taken;
            options.most -= taken;
            if options.is_over() {
                break;
            }
        }
    }

    /// What comes next of what is within the horizon. The outbox is empty where nothing is left.
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
        let end = match &inbox.latest {
            Some(latest) => latest.position(cutoff.drains).unwrap_or(u64::MAX),
            None => u64::MAX,
        };
        if end <= first || (left == 0 && first < cutoff.position) {
            return inbox.single(end <= first);
        }
        let end = end.min(cutoff.position);
        if first >= end {
            return Next::Done;
        }
        let count = usize::try_from(end - first).map_or(left, |count| count.min(left));
        let is_all = first + count as u64 == cutoff.position && inbox.latest_len() == 0;
        Next::Run(count, is_all)
    }

    fn end_turn(&self) -> DrainEnd {
        let (rest, blocked) = self.inbox.with(|inbox| {
            inbox.draining = false;
            let latest = inbox.latest.as_ref();
            let has_replaced = latest.is_some_and(|latest| latest.has_replaced());
            ((!has_replaced).then(|| self.rest(inbox)), inbox.blocked)
        });
        self.notify_room(blocked);
        rest.unwrap_or_else(|| self.end_replacing())
    }

    /// Takes back what a newer event has replaced while the drain had it, and did not deliver it.
    #[cold]
    fn end_replacing(&self) -> DrainEnd {
        let mut replaced = Vec::new();
        let rest = self.inbox.with(|inbox| {
            if let Some(latest) = &mut inbox.latest {
                replaced.extend(std::iter::from_fn(|| latest.pop_replaced()));
            }
            inbox.set_limit();
            self.rest(inbox)
        });
        self.discard(replaced);
        rest
    }

    fn rest(&self, inbox: &Inbox<M, C>) -> DrainEnd {
        let remaining = self.there(inbox);
        let wake = remaining > 0 && inbox.has_waiters();
        DrainEnd { remaining, wake }
    }
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// A drain begins: what is due joins, and what is there by then is what it delivers.
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

    /// Takes the first event out, of those that can be replaced or of the lanes.
    #[inline(never)]
    fn single(&mut self, of_latest: bool) -> Next<M::Envelope<C>> {
        let envelope = match of_latest {
            true => self.latest.as_mut().and_then(|latest| latest.pop()),
            false => self.batch.pop(&mut self.free_list),
        };
        self.set_limit();
        envelope.map_or(Next::Done, |envelope| Next::Single(envelope, self.blocked))
    }
}
