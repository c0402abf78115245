//! Closures that only observe: hooks, and wakes.

use crate::core::failure::pending as faults;
use crate::core::handler::entry::{Anchor, Code, Contents, Deliver, Draft, Entry, Head, Round};
use crate::core::handler::handler_fn::Callee;
use crate::core::mode::Mode;
use crate::core::settings::signal_info::{Hook, Place};
use crate::topic::pattern::AnyEvent;

/// A closure that only observes: a hook, or a wake.
struct Observer<F>(F);

impl<F> Contents for Observer<F> {}

impl<M: Mode, T, F: Fn(&T) + 'static> Deliver<M, T, ()> for Entry<M, (), Observer<F>> {
    unsafe fn deliver(&self, subject: &T, (): &mut ()) -> Code {
        // SAFETY: the caller has a hold.
        (unsafe { self.captures() }.0)(subject);
        Code::Ran
    }
    fn settle(&self) -> bool {
        false
    }
}

/// A hook that calls `f`.
pub(crate) fn hook<M: Mode, T: 'static, F: Fn(&T) + 'static>(f: F, place: Place) -> Hook<M, T> {
    let draft = Draft::alone(place, None);
    let entry = Anchor::<M, Entry<M, _, _>>::new(draft, (), Observer(f));
    entry.cast::<dyn Deliver<M, T, ()>>(|entry| entry)
}

/// A hook for unhandled events: called like a handler of a pattern, and counted as none.
pub(crate) struct Unhandled<F>(pub(crate) F);

impl<M: Mode, C: 'static, F: Fn(&AnyEvent) + 'static> Callee<M, AnyEvent, C> for Unhandled<F> {
    type Kept = ();
    fn call(&self, _: &Head<M>, event: &AnyEvent, _: &mut Round<'_, C>) -> Code {
        faults::tell_unhandled(event, &self.0);
        Code::Skipped
    }
}
