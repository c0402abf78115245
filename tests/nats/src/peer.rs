//! A second process, for the tests that kill one, look at what one leaves, or follow an event into another.
//!
//! `slotcast-nats-peer WHAT URL [..]`: writes a line for each thing that it has done, and ends when its input does.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    env,
    io::{self, Read, Write},
    process,
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use slotcast::{
    Bus, Follow, Overflow,
    nats::{Bridge, Route, Stored},
};
use slotcast_nats::{TICK, Tick, descriptors, threads, until, wait_for};

/// Counts the bytes that are allocated.
struct Counting;

static BYTES: AtomicIsize = AtomicIsize::new(0);

#[allow(unsafe_code, reason = "an allocator has to be")]
// SAFETY: everything is passed on to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size().cast_signed(), Relaxed);
        // SAFETY: as promised to this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size().cast_signed(), Relaxed);
        // SAFETY: as promised to this function.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [what, url, ..] = &arguments[..] else {
        panic!("what, and where?")
    };
    let more = arguments.get(2).map_or("r", |more| &**more);
    // A test that fails takes this along.
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    });
    match &**what {
        "send" => send(url),
        "reader" => receive(Bridge::to(url.as_str()).receive(stored().reader(more))),
        "group" => receive(
            Bridge::to(url.as_str()).receive(
                stored()
                    .shared(more)
                    .ack_wait(Duration::from_secs(1))
                    .in_flight(16),
            ),
        ),
        "leave" => leave(url),
        "grow" => grow(url, more.parse().expect("seconds")),
        "cause" => cause(url),
        _ => panic!("{what}?"),
    }
}

fn stored() -> Route<Tick, Stored> {
    Stored::in_stream("S").topic(&TICK)
}

fn say(line: impl std::fmt::Display) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("somebody reads this");
}

/// Says the number of each event that is stored.
fn send(url: &str) {
    let bus = Bus::new();
    let _bridge = Bridge::to(url)
        .send(stored())
        .start(&bus)
        .expect("a bridge");
    for id in 0.. {
        let emission = wait_for(bus.emit_async(&TICK, Tick::new(id)));
        assert!(emission.errors().is_empty(), "{:?}", emission.errors());
        say(id);
    }
}

/// Says the number of each event that is handled.
fn receive(builder: slotcast::nats::BridgeBuilder) {
    let bus = Bus::new();
    bus.on(&TICK, |tick| say(tick.id)).detach();
    let _bridge = builder.start(&bus).expect("a bridge");
    loop {
        thread::park();
    }
}

/// Says which threads and descriptors there are before and after bridges of all kinds have come and gone.
fn leave(url: &str) {
    let round = |drop_only: bool| {
        let (here, there) = (Bus::new(), Bus::new());
        let sender = Bridge::to(url)
            .send(stored())
            .start(&here)
            .expect("a bridge");
        let all = Bridge::to(url)
            .send(&slotcast::Topic::<u64>::new("core"))
            .receive(&TICK)
            .receive(
                Stored::in_stream("S")
                    .topic(&slotcast::Topic::<u64>::new("tick.a"))
                    .reader("r"),
            )
            .receive(
                Stored::in_stream("S")
                    .topic(&slotcast::Topic::<u64>::new("tick.b"))
                    .shared("g"),
            )
            .start(&there)
            .expect("a bridge");
        (0..100).for_each(|id| drop(here.emit(&TICK, &Tick::new(id))));
        sender
            .flush(Duration::from_secs(60))
            .expect("all are stored");
        until("something has come", || all.stats().delivered > 0);
        if !drop_only {
            sender.stop(Duration::from_secs(60));
            all.stop(Duration::from_secs(60));
        }
    };
    // What is made once, for all bridges of a process, is no leak.
    round(false);
    let is = || (threads(), descriptors());
    let first = is();
    (0..10).for_each(|n| round(n % 2 == 0));
    // Threads that have ended are in the list for a moment longer.
    let end = Instant::now() + Duration::from_secs(20);
    while is() != first && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    let (before, after) = (first, is());
    say(format_args!(
        "{} {}",
        before.0 == after.0,
        before.1 == after.1
    ));
    say(format_args!("{before:?} {after:?}"));
}

/// Says how many bytes are allocated, again and again, while the server is down and an outbox drops its oldest.
fn grow(url: &str, seconds: u64) {
    let bus = Bus::new();
    let bridge = Bridge::to(url)
        .send(stored().outbox(1_000, Overflow::DropOldest))
        .start(&bus)
        .expect("a bridge");
    say("started");
    until("the server is down", || !bridge.state().is_connected());
    let mut id = 0;
    let mut round = || {
        for _ in 0..20_000 {
            id += 1;
            let _ = bus.emit(&TICK, &Tick::new(1_000_000 + id));
        }
        thread::sleep(Duration::from_millis(20));
        BYTES.load(Relaxed)
    };
    // The first ones fill the outbox.
    let full = (0..5).map(|_| round()).max().unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut most = full;
    while Instant::now() < end {
        most = most.max(round());
    }
    say(format_args!("{full} {most}"));
}

/// Emits one event because of another, on a bus that is followed, and says where.
fn cause(url: &str) {
    let bus = Bus::new();
    let _following = bus.follow(Follow::new());
    let bridge = Bridge::to(url)
        .send(stored())
        .start(&bus)
        .expect("a bridge");
    let line = line!() + 1;
    let _ = bus.emit(&TICK, &Tick::new(0));
    bridge.flush(Duration::from_secs(60)).expect("it is stored");
    say(format_args!("{}:{line}", file!()));
}
