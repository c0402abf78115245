//! Claimed calls, which wait in a queue, and closures that are posted to one.

use crate::core::handler::entry::{Alive, CallResult, Entry, Header, QueuedHandler, WeakRef};
use crate::core::handler::erased::code;
use crate::core::handler::plain::Once;
use crate::core::primitives::flavour::Primitives;
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::CallSite;
use crate::outcome::Outcome;

/// A call that was claimed and waits in a queue. Settled when it is dropped, whether it was made or
/// not.
pub(crate) struct Claim<M: Primitives, E: 'static, C: 'static>(
    pub(crate) WeakRef<M, dyn QueuedHandler<M, E, C>>,
);

impl<M: Primitives, E, C> Claim<M, E, C> {
    pub(super) fn entry(&self) -> &WeakRef<M, dyn QueuedHandler<M, E, C>> {
        &self.0
    }
}

impl<M: Primitives, E, C> Drop for Claim<M, E, C> {
    fn drop(&mut self) {
        if self.0.settle() {
            self.0.release();
        }
    }
}

/// A posted closure.
impl<M: Primitives, C: 'static, F, R> QueuedHandler<M, (), C> for Entry<M, (), Once<M, F>>
where
    F: FnOnce(&mut C) -> R + 'static,
    R: Outcome,
{
    fn deliver(&self, alive: Alive<'_>, (): &(), context: &mut C) -> CallResult {
        let f = self.live(alive).and_then(|it| it.captures().take());
        f.map_or(CallResult::Skipped, |f| code(self.head(), None, f(context)))
    }
    fn settle(&self) -> bool {
        true
    }
}

/// The claim of a posted closure.
pub(crate) fn posted<M: Primitives, C: 'static, R: Outcome>(
    f: impl FnOnce(&mut C) -> R + 'static,
    info: M::Ptr<SignalInfo<M>>,
    location: CallSite,
) -> Claim<M, (), C> {
    let header = Header::alone(location, Some(info));
    let entry = WeakRef::<M, Entry<M, (), Once<M, _>>>::new(header, (), Once::new(f));
    Claim(entry.erase(|entry| entry as &dyn QueuedHandler<M, (), C>))
}
