//! What a bridge to other machines needs of a bus and users have no method for.

use std::borrow::Cow;

use crate::bus::Bus;
use crate::core::failure::pending;
use crate::core::flavour::Flavour;
use crate::failure::{CallSite, Cause, HandlerError};
use crate::outcome::BoxError;

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Reports what happened outside of any emission to the error hook, or to the log if there is none: the loss of an
    /// event on its way, for which nobody is left to be told by a result.
    pub(crate) fn report(&self, topic: String, place: CallSite, error: BoxError) {
        let label = Some(Box::from("nats"));
        let error = HandlerError::new(Cow::Owned(topic), label, place, Cause::Bridge(error));
        let config = &self.core.registry.config;
        pending::report(error, |error| config.call_hook(error));
    }
}
