//! The emission of what has arrived: decoded on the thread of the route, and emitted there or where a queue is drained.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::core::emission::run::run_followed;
use crate::core::failure::link::Follows;
use crate::core::failure::panics::{Payload, catch, drop_payload, message};
use crate::core::primitives::sync::lock;
use crate::error::{DeferErrorKind, WrongType};
use crate::failure::CallSite;

use crate::nats::causes;
use crate::nats::codec::Decode;
use crate::nats::dead_letter::DeadLetter;
use crate::nats::headers;
use crate::nats::hub::Hub;
use crate::nats::incoming::{Arrived, Parking};
use crate::nats::route::{Names, OnQueue};
use crate::outcome::BoxError;
use crate::shared::{Bus, EmitAsyncWith, Signal};
use crate::signal::emission::Emission;
use crate::topic::Topic;

/// The text of a panic, which ends here.
fn panicked(payload: Payload) -> String {
    let text = format!("panicked: {}", message(&payload));
    drop_payload(payload);
    text
}

/// The text of an error of a codec. Both to write it and to drop it is user code.
fn rendered(error: BoxError) -> String {
    let text = catch(|| error.to_string()).unwrap_or_else(|payload| {
        let text = panicked(payload);
        format!("an error that cannot be shown: its `Display` {text}")
    });
    catch(|| drop(error)).unwrap_or_else(drop_payload);
    text
}

/// What has become of an event.
#[derive(Debug)]
pub(super) enum Delivered {
    Handled,
    /// What failed first. It has told so itself.
    Failed(String),
    /// It was not emitted, and nobody was told.
    NotEmitted(String),
    /// It was not emitted, because its queue has no room for it now.
    NoRoom(String),
    /// No handler has had it, because its topic is paused. Only of what is stored: what is not is missed by handlers that
    /// are paused, as what is emitted here.
    Paused,
    /// Its topic is closed.
    Closed,
    /// Nothing of the route will be emitted any more, and why.
    Ended(String),
    /// It is no event of the route.
    Undecodable(String),
    /// It was not waited for to the end, because the bridge ends.
    GivenUp,
}

const BUS_IS_CLOSED: &str = "the bus is closed";

/// Delivers the events of a route.
pub(super) trait Deliver: Send {
    fn deliver(&mut self, hub: &Arc<Hub>, parking: &Arc<Parking>, event: &Arrived) -> Delivered;
    /// Whether a stored event is to wait, because its topic is paused.
    fn is_paused(&mut self, event: &Arrived) -> bool;
    /// Whether nothing of the route will be emitted any more.
    fn is_closed(&self) -> bool;
    /// Emits a dead letter, and returns whether that was possible.
    fn dead_letter(&mut self, topic: &Topic<DeadLetter>, letter: DeadLetter) -> bool;
    /// Whether handlers would miss a dead letter now, because they are paused.
    fn is_paused_for(&self, topic: &Topic<DeadLetter>) -> bool;
}

pub(super) struct Delivery<E: 'static, C: 'static, D> {
    bus: Bus<C>,
    /// Of a route of one topic.
    signal: Option<Signal<E, C>>,
    /// Of a pattern: what was looked up for the event that is delivered next.
    looked_up: Option<Signal<E, C>>,
    codec: D,
    queue: Option<OnQueue<E, C>>,
    own_context: Option<fn() -> C>,
    /// The line of the route.
    place: CallSite,
}

impl<E: 'static, C: 'static, D: Decode<E>> Delivery<E, C, D> {
    pub(super) fn make(
        bus: &Bus<C>,
        names: &Names,
        codec: D,
        queue: Option<OnQueue<E, C>>,
        own_context: Option<fn() -> C>,
        place: CallSite,
    ) -> Result<Box<dyn Deliver>, WrongType> {
        let signal = match names {
            Names::Topic(name) => Some(bus.try_signal(&Topic::<E>::of_name(name.clone()))?),
            Names::Matching(_) => None,
        };
        Ok(Box::new(Delivery {
            bus: bus.clone(),
            signal,
            looked_up: None,
            codec,
            queue,
            own_context,
            place,
        }))
    }

    fn signal(&mut self, topic: &str) -> Result<Signal<E, C>, String> {
        if let Some(signal) = &self.signal {
            return Ok(signal.clone());
        }
        if let Some(signal) = self.looked_up.take() {
            return Ok(signal);
        }
        let topic = Topic::<E>::named(topic).map_err(|it| it.to_string())?;
        self.bus.try_signal(&topic).map_err(|it| it.to_string())
    }
}

impl<E: 'static, C: 'static, D: Decode<E>> Deliver for Delivery<E, C, D> {
    fn deliver(&mut self, hub: &Arc<Hub>, parking: &Arc<Parking>, event: &Arrived) -> Delivered {
        if self.bus.is_closed() {
            return Delivered::Ended(BUS_IS_CLOSED.to_owned());
        }
        let decoded = match catch(|| self.codec.decode(&event.payload)) {
            Ok(decoded) => decoded.map_err(rendered),
            Err(payload) => Err(panicked(payload)),
        };
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(reason) => return Delivered::Undecodable(reason),
        };
        let signal = match self.signal(&event.topic) {
            Ok(signal) => signal,
            Err(reason) => {
                // The event may be dropped with a panic, which must not end this thread.
                catch(|| drop(decoded)).unwrap_or_else(drop_payload);
                return Delivered::Undecodable(reason);
            }
        };
        let task = Task {
            hub,
            parking,
            event,
            place: self.place,
        };
        let delivered = match (&self.queue, self.own_context) {
            (Some(queue), _) => on_queue(&task, queue, signal, decoded),
            (None, Some(own_context)) => {
                let mut context = own_context();
                emit(&task, signal, decoded, &mut context)
            }
            (None, None) => Delivered::Ended("the route has no queue".to_owned()),
        };
        match delivered {
            // A bus says that it is closed before its topics are.
            Delivered::Closed if self.bus.is_closed() => Delivered::Ended(BUS_IS_CLOSED.to_owned()),
            other => other,
        }
    }

    fn is_paused(&mut self, event: &Arrived) -> bool {
        if !event.is_stored() || self.bus.is_closed() {
            return false;
        }
        if let Some(signal) = &self.signal {
            return signal.is_paused();
        }
        self.looked_up = None;
        let Ok(signal) = self.signal(&event.topic) else {
            return false;
        };
        let is_paused = signal.is_paused();
        // Not kept while it waits: the topic may cease to exist meanwhile.
        self.looked_up = (!is_paused).then_some(signal);
        is_paused
    }

    fn is_closed(&self) -> bool {
        let of_topic = self.signal.as_ref();
        self.bus.is_closed() || of_topic.is_some_and(Signal::is_closed)
    }

    fn dead_letter(&mut self, topic: &Topic<DeadLetter>, letter: DeadLetter) -> bool {
        let Ok(signal) = self.bus.try_signal(topic) else {
            return false;
        };
        if signal.is_closed() {
            return false;
        }
        let place = self.place;
        if let Some(queue) = &self.queue {
            let run = move |context: &mut C| _ = emit_from(place, &signal, &letter, context);
            return (queue.any)(Box::new(run)).is_ok();
        }
        let Some(own_context) = self.own_context else {
            return false;
        };
        // Its failures are told by the emission.
        catch(|| drop(emit_from(place, &signal, &letter, &mut own_context())))
            .unwrap_or_else(drop_payload);
        true
    }

    fn is_paused_for(&self, topic: &Topic<DeadLetter>) -> bool {
        let signal = self.bus.try_signal(topic);
        signal.is_ok_and(|it| it.is_paused() && !it.is_closed())
    }
}

/// Emits at once, as the line of the route.
fn emit_from<E: 'static, C: 'static>(
    place: CallSite,
    signal: &Signal<E, C>,
    event: &E,
    context: &mut C,
) -> Emission {
    let summary = run_followed(&signal.core, event, context, Follows::of_line(place));
    Emission::finish(summary, || signal.core.info.config.panics())
}

/// What is to be delivered, and who waits.
struct Task<'t> {
    hub: &'t Arc<Hub>,
    parking: &'t Arc<Parking>,
    event: &'t Arrived,
    place: CallSite,
}

/// Emits here, and waits for async handlers.
fn emit<E: 'static, C: 'static>(
    task: &Task<'_>,
    signal: Signal<E, C>,
    decoded: E,
    context: &mut C,
) -> Delivered {
    let Task {
        hub,
        parking,
        event,
        place,
    } = *task;
    let pauses = Pauses::look(event.is_stored(), &signal);
    if pauses.is_paused(&signal) {
        catch(|| drop(decoded)).unwrap_or_else(drop_payload);
        return Delivered::Paused;
    }
    let waker = Waker::from(parking.clone());
    let emitted = catch(|| {
        let _headers_guard = headers::enter(event.headers.clone());
        let _work = causes::enter(&signal, &event.headers, causes::Age::of(event), place);
        let _inbound_guard = hub.enter_inbound();
        let mut emission = pin!(EmitAsyncWith::<E, C>::new(
            signal.core.clone(),
            context,
            decoded,
            place
        ));
        let mut cx = Context::from_waker(&waker);
        loop {
            match emission.as_mut().poll(&mut cx) {
                Poll::Ready(done) => return Some(outcome(&done, &signal, pauses)),
                Poll::Pending if parking.park() => (),
                Poll::Pending => return None,
            }
        }
    });
    match emitted {
        Ok(Some(delivered)) => delivered,
        Ok(None) => Delivered::GivenUp,
        Err(payload) => {
            // The emission has reported it.
            Delivered::Failed(panicked(payload))
        }
    }
}

/// The pauses of a signal that have begun before an emission. `None` for what is not stored.
#[derive(Clone, Copy)]
struct Pauses(Option<usize>);

impl Pauses {
    fn look<E: 'static, C: 'static>(is_stored: bool, signal: &Signal<E, C>) -> Self {
        Pauses(is_stored.then(|| signal.core.info.begun_pauses()))
    }

    fn is_paused<E: 'static, C: 'static>(self, signal: &Signal<E, C>) -> bool {
        self.0.is_some() && signal.is_paused()
    }

    /// Whether handlers may have been skipped since.
    fn have_changed<E: 'static, C: 'static>(self, signal: &Signal<E, C>) -> bool {
        let begun = signal.core.info.begun_pauses();
        self.0.is_some_and(|it| it != begun) || self.is_paused(signal)
    }
}

/// What an emission has come to. Its failures are told by itself.
///
/// A handler that has run has had the event, whether it closes or pauses the topic then, or somebody else does: the
/// event is not one to come again.
fn outcome<E: 'static, C: 'static>(
    done: &Emission,
    signal: &Signal<E, C>,
    pauses: Pauses,
) -> Delivered {
    match done.first_failure() {
        Some(failure) => Delivered::Failed(failure),
        None if done.ran() > 0 => Delivered::Handled,
        None if done.is_closed() => Delivered::Closed,
        None if pauses.have_changed(signal) => Delivered::Paused,
        None => Delivered::Handled,
    }
}

/// What a call in a queue has come to, for the thread that waits for it.
struct Posted {
    parking: Arc<Parking>,
    delivered: Mutex<Option<Delivered>>,
    /// Nobody waits for it any more: it does not begin.
    is_given_up: AtomicBool,
}

/// Has the thread go on, whatever becomes of the call.
struct Settle {
    posted: Arc<Posted>,
    has_begun: bool,
}

impl Settle {
    fn settle(&self, delivered: Delivered) {
        lock(&self.posted.delivered).get_or_insert(delivered);
        self.posted.parking.wake_by_ref();
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        self.settle(if self.has_begun {
            Delivered::Failed("its emission panicked".to_owned())
        } else {
            Delivered::NoRoom("its queue has given the event up".to_owned())
        });
    }
}

/// Emits where a queue is drained, and waits until that has happened.
fn on_queue<E: 'static, C: 'static>(
    task: &Task<'_>,
    queue: &OnQueue<E, C>,
    signal: Signal<E, C>,
    decoded: E,
) -> Delivered {
    let Task {
        hub,
        parking,
        event,
        place,
    } = *task;
    let posted = Arc::new(Posted {
        parking: parking.clone(),
        delivered: Mutex::new(None),
        is_given_up: AtomicBool::new(false),
    });
    let mut settle = Settle {
        posted: posted.clone(),
        has_begun: false,
    };
    let (hub, headers) = (hub.clone(), event.headers.clone());
    let age = causes::Age::of(event);
    let is_stored = event.is_stored();
    let run = move |context: &mut C, decoded: E| {
        if settle.posted.is_given_up.load(Ordering::Acquire) {
            return;
        }
        let pauses = Pauses::look(is_stored, &signal);
        if pauses.is_paused(&signal) {
            settle.settle(Delivered::Paused);
            return;
        }
        settle.has_begun = true;
        let _drain_guard = hub.enter_drain();
        let _work = causes::enter(&signal, &headers, age, place);
        let _headers_guard = headers::enter(headers);
        let _inbound_guard = hub.enter_inbound();
        // A panic goes on into the drain, whose it is; `settle` says that it has failed.
        let done = emit_from(place, &signal, &decoded, context);
        settle.settle(outcome(&done, &signal, pauses));
    };
    // A queue that does not take the event drops it, which may panic.
    match catch(|| (queue.event)(decoded, Box::new(run))) {
        Ok(Ok(())) => (),
        Ok(Err(error)) if error.kind() == DeferErrorKind::Closed => {
            return Delivered::Ended(error.to_string());
        }
        Ok(Err(error)) => return Delivered::NoRoom(error.to_string()),
        Err(payload) => return Delivered::NotEmitted(panicked(payload)),
    }
    loop {
        if let Some(delivered) = lock(&posted.delivered).take() {
            return delivered;
        }
        if !parking.park() {
            posted.is_given_up.store(true, Ordering::Release);
            // It may have been handled just before.
            let delivered = lock(&posted.delivered).take();
            return delivered.unwrap_or(Delivered::GivenUp);
        }
    }
}
