//! Who is told of failures, and of events that nobody handles.

use std::panic::Location;

use crate::bus::Bus;
use crate::core::handler::handler_fn::Always;
use crate::core::handler::unhandled::Unhandled;
use crate::core::mode::{Mode, SyncBound};
use crate::core::settings::observer::observer;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::signal::PatternSignal;
use crate::core::signal::subscribe::SubscribeOptions;
use crate::failure::HandlerError;
use crate::topic::any_event::{AnyEvent, Kind, TopicInfo};
use crate::topic::name::Name;

impl<M: Mode, C: 'static> Bus<M, C> {
    /// Sets what is told of failures, in place of what was set before.
    ///
    /// Each failure of a handler is told once, on the thread it happened on, when the emission or
    /// the drain has called all handlers. The hook observes: it changes nothing about what becomes
    /// of the failure. What fails while a hook runs on the thread is logged, and a panic in the
    /// hook too. It runs outside of all locks and may use the bus.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    /// use std::sync::mpsc;
    ///
    /// const SAVED: Topic<u64> = Topic::new("file.saved");
    /// let bus = Bus::new();
    /// let (sender, told) = mpsc::channel();
    /// bus.set_error_hook(move |error| _ = sender.send(error.topic().to_owned()));
    /// let _sub = bus.on(&SAVED, |_| Err::<(), _>("disk full"));
    /// bus.emit(&SAVED, &512);
    /// assert_eq!(told.recv()?, "file.saved");
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn set_error_hook<F>(&self, tell: F)
    where
        F: Fn(&HandlerError) + 'static,
        M: SyncBound<F>,
    {
        let hook = observer(tell, Location::caller());
        self.core.registry.config.set_hook(hook);
    }

    /// Sets who is told of events that nobody handles, in place of who was before.
    ///
    /// An event is unhandled when no live handler is there for it, of its topic or of a pattern,
    /// however it is emitted; one that is deferred is judged when it is delivered. Handlers that are
    /// paused, that filter, or that queue count as handlers. The hook is called on the emitting
    /// thread and only observes: it counts in nothing that [`Emission`](crate::Emission) says, and
    /// a panic in it is
    /// logged. What it emits, subscribes or sets is as anywhere else; unhandled events that are
    /// emitted while a hook runs go to the log.
    ///
    /// To set it costs O(topics). Emissions that find handlers pay nothing for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{AnyEvent, Bus, Topic};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let bus = Bus::new();
    /// let lost = Arc::new(Mutex::new(Vec::new()));
    /// bus.set_unhandled_hook({
    ///     let lost = lost.clone();
    ///     move |event: &AnyEvent| lost.lock().unwrap().push(event.topic().to_owned())
    /// });
    /// assert_eq!(bus.emit(&Topic::new("order.plaved"), &7).ran(), 0); // a typing mistake
    /// assert_eq!(*lost.lock().unwrap(), ["order.plaved"]);
    /// ```
    #[track_caller]
    pub fn set_unhandled_hook<F>(&self, tell: F)
    where
        F: Fn(&AnyEvent) + 'static,
        M: SyncBound<F>,
    {
        let info = SignalInfo {
            topic_info: TopicInfo::new::<AnyEvent>(Kind::Topic, Name::Fixed("(unhandled)")),
            key: 0,
            config: self.core.registry.config.clone(),
        };
        let pattern = M::ptr(PatternSignal::<M, C>::new(info, None, Vec::new()));
        let options = SubscribeOptions::new(Location::caller());
        drop(PatternSignal::<M, C>::subscribe(
            &pattern,
            options,
            Always,
            Unhandled(tell),
        ));
        self.core.registry.set_unhandled(pattern);
    }
}
