//! The work, done by two buses and a bridge of each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use slotcast::{
    Bus, Topic,
    nats::{Bridge, Route, Stored},
};
use slotcast_nats::{Server, until, wait_for};

use crate::{
    Event,
    measure::{Sample, Watch, Work, latencies, own_cpu},
};

const TOPIC: Topic<Event> = Topic::new("bench");
const LONG: Duration = Duration::from_secs(120);

fn stored() -> Route<Event, Stored> {
    Stored::in_stream("BENCH").topic(&TOPIC)
}

pub fn run(work: Work, server: &Server, events: u64) -> Sample {
    let (here, there) = (Bus::new(), Bus::new());
    let receiver = Bridge::to(server.url());
    let receiver = match work.is_stored() {
        true => receiver.receive(stored().reader("bench")),
        false => receiver.receive(&TOPIC),
    };
    let _receiver = receiver.start(&there).expect("a bridge");
    let sender = Bridge::to(server.url());
    let sender = match work.is_stored() {
        true => sender.send(stored().window(work.window())),
        false => sender.send(&TOPIC),
    };
    let sender = sender.start(&here).expect("a bridge");

    let heard = Arc::new(AtomicU64::new(0));
    let (tell, told) = mpsc::channel();
    let (count, single) = (
        heard.clone(),
        matches!(work, Work::CoreLatency | Work::StoredLatency),
    );
    there
        .on(&TOPIC, move |_| {
            let at = Instant::now();
            count.fetch_add(1, SeqCst);
            if single {
                let _ = tell.send(at);
            }
        })
        .detach();
    let all_heard = || until("all have come", || heard.load(SeqCst) == events);
    match work {
        Work::Core => {
            let watch = Watch::start(server.pid());
            for id in 0..events {
                let _ = here.emit(&TOPIC, &Event::new(id));
                while id % 1_000 == 0 && id > heard.load(SeqCst) + work.window() as u64 {
                    thread::sleep(Duration::from_micros(200));
                }
            }
            all_heard();
            watch.stop(events)
        }
        Work::Stored(1) => {
            let watch = Watch::start(server.pid());
            for id in 0..events {
                let _ = wait_for_one(&here, id);
            }
            all_heard();
            watch.stop(events)
        }
        Work::Stored(_) => {
            let watch = Watch::start(server.pid());
            for id in 0..events {
                let _ = here.emit(&TOPIC, &Event::new(id));
            }
            sender.flush(LONG).expect("all are stored");
            all_heard();
            watch.stop(events)
        }
        Work::CoreLatency | Work::StoredLatency => {
            let all = (0..events).map(|id| {
                let event = Event::new(id);
                let begin = Instant::now();
                let _ = here.emit(&TOPIC, &event);
                told.recv_timeout(LONG).expect("it comes") - begin
            });
            let sample = latencies(all.collect());
            // A reader can have the last one before its acknowledgement is here.
            sender.flush(LONG).expect("all are stored");
            sample
        }
        Work::CoreShare | Work::StoredShare => {
            let events_before: Vec<Event> = (0..events).map(Event::new).collect();
            let begin = own_cpu();
            for event in &events_before {
                let _ = here.emit(&TOPIC, event);
            }
            let share = (own_cpu() - begin).as_secs_f64() * 1e6 / events as f64;
            all_heard();
            Sample {
                share,
                ..Sample::default()
            }
        }
    }
}

/// Emits one and waits until it is stored.
fn wait_for_one(here: &Bus, id: u64) -> slotcast::Emission {
    wait_for(here.emit_async(&TOPIC, Event::new(id)))
}
