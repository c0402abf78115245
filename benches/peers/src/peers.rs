//! Whoever has handlers that can be subscribed, cancelled and called: by hand, this crate, and other crates.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bevy_ecs::entity::Entity;
use bevy_ecs::observer::On;
use evenio::event::Receiver;
use evenio::handler::{HandlerId, IntoHandler};
use rs_events::EventHandler;
use rxrust::prelude::{
    BoxedObserver, BoxedObserverSend, CellArc, CellRc, LocalScheduler, LocalSubject, MutArc, MutRc,
    Observable, ObservableFactory, Observer, SharedScheduler, SharedSubject, SubjectSubscription,
    Subscribers, Subscription as _, SubscriptionState,
};
use signals2::{Connect1, Emit1};
use slotcast::{Topic, local};

use crate::handlers::{Boxed, EVENT, Event, Handler, calls, counter};

pub trait Peer: 'static {
    const NAME: &'static str;
    /// What a handler is cancelled by.
    type Handle: 'static;

    fn new() -> Self;
    fn subscribe(&mut self, handler: impl Handler) -> Self::Handle;
    fn cancel(&mut self, handle: Self::Handle);
    fn emit(&mut self, event: &Event);

    fn subscribe_many(&mut self, n: usize) -> Vec<Self::Handle> {
        (0..n).map(|_| self.subscribe(counter())).collect()
    }
}

/// Whether a handler is called while it is subscribed, and only then.
pub fn check<P: Peer>() {
    let _others = calls();
    let mut peer = P::new();
    let handle = peer.subscribe(counter());
    peer.emit(&EVENT);
    peer.cancel(handle);
    peer.emit(&EVENT);
    drop(peer);
    assert_eq!(calls(), 1, "calls of the handler of {}", P::NAME);
}

/// The limit for callbacks of any type: a loop that promises nothing. Cancels the newest only.
pub struct Bare(pub Vec<Boxed>);

impl Peer for Bare {
    const NAME: &'static str = "bare `Vec`";
    type Handle = ();

    fn new() -> Self {
        Bare(Vec::new())
    }
    #[inline(always)]
    fn subscribe(&mut self, handler: impl Handler) {
        self.0.push(Box::new(handler));
    }
    #[inline(always)]
    fn cancel(&mut self, (): ()) {
        self.0.pop();
    }
    #[inline(always)]
    fn emit(&mut self, event: &Event) {
        for handler in &self.0 {
            handler(event);
        }
    }
}

/// The cheapest that can cancel any handler: it leaves a hole.
pub struct Holes(Vec<Option<Boxed>>);

impl Peer for Holes {
    const NAME: &'static str = "`Vec` with holes";
    type Handle = usize;

    fn new() -> Self {
        Holes(Vec::new())
    }
    #[inline(always)]
    fn subscribe(&mut self, handler: impl Handler) -> usize {
        self.0.push(Some(Box::new(handler)));
        self.0.len() - 1
    }
    #[inline(always)]
    fn cancel(&mut self, at: usize) {
        self.0[at] = None;
        while let Some(None) = self.0.last() {
            self.0.pop();
        }
    }
    #[inline(always)]
    fn emit(&mut self, event: &Event) {
        for handler in self.0.iter().flatten() {
            handler(event);
        }
    }
}

type Shareable = Arc<dyn Fn(&Event) + Send + Sync>;

/// What is written by hand where threads emit: a list that is replaced by a changed copy.
pub struct Swap(ArcSwap<Vec<Shareable>>);

impl Swap {
    pub fn subscribe_shared(&self, handler: impl Handler) -> Shareable {
        let handler: Shareable = Arc::new(handler);
        self.0.rcu(|list| {
            let mut list = Vec::clone(list);
            list.push(handler.clone());
            list
        });
        handler
    }

    pub fn cancel_shared(&self, handler: &Shareable) {
        self.0.rcu(|list| {
            let others = list.iter().filter(|it| !Arc::ptr_eq(it, handler));
            others.cloned().collect::<Vec<_>>()
        });
    }

    #[inline(always)]
    pub fn emit_shared(&self, event: &Event) {
        for handler in self.0.load().iter() {
            handler(event);
        }
    }
}

impl Peer for Swap {
    const NAME: &'static str = "`arc-swap` + loop";
    type Handle = Shareable;

    fn new() -> Self {
        Swap(ArcSwap::default())
    }
    fn subscribe(&mut self, handler: impl Handler) -> Shareable {
        self.subscribe_shared(handler)
    }
    fn cancel(&mut self, handler: Shareable) {
        self.cancel_shared(&handler);
    }
    #[inline(always)]
    fn emit(&mut self, event: &Event) {
        self.emit_shared(event);
    }
    // A copy for each of them would take minutes.
    fn subscribe_many(&mut self, n: usize) -> Vec<Shareable> {
        let mut list = Vec::clone(&self.0.load());
        let added: Vec<_> = (0..n).map(|_| Arc::new(counter()) as Shareable).collect();
        list.extend(added.iter().cloned());
        self.0.store(Arc::new(list));
        added
    }
}

/// What is written by hand on one thread, where handlers may change the list: it is copied if an emission
/// has it.
pub struct Snapshot(RefCell<Rc<SharedHandlers>>);
type SharedHandlers = Vec<Rc<dyn Fn(&Event)>>;

impl Peer for Snapshot {
    const NAME: &'static str = "`Rc` snapshot + loop";
    type Handle = Rc<dyn Fn(&Event)>;

    fn new() -> Self {
        Snapshot(RefCell::default())
    }
    fn subscribe(&mut self, handler: impl Handler) -> Self::Handle {
        let handler: Rc<dyn Fn(&Event)> = Rc::new(handler);
        Rc::make_mut(&mut self.0.borrow_mut()).push(handler.clone());
        handler
    }
    fn cancel(&mut self, handler: Self::Handle) {
        let mut list = self.0.borrow_mut();
        let list = Rc::make_mut(&mut list);
        if let Some(at) = list.iter().rposition(|it| Rc::ptr_eq(it, &handler)) {
            list.remove(at);
        }
    }
    #[inline(always)]
    fn emit(&mut self, event: &Event) {
        let list = self.0.borrow().clone();
        for handler in list.iter() {
            handler(event);
        }
    }
}

const TOPIC: Topic<Event> = Topic::new("bench.event");

macro_rules! slotcast_peers {
    ($($peer:ident $name:literal: $inner:ty, $handle:ty, [$($topic:expr)?];)*) => { $(
        pub struct $peer(pub $inner);

        impl Peer for $peer {
            const NAME: &'static str = $name;
            type Handle = $handle;

            fn new() -> Self {
                $peer(<$inner>::new())
            }
            #[inline(always)]
            fn subscribe(&mut self, handler: impl Handler) -> $handle {
                self.0.on($($topic,)? handler)
            }
            #[inline(always)]
            fn cancel(&mut self, handle: $handle) {
                drop(handle);
            }
            #[inline(always)]
            fn emit(&mut self, event: &Event) {
                self.0.emit($($topic,)? event);
            }
        }
    )* };
}

slotcast_peers! {
    Shared "slotcast": slotcast::Signal<Event>, slotcast::Subscription, [];
    Local "slotcast, local": local::Signal<Event>, local::Subscription, [];
    Named "slotcast, by name": slotcast::Bus, slotcast::Subscription, [&TOPIC];
    LocalNamed "slotcast, local, by name": local::Bus, local::Subscription, [&TOPIC];
}

pub struct Signals2(pub signals2::Signal<(Event,)>);

impl Peer for Signals2 {
    const NAME: &'static str = "signals2";
    type Handle = signals2::Connection;

    fn new() -> Self {
        Signals2(signals2::Signal::new())
    }
    fn subscribe(&mut self, handler: impl Handler) -> signals2::Connection {
        self.0.connect(move |event| handler(&event))
    }
    fn cancel(&mut self, connection: signals2::Connection) {
        connection.disconnect();
    }
    #[inline(always)]
    fn emit(&mut self, event: &Event) {
        self.0.emit(*event);
    }
}

macro_rules! rxrust_peers {
    ($($peer:ident $name:literal: $context:ident, $subject:ident, $ptr:ident, $observer:ident, $scheduler:ident, $cell:ident;)*) => { $(
        pub struct $peer($subject<'static, Event, Infallible>);

        impl Peer for $peer {
            const NAME: &'static str = $name;
            type Handle = SubjectSubscription<
                $ptr<Subscribers<$observer<'static, Event, Infallible>>>,
                $scheduler,
                $cell<SubscriptionState>,
            >;

            fn new() -> Self {
                $peer(rxrust::prelude::$context::subject())
            }
            fn subscribe(&mut self, handler: impl Handler) -> Self::Handle {
                self.0.clone().subscribe(move |event: Event| handler(&event))
            }
            fn cancel(&mut self, subscription: Self::Handle) {
                subscription.unsubscribe();
            }
            #[inline(always)]
            fn emit(&mut self, event: &Event) {
                self.0.next(*event);
            }
        }
    )* };
}

rxrust_peers! {
    RxLocal "rxrust, local": Local, LocalSubject, MutRc, BoxedObserver, LocalScheduler, CellRc;
    RxShared "rxrust, shared": Shared, SharedSubject, MutArc, BoxedObserverSend, SharedScheduler, CellArc;
}

pub struct Bevy(bevy_ecs::world::World);

impl Peer for Bevy {
    const NAME: &'static str = "bevy_ecs observers";
    type Handle = Entity;

    fn new() -> Self {
        Bevy(bevy_ecs::world::World::new())
    }
    fn subscribe(&mut self, handler: impl Handler) -> Entity {
        let observer = move |event: On<Event>| handler(&event);
        self.0.add_observer(observer).id()
    }
    fn cancel(&mut self, observer: Entity) {
        self.0.despawn(observer);
    }
    #[inline(always)]
    fn emit(&mut self, event: &Event) {
        self.0.trigger(*event);
    }
}

pub struct Evenio(evenio::world::World);

impl Peer for Evenio {
    const NAME: &'static str = "evenio";
    type Handle = HandlerId;

    fn new() -> Self {
        Evenio(evenio::world::World::new())
    }
    fn subscribe(&mut self, handler: impl Handler) -> HandlerId {
        let handler = move |received: Receiver<Event>| handler(received.event);
        // Or else there would be one of each type.
        self.0.add_handler(handler.no_type_id())
    }
    fn cancel(&mut self, id: HandlerId) {
        self.0.remove_handler(id);
    }
    #[inline(always)]
    fn emit(&mut self, event: &Event) {
        self.0.send(*event);
    }
}

/// Has names only.
#[derive(Clone)]
pub struct RsEvents(pub rs_events::EventEmitter<Event>);

impl Peer for RsEvents {
    const NAME: &'static str = "rs_events";
    type Handle = rs_events::Listener<Event>;

    fn new() -> Self {
        RsEvents(rs_events::EventEmitter::new(usize::MAX))
    }
    fn subscribe(&mut self, handler: impl Handler) -> Self::Handle {
        let handler = Arc::new(move |event: &Arc<Event>| handler(event));
        self.0.add("event", None, handler).unwrap()
    }
    fn cancel(&mut self, listener: Self::Handle) {
        self.0.remove_listener("event", &listener).unwrap();
    }
    #[inline(always)]
    fn emit(&mut self, event: &Event) {
        // An error without handlers.
        _ = self.0.emit("event", Arc::new(*event));
    }
}

/// A thread for each handler, which is waited for here.
pub struct Threads(event_emitter_rs::EventEmitter);

impl Peer for Threads {
    const NAME: &'static str = "event-emitter-rs";
    type Handle = String;

    fn new() -> Self {
        Threads(event_emitter_rs::EventEmitter::new())
    }
    fn subscribe(&mut self, handler: impl Handler) -> String {
        let handler = move |(amount, other)| handler(&Event { amount, other });
        self.0.on("event", handler)
    }
    fn cancel(&mut self, id: String) {
        self.0.remove_listener(&id).unwrap();
    }
    fn emit(&mut self, event: &Event) {
        let threads = self.0.emit("event", (event.amount, event.other));
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
