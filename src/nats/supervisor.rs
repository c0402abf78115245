//! One connection after another, and what runs as long as each of them lasts.

use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use async_nats::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::nats::api::{self, ApiError};
use crate::nats::connection::{self, Link, Note, Target, Unconnected, shown, sync};
use crate::nats::error::{BridgeError, StartError};
use crate::nats::group::{self, GroupState};
use crate::nats::hub::Hub;
use crate::nats::limits::StreamLimits;
use crate::nats::listener::{self, Listener};
use crate::nats::noting::{Noting, ReaderState};
use crate::nats::outgoing::Outgoing;
use crate::nats::reader;
use crate::nats::retry::Retry;
use crate::nats::sender::{send_core, send_stored};
use crate::nats::state::State;
use crate::nats::subject::covers;

/// How long is waited for a server that refuses the credentials.
const REFUSED: Duration = Duration::from_secs(5);
/// How often at most the server is asked again for what it has not had at the start.
const AGAIN: Duration = Duration::from_millis(100);
/// What saying goodbye may take, however little time there is.
const GOODBYE: Duration = Duration::from_millis(500);

/// All that talks to the server.
pub(super) struct Io {
    pub(super) hub: Arc<Hub>,
    pub(super) target: Target,
    pub(super) wait_for_server: bool,
    pub(super) outgoing: Vec<Arc<Outgoing>>,
    pub(super) listeners: Vec<Arc<Listener>>,
    pub(super) readers: Vec<Arc<ReaderState>>,
    pub(super) groups: Vec<Arc<GroupState>>,
    /// The streams that are needed, with the subjects that have to be in them, and whether they may be copies.
    pub(super) streams: Vec<Needed>,
    pub(super) create_streams: Option<StreamLimits>,
    /// Until when to say goodbye, once the bridge is to end.
    pub(super) end: watch::Receiver<Option<Instant>>,
}

impl Io {
    /// Waits until a stream is known to be there.
    fn is_there(&self, stream: &Arc<str>) -> impl Future<Output = ()> + use<> {
        let needed = self.streams.iter().find(|it| it.stream == *stream);
        let is_there = needed.map(|it| it.is_there.subscribe());
        async move {
            if let Some(mut is_there) = is_there {
                _ = is_there.wait_for(|it| *it).await;
            }
        }
    }
}

/// A stream that is needed.
pub(super) struct Needed {
    pub(super) stream: Arc<str>,
    pub(super) subjects: Vec<String>,
    /// Whether it is there, with them. Nothing is sent before: another stream may have them.
    pub(super) is_there: watch::Sender<bool>,
}

/// Whoever waits for the start.
type Started = Option<SyncSender<Result<(), StartError>>>;

/// Runs until the bridge is to end, or could not be started.
pub(super) async fn run(io: Io, started: SyncSender<Result<(), StartError>>) {
    let _ended = Ended(io.hub.clone(), io.outgoing.clone());
    connections(&io, Some(started)).await;
}

/// When nothing talks to the server any more, for whatever reason, nobody waits for it.
struct Ended(Arc<Hub>, Vec<Arc<Outgoing>>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut left = 0;
        for route in &self.1 {
            // What waits is resolved: if the runtime has ended, nobody may ever stop the bridge.
            left += route.abandon();
        }
        self.0.abandon(left);
        self.0.set_state(|_| Some(State::Stopped));
    }
}

async fn connections(io: &Io, mut started: Started) {
    let begun = Instant::now();
    let mut end = io.end.clone();
    let mut retry = Retry::default();
    let mut is_set_up = !io.wait_for_server;
    let mut told_streams = Vec::new();
    let mut told_refused = false;
    let mut connected = 0_u64;
    if !io.wait_for_server {
        started.take().map(|it| it.send(Ok(())));
    }
    for turn in 0.. {
        let address = &io.target.addresses[turn % io.target.addresses.len()];
        let connecting = tokio::select! {
            connecting = connection::connect(&io.target, address) => connecting,
            _ = end.wait_for(Option::is_some) => return,
        };
        let mut wait = None;
        let why = match connecting {
            Ok(link) => {
                io.hub.set_max_payload(link.client.max_payload());
                if !is_set_up {
                    let done = tokio::select! {
                        done = set_up(io, &link.client, begun) => done,
                        _ = end.wait_for(Option::is_some) => return,
                    };
                    if let Err(error) = done {
                        started.take().map(|it| it.send(Err(error)));
                        return;
                    }
                    is_set_up = true;
                }
                if connected > 0 {
                    io.hub.counts.reconnects.one();
                }
                connected += 1;
                told_refused = false;
                let since = Instant::now();
                let reason = serve(io, link, &mut told_streams, &mut started).await;
                if end.borrow().is_some() {
                    return;
                }
                if since.elapsed() > Duration::from_secs(1) {
                    retry = Retry::default();
                }
                reason
            }
            Err(why) => {
                if started.is_some() && give_up_start(io, &why, address, begun, turn, &mut started)
                {
                    return;
                }
                if let (Unconnected::Refused(_) | Unconnected::Credentials(_), false) =
                    (&why, started.is_some())
                {
                    wait = Some(REFUSED);
                    if !std::mem::replace(&mut told_refused, true) {
                        io.hub.note(BridgeError::Credentials);
                    }
                }
                why.to_string()
            }
        };
        io.hub.set_state(|state| disconnected(state, why));
        let wait = wait.unwrap_or_else(|| retry.wait());
        tokio::select! {
            () = sleep(wait) => (),
            _ = end.wait_for(Option::is_some) => return,
        }
    }
}

/// The state after a connection has ended, or could not be made.
fn disconnected(state: &State, error: String) -> Option<State> {
    Some(match state {
        State::Connecting => return None,
        State::Disconnected { since, .. } => State::Disconnected {
            since: *since,
            error,
        },
        _ => State::Disconnected {
            since: std::time::Instant::now(),
            error,
        },
    })
}

/// Whether the start has failed by this; says so then.
fn give_up_start(
    io: &Io,
    why: &Unconnected,
    address: &async_nats::ServerAddr,
    begun: Instant,
    turn: usize,
    started: &mut Started,
) -> bool {
    let is_over = begun.elapsed() >= io.target.timeout;
    // Each address has its turn, and a server that is just being started some more.
    let all_tried = turn + 1 >= io.target.addresses.len();
    let error = match why {
        Unconnected::Refused(_) if all_tried => StartError::Refused {
            address: shown(address),
        },
        Unconnected::Credentials(reason) => StartError::Credentials {
            reason: reason.clone(),
        },
        _ if is_over => StartError::NoServer {
            waited: io.target.timeout,
            reason: why.to_string(),
        },
        _ => return false,
    };
    started.take().map(|it| it.send(Err(error)));
    true
}

/// Asks for the streams until they are there, where the start does not wait for that. What else its routes need they ask
/// for themselves. `told` is what was told last of each.
async fn find_streams(io: &Io, client: &Client, told: &mut Vec<String>) {
    let mut retry = Retry::default();
    told.resize(io.streams.len(), String::new());
    while io.streams.iter().any(|it| !*it.is_there.borrow()) {
        for (needed, told) in io.streams.iter().zip(&mut *told) {
            if *needed.is_there.borrow() {
                continue;
            }
            let Err(error) = set_up_stream(io, client, Instant::now(), needed).await else {
                continue;
            };
            let text = error.to_string();
            if *told != text {
                io.hub.note(BridgeError::Server(text.clone()));
                *told = text;
            }
        }
        sleep(retry.wait().max(AGAIN)).await;
    }
    std::future::pending().await
}

/// Checks what the routes need of the server, and makes what may be made.
async fn set_up(io: &Io, client: &Client, begun: Instant) -> Result<(), StartError> {
    for needed in &io.streams {
        set_up_stream(io, client, begun, needed).await?;
    }
    for reader in &io.readers {
        let begun = patiently(io, begun, || reader::begin(client, reader)).await;
        begun.map_err(|error| {
            refused(
                format!("say where the reader {:?} has stopped", reader.name),
                &error,
            )
        })?;
    }
    for group in &io.groups {
        let subject = group.hub.subject(&group.topics);
        let made = patiently(io, begun, || {
            api::create_group(client, &group.stream, &group.name, &subject, group.ack_wait)
        });
        made.await.map_err(|error| {
            refused(
                format!("make the consumer of the group {:?}", group.name),
                &error,
            )
        })?;
    }
    Ok(())
}

async fn set_up_stream(
    io: &Io,
    client: &Client,
    begun: Instant,
    needed: &Needed,
) -> Result<(), StartError> {
    let what = || format!("look the stream {:?} up", needed.stream);
    let mut found = patiently(io, begun, || api::stream(client, &needed.stream)).await;
    if let (Err(ApiError::NotFound(_)), Some(limits)) = (&found, io.create_streams) {
        let made = api::create_stream(client, &needed.stream, &needed.subjects, limits).await;
        let Err(error) = made else {
            needed.is_there.send_replace(true);
            return Ok(());
        };
        // Another one may have made it just before.
        found = api::stream(client, &needed.stream).await;
        if found.is_err() {
            return Err(refused(
                format!("make the stream {:?}", needed.stream),
                &error,
            ));
        }
    }
    let subjects = match found {
        Ok(state) => state.subjects,
        Err(ApiError::NotFound(_)) => {
            return Err(StartError::NoStream {
                stream: needed.stream.to_string(),
                subject: needed.subjects[0].clone(),
            });
        }
        Err(error) => return Err(refused(what(), &error)),
    };
    let is_in = |subject: &&String| subjects.iter().any(|it| covers(it, subject));
    // A copy of another stream has no subjects of its own.
    let missing = |it: &&String| !subjects.is_empty() && !is_in(it);
    match needed.subjects.iter().find(missing) {
        None => {
            needed.is_there.send_replace(true);
            Ok(())
        }
        Some(subject) => Err(StartError::NotInStream {
            stream: needed.stream.to_string(),
            subject: subject.clone(),
            subjects,
        }),
    }
}

/// Asks again as long as JetStream may be starting.
async fn patiently<T, F: Future<Output = Result<T, ApiError>>>(
    io: &Io,
    begun: Instant,
    mut ask: impl FnMut() -> F,
) -> Result<T, ApiError> {
    loop {
        match ask().await {
            Err(ApiError::NoJetStream)
                if begun.elapsed() < io.target.timeout.min(Duration::from_secs(2)) =>
            {
                sleep(Duration::from_millis(50)).await;
            }
            other => return other,
        }
    }
}

fn refused(what: String, error: &ApiError) -> StartError {
    StartError::JetStream {
        what,
        reason: error.to_string(),
    }
}

/// Sends and receives as long as a connection lasts. Returns what has ended it.
async fn serve(io: &Io, link: Link, told: &mut Vec<String>, started: &mut Started) -> String {
    let mut end = io.end.clone();
    let (client, mut notes, connection) = link.split();
    // Those that end what they have begun, when the bridge is to end.
    let (mut tasks, mut members) = (JoinSet::new(), JoinSet::new());
    for listener in &io.listeners {
        let messages = match listener.subscribe(&client).await {
            Ok(messages) => messages,
            Err(reason) => return reason,
        };
        let listener = listener.clone();
        tasks.spawn(async move { listener::listen(&listener, messages).await });
    }
    if started.is_some() && !io.listeners.is_empty() {
        sync(&client).await;
    }
    io.hub.set_state(|_| Some(State::Connected));
    for route in &io.outgoing {
        let (client, route, end) = (client.clone(), route.clone(), io.end.clone());
        if let Some(stored) = &route.stored {
            let is_there = io.is_there(&stored.stream);
            tasks.spawn(async move {
                is_there.await;
                send_stored(&client, &route).await
            });
        } else {
            route.restart();
            members.spawn(async move { send_core(&client, &route, end).await });
        }
    }
    for reader in &io.readers {
        let (client, reader) = (client.clone(), reader.clone());
        let is_there = io.is_there(&reader.stream);
        tasks.spawn(async move {
            is_there.await;
            reader::read(&client, &reader).await
        });
    }
    for group in &io.groups {
        let (client, group, end) = (client.clone(), group.clone(), io.end.clone());
        let (is_there, mut ends) = (io.is_there(&group.stream), end.clone());
        members.spawn(async move {
            tokio::select! {
                () = is_there => group::work(&client, &group, end).await,
                () = async { drop(ends.wait_for(Option::is_some).await) } => String::new(),
            }
        });
    }
    started.take().map(|it| it.send(Ok(())));
    let mut finding = pin!(find_streams(io, &client, told));
    let reason = loop {
        tokio::select! {
            () = &mut finding => (),
            () = connection.ended() => break "the connection was lost".to_owned(),
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                break ended.unwrap_or_else(|error| error.to_string());
            }
            Some(ended) = members.join_next(), if !members.is_empty() => {
                break ended.unwrap_or_else(|error| error.to_string());
            }
            Some(note) = notes.recv() => take_note(io, note),
            _ = end.wait_for(Option::is_some) => break "the bridge is stopped".to_owned(),
        }
    };
    tasks.shutdown().await;
    let until = *io.end.borrow();
    if let Some(until) = until {
        let time = until.saturating_duration_since(Instant::now()).max(GOODBYE);
        let goodbye = async {
            // First, because members may wait for what they are still sent.
            let notes = io.readers.iter().map(|it| note(&client, it)).collect();
            _ = JoinSet::join_all(notes).await;
            while members.join_next().await.is_some() {}
            say_goodbye(io, &client).await;
        };
        _ = timeout(time, goodbye).await;
    }
    members.shutdown().await;
    reason
}

/// Says what members have handled, before the connection is closed.
async fn say_goodbye(io: &Io, client: &Client) {
    for group in &io.groups {
        group.give_back();
        _ = group::answer(client, group, group.ack_wait).await;
    }
    // Until the server has read it, and not only until it is written: where something that has come was not read here, a
    // connection that is closed takes along what the other side has not read.
    sync(client).await;
}

/// Says what a reader has handled.
fn note(client: &Client, reader: &Arc<ReaderState>) -> impl Future<Output = ()> + use<> {
    let (client, reader) = (client.clone(), reader.clone());
    async move {
        if let Ok(mut noting) = Noting::begin(&client, &reader).await {
            _ = noting.note().await;
        }
    }
}

/// What a server has said of the connection.
fn take_note(io: &Io, note: Note) {
    match note {
        Note::Forbidden {
            publish,
            subject,
            text,
        } => {
            if publish {
                for route in &io.outgoing {
                    route.forbid(&subject, &text);
                }
            }
            let topic = io.hub.topic(&subject).unwrap_or(&subject);
            io.hub.report(
                topic,
                io.hub.place,
                BridgeError::NoPermission { reason: text },
            );
        }
        // What was lost is counted by its numbers.
        Note::SlowConsumer => io.listeners.iter().for_each(|it| it.tell_lost()),
        Note::LameDuck => io
            .hub
            .note(BridgeError::Server("the server is about to end".to_owned())),
        Note::Other(text) => io.hub.note(BridgeError::Server(text)),
    }
}
