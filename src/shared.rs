//! The flavour for any number of threads, under the crate's own names.

use crate::flavour::{self, Shared};

/// SignalFlavour by name, and one queue for what is deferred: see [`flavour::Bus`].
pub type Bus<C = ()> = flavour::Bus<Shared, C>;
/// Decides what a bus does with panics and endless recursion: see [`flavour::BusBuilder`].
pub type BusBuilder<C = ()> = flavour::BusBuilder<Shared, C>;
/// A handle that does not keep its bus: see [`flavour::WeakBus`].
pub type WeakBus<C = ()> = flavour::WeakBus<Shared, C>;
/// The ordered handlers of one event: see [`flavour::Signal`].
pub type Signal<E, C = ()> = flavour::Signal<Shared, E, C>;
/// A handle that does not keep its signal: see [`flavour::WeakSignal`].
pub type WeakSignal<E, C = ()> = flavour::WeakSignal<Shared, E, C>;
/// Events that wait to be delivered by whoever drains it: see [`flavour::Queue`].
pub type Queue<C = ()> = flavour::Queue<Shared, C>;
/// One delayed event, for cancelling it: see [`flavour::Delayed`].
pub type Delayed<C = ()> = flavour::Delayed<Shared, C>;
/// Completes when a queue has something to drain: see [`flavour::Ready`].
pub type Ready<C = ()> = flavour::Ready<Shared, C>;
/// The events of a signal, as they come: see [`flavour::EventStream`].
pub type EventStream<E> = flavour::EventStream<Shared, E>;
/// Emits the items of a stream: see [`flavour::EmitAll`].
pub type EmitAll<S, E> = flavour::EmitAll<Shared, S, E>;
/// Completes with the next event of a signal: see [`flavour::Next`].
pub type Next<E> = flavour::Next<Shared, E>;
/// Keeps a handler connected; dropping it cancels: see [`flavour::Subscription`].
pub type Subscription = flavour::Subscription<Shared>;
/// Keeps what `on_demand` set: see [`flavour::Demand`].
pub type Demand<E, C = ()> = flavour::Demand<Shared, E, C>;
/// An emission that is awaited: see [`flavour::EmitAsync`].
pub type EmitAsync<E> = flavour::EmitAsync<Shared, E>;
/// Collects subscriptions and drops them together: see [`flavour::Scope`].
pub type Scope = flavour::Scope<Shared>;
/// A pause of one handler: see [`flavour::Pause`].
pub type Pause = flavour::Pause<Shared>;
