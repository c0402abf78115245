//! What the handlers of a signal share, and what may outlive the signal: its name and its configuration.

use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::settings::bus::BusConfig;
use crate::topic::any_event::TopicInfo;
use crate::topic::name::Name;

/// The name and the configuration of a signal. One per signal.
pub struct SignalInfo<M: Primitives> {
    pub(crate) topic_info: TopicInfo,
    /// The topic's key in the registry of its bus, 0 without a bus.
    pub(crate) key: u64,
    pub(crate) config: BusConfig<M>,
    /// The number of pauses of the whole signal.
    pub(crate) pauses: M::Word,
    /// How many of them were ever begun.
    #[cfg(feature = "nats")]
    pub(crate) begun_pauses: M::Word,
    /// The number of its events that a full queue has dropped.
    pub(crate) dropped: M::Word,
}

impl<M: Primitives> SignalInfo<M> {
    pub(crate) fn new(topic_info: TopicInfo, key: u64, config: BusConfig<M>) -> Self {
        SignalInfo {
            topic_info,
            key,
            config,
            pauses: M::Word::new(0),
            #[cfg(feature = "nats")]
            begun_pauses: M::Word::new(0),
            dropped: M::Word::new(0),
        }
    }

    /// Returns whether the whole signal is paused, or all of its bus. What has no key is in no bus: the
    /// hook for unhandled events has the configuration of one.
    pub(crate) fn is_paused(&self) -> bool {
        self.pauses.get() > 0 || (self.key != 0 && self.config.is_paused())
    }

    /// The number of these pauses.
    pub(crate) fn pause_count(&self) -> usize {
        let of_bus = if self.key == 0 {
            0
        } else {
            self.config.pauses()
        };
        self.pauses.get() + of_bus
    }

    /// A number that changes whenever such a pause begins: whoever was skipped between two equal ones was not paused, if
    /// there was no pause at the first.
    #[cfg(feature = "nats")]
    pub(crate) fn begun_pauses(&self) -> usize {
        self.begun_pauses
            .get()
            .wrapping_add(self.config.begun_pauses())
    }

    /// From how many handlers of one line on a warning is told; 0 for never, and for what is in no bus.
    pub(crate) fn warn_handlers(&self) -> usize {
        if self.key == 0 {
            0
        } else {
            self.config.warn_handlers()
        }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.topic_info.name
    }

    /// Returns whether it is the same signal, or a topic with the same name in the same bus: a call of a handler may
    /// wait longer than its topic exists.
    pub(crate) fn is_same(&self, other: &SignalInfo<M>) -> bool {
        let in_bus = self.key != 0 && other.key != 0;
        std::ptr::eq(self, other) || (in_bus && self.is(&other.config, other.name()))
    }

    /// Returns whether this is the topic with this name in the bus with this configuration.
    pub(crate) fn is(&self, config: &BusConfig<M>, name: &Name) -> bool {
        self.config.address() == config.address() && self.name().as_str() == name.as_str()
    }
}

/// The addresses of a topic's name and of its bus. They identify the topic while both exist.
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
