//! The same without the feature: nothing is followed.

/// What a deferred event takes along: nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin;

impl Origin {
    pub(crate) const NONE: Origin = Origin;

    #[inline(always)]
    pub(crate) fn here() -> Self {
        Origin
    }

    #[inline(always)]
    pub(crate) fn enter(self) -> Option<HereGuard> {
        None
    }
}

/// Never made.
pub(crate) enum HereGuard {}

#[inline(always)]
pub(crate) fn enter_nothing() -> Option<HereGuard> {
    None
}
