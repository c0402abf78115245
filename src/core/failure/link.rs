//! What a deferred event takes along of the code that deferred it: its span, and what it follows from.

use crate::core::failure::trace::{FollowsFrom, KeptSpan, SpanLink};
use crate::core::follow::Origin;
use crate::failure::CallSite;

/// What a deferred event takes along. Dropping the last clone may call a `tracing` subscriber; cloning does not.
#[derive(Clone)]
pub(crate) struct Link {
    span: SpanLink,
    origin: Origin,
}

impl Link {
    pub(crate) const NONE: Link = Link {
        span: SpanLink::NONE,
        origin: Origin::NONE,
    };

    /// That of the code that runs, if somebody wants to know.
    #[inline]
    #[cfg_attr(feature = "follow", track_caller)]
    pub(crate) fn here() -> Self {
        Link {
            span: SpanLink::here(),
            origin: Origin::here(),
        }
    }

    /// Returns whether both are the same. Does not call the subscriber.
    #[inline]
    pub(crate) fn is(&self, other: &Link) -> bool {
        self.span.is(&other.span) && self.origin == other.origin
    }

    /// Moves it out, so that the rest may be dropped under a lock.
    #[inline]
    pub(crate) fn take(&mut self) -> Link {
        Link {
            span: self.span.take(),
            origin: self.origin,
        }
    }

    /// What its delivery follows from.
    #[inline]
    pub(crate) fn follows(&self) -> Follows<'_> {
        Follows::of_link(self)
    }
}

/// An emission that runs in parts: the span of them all, and the line that has begun it.
pub(crate) struct Parts {
    pub(crate) span: KeptSpan,
    #[cfg(feature = "follow")]
    location: CallSite,
}

impl Parts {
    #[cfg_attr(
        not(feature = "tracing"),
        expect(
            clippy::default_constructed_unit_structs,
            reason = "without the feature it is one"
        )
    )]
    pub(crate) fn new(
        #[cfg_attr(not(feature = "follow"), expect(unused))] location: CallSite,
    ) -> Self {
        Parts {
            span: KeptSpan::default(),
            #[cfg(feature = "follow")]
            location,
        }
    }
}

#[cfg(not(any(feature = "tracing", feature = "follow")))]
pub(crate) use nothing::Follows;
#[cfg(any(feature = "tracing", feature = "follow"))]
pub(crate) use something::Follows;

#[cfg(any(feature = "tracing", feature = "follow"))]
mod something {
    use super::{CallSite, FollowsFrom, Link, Origin, Parts};

    /// What an emission or a call follows from. Of references, because it is passed through all emissions.
    #[derive(Clone, Copy)]
    pub(crate) enum Follows<'l> {
        /// What runs on the thread.
        Nothing,
        /// What has deferred it.
        Link(&'l Link),
        /// It is a part of this.
        Part(&'l Parts),
        /// What runs on the thread, at this line of a user.
        #[cfg(feature = "follow")]
        Line(CallSite),
    }

    impl<'l> Follows<'l> {
        pub(crate) const NONE: Follows<'static> = Follows::Nothing;

        #[inline]
        pub(super) fn of_link(link: &'l Link) -> Self {
            Follows::Link(link)
        }

        pub(crate) fn of_part(parts: &'l Parts) -> Self {
            Follows::Part(parts)
        }

        /// An emission that this line of a user has asked for, and the crate makes.
        pub(crate) fn of_line(_location: CallSite) -> Self {
            #[cfg(feature = "follow")]
            return Follows::Line(_location);
            #[cfg(not(feature = "follow"))]
            Follows::Nothing
        }

        #[inline]
        pub(crate) fn span(self) -> FollowsFrom<'l> {
            match self {
                Follows::Nothing => FollowsFrom::NONE,
                Follows::Link(link) => link.span.follows(),
                Follows::Part(parts) => parts.span.of_emission(),
                #[cfg(feature = "follow")]
                Follows::Line(_) => FollowsFrom::NONE,
            }
        }

        #[inline]
        pub(crate) fn origin(self) -> Origin {
            match self {
                Follows::Nothing => Origin::NONE,
                Follows::Link(link) => link.origin,
                #[cfg(feature = "follow")]
                Follows::Part(parts) => Origin::at_line(parts.location),
                #[cfg(feature = "follow")]
                Follows::Line(location) => Origin::at_line(location),
                #[cfg(not(feature = "follow"))]
                Follows::Part(_) => Origin::NONE,
            }
        }
    }
}

#[cfg(not(any(feature = "tracing", feature = "follow")))]
mod nothing {
    use std::marker::PhantomData;

    use super::{CallSite, FollowsFrom, Link, Origin, Parts};

    /// The same where nothing asks for it.
    #[derive(Clone, Copy)]
    pub(crate) struct Follows<'l>(PhantomData<&'l Link>);

    impl<'l> Follows<'l> {
        pub(crate) const NONE: Follows<'static> = Follows(PhantomData);
        pub(super) fn of_link(_: &'l Link) -> Self {
            Follows(PhantomData)
        }
        pub(crate) fn of_part(_: &'l Parts) -> Self {
            Follows(PhantomData)
        }
        pub(crate) fn of_line(_: CallSite) -> Self {
            Follows(PhantomData)
        }
        pub(crate) fn span(self) -> FollowsFrom<'l> {
            FollowsFrom::NONE
        }
        pub(crate) fn origin(self) -> Origin {
            Origin::NONE
        }
    }
}
