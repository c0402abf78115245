//! Whether an event that has not arrived was removed from its stream, or is to be stored behind a later one.
//!
//! An event that names one before it which a reader does not have stands too early, and comes again behind that one;
//! unless that one was there and was removed, by a limit of the stream or by somebody. Then it has to be handled.

use std::time::Duration;

use async_nats::Client;
use tokio::time::Instant;

use crate::nats::api::{self, ApiError, ReaderConsumer};
use crate::nats::pull::{Pull, Pulled};
use crate::nats::wire;

/// How many events of the topic are looked through. More than are under way by any sensible window.
const MOST: u64 = 8_192;
/// How many are asked for at a time.
const BATCH: usize = 256;
/// How long one is waited for that a bridge may be about to send again, at the end of the stream.
const TAIL: Duration = Duration::from_millis(300);

/// An event that has not arrived.
pub(super) struct Missing<'m> {
    pub(super) stream: &'m str,
    pub(super) subject: &'m str,
    pub(super) origin: &'m str,
    pub(super) number: u64,
    /// The position of the last one of its sequence that has arrived, or [`NOWHERE`](super::memory::NOWHERE).
    pub(super) behind: u64,
    /// The position of the one that names it.
    pub(super) before: u64,
}

impl Missing<'_> {
    /// Whether it was removed.
    ///
    /// Only if something was, between the two; and only if it does not stand behind the one that names it. Where it
    /// is not stored yet and something of another topic was removed just there, this is wrong: it is waited for, but
    /// not as long as a bridge may be refused.
    pub(super) async fn is_removed(&self, client: &Client) -> Result<bool, ApiError> {
        if self.is_complete(client).await? {
            return Ok(false);
        }
        let subjects = [self.subject.to_owned()];
        let consumer = api::create_reader(client, self.stream, &subjects, self.before + 1).await?;
        let is_behind = self.is_behind(client, &consumer).await;
        api::delete_consumer(client, self.stream, &consumer.name).await;
        is_behind.map(|it| !it)
    }

    /// Whether nothing was removed between the two. Not where the first one was in a stream that is not there any more.
    async fn is_complete(&self, client: &Client) -> Result<bool, ApiError> {
        if self.behind >= self.before {
            return Ok(false);
        }
        let state = api::stream(client, self.stream).await?;
        if !state.has_gaps && state.first <= self.behind + 1 {
            return Ok(true);
        }
        // Those that are left in between: those from here on without those from there on.
        let from = self.pending(client, self.behind + 1).await?;
        let to = self.pending(client, self.before).await?;
        Ok(from.saturating_sub(to) >= self.before - self.behind - 1)
    }

    /// How many events the stream has from a position on.
    async fn pending(&self, client: &Client, position: u64) -> Result<u64, ApiError> {
        let consumer = api::create_reader(client, self.stream, &[], position).await?;
        api::delete_consumer(client, self.stream, &consumer.name).await;
        Ok(consumer.pending)
    }

    /// Whether it is among the events of this consumer.
    async fn is_behind(
        &self,
        client: &Client,
        consumer: &ReaderConsumer,
    ) -> Result<bool, ApiError> {
        let ended = |_| ApiError::NoAnswer;
        let mut pending = consumer.pending;
        let mut pull = Pull::begin(client, self.stream, &consumer.name, consumer.limits)
            .await
            .map_err(ended)?;
        let until = Instant::now() + TAIL;
        let mut seen = 0;
        while seen < MOST {
            let left = until.saturating_duration_since(Instant::now());
            if pending == 0 && left.is_zero() {
                break;
            }
            if pull.outstanding() == 0 && pull.can_ask() {
                pull.ask(BATCH).await.map_err(ended)?;
            }
            let most = if pending == 0 { left } else { TAIL };
            let message = match pull.next(most).await {
                Pulled::Event(message) => message,
                Pulled::Nothing | Pulled::Taken => continue,
                Pulled::Refused(reason) => return Err(ApiError::Refused(reason)),
                Pulled::Silent | Pulled::Gone(_) | Pulled::Ended => return Err(ApiError::NoAnswer),
            };
            seen += 1;
            pending = message
                .reply
                .as_ref()
                .and_then(|it| wire::position(it))
                .map_or(0, |it| it.pending);
            let (_, sender) = wire::read(&message);
            if sender.origin.as_deref() == Some(self.origin) && sender.number == Some(self.number) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
