//! What a `tracing` subscriber is told, with the feature of that name. Without it nothing, by types
//! of no size.
//!
//! A subscriber is user code. It is called where handlers may be called, never under a lock; while it
//! runs, nothing of this crate is traced on its thread; and its panics end here.

#[cfg(not(feature = "tracing"))]
pub(crate) use off::*;
#[cfg(feature = "tracing")]
pub(crate) use on::*;

#[cfg(feature = "tracing")]
mod on {
    use std::cell::Cell;
    use std::sync::Arc;

    use tracing::dispatcher::get_default;
    use tracing::field::Empty;
    use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
    use tracing::span::EnteredSpan;
    use tracing::subscriber::NoSubscriber;
    use tracing::{Level, Span, event, span, span_enabled};

    use crate::core::failure::panics;
    use crate::failure::CallSite;
    use crate::failure::HandlerError;
    use crate::topic::name::Name;

    const TARGET: &str = "slotcast";
    /// Of spans, and of failures as they happen.
    const LEVEL: Level = Level::DEBUG;

    thread_local! {
        /// The subscriber runs. What it emits is not traced, or it could go on for ever.
        static BUSY: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether anybody could be interested. Whether somebody is, the callsite knows.
    #[inline(always)]
    pub(crate) fn wanted() -> bool {
        LEVEL <= STATIC_MAX_LEVEL && LEVEL <= LevelFilter::current()
    }

    /// Calls the subscriber. `None` if it panics, or runs already.
    fn quietly<R>(f: impl FnOnce() -> R) -> Option<R> {
        if BUSY.replace(true) {
            return None;
        }
        let told = panics::catch_silently(f);
        BUSY.set(false);
        told
    }

    /// The span that was current when an event was deferred. Dropping the last of its clones calls
    /// the subscriber; cloning calls nobody.
    ///
    /// Behind a pointer, so that there mostly is a null pointer to store and to compare.
    #[derive(Clone)]
    pub(crate) struct Link(Option<Arc<Span>>);

    impl Link {
        /// The current one.
        #[inline]
        pub(crate) fn here() -> Self {
            Link(if wanted() { current() } else { None })
        }

        /// Whether both are the same. Calls nothing.
        #[inline]
        pub(crate) fn is(&self, other: &Link) -> bool {
            match (&self.0, &other.0) {
                (None, None) => true,
                (Some(one), Some(other)) => one.id() == other.id(),
                _ => false,
            }
        }

        /// Takes it out, so that what is left may be dropped under a lock.
        #[inline]
        pub(crate) fn take(&mut self) -> Link {
            Link(self.0.take())
        }

        #[inline]
        pub(crate) fn follows(&self) -> Follows<'_> {
            Follows(self.0.as_deref())
        }
    }

    #[cold]
    #[inline(never)]
    fn current() -> Option<Arc<Span>> {
        let current = || {
            // Where nobody wants the span of the delivery, nobody asks what it follows from.
            let current = span_enabled!(target: TARGET, LEVEL, topic).then(Span::current);
            current.filter(|span| span.id().is_some()).map(Arc::new)
        };
        quietly(current).flatten()
    }

    impl Drop for Link {
        #[inline]
        fn drop(&mut self) {
            if let Some(span) = self.0.take() {
                quietly(|| drop(span));
            }
        }
    }

    /// What the span of a delivery follows from.
    #[derive(Clone, Copy)]
    pub(crate) struct Follows<'l>(Option<&'l Span>);

    impl Follows<'_> {
        pub(crate) const NONE: Follows<'static> = Follows(None);
    }

    /// The span that an emission or a call runs in, until it is dropped. Boxed, as a link is.
    pub(crate) struct Traced(Option<Box<EnteredSpan>>);

    impl Traced {
        #[cold]
        #[inline(never)]
        fn enter(follows: Follows<'_>, span: impl FnOnce() -> Span) -> Self {
            let enter = || {
                let span = span();
                if span.is_disabled() {
                    return None;
                }
                if let Some(link) = follows.0 {
                    span.follows_from(link);
                }
                Some(Box::new(span.entered()))
            };
            Traced(quietly(enter).flatten())
        }

        /// Ends the span of an emission, and says how that went.
        #[inline(always)]
        pub(crate) fn end(self, ran: u32, stopped: bool) {
            if let Some(span) = &self.0 {
                record(span, ran, stopped);
            }
        }

        /// Ends the span of a call.
        pub(crate) fn leave(self) {}
    }

    #[cold]
    #[inline(never)]
    fn record(span: &Span, ran: u32, stopped: bool) {
        quietly(|| {
            span.record("ran", ran);
            if stopped {
                span.record("stopped", true);
            }
        });
    }

    impl Drop for Traced {
        #[inline(always)]
        fn drop(&mut self) {
            if let Some(span) = self.0.take() {
                leave(span);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn leave(span: Box<EnteredSpan>) {
        quietly(|| drop(span));
    }

    /// Begins the span of an emission.
    #[inline(always)]
    pub(crate) fn emission(name: &Name, follows: Follows<'_>) -> Traced {
        if !wanted() {
            return Traced(None);
        }
        Traced::enter(follows, || {
            let topic = name.as_str();
            span!(target: TARGET, LEVEL, "emission", topic, ran = Empty, stopped = Empty)
        })
    }

    /// Begins the span of a call that was claimed earlier, or was posted.
    pub(crate) fn call<'c>(
        who: impl FnOnce() -> (Option<&'c Name>, Option<&'c str>, CallSite),
        follows: Follows<'_>,
    ) -> Traced {
        if !wanted() {
            return Traced(None);
        }
        Traced::enter(follows, || {
            let (topic, label, location) = who();
            let topic = topic.map(Name::as_str);
            span!(target: TARGET, LEVEL, "call", topic, label, place = %location)
        })
    }

    /// Tells of a failure as it happens, inside of the span it happens in.
    #[cold]
    #[inline(never)]
    pub(crate) fn failed(error: &HandlerError) {
        if wanted() {
            let line = panics::describe(error);
            quietly(|| {
                let (topic, label, kind) = (error.topic(), error.label(), error.kind());
                let location = error.location();
                event!(target: TARGET, LEVEL, topic, label, place = %location, ?kind, "{line}");
            });
        }
    }

    /// Logs a line; whether there was a subscriber to take it.
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
        quietly(log) == Some(true)
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::marker::PhantomData;

    use crate::failure::CallSite;
    use crate::failure::HandlerError;
    use crate::topic::name::Name;

    #[derive(Clone)]
    pub(crate) struct Link;

    impl Link {
        #[inline(always)]
        pub(crate) fn here() -> Self {
            Link
        }
        #[inline(always)]
        pub(crate) fn is(&self, _: &Link) -> bool {
            true
        }
        #[inline(always)]
        pub(crate) fn take(&mut self) -> Link {
            Link
        }
        #[inline(always)]
        pub(crate) fn follows(&self) -> Follows<'_> {
            Follows(PhantomData)
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Follows<'l>(PhantomData<&'l Link>);

    impl Follows<'_> {
        pub(crate) const NONE: Follows<'static> = Follows(PhantomData);
    }

    pub(crate) struct Traced;

    impl Traced {
        #[inline(always)]
        pub(crate) fn end(self, _: u32, _: bool) {}
        #[inline(always)]
        pub(crate) fn leave(self) {}
    }

    #[inline(always)]
    pub(crate) const fn wanted() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) fn emission(_: &Name, _: Follows<'_>) -> Traced {
        Traced
    }
    #[inline(always)]
    pub(crate) fn call<'c>(
        _: impl FnOnce() -> (Option<&'c Name>, Option<&'c str>, CallSite),
        _: Follows<'_>,
    ) -> Traced {
        Traced
    }
    #[inline(always)]
    pub(crate) fn failed(_: &HandlerError) {}
    #[inline(always)]
    pub(crate) fn log(_: &str, _: Option<&HandlerError>) -> bool {
        false
    }
}
