//! What a reader has handled, and where that is noted on the server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, Subscriber};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::core::primitives::sync::lock;
use crate::failure::CallSite;
use crate::nats::api::{self, ApiError};
use crate::nats::connection::next;
use crate::nats::error::BridgeError;
use crate::nats::hub::Hub;
use crate::nats::incoming::{Arrived, Inbox};
use crate::nats::memory::{Memory, Recent};

/// How many events wait for the thread, at most.
pub(super) const ROOM: usize = 512;
/// After how many handled events the position is noted, whatever the time. With [`ROOM`], which can still be handled
/// when the connection is lost, no more than the 1,000 that are promised.
pub(super) const NOTE_EVENTS: u64 = 400;
/// How long to wait before the position is noted again, if it could not be.
const AGAIN: Duration = Duration::from_millis(200);
/// How often it is tried at once, and how long is waited in between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(10);
/// How long a server may still remove the files of a stream that was deleted: 2.9.10 loses what is written meanwhile into
/// one that is made under the same name.
const REMOVING: Duration = Duration::from_millis(200);
/// How long it takes at most until the position is noted, because a time can be too long to be added to an instant.
const SELDOM: Duration = Duration::from_secs(3600);
/// And at least, because without any time it would be looked at all the time.
const OFTEN: Duration = Duration::from_millis(1);

/// A reader with all of its routes.
pub(super) struct ReaderState {
    pub(super) hub: Arc<Hub>,
    pub(super) stream: Arc<str>,
    pub(super) name: Arc<str>,
    /// The subjects of its routes.
    pub(super) subjects: Vec<String>,
    pub(super) place: CallSite,
    pub(super) note_every: Duration,
    pub(super) only_new: bool,
    pub(super) inbox: Inbox,
    pub(super) progress: Mutex<Progress>,
    /// The position of the last event that was handled, or 0.
    pub(super) handled: AtomicU64,
    /// How many were that the server has not noted.
    pub(super) since: AtomicU64,
    /// The position is another one than the server knows, although nothing was handled.
    pub(super) is_moved: AtomicBool,
    /// Notified when the position is to be noted.
    pub(super) due: Notify,
}

/// What has arrived. Only the task of the connection changes it.
pub(super) struct Progress {
    /// The position of the last event that has arrived. `None` before it is known where to begin.
    pub(super) seen: Option<u64>,
    /// When the stream was made that this is a position of.
    pub(super) created: String,
    /// How often it was made again.
    pub(super) life: u32,
    pub(super) memory: Memory,
    /// The ids of events that no bridge has sent.
    pub(super) known: Recent,
}

impl ReaderState {
    pub(super) fn new(
        hub: Arc<Hub>,
        (stream, name): (Arc<str>, Arc<str>),
        place: CallSite,
        note_every: Duration,
        only_new: bool,
    ) -> Self {
        ReaderState {
            hub,
            stream,
            name,
            subjects: Vec::new(),
            place,
            note_every: note_every.clamp(OFTEN, SELDOM),
            only_new,
            inbox: Inbox::new(),
            progress: Mutex::new(Progress {
                seen: None,
                created: String::new(),
                life: 0,
                memory: Memory::new(true),
                known: Recent::new(),
            }),
            handled: AtomicU64::new(0),
            since: AtomicU64::new(0),
            is_moved: AtomicBool::new(false),
            due: Notify::new(),
        }
    }

    /// Notes that an event was handled, or given up.
    pub(super) fn done(&self, event: &Arrived) {
        {
            let progress = lock(&self.progress);
            if progress.life != event.life {
                // Its position is one of a stream that is not there any more.
                return;
            }
            self.handled.store(event.sequence, Ordering::Release);
        }
        if self.since.fetch_add(1, Ordering::Relaxed) + 1 == NOTE_EVENTS {
            self.due.notify_one();
        }
    }

    /// The stream is not the one that the reader had this position in: it begins anew.
    pub(super) fn tell_other_stream(&self, seen: u64, state: &api::StreamState) {
        let (what, last) = (format!("the stream {:?}", self.stream), state.last);
        let reason = format!(
            "the reader {:?} was at {seen}, and it ends at {last}",
            self.name
        );
        self.report(BridgeError::MadeAgain { what, reason });
    }

    /// How many events were handled that the server does not know of.
    pub(super) fn unnoted(&self) -> usize {
        usize::try_from(self.since.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Tells that its consumer cannot be asked.
    pub(super) fn tell_refused(&self, reason: &str) {
        let name = &self.name;
        let text = format!("the consumer of the reader {name:?} refuses to be asked: {reason}");
        self.report(BridgeError::Server(text));
    }

    pub(super) fn report(&self, error: BridgeError) {
        self.hub.report(self.what(), self.place, error);
    }

    /// What a report names.
    pub(super) fn what(&self) -> &str {
        self.subjects
            .first()
            .and_then(|it| self.hub.topic(it))
            .unwrap_or(&self.stream)
    }
}

/// Notes the position of a reader on the server.
pub(super) struct Noting<'r> {
    client: &'r Client,
    reader: &'r ReaderState,
    subject: String,
    inbox: String,
    answers: Subscriber,
    /// How often it was written. An answer says to which time it is.
    written: u64,
    at: Instant,
}

impl<'r> Noting<'r> {
    pub(super) async fn begin(
        client: &'r Client,
        reader: &'r ReaderState,
    ) -> Result<Noting<'r>, String> {
        let inbox = client.new_inbox();
        let answers = client
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|it| it.to_string())?;
        Ok(Noting {
            client,
            reader,
            subject: api::cursor_subject(&reader.stream, &reader.name),
            inbox,
            answers,
            written: 0,
            at: Instant::now() + reader.note_every,
        })
    }

    pub(super) async fn due(&self) {
        tokio::select! {
            () = self.reader.due.notified() => (),
            () = tokio::time::sleep_until(self.at) => (),
        }
    }

    /// Notes it, if it has changed.
    pub(super) async fn note(&mut self) -> Result<(), String> {
        self.at = Instant::now() + self.reader.note_every;
        // In this order: what is handled in between is noted now, and noted once more.
        let since = self.reader.since.load(Ordering::Relaxed);
        let handled = self.reader.handled.load(Ordering::Acquire);
        if since == 0 && !self.reader.is_moved.load(Ordering::Relaxed) {
            return Ok(());
        }
        for _ in 0..TRIES {
            match self.write(handled).await {
                Noted::Done => {
                    // Not before: where this is given up in between, the next one has to note it.
                    self.reader.since.fetch_sub(since, Ordering::Relaxed);
                    self.reader.is_moved.store(false, Ordering::Relaxed);
                    return Ok(());
                }
                // A stream that was just made may not be there for everybody yet.
                Noted::NotNow => tokio::time::sleep(PAUSE).await,
                Noted::NoStream => {
                    let what = format!("the stream {:?}", api::CURSORS);
                    let reason = "it was deleted".to_owned();
                    // Before it is made: this may be given up meanwhile.
                    self.reader.report(BridgeError::MadeAgain { what, reason });
                    tokio::time::sleep(REMOVING).await;
                    if let Err(error) = api::create_cursors(self.client).await {
                        self.reader.report(BridgeError::Server(error.to_string()));
                    }
                }
                Noted::Ended => return Err("the connection has ended".to_owned()),
            }
        }
        // Soon, because nothing is read beyond a limit until then.
        self.at = self.at.min(Instant::now() + AGAIN);
        Ok(())
    }

    async fn write(&mut self, position: u64) -> Noted {
        self.written += 1;
        let subject = self.subject.clone();
        let reply = format!("{}.{}", self.inbox, self.written);
        let written = self
            .client
            .publish_with_reply(subject, reply.clone(), position.to_string().into())
            .await;
        if written.is_err() {
            return Noted::Ended;
        }
        let answers = &mut self.answers;
        let answer = async {
            loop {
                match next(answers).await {
                    // A late one.
                    Some(message) if *message.subject != *reply => (),
                    other => return other,
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(2), answer).await {
            Ok(None) => Noted::Ended,
            Ok(Some(message)) if message.status.is_some_and(|it| it.as_u16() == 503) => {
                match api::stream(self.client, api::CURSORS).await {
                    Err(ApiError::NotFound(_)) => Noted::NoStream,
                    _ => Noted::NotNow,
                }
            }
            Ok(Some(message)) => {
                match serde_json::from_slice::<serde_json::Value>(&message.payload) {
                    Ok(answer) if answer["seq"].is_u64() => Noted::Done,
                    _ => Noted::NotNow,
                }
            }
            Err(_) => Noted::NotNow,
        }
    }
}

enum Noted {
    Done,
    NotNow,
    NoStream,
    Ended,
}
