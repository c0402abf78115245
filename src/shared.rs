//! The flavour for any number of threads, re-exported at the crate root.

use crate::flavour::{self, Shared};

#[doc = include_str!("flavour/bus.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// struct Order { id: u64, total: f64 }
/// const PLACED: Topic<Order> = Topic::new("order.placed");
///
/// let bus = Bus::new();
/// let _log = bus.on(&PLACED, |o| println!("order {}: {}", o.id, o.total));
/// bus.once(&PLACED, |o| println!("the first is {}", o.id)).detach();
///
/// assert_eq!(bus.emit(&PLACED, &Order { id: 1, total: 9.5 }).ran(), 2);
/// bus.defer(&PLACED, Order { id: 2, total: 3.0 })?;
/// assert_eq!(bus.drain().delivered(), 1);
/// # Ok::<(), slotcast::DeferError<Order>>(())
/// ```
#[doc(alias = "event bus")]
#[doc(alias = "event emitter")]
#[doc(alias = "EventEmitter")]
#[doc(alias = "message bus")]
#[doc(alias = "publish")]
#[doc(alias = "subscribe")]
#[doc(alias = "observer")]
#[doc(alias = "pubsub")]
#[doc(alias = "mediator")]
pub type Bus<C = ()> = flavour::Bus<Shared, C>;

#[doc = include_str!("flavour/bus_builder.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`.
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
pub type BusBuilder<C = ()> = flavour::BusBuilder<Shared, C>;

#[doc = include_str!("flavour/weak_bus.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// const ASKED: Topic<u32> = Topic::new("asked");
/// const ANSWERED: Topic<u32> = Topic::new("answered");
///
/// let bus = Bus::new();
/// let own = bus.downgrade();
/// let sub = bus.on(&ASKED, move |n| {
///     // The emitter has the bus, so it exists.
///     if let Some(bus) = own.upgrade() { bus.emit(&ANSWERED, &(n + 1)); }
/// });
/// let weak = bus.downgrade();
/// drop(bus);
/// assert!(weak.upgrade().is_none() && !sub.is_active());
/// ```
pub type WeakBus<C = ()> = flavour::WeakBus<Shared, C>;

#[doc = include_str!("flavour/signal.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::sync::Arc;
///
/// let total = Arc::new(AtomicU64::new(0));
/// let bytes = Signal::<u64>::new();
/// let _sub = bytes.on({ let total = total.clone(); move |n| _ = total.fetch_add(*n, Relaxed) });
/// bytes.emit(&512);
/// bytes.emit(&88);
/// assert_eq!(total.load(Relaxed), 600);
/// ```
#[doc(alias = "observer")]
#[doc(alias = "observable")]
#[doc(alias = "event emitter")]
#[doc(alias = "EventEmitter")]
#[doc(alias = "delegate")]
#[doc(alias = "slot")]
pub type Signal<E, C = ()> = flavour::Signal<Shared, E, C>;

#[doc = include_str!("flavour/weak_signal.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
///
/// let count = Signal::<u32>::new();
/// let own = count.downgrade(); // a `clone` would keep the signal alive for ever
/// let sub = count.on(move |n| if let (1.., Some(signal)) = (*n, own.upgrade()) {
///     signal.emit(&(n - 1));
/// });
/// assert_eq!(count.emit(&3).ran(), 1);
/// drop(count);
/// assert!(!sub.is_active());
/// ```
pub type WeakSignal<E, C = ()> = flavour::WeakSignal<Shared, E, C>;

#[doc = include_str!("flavour/subscribe.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// const PLACED: Topic<f64> = Topic::new("order.placed");
/// let bus = Bus::new();
/// let _audit = bus
///     .subscribe(&PLACED)
///     .priority(10)
///     .label("audit")
///     .filter(|total| *total >= 1000.0)
///     .on(|total| println!("large order: {total}"));
/// assert_eq!(bus.emit(&PLACED, &9.5).ran(), 0);
/// assert_eq!(bus.emit(&PLACED, &5000.0).ran(), 1);
/// ```
#[doc(alias = "listener")]
#[doc(alias = "options")]
pub type Subscribe<E, C = (), P = ()> = flavour::Subscribe<Shared, E, C, P>;

#[doc = include_str!("flavour/subscription.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// let bus = Bus::new();
/// {
///     let _sub = bus.on(&PLACED, |id| println!("order {id}"));
///     assert_eq!(bus.emit(&PLACED, &1).ran(), 1);
/// } // cancelled here
/// assert_eq!(bus.emit(&PLACED, &2).ran(), 0);
/// ```
#[doc(alias = "connection")]
#[doc(alias = "guard")]
#[doc(alias = "unsubscribe")]
pub type Subscription = flavour::Subscription<Shared>;

#[doc = include_str!("flavour/scope.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Scope, Topic};
///
/// const OPENED: Topic<String> = Topic::new("file.opened");
/// const SAVED: Topic<u64> = Topic::new("file.saved");
///
/// let bus = Bus::new();
/// let mut dialog = Scope::new();
/// dialog.add(bus.on(&OPENED, |name| println!("{name}")));
/// dialog.add(bus.on(&SAVED, |bytes| println!("{bytes} bytes")));
/// assert_eq!(bus.emit(&SAVED, &512).ran(), 1);
/// drop(dialog);
/// assert_eq!(bus.emit(&SAVED, &512).ran(), 0);
/// ```
#[doc(alias = "composite")]
#[doc(alias = "bag")]
#[doc(alias = "DisposableStore")]
pub type Scope = flavour::Scope<Shared>;

#[doc = include_str!("flavour/pause.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
///
/// let tick = Signal::<u32>::new();
/// let sub = tick.on(|_| ());
/// let pause = sub.pause();
/// assert_eq!(tick.emit(&1).ran(), 0);
/// drop(pause);
/// assert_eq!(tick.emit(&2).ran(), 1);
/// ```
pub type Pause = flavour::Pause<Shared>;

#[doc = include_str!("flavour/demand.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
///
/// let temperature = Signal::<f32>::new();
/// let polls = Arc::new(AtomicBool::new(false));
/// let _demand = temperature.on_demand({
///     let polls = polls.clone();
///     move |wanted| polls.store(wanted, Relaxed)
/// });
/// let sub = temperature.on(|degrees| println!("{degrees}"));
/// assert!(polls.load(Relaxed));
/// drop(sub);
/// assert!(!polls.load(Relaxed));
/// ```
pub type Demand<E, C = ()> = flavour::Demand<Shared, E, C>;

#[doc = include_str!("flavour/queue.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// const SAVED: Topic<u64> = Topic::new("file.saved");
/// let bus = Bus::new();
/// let _sub = bus.on(&SAVED, |bytes| assert_eq!(*bytes, 512));
/// bus.defer(&SAVED, 512)?;
/// assert_eq!(bus.queue().len(), 1);
/// assert_eq!(bus.drain().delivered(), 1);
/// # Ok::<(), slotcast::DeferError<u64>>(())
/// ```
#[doc(alias = "event loop")]
#[doc(alias = "mailbox")]
#[doc(alias = "dispatcher")]
pub type Queue<C = ()> = flavour::Queue<Shared, C>;

#[doc = include_str!("flavour/delayed.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::{Queue, Signal};
/// use std::time::Duration;
///
/// let give_up = Signal::<u32>::new();
/// let queue = Queue::new();
/// let timeout = queue.defer_after(Duration::from_secs(30), &give_up, 1)?;
/// assert!(timeout.cancel(), "the answer came first");
/// assert!(!timeout.cancel());
/// assert_eq!(queue.next_deadline(), None);
/// # Ok::<(), slotcast::DeferError<u32>>(())
/// ```
#[doc(alias = "timer")]
#[doc(alias = "timeout")]
pub type Delayed<C = ()> = flavour::Delayed<Shared, C>;

#[doc = include_str!("flavour/ready.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// # futures::executor::block_on(async {
/// let queue = slotcast::Queue::new();
/// std::thread::spawn({ let queue = queue.clone(); move || queue.post(|| ()) });
/// queue.ready().await;
/// assert_eq!(queue.drain().delivered(), 1);
/// # })
/// ```
pub type Ready<C = ()> = flavour::Ready<Shared, C>;

#[doc = include_str!("flavour/next.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
///
/// # futures::executor::block_on(async {
/// let replied = Signal::<String>::new();
/// let next = replied.next();              // before the request is sent
/// replied.emit(&"42".to_owned());         // by what replies
/// assert_eq!(next.await?, "42");
/// # Ok::<(), slotcast::Closed>(()) }).unwrap();
/// ```
#[doc(alias = "Future")]
#[doc(alias = "wait for an event")]
pub type Next<E> = flavour::Next<Shared, E>;

#[doc = include_str!("flavour/event_stream.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use slotcast::{Overflow, Signal};
///
/// # futures::executor::block_on(async {
/// let progress = Signal::<u32>::new();
/// let mut percents = progress.stream(2, Overflow::DropOldest);
/// for n in [10, 20, 30] {
///     progress.emit(&n);
/// }
/// progress.close();
/// assert_eq!(percents.next().await.unwrap().unwrap_err().lost(), 1);
/// assert_eq!(percents.next().await, Some(Ok(20)));
/// assert_eq!(percents.next().await, Some(Ok(30)));
/// assert_eq!(percents.next().await, None);
/// # })
/// ```
#[doc(alias = "Stream")]
#[doc(alias = "async")]
pub type EventStream<E> = flavour::EventStream<Shared, E>;

#[doc = include_str!("flavour/skip_lag.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync`, whatever its events and its context are.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use slotcast::{Overflow, Signal};
///
/// # futures::executor::block_on(async {
/// let progress = Signal::<u32>::new();
/// let mut percents = progress.stream(1, Overflow::DropOldest).skip_lag();
/// progress.emit(&10);
/// progress.emit(&20);
/// assert_eq!(percents.next().await, Some(20));
/// assert_eq!(percents.lost(), 1);
/// # })
/// ```
pub type SkipLag<E> = flavour::SkipLag<Shared, E>;

#[doc = include_str!("flavour/emit_all.md")]
///
/// # Send and Sync
///
/// `Send` and `Sync` if the stream is, whatever the events are.
///
/// # Examples
///
/// ```
/// use futures::stream;
/// use slotcast::Signal;
///
/// # futures::executor::block_on(async {
/// let lines = Signal::<&str>::new();
/// let _sub = lines.on(|line| println!("{line}"));
/// assert_eq!(lines.emit_all(stream::iter(["one", "two"])).await, 2);
/// # })
/// ```
pub type EmitAll<S, E> = flavour::EmitAll<Shared, S, E>;

#[doc = include_str!("flavour/emit_async.md")]
///
/// # Send and Sync
///
/// `Send` if the event is `Send` and `Sync`. Not `Sync`.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
/// use std::sync::Arc;
///
/// # futures::executor::block_on(async {
/// let saved = Signal::<String>::new();
/// let _sub = saved.subscribe().on_async(async |path: Arc<String>| println!("uploaded {path}"));
/// let done = saved.emit_async("draft.txt".into()).await;
/// assert_eq!(done.ran(), 1);
/// assert!(done.errors().is_empty());
/// # })
/// ```
pub type EmitAsync<E> = flavour::EmitAsync<'static, Shared, E>;

/// Like [`EmitAsync`], and borrows a context. Returned by `emit_async_with`.
///
/// # Send and Sync
///
/// `Send` if the event is `Send` and `Sync`, and the context `Send`. Not `Sync`.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
///
/// # futures::executor::block_on(async {
/// let closing = Signal::<&str, Vec<String>>::with_context();
/// let _sub = closing.on_with(|objections, file| objections.push(format!("{file} is not saved")));
/// let mut objections = Vec::new();
/// closing.emit_async_with(&mut objections, "notes.txt").await;
/// assert_eq!(objections, ["notes.txt is not saved"]);
/// # })
/// ```
pub type EmitAsyncWith<'c, E, C> = flavour::EmitAsync<'c, Shared, E, C>;

/// Follows a bus, until it is dropped: made by [`Bus::follow`].
///
/// # Send and Sync
///
/// `Send` and `Sync`.
///
/// # Examples
///
/// ```
/// use slotcast::{Follow, Topic, Bus};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// let bus = Bus::new();
/// let following = bus.follow(Follow::new());
/// bus.emit(&PLACED, &7);
/// assert_eq!(following.report().topics()[0].unheard(), 1);
/// ```
#[cfg(feature = "follow")]
pub type Following = flavour::Following<Shared>;
