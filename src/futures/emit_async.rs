//! Awaited emissions.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::FusedFuture;

use crate::core::emission::summary::EmissionSummary;
use crate::core::emission::{gathered, run};
use crate::core::failure::link::{Follows, Parts};
use crate::core::flavour::Flavour;
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::primitives::unwind::unwind_safe;
use crate::core::settings::failure_source::drop_event;
use crate::core::signal::signal::{Signal as Core, sequence_limit};
use crate::core::waiting::async_handler::{HandlerFuture, collect_futures, poll_all, resume};
#[cfg(feature = "follow")]
use crate::core::{failure::report::set_cause, follow};
use crate::failure::CallSite;
use crate::signal::emission::Emission;

#[doc = include_str!("../flavour/emit_async.md")]
#[must_use = "nothing is emitted until it is awaited"]
pub struct EmitAsync<'c, M: Flavour, E: 'static, C: 'static = ()> {
    signal: M::Ptr<Core<M, E, C>>,
    context: &'c mut C,
    /// `None` once it has completed.
    event: Option<M::Ptr<E>>,
    location: CallSite,
    in_order: bool,
    begun: bool,
    /// The futures that were started and have not completed.
    futures: Vec<HandlerFuture<M>>,
    /// The handlers still to be called, in order.
    rest: std::vec::IntoIter<HandlerRef<M, C>>,
    /// The sequence number below which handlers may be called.
    sequence_limit: u64,
    /// How many handlers there are in order, less those whose target turned out to be dead.
    live: usize,
    summary: EmissionSummary,
    parts: Parts,
    /// An emission in order is recorded here; one of all at once where it begins.
    #[cfg(feature = "follow")]
    work: Option<follow::LongWork>,
}

impl<'c, M: Flavour, E: 'static, C: 'static> EmitAsync<'c, M, E, C> {
    /// `location` is that of the emission.
    pub(crate) fn new(
        signal: M::Ptr<Core<M, E, C>>,
        context: &'c mut C,
        event: E,
        location: CallSite,
    ) -> Self {
        EmitAsync {
            signal,
            context,
            event: Some(M::ptr(event)),
            location,
            in_order: false,
            begun: false,
            futures: Vec::new(),
            rest: Vec::new().into_iter(),
            sequence_limit: 0,
            live: 0,
            summary: EmissionSummary::NOTHING,
            parts: Parts::new(location),
            #[cfg(feature = "follow")]
            work: None,
        }
    }
}

impl<M: Flavour, E: 'static, C: 'static> EmitAsync<'_, M, E, C> {
    /// Calls each handler after the future that the one before it has started has completed,
    /// instead of all at once: so that a [`Flow::Stop`](crate::Flow::Stop) of an async handler
    /// keeps those after it from being called.
    ///
    /// The list of handlers is fixed when the emission begins; whether a handler is still live is
    /// checked before its call. A signal that is closed meanwhile ends the emission.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Flow, Signal};
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let mut future = std::pin::pin!(future);
    /// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop { if let std::task::Poll::Ready(it) = future.as_mut().poll(&mut cx) { return it } }
    /// # }
    ///
    /// let delete = Signal::<String>::new();
    /// let _guard = delete.subscribe().on_async(async |path: std::sync::Arc<String>| {
    ///     if path.starts_with("/etc") { Flow::Stop } else { Flow::Continue }
    /// });
    /// let _delete = delete.on(|path| assert_ne!(path, "/etc/passwd"));
    /// let done = block_on(delete.emit_async("/etc/passwd".into()).in_order());
    /// assert!(done.stopped() && done.ran() == 1);
    /// ```
    pub fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    /// This emission, as a waiting cancel of one of its handlers sees it: called from in here it would
    /// wait for this very poll.
    fn scope(&self, sequence_limit: u64) -> ActiveScope {
        let inside = self.signal.address();
        ActiveScope {
            inside,
            sequence_limit,
        }
    }

    fn begin(&mut self, event: &M::Ptr<E>) {
        self.begun = true;
        if self.in_order {
            let mut handlers = Vec::new();
            match gathered::collect_handlers(&self.signal, event, self.context, &mut handlers) {
                Some(sequence_limit) => {
                    self.sequence_limit = sequence_limit;
                    #[cfg(feature = "follow")]
                    {
                        let info = &self.signal.info;
                        let (follower, topic_info) = (info.config.follower(), &info.topic_info);
                        let of_emission = follow::LongWork::of_emission;
                        self.work = Some(of_emission(follower, topic_info, self.location));
                    }
                }
                None => self.summary = EmissionSummary::CLOSED,
            }
            self.live = handlers.len();
            self.rest = handlers.into_iter();
        } else {
            let follows = Follows::of_part(&self.parts);
            let emit = |event: &E| run::run_followed(&self.signal, event, self.context, follows);
            (self.summary, self.futures) = collect_futures(event, self.signal.max_depth, emit);
            // Not before: a signal that retains events clones them first, and a clone may
            // subscribe.
            self.sequence_limit = sequence_limit();
        }
    }

    /// Calls the next handler, if the emission is in order; returns whether there was one.
    fn call_next(&mut self, event: &M::Ptr<E>) -> bool {
        let config = &self.signal.info.config;
        if self.summary.counts.stopped() || self.summary.counts.closed() {
            // Drops of captures may panic.
            let rest = std::mem::take(&mut self.rest);
            self.summary.add(resume(config, |_| drop(rest)));
        }
        let Some(handler) = self.rest.next() else {
            return false;
        };
        let (summary, futures) = collect_futures(event, self.signal.max_depth, |event: &E| {
            let follows = Follows::of_part(&self.parts);
            gathered::run_one(&handler, event, &self.signal.info, self.context, follows)
        });
        let orphaned = summary.counts.orphaned();
        self.summary.add(summary);
        self.futures = futures;
        self.summary.add(resume(config, |_| drop(handler)));
        if orphaned {
            self.live -= 1;
            let hook = (self.live == 0).then(|| self.signal.unhandled());
            if let Some(hook) = hook.flatten() {
                // Catches its own panics.
                let info = &self.signal.info;
                let follows = Follows::of_part(&self.parts);
                _ = gathered::run_one(&hook, &**event, info, self.context, follows);
            }
        }
        true
    }
}

impl<M: Flavour, E: 'static, C: 'static> Future for EmitAsync<'_, M, E, C> {
    type Output = Emission;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Emission> {
        let this = &mut *self;
        let Some(event) = this.event.clone() else {
            panic!("`EmitAsync` was polled again after it had ended")
        };
        let info = &*this.signal.info.clone();
        let config = &info.config;
        if !this.begun {
            let _scope_guard = thread::enter_scope(this.scope(sequence_limit()));
            this.begin(&event);
        }
        let _scope_guard = thread::enter_scope(this.scope(this.sequence_limit));
        #[cfg(feature = "follow")]
        let work = this.work.take();
        #[cfg(feature = "follow")]
        let part = work.as_ref().map(follow::LongWork::enter);
        loop {
            let span_guard = this.parts.span.enter();
            let summary = poll_all(&mut this.futures, config, cx);
            span_guard.leave();
            this.summary.add(summary);
            if !this.futures.is_empty() {
                #[cfg(feature = "follow")]
                {
                    drop(part);
                    this.work = work;
                }
                return Poll::Pending;
            }
            if !this.call_next(&event) {
                break;
            }
        }
        let events = (event, this.event.take());
        let dropped = resume(config, |_| drop_event(events, info, this.location));
        this.summary.add(dropped);
        let counts = &this.summary.counts;
        this.parts.span.record(counts.ran(), counts.stopped());
        this.parts.span = Default::default();
        #[cfg(feature = "follow")]
        {
            drop(part);
            if let Some((work, cause)) = work.and_then(|it| it.cause().map(|cause| (it, cause))) {
                set_cause(&mut this.summary.report, Some(cause));
                work.end(None);
                work.note(&info.topic_info, counts.ran(), counts.stopped());
            }
        }
        let summary = std::mem::replace(&mut this.summary, EmissionSummary::NOTHING);
        Poll::Ready(Emission::finish(summary, || config.panics()))
    }
}

impl<M: Flavour, E: 'static, C: 'static> FusedFuture for EmitAsync<'_, M, E, C> {
    fn is_terminated(&self) -> bool {
        self.event.is_none()
    }
}

impl<M: Flavour, E: 'static, C: 'static> Drop for EmitAsync<'_, M, E, C> {
    fn drop(&mut self) {
        let _scope_guard = thread::enter_scope(self.scope(self.sequence_limit));
        self.futures.clear();
        // One by one: drops of captures and of the event may panic.
        self.rest.by_ref().for_each(drop);
        drop_event(self.event.take(), &self.signal.info, self.location);
    }
}

impl<M: Flavour, E: 'static, C: 'static> Unpin for EmitAsync<'_, M, E, C> {}

impl<M: Flavour, E: 'static, C: 'static> fmt::Debug for EmitAsync<'_, M, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitAsync")
            .field("topic", &self.signal.info.name().as_str())
            .field("begun", &self.begun)
            .field("running", &self.futures.len())
            .finish_non_exhaustive()
    }
}

unwind_safe! {
    ['c, M: Flavour, E: 'static, C: 'static] EmitAsync<'c, M, E, C>;
}
