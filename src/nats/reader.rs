//! A reader: every event of a stream, in order, from where it has stopped.
//!
//! # Decisions
//!
//! **A consumer without acknowledgements, made anew for each connection, and a position of our own.** A durable
//! consumer sends again what was under way when a server stopped, behind what followed. This one is told the number to
//! begin with, which is that of the last event that has arrived here and one; and a gap in its numbers, or silence,
//! means that it is made anew.
//!
//! **The position is noted on the server now and then**, as the last message of a subject, and is the one in memory as
//! long as this process lives.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Client, Message};

use crate::core::primitives::sync::lock;
use crate::nats::api::{self, ApiError, ReaderConsumer};
use crate::nats::error::BridgeError;
use crate::nats::incoming::{Arrived, Batch};
use crate::nats::memory::Verdict;
use crate::nats::missing::Missing;
use crate::nats::noting::{NOTE_EVENTS, Noting, ROOM, ReaderState};
use crate::nats::pull::{Pull, Pulled, Refusals, Silences};
use crate::nats::subject::covers;
use crate::nats::wire;

/// How many are passed to it at a time, at most.
const BATCH: usize = 128;
/// How often making a consumer may fail before that is told: streams that are recovered refuse some.
pub(super) const PATIENCE: u32 = 3;

/// Reads as long as a connection lasts. Returns why it cannot be used any more.
pub(super) async fn read(client: &Client, reader: &ReaderState) -> String {
    let mut noting = match Noting::begin(client, reader).await {
        Ok(noting) => noting,
        Err(reason) => return reason,
    };
    let mut silences = Silences::default();
    let mut failed = 0;
    loop {
        if reader.inbox.is_shut() {
            return stand_by(&mut noting).await;
        }
        let begin = match begin(client, reader).await {
            Ok(begin) => begin,
            Err(error) => {
                pause(reader, &mut failed, &error).await;
                continue;
            }
        };
        let consumer =
            match api::create_reader(client, &reader.stream, &reader.subjects, begin).await {
                Ok(consumer) => consumer,
                Err(ApiError::NoAnswer) => return "no answer from JetStream".to_owned(),
                Err(error) => {
                    pause(reader, &mut failed, &error).await;
                    continue;
                }
            };
        let consumed = consume(client, reader, &consumer, &mut noting).await;
        if !matches!(consumed, Consumed::Unknown(_)) {
            failed = 0;
        }
        match consumed {
            Consumed::Again | Consumed::Shut => (),
            Consumed::Unknown(ApiError::NoAnswer) => {
                return "no answer from JetStream".to_owned();
            }
            Consumed::Unknown(error) => pause(reader, &mut failed, &error).await,
            Consumed::Silent => {
                if silences.is_too_many() {
                    return format!("the consumer of {:?} does not answer", reader.name);
                }
            }
            Consumed::Gone(reason) => {
                let what = format!("the consumer of the reader {:?}", reader.name);
                reader.report(BridgeError::MadeAgain { what, reason });
            }
            Consumed::Ended(reason) => return reason,
        }
        api::delete_consumer(client, &reader.stream, &consumer.name).await;
    }
}

/// Notes what was handled, because nothing more will be, and asks for nothing.
async fn stand_by(noting: &mut Noting<'_>) -> String {
    loop {
        if let Err(reason) = noting.note().await {
            return reason;
        }
        noting.due().await;
    }
}

/// Waits before the next try to make a consumer. Tells why, if that is not over soon.
async fn pause(reader: &ReaderState, failed: &mut u32, error: &ApiError) {
    *failed += 1;
    if *error != ApiError::NoJetStream && *failed == PATIENCE {
        let what = format!("the consumer of the reader {:?}", reader.name);
        let reason = error.to_string();
        reader.report(BridgeError::MadeAgain { what, reason });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Where to go on.
pub(super) async fn begin(client: &Client, reader: &ReaderState) -> Result<u64, ApiError> {
    let state = api::stream(client, &reader.stream).await?;
    let (seen, created) = {
        let progress = lock(&reader.progress);
        (progress.seen, progress.created.clone())
    };
    let seen = match seen {
        Some(seen) if created == state.created => seen.min(state.last),
        Some(seen) => {
            reader.tell_other_stream(seen, &state);
            0
        }
        None => from_server(client, reader, &state).await?,
    };
    let mut progress = lock(&reader.progress);
    if progress.seen != Some(seen) {
        progress.life += 1;
        progress.memory.forget_positions();
        reader.handled.store(seen, Ordering::Release);
        // From now on there is a reader of this name, at this position.
        reader.is_moved.store(true, Ordering::Relaxed);
    }
    progress.seen = Some(seen);
    progress.created = state.created;
    Ok(seen + 1)
}

/// Where the reader has stopped, as the server knows.
async fn from_server(
    client: &Client,
    reader: &ReaderState,
    state: &api::StreamState,
) -> Result<u64, ApiError> {
    api::create_cursors(client).await?;
    let subject = api::cursor_subject(&reader.stream, &reader.name);
    Ok(match api::cursor(client, &subject).await? {
        Some(cursor) if cursor > state.last => {
            reader.tell_other_stream(cursor, state);
            0
        }
        Some(cursor) => cursor,
        None if reader.only_new => state.last,
        None => 0,
    })
}

/// Why a consumer is not used any more.
enum Consumed {
    /// It has left something out.
    Again,
    /// What the server was asked about an event has no answer.
    Unknown(ApiError),
    /// Nothing will be handled any more.
    Shut,
    Silent,
    Gone(String),
    Ended(String),
}

async fn consume(
    client: &Client,
    reader: &ReaderState,
    consumer: &ReaderConsumer,
    noting: &mut Noting<'_>,
) -> Consumed {
    let mut refusals = Refusals::default();
    let mut pull = match Pull::begin(client, &reader.stream, &consumer.name, consumer.limits).await
    {
        Ok(pull) => pull,
        Err(reason) => return Consumed::Ended(reason),
    };
    let mut last = 0;
    let mut batch = reader.inbox.batch();
    loop {
        let room = ROOM.saturating_sub(reader.inbox.len() + pull.outstanding());
        let is_known = reader.since.load(Ordering::Relaxed) < NOTE_EVENTS;
        if room >= ROOM / 2 && is_known && pull.can_ask() {
            if let Err(reason) = pull.ask(room).await {
                return Consumed::Ended(reason);
            }
        }
        let enough = (ROOM - ROOM / 2).checked_sub(pull.outstanding());
        // Not where it cannot be asked now: then its next answer is waited for, or the end of its refusal.
        reader
            .inbox
            .notify_at(enough.filter(|_| is_known && pull.can_ask()));
        let pulled = tokio::select! {
            pulled = pull.next(Duration::from_secs(3600)) => pulled,
            () = reader.inbox.space.notified() => continue,
            () = reader.inbox.until_shut() => return Consumed::Shut,
            () = noting.due() => {
                if let Err(reason) = noting.note().await {
                    return Consumed::Ended(reason);
                }
                continue;
            }
        };
        let mut pulled = Some(pulled);
        while let Some(now) = pulled {
            let message = match now {
                Pulled::Event(message) => message,
                Pulled::Nothing => break,
                Pulled::Taken => {
                    refusals.end();
                    break;
                }
                Pulled::Refused(reason) => {
                    let (wait, tells) = refusals.one_more();
                    if tells {
                        reader.tell_refused(&reason);
                    }
                    pull.wait(wait);
                    break;
                }
                Pulled::Silent => return Consumed::Silent,
                Pulled::Gone(reason) => return Consumed::Gone(reason),
                Pulled::Ended => return Consumed::Ended("the connection has ended".to_owned()),
            };
            let position = message.reply.as_ref().and_then(|it| wire::position(it));
            if let Some(position) = position {
                if position.consumer != last + 1 {
                    return Consumed::Again;
                }
                last = position.consumer;
                let arrived = arrived(client, reader, &message, position, &mut batch);
                if let Err(error) = arrived.await {
                    // It comes again.
                    return Consumed::Unknown(error);
                }
            }
            let is_full = batch.events.len() >= BATCH;
            pulled = if is_full { None } else { pull.come() };
        }
        batch.put();
    }
}

/// Passes an event on, unless it has arrived before.
async fn arrived(
    client: &Client,
    reader: &ReaderState,
    message: &Message,
    position: wire::Position,
    batch: &mut Batch<'_>,
) -> Result<(), ApiError> {
    let (counts, sequence) = (&reader.hub.counts, position.stream);
    let (before, life) = {
        let progress = lock(&reader.progress);
        (progress.seen.unwrap_or(0), progress.life)
    };
    if sequence <= before {
        return Ok(());
    }
    counts.received.one();
    let (headers, sender) = wire::read(message);
    let topic = reader
        .hub
        .topic(&message.subject)
        .unwrap_or_default()
        .to_owned();
    let is_new = is_new(client, reader, message, &topic, &sender, sequence, batch).await?;
    let payload = message.payload.clone();
    // Not before the last await: where the connection ends in one, this is given up, and the event has to come again.
    lock(&reader.progress).seen = Some(sequence);
    batch.events.push(Arrived {
        topic,
        payload,
        headers,
        sender,
        sequence,
        delivered: 1,
        life,
        time: position.time,
        pending: position.pending,
        // Passed on all the same, so that the position moves on behind it.
        is_skipped: !is_new,
    });
    Ok(())
}

/// Whether an event is to be handled.
async fn is_new(
    client: &Client,
    reader: &ReaderState,
    message: &Message,
    topic: &str,
    sender: &wire::Sender,
    sequence: u64,
    batch: &mut Batch<'_>,
) -> Result<bool, ApiError> {
    let counts = &reader.hub.counts;
    if !reader
        .subjects
        .iter()
        .any(|it| covers(it, &message.subject))
    {
        // Of another topic, on a server that cannot leave them out.
        return Ok(false);
    }
    let is_echo = sender.has_passed(&reader.hub.origin);
    let (Some(origin), Some(number)) = (&sender.origin, sender.number) else {
        // Of somebody else, who may have given it an id.
        let Some(id) = &sender.id else {
            return Ok(true);
        };
        let known = &mut lock(&reader.progress).known;
        let is_new = !known.contains(id);
        known.note(id);
        if !is_new {
            counts.duplicates.one();
        }
        return Ok(is_new);
    };
    if is_echo && *origin == reader.hub.origin {
        counts.echoes.one();
        return Ok(false);
    }
    let sequence_of = (&**origin, topic);
    let verdict = lock(&reader.progress)
        .memory
        .judge(sequence_of, number, sender.after, sequence);
    let is_new = match verdict {
        Verdict::New(_) | Verdict::Late => true,
        Verdict::Duplicate => false,
        Verdict::Early(behind) => {
            // They need not wait for the answer.
            batch.put();
            let missing = Missing {
                stream: &reader.stream,
                subject: &message.subject,
                origin,
                number: sender.after.unwrap_or(0),
                behind,
                before: sequence,
            };
            let is_removed = missing.is_removed(client).await?;
            if is_removed {
                let memory = &mut lock(&reader.progress).memory;
                memory.note(sequence_of, number, sequence);
            }
            is_removed
        }
    };
    if !is_new {
        counts.duplicates.one();
    }
    // Not before: those that another bridge has passed on are among others of its numbers.
    if is_new && is_echo {
        counts.echoes.one();
    }
    Ok(is_new && !is_echo)
}
