//! Test utilities: record what was delivered and in which order, and wait for it.
//!
//! A [`Probe`] records the events of a topic or a pattern. A [`Recorder`] records the names of all
//! topics it watches, in one sequence. Both are ordinary handlers, use only the public API of this
//! crate, and cost nothing where they are not used. They keep everything they record until it is
//! taken: they are meant for tests, not for long-running programs.
//!
//! They subscribe with the highest priority, `i32::MAX`, so they see an event before any handler
//! that may stop it or fail. Handlers of equal priority run in subscription order: create the probe
//! before other handlers of that priority. [`Probe::by`] and [`Recorder::watch_by`] accept any
//! priority; with `i32::MIN` a probe sees only what no handler has stopped.
//!
//! # A component that emits
//!
//! Give it a bus, and check what it emitted.
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
//! shop.place(7);
//! shop.place(8);
//! assert_eq!(placed.take(), [7, 8]);
//! ```
//!
//! If the component emits on its own threads, wait with a timeout instead of sleeping. Only a
//! failing test reaches the timeout, so it may be long:
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
//! Emit the events it handles, and check in the [`Emission`](crate::Emission) how many handlers ran
//! and whether any failed: with [`into_result`](crate::Emission::into_result) a failed handler
//! fails the test. Record what it emits in response with a probe, or with a recorder if the order
//! matters.
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
//! Nothing is delivered until the test drains the queue, on its own thread and with its own state:
//! there is nothing to wait for.
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
//! The test controls the clock. With `drain_at`, delayed events are due by the instant passed to the
//! drain, not by the system clock: to test a delay of an hour, pass an instant one hour later
//! instead of sleeping.
//!
//! # Single-threaded buses
//!
//! A probe of a [`local`](crate::local) bus has the same methods except `wait_for`: no other thread
//! could emit what it waits for. Its type is `Probe<T, Local>`, with
//! [`flavour::Local`](crate::flavour::Local).
//!
//! # Design
//!
//! - *Owns:* the recorded events, the waiting threads, and the subscriptions that record.
//! - *Guarantees:* user code (the mapping, the event's `Clone`, the `Drop` of what was recorded)
//!   runs under no lock of this module. A wait ends when nothing more can be recorded.
//! - *Does not know:* the core. It subscribes through the public builder, so it records exactly what
//!   a user's handler would receive.
//! - *Probes are handlers, in a module of their own.* A probe learns that nothing more can be
//!   recorded from the drop of its own captures (promise 13), which follows every way of closing,
//!   clearing or dropping what it watches; so waiting needs no hook in the core. The module is not
//!   behind a feature, because it adds no dependency and no code to programs that do not call it.
//!   The trait [`Records`] exists because a closure that captures a value of either flavour cannot
//!   be shown to satisfy [`SyncBound`](crate::flavour::SyncBound) in generic code: the type of a
//!   closure has no name that a bound could mention.

mod missing;
mod probe;
mod recorder;
mod tape;

use crate::flavour::{Flavour, Local, Shared, Subscribe, Subscription};
use crate::signal::subscribe::Filter;

pub use missing::Missing;
pub use probe::Probe;
pub use recorder::Recorder;

/// What a probe of this flavour may call and store: for [`Shared`], a mapping `F` that is
/// `Send + Sync` and values `T` that are `Send`; for [`Local`], any types. Sealed.
pub trait Records<F, T>: Flavour + sealed::Records<F, T> {}
impl<F, T, M: Flavour + sealed::Records<F, T>> Records<F, T> for M {}

mod sealed {
    use super::tape::Recording;
    use super::{Filter, Flavour, Local, Shared, Subscribe, Subscription};

    pub trait Records<F, T>: Flavour {
        fn subscribe<E: 'static, C: 'static, P: Filter<E>>(
            subscribe: Subscribe<Self, E, C, P>,
            recording: Recording<F, T, E>,
        ) -> Subscription<Self>;
    }

    // Two identical bodies: only where the flavour is concrete does the compiler know that the
    // closure satisfies its bounds.
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
