//! Who is to blame for a failure, and who is told of it.

use std::borrow::Cow;

use crate::core::failure::panics::{Payload, caught};
use crate::core::failure::pending;
use crate::core::failure::report::{self, Report};
use crate::core::primitives::flavour::Primitives as Mode;
use crate::core::settings::bus::Settings;
use crate::core::settings::signal_info::Home;
use crate::failure::{Cause, HandlerError, Place};
use crate::topic::any_event::Subject;

/// Who is to blame.
pub(crate) struct Blame<'b, M: Mode> {
    settings: Option<&'b Settings<M>>,
    /// Of the emission, which to a handler of a pattern is not that of its home.
    subject: Option<&'b Subject>,
    label: Option<&'b str>,
    place: Place,
}

impl<'b, M: Mode> Blame<'b, M> {
    pub(crate) fn new(home: Option<&'b Home<M>>, label: Option<&'b str>, place: Place) -> Self {
        Blame {
            settings: home.map(|home| &home.settings),
            subject: home.map(|home| &home.subject),
            label,
            place,
        }
    }

    /// In an emission about this.
    pub(crate) fn about(self, subject: Option<&'b Subject>) -> Self {
        Blame {
            subject: subject.or(self.subject),
            ..self
        }
    }

    fn error(&self, cause: Cause) -> HandlerError {
        let topic = match self.subject {
            Some(subject) => subject.name.to_cow(),
            None => Cow::Borrowed("(hook)"),
        };
        HandlerError {
            topic,
            label: self.label.map(Box::from),
            place: self.place,
            cause,
        }
    }

    fn tell(&self, error: &HandlerError) -> bool {
        self.settings.is_some_and(|settings| settings.tell(error))
    }

    pub(crate) fn raise(&self, cause: Cause, payload: Option<Payload>) {
        pending::raise(self.error(cause), payload, |error| self.tell(error));
    }

    pub(crate) fn panicked(&self, payload: Payload) {
        pending::panicked(payload, |cause| self.error(cause), |error| self.tell(error));
    }
}

/// Runs user code that must not unwind into us.
pub(crate) fn guarded<M: Mode>(
    home: Option<&Home<M>>,
    label: Option<&str>,
    place: Place,
    f: impl FnOnce(),
) {
    if let Err(payload) = caught(f) {
        Blame::new(home, label, place).panicked(payload);
    }
}

/// Drops an event, whose `Drop` may panic: that is raised against its topic.
#[inline]
pub(crate) fn drop_event<M: Mode, E>(event: E, home: &Home<M>, place: Place) {
    drop_event_about(event, &home.subject, &home.settings, place);
}

/// The same for the event of a topic that nobody holds.
#[inline]
pub(crate) fn drop_event_about<M: Mode, E>(
    event: E,
    subject: &Subject,
    settings: &Settings<M>,
    place: Place,
) {
    if !std::mem::needs_drop::<E>() {
        return;
    }
    if let Err(payload) = caught(|| drop(event)) {
        let blame = Blame {
            settings: Some(settings),
            subject: Some(subject),
            label: None,
            place,
        };
        blame.panicked(payload);
    }
}

/// Collects what was raised at `depth` or deeper, after the first `mark` faults, and tells the hook.
#[cold]
#[inline(never)]
pub(crate) fn collect<M: Mode>(
    depth: usize,
    mark: usize,
    settings: &Settings<M>,
) -> Option<Box<Report>> {
    report::collect(depth, mark, &|error| settings.tell(error))
}
