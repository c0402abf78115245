//! Handlers that emit each event on another signal as well.

use crate::core::emission::run as emission;
use crate::core::handler::entry::{Code, Head, Round};
use crate::core::handler::handler_fn::Callee;
use crate::core::settings::signal_info::Home;
use crate::core::signal::directory::Signals as Mode;
use crate::core::signal::signal::Signal;

/// Emits each event on another signal as well, while that is there and open.
pub(crate) struct Forward<M: Mode, E, C: 'static> {
    target: M::Weak<Signal<M, E, C>>,
    /// Says whether the target was closed, without keeping it: to ask must drop nothing.
    home: M::Ptr<Home<M>>,
}

impl<M: Mode, E, C> Forward<M, E, C> {
    pub(crate) fn new(target: &M::Ptr<Signal<M, E, C>>) -> Self {
        Forward {
            target: M::downgrade(target),
            home: target.home.clone(),
        }
    }
}

impl<M: Mode, E: 'static, C: 'static> Callee<M, E, C> for Forward<M, E, C> {
    const WEAK: bool = true;
    type Kept = ();
    fn call(&self, _: &Head<M>, event: &E, round: &mut Round<'_, C>) -> Code {
        let Some(target) = M::upgrade(&self.target) else {
            return Code::Skipped;
        };
        // An emission of its own: it reports its failures itself, and its stop ends itself alone.
        let tally = emission::run(&target, event, round.context);
        if let Some(report) = tally.report {
            drop(report.resume(self.home.settings.panics()));
        }
        Code::Ran
    }
    fn lives(&self) -> bool {
        M::exists(&self.target) && !self.home.subject.is_closed()
    }
}
