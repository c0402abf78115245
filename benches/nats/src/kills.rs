//! A server that is killed again and again while events are stored and read.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, HeaderValue, header::NATS_MESSAGE_ID};
use slotcast::{
    Bus, Topic,
    nats::{Bridge, Stored},
};
use slotcast_nats::{Raw, Server, until};

use crate::Event;

const TOPIC: Topic<Event> = Topic::new("bench");

/// What has become of them.
pub struct Kills {
    pub kills: u32,
    pub emitted: u64,
    pub lost: u64,
    pub twice: u64,
    pub behind: u64,
    /// From the server's return until it has stored an event of the bare client, at most.
    pub server: Duration,
    /// From then on until the reader had all that was emitted before, at most.
    pub longest: Duration,
}

pub fn run(kills: u32) -> Kills {
    let mut server = Server::start();
    Raw::connect(&server.url()).stream("BENCH", &["bench", "bare"]);
    let (here, there) = (Bus::new(), Bus::new());
    let all = Arc::new(Mutex::new(Vec::new()));
    let keep = all.clone();
    there
        .on(&TOPIC, move |event| {
            keep.lock().expect("no panic").push(event.id)
        })
        .detach();
    let stored = || Stored::in_stream("BENCH").topic(&TOPIC);
    let _reader = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&there)
        .expect("a bridge");
    // Room for what is emitted while the server is away.
    let route = stored().outbox(1 << 17, slotcast::Overflow::Block);
    let sender = Bridge::to(server.url())
        .send(route)
        .start(&here)
        .expect("a bridge");
    let (emitted, going) = (AtomicU64::new(0), AtomicBool::new(true));
    let (mut slowest, mut longest) = (Duration::ZERO, Duration::ZERO);
    thread::scope(|scope| {
        scope.spawn(|| {
            let begin = Instant::now();
            while going.load(SeqCst) {
                // 10,000 a second.
                let due = begin.elapsed().as_micros() as u64 / 100;
                for id in emitted.load(SeqCst)..due {
                    let _ = here.emit(&TOPIC, &Event::new(id));
                    emitted.store(id + 1, SeqCst);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..kills {
            // Longer than a connection that is taken for one that fails at once.
            thread::sleep(Duration::from_millis(1_200));
            server.kill();
            thread::sleep(Duration::from_millis(500));
            server.up();
            let up = Instant::now();
            store_bare(&server);
            slowest = slowest.max(up.elapsed());
            let (back, before) = (Instant::now(), emitted.load(SeqCst) as usize);
            until("it has caught up", || {
                all.lock().expect("no panic").len() >= before
            });
            longest = longest.max(back.elapsed());
        }
        going.store(false, SeqCst);
    });
    sender
        .flush(Duration::from_secs(60))
        .expect("all are stored");
    let emitted = emitted.load(SeqCst);
    until("all have come", || {
        all.lock().expect("no panic").len() as u64 >= emitted
    });
    let all = all.lock().expect("no panic").clone();
    let mut times = vec![0_u64; emitted as usize];
    all.iter().for_each(|id| times[*id as usize] += 1);
    Kills {
        kills,
        emitted,
        lost: times.iter().filter(|times| **times == 0).count() as u64,
        twice: times.iter().filter(|times| **times > 1).count() as u64,
        behind: all.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64,
        server: slowest,
        longest,
    }
}

/// Stores an event by the bare client, with an identity: for that a server that was started again reads all events of
/// its duplicate window first.
fn store_bare(server: &Server) {
    let raw = Raw::connect(&server.url());
    let jetstream = raw.jetstream();
    let id = format!("bare-{:?}", Instant::now());
    until("it has stored an event of the bare client", || {
        let headers = HeaderMap::from_iter([(NATS_MESSAGE_ID, HeaderValue::from(&*id))]);
        raw.block_on(async {
            let sent = jetstream.publish_with_headers("bare", headers, "".into());
            match sent.await {
                Ok(stored) => stored.await.is_ok(),
                Err(_) => false,
            }
        })
    });
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kills {
            kills,
            emitted,
            lost,
            twice,
            behind,
            server,
            longest,
        } = self;
        write!(
            f,
            "Killed {kills} times, 500 ms down each, at 10,000 events a second: {emitted} emitted, {lost} lost, {twice} \
             handled twice, {behind} out of order. Back, the server took up to {} ms until it had stored an event of the bare \
             client; at most {} ms after that the reader had caught up.",
            server.as_millis(),
            longest.as_millis()
        )
    }
}
