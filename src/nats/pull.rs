//! Asks a consumer for events, so many at a time as there is room for.
//!
//! Asking, and not being sent: so nothing arrives that there is no room for, whatever a handler does.
//!
//! Each request has a subject of its own for what the server says of it, so that it is known which one has ended: a
//! consumer may be limited in what it can be asked for, and refuses some.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::nats::api::PullLimits;
use crate::nats::connection::{next, ready};

/// How long the server keeps a request for which there is no event.
const EXPIRES: Duration = Duration::from_secs(5);
/// How often it says meanwhile that it is there.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// After how long without a word it is taken to have forgotten the request, as servers do that were started again.
const SILENCE: Duration = Duration::from_millis(1600);

/// What is between two silences in a row, at most; and how many of them are too many.
const IN_A_ROW: Duration = Duration::from_secs(10);
const MOST_SILENCES: u32 = 3;

/// How long is waited before a consumer is asked again that has refused, at first and at most.
const FIRST_REFUSED: Duration = Duration::from_millis(100);
const MOST_REFUSED: Duration = Duration::from_secs(5);
/// How often that is told at most.
const TELLS: Duration = Duration::from_secs(10);
/// How often it is asked at most if it has nothing, however short its requests may be.
const SHORTEST: Duration = Duration::from_millis(50);

pub(super) struct Pull<'c> {
    client: &'c Client,
    subject: String,
    inbox: String,
    messages: Subscriber,
    limits: PullLimits,
    /// What the server was asked for, the oldest first.
    requests: VecDeque<Request>,
    asked: u64,
    /// Until then it is not asked.
    not_before: Option<Instant>,
    /// It has said that it has nothing at the moment.
    is_idle: bool,
    heard: Instant,
}

struct Request {
    number: u64,
    /// How many events may still come for it.
    left: usize,
    asked: Instant,
}

/// How often in a row a consumer has refused to be asked.
#[derive(Default)]
pub(super) struct Refusals {
    wait: Duration,
    told: Option<Instant>,
}

impl Refusals {
    /// Notes one more. Returns how long to wait, and whether to tell of it.
    pub(super) fn one_more(&mut self) -> (Duration, bool) {
        let is_new = self.wait.is_zero();
        self.wait = (2 * self.wait).clamp(FIRST_REFUSED, MOST_REFUSED);
        let tells = is_new && self.told.is_none_or(|it| it.elapsed() >= TELLS);
        if tells {
            self.told = Some(Instant::now());
        }
        (self.wait, tells)
    }

    /// It has taken a request.
    pub(super) fn end(&mut self) {
        self.wait = Duration::ZERO;
    }
}

/// How often in a row a consumer was silent.
#[derive(Default)]
pub(super) struct Silences {
    count: u32,
    last: Option<Instant>,
}

impl Silences {
    /// Notes one more. Returns whether the connection is to be given up.
    pub(super) fn is_too_many(&mut self) -> bool {
        let in_a_row = self.last.is_some_and(|it| it.elapsed() < IN_A_ROW);
        self.last = Some(Instant::now());
        self.count = if in_a_row { self.count + 1 } else { 1 };
        self.count > MOST_SILENCES
    }
}

/// What has come.
pub(super) enum Pulled {
    Event(Message),
    /// A request was taken, or has ended.
    Taken,
    /// Nothing that is of interest, or the time is over.
    Nothing,
    /// The consumer does not take a request, and why.
    Refused(String),
    /// The consumer does not answer any more.
    Silent,
    /// It was deleted.
    Gone(String),
    /// The connection has ended.
    Ended,
}

impl<'c> Pull<'c> {
    pub(super) async fn begin(
        client: &'c Client,
        stream: &str,
        consumer: &str,
        limits: PullLimits,
    ) -> Result<Self, String> {
        let inbox = client.new_inbox();
        let messages = client
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|it| it.to_string())?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let heard = Instant::now();
        Ok(Pull {
            client,
            subject,
            inbox,
            messages,
            limits,
            requests: VecDeque::new(),
            asked: 0,
            not_before: None,
            is_idle: false,
            heard,
        })
    }

    /// How many events may still come.
    pub(super) fn outstanding(&self) -> usize {
        self.requests.iter().map(|it| it.left).sum()
    }

    /// Whether it can be asked now: not where it has as many requests as it keeps, or has just refused one.
    pub(super) fn can_ask(&mut self) -> bool {
        self.left_to_wait().is_none() && self.requests.len() < self.limits.waiting
    }

    /// For how long it is not to be asked. `None` once that is over, so that it is not waited for again.
    fn left_to_wait(&mut self) -> Option<Duration> {
        let left = self.not_before?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.not_before = None;
            return None;
        }
        Some(left)
    }

    /// Has it not asked for a while.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = Instant::now() + time;
        self.not_before = self.not_before.max(Some(until));
    }

    /// Asks for so many more, or for as many as can be asked for at a time.
    pub(super) async fn ask(&mut self, events: usize) -> Result<(), String> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let events = events.min(self.limits.batch);
        let expires = self.limits.expires.min(EXPIRES);
        let mut body = json!({ "batch": events, "expires": nanos(expires) });
        // The server takes none that is longer than half of the request. The end of that is a sign of life, too.
        if 2 * HEARTBEAT <= expires {
            body["idle_heartbeat"] = json!(nanos(HEARTBEAT));
        }
        let number = self.asked;
        let (subject, reply) = (self.subject.clone(), format!("{}.{number}", self.inbox));
        let asked = self
            .client
            .publish_with_reply(subject, reply, body.to_string().into())
            .await;
        asked.map_err(|it| it.to_string())?;
        let now = Instant::now();
        if self.requests.is_empty() {
            self.heard = now;
        }
        self.asked += 1;
        self.requests.push_back(Request {
            number,
            left: events,
            asked: now,
        });
        self.is_idle = false;
        Ok(())
    }

    /// Notes that an event has come. Requests are answered in turn.
    fn one_came(&mut self) {
        if let Some(first) = self.requests.front_mut() {
            first.left = first.left.saturating_sub(1);
            if first.left == 0 {
                self.requests.pop_front();
            }
        }
    }

    /// The request that a message of the server is about.
    fn request(&self, message: &Message) -> Option<usize> {
        let number = message.subject.rsplit('.').next()?.parse::<u64>().ok()?;
        self.requests.iter().position(|it| it.number == number)
    }

    /// Takes what the server still sends for what it was asked, until it says that there is nothing more. Not until it
    /// has answered to something else: the consumer is another task there.
    pub(super) async fn rest(mut self) -> Vec<Message> {
        let mut rest = Vec::new();
        while !self.requests.is_empty() && !self.is_idle {
            match self.next(2 * HEARTBEAT).await {
                Pulled::Event(message) => rest.push(message),
                Pulled::Nothing | Pulled::Taken | Pulled::Refused(_) => (),
                Pulled::Silent | Pulled::Gone(_) | Pulled::Ended => break,
            }
        }
        rest
    }

    /// Waits for something to come, for this long at most, or until it can be asked again.
    pub(super) async fn next(&mut self, most: Duration) -> Pulled {
        let mut most = most;
        if let Some(left) = self.left_to_wait() {
            most = most.min(left);
        }
        let is_asked = !self.requests.is_empty();
        if is_asked {
            most = most.min(SILENCE.saturating_sub(self.heard.elapsed()));
        }
        let message = match timeout(most, next(&mut self.messages)).await {
            Ok(Some(message)) => message,
            Ok(None) => return Pulled::Ended,
            Err(_) if is_asked && self.heard.elapsed() >= SILENCE => {
                return Pulled::Silent;
            }
            Err(_) => return Pulled::Nothing,
        };
        self.take(message)
    }

    /// What has come by now.
    pub(super) fn come(&mut self) -> Option<Pulled> {
        let message = ready(&mut self.messages).next()?;
        Some(self.take(message))
    }

    fn take(&mut self, message: Message) -> Pulled {
        self.heard = Instant::now();
        self.is_idle = message.status.is_some_and(|it| it.as_u16() == 100);
        let Some(status) = message.status else {
            self.one_came();
            return Pulled::Event(message);
        };
        let text = message.description.as_deref().unwrap_or_default();
        match status.as_u16() {
            // A sign of life.
            100 => Pulled::Taken,
            503 => Pulled::Silent,
            409 if is_deleted(text) => Pulled::Gone(text.to_owned()),
            409 if is_left(text) => Pulled::Silent,
            status => {
                let ended = self.request(&message);
                let ended = ended.and_then(|it| self.requests.remove(it));
                if status != 404 && status != 408 && !is_done(text) {
                    return Pulled::Refused(text.to_owned());
                }
                if let Some(ended) = ended {
                    // Requests may be so short that it would be asked all the time.
                    self.wait(SHORTEST.saturating_sub(ended.asked.elapsed()));
                }
                Pulled::Taken
            }
        }
    }
}

/// Whether a conflict means that the consumer was deleted.
fn is_deleted(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["consumer deleted", "stream deleted"]
        .iter()
        .any(|it| text.contains(it))
}

/// Whether it means that a request has ended as asked.
fn is_done(text: &str) -> bool {
    text.to_ascii_lowercase().contains("batch completed")
}

/// Whether it means that the server does not serve the consumer any more.
fn is_left(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["leadership change", "server shutdown"]
        .iter()
        .any(|it| text.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_waited_for_and_told_once() {
        let mut refusals = Refusals::default();
        let waits: Vec<_> = (0..8).map(|_| refusals.one_more()).collect();
        let millis: Vec<u128> = waits.iter().map(|it| it.0.as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        let told: Vec<bool> = waits.iter().map(|it| it.1).collect();
        assert_eq!(told.iter().filter(|it| **it).count(), 1);
        assert!(told[0]);
        refusals.end();
        // Told a moment ago.
        assert_eq!(refusals.one_more(), (FIRST_REFUSED, false));
    }
}
