//! Handlers that emit each event on another signal.

use crate::core::emission::run as emission;
use crate::core::failure::link::Follows;
use crate::core::handler::entry::{CallResult, Header};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::Signal;
use crate::wiring::handler::HandlerKind;

/// Emits each event on another signal, while that exists and is open.
pub(crate) struct Forward<M: SignalFlavour, E, C: 'static> {
    target: M::Weak<Signal<M, E, C>>,
    /// To check whether the target was closed without upgrading it: that check must drop nothing.
    info: M::Ptr<SignalInfo<M>>,
}

impl<M: SignalFlavour, E, C> Forward<M, E, C> {
    pub(crate) fn new(target: &M::Ptr<Signal<M, E, C>>) -> Self {
        Forward {
            target: M::downgrade(target),
            info: target.info.clone(),
        }
    }
}

impl<M: SignalFlavour, E: 'static, C: 'static> HandlerFn<M, E, C> for Forward<M, E, C> {
    const WEAK: bool = true;
    type EntryState = ();
    fn kind(&self) -> (HandlerKind, usize) {
        let topic = self.info.name().as_str().to_owned();
        let target = M::address(&self.target).addr();
        (HandlerKind::Forward { topic }, target)
    }
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let Some(target) = M::upgrade(&self.target) else {
            return CallResult::Orphaned;
        };
        // An emission of its own: it reports its failures itself, and a stop ends only this one.
        let summary = {
            let follows = Follows::of_line(head.location);
            emission::run_followed(&target, event, cx.context, follows)
        };
        if summary.counts.closed() && summary.counts.ran() == 0 {
            // It was closed after the check.
            return CallResult::Orphaned;
        }
        if let Some(report) = summary.report {
            drop(report.resume(self.info.config.panics()));
        }
        CallResult::Ran
    }
    fn is_alive(&self) -> bool {
        M::exists(&self.target) && !self.info.topic_info.is_closed()
    }
}
