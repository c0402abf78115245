//! Handlers whose work somebody else ends: what they do at once, and a future of its end where somebody waits for it.
//!
//! A bridge to other machines puts an event into its outbox in the emission, whatever kind of emission it is, and an
//! awaited one waits until the server has the event. A handler that is either plain or async cannot do that: of
//! emissions that are not awaited the one has no end to wait for, and the other needs an executor.

use std::future::Future;

use crate::core::handler::entry::CallResult;
use crate::core::handler::erased::{EmitContext, code};
use crate::core::handler::handler_fn::{Condition, HandlerFn, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::reclaim::counted::Live;
use crate::core::waiting::async_handler::{FutureFor, collect_future, is_awaited, start};
use crate::outcome::BoxError;
use crate::wiring::handler::HandlerKind;

/// A closure that is told whether the emission is awaited, and may return a future only then.
pub(crate) struct ConfirmedHandler<F>(pub(crate) F);

impl<M, E, C, F, T> HandlerFn<M, E, C> for ConfirmedHandler<F>
where
    M: FutureFor<T>,
    E: 'static,
    C: 'static,
    F: Fn(&E, bool) -> Result<Option<T>, BoxError> + 'static,
    T: Future<Output = Result<(), BoxError>> + 'static,
{
    type EntryState = ();

    fn kind(&self) -> (HandlerKind, usize) {
        (HandlerKind::Async, 0)
    }

    fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Condition<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
        event: &E,
        cx: &mut EmitContext<'_, C>,
    ) -> CallResult {
        let ConfirmedHandler(f) = &*entry.captures().callee;
        match f(event, is_awaited()) {
            Ok(Some(future)) => {
                collect_future(start(entry, M::future(future), cx));
                CallResult::Ran
            }
            Ok(None) => CallResult::Ran,
            Err(error) => code(entry.head(), Some(cx.topic_info()), Err::<(), _>(error)),
        }
    }
}
