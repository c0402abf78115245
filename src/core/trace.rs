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

    use tracing::dispatcher::get_default;
    use tracing::field::Empty;
    use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
    use tracing::span::EnteredSpan;
    use tracing::subscriber::NoSubscriber;
    use tracing::{Level, Span, event, span, span_enabled};

    use crate::core::emission::Counts;
    use crate::core::entry::Head;
    use crate::core::faults;
    use crate::core::home::Subject;
    use crate::core::mode::Mode;
    use crate::error::HandlerError;

    const TARGET: &str = "slotcast";
    /// Of spans, and of failures as they happen.
    const LEVEL: Level = Level::DEBUG;

    thread_local! {
        /// The subscriber runs. What it emits is not traced, or it could go on for ever.
        static BUSY: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether anybody could be interested. Whether somebody is, the callsite knows.
    #[inline(always)]
    fn wanted() -> bool {
        LEVEL <= STATIC_MAX_LEVEL && LEVEL <= LevelFilter::current()
    }

    /// Calls the subscriber. `None` if it panics, or runs already.
    fn quietly<R>(f: impl FnOnce() -> R) -> Option<R> {
        if BUSY.replace(true) {
            return None;
        }
        let told = faults::quiet(f);
        BUSY.set(false);
        told
    }

    /// The span that was current when an event was deferred. Dropping it calls the subscriber.
    pub(crate) struct Link(Span);

    impl Link {
        /// The current one.
        #[inline]
        pub(crate) fn here() -> Self {
            #[cold]
            #[inline(never)]
            fn current() -> Span {
                let current = || match span_enabled!(target: TARGET, LEVEL, topic) {
                    true => Span::current(),
                    // Whoever delivers will not be asked for a span.
                    false => Span::none(),
                };
                quietly(current).unwrap_or_else(Span::none)
            }
            Link(if wanted() { current() } else { Span::none() })
        }

        /// Whether both are the same. Calls nothing.
        #[inline]
        pub(crate) fn is(&self, other: &Link) -> bool {
            self.0.id() == other.0.id()
        }

        /// Takes it out, so that what is left may be dropped under a lock.
        #[inline]
        pub(crate) fn take(&mut self) -> Link {
            Link(std::mem::replace(&mut self.0, Span::none()))
        }

        #[inline]
        pub(crate) fn follows(&self) -> Follows<'_> {
            Follows(Some(self))
        }
    }

    impl Drop for Link {
        #[inline]
        fn drop(&mut self) {
            if !self.0.is_none() {
                quietly(|| drop(std::mem::replace(&mut self.0, Span::none())));
            }
        }
    }

    /// What the span of an emission follows from.
    #[derive(Clone, Copy)]
    pub(crate) struct Follows<'l>(Option<&'l Link>);

    impl Follows<'_> {
        pub(crate) const NONE: Follows<'static> = Follows(None);
    }

    /// The span of an emission or a queued call, until it is dropped.
    pub(crate) struct Traced(Option<EnteredSpan>);

    impl Traced {
        fn enter(span: Span, follows: Follows<'_>) -> Option<EnteredSpan> {
            if span.is_disabled() {
                return None;
            }
            if let Some(link) = follows.0 {
                span.follows_from(&link.0);
            }
            Some(span.entered())
        }

        /// Ends that of an emission, and says how it went.
        #[inline(always)]
        pub(crate) fn end(self, counts: Counts) {
            if let Some(span) = &self.0 {
                record(span, counts);
            }
        }

        /// Ends that of a call.
        pub(crate) fn leave(self) {}
    }

    #[cold]
    #[inline(never)]
    fn record(span: &Span, counts: Counts) {
        quietly(|| {
            span.record("ran", counts.ran());
            if counts.stopped() {
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
    fn leave(span: EnteredSpan) {
        quietly(|| drop(span));
    }

    /// Begins the span of an emission.
    #[inline(always)]
    pub(crate) fn emission(subject: &Subject, follows: Follows<'_>) -> Traced {
        Traced(if wanted() {
            begin_emission(subject, follows)
        } else {
            None
        })
    }

    #[cold]
    #[inline(never)]
    fn begin_emission(subject: &Subject, follows: Follows<'_>) -> Option<EnteredSpan> {
        let begin = || {
            let topic = subject.name.as_str();
            let span =
                span!(target: TARGET, LEVEL, "emission", topic, ran = Empty, stopped = Empty);
            Traced::enter(span, follows)
        };
        quietly(begin).flatten()
    }

    /// Begins the span of a call that was claimed earlier, or was posted.
    #[inline]
    pub(crate) fn call<M: Mode>(head: &Head<M>, follows: Follows<'_>) -> Traced {
        Traced(if wanted() {
            begin_call(head, follows)
        } else {
            None
        })
    }

    #[cold]
    #[inline(never)]
    fn begin_call<M: Mode>(head: &Head<M>, follows: Follows<'_>) -> Option<EnteredSpan> {
        let begin = || {
            let topic = head.home.as_ref().map(|home| home.name().as_str());
            let (label, place) = (head.label(), tracing::field::display(head.place));
            let span = span!(target: TARGET, LEVEL, "call", topic, label, place);
            Traced::enter(span, follows)
        };
        quietly(begin).flatten()
    }

    /// Tells of a failure as it happens, inside of the span it happens in.
    #[cold]
    #[inline(never)]
    pub(crate) fn failed(error: &HandlerError) {
        if wanted() {
            let line = faults::describe(error);
            quietly(|| {
                let (topic, label, kind) = (error.topic(), error.label(), error.kind());
                let place = error.place();
                event!(target: TARGET, LEVEL, topic, label, %place, ?kind, "{line}");
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
            let place = error.place();
            event!(target: TARGET, Level::ERROR, topic, label, %place, ?kind, "{line}");
            true
        };
        quietly(log) == Some(true)
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::marker::PhantomData;

    use crate::core::emission::Counts;
    use crate::core::entry::Head;
    use crate::core::home::Subject;
    use crate::core::mode::Mode;
    use crate::error::HandlerError;

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
        pub(crate) fn end(self, _: Counts) {}
        #[inline(always)]
        pub(crate) fn leave(self) {}
    }

    #[inline(always)]
    pub(crate) fn emission(_: &Subject, _: Follows<'_>) -> Traced {
        Traced
    }
    #[inline(always)]
    pub(crate) fn call<M: Mode>(_: &Head<M>, _: Follows<'_>) -> Traced {
        Traced
    }
    #[inline(always)]
    pub(crate) fn failed(_: &HandlerError) {}
    #[inline(always)]
    pub(crate) fn log(_: &str, _: Option<&HandlerError>) -> bool {
        false
    }
}
