//! Where a deferred event goes: to the handlers of a signal, or to one handler that has claimed it.

use crate::core::emission::run::Runner;
use crate::core::failure::trace::{self, Follows};
use crate::core::handler::entry::CallResult;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::queue::claim::Claim;
use crate::core::queue::report::DrainReport;
use crate::core::settings::failure_source::{collect, drop_event, guarded};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::Signal;

/// Where an event goes.
pub(crate) enum Target<M: SignalFlavour, E: 'static, C: 'static> {
    /// To whoever is subscribed by then.
    Signal(M::Ptr<Signal<M, E, C>>),
    /// To one handler.
    Call(Claim<M, E, C>),
}

impl<M: SignalFlavour, E: 'static, C: 'static> Target<M, E, C> {
    /// Where its failures go.
    pub(crate) fn info(&self) -> Option<&SignalInfo<M>> {
        match self {
            Target::Signal(signal) => Some(&signal.info),
            Target::Call(claim) => claim.entry().head().info.as_deref(),
        }
    }

    /// Delivers one event, and drops it.
    pub(crate) fn deliver(
        self,
        event: E,
        follows: Follows<'_>,
        context: &mut C,
        tray: &mut DrainReport<'_, M>,
    ) {
        match &self {
            Target::Signal(signal) => {
                tray.delivered += 1;
                // Nothing may be pinned while the event is dropped.
                let report = Runner::new(signal, follows).emit(&event, context);
                if let Some(mut report) = report {
                    report.contain(signal.info.config.panics());
                    tray.report(Some(report));
                }
            }
            Target::Call(claim) => call(claim, &event, follows, context, tray),
        }
        drop_event(event, self.info().unwrap_or(tray.info), tray.location);
    }

    /// The same once more. `None` for a call, which is claimed once.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Target::Signal(signal) => Some(Target::Signal(signal.clone())),
            Target::Call(_) => None,
        }
    }
}

/// Makes one call that was claimed earlier. Neither it nor the drop of its captures unwinds.
pub(super) fn call<M: SignalFlavour, E, C>(
    claim: &Claim<M, E, C>,
    event: &E,
    follows: Follows<'_>,
    context: &mut C,
    tray: &mut DrainReport<'_, M>,
) {
    let Some(strong) = claim.entry().upgrade() else {
        return;
    };
    let scope = ActiveScope {
        inside: strong.address(),
        sequence_limit: 0,
    };
    let scope_guard = thread::enter_scope(scope);
    let mark = thread::failures();
    let mut code = CallResult::Failed;
    let head = claim.entry().head();
    let who = || {
        (
            head.info.as_deref().map(SignalInfo::name),
            head.label(),
            head.location,
        )
    };
    let span = trace::call(who, follows);
    let mut deliver = || code = strong.deliver(strong.alive(), event, context);
    let head = claim.entry().head();
    guarded(
        head.info.as_deref(),
        head.label(),
        head.location,
        &mut deliver,
    );
    drop(strong);
    drop(scope_guard);
    if thread::failures() > mark {
        let info = head.info.as_deref().unwrap_or(tray.info);
        if let Some(mut report) = collect(0, mark, &info.config) {
            report.contain(info.config.panics());
            tray.report(Some(report));
        }
    }
    span.leave();
    if code != CallResult::Skipped {
        tray.delivered += 1;
    }
}
