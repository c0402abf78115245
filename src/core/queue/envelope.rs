//! Parcels: single events with their targets, outside of the lanes. What has to be reached one by one
//! is kept so: delayed events, those that a newer one replaces, what overflow drops.
//!
//! A parcel is emptied and never freed while the queue is in use: the shelf keeps it for the next
//! event of its type.

use std::any::{Any, TypeId};
use std::ops::DerefMut;

use crate::core::failure::trace::Link;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::queue::index::Index;
use crate::core::queue::report::Tray;
use crate::core::queue::target::Target;
use crate::core::settings::failure_source::drop_event;
use crate::core::signal::directory::Signals;

/// A parcel, whatever is in it.
pub trait Parcel<M: Parcels, C: 'static> {
    fn deliver(&mut self, context: &mut C, tray: &mut Tray<'_, M>);
    /// Drops what is in it.
    fn discard(&mut self, tray: &Tray<'_, M>);
    /// The number of its type.
    fn number(&self) -> usize;
    fn as_any(&mut self) -> &mut dyn Any;
}

pub struct Single<M: Parcels, E: 'static, C: 'static> {
    number: usize,
    content: Option<(Target<M, E, C>, Link, E)>,
}

impl<M: Packs<E>, E: 'static, C: 'static> Parcel<M, C> for Single<M, E, C> {
    fn deliver(&mut self, context: &mut C, tray: &mut Tray<'_, M>) {
        if let Some((target, link, event)) = self.content.take() {
            target.deliver(event, link.follows(), context, tray);
        }
    }

    fn discard(&mut self, tray: &Tray<'_, M>) {
        if let Some((target, _link, event)) = self.content.take() {
            let home = target.home().unwrap_or(tray.home);
            drop_event(event, home, tray.place);
        }
    }

    fn number(&self) -> usize {
        self.number
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// Puts another event into a parcel for the same target; the one that was in it. The links change
/// places.
pub(crate) fn exchange<M, E, C>(parcel: &mut M::Parcel<C>, link: &mut Link, event: E) -> Option<E>
where
    M: Packs<E>,
    E: 'static,
    C: 'static,
{
    let single = parcel.as_any().downcast_mut::<Single<M, E, C>>()?;
    let (_, old, content) = single.content.as_mut()?;
    std::mem::swap(old, link);
    Some(std::mem::replace(content, event))
}

/// Empty parcels, by the number of their type.
pub struct Shelf<M: Parcels, C: 'static>(Vec<Vec<M::Parcel<C>>>);

impl<M: Parcels, C: 'static> Default for Shelf<M, C> {
    fn default() -> Self {
        Shelf(Vec::new())
    }
}

impl<M: Parcels, C: 'static> Shelf<M, C> {
    pub(crate) fn pack<E: 'static>(
        &mut self,
        index: &mut Index,
        target: Target<M, E, C>,
        link: Link,
        event: E,
    ) -> M::Parcel<C>
    where
        M: Packs<E>,
    {
        self.pack_as(index.number(TypeId::of::<E>()), target, link, event)
    }

    /// As `pack`, where the number of the type is known.
    pub(crate) fn pack_as<E: 'static>(
        &mut self,
        number: usize,
        target: Target<M, E, C>,
        link: Link,
        event: E,
    ) -> M::Parcel<C>
    where
        M: Packs<E>,
    {
        let content = Some((target, link, event));
        if let Some(mut parcel) = self.0.get_mut(number).and_then(Vec::pop) {
            match parcel.as_any().downcast_mut::<Single<M, E, C>>() {
                Some(single) => single.content = content,
                None => unreachable!("the index gives each type a number of its own"),
            }
            return parcel;
        }
        M::parcel(Single { number, content })
    }

    /// Keeps an empty parcel.
    pub(crate) fn keep(&mut self, parcel: M::Parcel<C>) {
        let number = parcel.number();
        if self.0.len() <= number {
            self.0.resize_with(number + 1, Vec::new);
        }
        self.0[number].push(parcel);
    }
}

/// What a queue needs of a flavour for single events: a box that is `Send` where the events are.
pub trait Parcels: Signals {
    type Parcel<C: 'static>: DerefMut<Target: Parcel<Self, C>>;
}

impl Parcels for Shared {
    type Parcel<C: 'static> = Box<dyn Parcel<Shared, C> + Send>;
}

impl Parcels for Local {
    type Parcel<C: 'static> = Box<dyn Parcel<Local, C>>;
}

/// A flavour whose parcels take events of this type.
pub trait Packs<E>: Parcels {
    fn parcel<C: 'static>(single: Single<Self, E, C>) -> Self::Parcel<C>
    where
        E: 'static;
}

impl<E: Send> Packs<E> for Shared {
    fn parcel<C: 'static>(single: Single<Shared, E, C>) -> Box<dyn Parcel<Shared, C> + Send>
    where
        E: 'static,
    {
        Box::new(single)
    }
}

impl<E> Packs<E> for Local {
    fn parcel<C: 'static>(single: Single<Local, E, C>) -> Box<dyn Parcel<Local, C>>
    where
        E: 'static,
    {
        Box::new(single)
    }
}
