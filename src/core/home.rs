//! What the handlers of a signal have in common and may outlive the signal: its name, and where
//! failures are told.

use std::borrow::Cow;
use std::sync::Arc;

use super::entry::{Anchor, Deliver};
use super::mode::Mode;
use super::sync::Lock;
use super::thread::MAX_DEPTH;
use crate::error::HandlerError;

/// A line of the user's code.
pub(crate) type Place = &'static std::panic::Location<'static>;

/// A topic's name, cheap to clone.
#[derive(Clone)]
pub(crate) enum Name {
    Fixed(&'static str),
    Made(Arc<str>),
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Name::Fixed(name) => name,
            Name::Made(name) => name,
        }
    }

    pub(crate) fn to_cow(&self) -> Cow<'static, str> {
        match self {
            Name::Fixed(name) => Cow::Borrowed(name),
            Name::Made(name) => Cow::Owned(name.to_string()),
        }
    }
}

/// What becomes of a handler's panic once the other handlers have run.
///
/// In either case it is a failure: in [`Emission::errors`](crate::Emission::errors) if there is an
/// emission to return, and told to the error hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Panics {
    /// The first panic of an emission, or of a drain, goes on to whoever emitted or drained.
    #[default]
    Resume,
    /// It ends there.
    Contain,
}

/// One per signal.
pub(crate) struct Home<M: Mode> {
    /// The topic, or for a signal without a bus its payload's type.
    pub(crate) name: Name,
    /// The topic's key in its bus, 0 without one.
    pub(crate) topic: u64,
    pub(crate) settings: M::Ptr<Settings<M>>,
}

impl<M: Mode> Home<M> {
    /// Whether this is the topic of this name, in the bus that has these settings.
    pub(crate) fn is(&self, settings: &M::Ptr<Settings<M>>, name: &Name) -> bool {
        std::ptr::eq(&raw const **settings, &raw const *self.settings)
            && self.name.as_str() == name.as_str()
    }
}

/// Where a topic's name and its bus stand: the same topic, as long as either exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    text: usize,
    len: usize,
    settings: usize,
}

impl Origin {
    #[inline]
    pub(crate) fn new<M: Mode>(settings: &M::Ptr<Settings<M>>, name: &Name) -> Self {
        let name = name.as_str();
        Origin {
            text: name.as_ptr().addr(),
            len: name.len(),
            settings: (&raw const **settings).addr(),
        }
    }
}

pub(crate) type Hook<M, T> = Anchor<M, dyn Deliver<M, T, ()>>;

/// What a bus decides for all its signals and its queue.
pub(crate) struct Settings<M: Mode> {
    pub(crate) error_hook: M::Lock<Option<Hook<M, HandlerError>>>,
    pub(crate) panics: Panics,
    pub(crate) max_depth: usize,
}

impl<M: Mode> Settings<M> {
    pub(crate) fn new(panics: Panics, max_depth: usize) -> M::Ptr<Self> {
        M::ptr(Settings {
            error_hook: M::Lock::new(None),
            panics,
            max_depth,
        })
    }

    /// Those of a signal or queue that belongs to no bus.
    pub(crate) fn alone() -> M::Ptr<Self> {
        Self::new(Panics::Resume, MAX_DEPTH)
    }

    pub(crate) fn hook(&self) -> Option<Hook<M, HandlerError>> {
        self.error_hook.with(|hook| hook.clone())
    }
}

impl<M: Mode> Drop for Settings<M> {
    fn drop(&mut self) {
        if let Some(hook) = self.error_hook.with(Option::take) {
            hook.release();
        }
    }
}
