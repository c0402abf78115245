//! The handler of a sending route.

use std::sync::Arc;

use crate::error::WrongType;
use crate::failure::CallSite;
use crate::nats::codec::Encode;
use crate::nats::outgoing::Outgoing;
use crate::nats::route::{Names, WriteHeaders};
use crate::shared::{Bus, Subscription};

pub(super) fn subscribe<E: 'static, C: 'static, D: Encode<E>>(
    _bus: &Bus<C>,
    _names: &Names,
    _place: CallSite,
    _outgoing: Arc<Outgoing>,
    _codec: D,
    _schema: Option<Arc<str>>,
    _write_headers: Option<WriteHeaders>,
) -> Result<Subscription, WrongType> {
    unimplemented!()
}
