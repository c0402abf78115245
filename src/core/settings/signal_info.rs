//! What the handlers of a signal have in common and may outlive the signal: its name, and where
//! failures are told.

use crate::core::primitives::flavour::Primitives;
use crate::core::settings::bus::BusConfig;
use crate::topic::any_event::TopicInfo;
use crate::topic::name::Name;

/// One per signal.
pub struct SignalInfo<M: Primitives> {
    pub(crate) topic_info: TopicInfo,
    /// The topic's key in its bus, 0 without one.
    pub(crate) key: u64,
    pub(crate) config: BusConfig<M>,
}

impl<M: Primitives> SignalInfo<M> {
    pub(crate) fn name(&self) -> &Name {
        &self.topic_info.name
    }

    /// Whether this is the topic of this name, in the bus that has these settings.
    pub(crate) fn is(&self, config: &BusConfig<M>, name: &Name) -> bool {
        self.config.address() == config.address() && self.name().as_str() == name.as_str()
    }
}

/// Where a topic's name and its bus stand: the same topic, as long as either exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicId {
    text: usize,
    len: usize,
    config: usize,
}

impl TopicId {
    #[inline]
    pub(crate) fn new<M: Primitives>(config: &BusConfig<M>, name: &Name) -> Self {
        let name = name.as_str();
        TopicId {
            text: name.as_ptr().addr(),
            len: name.len(),
            config: config.address(),
        }
    }
}
