//! Single events with their targets, outside of the lanes, for events that have to be reached one
//! by one: delayed ones, those that a newer one replaces, and those of a queue that is drained one
//! by one.
//!
//! While the queue is in use, an empty envelope is not freed: the free list keeps it for the next
//! event of its type.

use std::any::Any;
use std::ops::DerefMut;

use crate::core::failure::link::Link;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::queue::active_drain::ActiveDrain;
use crate::core::queue::target::Target;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::failure::CallSite;

/// An envelope with an event of any type, or an empty one.
pub trait Envelope<M: EnvelopeFlavour, C: 'static> {
    /// Delivers the event and drops it.
    fn deliver(&mut self, drain: &mut ActiveDrain<'_, M, C>);
    /// Drops the event. Returns whether it was a call that was taken back. `info` and `location` are those of
    /// the queue.
    fn discard(&mut self, info: &SignalInfo<M>, location: CallSite) -> bool;
    /// Returns whether it has a call that was taken back.
    fn is_hole(&self) -> bool;
    /// What the topic of its event is, or that of the handler whose call it is.
    fn info(&self) -> Option<&SignalInfo<M>>;
    /// The number of its payload type.
    fn number(&self) -> usize;
    fn as_any(&mut self) -> &mut dyn Any;
}

/// An event, with its target and the span that it was deferred in.
type Content<M, E, C> = (Target<M, E, C>, Link, E);

pub struct TypedEnvelope<M: EnvelopeFlavour, E: 'static, C: 'static> {
    number: usize,
    content: Option<Content<M, E, C>>,
}

impl<M: EnvelopeFlavour, E: 'static, C: 'static> TypedEnvelope<M, E, C> {
    /// An empty one.
    pub(super) fn empty(number: usize) -> Self {
        let content = None;
        TypedEnvelope { number, content }
    }
}

impl<M: EnvelopeFlavour, E: 'static, C: 'static> Envelope<M, C> for TypedEnvelope<M, E, C> {
    fn deliver(&mut self, drain: &mut ActiveDrain<'_, M, C>) {
        if let Some((target, link, event)) = self.content.take() {
            target.deliver(event, link.follows(), drain);
        }
    }

    fn discard(&mut self, info: &SignalInfo<M>, location: CallSite) -> bool {
        let Some((target, _link, event)) = self.content.take() else {
            return false;
        };
        drop_event(event, target.info().unwrap_or(info), location);
        target.discard()
    }

    fn is_hole(&self) -> bool {
        let content = self.content.as_ref();
        content.is_some_and(|(target, _, _)| target.is_hole())
    }

    fn info(&self) -> Option<&SignalInfo<M>> {
        let (target, _, _) = self.content.as_ref()?;
        target.info()
    }

    fn number(&self) -> usize {
        self.number
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// Puts another event for the same target into an envelope, and returns the one that was in it. The
/// links are swapped.
pub(crate) fn exchange<M: EnvelopeFlavour, E: 'static, C: 'static>(
    envelope: &mut M::Envelope<C>,
    link: &mut Link,
    event: E,
) -> Option<E> {
    let typed = envelope.as_any().downcast_mut::<TypedEnvelope<M, E, C>>()?;
    let (_, old, content) = typed.content.as_mut()?;
    std::mem::swap(old, link);
    Some(std::mem::replace(content, event))
}

/// Empty envelopes, by the number of their payload type.
pub struct FreeList<M: EnvelopeFlavour, C: 'static>(Vec<Vec<M::Envelope<C>>>);

impl<M: EnvelopeFlavour, C: 'static> Default for FreeList<M, C> {
    fn default() -> Self {
        FreeList(Vec::new())
    }
}

impl<M: EnvelopeFlavour, C: 'static> FreeList<M, C> {
    /// Puts an event into an envelope: an empty one, or a new one if there is none for its type,
    /// which has this number.
    pub(crate) fn allocate<E: 'static>(
        &mut self,
        number: usize,
        content: Content<M, E, C>,
        boxed: impl Fn(TypedEnvelope<M, E, C>) -> M::Envelope<C>,
    ) -> M::Envelope<C> {
        let content = Some(content);
        if let Some(mut envelope) = self.take(number) {
            // Always found: the index gives each type a number of its own.
            if let Some(typed) = envelope.as_any().downcast_mut::<TypedEnvelope<M, E, C>>() {
                typed.content = content;
                return envelope;
            }
        }
        if self.0.len() <= number {
            // For the next event, if this one is drained alone.
            self.recycle(boxed(TypedEnvelope::empty(number)));
        }
        boxed(TypedEnvelope { number, content })
    }

    /// Whether there is an empty envelope for the type with this number.
    pub(super) fn has(&self, number: usize) -> bool {
        self.0.get(number).is_some_and(|all| !all.is_empty())
    }

    /// An empty envelope for the type with this number.
    pub(super) fn take(&mut self, number: usize) -> Option<M::Envelope<C>> {
        self.0.get_mut(number).and_then(Vec::pop)
    }

    /// The number of envelopes.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Keeps an empty envelope for the next event of its type.
    pub(crate) fn recycle(&mut self, envelope: M::Envelope<C>) {
        let number = envelope.number();
        if self.0.len() <= number {
            self.0.resize_with(number + 1, Vec::new);
        }
        self.0[number].push(envelope);
    }
}

/// What a queue needs of a flavour for single events: a box that is `Send` if events are.
pub trait EnvelopeFlavour: SignalFlavour {
    type Envelope<C: 'static>: DerefMut<Target: Envelope<Self, C>>;
}

impl EnvelopeFlavour for Shared {
    type Envelope<C: 'static> = Box<dyn Envelope<Shared, C> + Send>;
}

impl EnvelopeFlavour for Local {
    type Envelope<C: 'static> = Box<dyn Envelope<Local, C>>;
}

/// A flavour whose queues put events of this type into envelopes.
pub trait EnvelopeFor<E>: EnvelopeFlavour {
    fn envelope<C: 'static>(typed: TypedEnvelope<Self, E, C>) -> Self::Envelope<C>
    where
        E: 'static;
}

impl<E: Send> EnvelopeFor<E> for Shared {
    fn envelope<C: 'static>(typed: TypedEnvelope<Self, E, C>) -> Self::Envelope<C>
    where
        E: 'static,
    {
        Box::new(typed)
    }
}

impl<E> EnvelopeFor<E> for Local {
    fn envelope<C: 'static>(typed: TypedEnvelope<Self, E, C>) -> Self::Envelope<C>
    where
        E: 'static,
    {
        Box::new(typed)
    }
}
