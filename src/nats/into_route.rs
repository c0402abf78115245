//! Routes without the type of their events.

use std::sync::Arc;

use crate::error::WrongType;
use crate::failure::CallSite;
use crate::nats::codec::{Decode, Encode};
use crate::nats::deliver::{Deliver, Delivery};
use crate::nats::outgoing::Outgoing;
use crate::nats::route::{Core, Group, Names, Reader, Receives, Route, Stored};
use crate::nats::sending::{Subscribing, prepare};
use crate::policy::Overflow;
use crate::shared::Bus;
use crate::topic::Topic;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a bridge can send: `&Topic<E>`, or a [`Route`]. `E` has to be `Serialize`, unless the route has a codec of its
/// own. Sealed.
#[diagnostic::on_unimplemented(
    message = "a bridge cannot send `{Self}`",
    label = "not a topic or a route to send, or its event is not `Serialize`",
    note = "`.reader(..)` and `.shared(..)` make routes that receive"
)]
pub trait IntoSend<C: 'static>: Sized {
    #[doc(hidden)]
    fn into_send(self, place: CallSite) -> SendRoute<C>;
}

/// What a bridge can receive: `&Topic<E>`, or a [`Route`]. `E` has to be `DeserializeOwned`, unless the route has a
/// codec of its own. A bus with a context needs a route with [`on_queue`](Route::on_queue). Sealed.
#[diagnostic::on_unimplemented(
    message = "a bridge cannot receive `{Self}` on a bus with the context `{C}`",
    label = "not a topic or a route to receive, or its event is not `DeserializeOwned`",
    note = "of a stream say who receives: `.reader(\"billing\")` or `.shared(\"workers\")`",
    note = "on a bus with a context say where: `.on_queue(&queue)`"
)]
pub trait IntoReceive<C: 'static>: Sized {
    #[doc(hidden)]
    fn into_receive(self, place: CallSite) -> ReceiveRoute<C>;
}

/// Prepares what subscribes the handler of a sending route.
type PrepareSend<C> =
    Box<dyn FnOnce(&Bus<C>, Arc<Outgoing>) -> Result<Subscribing, WrongType> + Send>;
/// Makes what delivers the events of a receiving route.
type MakeDeliver<C> = Box<dyn FnOnce(&Bus<C>) -> Result<Box<dyn Deliver>, WrongType> + Send>;

/// A route to send, whatever its events are.
#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "it is made and taken in one call"
)]
pub struct SendRoute<C: 'static> {
    pub(super) names: Names,
    pub(super) place: CallSite,
    pub(super) stored: Option<Stored>,
    pub(super) outbox: (usize, Overflow),
    pub(super) prepare: PrepareSend<C>,
}

/// A route to receive, whatever its events are.
#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "it is made and taken in one call"
)]
pub struct ReceiveRoute<C: 'static> {
    pub(super) names: Names,
    pub(super) place: CallSite,
    pub(super) kind: ReceiveKind,
    pub(super) schema: Option<Arc<str>>,
    pub(super) deliver: MakeDeliver<C>,
}

#[derive(Clone)]
pub(super) enum ReceiveKind {
    Core,
    Reader(Reader),
    Group(Group),
}

impl<E: Serialize + 'static, C: 'static> IntoSend<C> for &Topic<E> {
    fn into_send(self, place: CallSite) -> SendRoute<C> {
        Route::topic(self).into_send(place)
    }
}

impl<E: DeserializeOwned + 'static> IntoReceive<()> for &Topic<E> {
    fn into_receive(self, place: CallSite) -> ReceiveRoute<()> {
        Route::topic(self).into_receive(place)
    }
}

impl<E: 'static, C: 'static, D: Encode<E>> IntoSend<C> for Route<E, Core, (), D> {
    fn into_send(self, place: CallSite) -> SendRoute<C> {
        send(self, None, place)
    }
}

impl<E: 'static, C: 'static, D: Encode<E>> IntoSend<C> for Route<E, Stored, (), D> {
    fn into_send(self, place: CallSite) -> SendRoute<C> {
        let stored = self.kind.clone();
        send(self, Some(stored), place)
    }
}

fn send<E: 'static, K: 'static, C: 'static, D: Encode<E>>(
    route: Route<E, K, (), D>,
    stored: Option<Stored>,
    place: CallSite,
) -> SendRoute<C> {
    let Route {
        names,
        codec,
        schema,
        outbox,
        write_headers,
        ..
    } = route;
    SendRoute {
        names: names.clone(),
        place,
        stored,
        outbox,
        prepare: Box::new(move |bus, outgoing| {
            prepare(bus, &names, place, outgoing, codec, schema, write_headers)
        }),
    }
}

/// What tells a kind of route that receives from the others.
trait OfReceive: Receives {
    fn receive_kind(&self) -> ReceiveKind;
}

impl OfReceive for Core {
    fn receive_kind(&self) -> ReceiveKind {
        ReceiveKind::Core
    }
}

impl OfReceive for Reader {
    fn receive_kind(&self) -> ReceiveKind {
        ReceiveKind::Reader(self.clone())
    }
}

impl OfReceive for Group {
    fn receive_kind(&self) -> ReceiveKind {
        ReceiveKind::Group(self.clone())
    }
}

fn receive<E: 'static, K: OfReceive, C: 'static, D: Decode<E>>(
    route: Route<E, K, C, D>,
    own_context: Option<fn() -> C>,
    place: CallSite,
) -> ReceiveRoute<C> {
    let kind = route.kind.receive_kind();
    let Route {
        names,
        codec,
        schema,
        post,
        ..
    } = route;
    ReceiveRoute {
        names: names.clone(),
        place,
        kind,
        schema,
        deliver: Box::new(move |bus| Delivery::make(bus, &names, codec, post, own_context, place)),
    }
}

impl<E: 'static, K: OfReceive, C: 'static, D: Decode<E>> IntoReceive<C> for Route<E, K, C, D> {
    fn into_receive(self, place: CallSite) -> ReceiveRoute<C> {
        let own_context = self.own_context;
        receive(self, own_context, place)
    }
}
