//! What was counted and measured, as of one moment.

use std::panic::Location;
use std::time::Duration;

use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::ReceivedReport;
use crate::follow::step::Step;
use crate::follow::times::Times;
use crate::wiring::Wiring;
use crate::wiring::handler::HandlerKind;
use crate::wiring::warning::Warning;

/// What was counted and measured since a following began: made by
/// [`Following::report`](crate::flavour::Following::report).
///
/// Owned and detached, like a [`Wiring`]. The counts of each thread are exact as of the moment it was looked at.
///
/// `Display` writes it as text; [`to_dot`](Self::to_dot) and [`to_mermaid`](Self::to_mermaid) draw it;
/// [`to_prometheus`](Self::to_prometheus) is for monitoring, and [`to_chrome_trace`](Self::to_chrome_trace) shows its tail
/// over time. With the feature `serde` it is `Serialize`.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Follow, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// let bus = Bus::new();
/// let following = bus.follow(Follow::new());
/// let _sub = bus.subscribe(&PLACED).label("billing").on(|_| ());
/// bus.emit(&PLACED, &7);
///
/// let report = following.report();
/// assert_eq!(report.topics()[0].emissions(), 1);
/// assert_eq!(report.handlers()[0].label(), Some("billing"));
/// let text = report.to_string();
/// assert!(text.contains("\norder.placed  u64  1 emission\n"));
/// ```
#[derive(Debug, Clone)]
pub struct Report {
    pub(crate) topics: Vec<TopicReport>,
    pub(crate) handlers: Vec<HandlerReport>,
    pub(crate) emitters: Vec<EmitterReport>,
    /// By their beginning.
    pub(crate) tail: Vec<Step>,
    pub(crate) skipped: u64,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) wiring: Wiring,
    /// Nanoseconds since the following began.
    pub(crate) at: u64,
}

/// What was emitted to one topic.
#[derive(Debug, Clone)]
pub struct TopicReport {
    pub(crate) name: String,
    pub(crate) type_name: &'static str,
    pub(crate) emissions: u64,
    pub(crate) unheard: u64,
    #[cfg(feature = "nats")]
    pub(crate) received: Option<ReceivedReport>,
}

/// What the handlers of one topic or pattern did that one line has subscribed with one label.
#[derive(Debug, Clone)]
pub struct HandlerReport {
    pub(crate) topic: String,
    pub(crate) label: Option<String>,
    pub(crate) place: CallSite,
    pub(crate) kind: Option<HandlerKind>,
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) skipped: u64,
    pub(crate) own: Times,
    pub(crate) total: u64,
    pub(crate) waited: Times,
}

/// What one line has emitted to one topic.
#[derive(Debug, Clone)]
pub struct EmitterReport {
    pub(crate) topic: String,
    /// `None` for those beyond the number that is kept.
    pub(crate) place: Option<CallSite>,
    pub(crate) emissions: u64,
}

impl Report {
    /// The topics that were emitted to, by name.
    #[must_use]
    pub fn topics(&self) -> &[TopicReport] {
        &self.topics
    }

    /// The handlers that were called or skipped, by topic and place.
    #[must_use]
    pub fn handlers(&self) -> &[HandlerReport] {
        &self.handlers
    }

    /// The lines that have emitted, by topic and place: 4,096 at most, and one entry for all others.
    #[must_use]
    pub fn emitters(&self) -> &[EmitterReport] {
        &self.emitters
    }

    /// The newest pieces of work, by their beginning: those that began or ended after the report whose
    /// [`next`](Self::next) this is, 0 for all that are kept.
    pub fn tail(&self, after: u64) -> impl Iterator<Item = &Step> {
        self.tail.iter().filter(move |it| it.is_news(after))
    }

    /// What [`tail`](Self::tail) of a later report is to be asked for, to be given what is new in it.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.at
    }

    /// How many pieces of work are not in the tail any more.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// What is probably unintended: in the wiring, and in what has happened.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Who listens to what at this moment.
    #[must_use]
    pub fn wiring(&self) -> &Wiring {
        &self.wiring
    }

    /// How long the bus has been followed.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_nanos(self.at)
    }
}

impl TopicReport {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its payload.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// How many events were emitted to it, or delivered after they were deferred.
    #[must_use]
    pub fn emissions(&self) -> u64 {
        self.emissions
    }

    /// How many of them no handler was called for.
    #[must_use]
    pub fn unheard(&self) -> u64 {
        self.unheard
    }

    /// What [bridges](crate::nats) have received of it. `None` if nothing.
    #[cfg(feature = "nats")]
    #[must_use]
    pub fn received(&self) -> Option<&ReceivedReport> {
        self.received.as_ref()
    }

    /// Adds what one thread has received, the last one at this time.
    #[cfg(feature = "nats")]
    pub(crate) fn add_received(&mut self, other: &ReceivedReport, at: u64) {
        let before = self.received.take();
        let (count, handling) = before.as_ref().map_or((0, 0), |it| (it.count, it.handling));
        let (count, handling) = (other.count + count, other.handling + handling);
        let newest = before.filter(|it| it.at > at);
        self.received = Some(match newest {
            Some(newest) => ReceivedReport {
                count,
                handling,
                ..newest
            },
            None => ReceivedReport {
                count,
                handling,
                at,
                last: other.last.clone(),
            },
        });
    }
}

impl HandlerReport {
    /// The topic or pattern.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The label.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The line that subscribed it.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// What it is. `None` if it is not subscribed any more.
    #[must_use]
    pub fn kind(&self) -> Option<&HandlerKind> {
        self.kind.as_ref()
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How many of these calls failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// How often it was not called: paused, filtered, its limit used up, its target dead.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How long its calls took, without the emissions nested in them.
    #[must_use]
    pub fn own(&self) -> &Times {
        &self.own
    }

    /// How long its calls took in all, with the emissions nested in them.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total)
    }

    /// How long its calls waited in a queue.
    #[must_use]
    pub fn waited(&self) -> &Times {
        &self.waited
    }
}

impl EmitterReport {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The line that emitted. `None`: all others.
    #[must_use]
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.place
    }

    /// How many events it has emitted to the topic.
    #[must_use]
    pub fn emissions(&self) -> u64 {
        self.emissions
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(feature = "nats")]
    fn threads_that_have_received_are_counted_together_and_the_last_one_is_the_last() {
        use std::sync::Arc;

        use crate::follow::received::{Received, ReceivedReport};

        let mut topic = crate::follow::sample::report().topics.remove(0);
        for (number, at) in [(1, 20), (2, 30), (3, 10)] {
            let last = Arc::new(Received {
                number: Some(number),
                ..Received::default()
            });
            let of_thread = ReceivedReport {
                count: number,
                handling: number % 2,
                at: 0,
                last,
            };
            topic.add_received(&of_thread, at);
        }
        let received = topic.received().expect("something has come");
        assert_eq!(
            (received.count(), received.handling(), received.at),
            (6, 2, 30)
        );
        assert_eq!(received.last().number(), Some(2));
    }
}
