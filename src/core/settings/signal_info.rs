//! What the handlers of a signal have in common and may outlive the signal: its name, and where
//! failures are told.

use crate::core::primitives::flavour::Primitives as Mode;
use crate::core::settings::bus::Settings;
use crate::topic::any_event::Subject;
use crate::topic::name::Name;

/// One per signal.
pub struct Home<M: Mode> {
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
