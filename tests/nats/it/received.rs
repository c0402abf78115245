//! From which machine an event has come, and how far behind it is handled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use slotcast::nats::{Bridge, BridgeBuilder, Route};
use slotcast::{Bus, Follow, Following, Queue, Received, Report, Topic};
use slotcast_nats::{Raw, Server, Tick, until};

use crate::common::{LONG, TICK, emit, listening, stored, with_stream};

/// How each event had come that was handled, in order.
fn received(report: &Report) -> Vec<Received> {
    let steps = report.tail(0);
    steps.filter_map(|it| it.received().cloned()).collect()
}

/// Waits until so many events have come to the end.
fn handled(following: &Following, count: usize) -> Report {
    let mut report = following.report();
    until("they are handled", || {
        report = following.report();
        let steps = report.tail(0).filter(|it| it.received().is_some());
        steps.filter(|it| it.took().is_some()).count() == count
    });
    report
}

/// An event goes from one bus to another, and says so in every form.
fn crosses(
    server: &Server,
    raw: &Raw,
    sends: impl FnOnce(BridgeBuilder<()>) -> BridgeBuilder<()>,
    receives: impl FnOnce(BridgeBuilder<()>) -> BridgeBuilder<()>,
    is_stored: bool,
) {
    let mut all = raw.subscribe("tick");
    let (there, seen) = listening();
    let followed = there.follow(Follow::new());
    let _receiver = receives(Bridge::to(server.url())).start(&there).unwrap();
    let here = Bus::new();
    let _following = here.follow(Follow::new());
    let began = SystemTime::now();
    let sender = sends(Bridge::to(server.url()).name("shop-1"))
        .start(&here)
        .unwrap();
    emit(&here, 0..1);
    sender.flush(LONG).unwrap();
    seen.wait(1);
    let report = handled(&followed, 1);
    let most = began.elapsed().unwrap();

    let message = all.take();
    let origin = message.header("Slotcast-Origin").expect("an origin");
    let [it] = &received(&report)[..] else {
        panic!("one event")
    };
    assert_eq!(
        (it.origin(), it.bridge(), it.number(), it.pending()),
        (Some(origin), Some("shop-1"), Some(0), 0)
    );
    assert_eq!((it.is_stored(), it.ahead()), (is_stored, None));
    let lag = it.lag().expect("a lag");
    assert!(lag <= most, "{lag:?} in {most:?}");
    let cause = it.cause().expect("a cause");
    assert_eq!(cause.origin(), origin);

    let topic = report.topics()[0].received().expect("something was");
    assert_eq!((topic.count(), topic.handling(), topic.last()), (1, 0, it));
    let step = report.tail(0).next().expect("a step");
    assert_eq!(topic.at(), step.at());

    let since = if is_stored { "stored " } else { "emitted " };
    let come = format!("from \"shop-1\", number 0, {since}");
    let text = report.to_string();
    assert!(text.contains(&format!(" ago: {come}")), "{text}");
    let trail = followed.trail(step.cause()).unwrap().to_string();
    assert!(trail.contains(&come) && trail.contains(&cause.to_string()));
    let state = serde_json::to_value(&report).unwrap();
    let last = &state["topics"][0]["received"]["last"];
    assert_eq!(
        (&last["origin"], &last["bridge"], &last["lag"]),
        (
            &origin.into(),
            &"shop-1".into(),
            &u64::try_from(lag.as_nanos()).unwrap().into()
        )
    );
    assert_eq!(state["tail"][0]["received"], *last);
    let metrics = report.to_prometheus();
    assert!(metrics.contains("\nslotcast_received_lag_seconds{topic=\"tick\"} "));
}

#[test]
fn an_event_of_core_nats_says_where_it_comes_from_and_how_old_it_is() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    crosses(
        &server,
        &raw,
        |it| it.send(&TICK),
        |it| it.receive(&TICK),
        false,
    );
}

#[test]
fn a_stored_event_says_where_it_comes_from_and_how_old_it_is() {
    let (server, raw) = with_stream();
    crosses(
        &server,
        &raw,
        |it| it.send(stored()),
        |it| it.receive(stored().reader("r")),
        true,
    );
}

#[test]
fn an_event_of_a_group_says_where_it_comes_from_and_how_old_it_is() {
    let (server, raw) = with_stream();
    crosses(
        &server,
        &raw,
        |it| it.send(stored()),
        |it| it.receive(stored().shared("g")),
        true,
    );
}

#[test]
fn who_begins_late_is_told_how_far_behind_it_is() {
    let (server, raw) = with_stream();
    // More than wait here for their turn.
    let count = 600;
    let here = Bus::new();
    let sender = Bridge::to(server.url())
        .name("shop-1")
        .send(stored())
        .start(&here)
        .unwrap();
    emit(&here, 0..count);
    sender.flush(LONG).unwrap();
    let stored_at = SystemTime::now();
    sleep(Duration::from_millis(30));
    let least = stored_at.elapsed().unwrap();
    for route in ["reader", "group"] {
        let (there, seen) = listening();
        let followed = there.follow(Follow::new().tail(4096));
        let to = Bridge::to(server.url());
        let to = match route {
            "reader" => to.receive(stored().reader("r")),
            _ => to.receive(stored().shared("g")),
        };
        let _receiver = to.start(&there).unwrap();
        seen.wait(600);
        let all = received(&handled(&followed, 600));
        let pending = all.iter().map(Received::pending);
        assert!(pending.eq((0..count).rev()), "{route}: {all:?}");
        assert!(all.iter().all(|it| it.lag().unwrap() >= least), "{all:?}");
        // Without a name: its bus is not followed.
        let is_unnamed = |it: &Received| it.bridge().is_none() && it.origin().is_some();
        assert!(all.iter().all(is_unnamed), "{all:?}");
    }
    assert_eq!(raw.read("S")[0].header("Slotcast-Sent"), None);
}

#[test]
fn what_waits_here_is_behind_an_event_of_core_nats() {
    let server = Server::start();
    let there = Bus::new();
    let followed = there.follow(Follow::new());
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    there
        .on(&TICK, move |tick: &Tick| {
            if tick.id == 0 {
                gate.lock().unwrap().recv().unwrap();
            }
        })
        .detach();
    let (later, came) = (Topic::<u64>::new("later"), Arc::new(AtomicBool::new(false)));
    let set = came.clone();
    there
        .on(&later, move |_| set.store(true, Ordering::SeqCst))
        .detach();
    let receiver = Bridge::to(server.url())
        .receive(&TICK)
        .receive(&later)
        .start(&there)
        .unwrap();
    let here = Bus::new();
    let _sender = Bridge::to(server.url())
        .send(&TICK)
        .send(&later)
        .start(&here)
        .unwrap();
    emit(&here, 0..5);
    until("one is handled and the others have come", || {
        let report = followed.report();
        let first = report.topics().first().and_then(|it| it.received());
        first.is_some_and(|it| (it.count(), it.handling()) == (1, 1))
            && receiver.stats().received == 5
    });
    // What is counted has its place when the thread that talks to the server has turned to something else.
    _ = here.emit(&later, &0);
    until("it has", || came.load(Ordering::SeqCst));
    open.send(()).unwrap();
    let all = received(&handled(&followed, 6));
    let ticks = all.iter().filter(|it| it.number() > Some(0));
    let pending: Vec<_> = ticks.map(Received::pending).collect();
    assert_eq!(pending, [3, 2, 1, 0]);
    // Nobody has said when they were emitted.
    assert!(all.iter().all(|it| it.lag().is_none() && !it.is_stored()));
}

#[test]
fn what_waits_in_a_queue_is_older_by_that() {
    let server = Server::start();
    let (there, queue) = (Bus::new(), Queue::new());
    let followed = there.follow(Follow::new());
    let seen = Arc::new(Mutex::new(0));
    let count = seen.clone();
    there
        .on(&TICK, move |_| *count.lock().unwrap() += 1)
        .detach();
    let _receiver = Bridge::to(server.url())
        .receive(Route::topic(&TICK).on_queue(&queue))
        .start(&there)
        .unwrap();
    let here = Bus::new();
    let _following = here.follow(Follow::new());
    let _sender = Bridge::to(server.url()).send(&TICK).start(&here).unwrap();
    emit(&here, 0..1);
    until("it waits", || queue.len() == 1);
    let waits_at = SystemTime::now();
    sleep(Duration::from_millis(30));
    let least = waits_at.elapsed().unwrap();
    queue.drain();
    assert_eq!(*seen.lock().unwrap(), 1);
    let all = received(&handled(&followed, 1));
    assert!(all[0].lag().unwrap() >= least, "{all:?}");
}

#[test]
fn times_and_names_of_somebody_who_lies_change_nothing() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let (there, seen) = listening();
    let followed = there.follow(Follow::new());
    let _receiver = Bridge::to(server.url())
        .receive(&TICK)
        .start(&there)
        .unwrap();
    let long = format!("1 {}", "x".repeat(10_000));
    let lies = [
        "0 <img src=x onerror=alert(1)>",
        "18446744073709551615 \u{202e}evil",
        "18446744073709551616 evil",
        "-1 evil",
        "soon",
        "",
        &long,
    ];
    for (id, sent) in (0..).zip(lies) {
        let payload = serde_json::to_vec(&Tick::new(id)).unwrap();
        raw.publish_with("tick", &[("Slotcast-Sent", sent)], payload);
    }
    seen.wait_in_order(lies.len() as u64);
    let report = handled(&followed, lies.len());
    let all = received(&report);
    let said: Vec<_> = all.iter().map(|it| it.bridge().map(str::len)).collect();
    assert_eq!(said, [Some(28), Some(7), None, None, None, None, Some(64)]);
    let year = Duration::from_secs(365 * 24 * 3600);
    assert!(all[0].lag().unwrap() > 50 * year && all[0].ahead().is_none());
    assert!(all[1].lag().unwrap().is_zero() && all[1].ahead().unwrap() > 200 * year);
    assert!(all[2..6].iter().all(|it| it.lag().is_none()));
    assert!(all.iter().all(|it| it.origin().is_none()));
    // What they say is text, and stays in its line.
    for step in report.tail(0) {
        let trail = followed.trail(step.cause()).unwrap().to_string();
        let is_odd = |it: char| it == '\u{202e}' || (it.is_control() && it != '\n');
        assert!(!trail.contains(is_odd), "{trail}");
    }
}
