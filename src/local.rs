//! The flavour for one thread: the same methods in the same order, for handlers that need not be
//! `Send`, and cheaper.
//!
//! The methods that wait for another thread are missing: `cancel_and_wait`, `run`, `wait_timeout`,
//! `defer_timeout`; and setting a queue to [`Overflow::Block`](crate::Overflow::Block) panics.
//! Everything else, and every promise, is that of the shared flavour.
//!
//! # Examples
//!
//! ```
//! use slotcast::local::Signal;
//! use std::{cell::Cell, rc::Rc};
//!
//! let total = Rc::new(Cell::new(0));
//! let added = Signal::<u32>::new();
//! let _sub = added.on({ let total = total.clone(); move |n| total.set(total.get() + n) });
//! added.emit(&40);
//! added.emit(&2);
//! assert_eq!(total.get(), 42);
//! ```

use crate::flavour::{self, Local};

/// Signals by name, and one queue for deferred events: see [`flavour::Bus`].
pub type Bus<C = ()> = flavour::Bus<Local, C>;
/// Configures how a bus handles panics and endless recursion: see [`flavour::BusBuilder`].
pub type BusBuilder<C = ()> = flavour::BusBuilder<Local, C>;
/// A handle that does not keep its bus alive: see [`flavour::WeakBus`].
pub type WeakBus<C = ()> = flavour::WeakBus<Local, C>;
/// The ordered handlers of one event: see [`flavour::Signal`].
pub type Signal<E, C = ()> = flavour::Signal<Local, E, C>;
/// A handle that does not keep its signal alive: see [`flavour::WeakSignal`].
pub type WeakSignal<E, C = ()> = flavour::WeakSignal<Local, E, C>;
/// Events that wait until the queue is drained: see [`flavour::Queue`].
pub type Queue<C = ()> = flavour::Queue<Local, C>;
/// One delayed event, for cancelling it: see [`flavour::Delayed`].
pub type Delayed<C = ()> = flavour::Delayed<Local, C>;
/// Completes when a queue has something to drain: see [`flavour::Ready`].
pub type Ready<C = ()> = flavour::Ready<Local, C>;
/// A stream of the events of a signal: see [`flavour::EventStream`].
pub type EventStream<E> = flavour::EventStream<Local, E>;
/// A stream of plain events, which counts what was lost: see [`flavour::SkipLag`].
pub type SkipLag<E> = flavour::SkipLag<Local, E>;
/// Emits the items of a stream: see [`flavour::EmitAll`].
pub type EmitAll<S, E> = flavour::EmitAll<Local, S, E>;
/// Completes with the next event of a signal: see [`flavour::Next`].
pub type Next<E> = flavour::Next<Local, E>;
/// Subscribes a handler with a priority, a label, a limit, an owner or a filter: see [`flavour::Subscribe`].
pub type Subscribe<E, C = (), P = ()> = flavour::Subscribe<Local, E, C, P>;
/// Keeps a handler connected; dropping it cancels: see [`flavour::Subscription`].
pub type Subscription = flavour::Subscription<Local>;
/// Keeps the callback of `on_demand`: see [`flavour::Demand`].
pub type Demand<E, C = ()> = flavour::Demand<Local, E, C>;
/// An emission that is awaited: see [`flavour::EmitAsync`].
pub type EmitAsync<E> = flavour::EmitAsync<'static, Local, E>;
/// An emission that is awaited and borrows a context: see [`flavour::EmitAsync`].
pub type EmitAsyncWith<'c, E, C> = flavour::EmitAsync<'c, Local, E, C>;
/// Collects subscriptions and drops them together: see [`flavour::Scope`].
pub type Scope = flavour::Scope<Local>;
/// A pause of one or many handlers: see [`flavour::Pause`].
pub type Pause = flavour::Pause<Local>;
