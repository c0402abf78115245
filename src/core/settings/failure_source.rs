//! Who is to blame for a failure, and who is told of it.

use std::borrow::Cow;

use crate::core::failure::panics::{Payload, catch};
use crate::core::failure::pending;
use crate::core::failure::report::{self, Report};
use crate::core::primitives::flavour::Primitives;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::{CallSite, Cause, HandlerError};
use crate::topic::any_event::TopicInfo;

/// Who is to blame.
pub(crate) struct FailureSource<'b, M: Primitives> {
    config: Option<&'b BusConfig<M>>,
    /// Of the emission, which to a handler of a pattern is not that of its home.
    topic_info: Option<&'b TopicInfo>,
    label: Option<&'b str>,
    location: CallSite,
}

impl<'b, M: Primitives> FailureSource<'b, M> {
    pub(crate) fn new(
        info: Option<&'b SignalInfo<M>>,
        label: Option<&'b str>,
        location: CallSite,
    ) -> Self {
        FailureSource {
            config: info.map(|info| &info.config),
            topic_info: info.map(|info| &info.topic_info),
            label,
            location,
        }
    }

    /// In an emission about this.
    pub(crate) fn about(self, topic_info: Option<&'b TopicInfo>) -> Self {
        FailureSource {
            topic_info: topic_info.or(self.topic_info),
            ..self
        }
    }

    fn error(&self, cause: Cause) -> HandlerError {
        let topic = match self.topic_info {
            Some(topic_info) => topic_info.name.to_cow(),
            None => Cow::Borrowed("(hook)"),
        };
        HandlerError {
            topic,
            label: self.label.map(Box::from),
            location: self.location,
            cause,
        }
    }

    fn tell(&self, error: &HandlerError) -> bool {
        self.config.is_some_and(|config| config.tell(error))
    }

    pub(crate) fn raise(&self, cause: Cause, payload: Option<Payload>) {
        pending::raise(self.error(cause), payload, |error| self.tell(error));
    }

    pub(crate) fn panicked(&self, payload: Payload) {
        pending::panicked(payload, |cause| self.error(cause), |error| self.tell(error));
    }
}

/// Runs user code that must not unwind into us.
pub(crate) fn guarded<M: Primitives>(
    info: Option<&SignalInfo<M>>,
    label: Option<&str>,
    location: CallSite,
    f: impl FnOnce(),
) {
    if let Err(payload) = catch(f) {
        FailureSource::new(info, label, location).panicked(payload);
    }
}

/// Drops an event, whose `Drop` may panic: that is raised against its topic.
#[inline]
pub(crate) fn drop_event<M: Primitives, E>(event: E, info: &SignalInfo<M>, location: CallSite) {
    drop_event_about(event, &info.topic_info, &info.config, location);
}

/// The same for the event of a topic that nobody holds.
#[inline]
pub(crate) fn drop_event_about<M: Primitives, E>(
    event: E,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    location: CallSite,
) {
    if !std::mem::needs_drop::<E>() {
        return;
    }
    if let Err(payload) = catch(|| drop(event)) {
        let source = FailureSource {
            config: Some(config),
            topic_info: Some(topic_info),
            label: None,
            location,
        };
        source.panicked(payload);
    }
}

/// Collects what was raised at `depth` or deeper, after the first `mark` faults, and tells the hook.
#[cold]
#[inline(never)]
pub(crate) fn collect<M: Primitives>(
    depth: usize,
    mark: usize,
    config: &BusConfig<M>,
) -> Option<Box<Report>> {
    report::collect(depth, mark, &|error| config.tell(error))
}
