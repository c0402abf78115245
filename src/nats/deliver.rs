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
use crate::error::WrongType;
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
    /// It is no event of the route.
    Undecodable(String),
    /// It was not waited for to the end, because the bridge ends.
    GivenUp,
    /// The bus is closed.
    NoBus,
}

/// Delivers the events of a route.
pub(super) trait Deliver: Send {
    fn deliver(&mut self, hub: &Arc<Hub>, parking: &Arc<Parking>, event: &Arrived) -> Delivered;
    /// Emits a dead letter, and returns whether that was possible.
    fn dead_letter(&mut self, topic: &Topic<DeadLetter>, letter: DeadLetter) -> bool;
}

pub(super) struct Delivery<E: 'static, C: 'static, D> {
    bus: Bus<C>,
    /// Of a route of one topic.
    signal: Option<Signal<E, C>>,
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
            codec,
            queue,
            own_context,
            place,
        }))
    }

    fn signal(&self, topic: &str) -> Result<Signal<E, C>, String> {
        if let Some(signal) = &self.signal {
            return Ok(signal.clone());
        }
        let topic = Topic::<E>::named(topic).map_err(|it| it.to_string())?;
        self.bus.try_signal(&topic).map_err(|it| it.to_string())
    }
}

impl<E: 'static, C: 'static, D: Decode<E>> Deliver for Delivery<E, C, D> {
    fn deliver(&mut self, hub: &Arc<Hub>, parking: &Arc<Parking>, event: &Arrived) -> Delivered {
        if self.bus.is_closed() {
            return Delivered::NoBus;
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
        match (&self.queue, self.own_context) {
            (Some(queue), _) => on_queue(&task, queue, signal, decoded),
            (None, Some(own_context)) => {
                let mut context = own_context();
                emit(&task, signal, decoded, &mut context)
            }
            (None, None) => Delivered::NoBus,
        }
    }

    fn dead_letter(&mut self, topic: &Topic<DeadLetter>, letter: DeadLetter) -> bool {
        let Ok(signal) = self.bus.try_signal(topic) else {
            return false;
        };
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
                Poll::Ready(done) => return Some(outcome(&done)),
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

/// What an emission has come to. Its failures are told by itself.
fn outcome(done: &Emission) -> Delivered {
    match done.first_failure() {
        Some(failure) => Delivered::Failed(failure),
        None if done.is_closed() => Delivered::NotEmitted("the signal is closed".to_owned()),
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
            Delivered::NotEmitted("its queue has given the event up".to_owned())
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
    let run = move |context: &mut C, decoded: E| {
        if settle.posted.is_given_up.load(Ordering::Acquire) {
            return;
        }
        settle.has_begun = true;
        let _drain_guard = hub.enter_drain();
        let _work = causes::enter(&signal, &headers, age, place);
        let _headers_guard = headers::enter(headers);
        let _inbound_guard = hub.enter_inbound();
        // A panic goes on into the drain, whose it is; `settle` says that it has failed.
        let done = emit_from(place, &signal, &decoded, context);
        settle.settle(outcome(&done));
    };
    // A queue that does not take the event drops it, which may panic.
    match catch(|| (queue.event)(decoded, Box::new(run))) {
        Ok(Ok(())) => (),
        Ok(Err(error)) => return Delivered::NotEmitted(error.to_string()),
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
