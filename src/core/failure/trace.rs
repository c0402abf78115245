//! Spans and events for a `tracing` subscriber, with the feature of that name. Without the feature, the
//! same functions do nothing, and their types are zero-sized.
//!
//! A subscriber is user code. It is called where handlers may be called, never under a lock. While it
//! runs, nothing of this crate is traced on its thread. Its panics are caught here.
//!
//! # Decisions
//!
//! **Tracing surrounds the loop and is not part of the handler list.** Two entries, of the highest and the
//! lowest priority, could not record how many handlers ran and that one stopped. They would miss an
//! emission that ends early, and would exist with the feature off. A span in `core::emission` has all of
//! that. It is on a path of its own, so that the usual path has the same instructions as without the
//! feature, except for a check of the level.
//!
//! The subscriber is called inside of the emission's level. A flag of the thread keeps what the subscriber
//! itself does from being traced, because a subscriber that emits would recurse without end. Its panics are
//! caught, because a drain that unwinds halfway loses count of its events.
//!
//! **An awaited emission has one span**, which its future keeps and enters whenever it polls, and each future
//! that a handler has started has one of its own inside of that, with the label and the place of its handler.
//! So what a handler does after an `.await` is found under both, whichever thread polls it.
//!
//! **The spans of what is followed have its cause**, so that a line of a log leads to its trail.
//!
//! **With `tracing` on and no subscriber, the log stays on standard error.** Features are united over all
//! crates of a program, so the crate that turned this one on need not be the one whose users read the
//! errors.

#[cfg(not(feature = "tracing"))]
pub(crate) use off::*;
#[cfg(feature = "tracing")]
pub(crate) use on::*;

#[cfg(feature = "tracing")]
mod on {
    use std::cell::Cell;
    use std::sync::{Arc, OnceLock};

    use tracing::dispatcher::get_default;
    use tracing::field::Empty;
    use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
    use tracing::span::EnteredSpan;
    use tracing::subscriber::NoSubscriber;
    use tracing::{Level, Span, event, span, span_enabled};

    use crate::core::failure::panics;
    use crate::failure::{CallSite, HandlerError};
    use crate::topic::name::Name;

    const TARGET: &str = "slotcast";
    /// The level of spans, and of failures as they happen.
    const LEVEL: Level = Level::DEBUG;

    thread_local! {
        /// Whether the subscriber runs. What it emits is not traced, or it could recurse without end.
        static BUSY: Cell<bool> = const { Cell::new(false) };
    }

    /// Returns whether a subscriber may want the level. Whether it does is known to the callsite.
    #[inline(always)]
    pub(crate) fn is_enabled() -> bool {
        LEVEL <= STATIC_MAX_LEVEL && LEVEL <= LevelFilter::current()
    }

    /// Calls the subscriber. Returns `None` if it panics, or runs already.
    fn call_subscriber<R>(f: impl FnOnce() -> R) -> Option<R> {
        if BUSY.replace(true) {
            return None;
        }
        let returned = panics::catch_silently(f);
        BUSY.set(false);
        returned
    }

    /// The span that was current when an event was deferred. Dropping the last clone calls the
    /// subscriber; cloning does not.
    ///
    /// Behind a pointer, so that most of the time a null pointer is stored and compared.
    #[derive(Clone)]
    pub(crate) struct SpanLink(Option<Arc<Span>>);

    impl SpanLink {
        pub(crate) const NONE: SpanLink = SpanLink(None);

        /// The current span, if one is wanted.
        #[inline]
        pub(crate) fn here() -> Self {
            SpanLink(if is_enabled() { current() } else { None })
        }

        /// Returns whether both are the same span. Does not call the subscriber.
        #[inline]
        pub(crate) fn is(&self, other: &SpanLink) -> bool {
            let id = |link: &SpanLink| link.0.as_ref().map(|span| span.id());
            id(self) == id(other)
        }

        /// Moves the span out, so that the rest may be dropped under a lock.
        #[inline]
        pub(crate) fn take(&mut self) -> SpanLink {
            SpanLink(self.0.take())
        }

        /// The span that the span of the delivery follows from.
        #[inline]
        pub(crate) fn follows(&self) -> FollowsFrom<'_> {
            match &self.0 {
                Some(span) => FollowsFrom::Span(span),
                None => FollowsFrom::NONE,
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn current() -> Option<Arc<Span>> {
        let current = || {
            // If the span of the delivery is not wanted, what it follows from is not needed.
            let current = span_enabled!(target: TARGET, LEVEL, topic).then(Span::current);
            current.filter(|span| span.id().is_some()).map(Arc::new)
        };
        call_subscriber(current).flatten()
    }

    impl Drop for SpanLink {
        #[inline]
        fn drop(&mut self) {
            if let Some(span) = self.0.take() {
                call_subscriber(|| drop(span));
            }
        }
    }

    /// Where the span of an emission comes from.
    #[derive(Clone, Copy)]
    pub(crate) enum FollowsFrom<'l> {
        /// It follows from nothing.
        Nothing,
        /// It follows from this one.
        Span(&'l Span),
        /// It is this one, which is created where it is needed first.
        Kept(&'l KeptSpan),
    }

    impl FollowsFrom<'_> {
        pub(crate) const NONE: FollowsFrom<'static> = FollowsFrom::Nothing;
    }

    /// A span that is entered again and again, until it is dropped: of an awaited emission, or of a future
    /// that a handler has started.
    #[derive(Default)]
    pub(crate) struct KeptSpan(OnceLock<Box<Span>>);

    impl KeptSpan {
        /// The span of a call whose handler has started a future.
        pub(crate) fn of_call<'c>(
            source: impl FnOnce() -> (Option<&'c Name>, Option<&'c str>, CallSite),
        ) -> Self {
            let kept = KeptSpan::default();
            if is_enabled() {
                call_subscriber(|| _ = kept.get_or_keep(|| call_span(source())));
            }
            kept
        }

        /// The span of an emission that has several parts.
        pub(crate) fn of_emission(&self) -> FollowsFrom<'_> {
            FollowsFrom::Kept(self)
        }

        /// Its span, which is created where there is none. Runs inside of `call_subscriber`.
        fn get_or_keep(&self, span: impl FnOnce() -> Span) -> Option<Span> {
            if self.0.get().is_none() {
                let _ = self.0.set(Box::new(span()));
            }
            self.0.get().map(|span| (**span).clone())
        }

        /// Enters it, until the guard is dropped.
        pub(crate) fn enter(&self) -> KeptGuard<'_> {
            let Some(span) = self.0.get() else {
                return KeptGuard(None);
            };
            let enter = || span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
            KeptGuard(call_subscriber(enter).map(|_| &**span))
        }

        /// Records the result of an emission.
        pub(crate) fn record(&self, ran: u32, stopped: bool) {
            if let Some(span) = self.0.get() {
                record(span, ran, stopped);
            }
        }
    }

    impl Drop for KeptSpan {
        fn drop(&mut self) {
            if let Some(span) = self.0.take() {
                call_subscriber(|| drop(span));
            }
        }
    }

    /// Leaves a span when dropped.
    pub(crate) struct KeptGuard<'k>(Option<&'k Span>);

    impl KeptGuard<'_> {
        pub(crate) fn leave(self) {}
    }

    impl Drop for KeptGuard<'_> {
        fn drop(&mut self) {
            if let Some(span) = self.0 {
                call_subscriber(|| span.with_subscriber(|(id, dispatch)| dispatch.exit(id)));
            }
        }
    }

    /// The entered span of an emission or a call, until it is dropped. Boxed, so that it mostly is a null
    /// pointer, as a [`SpanLink`] is.
    pub(crate) struct TracedSpan(Option<Box<Entered>>);

    struct Entered {
        span: EnteredSpan,
        /// Whoever keeps it records its result.
        is_part: bool,
    }

    impl TracedSpan {
        #[cold]
        #[inline(never)]
        fn enter(follows: FollowsFrom<'_>, span: impl FnOnce() -> Span) -> Self {
            let enter = || {
                let span = match follows {
                    FollowsFrom::Kept(kept) => kept.get_or_keep(span)?,
                    _ => span(),
                };
                if span.is_disabled() {
                    return None;
                }
                if let FollowsFrom::Span(link) = follows {
                    span.follows_from(link);
                }
                Some(Box::new(Entered {
                    span: span.entered(),
                    is_part: matches!(follows, FollowsFrom::Kept(_)),
                }))
            };
            TracedSpan(call_subscriber(enter).flatten())
        }

        /// Ends the span of an emission, and records its result.
        #[inline(always)]
        pub(crate) fn end(self, ran: u32, stopped: bool) {
            if let Some(entered) = &self.0 {
                if !entered.is_part {
                    record(&entered.span, ran, stopped);
                }
            }
        }

        /// Ends the span of a call.
        pub(crate) fn leave(self) {}
    }

    #[cold]
    #[inline(never)]
    fn record(span: &Span, ran: u32, stopped: bool) {
        call_subscriber(|| {
            span.record("ran", ran);
            if stopped {
                span.record("stopped", true);
            }
        });
    }

    impl Drop for TracedSpan {
        #[inline(always)]
        fn drop(&mut self) {
            if let Some(entered) = self.0.take() {
                leave(entered);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn leave(entered: Box<Entered>) {
        call_subscriber(|| drop(entered));
    }

    /// Enters the span of an emission.
    #[inline(always)]
    pub(crate) fn emission(name: &Name, follows: FollowsFrom<'_>) -> TracedSpan {
        if !is_enabled() {
            return TracedSpan(None);
        }
        TracedSpan::enter(follows, || {
            let topic = name.as_str();
            let cause = cause();
            span!(target: TARGET, LEVEL, "emission", topic, cause, ran = Empty, stopped = Empty)
        })
    }

    /// Enters the span of a call that was claimed earlier, or was posted. `source` returns the topic, the
    /// label and the location of what is called.
    pub(crate) fn call<'c>(
        source: impl FnOnce() -> (Option<&'c Name>, Option<&'c str>, CallSite),
        follows: FollowsFrom<'_>,
    ) -> TracedSpan {
        if !is_enabled() {
            return TracedSpan(None);
        }
        TracedSpan::enter(follows, || call_span(source()))
    }

    fn call_span((topic, label, location): (Option<&Name>, Option<&str>, CallSite)) -> Span {
        let (topic, cause) = (topic.map(Name::as_str), cause());
        span!(target: TARGET, LEVEL, "call", topic, label, place = %location, cause)
    }

    /// The number of what a span is of, if that is followed.
    fn cause() -> Option<impl tracing::Value> {
        #[cfg(feature = "follow")]
        return crate::core::follow::cause().map(tracing::field::display);
        #[cfg(not(feature = "follow"))]
        None::<bool>
    }

    /// Records a failure as it happens, inside of the span it happens in.
    #[cold]
    #[inline(never)]
    pub(crate) fn failed(error: &HandlerError) {
        if is_enabled() {
            let line = panics::describe(error);
            call_subscriber(|| {
                let (topic, label, kind) = (error.topic(), error.label(), error.kind());
                let location = error.location();
                event!(target: TARGET, LEVEL, topic, label, place = %location, ?kind, "{line}");
            });
        }
    }

    /// Logs a line. Returns whether there was a subscriber to take it.
    pub(crate) fn log(line: &str, error: Option<&HandlerError>) -> bool {
        let log = || {
            if get_default(|dispatch| dispatch.is::<NoSubscriber>()) {
                return false;
            }
            let Some(error) = error else {
                event!(target: TARGET, Level::ERROR, "{line}");
                return true;
            };
            let (topic, label, kind) = (error.topic(), error.label(), error.kind());
            let location = error.location();
            event!(target: TARGET, Level::ERROR, topic, label, place = %location, ?kind, "{line}");
            true
        };
        call_subscriber(log) == Some(true)
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::marker::PhantomData;

    use crate::failure::{CallSite, HandlerError};
    use crate::topic::name::Name;

    #[derive(Clone)]
    pub(crate) struct SpanLink;

    impl SpanLink {
        pub(crate) const NONE: SpanLink = SpanLink;
        pub(crate) fn here() -> Self {
            SpanLink
        }
        pub(crate) fn is(&self, _: &SpanLink) -> bool {
            true
        }
        pub(crate) fn take(&mut self) -> SpanLink {
            SpanLink
        }
        #[cfg(feature = "follow")]
        pub(crate) fn follows(&self) -> FollowsFrom<'_> {
            FollowsFrom(PhantomData)
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct FollowsFrom<'l>(PhantomData<&'l SpanLink>);

    impl FollowsFrom<'_> {
        pub(crate) const NONE: FollowsFrom<'static> = FollowsFrom(PhantomData);
    }

    #[derive(Default)]
    pub(crate) struct KeptSpan;

    impl KeptSpan {
        pub(crate) fn of_call<'c>(
            _: impl FnOnce() -> (Option<&'c Name>, Option<&'c str>, CallSite),
        ) -> Self {
            KeptSpan
        }
        #[cfg(feature = "follow")]
        pub(crate) fn of_emission(&self) -> FollowsFrom<'_> {
            FollowsFrom(PhantomData)
        }
        pub(crate) fn enter(&self) -> KeptGuard {
            KeptGuard
        }
        pub(crate) fn record(&self, _: u32, _: bool) {}
    }

    pub(crate) struct KeptGuard;

    impl KeptGuard {
        pub(crate) fn leave(self) {}
    }

    pub(crate) struct TracedSpan;

    impl TracedSpan {
        pub(crate) fn end(self, _: u32, _: bool) {}
        pub(crate) fn leave(self) {}
    }

    pub(crate) const fn is_enabled() -> bool {
        false
    }
    pub(crate) fn emission(_: &Name, _: FollowsFrom<'_>) -> TracedSpan {
        TracedSpan
    }
    pub(crate) fn call<'c>(
        _: impl FnOnce() -> (Option<&'c Name>, Option<&'c str>, CallSite),
        _: FollowsFrom<'_>,
    ) -> TracedSpan {
        TracedSpan
    }
    pub(crate) fn failed(_: &HandlerError) {}
    pub(crate) fn log(_: &str, _: Option<&HandlerError>) -> bool {
        false
    }
}
