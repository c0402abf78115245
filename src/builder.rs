//! The settings of a bus, before there is one.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::bus::Bus;
use crate::core::bus::Bus as Core;
use crate::core::home::{Panics, Settings};
use crate::core::mode::Mode;
use crate::core::thread::MAX_DEPTH;

/// Decides what a bus does with panics and with endless recursion. Made by `Bus::builder`.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Panics, Topic};
///
/// const TICK: Topic<u32> = Topic::new("tick");
/// let bus = Bus::builder().panics(Panics::Contain).max_depth(16).build();
/// let _sub = bus.on(&TICK, |_| panic!("out of coffee"));
/// let done = bus.emit(&TICK, &1);
/// assert!(done.errors()[0].to_string().ends_with("panicked: out of coffee"));
/// ```
#[must_use = "nothing is made until `build`"]
pub struct BusBuilder<M: Mode, C: 'static = ()> {
    panics: Panics,
    max_depth: usize,
    types: PhantomData<fn(M, C)>,
}

impl<M: Mode, C: 'static> BusBuilder<M, C> {
    pub(crate) fn new() -> Self {
        BusBuilder {
            panics: Panics::default(),
            max_depth: MAX_DEPTH,
            types: PhantomData,
        }
    }

    /// Whether the first panic of an emission goes on to the emitter, as it does by default, or
    /// ends there.
    pub fn panics(mut self, panics: Panics) -> Self {
        self.panics = panics;
        self
    }

    /// How deep emissions may be nested in each other on one thread, over all signals; 128 by
    /// default, and 1 refuses any nesting. With 0 every emission that has a handler is refused.
    ///
    /// An emission beyond it is refused, with an error. By default the limit is met before the
    /// stack ends if a level takes less than 12 KiB of the 2 MiB that threads have.
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels;
        self
    }

    /// Makes the bus.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Bus<M, C> {
        let settings = Settings::<M>::new(self.panics, self.max_depth);
        Bus {
            core: M::ptr(Core::new(settings, Location::caller())),
        }
    }
}

impl<M: Mode, C: 'static> fmt::Debug for BusBuilder<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder")
            .field("panics", &self.panics)
            .field("max_depth", &self.max_depth)
            .finish()
    }
}
