//! A storm: eight threads emit on four topics while the server is killed and ended every few seconds, and readers and
//! members of a group come and go. At the end the books have to balance to the event, and no task, thread or descriptor
//! may be left.
//!
//! ```text
//! slotcast-nats-storm [--seconds 60] [--every 7] [--seed 1]
//! ```

use std::{
    env,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use slotcast::{
    Bus, Topic,
    nats::{Bridge, BridgeError, Route, State, Stopped, Stored},
};
use slotcast_nats::{Random, Raw, Server, descriptors, eventually, threads, within};

const THREADS: u64 = 8;
/// The first one by core NATS, the others stored, with these windows.
const WINDOWS: [usize; 4] = [0, 1_024, 64, 1];
const LONG: Duration = Duration::from_secs(120);

/// Which thread has emitted it, and its number there.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Event {
    thread: u64,
    number: u64,
}

fn topic(at: usize) -> Topic<Event> {
    Topic::named(format!("storm.{at}")).expect("a name")
}

fn stored(at: usize) -> Route<Event, Stored> {
    Stored::in_stream("STORM")
        .topic(&topic(at))
        .window(WINDOWS[at].max(1))
}

/// What somebody who has every event has got: of each topic and thread the number that has to come next.
#[derive(Default)]
struct Ledger {
    next: [[AtomicU64; THREADS as usize]; 4],
    wrong: Mutex<Vec<String>>,
    /// How many have come by core NATS.
    core: AtomicU64,
    /// How many may come again, as stops have said.
    unnoted: AtomicU64,
    again: AtomicU64,
}

impl Ledger {
    fn take(&self, at: usize, event: Event) {
        if at == 0 {
            self.core.fetch_add(1, SeqCst);
        }
        let next = &self.next[at][event.thread as usize];
        let expected = next.swap(event.number + 1, SeqCst);
        if at != 0 && event.number < expected {
            // From here on in order, as the first time.
            let again = expected - event.number;
            if self.again.fetch_add(again, SeqCst) + again <= self.unnoted.load(SeqCst) {
                return;
            }
        }
        // What is not stored may be missing, and nothing else.
        if event.number < expected || (at != 0 && event.number > expected) {
            let line = format!(
                "topic {at}, thread {}: {} instead of {expected}",
                event.thread, event.number
            );
            self.wrong.lock().expect("no panic").push(line);
        }
    }

    /// The sum of a topic.
    fn sum(&self, at: usize) -> u64 {
        self.next[at].iter().map(|next| next.load(SeqCst)).sum()
    }
}

/// How often a group has handled each event, by topic and thread.
type Counts = Arc<Mutex<Vec<Vec<u8>>>>;

/// A bus whose handlers enter what they get into this ledger.
fn reading(ledger: &Arc<Ledger>) -> Bus {
    let bus = Bus::new();
    for at in 0..WINDOWS.len() {
        let ledger = ledger.clone();
        bus.on(&topic(at), move |event| ledger.take(at, *event))
            .detach();
    }
    bus
}

/// A member of the group.
fn member(url: &str, counts: &Counts) -> Bridge {
    let bus = Bus::new();
    let mut builder = Bridge::to(url).name("member");
    for at in 1..WINDOWS.len() {
        let counts = counts.clone();
        bus.on(&topic(at), move |event: &Event| {
            let mut counts = counts.lock().expect("no panic");
            let all = &mut counts[at * THREADS as usize + event.thread as usize];
            let number = event.number as usize;
            if all.len() <= number {
                all.resize(number + 1, 0);
            }
            all[number] += 1;
        })
        .detach();
        builder = builder.receive(
            stored(at)
                .shared(format!("g{at}"))
                .ack_wait(Duration::from_secs(2)),
        );
    }
    start(builder, &bus)
}

/// Starts a bridge, as often as that takes: the server may be away at the moment.
fn start(builder: slotcast::nats::BridgeBuilder, bus: &Bus) -> Bridge {
    builder.connect_timeout(LONG).start(bus).expect("a bridge")
}

/// How long, how often, and by which chance.
struct Settings {
    seconds: u64,
    every: u64,
    seed: u64,
}

fn settings() -> Settings {
    let mut settings = Settings {
        seconds: 60,
        every: 7,
        seed: u64::from(std::process::id()),
    };
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value: u64 = value.unwrap_or_else(|| panic!("{name} needs a number"));
        match &*name {
            "--seconds" => settings.seconds = value,
            "--every" => settings.every = value.max(1),
            "--seed" => settings.seed = value,
            _ => panic!("{name}? Known are --seconds, --every and --seed"),
        }
    }
    settings
}

fn main() -> ExitCode {
    let settings = settings();
    let mut server = Server::start();
    println!(
        "nats-server {}, {} s, seed {}",
        server.version(),
        settings.seconds,
        settings.seed
    );
    {
        let raw = Raw::connect(&server.url());
        raw.stream("STORM", &["storm.1", "storm.2", "storm.3"]);
    }
    // A short storm first: what is made once, and for all of them, is no leak.
    let mut random = Random::new(settings.seed);
    let mut wrong = storm(
        &mut server,
        &mut random,
        Duration::from_secs(3),
        Duration::from_secs(2),
    );
    let before = (threads(), descriptors());
    let seconds = Duration::from_secs(settings.seconds);
    wrong.extend(storm(
        &mut server,
        &mut random,
        seconds,
        Duration::from_secs(settings.every),
    ));
    // What ends is in the lists for a moment longer.
    let same = eventually(|| ((threads(), descriptors()) == before).then_some(()));
    if same.is_none() {
        wrong.push(format!(
            "left: {:?}\nof: {before:?}",
            (threads(), descriptors())
        ));
    }
    for line in &wrong {
        println!("WRONG: {line}");
    }
    println!(
        "{}",
        if wrong.is_empty() {
            "all balanced"
        } else {
            "not balanced"
        }
    );
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One storm, and what was wrong in it.
fn storm(
    server: &mut Server,
    random: &mut Random,
    length: Duration,
    every: Duration,
) -> Vec<String> {
    let url = server.url();
    {
        let raw = Raw::connect(&url);
        raw.purge("STORM");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("storm runtime")
        .enable_all()
        .build()
        .expect("a runtime");
    let (ledger, second) = (Arc::<Ledger>::default(), Arc::<Ledger>::default());
    let counts: Counts = Arc::new(Mutex::new(vec![
        Vec::new();
        WINDOWS.len() * THREADS as usize
    ]));

    // One who hears all, for the whole time; another one who is stopped and started again; three members.
    let bus = reading(&ledger);
    let all = start(
        subscribe(&url, "first")
            .receive(&topic(0))
            .runtime(runtime.handle().clone()),
        &bus,
    );
    let other = reading(&second);
    let mut coming = start(subscribe(&url, "second"), &other);
    let mut members: Vec<Bridge> = (0..3).map(|_| member(&url, &counts)).collect();
    let here = Bus::new();
    let mut builder = Bridge::to(url.as_str()).name("sender").send(&topic(0));
    for at in 1..WINDOWS.len() {
        builder = builder.send(stored(at));
    }
    let sender = start(builder.runtime(runtime.handle().clone()), &here);

    let going = AtomicBool::new(true);
    let progress = AtomicU64::new(0);
    let mut wrong = Vec::new();
    let mut restarts = 0;
    let mut most_tasks = 0;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (here, going, progress) = (&here, &going, &progress);
            scope.spawn(move || emit(here, thread, going, progress));
        }
        let begin = Instant::now();
        let mut last = (Instant::now(), 0);
        while begin.elapsed() < length {
            let wait = every.mul_f64(0.5 + random.below(1_000) as f64 / 1_000.0);
            thread::sleep(wait.min(length.saturating_sub(begin.elapsed())));
            match random.below(4) {
                0 => {
                    let stopped = coming.stop(Duration::from_millis(random.below(200)));
                    let again = stopped.unnoted + stopped.unhandled;
                    second.unnoted.fetch_add(again as u64, SeqCst);
                    coming = start(subscribe(&url, "second"), &other);
                }
                1 => {
                    let at = random.below(3) as usize;
                    let _ = members[at].stop(Duration::from_millis(random.below(200)));
                    members[at] = member(&url, &counts);
                }
                _ => (),
            }
            if random.below(2) == 0 {
                server.kill()
            } else {
                server.terminate()
            };
            thread::sleep(Duration::from_millis(random.below(2_000)));
            server.up();
            restarts += 1;
            most_tasks = most_tasks.max(runtime.metrics().num_alive_tasks());
            let now = progress.load(SeqCst);
            if now > last.1 {
                last = (Instant::now(), now);
            } else if last.0.elapsed() > LONG {
                println!("{:?} {:?}", sender.state(), sender.stats());
                panic!("nothing was emitted for {LONG:?}");
            }
        }
        going.store(false, SeqCst);
    });

    // All is quiet: now everything has to arrive.
    if let Err(error) = sender.flush(LONG) {
        wrong.push(format!(
            "flush: {error}; {:?} {:?}",
            sender.state(),
            sender.stats()
        ));
    }
    let emitted: Vec<u64> = (0..WINDOWS.len())
        .map(|at| EMITTED[at].swap(0, SeqCst))
        .collect();
    let sum: u64 = emitted.iter().sum();
    let done = |ledger: &Ledger| (1..WINDOWS.len()).all(|at| ledger.sum(at) == emitted[at]);
    if eventually(|| (done(&ledger) && done(&second)).then_some(())).is_none() {
        wrong.push("the readers do not have all of it".to_owned());
    }
    let grouped = || {
        counts
            .lock()
            .expect("no panic")
            .iter()
            .flatten()
            .filter(|count| **count > 0)
            .count() as u64
    };
    if eventually(|| (grouped() == sum - emitted[0]).then_some(())).is_none() {
        wrong.push(format!(
            "the group has {} of {}",
            grouped(),
            sum - emitted[0]
        ));
    }
    for (name, ledger) in [("first", &ledger), ("second", &second)] {
        let lines = ledger.wrong.lock().expect("no panic");
        wrong.extend(
            lines
                .iter()
                .take(5)
                .map(|line| format!("{name}, of {}: {line}", lines.len())),
        );
    }
    let second_again = second.again.load(SeqCst);
    let again: u64 = counts
        .lock()
        .expect("no panic")
        .iter()
        .flatten()
        .map(|count| u64::from(count.saturating_sub(1)))
        .sum();

    // What was lost by core NATS is counted by the next event that arrives: some more, until it balances.
    let mut core = emitted[0];
    let balanced = eventually(|| {
        if !balances(&ledger, &all, core) {
            let _ = here.emit(
                &topic(0),
                &Event {
                    thread: 0,
                    number: u64::MAX / 2 + core,
                },
            );
            let _ = sender.flush(LONG);
            core += 1;
            // It has to arrive, or nothing is known.
            within(Duration::from_millis(100), || {
                balances(&ledger, &all, core).then_some(())
            });
        }
        balances(&ledger, &all, core).then_some(())
    });
    let lost = all.stats().lost;
    if balanced.is_none() {
        let heard = ledger.core.load(SeqCst);
        wrong.push(format!(
            "core: {core} emitted, {heard} heard, {lost} counted as lost"
        ));
    }
    let stats = sender.stats();
    let stored: u64 = emitted[1..].iter().sum();
    if stats.acked != stored || stats.waiting != 0 || stats.refused != 0 || stats.dropped != 0 {
        wrong.push(format!(
            "{stored} stored ones were emitted, and the sender has {stats:?}"
        ));
    }
    if sender.state() != State::Connected {
        wrong.push(format!("the sender is {:?}", sender.state()));
    }
    let heard = all.stats();
    println!(
        "{sum} emitted, {restarts} restarts; core: {} emitted, {lost} lost; stored: {stored}; the group had {again} again, \
         the second reader {second_again}; {} resent, {} duplicates; at most {most_tasks} tasks; {} KiB resident",
        emitted[0],
        stats.resent,
        heard.duplicates,
        resident()
    );
    for bridge in members.iter().chain([&all, &coming, &sender]) {
        let stopped = bridge.stop(LONG);
        if stopped != Stopped::default() {
            wrong.push(format!("a stop leaves {stopped:?}"));
        }
    }
    // Before they are dropped: a stop has ended all.
    if eventually(|| (runtime.metrics().num_alive_tasks() == 0).then_some(())).is_none() {
        wrong.push(format!(
            "{} tasks are left",
            runtime.metrics().num_alive_tasks()
        ));
    }
    wrong
}

/// Whether what was heard by core NATS and what was lost are all that was emitted.
fn balances(ledger: &Ledger, all: &Bridge, emitted: u64) -> bool {
    ledger.core.load(SeqCst) + all.stats().lost == emitted
}

/// A bridge of a reader of this name.
fn subscribe(url: &str, name: &str) -> slotcast::nats::BridgeBuilder {
    (1..WINDOWS.len()).fold(Bridge::to(url).name(name), |builder, at| {
        builder.receive(stored(at).reader(name))
    })
}

/// How many were emitted on each topic.
static EMITTED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// Emits in bursts, on all topics in turn, until it is told to stop.
fn emit(here: &Bus, thread: u64, going: &AtomicBool, progress: &AtomicU64) {
    let topics: Vec<Topic<Event>> = (0..WINDOWS.len()).map(topic).collect();
    let mut random = Random::new(thread * 7_919 + 1);
    let mut next = [0; 4];
    while going.load(SeqCst) {
        for _ in 0..random.below(40) {
            // Fewer of those that go one by one.
            let at = [0, 0, 1, 1, 1, 2, 2, 3][random.below(8) as usize];
            let event = Event {
                thread,
                number: next[at],
            };
            next[at] += 1;
            let emission = match random.below(100) {
                0 => slotcast_nats::wait_for(here.emit_async(&topics[at], event)),
                _ => here.emit(&topics[at], &event),
            };
            // What is lost with a connection before it is written is an error, for whoever awaits it.
            let is_lost = |error: &slotcast::HandlerError| {
                let error = error.error().and_then(|it| it.downcast_ref());
                at == 0 && matches!(error, Some(BridgeError::Lost))
            };
            let errors = emission.errors();
            assert!(errors.iter().all(is_lost), "{errors:?}");
            EMITTED[at].fetch_add(1, SeqCst);
            progress.fetch_add(1, SeqCst);
        }
        thread::sleep(Duration::from_millis(random.below(60)));
    }
}

/// How much memory of the machine this process has, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
