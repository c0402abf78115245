//! The start of a bridge: what is checked without a server, and the threads.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::nats::backoff::Backoff;
use crate::nats::bridge::{Bridge, HasInbox, Parts};
use crate::nats::builder::BridgeBuilder;
use crate::nats::connection::{Target, addresses};
use crate::nats::error::StartError;
use crate::nats::group::GroupState;
use crate::nats::hub::{Hub, NO_TOPIC};
use crate::nats::incoming::Inbox;
use crate::nats::into_route::{ReceiveKind, ReceiveRoute};
use crate::nats::listener::Listener;
use crate::nats::noting::ReaderState;
use crate::nats::outgoing::Outgoing;
use crate::nats::route::Names;
use crate::nats::sending::Subscribing;
use crate::nats::state::State;
use crate::nats::subject::{covers, is_name, is_reserved, overlaps, prefix_problem};
use crate::nats::supervisor::{self, Io, Needed};
use crate::nats::worker::{self, Route};
use crate::shared::{Bus, Signal};

/// How long what is asked of the server at the start may take, when it is connected.
const ASKING: Duration = Duration::from_secs(60);

/// What receives, in parts, before its threads are started.
#[derive(Default)]
struct Receiving {
    listeners: Vec<(Arc<Listener>, Route)>,
    readers: Vec<(ReaderState, Vec<Route>)>,
    groups: Vec<(Arc<GroupState>, Route)>,
}

impl<C: 'static> BridgeBuilder<C> {
    /// Connects, checks the streams, and begins to send and to receive.
    ///
    /// Blocks until the server has answered, [`connect_timeout`](Self::connect_timeout) at most for each of the things
    /// asked. When it has returned, each emission of a sending route is taken, and each receiving route is subscribed.
    ///
    /// # Errors
    ///
    /// If an option is wrong or the server refuses what is needed; nothing is left running then. Streams that were made
    /// stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::nats::{Bridge, StartError};
    /// use slotcast::{Bus, Topic};
    ///
    /// const COMMAND: Topic<u64> = Topic::new("$JS.API.STREAM.DELETE.ORDERS");
    /// let bridge = Bridge::to("nats://127.0.0.1:4222").send(&COMMAND);
    /// let refused = bridge.start(&Bus::new());
    /// assert!(matches!(refused, Err(StartError::Reserved { .. })));
    /// ```
    #[track_caller]
    pub fn start(self, bus: &Bus<C>) -> Result<Bridge, StartError> {
        start(self, bus)
    }
}

#[track_caller]
fn start<C: 'static>(builder: BridgeBuilder<C>, bus: &Bus<C>) -> Result<Bridge, StartError> {
    if bus.is_closed() {
        return Err(StartError::Closed);
    }
    let target = Target {
        addresses: addresses(&builder.addresses)?,
        name: builder.name.clone(),
        credentials: builder.credentials,
        #[cfg(feature = "nats-tls")]
        tls: builder.tls,
        timeout: builder.connect_timeout,
    };
    if let Some((prefix, reason)) = builder
        .prefix
        .as_ref()
        .and_then(|it| Some((it.clone(), prefix_problem(it)?)))
    {
        return Err(StartError::Prefix { prefix, reason });
    }
    let hub = Arc::new(Hub::new(
        origin(),
        builder.name,
        builder.prefix.as_deref(),
        std::panic::Location::caller(),
        builder.runtime.as_ref(),
    ));
    check_sends(&hub, &builder.sends)?;
    check_groups(&builder.sends, &builder.receives)?;
    let mut streams: Vec<Needed> = Vec::new();
    let mut need = |stream: &Arc<str>, subject: String| {
        let index = streams
            .iter()
            .position(|it| it.stream == *stream)
            .unwrap_or_else(|| {
                streams.push(Needed {
                    stream: stream.clone(),
                    subjects: Vec::new(),
                    is_there: watch::Sender::new(false),
                });
                streams.len() - 1
            });
        let subjects = &mut streams[index].subjects;
        if !subjects.iter().any(|it| covers(it, &subject)) {
            subjects.retain(|it| !covers(&subject, it));
            subjects.push(subject);
        }
    };
    let mut outgoing = Vec::new();
    let mut subscribing: Vec<Subscribing> = Vec::new();
    for (index, route) in builder.sends.into_iter().enumerate() {
        if let Some(stored) = &route.stored {
            check_name("stream", &stored.stream)?;
            need(&stored.stream, hub.subject(route.names.as_str()));
        }
        let (names, place) = (route.names, route.place);
        let made = Outgoing::new(hub.clone(), names, place, index, route.stored, route.outbox);
        let made = Arc::new(made);
        subscribing.push((route.prepare)(bus, made.clone())?);
        outgoing.push(made);
    }
    let mut receiving = Receiving::default();
    for route in builder.receives {
        receive(&hub, bus, route, &mut need, &mut receiving)?;
    }
    let reports = bus.clone();
    let place = hub.place;
    let (end, end_of_io) = watch::channel(None);
    let listeners = receiving
        .listeners
        .iter()
        .map(|(it, _)| it.clone())
        .collect();
    let readers: Vec<(Arc<ReaderState>, Vec<Route>)> = receiving
        .readers
        .into_iter()
        .map(|(state, routes)| (Arc::new(state), routes))
        .collect();
    let io = Io {
        hub: hub.clone(),
        target,
        wait_for_server: builder.wait_for_server,
        outgoing: outgoing.clone(),
        listeners,
        readers: readers.iter().map(|(it, _)| it.clone()).collect(),
        groups: receiving.groups.iter().map(|(it, _)| it.clone()).collect(),
        streams,
        create_streams: builder.create_streams,
        end: end_of_io,
    };
    let (io_thread, ended) = run_io(io, builder.runtime)?;
    // From here on a bridge that is dropped stops what was started.
    let states = Signal::new();
    states.retain_last();
    let bridge = Bridge {
        hub: hub.clone(),
        states,
        outgoing,
        inboxes: Vec::new(),
        running: Arc::default(),
        end,
        ended: Mutex::new(ended),
        report: Box::new(move |error| reports.report(NO_TOPIC.to_owned(), place, error.into())),
        parts: Mutex::new(Some(Parts {
            subscriptions: Vec::new(),
            io: io_thread,
            teller: None,
        })),
        stopped: Mutex::default(),
        is_stopped: Condvar::new(),
    };
    run_threads(
        bridge,
        bus,
        receiving.listeners,
        readers,
        receiving.groups,
        subscribing,
    )
}

/// Starts the other threads, and subscribes what sends.
fn run_threads<C: 'static>(
    mut bridge: Bridge,
    bus: &Bus<C>,
    listeners: Vec<(Arc<Listener>, Route)>,
    readers: Vec<(Arc<ReaderState>, Vec<Route>)>,
    groups: Vec<(Arc<GroupState>, Route)>,
    subscribing: Vec<Subscribing>,
) -> Result<Bridge, StartError> {
    let (hub, states, bus) = (bridge.hub.clone(), bridge.states.clone(), bus.clone());
    let (telling, told) = sync_channel::<()>(0);
    let teller = spawn("slotcast nats tell".to_owned(), move || {
        let _telling = telling;
        hub.own_thread(false);
        let report =
            |it: crate::nats::teller::Report| bus.report(it.topic, it.place, it.error.into());
        hub.teller
            .run(&report, &|state: State| drop(states.emit(&state)));
    })?;
    if let Some(parts) = bridge.parts.get_mut().ok().and_then(Option::as_mut) {
        parts.teller = Some((teller, told));
        // Before anything is delivered whose handlers may emit it.
        let subscriptions = subscribing.into_iter().map(|subscribe| subscribe());
        parts.subscriptions = subscriptions.collect();
    }
    for (listener, route) in listeners {
        bridge.inboxes.push((listener.clone(), true));
        deliver(&bridge, listener.topics.clone(), move || {
            worker::of_core(&listener, route)
        })?;
    }
    for (reader, routes) in readers {
        bridge.inboxes.push((reader.clone(), false));
        deliver(&bridge, reader.name.to_string(), move || {
            worker::of_reader(&reader, routes)
        })?;
    }
    for (group, route) in groups {
        bridge.inboxes.push((group.clone(), false));
        deliver(&bridge, group.name.to_string(), move || {
            worker::of_group(&group, route)
        })?;
    }
    Ok(bridge)
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new()
        .name(name)
        .spawn(run)
        .map_err(StartError::Thread)
}

/// Starts a thread that delivers, and returns how many events it has left when it ends. It is not joined: it may be inside
/// of a handler that never returns.
fn deliver(
    bridge: &Bridge,
    what: String,
    run: impl FnOnce() -> usize + Send + 'static,
) -> Result<(), StartError> {
    let (hub, running) = (bridge.hub.clone(), bridge.running.begin());
    spawn(format!("slotcast nats {what}"), move || {
        hub.own_thread(true);
        let left = run();
        running.end(left);
    })?;
    Ok(())
}

/// Starts what talks to the server, and waits until it has begun.
fn run_io(
    io: Io,
    runtime: Option<tokio::runtime::Handle>,
) -> Result<(Option<JoinHandle<()>>, Receiver<()>), StartError> {
    let (started, answer) = sync_channel(1);
    let (ended_sender, ended) = sync_channel::<()>(0);
    let hub = io.hub.clone();
    let timeout = io.target.timeout;
    let (runs_sender, runs) = sync_channel(1);
    let here = hub.clone();
    let run = async move {
        let _ended = ended_sender;
        _ = runs_sender.send(());
        let mut run = pin!(supervisor::run(io, started));
        poll_fn(|cx| {
            here.runs_here();
            run.as_mut().poll(cx)
        })
        .await;
    };
    let gone = |reason: &str| StartError::NoServer {
        waited: timeout,
        reason: reason.to_owned(),
    };
    let thread = match runtime {
        Some(runtime) => {
            let task = runtime.spawn(run);
            // A runtime whose only thread is this one does nothing while it waits, and cannot say so.
            if hub.while_blocked(|| runs.recv_timeout(timeout)).is_err() {
                task.abort();
                return Err(gone("the runtime does not run"));
            }
            None
        }
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(StartError::Thread)?;
            let hub = hub.clone();
            Some(spawn("slotcast nats".to_owned(), move || {
                hub.own_thread(false);
                runtime.block_on(run);
                // Without waiting for a name that is being looked up.
                runtime.shutdown_background();
            })?)
        }
    };
    // Longer than all that it asks may take.
    let most = timeout.saturating_add(ASKING);
    let begun = hub.while_blocked(|| answer.recv_timeout(most));
    let begun = begun.unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => gone("the server has not answered"),
            RecvTimeoutError::Disconnected => gone("the runtime has ended"),
        })
    });
    match begun {
        Ok(()) => Ok((thread, ended)),
        Err(error) => {
            thread.map(JoinHandle::join);
            Err(error)
        }
    }
}

/// 16 random bytes in base 16.
fn origin() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Random enough to be nobody else's: the keys of a hash table.
        use std::hash::{BuildHasher, RandomState};
        let (one, other) = (
            RandomState::new().hash_one(1_u8),
            RandomState::new().hash_one(2_u8),
        );
        bytes[..8].copy_from_slice(&one.to_le_bytes());
        bytes[8..].copy_from_slice(&other.to_le_bytes());
    }
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn check_name(what: &'static str, name: &str) -> Result<(), StartError> {
    if is_name(name) {
        return Ok(());
    }
    Err(StartError::Name {
        what,
        name: name.to_owned(),
    })
}

/// Whether a route may have this subject.
fn check_subject(subject: String) -> Result<(), StartError> {
    if is_reserved(&subject) {
        Err(StartError::Reserved { subject })
    } else {
        Ok(())
    }
}

fn check_sends<C>(
    hub: &Hub,
    sends: &[crate::nats::into_route::SendRoute<C>],
) -> Result<(), StartError> {
    for (index, route) in sends.iter().enumerate() {
        check_subject(hub.subject(route.names.as_str()))?;
        let twice = |it: &&crate::nats::into_route::SendRoute<C>| {
            overlaps(it.names.as_str(), route.names.as_str())
        };
        if let Some(other) = sends[..index].iter().find(twice) {
            return Err(StartError::Conflict {
                first: other.names.as_str().to_owned(),
                second: route.names.as_str().to_owned(),
                reason: "an event of both would be sent twice",
            });
        }
    }
    Ok(())
}

/// Whether a group would be given what this bridge sends. Whatever the stream is, and whether the route that sends
/// knows of it: a stream stores what is published under its subjects.
fn check_groups<C>(
    sends: &[crate::nats::into_route::SendRoute<C>],
    receives: &[ReceiveRoute<C>],
) -> Result<(), StartError> {
    let groups = receives
        .iter()
        .filter(|it| matches!(it.kind, ReceiveKind::Group(_)));
    for group in groups.map(|it| it.names.as_str()) {
        let mut names = sends.iter().map(|it| it.names.as_str());
        if let Some(sent) = names.find(|it| overlaps(it, group)) {
            return Err(StartError::Conflict {
                first: sent.to_owned(),
                second: group.to_owned(),
                reason: "the group would be given what the handlers of this bus have had, and nobody would handle it",
            });
        }
    }
    Ok(())
}

fn receive<C: 'static>(
    hub: &Arc<Hub>,
    bus: &Bus<C>,
    route: ReceiveRoute<C>,
    need: &mut impl FnMut(&Arc<str>, String),
    receiving: &mut Receiving,
) -> Result<(), StartError> {
    let ReceiveRoute {
        names,
        place,
        kind,
        schema,
        deliver,
    } = route;
    let topics = names.as_str().to_owned();
    let subject = hub.subject(&topics);
    check_subject(subject.clone())?;
    let is_pattern = matches!(names, Names::Matching(_));
    let deliver = deliver(bus)?;
    let route = |retry: Backoff, dead_letters| Route {
        names,
        place,
        schema,
        retry,
        dead_letters,
        deliver,
        told_closed: HashSet::new(),
    };
    match kind {
        ReceiveKind::Core => {
            let is_same = |it: &&(Arc<Listener>, Route)| overlaps(&it.0.topics, &topics);
            if let Some((other, _)) = receiving.listeners.iter().find(is_same) {
                let reason = "an event of both would be emitted twice";
                let first = other.topics.clone();
                return Err(StartError::Conflict {
                    first,
                    second: topics,
                    reason,
                });
            }
            let listener = Listener::new(hub.clone(), topics, is_pattern, place);
            receiving
                .listeners
                .push((Arc::new(listener), route(Backoff::never(), None)));
        }
        ReceiveKind::Group(group) => {
            check_name("stream", &group.stream)?;
            check_name("group", &group.name)?;
            let is_same = |it: &&(Arc<GroupState>, Route)| {
                it.0.stream == group.stream && it.0.name == group.name
            };
            if let Some((other, _)) = receiving.groups.iter().find(is_same) {
                let reason = "a group has one route";
                return Err(StartError::Conflict {
                    first: other.topics.clone(),
                    second: topics,
                    reason,
                });
            }
            need(&group.stream, subject);
            let names = (group.stream, group.name);
            let state = GroupState::new(
                hub.clone(),
                names,
                topics,
                place,
                group.in_flight,
                group.ack_wait,
            );
            receiving
                .groups
                .push((Arc::new(state), route(group.retry, group.dead_letters)));
        }
        ReceiveKind::Reader(reader) => {
            check_name("stream", &reader.stream)?;
            check_name("reader", &reader.name)?;
            need(&reader.stream, subject.clone());
            let route = route(reader.retry, reader.dead_letters);
            let is_same = |it: &&mut (ReaderState, Vec<Route>)| {
                it.0.stream == reader.stream && it.0.name == reader.name
            };
            let Some((state, routes)) = receiving.readers.iter_mut().find(is_same) else {
                let names = (reader.stream, reader.name);
                let mut state = ReaderState::new(
                    hub.clone(),
                    names,
                    place,
                    reader.note_every,
                    reader.only_new,
                );
                state.subjects.push(subject);
                receiving.readers.push((state, vec![route]));
                return Ok(());
            };
            if let Some(other) = state.subjects.iter().find(|it| overlaps(it, &subject)) {
                let reason = "an event of both would be handled once, and not by both";
                return Err(StartError::Conflict {
                    first: hub.topic(other).unwrap_or(other).to_owned(),
                    second: topics,
                    reason,
                });
            }
            if state.only_new != reader.only_new {
                let reason = "one of them has `only_new`, and a reader begins at one place for all of its routes";
                return Err(StartError::Conflict {
                    first: routes[0].names.as_str().to_owned(),
                    second: topics,
                    reason,
                });
            }
            state.note_every = state.note_every.min(reader.note_every);
            state.subjects.push(subject);
            routes.push(route);
        }
    }
    Ok(())
}

impl HasInbox for Listener {
    fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}

impl HasInbox for ReaderState {
    fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    fn unnoted(&self) -> usize {
        self.unnoted()
    }
}

impl HasInbox for GroupState {
    fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}
