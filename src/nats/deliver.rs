//! The emission of what has arrived.

use std::sync::Arc;

use crate::error::WrongType;
use crate::nats::codec::Decode;
use crate::nats::route::{Names, Post};
use crate::shared::Bus;

pub(super) trait Deliver: Send {}
pub(super) struct Delivery;
impl Delivery {
    pub(super) fn make<E: 'static, C: 'static, D: Decode<E>>(
        _bus: &Bus<C>,
        _names: &Names,
        _codec: D,
        _post: Option<Arc<Post<E, C>>>,
        _own: Option<fn() -> C>,
    ) -> Result<Box<dyn Deliver>, WrongType> {
        unimplemented!()
    }
}
