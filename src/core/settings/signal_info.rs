//! What the handlers of a signal have in common and may outlive the signal: its name, and where
//! failures are told.

use std::any::{TypeId, type_name};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use crate::core::handler::entry::{Anchor, Deliver};
use crate::core::mode::Mode;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::MAX_DEPTH;
use crate::core::registry::trie::Kind;
use crate::executor::Executor;
use crate::failure::HandlerError;
use crate::topic::pattern::AnyEvent;

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

/// What an emission is about, as handlers of patterns see it.
pub(crate) struct Subject {
    /// The topic, or for a signal without a bus its payload's type.
    pub(crate) name: Name,
    pub(crate) payload: TypeId,
    pub(crate) type_name: fn() -> &'static str,
    /// What it is the subject of: a topic, or the handlers of a pattern.
    pub(crate) kind: Kind,
    /// What few signals are. Changed under the signal's lock.
    flags: AtomicU8,
}

impl Subject {
    pub(crate) fn new<E: 'static>(kind: Kind, name: Name) -> Self {
        Subject {
            name,
            payload: TypeId::of::<E>(),
            type_name: type_name::<E>,
            kind,
            flags: AtomicU8::new(match TypeId::of::<E>() == TypeId::of::<AnyEvent>() {
                true => Self::ANY,
                false => 0,
            }),
        }
    }

    /// The signal was closed, and handlers of patterns are not closed with it.
    const CLOSED: u8 = 1;
    /// The payload is an [`AnyEvent`] itself, that somebody emits again.
    const ANY: u8 = 2;

    /// Somebody wants, or wanted, to know whether there are handlers.
    const WATCHED: u8 = 8;

    pub(crate) fn is_watched(&self) -> bool {
        self.flags.load(Relaxed) & Self::WATCHED != 0
    }

    pub(crate) fn set_watched(&self) {
        self.flags.fetch_or(Self::WATCHED, Relaxed);
    }

    /// Emissions keep their events.
    const RETAINS: u8 = 4;

    #[inline]
    pub(crate) fn retains(&self) -> bool {
        self.flags.load(Relaxed) & Self::RETAINS != 0
    }

    pub(crate) fn set_retains(&self, retains: bool) {
        match retains {
            true => self.flags.fetch_or(Self::RETAINS, Relaxed),
            false => self.flags.fetch_and(!Self::RETAINS, Relaxed),
        };
    }

    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.flags.load(Relaxed) & (Self::CLOSED | Self::ANY) == 0
    }

    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.flags.load(Relaxed) & Self::ANY != 0
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Relaxed) & Self::CLOSED != 0
    }

    pub(crate) fn close(&self) {
        self.flags.fetch_or(Self::CLOSED, Relaxed);
    }
}

/// One per signal.
pub(crate) struct Home<M: Mode> {
    pub(crate) subject: Subject,
    /// The topic's key in its bus, 0 without one.
    pub(crate) topic: u64,
    pub(crate) settings: Settings<M>,
}

impl<M: Mode> Home<M> {
    pub(crate) fn name(&self) -> &Name {
        &self.subject.name
    }

    /// Whether this is the topic of this name, in the bus that has these settings.
    pub(crate) fn is(&self, settings: &Settings<M>, name: &Name) -> bool {
        self.settings.address() == settings.address() && self.name().as_str() == name.as_str()
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
    pub(crate) fn new<M: Mode>(settings: &Settings<M>, name: &Name) -> Self {
        let name = name.as_str();
        Origin {
            text: name.as_ptr().addr(),
            len: name.len(),
            settings: settings.address(),
        }
    }
}

pub(crate) type Hook<M, T> = Anchor<M, dyn Deliver<M, T, ()>>;

/// What a bus decides for all its signals and its queue. A signal or a queue of its own has what
/// is usual, and no hook.
pub(crate) struct Settings<M: Mode>(Option<M::Ptr<Chosen<M>>>);

struct Chosen<M: Mode> {
    error_hook: M::Lock<Option<Hook<M, HandlerError>>>,
    /// There is, or was, a hook for unhandled events, so that signals without handlers have to look.
    hears_unhandled: AtomicBool,
    panics: Panics,
    max_depth: usize,
    executor: Option<Arc<dyn Executor>>,
}

impl<M: Mode> Settings<M> {
    pub(crate) fn new(
        panics: Panics,
        max_depth: usize,
        executor: Option<Arc<dyn Executor>>,
    ) -> Self {
        Settings(Some(M::ptr(Chosen {
            error_hook: M::Lock::new(None),
            hears_unhandled: AtomicBool::new(false),
            panics,
            max_depth,
            executor,
        })))
    }

    /// Those of a signal or queue that belongs to no bus.
    pub(crate) fn usual() -> Self {
        Settings(None)
    }

    pub(crate) fn panics(&self) -> Panics {
        self.0.as_ref().map_or(Panics::Resume, |it| it.panics)
    }

    pub(crate) fn max_depth(&self) -> usize {
        self.0.as_ref().map_or(MAX_DEPTH, |it| it.max_depth)
    }

    /// Who runs what async handlers start.
    pub(crate) fn executor(&self) -> Option<Arc<dyn Executor>> {
        self.0.as_ref()?.executor.clone()
    }

    pub(crate) fn hears_unhandled(&self) -> bool {
        let chosen = self.0.as_ref();
        chosen.is_some_and(|it| it.hears_unhandled.load(Relaxed))
    }

    /// To be called before the signals are told, which happens under their locks.
    pub(crate) fn hear_unhandled(&self) {
        if let Some(chosen) = &self.0 {
            chosen.hears_unhandled.store(true, Relaxed);
        }
    }

    pub(crate) fn hook(&self) -> Option<Hook<M, HandlerError>> {
        self.0.as_ref()?.error_hook.with(|hook| hook.clone())
    }

    /// Puts a hook in place of the one that was there.
    pub(crate) fn set_hook(&self, hook: Hook<M, HandlerError>) {
        let Some(chosen) = &self.0 else { return };
        let old = chosen.error_hook.with(|slot| slot.replace(hook));
        // Outside of the lock: dropping it runs user code.
        old.as_ref().into_iter().for_each(Hook::<M, _>::release);
    }

    /// Where they stand, to tell those of one bus from another's.
    fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |it| (&raw const **it).addr())
    }
}

impl<M: Mode> Clone for Settings<M> {
    fn clone(&self) -> Self {
        Settings(self.0.clone())
    }
}

impl<M: Mode> Drop for Chosen<M> {
    fn drop(&mut self) {
        if let Some(hook) = self.error_hook.with(Option::take) {
            hook.release();
        }
    }
}
