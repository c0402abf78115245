//! The handler of a sending route: encodes an event in its emission, and puts it into the outbox.

use std::sync::Arc;

use crate::core::waiting::confirmed::ConfirmedHandler;
use crate::error::WrongType;
use crate::failure::CallSite;
use crate::nats::codec::Encode;
use crate::nats::error::BridgeError;
use crate::nats::given::Given;
use crate::nats::headers::{self, Headers};
use crate::nats::hub::Inbound;
use crate::nats::outgoing::{Outgoing, Ticket};
use crate::nats::route::{Names, WriteHeaders};
use crate::nats::stats::Counts;
use crate::nats::subject::is_reserved;
use crate::nats::wire::Passage;
use crate::nats::{causes, wire};
use crate::outcome::BoxError;
use crate::shared::{Bus, Subscribe, Subscription};
use crate::topic::Topic;
use crate::topic::any_event::AnyEvent;

/// What a sending route does with an event.
struct Sender<D> {
    outgoing: Arc<Outgoing>,
    codec: D,
    write_headers: Option<WriteHeaders>,
    /// What the headers of each event say.
    description: Headers,
    /// The same, for those that have no others.
    only_description: Arc<Given>,
}

impl<D> Sender<D> {
    fn send<E: 'static>(
        &self,
        topic: &Arc<str>,
        event: &E,
        is_awaited: bool,
    ) -> Result<Option<Ticket>, BoxError>
    where
        D: Encode<E>,
    {
        let hub = &self.outgoing.hub;
        let via = match hub.inbound() {
            Inbound::Here => return Ok(None),
            Inbound::No => None,
            Inbound::Elsewhere => {
                match headers::with_current(|it| wire::pass_on(it, &hub.origin)) {
                    Some(Passage::Via(via)) => via,
                    Some(Passage::Circle) => return Ok(None),
                    // No failure of the emission: what has come in is handled here.
                    Some(Passage::TooFar) => {
                        self.outgoing.too_far(topic);
                        return Ok(None);
                    }
                    None => None,
                }
            }
        };
        let refused = RefusedByPanic(&hub.counts);
        let mut headers = Headers::new();
        if let Some(write) = &self.write_headers {
            write(&mut headers);
            wire::keep_given(&mut headers);
        }
        if let Some(via) = via {
            wire::write_via(&mut headers, &via);
        }
        causes::write(&mut headers, hub);
        let headers = if headers.is_empty() {
            self.only_description.clone()
        } else {
            for (name, value) in self.description.iter() {
                headers.push(name, value);
            }
            Arc::new(Given::from(&headers))
        };
        // More than most need, so that it does not grow.
        let mut payload = Vec::with_capacity(128);
        let encoded = self.codec.encode(event, &mut payload);
        std::mem::forget(refused);
        if let Err(error) = encoded {
            hub.counts.refused.one();
            return Err(BridgeError::Encode(error).into());
        }
        Ok(self.outgoing.put(topic, payload, headers, is_awaited)?)
    }
}

/// Counts an event whose codec, or whose closure for headers, has panicked, when dropped.
struct RefusedByPanic<'c>(&'c Counts);

impl Drop for RefusedByPanic<'_> {
    fn drop(&mut self) {
        self.0.refused.one();
    }
}

/// Subscribes the handler of a sending route, which cannot fail any more.
pub(super) type Subscribing = Box<dyn FnOnce() -> Subscription>;

/// Looks the topic up, and returns what subscribes its handler.
pub(super) fn prepare<E: 'static, C: 'static, D: Encode<E>>(
    bus: &Bus<C>,
    names: &Names,
    place: CallSite,
    outgoing: Arc<Outgoing>,
    codec: D,
    schema: Option<Arc<str>>,
    write_headers: Option<WriteHeaders>,
) -> Result<Subscribing, WrongType> {
    let mut description = Headers::new();
    wire::describe(&mut description, codec.content_type(), schema.as_deref());
    let sender = Sender {
        outgoing,
        codec,
        write_headers,
        only_description: Arc::new(Given::from(&description)),
        description,
    };
    Ok(match names {
        Names::Topic(name) => {
            let signal = bus.try_signal(&Topic::<E>::of_name(name.clone()))?;
            let topic: Arc<str> = name.as_str().into();
            let handler = move |event: &E, is_awaited: bool| sender.send(&topic, event, is_awaited);
            Box::new(move || {
                let subscribe = Subscribe::<E, C>::new(signal.core.clone(), place);
                subscribe
                    .label("nats")
                    .skip_kept()
                    .finish(ConfirmedHandler(handler))
            })
        }
        Names::Matching(pattern) => {
            let (bus, pattern) = (bus.clone(), pattern.clone());
            let handler = move |event: &AnyEvent, is_awaited: bool| {
                let Some(payload) = event.payload::<E>() else {
                    return Ok(None);
                };
                let subject = sender.outgoing.hub.subject(event.topic());
                if is_reserved(&subject) {
                    sender.outgoing.hub.counts.refused.one();
                    return Err(BridgeError::Reserved { subject }.into());
                }
                sender.send::<E>(&event.topic().into(), payload, is_awaited)
            };
            Box::new(move || {
                let mut subscribe = bus.subscribe_pattern(pattern).label("nats").skip_kept();
                subscribe.options.location = place;
                subscribe.finish(ConfirmedHandler(handler))
            })
        }
    })
}
