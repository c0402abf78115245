//! The hook for unhandled events, which is called like a handler.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::failure::log::write_log;
use crate::core::failure::panics::{drop_payload, message};
use crate::core::handler::entry::{CallResult, Header};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::thread;
use crate::topic::any_event::AnyEvent;

/// A hook for unhandled events: called like a handler of a pattern, but not counted as one.
pub(crate) struct Unhandled<F>(pub(crate) F);

impl<M: Primitives, C: 'static, F: Fn(&AnyEvent) + 'static> HandlerFn<M, AnyEvent, C>
    for Unhandled<F>
{
    type EntryState = ();
    fn call(&self, _: &Header<M>, event: &AnyEvent, _: &mut EmitContext<'_, C>) -> CallResult {
        tell_unhandled(event, &self.0);
        CallResult::Skipped
    }
}

/// Passes an event to the hook, or logs it if a hook has emitted it.
fn tell_unhandled(event: &AnyEvent, tell: impl Fn(&AnyEvent)) {
    let Some(in_hook) = thread::begin_hook() else {
        let line = format!("event of topic {:?} is unhandled", event.topic());
        return write_log(&line, None);
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| tell(event))) {
        let line = format!("unhandled hook panicked: {}", message(&payload));
        write_log(&line, None);
        drop_payload(payload);
    }
    drop(in_hook);
}
