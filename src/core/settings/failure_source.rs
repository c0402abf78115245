//! What a failure is blamed on, and which hook receives it.

use std::borrow::Cow;

use crate::core::failure::panics::{Payload, catch};
#[cfg(feature = "follow")]
use crate::core::failure::panics::{drop_payload, is_reported, message};
use crate::core::failure::pending;
use crate::core::failure::report::{self, Report};
#[cfg(feature = "follow")]
use crate::core::follow::shows::{ShowPanic, Shows};
use crate::core::primitives::flavour::Primitives;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::{CallSite, Cause, HandlerError};
#[cfg(feature = "follow")]
use crate::follow::Show;
#[cfg(feature = "follow")]
use crate::topic::any_event::Kind;
use crate::topic::any_event::TopicInfo;
#[cfg(feature = "follow")]
use std::sync::Arc;

/// The handler, hook or topic that a failure is blamed on, with the configuration that has the hook.
pub(crate) struct FailureSource<'b, M: Primitives> {
    config: Option<&'b BusConfig<M>>,
    /// The topic of the emission. For a pattern's handler it is not that of the handler's own signal.
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

    /// The same source in an emission of this topic.
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
        HandlerError::new(topic, self.label.map(Box::from), self.location, cause)
    }

    fn call_hook(&self, error: &HandlerError) -> bool {
        self.config.is_some_and(|config| config.call_hook(error))
    }

    /// Raises a failure with this source.
    pub(crate) fn raise(&self, cause: Cause, payload: Option<Payload>) {
        pending::raise(self.error(cause), payload, |error| self.call_hook(error));
    }

    /// Raises a panic with this source.
    pub(crate) fn panicked(&self, payload: Payload) {
        pending::panicked(
            payload,
            |cause| self.error(cause),
            |error| self.call_hook(error),
        );
    }
}

/// Runs user code, and raises its panic as a failure.
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

/// Drops an event. A panic of its `Drop` is raised as a failure of its topic.
#[inline]
pub(crate) fn drop_event<M: Primitives, E>(event: E, info: &SignalInfo<M>, location: CallSite) {
    drop_event_about(event, &info.topic_info, &info.config, location);
}

/// The same for the event of a topic that does not exist.
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

/// Reports a panic while an event was shown, unless it was reported: to the hook, or to the log.
#[cfg(feature = "follow")]
pub(crate) fn report_panic<M: Primitives>(
    panic: ShowPanic,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
) {
    let ShowPanic {
        place,
        payload,
        is_first,
    } = panic;
    if is_first && !is_reported(&payload) {
        let source = FailureSource {
            config: Some(config),
            topic_info: Some(topic_info),
            label: None,
            location: place,
        };
        let error = source.error(Cause::Panicked(message(&payload)));
        pending::report(error, |error| config.call_hook(error));
    }
    drop_payload(payload);
}

/// Drops what shows events, if it is the last reference. A panic is reported with the line that asked for it.
#[cfg(feature = "follow")]
pub(crate) fn drop_shows<M: Primitives>(shows: Arc<Shows>, config: &BusConfig<M>) {
    for Show { topic, place, text } in Arc::into_inner(shows)
        .into_iter()
        .flat_map(Shows::into_shows)
    {
        if let Err(payload) = catch(|| drop(text)) {
            let panic = ShowPanic {
                place,
                payload,
                is_first: true,
            };
            report_panic(panic, &TopicInfo::new::<()>(Kind::Topic, topic), config);
        }
    }
}

/// Collects the failures raised at `depth` or deeper, after the first `mark` pending ones, and passes
/// them to the hook.
#[cold]
#[inline(never)]
pub(crate) fn collect<M: Primitives>(
    depth: usize,
    mark: usize,
    config: &BusConfig<M>,
) -> Option<Box<Report>> {
    report::collect(depth, mark, &|error| config.call_hook(error))
}
