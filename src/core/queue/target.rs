//! Where a deferred event goes: to the handlers of a signal, or to one handler that has claimed it.

use crate::core::emission::run::Run;
use crate::core::failure::trace::{self, Follows};
use crate::core::handler::entry::Code;
use crate::core::primitives::thread::{self, Frame};
use crate::core::queue::claim::Claim;
use crate::core::queue::report::Tray;
use crate::core::settings::failure_source::{collect, drop_event, guarded};
use crate::core::settings::signal_info::Home;
use crate::core::signal::directory::Signals as Mode;
use crate::core::signal::signal::Signal;

/// Where an event goes.
pub(crate) enum Target<M: Mode, E: 'static, C: 'static> {
    /// To whoever is subscribed by then.
    Signal(M::Ptr<Signal<M, E, C>>),
    /// To one handler.
    Call(Claim<M, E, C>),
}

impl<M: Mode, E: 'static, C: 'static> Target<M, E, C> {
    /// Where its failures go.
    pub(crate) fn home(&self) -> Option<&Home<M>> {
        match self {
            Target::Signal(signal) => Some(&signal.home),
            Target::Call(claim) => claim.entry().head().home.as_deref(),
        }
    }

    /// Delivers one event, and drops it.
    pub(crate) fn deliver(
        self,
        event: E,
        follows: Follows<'_>,
        context: &mut C,
        tray: &mut Tray<'_, M>,
    ) {
        match &self {
            Target::Signal(signal) => {
                tray.delivered += 1;
                // Nothing may be pinned while the event is dropped.
                let report = Run::new(signal, follows).emit(&event, context);
                if let Some(mut report) = report {
                    report.contain(signal.home.settings.panics());
                    tray.report(Some(report));
                }
            }
            Target::Call(claim) => call(claim, &event, follows, context, tray),
        }
        drop_event(event, self.home().unwrap_or(tray.home), tray.place);
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
pub(super) fn call<M: Mode, E, C>(
    claim: &Claim<M, E, C>,
    event: &E,
    follows: Follows<'_>,
    context: &mut C,
    tray: &mut Tray<'_, M>,
) {
    let Some(hold) = claim.entry().hold() else {
        return;
    };
    let frame = Frame {
        inside: hold.entry().address(),
        horizon: 0,
    };
    let occupied = thread::occupy(frame);
    let mark = thread::failures();
    let mut code = Code::Failed;
    let head = claim.entry().head();
    let who = || {
        (
            head.home.as_deref().map(Home::name),
            head.label(),
            head.place,
        )
    };
    let span = trace::call(who, follows);
    // SAFETY: `hold` is one.
    let mut deliver = || code = unsafe { hold.entry().deliver(event, context) };
    let head = claim.entry().head();
    guarded(head.home.as_deref(), head.label(), head.place, &mut deliver);
    drop(hold);
    drop(occupied);
    if thread::failures() > mark {
        let home = head.home.as_deref().unwrap_or(tray.home);
        if let Some(mut report) = collect(0, mark, &home.settings) {
            report.contain(home.settings.panics());
            tray.report(Some(report));
        }
    }
    span.leave();
    if code != Code::Skipped {
        tray.delivered += 1;
    }
}
