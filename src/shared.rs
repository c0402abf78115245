//! The flavour for any number of threads, re-exported at the crate root.

use crate::flavour::{self, Shared};

/// Signals by name, and one queue for deferred events: see [`flavour::Bus`].
pub type Bus<C = ()> = flavour::Bus<Shared, C>;
/// Configures how a bus handles panics and endless recursion: see [`flavour::BusBuilder`].
pub type BusBuilder<C = ()> = flavour::BusBuilder<Shared, C>;
/// A handle that does not keep its bus alive: see [`flavour::WeakBus`].
pub type WeakBus<C = ()> = flavour::WeakBus<Shared, C>;
/// The ordered handlers of one event: see [`flavour::Signal`].
pub type Signal<E, C = ()> = flavour::Signal<Shared, E, C>;
/// A handle that does not keep its signal alive: see [`flavour::WeakSignal`].
pub type WeakSignal<E, C = ()> = flavour::WeakSignal<Shared, E, C>;
/// Events that wait until the queue is drained: see [`flavour::Queue`].
pub type Queue<C = ()> = flavour::Queue<Shared, C>;
/// One delayed event, for cancelling it: see [`flavour::Delayed`].
pub type Delayed<C = ()> = flavour::Delayed<Shared, C>;
/// Completes when a queue has something to drain: see [`flavour::Ready`].
pub type Ready<C = ()> = flavour::Ready<Shared, C>;
/// A stream of the events of a signal: see [`flavour::EventStream`].
pub type EventStream<E> = flavour::EventStream<Shared, E>;
/// A stream of plain events, which counts what was lost: see [`flavour::SkipLag`].
pub type SkipLag<E> = flavour::SkipLag<Shared, E>;
/// Emits the items of a stream: see [`flavour::EmitAll`].
pub type EmitAll<S, E> = flavour::EmitAll<Shared, S, E>;
/// Completes with the next event of a signal: see [`flavour::Next`].
pub type Next<E> = flavour::Next<Shared, E>;
/// Subscribes a handler with a priority, a label, a limit, an owner or a filter: see [`flavour::Subscribe`].
pub type Subscribe<E, C = (), P = ()> = flavour::Subscribe<Shared, E, C, P>;
/// Keeps a handler connected; dropping it cancels: see [`flavour::Subscription`].
pub type Subscription = flavour::Subscription<Shared>;
/// Keeps the callback of `on_demand`: see [`flavour::Demand`].
pub type Demand<E, C = ()> = flavour::Demand<Shared, E, C>;
/// An emission that is awaited: see [`flavour::EmitAsync`].
pub type EmitAsync<E> = flavour::EmitAsync<'static, Shared, E>;
/// An emission that is awaited and borrows a context: see [`flavour::EmitAsync`].
pub type EmitAsyncWith<'c, E, C> = flavour::EmitAsync<'c, Shared, E, C>;
/// Collects subscriptions and drops them together: see [`flavour::Scope`].
pub type Scope = flavour::Scope<Shared>;
/// A pause of one or many handlers: see [`flavour::Pause`].
pub type Pause = flavour::Pause<Shared>;
