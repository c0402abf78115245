//! Sends what waits on a route, as long as a connection lasts.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::nats::connection::{next, ready};
use crate::nats::error::BridgeError;
use crate::nats::outgoing::Outgoing;
use crate::nats::retry::Retry;
use crate::nats::route::Names;
use crate::nats::window::{Answer, Waiter};
use crate::nats::wire;

/// How many events of a core route are written at a time.
const BATCH: usize = 64;
/// How long the server may take to answer to any event while some are under way.
const ANSWER: Duration = Duration::from_secs(5);

/// The number of the error "resource limits exceeded for account".
const ACCOUNT_IS_FULL: u64 = 10_002;

/// Sends by core NATS. Returns why the connection cannot be used any more.
///
/// When the bridge is to end, those in hand are written first, and no others.
pub(super) async fn send_core(
    client: &Client,
    route: &Outgoing,
    mut end: watch::Receiver<Option<Instant>>,
) -> String {
    loop {
        if end.borrow().is_some() {
            return "the bridge is stopped".to_owned();
        }
        let mut batch = route.take(BATCH);
        if batch.is_empty() {
            tokio::select! {
                () = route.work.notified() => (),
                () = async { drop(end.wait_for(Option::is_some).await) } => (),
            }
            continue;
        }
        // All of them at first: where one cannot be written, those behind it are lost too.
        let waiters = batch.iter_mut().filter_map(|(it, _)| it.waiter.take());
        let mut taken = Taken {
            route,
            waiters: waiters.collect(),
            count: batch.len(),
            is_written: false,
        };
        for (entry, number) in batch {
            let subject = route.subject(&entry.topic);
            let headers = wire::core(&route.hub.origin, number, &entry.headers);
            if let Err(error) = client
                .publish_with_headers(subject, headers, entry.payload)
                .await
            {
                return error.to_string();
            }
            route.hub.counts.sent.one();
        }
        // Whoever awaits one, or flushes, is told when it is written, and not when the client library has taken it.
        if let Err(error) = client.flush().await {
            return error.to_string();
        }
        taken.is_written = true;
    }
}

/// What was taken out of the outbox, until it is written or lost.
struct Taken<'r> {
    route: &'r Outgoing,
    waiters: Vec<Arc<Waiter>>,
    count: usize,
    is_written: bool,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let waiters = std::mem::take(&mut self.waiters);
        self.route.written(self.count, waiters, self.is_written);
    }
}

/// Sends into a stream. Returns why the connection cannot be used any more.
pub(super) async fn send_stored(client: &Client, route: &Outgoing) -> String {
    let Some(stored) = &route.stored else {
        return "a route without a stream".to_owned();
    };
    let inbox = client.new_inbox();
    let mut answers = match client.subscribe(format!("{inbox}.*.*")).await {
        Ok(answers) => answers,
        Err(error) => return error.to_string(),
    };
    route.restart();
    let is_pattern = matches!(route.names, Names::Matching(_));
    let mut retry = Retry::default();
    // Until then nothing is sent.
    let mut held: Option<Instant> = None;
    let mut asked = Instant::now();
    loop {
        if held.is_none_or(|it| it <= Instant::now()) {
            held = None;
            while let Some(sending) = route.send_next() {
                if sending.is_alone {
                    asked = Instant::now();
                }
                let subject = route.subject(&sending.topic);
                let reply = format!("{inbox}.{}.{}", sending.position, sending.run);
                let headers = wire::stored(&route.hub.origin, route.index, is_pattern, &sending);
                let counts = &route.hub.counts;
                if sending.again {
                    counts.resent.one()
                } else {
                    counts.sent.one()
                }
                let published =
                    client.publish_with_reply_and_headers(subject, reply, headers, sending.payload);
                if let Err(error) = published.await {
                    if error.kind() != async_nats::PublishErrorKind::MaxPayloadExceeded {
                        return error.to_string();
                    }
                    let answer = Answer::Refused(error.to_string());
                    route.answered(sending.position, sending.run, &answer);
                }
            }
        }
        let deadline = match held {
            Some(held) => held,
            None if route.is_under_way() => asked + ANSWER,
            None => Instant::now() + Duration::from_secs(3600),
        };
        // In this order: where there are answers, no timer is set.
        let first = tokio::select! {
            biased;
            message = next(&mut answers) => message,
            () = route.work.notified() => continue,
            () = sleep_until(deadline) => {
                if held.is_none() && route.is_under_way() {
                    return format!("no answer within {ANSWER:?} to an event of {:?}", route.names.as_str());
                }
                continue;
            }
        };
        let Some(first) = first else {
            return "the connection has ended".to_owned();
        };
        asked = Instant::now();
        // All that have come, before more is sent: so that it is written at once.
        for message in std::iter::once(first).chain(ready(&mut answers)) {
            let Some((position, run, answer)) = read(&message) else {
                continue;
            };
            route.answered(position, run, &answer);
            match answer {
                Answer::Hold(reason) => {
                    if held.is_none() {
                        held = Some(Instant::now() + retry.wait());
                    }
                    if route.hold(&reason) {
                        let stream = stored.stream.to_string();
                        let error = BridgeError::Holding { stream, reason };
                        route.hub.report(route.names.as_str(), route.place, error);
                    }
                }
                Answer::Stored { .. } => {
                    route.release();
                    retry = Retry::default();
                }
                Answer::Refused(_) => (),
            }
        }
    }
}

/// Reads an answer, and to which message it is.
fn read(message: &Message) -> Option<(u64, u32, Answer)> {
    let mut tokens = message.subject.rsplit('.');
    let run = tokens.next()?.parse().ok()?;
    let position = tokens.next()?.parse().ok()?;
    let answer = match message.status {
        Some(status) if status.as_u16() == 503 => Answer::Hold(
            "nobody answers for the stream: JetStream has not started, or the stream is gone"
                .to_owned(),
        ),
        Some(status) => Answer::Hold(format!("status {}", status.as_u16())),
        None => answer(&message.payload),
    };
    Some((position, run, answer))
}

/// Reads what an answer says.
fn answer(payload: &[u8]) -> Answer {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(payload) else {
        return Answer::Hold("an answer that cannot be read".to_owned());
    };
    if let Some(error) = answer.get("error") {
        let text = error["description"]
            .as_str()
            .unwrap_or("no reason given")
            .to_owned();
        // 5xx: it is the server that cannot. 4xx: it is the event; but for an account that has no room.
        return match (error["code"].as_u64(), error["err_code"].as_u64()) {
            (_, Some(ACCOUNT_IS_FULL)) => Answer::Hold(text),
            (Some(400..=499), _) => Answer::Refused(text),
            _ => Answer::Hold(text),
        };
    }
    match answer["seq"].as_u64() {
        Some(sequence) => {
            let duplicate = answer["duplicate"].as_bool().unwrap_or(false);
            Answer::Stored {
                sequence,
                duplicate,
            }
        }
        None => Answer::Hold("an answer without a position".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let stored = |sequence, duplicate| Answer::Stored {
            sequence,
            duplicate,
        };
        assert_eq!(answer(br#"{"stream":"S","seq":7}"#), stored(7, false));
        assert_eq!(
            answer(br#"{"stream":"S","seq":7,"duplicate":true}"#),
            stored(7, true)
        );
        let error = |code: u32| format!(r#"{{"error":{{"code":{code},"description":"so"}}}}"#);
        assert_eq!(answer(error(503).as_bytes()), Answer::Hold("so".to_owned()));
        assert_eq!(
            answer(error(400).as_bytes()),
            Answer::Refused("so".to_owned())
        );
        let full = br#"{"error":{"code":400,"err_code":10002,"description":"so"}}"#;
        assert_eq!(answer(full), Answer::Hold("so".to_owned()));
        assert!(matches!(answer(b"nonsense"), Answer::Hold(_)));
    }
}
