//! The hook for unhandled events, which is called like a handler.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::failure::log::write_log;
use crate::core::failure::panics::{drop_payload, is_reported, message};
use crate::core::handler::entry::{CallResult, Header};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::thread;
use crate::topic::any_event::AnyEvent;
use crate::wiring::handler::HandlerKind;

/// A hook for unhandled events: called like a handler of a pattern, but not counted as one.
pub(crate) struct Unhandled<F>(pub(crate) F);

impl<M: Primitives, C: 'static, F: Fn(&AnyEvent) + 'static> HandlerFn<M, AnyEvent, C>
    for Unhandled<F>
{
    type EntryState = ();
    fn kind(&self) -> (HandlerKind, usize) {
        (HandlerKind::Hook, 0)
    }
    /// Passes the event to the hook, or logs it if a hook has emitted it.
    fn call(&self, _: &Header<M>, event: &AnyEvent, _: &mut EmitContext<'_, C>) -> CallResult {
        let Some(in_hook) = thread::begin_hook() else {
            let line = format!("event of topic {:?} is unhandled", event.topic());
            write_log(&line, None);
            return CallResult::Skipped;
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.0)(event))) {
            if !is_reported(&payload) {
                let line = format!("unhandled hook panicked: {}", message(&payload));
                write_log(&line, None);
            }
            drop_payload(payload);
        }
        drop(in_hook);
        CallResult::Skipped
    }
}
