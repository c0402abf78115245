//! A drain: takes a turn, and delivers what was there when it began.
//!
//! Lanes are swapped out as a whole and delivered outside of the lock. Single events, of which there
//! are two kinds, are taken under it one by one: those that a newer one may replace, and all of a
//! queue that is full in a way that others wait for or drop from.

use std::panic::Location;
use std::time::Instant;

use crate::core::failure::report::Report;
use crate::core::primitives::sync::{Fault, Lock, Word, planted};
use crate::core::primitives::thread;
use crate::core::queue::envelope::Parcel;
use crate::core::queue::lanes::{Batch, Queues as Mode};
use crate::core::queue::latest::Now;
use crate::core::queue::queue::{Inbox, Queue};
use crate::core::queue::report::Tray;
use crate::core::settings::failure_source::collect;
use crate::failure::{Cause, HandlerError, Place};

/// What a drain came to.
pub(crate) struct Summary {
    pub(crate) delivered: usize,
    pub(crate) remaining: usize,
    /// Another thread had the turn.
    pub(crate) busy: bool,
    pub(crate) report: Option<Box<Report>>,
}

impl Summary {
    pub(crate) const NOTHING: Summary = Summary {
        delivered: 0,
        remaining: 0,
        busy: false,
        report: None,
    };
}

/// How far a drain goes.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// How many events at most.
    pub(crate) most: usize,
    /// Until when, by the clock. One event is delivered, whatever it says.
    pub(crate) until: Option<Instant>,
    /// What time it is for delayed events, if not what the clock says.
    pub(crate) now: Option<Instant>,
    /// Whether it waits for its turn.
    pub(crate) waits: bool,
}

impl Plan {
    /// Everything.
    pub(crate) const ALL: Plan = Plan {
        most: usize::MAX,
        until: None,
        now: None,
        waits: true,
    };

    pub(crate) fn at_most(events: usize) -> Self {
        Plan {
            most: events,
            ..Plan::ALL
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
struct Horizon {
    /// The number of the first event in lanes that came later.
    place: u64,
    /// How many drains had begun, this one included.
    drains: u64,
}

/// What a drain leaves behind.
struct Rest {
    remaining: usize,
    wake: bool,
}

impl<M: Mode, C: 'static> Queue<M, C> {
    /// Delivers what is there now, as far as planned.
    #[track_caller]
    pub(crate) fn drain(&self, context: &mut C, mut plan: Plan) -> Summary {
        let settings = &self.home.settings;
        let Some(draining) = thread::begin_drain(self.address()) else {
            return self.refuse(Location::caller());
        };
        let mark = thread::failures();
        let mut tray = self.tray();
        let waits = plan.waits;
        let turn =
            |outbox: &mut Box<Batch<M, C>>| self.take_turn(outbox, context, &mut plan, &mut tray);
        let rest = match waits {
            true => Some(self.outbox.with(turn)),
            false => self.outbox.try_with(turn),
        };
        // Before any hook runs: the turn is over.
        drop(draining);
        let Some(rest) = rest else {
            return Summary {
                remaining: self.len(),
                busy: true,
                ..Summary::NOTHING
            };
        };
        // Raised between the emissions: by the drop of an event, or of a signal.
        if thread::failures() > mark {
            tray.report(collect(0, mark, settings));
        }
        if rest.wake {
            self.announce();
        }
        Summary {
            delivered: tray.delivered,
            remaining: rest.remaining,
            busy: false,
            report: tray.report.map(|report| report.resume(settings.panics())),
        }
    }

    /// What a drain inside of a drain comes to.
    #[cold]
    fn refuse(&self, place: Place) -> Summary {
        let topic = self.home.name().to_cow();
        let mut report = Report::new(vec![HandlerError {
            topic,
            label: None,
            place,
            cause: Cause::NestedDrain,
        }]);
        report.tell(&|error| self.home.settings.tell(error));
        Summary {
            remaining: self.len(),
            report: Some(report),
            ..Summary::NOTHING
        }
    }

    fn take_turn(
        &self,
        outbox: &mut Box<Batch<M, C>>,
        context: &mut C,
        plan: &mut Plan,
        tray: &mut Tray<'_, M>,
    ) -> Rest {
        if plan.most == 0 {
            return self.end_turn();
        }
        let (horizon, mut next) = self.inbox.with(|inbox| {
            let horizon = inbox.begin(plan.now);
            (horizon, self.next(inbox, outbox, horizon))
        });
        loop {
            match next {
                Next::Done => break,
                Next::Single(parcel, blocked) => {
                    next = self.singles(parcel, blocked, horizon, outbox, context, plan, tray);
                }
                Next::Run(count, is_all) => {
                    self.run(outbox, context, count, plan, tray);
                    self.tidy(outbox, tray);
                    if is_all || plan.is_over() {
                        break;
                    }
                    next = self.inbox.with(|inbox| self.next(inbox, outbox, horizon));
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
        mut parcel: M::Parcel<C>,
        mut blocked: usize,
        horizon: Horizon,
        outbox: &mut Box<Batch<M, C>>,
        context: &mut C,
        plan: &mut Plan,
        tray: &mut Tray<'_, M>,
    ) -> Next<M::Parcel<C>> {
        loop {
            // Its place is free as soon as it begins.
            self.ring_room(blocked);
            parcel.deliver(context, tray);
            plan.most -= 1;
            self.tidy(outbox, tray);
            let is_over = plan.is_over();
            let next = self.inbox.with(|inbox| {
                inbox.shelf.keep(parcel);
                match is_over {
                    true => Next::Done,
                    false => self.next(inbox, outbox, horizon),
                }
            });
            match next {
                Next::Single(another, more) => (parcel, blocked) = (another, more),
                next => return next,
            }
        }
    }

    /// Drops the rest of the outbox, if a handler has cleared the queue.
    fn tidy(&self, outbox: &mut Batch<M, C>, tray: &mut Tray<'_, M>) {
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
        plan: &mut Plan,
        tray: &mut Tray<'_, M>,
    ) {
        while count > 0 && self.left.get() > 0 {
            let most = match plan.until {
                None => count.min(plan.most),
                // To look at the clock after each.
                Some(_) => 1,
            };
            let taken = outbox.deliver(most, context, tray);
            count -= taken;
            plan.most -= taken;
            if plan.is_over() {
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
        horizon: Horizon,
    ) -> Next<M::Parcel<C>> {
        let mut left = self.left.get();
        if left == 0 && !inbox.is_stepped() && inbox.batch.first() < horizon.place {
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
            Some(latest) => latest.place(horizon.drains).unwrap_or(u64::MAX),
            None => u64::MAX,
        };
        if end <= first || (left == 0 && first < horizon.place) {
            return inbox.single(end <= first);
        }
        let end = end.min(horizon.place);
        if first >= end {
            return Next::Done;
        }
        let count = usize::try_from(end - first).map_or(left, |count| count.min(left));
        let is_all = first + count as u64 == horizon.place && inbox.latest_len() == 0;
        Next::Run(count, is_all)
    }

    fn end_turn(&self) -> Rest {
        let (rest, blocked) = self.inbox.with(|inbox| {
            inbox.draining = false;
            let latest = inbox.latest.as_ref();
            let has_replaced = latest.is_some_and(|latest| latest.has_replaced());
            ((!has_replaced).then(|| self.rest(inbox)), inbox.blocked)
        });
        self.ring_room(blocked);
        rest.unwrap_or_else(|| self.end_replacing())
    }

    /// Takes back what a newer event has replaced while the drain had it, and did not deliver it.
    #[cold]
    fn end_replacing(&self) -> Rest {
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

    fn rest(&self, inbox: &Inbox<M, C>) -> Rest {
        let remaining = self.there(inbox);
        let wake = remaining > 0 && inbox.is_heard() && !planted(Fault::Unwoken);
        Rest { remaining, wake }
    }
}

impl<M: Mode, C: 'static> Inbox<M, C> {
    /// A drain begins: what is due joins, and what is there by then is what it delivers.
    fn begin(&mut self, now: Option<Instant>) -> Horizon {
        if self.delayed.is_some() {
            self.join_due(now);
        }
        self.drains += 1;
        self.draining = true;
        Horizon {
            place: self.batch.end(),
            drains: self.drains,
        }
    }

    #[cold]
    fn join_due(&mut self, now: Option<Instant>) {
        let Some(delayed) = self.delayed.as_mut().filter(|it| it.len() > 0) else {
            return;
        };
        let now = now.unwrap_or_else(Instant::now);
        let place = Now {
            place: self.batch.end(),
            drains: self.drains,
            draining: false,
        };
        while let Some(parcel) = delayed.pop(now) {
            let singles = self.latest.get_or_insert_default();
            singles.push_single(parcel, place);
        }
        self.set_limit();
    }

    /// Takes the first event out, of those that can be replaced or of the lanes.
    #[inline(never)]
    fn single(&mut self, of_latest: bool) -> Next<M::Parcel<C>> {
        let parcel = match of_latest {
            true => self.latest.as_mut().and_then(|latest| latest.pop()),
            false => self.batch.pop(&mut self.shelf),
        };
        self.set_limit();
        parcel.map_or(Next::Done, |parcel| Next::Single(parcel, self.blocked))
    }
}
