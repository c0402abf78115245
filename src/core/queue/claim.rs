//! Calls that were claimed and wait in a queue, and closures that are posted to one.

use crate::core::handler::entry::{Anchor, Code, Contents, Deliver, Draft, Entity, Entry};
use crate::core::handler::erased::code;
use crate::core::handler::plain::Once;
use crate::core::primitives::flavour::Primitives as Mode;
use crate::core::settings::signal_info::Home;
use crate::failure::Place;
use crate::outcome::Outcome;

/// A call that was claimed and waits in a queue. Settled when it is dropped, called or not.
pub(crate) struct Claim<M: Mode, E: 'static, C: 'static>(Anchor<M, dyn Deliver<M, E, C>>);

impl<M: Mode, E, C> Claim<M, E, C> {
    pub(super) fn new(entry: Anchor<M, dyn Deliver<M, E, C>>) -> Self {
        Claim(entry)
    }

    pub(crate) fn entry(&self) -> &Anchor<M, dyn Deliver<M, E, C>> {
        &self.0
    }
}

impl<M: Mode, E, C> Drop for Claim<M, E, C> {
    fn drop(&mut self) {
        if self.0.settle() {
            self.0.release();
        }
    }
}

/// A closure that was posted to a queue.
pub(crate) struct Posted<M: Mode, F>(Once<M::Lock<Option<F>>, F>);

impl<M: Mode, C: 'static, F, R> Deliver<M, (), C> for Entry<M, (), Posted<M, F>>
where
    F: FnOnce(&mut C) -> R + 'static,
    R: Outcome,
{
    unsafe fn deliver(&self, (): &(), context: &mut C) -> Code {
        // SAFETY: the caller has a hold.
        let f = unsafe { self.captures() }.0.take();
        f.map_or(Code::Skipped, |f| code(self.head(), None, f(context)))
    }
    fn settle(&self) -> bool {
        true
    }
}

impl<M: Mode, F> Contents for Posted<M, F> {}

/// The claim of a posted closure.
pub(crate) fn posted<M, C, F, R>(f: F, home: M::Ptr<Home<M>>, place: Place) -> Claim<M, (), C>
where
    M: Mode,
    C: 'static,
    F: FnOnce(&mut C) -> R + 'static,
    R: Outcome,
{
    let draft = Draft::alone(place, Some(home));
    let entry = Anchor::<M, Entry<M, _, _>>::new(draft, (), Posted::<M, F>(Once::new(f)));
    Claim(entry.cast::<dyn Deliver<M, (), C>>(|entry| entry))
}
