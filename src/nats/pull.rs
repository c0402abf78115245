//! Asks a consumer for events, so many at a time as there is room for.
//!
//! Asking, and not being sent: so nothing arrives that there is no room for, whatever a handler does.

use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use serde_json::json;
use tokio::time::{Instant, timeout};

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

pub(super) struct Pull<'c> {
    client: &'c Client,
    subject: String,
    inbox: String,
    messages: Subscriber,
    /// How many events the server may still send for what it was asked.
    outstanding: usize,
    /// It has said that it has nothing at the moment.
    is_idle: bool,
    heard: Instant,
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
    /// Nothing that is of interest, or the time is over.
    Nothing,
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
    ) -> Result<Self, String> {
        let inbox = client.new_inbox();
        let messages = client
            .subscribe(inbox.clone())
            .await
            .map_err(|it| it.to_string())?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let heard = Instant::now();
        Ok(Pull {
            client,
            subject,
            inbox,
            messages,
            outstanding: 0,
            is_idle: false,
            heard,
        })
    }

    /// How many events may still come.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Asks for so many more.
    pub(super) async fn ask(&mut self, events: usize) -> Result<(), String> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let body = json!({ "batch": events, "expires": nanos(EXPIRES), "idle_heartbeat": nanos(HEARTBEAT) });
        let (subject, reply) = (self.subject.clone(), self.inbox.clone());
        let asked = self
            .client
            .publish_with_reply(subject, reply, body.to_string().into())
            .await;
        asked.map_err(|it| it.to_string())?;
        if self.outstanding == 0 {
            self.heard = Instant::now();
        }
        self.outstanding += events;
        self.is_idle = false;
        Ok(())
    }

    /// Takes what the server still sends for what it was asked, until it says that there is nothing more. Not until it
    /// has answered to something else: the consumer is another task there.
    pub(super) async fn rest(mut self) -> Vec<Message> {
        let mut rest = Vec::new();
        while self.outstanding > 0 && !self.is_idle {
            match self.next(2 * HEARTBEAT).await {
                Pulled::Event(message) => rest.push(message),
                Pulled::Nothing => (),
                Pulled::Silent | Pulled::Gone(_) | Pulled::Ended => break,
            }
        }
        rest
    }

    /// Waits for something to come, for this long at most.
    pub(super) async fn next(&mut self, most: Duration) -> Pulled {
        let most = if self.outstanding > 0 {
            most.min(SILENCE.saturating_sub(self.heard.elapsed()))
        } else {
            most
        };
        let message = match timeout(most, next(&mut self.messages)).await {
            Ok(Some(message)) => message,
            Ok(None) => return Pulled::Ended,
            Err(_) if self.outstanding > 0 && self.heard.elapsed() >= SILENCE => {
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
            self.outstanding = self.outstanding.saturating_sub(1);
            return Pulled::Event(message);
        };
        let text = message.description.as_deref().unwrap_or_default();
        match status.as_u16() {
            // A sign of life.
            100 => Pulled::Nothing,
            503 => Pulled::Silent,
            409 if is_deleted(text) => Pulled::Gone(text.to_owned()),
            409 if is_left(text) => Pulled::Silent,
            // The request has ended with so many events less than it has asked for.
            _ => {
                let pending = message
                    .headers
                    .as_ref()
                    .and_then(|it| it.get("Nats-Pending-Messages"));
                let pending = pending.and_then(|it| it.as_str().parse::<usize>().ok());
                self.outstanding = pending.map_or(0, |it| self.outstanding.saturating_sub(it));
                Pulled::Nothing
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

/// Whether it means that the server does not serve the consumer any more.
fn is_left(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["leadership change", "server shutdown"]
        .iter()
        .any(|it| text.contains(it))
}
