//! Emitting the items of a stream.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::{FusedFuture, Stream};

use crate::core::emission::run::run_followed;
use crate::core::failure::link::Follows;
use crate::core::flavour::Flavour;
use crate::core::primitives::unwind::unwind_safe;
use crate::failure::CallSite;
use crate::signal::Signal;
use crate::signal::emission::Emission;

/// After so many items in a row it yields to other tasks.
const YIELD_AFTER: usize = 64;

#[doc = include_str!("../flavour/emit_all.md")]
#[must_use = "a future does nothing until it is polled"]
pub struct EmitAll<M: Flavour, S, E: 'static> {
    signal: Signal<M, E>,
    /// `None` once it has completed.
    stream: Option<Pin<Box<S>>>,
    emitted: usize,
    location: CallSite,
}

impl<M: Flavour, S: Stream<Item = E>, E: 'static> EmitAll<M, S, E> {
    pub(crate) fn new(signal: Signal<M, E>, stream: S, location: CallSite) -> Self {
        EmitAll {
            signal,
            stream: Some(Box::pin(stream)),
            emitted: 0,
            location,
        }
    }
}

impl<M: Flavour, S: Stream<Item = E>, E: 'static> Future for EmitAll<M, S, E> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let EmitAll {
            signal,
            stream,
            emitted,
            location,
        } = &mut *self;
        let location = *location;
        for _ in 0..YIELD_AFTER {
            let Some(items) = stream.as_mut().filter(|_| !signal.is_closed()) else {
                *stream = None;
                return Poll::Ready(*emitted);
            };
            match items.as_mut().poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(item)) if !signal.is_closed() => {
                    *emitted += 1;
                    let follows = Follows::of_line(location);
                    let summary = run_followed(&signal.core, &item, &mut (), follows);
                    Emission::finish(summary, || signal.core.info.config.panics());
                }
                Poll::Ready(_) => *stream = None,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<M: Flavour, S: Stream<Item = E>, E: 'static> FusedFuture for EmitAll<M, S, E> {
    fn is_terminated(&self) -> bool {
        self.stream.is_none()
    }
}

// The stream is pinned by its box.
impl<M: Flavour, S, E: 'static> Unpin for EmitAll<M, S, E> {}

impl<M: Flavour, S, E: 'static> fmt::Debug for EmitAll<M, S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitAll")
            .field("signal", &self.signal)
            .field("emitted", &self.emitted)
            .finish_non_exhaustive()
    }
}

unwind_safe! {
    [M: Flavour, S, E] EmitAll<M, S, E> where S;
}
