//! A handler in its signal: what concerns it without its captures.
//!
//! Nothing here is generic over the handler. A program has the code of [`handler_fn`](super::handler_fn) once
//! for each closure that it subscribes, and this once for each type of event.

use crate::core::handler::entry::{CallResult, Header, state};
use crate::core::handler::erased::{EmitContext, ErasedEvent, HandlerRef, is_any};
use crate::core::handler::owner::Owner;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::settings::signal_info::SignalInfo;
use crate::topic::any_event::Kind;

/// The header of a handler, and its reference to its signal.
pub(crate) struct Registered<'e, M: Primitives, S> {
    pub(crate) head: &'e Header<M>,
    pub(crate) signal: &'e M::Weak<S>,
}

/// The flag of a handler that is not called any more. A late event reaches those that a close has removed.
fn ended(late: bool) -> usize {
    if late {
        state::CANCELLED
    } else {
        state::REMOVED
    }
}

impl<M: Primitives, S: Owner<M>> Registered<'_, M, S> {
    /// Removes the handler, or the one that has replaced it, from its signal. Returns whether it was
    /// there.
    pub(crate) fn remove(&self, flags: usize) -> bool {
        let signal = M::upgrade(self.signal);
        signal.is_some_and(|signal| signal.remove(self.head.key, self.head.sequence, flags))
    }

    /// Like [`remove`](Self::remove), but leaves one that has replaced it.
    pub(crate) fn remove_itself(&self, flags: usize) -> bool {
        let signal = M::upgrade(self.signal);
        signal.is_some_and(|signal| signal.remove_itself(self.head, flags))
    }

    /// Cancels the handler after a call that has asked for it. Returns whether it was removed before, and its
    /// entry is to be released.
    #[cold]
    pub(crate) fn cancel_itself(&self) -> bool {
        if self.remove_itself(state::CANCELLED) || self.head.has(state::REPLACED) {
            return false;
        }
        self.head.set_cancelled();
        true
    }

    /// Checks whether the handler is connected and not paused. Returns the result of the call if it is not
    /// to be made. `late`: the event was accepted before a close, which therefore does not count.
    #[cold]
    pub(crate) fn refuse(&self, is_orphaned: bool, late: bool) -> Option<CallResult> {
        let original = self.head.original();
        match original.state.get() {
            state if state & state::CLOSED != 0 && !late => Some(CallResult::Closed),
            state if state & ended(late) != 0 => Some(CallResult::Skipped),
            // A limit that is used up removes the handler, but a close has done that before.
            _ if late && original.is_used_up() => Some(CallResult::Skipped),
            _ if is_orphaned => {
                self.remove_itself(state::CANCELLED);
                Some(CallResult::Orphaned)
            }
            _ if original.is_paused() => Some(CallResult::Skipped),
            _ => {
                if self.head.has(state::HELD) {
                    // For all handlers of the signal: the first that is called after the pause.
                    _ = M::upgrade(self.signal).map(|signal| signal.unhold());
                }
                None
            }
        }
    }

    /// Checks after the filter whether the handler is still connected and was not replaced. Whether it is
    /// paused was checked before.
    #[cold]
    pub(crate) fn check_again<'r>(
        &self,
        is_orphaned: bool,
        claim: &mut dyn FnMut() -> Option<CallResult>,
        erased: ErasedEvent<'r>,
        cx: &mut EmitContext<'r, S::Context>,
    ) -> Option<CallResult> {
        let late = cx.topic_info().is_late();
        let removed = self.head.original().has(ended(late));
        if !removed && self.head.has(state::REPLACED) {
            // Before the claim, which may be the last and remove it from the roster.
            return Some(match self.current() {
                Ok(current) => claim().unwrap_or_else(|| current.enter(erased, cx)),
                Err(result) => result,
            });
        }
        if removed || is_orphaned {
            return Some(
                self.refuse(is_orphaned, late)
                    .unwrap_or(CallResult::Skipped),
            );
        }
        None
    }

    /// Calls the latest replacement of the handler, for an emission that has the replaced one in its list.
    #[cold]
    pub(crate) fn pass_on<'r>(
        &self,
        event: ErasedEvent<'r>,
        cx: &mut EmitContext<'r, S::Context>,
    ) -> CallResult {
        match self.current() {
            Ok(current) => current.call(event, cx),
            Err(result) => result,
        }
    }

    /// The latest replacement of the handler. An error is the result of the call if there is none.
    fn current(&self) -> Result<HandlerRef<M, S::Context>, CallResult> {
        let signal = M::upgrade(self.signal);
        let current = signal.and_then(|it| it.current(self.head.key, self.head.sequence));
        current.ok_or_else(|| match self.head.original().has(state::CLOSED) {
            true => CallResult::Closed,
            false => CallResult::Skipped,
        })
    }

    /// Returns whether the target and the owner of its latest replacement are alive.
    pub(crate) fn is_replacement_alive(&self) -> bool {
        self.current().is_ok_and(|current| current.is_alive())
    }

    /// Returns whether emissions of the signal at this address call it.
    pub(crate) fn is_run_by(&self, signal: usize) -> bool {
        // The signal may have gone, with its last handler or with its bus.
        let pattern = |info: &SignalInfo<M>| {
            info.topic_info.kind == Kind::Pattern && info.config.matches(info.name(), signal)
        };
        M::address(self.signal).addr() == signal
            || (is_any::<S::Event>() && self.head.info.as_deref().is_some_and(pattern))
    }
}
