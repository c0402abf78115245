//! What is noticed about a wiring that is probably unintended.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
#[cfg(feature = "follow")]
use std::time::Duration;

use crate::failure::CallSite;
use crate::wiring::handler::{HandlerInfo, HandlerKind};
use crate::wiring::similar::Similar;
use crate::wiring::text::visible;
use crate::wiring::{TopicWiring, Wiring};

/// Something that is probably unintended, with the line to look at: a message by `Display`, in which a pattern is
/// called a topic, too.
///
/// What is wrong with a bus as it is, [`Wiring::warnings`] lists. The hook of
/// [`Bus::set_warning_hook`](crate::flavour::Bus::set_warning_hook) is told, as it happens, of handlers that
/// accumulate. With the feature `follow`, it is told of slow calls, too, and a report lists what has happened, and what
/// only shows over time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Many live handlers of one topic or pattern were subscribed by one line: nobody cancels them.
    #[non_exhaustive]
    ManyHandlers {
        /// The topic, or the pattern.
        topic: String,
        /// The line that has subscribed them.
        place: &'static Location<'static>,
        /// How many there are.
        count: usize,
    },
    /// Several handlers of one topic or pattern were subscribed by one line with one label: the code that does
    /// so has run again.
    #[non_exhaustive]
    SameLabel {
        /// The topic, or the pattern.
        topic: String,
        /// The label that they have.
        label: String,
        /// The line that has subscribed them.
        place: &'static Location<'static>,
        /// How many there are.
        count: usize,
    },
    /// A topic without handlers has nearly the name of one with handlers: a spelling mistake.
    #[non_exhaustive]
    SimilarName {
        /// The topic without handlers.
        topic: String,
        /// The line that used it first.
        place: &'static Location<'static>,
        /// The topic with handlers.
        similar: String,
        /// The line that used that first.
        similar_place: &'static Location<'static>,
    },
    /// A call of a handler took itself, without the emissions nested in it, longer than the limit of
    /// [`Follow::slow`](crate::Follow::slow).
    #[cfg(feature = "follow")]
    #[non_exhaustive]
    Slow {
        /// The topic of the event.
        topic: String,
        /// The label of the handler, if it has one.
        label: Option<String>,
        /// The line that has subscribed it.
        place: &'static Location<'static>,
        /// How long it took.
        took: Duration,
    },
    /// A queue only grows: nobody drains it, or not as fast as it is filled.
    ///
    /// Found by comparing reports, so it needs some: those that were made by
    /// [`Following::report`](crate::flavour::Following::report) and for the [`Page`](crate::Page), which asks for one
    /// four times in a second while somebody looks at it. Over at least half a minute the queue was shorter in none of
    /// them than in the one before, and longer in ten of those that are a second apart. A queue that is full, or that
    /// nobody adds to any more, is still told, until it is shorter once.
    #[cfg(feature = "follow")]
    #[non_exhaustive]
    GrowingQueue {
        /// The line that made the queue; for that of a bus, the line that made the bus.
        place: &'static Location<'static>,
        /// How many events have waited in the first of these reports.
        from: usize,
        /// How many wait now.
        len: usize,
        /// How long it has only grown.
        during: Duration,
    },
    /// Handlers that one line has subscribed are paused for an hour, by themselves or with their scope, topic or bus:
    /// nobody resumes them.
    ///
    /// Found by comparing reports, as [`GrowingQueue`](Self::GrowingQueue) is: in at least ten that are a second apart,
    /// the first and the last of them an hour or more, and in all in between they were paused.
    #[cfg(feature = "follow")]
    #[non_exhaustive]
    LongPaused {
        /// The topic or pattern of the first of them.
        topic: String,
        /// The label of the first of them, if it has one.
        label: Option<String>,
        /// The line that has subscribed them.
        place: &'static Location<'static>,
        /// How many there are.
        count: usize,
        /// How long they are known to be paused: that of them that is for longest.
        during: Duration,
    },
    /// Other machines can reach a [`Page`](crate::Page), by a connection that is not encrypted, as
    /// [`PageBuilder::allow_remote`](crate::PageBuilder::allow_remote) has allowed. The hook is told when the page
    /// begins; the page itself shows it as long as it exists.
    #[cfg(feature = "inspector")]
    #[non_exhaustive]
    RemotePage {
        /// The address of the page.
        address: std::net::SocketAddr,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::ManyHandlers {
                topic,
                place,
                count,
            } => write!(
                f,
                "topic {} has {count} handlers that were subscribed at {place}: are they ever cancelled?",
                quoted(topic),
            ),
            Warning::SameLabel {
                topic,
                label,
                place,
                count,
            } => write!(
                f,
                "topic {} has {count} handlers with the label {} that were subscribed at {place}: \
                 did that run again?",
                quoted(topic),
                quoted(label),
            ),
            Warning::SimilarName {
                topic,
                place,
                similar,
                similar_place,
            } => write!(
                f,
                "topic {} (first used at {place}) has no handlers, and {} (first used at {similar_place}) has: \
                 is one of them misspelled?",
                quoted(topic),
                quoted(similar),
            ),
            #[cfg(feature = "follow")]
            Warning::Slow {
                topic,
                label,
                place,
                took,
            } => {
                write_handler(f, topic, label.as_deref(), place)?;
                // Nobody reads nanoseconds behind milliseconds.
                let micros = Duration::from_micros(took.as_micros().try_into().unwrap_or(u64::MAX));
                let took = if micros < Duration::from_millis(1) {
                    *took
                } else {
                    micros
                };
                write!(f, " took {took:?}")
            }
            #[cfg(feature = "follow")]
            Warning::GrowingQueue {
                place,
                from,
                len,
                during,
            } => write!(
                f,
                "queue that was made at {place} has only grown for {}, from {from} to {len}: who drains it?",
                rounded(*during),
            ),
            #[cfg(feature = "follow")]
            Warning::LongPaused {
                topic,
                label,
                place,
                count,
                during,
            } => {
                write_handler(f, topic, label.as_deref(), place)?;
                let during = rounded(*during);
                match count.saturating_sub(1) {
                    0 => write!(f, " has been paused for {during}: is it ever resumed?"),
                    1 => write!(
                        f,
                        ", and another one of this line, have been paused for {during}: are they ever resumed?"
                    ),
                    others => write!(
                        f,
                        ", and {others} others of this line, have been paused for {during}: are they ever resumed?"
                    ),
                }
            }
            #[cfg(feature = "inspector")]
            Warning::RemotePage { address } => write!(
                f,
                "the page of the inspector can be reached from other machines, at {address}, by a connection that \
                 is not encrypted"
            ),
        }
    }
}

#[cfg(feature = "follow")]
fn write_handler(
    f: &mut fmt::Formatter<'_>,
    topic: &str,
    label: Option<&str>,
    place: CallSite,
) -> fmt::Result {
    let label = label.map(|it| format!(" {}", quoted(it)));
    write!(
        f,
        "handler{} of topic {} that was subscribed at {place}",
        label.unwrap_or_default(),
        quoted(topic),
    )
}

/// In the units that people would choose, rounded down.
#[cfg(feature = "follow")]
fn rounded(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", visible(text))
}

/// How many handlers each line has subscribed. Lines are compared by what they say: the compiler may have several
/// of one.
pub(crate) fn count_places(places: impl Iterator<Item = CallSite>) -> BTreeMap<CallSite, usize> {
    let mut counts = BTreeMap::new();
    // In a run of handlers of one line it is looked up once.
    let mut run: Option<(CallSite, usize)> = None;
    for place in places {
        match &mut run {
            Some((last, count)) if std::ptr::eq(*last, place) => *count += 1,
            _ => {
                if let Some((last, count)) = run.replace((place, 1)) {
                    *counts.entry(last).or_default() += count;
                }
            }
        }
    }
    if let Some((last, count)) = run {
        *counts.entry(last).or_default() += count;
    }
    counts
}

impl Wiring {
    /// What is probably unintended: handlers that accumulate, a line that has subscribed the same label twice, and
    /// names that are probably misspelled. Empty for most programs.
    ///
    /// First for each topic, in alphabetical order, and then for each pattern: the lines with many handlers, and the
    /// labels that are there twice, both by line. Then the similar names, in the order of the topics without handlers.
    ///
    /// Two names of topics with the same payload type are similar if their letters are the same but for case, `_` and
    /// `-`, or if one letter of a token of at least four is missing, too much, wrong or exchanged with its neighbour.
    /// Digits do not count: names that differ by a number are a series. A handler of the pattern `>` hears everything,
    /// and so none of these topics in particular.
    ///
    /// Looked for by this call: O(n log n) in the number of handlers, and in the number of topics, each of which takes
    /// some microseconds; those without handlers also take up to 1.5 KiB each, until it returns. Names of more than
    /// 64 characters are not compared, and of many that share the same rest only some are.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let _sub = bus.on(&Topic::new("order.placed"), |_: &u64| ());
    /// let emitted = bus.signal(&Topic::<u64>::new("order.paced"));
    /// let warnings = bus.wiring().warnings();
    /// assert!(warnings[0].to_string().starts_with("topic \"order.paced\" (first used at "));
    /// # drop(emitted);
    /// ```
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut found = Vec::new();
        for topic in &self.topics {
            let is_own = |it: &&HandlerInfo| it.pattern.is_none() && it.kind != HandlerKind::Hook;
            let own = topic.handlers.iter().filter(is_own);
            self.look_at(topic.name(), own, &mut found);
        }
        for pattern in &self.patterns {
            self.look_at(pattern.name(), pattern.handlers.iter(), &mut found);
        }
        let (silent, heard): (Vec<_>, Vec<_>) = self.topics.iter().partition(|it| !is_heard(it));
        let similar = Similar::to(silent.iter().map(|it| (it.name(), it.type_name)));
        let mut misspelled = BTreeMap::new();
        for heard in heard {
            for at in similar.find(heard.name(), heard.type_name) {
                misspelled.entry(at).or_insert(heard);
            }
        }
        found.extend(misspelled.iter().map(|(at, heard)| Warning::SimilarName {
            topic: silent[*at].name().to_owned(),
            place: silent[*at].place,
            similar: heard.name().to_owned(),
            similar_place: heard.place,
        }));
        found
    }

    /// Looks at the handlers that were subscribed to one topic or pattern.
    fn look_at<'h>(
        &self,
        topic: &str,
        handlers: impl Iterator<Item = &'h HandlerInfo> + Clone,
        found: &mut Vec<Warning>,
    ) {
        let mut counts = count_places(handlers.clone().map(|it| it.place));
        counts.retain(|_, count| self.warn_handlers > 0 && *count >= self.warn_handlers);
        let mut labels = BTreeMap::new();
        // What accumulates is told once, labelled or not.
        for handler in handlers.filter(|it| !counts.contains_key(it.place)) {
            if let Some(label) = &handler.label {
                *labels.entry((handler.place, label)).or_insert(0) += 1;
            }
        }
        found.extend(
            counts
                .into_iter()
                .map(|(place, count)| Warning::ManyHandlers {
                    topic: topic.to_owned(),
                    place,
                    count,
                }),
        );
        let twice = labels.into_iter().filter(|(_, count)| *count > 1);
        found.extend(twice.map(|((place, label), count)| Warning::SameLabel {
            topic: topic.to_owned(),
            label: label.to_string(),
            place,
            count,
        }));
    }
}

/// Whether somebody listens to this topic in particular.
fn is_heard(topic: &TopicWiring) -> bool {
    let listens =
        |it: &HandlerInfo| it.kind != HandlerKind::Hook && it.pattern().is_none_or(|it| it != ">");
    topic.handlers.iter().any(listens)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(feature = "follow")]
    fn times_are_written_in_units_that_people_read() {
        use super::*;

        let took = |nanos| {
            let slow = Warning::Slow {
                topic: "x".to_owned(),
                label: None,
                place: Location::caller(),
                took: Duration::from_nanos(nanos),
            };
            let text = slow.to_string();
            text.split_once(" took ").expect("it says so").1.to_owned()
        };
        assert_eq!(took(30_247_547), "30.247ms");
        assert_eq!(took(60_000_000), "60ms");
        assert_eq!(took(1_200_000_789), "1.2s");
        assert_eq!(took(999_999), "999.999µs");
        let rounded = |seconds| rounded(Duration::from_secs(seconds));
        assert_eq!(
            [rounded(59), rounded(3599), rounded(90_061)],
            ["59 s", "59 min", "25 h 1 min"]
        );
    }
}
