//! What the tests have in common: a topic, a bus that notes what it is told, a stream.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use slotcast::{
    Bus,
    nats::{Bridge, BridgeError, IntoReceive, IntoSend, Route, Stored},
};
pub use slotcast_nats::TICK;
use slotcast_nats::{Message, Raw, Seen, Server, Tick, until};

/// Longer than anything takes, even on a machine that is busy with something else.
pub const LONG: Duration = Duration::from_secs(60);

/// What the error hook of a bus was told, each in a line: errors of a bridge by `Debug`, so that they begin with their
/// variant.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    pub fn by(bus: &Bus) -> Told {
        let told = Told::default();
        let all = told.clone();
        bus.set_error_hook(move |error| {
            let line = match error.error().and_then(|e| e.downcast_ref::<BridgeError>()) {
                Some(error) => format!("{error:?}"),
                None => error.to_string(),
            };
            all.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        });
        told
    }

    pub fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn count(&self, text: &str) -> usize {
        self.all().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits for a line with this text, and returns it.
    #[track_caller]
    pub fn wait(&self, text: &str) -> String {
        let found =
            slotcast_nats::eventually(|| self.all().into_iter().find(|line| line.contains(text)));
        found.unwrap_or_else(|| panic!("not told of {text}, but of {:?}", self.all()))
    }
}

/// What the handlers of a bridge's error said, of one emission.
pub fn bridge_error(error: &slotcast::HandlerError) -> String {
    let error: &(dyn Error + 'static) = error.error().expect("no panic");
    format!(
        "{:?}",
        error
            .downcast_ref::<BridgeError>()
            .expect("an error of the bridge")
    )
}

/// A new bus that notes the numbers of its ticks.
pub fn listening() -> (Bus, Seen) {
    let (bus, seen) = (Bus::new(), Seen::new());
    let all = seen.clone();
    bus.on(&TICK, move |tick| all.push(tick.id)).detach();
    (bus, seen)
}

/// A new bus that notes the numbers of its ticks, with a bridge that receives them.
#[track_caller]
pub fn receiving(server: &Server, route: impl IntoReceive<()>) -> (Bus, Seen, Bridge) {
    let (bus, seen) = listening();
    let bridge = Bridge::to(server.url()).receive(route).start(&bus).unwrap();
    (bus, seen, bridge)
}

/// A new bus with a bridge that sends.
#[track_caller]
pub fn sending(server: &Server, route: impl IntoSend<()>) -> (Bus, Bridge) {
    let bus = Bus::new();
    let bridge = Bridge::to(server.url()).send(route).start(&bus).unwrap();
    (bus, bridge)
}

/// Emits these on a bus.
#[track_caller]
pub fn emit(bus: &Bus, ids: std::ops::Range<u64>) {
    for id in ids {
        let emission = bus.emit(&TICK, &Tick::new(id));
        assert!(emission.errors().is_empty(), "{:?}", emission.errors());
    }
}

/// A server with a stream `S` of all that begins with `tick`.
pub fn with_stream() -> (Server, Raw) {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick", "tick.>"]);
    (server, raw)
}

/// Ticks that are stored in `S`.
pub fn stored() -> Route<Tick, Stored> {
    Stored::in_stream("S").topic(&TICK)
}

/// The numbers of the ticks among these messages.
pub fn ids(all: &[Message]) -> Vec<u64> {
    all.iter()
        .map(|message| message.json::<Tick>().id)
        .collect()
}

/// The ticks in `S` are these, each once, in order.
#[track_caller]
pub fn stored_in_order(raw: &Raw, count: u64) {
    until("all are in the stream", || raw.count("S") >= count);
    let all = Seen::new();
    ids(&raw.read("S")).into_iter().for_each(|id| all.push(id));
    all.check_in_order(count);
}
