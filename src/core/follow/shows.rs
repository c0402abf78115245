//! The texts that are made of events. It is users' code: its panics are caught here, and told by who asks for a text.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::follow::here::cut;
use crate::failure::CallSite;
use crate::follow::Show;
use crate::topic::name::Name;

/// How events are shown, each as long as that has not panicked.
pub(crate) struct Shows(Vec<(Show, AtomicBool)>);

thread_local! {
    /// Whether an event is being shown. What that emits is not shown.
    static SHOWING: Cell<bool> = const { Cell::new(false) };
}

impl Shows {
    pub(super) fn new(shows: Vec<Show>) -> Self {
        let shows = shows.into_iter();
        Shows(shows.map(|it| (it, AtomicBool::new(true))).collect())
    }

    /// The closures, one by one.
    pub(crate) fn into_shows(self) -> impl Iterator<Item = Show> {
        self.0.into_iter().map(|(show, _)| show)
    }

    /// The text for an event, as [`Follow::show`](crate::Follow::show) wants it. A panic turns that off.
    pub(crate) fn show(
        &self,
        topic: &Name,
        event: &dyn Any,
    ) -> (Option<Box<str>>, Option<ShowPanic>) {
        let of_topic = |(it, _): &&(Show, AtomicBool)| it.topic.as_str() == topic.as_str();
        let Some((show, is_on)) = self.0.iter().find(of_topic) else {
            return (None, None);
        };
        if !is_on.load(Ordering::Relaxed) || SHOWING.try_with(|it| it.replace(true)) != Ok(false) {
            return (None, None);
        }
        let mut text = None;
        let shown = catch_unwind(AssertUnwindSafe(|| text = (show.text)(event)));
        _ = SHOWING.try_with(|it| it.set(false));
        match shown {
            Ok(()) => (text.map(cut), None),
            Err(payload) => {
                let panic = ShowPanic {
                    place: show.place,
                    payload,
                    is_first: is_on.swap(false, Ordering::Relaxed),
                };
                (None, Some(panic))
            }
        }
    }
}

/// A panic while an event was shown, to be reported with the line that asked for it.
pub(crate) struct ShowPanic {
    pub(crate) place: CallSite,
    pub(crate) payload: Box<dyn Any + Send>,
    /// It was not told before.
    pub(crate) is_first: bool,
}
