//! Parcels: single events with their targets, outside of the lanes. What has to be reached one by one
//! is kept so: delayed events, those that a newer one replaces, what overflow drops.
//!
//! A parcel is emptied and never freed while the queue is in use: the shelf keeps it for the next
//! event of its type.

use std::any::{Any, TypeId};

use crate::core::failure::pending as faults;
use crate::core::failure::trace::Link;
use crate::core::mode::{Carries, Mode};
use crate::core::queue::drain::Tray;
use crate::core::queue::lanes::{Batch, Index, Target};

/// A parcel, whatever is in it.
pub trait Parcel<M: Mode, C: 'static> {
    /// Moves the event to the end of a batch. Runs under the queue's lock, and so calls nothing.
    fn join(&mut self, batch: &mut Batch<M, C>, index: &mut Index);
    fn deliver(&mut self, context: &mut C, tray: &mut Tray<'_, M>);
    /// Drops what is in it.
    fn discard(&mut self, tray: &Tray<'_, M>);
    /// The number of its type.
    fn number(&self) -> usize;
    fn as_any(&mut self) -> &mut dyn Any;
}

pub struct Single<M: Mode, E: 'static, C: 'static> {
    number: usize,
    content: Option<(Target<M, E, C>, Link, E)>,
}

impl<M: Mode + Carries<E>, E: 'static, C: 'static> Parcel<M, C> for Single<M, E, C> {
    fn join(&mut self, batch: &mut Batch<M, C>, index: &mut Index) {
        let Some((target, mut link, event)) = self.content.take() else {
            return;
        };
        // A run of its own, or the target and the link would be let go of under the lock.
        let joined = batch.push(index, event, &mut link, |_, _| false, || Some(target));
        debug_assert!(joined.is_ok(), "there is a target");
    }

    fn deliver(&mut self, context: &mut C, tray: &mut Tray<'_, M>) {
        if let Some((target, link, event)) = self.content.take() {
            target.deliver(event, link.follows(), context, tray);
        }
    }

    fn discard(&mut self, tray: &Tray<'_, M>) {
        if let Some((target, _link, event)) = self.content.take() {
            let home = target.home().unwrap_or(tray.home);
            faults::drop_event(event, home, tray.place);
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
    M: Mode + Carries<E>,
    E: 'static,
    C: 'static,
{
    let single = parcel.as_any().downcast_mut::<Single<M, E, C>>()?;
    let (_, old, content) = single.content.as_mut()?;
    std::mem::swap(old, link);
    Some(std::mem::replace(content, event))
}

/// Empty parcels, by the number of their type.
pub struct Shelf<M: Mode, C: 'static>(Vec<Vec<M::Parcel<C>>>);

impl<M: Mode, C: 'static> Default for Shelf<M, C> {
    fn default() -> Self {
        Shelf(Vec::new())
    }
}

impl<M: Mode, C: 'static> Shelf<M, C> {
    pub(crate) fn pack<E: 'static>(
        &mut self,
        index: &mut Index,
        target: Target<M, E, C>,
        link: Link,
        event: E,
    ) -> M::Parcel<C>
    where
        M: Carries<E>,
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
        M: Carries<E>,
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
