//! Requests to JetStream, as JSON.
//!
//! Not by the structures of the client's library: there are six of them here, they are plain JSON, and the library
//! cannot read some of the answers of older servers.

use std::time::Duration;

use async_nats::{Client, Request, RequestErrorKind};
use serde_json::{Value, json};

use crate::nats::limits::StreamLimits;

/// The stream with the positions of readers, and its subjects.
pub(super) const CURSORS: &str = "slotcast_readers";
const CURSOR_SUBJECTS: &str = "slotcast.reader.*.*";

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(5);

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ApiError {
    /// The server has no JetStream, or does not have it yet.
    NoJetStream,
    /// There is no such thing.
    NotFound(String),
    /// Another answer.
    Refused(String),
    /// None.
    NoAnswer,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ApiError::NoJetStream => {
                f.write_str("the server has no JetStream, or it has not started")
            }
            ApiError::NotFound(text) | ApiError::Refused(text) => f.write_str(text),
            ApiError::NoAnswer => f.write_str("no answer"),
        }
    }
}

/// Asks, and returns the answer.
pub(super) async fn ask(client: &Client, what: &str, body: &Value) -> Result<Value, ApiError> {
    let payload = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = Request::new().payload(payload.into()).timeout(Some(ANSWER));
    match client
        .send_request(format!("$JS.API.{what}"), request)
        .await
    {
        Ok(message) => parse(&message.payload),
        Err(error) => Err(match error.kind() {
            RequestErrorKind::NoResponders => ApiError::NoJetStream,
            RequestErrorKind::TimedOut => ApiError::NoAnswer,
            _ => ApiError::Refused(error.to_string()),
        }),
    }
}

/// Reads an answer.
fn parse(payload: &[u8]) -> Result<Value, ApiError> {
    let answer: Value =
        serde_json::from_slice(payload).map_err(|error| ApiError::Refused(error.to_string()))?;
    let Some(error) = answer.get("error") else {
        return Ok(answer);
    };
    let text = error["description"].as_str().unwrap_or("no reason given");
    Err(match error["code"].as_u64() {
        Some(404) => ApiError::NotFound(text.to_owned()),
        _ => ApiError::Refused(text.to_owned()),
    })
}

/// What is needed to know of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamState {
    /// Empty for a copy of another stream.
    pub(super) subjects: Vec<String>,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Whether events between these two were removed.
    pub(super) has_gaps: bool,
    /// When it was made, as the server writes it.
    pub(super) created: String,
}

/// Asks what a stream is.
pub(super) async fn stream(client: &Client, name: &str) -> Result<StreamState, ApiError> {
    let answer = ask(client, &format!("STREAM.INFO.{name}"), &Value::Null).await?;
    let subjects = answer["config"]["subjects"]
        .as_array()
        .into_iter()
        .flatten();
    let state = &answer["state"];
    let (first, last) = (
        state["first_seq"].as_u64().unwrap_or(0),
        state["last_seq"].as_u64().unwrap_or(0),
    );
    let kept = state["messages"].as_u64().unwrap_or(0);
    Ok(StreamState {
        subjects: subjects
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect(),
        first,
        last,
        created: answer["created"].as_str().unwrap_or_default().to_owned(),
        has_gaps: kept > 0 && (last + 1).saturating_sub(first) != kept,
    })
}

/// Makes a stream.
pub(super) async fn create_stream(
    client: &Client,
    name: &str,
    subjects: &[String],
    limits: StreamLimits,
) -> Result<(), ApiError> {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let age = limits.age.map_or(0, nanos);
    // The server wants the window not to be longer than the age.
    let duplicates = match age {
        0 => nanos(limits.duplicates),
        age => nanos(limits.duplicates).min(age),
    };
    let config = json!({
        "name": name,
        "subjects": subjects,
        "retention": "limits",
        "storage": "file",
        "discard": if limits.refuse { "new" } else { "old" },
        "max_bytes": limits.bytes,
        "max_msgs": limits.events.map_or(-1, |it| i64::try_from(it).unwrap_or(i64::MAX)),
        "max_age": age,
        "duplicate_window": duplicates,
        "max_consumers": -1,
        "num_replicas": 1,
        "allow_direct": true,
    });
    ask(client, &format!("STREAM.CREATE.{name}"), &config)
        .await
        .map(drop)
}

/// Makes the stream with the positions of readers, unless there is one.
pub(super) async fn create_cursors(client: &Client) -> Result<(), ApiError> {
    match stream(client, CURSORS).await {
        Ok(_) => return Ok(()),
        Err(ApiError::NotFound(_)) => (),
        Err(other) => return Err(other),
    }
    let config = json!({
        "name": CURSORS,
        "subjects": [CURSOR_SUBJECTS],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_msgs_per_subject": 1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_consumers": -1,
        "num_replicas": 1,
        "allow_direct": true,
    });
    ask(client, &format!("STREAM.CREATE.{CURSORS}"), &config)
        .await
        .map(drop)
}

/// The subject of a reader's position.
pub(super) fn cursor_subject(stream: &str, reader: &str) -> String {
    format!("slotcast.reader.{stream}.{reader}")
}

/// Where a reader has stopped.
pub(super) async fn cursor(client: &Client, subject: &str) -> Result<Option<u64>, ApiError> {
    let request = Request::new().payload("".into()).timeout(Some(ANSWER));
    let asked = client
        .send_request(format!("$JS.API.DIRECT.GET.{CURSORS}.{subject}"), request)
        .await;
    let message = asked.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders => ApiError::NoJetStream,
        RequestErrorKind::TimedOut => ApiError::NoAnswer,
        _ => ApiError::Refused(error.to_string()),
    })?;
    if let Some(status) = message.status {
        return match status.as_u16() {
            404 => Ok(None),
            503 => Err(ApiError::NoJetStream),
            other => Err(ApiError::Refused(format!("status {other}"))),
        };
    }
    let text = std::str::from_utf8(&message.payload).unwrap_or_default();
    match text.trim().parse() {
        Ok(sequence) => Ok(Some(sequence)),
        Err(_) => Err(ApiError::Refused(format!(
            "the position of the reader is no number: {:?}",
            crate::nats::wire::begin(&message.payload)
        ))),
    }
}

/// Adds the filter of a consumer. Servers before 2.10 know only one subject; then all come, and are looked at here.
fn set_filter(config: &mut Value, subjects: &[String], has_many: bool) {
    match subjects {
        [only] => config["filter_subject"] = json!(only),
        many if has_many => config["filter_subjects"] = json!(many),
        _ => (),
    }
}

/// What a consumer can be asked for. Whoever administers the server may have set limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PullLimits {
    /// How many events a request asks for.
    pub(super) batch: usize,
    /// How long it is kept.
    pub(super) expires: Duration,
    /// How many requests are kept, of all who ask.
    pub(super) waiting: usize,
}

impl PullLimits {
    /// Reads them from the configuration of a consumer. What is 0 or not there is not limited.
    fn of(config: &Value) -> Self {
        let limit = |name: &str| config[name].as_u64().filter(|it| *it > 0);
        let count = |name: &str| {
            let limit = limit(name).and_then(|it| usize::try_from(it).ok());
            limit.unwrap_or(usize::MAX)
        };
        PullLimits {
            batch: count("max_batch"),
            expires: limit("max_expires").map_or(Duration::MAX, Duration::from_nanos),
            waiting: count("max_waiting"),
        }
    }
}

/// The consumer of a reader.
#[derive(Debug, Clone)]
pub(super) struct ReaderConsumer {
    pub(super) name: String,
    /// How many events it had when it was made.
    pub(super) pending: u64,
    pub(super) limits: PullLimits,
}

/// Makes a consumer without acknowledgements, which ends with its connection and begins at a position.
pub(super) async fn create_reader(
    client: &Client,
    stream: &str,
    subjects: &[String],
    begin: u64,
) -> Result<ReaderConsumer, ApiError> {
    let mut config = json!({
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": begin.max(1),
        "ack_policy": "none",
        "replay_policy": "instant",
        "mem_storage": true,
        "inactive_threshold": 30_000_000_000_u64,
        "max_waiting": 16,
        "num_replicas": 1,
    });
    set_filter(&mut config, subjects, client.is_server_compatible(2, 10, 0));
    let body = json!({ "stream_name": stream, "config": config });
    let answer = ask(client, &format!("CONSUMER.CREATE.{stream}"), &body).await?;
    let name = answer["name"].as_str().map(str::to_owned);
    Ok(ReaderConsumer {
        name: name.ok_or_else(|| ApiError::Refused("the consumer has no name".to_owned()))?,
        pending: answer["num_pending"].as_u64().unwrap_or(0),
        // The server may have some for all consumers.
        limits: PullLimits::of(&answer["config"]),
    })
}

/// The consumer of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupConsumer {
    /// How long it waits for an acknowledgement.
    pub(super) ack_wait: Duration,
    pub(super) limits: PullLimits,
    /// It has as many requests as it keeps.
    pub(super) is_full: bool,
    /// How often it gives an event at most. 0 for without an end, as those are that are made here.
    pub(super) max_deliver: u32,
}

/// Makes the consumer of a group, unless there is one.
pub(super) async fn create_group(
    client: &Client,
    stream: &str,
    group: &str,
    subject: &str,
    ack_wait: Duration,
) -> Result<GroupConsumer, ApiError> {
    let found = ask(
        client,
        &format!("CONSUMER.INFO.{stream}.{group}"),
        &Value::Null,
    )
    .await;
    let answer = match found {
        Err(ApiError::NotFound(_)) => {
            let config = json!({
                "durable_name": group,
                "ack_policy": "explicit",
                "deliver_policy": "all",
                "replay_policy": "instant",
                "filter_subject": subject,
                "ack_wait": u64::try_from(ack_wait.as_nanos()).unwrap_or(u64::MAX),
                "max_deliver": -1,
                "max_ack_pending": 16_384,
                "max_waiting": 512,
            });
            let body = json!({ "stream_name": stream, "config": config });
            ask(
                client,
                &format!("CONSUMER.DURABLE.CREATE.{stream}.{group}"),
                &body,
            )
            .await?
        }
        other => other?,
    };
    let config = &answer["config"];
    if config["ack_policy"] != "explicit" || !config["deliver_subject"].is_null() {
        return Err(ApiError::Refused(
            "its consumer is not one that is asked for events and acknowledges each".to_owned(),
        ));
    }
    if config["filter_subject"].as_str().unwrap_or(">") != subject {
        let text = format!("its consumer is for {}", config["filter_subject"]);
        return Err(ApiError::Refused(text));
    }
    if config["headers_only"] == true {
        let text = "its consumer gives the headers of events, and not the events";
        return Err(ApiError::Refused(text.to_owned()));
    }
    // With a list of waits the server takes one after another, from one delivery to the next.
    let waits = config["backoff"].as_array().into_iter().flatten();
    let waits = waits.chain([&config["ack_wait"]]).filter_map(Value::as_u64);
    let limits = PullLimits::of(config);
    let waiting = answer["num_waiting"].as_u64().unwrap_or(0);
    Ok(GroupConsumer {
        ack_wait: Duration::from_nanos(waits.min().unwrap_or(30_000_000_000)),
        limits,
        is_full: usize::try_from(waiting).is_ok_and(|it| it >= limits.waiting),
        max_deliver: config["max_deliver"]
            .as_u64()
            .map_or(0, |it| u32::try_from(it).unwrap_or(u32::MAX)),
    })
}

/// Ends a consumer that is not needed any more.
pub(super) async fn delete_consumer(client: &Client, stream: &str, name: &str) {
    // It ends by itself where this fails.
    _ = ask(
        client,
        &format!("CONSUMER.DELETE.{stream}.{name}"),
        &Value::Null,
    )
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_not_there_are_none() {
        let of = |config: Value| {
            let PullLimits {
                batch,
                expires,
                waiting,
            } = PullLimits::of(&config);
            (batch, expires, waiting)
        };
        let none = (usize::MAX, Duration::MAX, usize::MAX);
        assert_eq!(of(json!({})), none);
        let not = json!({ "max_batch": 0, "max_expires": 0, "max_waiting": -1 });
        assert_eq!(of(not), none);
        let some = json!({ "max_batch": 2, "max_expires": 1_000_000, "max_waiting": 512 });
        assert_eq!(of(some), (2, Duration::from_millis(1), 512));
    }

    #[test]
    fn answers_are_told_apart() {
        let error =
            |code: u32| format!(r#"{{"error":{{"code":{code},"description":"it is so"}}}}"#);
        assert_eq!(
            parse(error(404).as_bytes()),
            Err(ApiError::NotFound("it is so".to_owned()))
        );
        assert_eq!(
            parse(error(500).as_bytes()),
            Err(ApiError::Refused("it is so".to_owned()))
        );
        assert!(parse(b"{}").is_ok() && parse(b"nonsense").is_err());
    }
}
