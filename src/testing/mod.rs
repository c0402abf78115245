//! Help for tests: what was delivered, waited for and in which order.
//!
//! A [`Probe`] records the events of a topic or a pattern, a [`Recorder`] the names of all topics
//! it watches, in one sequence. Both are handlers like any other, made with nothing but the public
//! face of this crate, and cost nothing where they are not used. They keep all they record until
//! it is taken: they are for tests, not for programs that run for long.
//!
//! They subscribe with the highest priority, `i32::MAX`, and so see an event before the handlers
//! that may stop it or fail. Of those with the same priority the earlier one runs first: make the
//! probe before whatever else is that urgent. [`Probe::by`] and [`Recorder::watch_by`] take any
//! other priority; with `i32::MIN` a probe sees what no handler has stopped.
//!
//! # A component that emits
//!
//! Hand it a bus, and look at what came out.
//!
//! ```
//! use slotcast::testing::Probe;
//! use slotcast::{Bus, Topic};
//!
//! const PLACED: Topic<u64> = Topic::new("order.placed");
//! struct Shop { bus: Bus }
//! impl Shop {
//!     fn place(&self, id: u64) { self.bus.emit(&PLACED, &id); }
//! }
//!
//! let bus = Bus::new();
//! let placed = Probe::on(&bus, &PLACED);
//! let shop = Shop { bus };
//! shop.location(7);
//! shop.location(8);
//! assert_eq!(placed.take(), [7, 8]);
//! ```
//!
//! Where the component emits on threads of its own, wait with a limit instead of sleeping. The
//! limit only bounds a test that fails, so it may be long:
//!
//! ```
//! # use slotcast::testing::Probe;
//! # use slotcast::{Bus, Topic};
//! # const PLACED: Topic<u64> = Topic::new("order.placed");
//! use std::time::Duration;
//!
//! let bus = Bus::new();
//! let placed = Probe::on(&bus, &PLACED);
//! let worker = std::thread::spawn(move || { bus.emit(&PLACED, &7); });
//! assert_eq!(placed.wait_for(1, Duration::from_secs(10))?, [7]);
//! # worker.join().unwrap();
//! # Ok::<(), slotcast::testing::Missing>(())
//! ```
//!
//! # A component that handles
//!
//! Emit what it listens to, and ask the [`Emission`](crate::Emission) whether anybody was there and
//! whether anything failed: [`into_result`](crate::Emission::into_result) makes a failed handler a
//! failed test. What it emits in turn goes to a probe, or to a recorder if the order counts.
//!
//! ```
//! use slotcast::testing::Recorder;
//! use slotcast::{Bus, Topic};
//!
//! const PLACED: Topic<u64> = Topic::new("order.placed");
//! const SHIPPED: Topic<u64> = Topic::new("order.shipped");
//!
//! let bus = Bus::new();
//! let weak = bus.downgrade();
//! let _warehouse = bus.on(&PLACED, move |id| if let Some(bus) = weak.upgrade() {
//!     bus.emit(&SHIPPED, id);
//! });
//!
//! let recorder = Recorder::new();
//! recorder.watch_pattern(&bus, "order.>");
//! let done = bus.emit(&PLACED, &7).into_result()?;
//! assert_eq!(done.ran(), 2); // the warehouse, and the recorder
//! recorder.expect(["order.placed", "order.shipped"]);
//! # Ok::<(), slotcast::HandlerErrors>(())
//! ```
//!
//! # A component with a queue
//!
//! Nothing is delivered until the test drains, on its own thread and with its own state: there is
//! nothing to wait for.
//!
//! ```
//! use slotcast::{Bus, Queue, Topic};
//!
//! #[derive(Default)]
//! struct App { shown: Vec<u64> }
//! const PLACED: Topic<u64> = Topic::new("order.placed");
//!
//! let bus = Bus::new();
//! let ui = Queue::<App>::with_context();
//! let _sub = bus.subscribe(&PLACED).on_queue(&ui, |app: &mut App, id| app.shown.push(*id));
//! bus.emit(&PLACED, &7);
//!
//! let mut app = App::default();
//! assert!(app.shown.is_empty()); // not yet
//! assert_eq!(ui.drain_with(&mut app).into_result()?.delivered(), 1);
//! assert_eq!(app.shown, [7]);
//! # Ok::<(), slotcast::HandlerErrors>(())
//! ```
//!
//! # Time
//!
//! The test owns the clock. Delayed events are due by the instant that a drain is given, `drain_at`,
//! and not by the time it really is: a test of an hour's delay drains an hour later by its own
//! count, and does not sleep.
//!
//! # One thread
//!
//! A probe of a [`local`](crate::local) bus has the same methods, but for `wait_for`: nobody else
//! could bring what it waits for. Its type is `Probe<T, Local>`, with
//! [`flavour::Local`](crate::flavour::Local).

mod missing;
mod probe;
mod recorder;
mod tape;

use crate::core::handler::handler_fn::Filter;
use crate::flavour::{Flavour, Local, Shared, Subscribe, Subscription};

pub use missing::Missing;
pub use probe::Probe;
pub use recorder::Recorder;

/// What a probe of this flavour may call and keep: for [`Shared`] a mapping `F` that is
/// `Send + Sync` and values `T` that are `Send`, for [`Local`] anything. Sealed.
pub trait Records<F, T>: Flavour + sealed::Records<F, T> {}
impl<F, T, M: Flavour + sealed::Records<F, T>> Records<F, T> for M {}

mod sealed {
    use super::tape::Recording;
    use super::{Filter, Flavour, Local, Shared, Subscribe, Subscription};

    pub trait Records<F, T>: Flavour {
        fn subscribe<E, C, P>(
            subscribe: Subscribe<Self, E, C, P>,
            recording: Recording<F, T, E>,
        ) -> Subscription<Self>
        where
            E: 'static,
            C: 'static,
            P: Filter<E>;
    }

    // Written twice: what a closure of either may capture is known here, and not by `Flavour`.
    impl<F: Send + Sync + 'static, T: Send + 'static> Records<F, T> for Shared {
        fn subscribe<E: 'static, C: 'static, P: Filter<E>>(
            subscribe: Subscribe<Self, E, C, P>,
            recording: Recording<F, T, E>,
        ) -> Subscription<Self> {
            subscribe.on(move |event: &E| recording.record(event))
        }
    }
    impl<F: 'static, T: 'static> Records<F, T> for Local {
        fn subscribe<E: 'static, C: 'static, P: Filter<E>>(
            subscribe: Subscribe<Self, E, C, P>,
            recording: Recording<F, T, E>,
        ) -> Subscription<Self> {
            subscribe.on(move |event: &E| recording.record(event))
        }
    }
}
