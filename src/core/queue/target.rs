//! The target of a deferred event: the handlers of a signal, or the one handler that has claimed it.

#[cfg(feature = "follow")]
use crate::core::emission::followed::key_of;
use crate::core::emission::gathered::run_late;
use crate::core::emission::run::Runner;
use crate::core::emission::summary::EmissionSummary;
use crate::core::failure::link::Follows;
use crate::core::failure::trace;
#[cfg(feature = "follow")]
use crate::core::follow::Work;
use crate::core::handler::entry::{CallResult, Header, state};
use crate::core::primitives::thread;
use crate::core::queue::active_drain::ActiveDrain;
use crate::core::queue::claim::{Calling, Claim};
use crate::core::settings::failure_source::{collect, drop_event};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::{Accepted, Signal};
#[cfg(feature = "follow")]
use crate::follow::step::StepKind;

/// What an event is delivered to.
pub(crate) enum Target<M: SignalFlavour, E: 'static, C: 'static> {
    /// The handlers that are subscribed when the event is delivered.
    Signal(Accepted<M, E, C>),
    /// One handler, which knows the event by this number. Its event in the queue is `()`.
    Call(Claim<M, C>, u64),
    /// Nobody: calls that were taken back.
    Hole,
}

impl<M: SignalFlavour, E: 'static, C: 'static> Target<M, E, C> {
    /// What its failures are reported about. `None` for a handler of no signal.
    pub(crate) fn info(&self) -> Option<&SignalInfo<M>> {
        match self {
            Target::Signal(signal) => Some(&signal.info),
            Target::Call(claim, _) => claim.entry().head().info.as_deref(),
            Target::Hole => None,
        }
    }

    /// Returns whether it is the topic with this information, or a handler of it.
    pub(super) fn is_of_topic(&self, info: &SignalInfo<M>) -> bool {
        self.info().is_some_and(|own| own.is_same(info))
    }

    /// Delivers one event, and drops it.
    pub(super) fn deliver(
        &self,
        event: E,
        follows: Follows<'_>,
        drain: &mut ActiveDrain<'_, M, C>,
    ) {
        let _here = follows.origin().enter();
        match self {
            Target::Signal(signal) => {
                // No read guard may be held while the event is dropped.
                let mut summary = Runner::new(signal, follows).emit(&event, drain.context);
                if summary.counts.ran() == 0 {
                    summary = unreached(signal, &event, summary, follows, drain);
                }
                drain.summary.delivered += usize::from(summary.counts.ran() > 0);
                if let Some(report) = summary.report {
                    drain.report(report, signal.info.config.panics());
                }
            }
            Target::Call(claim, number) => {
                let mut caller = Caller::new(claim, follows);
                caller.call(*number, drain);
                caller.leave(drain);
            }
            Target::Hole => drain.pass_hole(),
        }
        drop_event(event, self.info().unwrap_or(drain.info), drain.location);
    }

    /// Drops what waits elsewhere of an event that is dropped. Returns whether it was taken back before.
    pub(super) fn discard(&self) -> bool {
        match self {
            Target::Signal(_) => false,
            Target::Call(claim, number) => !claim.discard(*number),
            Target::Hole => true,
        }
    }

    /// The same target, for another event of its run. The call of a posted closure is alone in its run.
    pub(super) fn repeat(&self) -> Self {
        match self {
            Target::Signal(signal) => Target::Signal(signal.clone()),
            Target::Call(claim, number) => Target::Call(claim.clone(), *number),
            Target::Hole => Target::Hole,
        }
    }

    /// Passes so many events of a run.
    pub(super) fn advance(&mut self, count: usize) {
        if let Target::Call(_, number) = self {
            *number += count as u64;
        }
    }

    /// Returns whether the event was taken back.
    pub(super) fn is_hole(&self) -> bool {
        match self {
            Target::Signal(_) => false,
            Target::Call(claim, number) => !claim.is_waiting(*number),
            Target::Hole => true,
        }
    }

    /// Returns whether it is the signal at this address.
    #[inline]
    pub(super) fn is_signal(&self, address: usize) -> bool {
        self.signal().is_some_and(|it| it.address() == address)
    }

    /// Returns whether it is the handler with this header.
    pub(super) fn is_of(&self, head: &Header<M>) -> bool {
        matches!(self, Target::Call(claim, _) if std::ptr::eq(claim.entry().head(), head))
    }

    /// The signal, unless the event belongs to one handler.
    #[inline]
    pub(super) fn signal(&self) -> Option<&Signal<M, E, C>> {
        match self {
            Target::Signal(signal) => Some(signal),
            Target::Call(..) | Target::Hole => None,
        }
    }
}

/// Consecutive calls of one handler that were claimed earlier. Neither they nor the drop of its captures unwind.
///
/// What a thread needs for a call is kept for the next one, as long as no other code runs in between: no hook, and no
/// subscriber. A handler that is cancelled has no further call, so that its captures go soon.
pub(super) struct Caller<'c, M: SignalFlavour, C: 'static> {
    claim: &'c Claim<M, C>,
    follows: Follows<'c>,
    calling: Option<Calling<'c, M, C>>,
}

impl<'c, M: SignalFlavour, C> Caller<'c, M, C> {
    pub(super) fn new(claim: &'c Claim<M, C>, follows: Follows<'c>) -> Self {
        Caller {
            claim,
            follows,
            calling: None,
        }
    }

    #[inline(always)]
    pub(super) fn call(&mut self, number: u64, drain: &mut ActiveDrain<'_, M, C>) {
        let Caller { claim, follows, .. } = *self;
        let head = claim.entry().head();
        let calling = self.calling.get_or_insert_with(|| Calling::begin(claim));
        let topic = || head.info.as_deref().map(SignalInfo::name);
        #[cfg(feature = "follow")]
        let work = (claim.is_waiting(number))
            .then(|| begin_work(head, follows))
            .flatten();
        let span = trace::call(|| (topic(), head.label(), head.location), follows.span());
        let result = calling.call(number, drain.context);
        #[cfg(feature = "follow")]
        end_work(work, head, result);
        let has_failed = thread::failures() > calling.mark;
        if has_failed || trace::is_enabled() {
            self.leave(drain);
        }
        span.leave();
        match result {
            None => drain.pass_hole(),
            Some(CallResult::Skipped) if head.has(state::CANCELLED) => drain.summary.given_up += 1,
            Some(CallResult::Skipped) => drain.summary.skipped += 1,
            Some(_) => drain.summary.delivered += 1,
        }
    }

    /// Lets go what the calls needed, and reports what has failed. To be called at the end.
    #[inline]
    pub(super) fn leave(&mut self, drain: &mut ActiveDrain<'_, M, C>) {
        let Some(calling) = self.calling.take() else {
            return;
        };
        let mark = calling.mark;
        let head = self.claim.entry().head();
        let config = &head.info.as_deref().unwrap_or(drain.info).config;
        // The captures, which may be dropped here, may be what keeps the hook.
        let may_need_hook = thread::failures() > mark || head.has(state::REMOVED);
        let _provided = may_need_hook.then(|| config.provided());
        drop(calling);
        if thread::failures() > mark {
            if let Some(report) = collect(0, mark, config) {
                drain.report(report, config.panics());
            }
        }
    }
}

/// Begins to record a call that waited, of a handler or of a posted closure.
#[cfg(feature = "follow")]
fn begin_work<M: SignalFlavour>(head: &Header<M>, follows: Follows<'_>) -> Option<Work> {
    let (origin, place) = (follows.origin(), head.location);
    if head.key == 0 {
        // No bus has it: it is recorded by what has led to it.
        return Work::begin_led(StepKind::Posted, origin, place);
    }
    let follower = head.info.as_ref().map_or(0, |info| info.config.follower());
    Work::begin(
        follower,
        StepKind::Queued,
        Some(key_of(head)),
        origin,
        place,
    )
}

/// Ends what [`begin_work`] has begun.
#[cfg(feature = "follow")]
fn end_work<M: SignalFlavour>(work: Option<Work>, head: &Header<M>, result: Option<CallResult>) {
    let Some(work) = work else { return };
    let Some(result) = result else {
        return work.forget();
    };
    let slow = work.end(!matches!(
        result,
        CallResult::Skipped | CallResult::Orphaned
    ));
    if let (Some(took), Some(info)) = (slow, head.info.as_deref()) {
        info.config.warn(&key_of(head).slow(info.name(), took));
    }
}

/// Continues the delivery of an event for which no handler was called: if its signal was closed since it
/// accepted the event, its handlers are called now. Counts the event if there is none.
#[cold]
#[inline(never)]
pub(super) fn unreached<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: &E,
    mut summary: EmissionSummary,
    follows: Follows<'_>,
    drain: &mut ActiveDrain<'_, M, C>,
) -> EmissionSummary {
    // A close marks the handlers first.
    let closed = signal.is_closed_by_now();
    if closed {
        summary.add(run_late(signal, event, drain.context, follows));
    }
    if summary.counts.ran() > 0 || summary.has_failed() {
        return summary;
    }
    if signal.is_silent() || !signal.has_receivers() {
        drain.summary.unhandled += 1;
        if closed && signal.unhandled().is_none() {
            drain.summary.untold += 1;
        }
    } else {
        drain.summary.skipped += 1;
    }
    summary
}
