//! Why something runs here, when the reason is on another machine.

use std::sync::{Arc, Mutex};

use slotcast::{Bus, Follow, Topic, nats::Bridge};
use slotcast_nats::{Raw, Server, Tick, until};

use crate::common::{LONG, TICK, stored, with_stream};

#[test]
fn the_emitters_cause_crosses() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let mut all = raw.subscribe("tick");
    let here = Bus::new();
    let following = here.follow(Follow::new());
    let _sender = Bridge::to(server.url()).send(&TICK).start(&here).unwrap();
    let start = Topic::<()>::new("start");
    let out = here.downgrade();
    here.on(&start, move |()| {
        drop(out.upgrade().unwrap().emit(&TICK, &Tick::new(0)))
    })
    .detach();
    here.emit(&start, &());
    let message = all.take();
    let cause = message
        .header("Slotcast-Cause")
        .expect("a cause")
        .to_owned();
    // It is the emission of the tick, whose cause is that of the start.
    let report = following.report();
    assert!(
        report
            .tail(0)
            .any(|step| cause.contains(&step.cause().to_string())),
        "{cause}"
    );
}

#[test]
fn a_handler_has_the_emitters_cause_as_its_cause() {
    let (server, _raw) = with_stream();
    let there = Bus::new();
    let followed = there.follow(Follow::new());
    let causes = Arc::new(Mutex::new(Vec::new()));
    let keep = causes.clone();
    there
        .on(&TICK, move |_| keep.lock().unwrap().push(slotcast::cause()))
        .detach();
    let _reader = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    let here = Bus::new();
    let following = here.follow(Follow::new());
    let sender = Bridge::to(server.url())
        .send(stored())
        .start(&here)
        .unwrap();
    here.emit(&TICK, &Tick::new(0));
    sender.flush(LONG).unwrap();
    until("it has come", || causes.lock().unwrap().len() == 1);
    let cause = causes.lock().unwrap()[0].expect("a cause");
    // The trail goes back to an emission on the other bus.
    let emitted = following
        .report()
        .tail(0)
        .next()
        .map(|step| step.cause())
        .expect("an emission");
    let trail = followed.trail(cause).unwrap().to_string();
    assert!(
        trail.contains(&emitted.to_string()),
        "{emitted} is not in {trail}"
    );
}
