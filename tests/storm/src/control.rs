//! The control group: signals and queues with subscribers that stay for a whole round, who count.
//!
//! Each worker numbers its control events, by signal or by queue. Whoever stays expects them one by one: each
//! once, none left out, in order. On `signals`, that is looked at as soon as the emission has returned; on the
//! lines (queues), at each delivery, and at the end of the round. Meanwhile others come to the same signals and
//! go, fail and panic. They never stop an emission, and nobody clears or closes here.
//!
//! The lines: `later` is deferred to and drained by everybody; `handed` gets the calls of an `on_queue` handler;
//! `room` is bounded and blocks; `small` is bounded and rejects; `oldest` and `newest` drop what does not fit,
//! and count it. `flow` is a stream, and `futures` are handlers that an executor runs.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use slotcast::{AnyEvent, Bus, Overflow, Signal, Subscription};

use crate::checks::violation;
use crate::executor::{Executor, Pauses};
use crate::ledger;
use crate::line::{Line, Stayer};
use crate::random::{below, pick};
use crate::tracked::Event;
use crate::world::Target;
use crate::{tracked, watchdog};

/// The lines whose deliveries are counted at the end; see the head of this file.
pub struct Control {
    pub now: Vec<Line>,
    pub later: Line,
    pub handed: Line,
    pub room: Line,
    pub small: Line,
    pub dropping: [Line; 2],
    pub flow: Line,
    pub futures: Line,
    executor: Executor,
    replaced: Vec<(Subscription, Arc<Stayer>)>,
    _targets: Vec<Arc<Target>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Control {
    pub fn new(workers: usize) -> Self {
        let stayer = |name: &str| Stayer::new(name, workers, true, false);
        let alone = |name: &str, all| Stayer::new(name, workers, all, true);
        let (mut replaced, mut targets, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        let bus = Bus::new();
        let now = ["control.a", "control.b", "control.c"].map(|topic| {
            let mut line = Line::new(bus.clone(), &[topic], workers);
            stay_now(&mut line, topic, &stayer, &mut targets);
            let held = stayer(&format!("{topic}, replaced"));
            replaced.push((replaceable(&line.signals[0], &held), held.clone()));
            line.stayers.push(held);
            line
        });

        let mut later = Line::new(Bus::new(), &["later.a", "later.b"], workers);
        later.stay(&alone("a pattern of `later`", true), |line, it| {
            line.bus.on_pattern("later.*", by_any(it))
        });
        later.stay(&alone("`later.a`", false), |line, it| {
            line.signals[0].on(move |event| it.saw(event))
        });
        later.stay(&alone("`later.b`", false), |line, it| {
            line.signals[1].on(move |event| it.saw(event))
        });

        let mut handed = Line::new(Bus::new(), &["handed"], workers);
        handed.stay(&alone("`handed`", true), on_own_queue);

        let mut room = Line::new(
            Bus::new(),
            &["room.deferred", "room.emitted", "room.latest"],
            workers,
        );
        drop(room.bus.queue().bounded(8, Overflow::Block));
        let all = alone("`room`", true);
        room.stay(&all, |line, it| {
            line.signals[0].on(move |event| it.saw(event))
        });
        let emitted = room.signals[1].subscribe();
        let queue = room.bus.queue();
        room.stay(&all, |_, it| {
            emitted.on_queue(&queue, move |(), event| it.saw(event))
        });
        room.subs.push(room.signals[2].on(|_| ()));

        let mut small = Line::new(Bus::new(), &["small"], workers);
        drop(small.bus.queue().bounded(8, Overflow::Reject));
        small.stay(&alone("`small`", true), |line, it| {
            line.signals[0].on(move |event| it.saw(event))
        });

        let dropping = [
            ("oldest", Overflow::DropOldest),
            ("newest", Overflow::DropNewest),
        ];
        let dropping = dropping.map(|(topic, overflow)| {
            let mut line = Line::new(Bus::new(), &[topic], workers);
            drop(line.bus.queue().bounded(8, overflow));
            line.stay(&alone(topic, false), |line, it| {
                line.signals[0].on(move |event| it.saw(event))
            });
            line
        });

        let mut flow = Line::new(Bus::new(), &["flow"], workers);
        flow.stayers.push(alone("the stream `flow`", true));
        threads.push(follow(&flow));

        let executor = Executor::start("futures", 2, 0);
        let bus = Bus::builder().executor(executor.handle()).build();
        let mut futures = Line::new(bus, &["futures"], workers);
        // Futures of one worker overtake one another: they are counted only.
        futures.stay(&alone("`futures`", false), on_async);

        for line in [&later, &handed, &room, &small, &dropping[0], &dropping[1]] {
            threads.push(drain_on_a_thread(line));
        }
        let now = now.into();
        let (_targets, threads) = (targets, Mutex::new(threads));
        #[rustfmt::skip]
        let it = Control {
            now, later, handed, room, small, dropping, flow, futures, executor, replaced, _targets, threads,
        };
        it
    }

    /// A signal where others may come and go.
    pub fn any_signal(&self) -> Signal<Event> {
        match below(4) {
            0 => pick(&self.later.signals).clone(),
            _ => pick(&self.now).signals[0].clone(),
        }
    }

    /// Replaces the handler of one who stays.
    pub fn replace_one(&self) {
        let (subscription, stayer) = pick(&self.replaced);
        let stayer = stayer.clone();
        if subscription
            .replace(move |event: &Event| stayer.saw(event))
            .is_err()
        {
            violation(
                "1, control",
                "a handler that stays could not be replaced".into(),
            );
        }
    }

    /// The end of a round: nobody gives any more.
    pub fn finish(&self, workers: usize) {
        let lines = [
            &self.later,
            &self.handed,
            &self.room,
            &self.small,
            &self.dropping[0],
            &self.dropping[1],
        ];
        lines.iter().for_each(|line| line.bus.queue().close());
        self.flow.signals[0].close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap());
        watchdog::now("joining those who drain control queues");
        for thread in threads {
            thread.join().expect("a thread that drains does not panic");
        }
        let complete = [
            &self.later,
            &self.handed,
            &self.room,
            &self.small,
            &self.flow,
        ];
        for line in complete.into_iter().chain(&self.now) {
            (0..workers).for_each(|worker| line.must_be_complete(worker));
        }
        for line in &self.dropping {
            let (given, dropped) = (line.total(), line.bus.queue().dropped() as u64);
            let stayer = &line.stayers[0];
            let seen = stayer.seen.load(SeqCst);
            if seen + dropped != given {
                let text = format!(
                    "{}: {given} accepted, {seen} delivered, {dropped} dropped",
                    stayer.name
                );
                violation("1, control", text);
            }
        }
        watchdog::now("waiting for futures of control events");
        let (begun, stayer) = (Instant::now(), &self.futures.stayers[0]);
        while stayer.seen.load(SeqCst) != self.futures.total() || !self.executor.is_idle() {
            if begun.elapsed() > Duration::from_secs(10) {
                let (seen, given) = (stayer.seen.load(SeqCst), self.futures.total());
                violation(
                    "1, control",
                    format!("{seen} futures have completed, of {given} events"),
                );
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        self.executor.stop();
    }
}

fn by_any(stayer: Arc<Stayer>) -> impl Fn(&AnyEvent) + Send + Sync + 'static {
    move |any| match any.payload::<Event>() {
        Some(event) => stayer.saw(event),
        None => violation(
            "1, control",
            "a pattern got an event of another type".into(),
        ),
    }
}

/// All kinds of handlers that stay on a signal, and on the one that it is forwarded to.
fn stay_now(
    line: &mut Line,
    topic: &str,
    stayer: &impl Fn(&str) -> Arc<Stayer>,
    targets: &mut Vec<Arc<Target>>,
) {
    let named = |kind: &str| stayer(&format!("{topic}, {kind}"));
    line.stay(&named("on"), |line, it| {
        line.signals[0].on(move |event| it.saw(event))
    });
    line.stay(&named("with priority"), |line, it| {
        line.signals[0]
            .subscribe()
            .priority(10)
            .on(move |event| it.saw(event))
    });
    line.stay(&named("filtered"), |line, it| {
        let builder = line.signals[0].subscribe().filter(|event| event.number > 0);
        builder.on(move |event| it.saw(event))
    });
    line.stay(&named("on_mut"), |line, it| {
        line.signals[0]
            .subscribe()
            .priority(-10)
            .on_mut(move |event| it.saw(event))
    });
    let target = Arc::new(Target(tracked::Token::new(tracked::Kind::Capture)));
    targets.push(target.clone());
    line.stay(&named("on_weak"), |line, it| {
        line.signals[0].on_weak(&target, move |_, event| it.saw(event))
    });
    let name = line.signals[0].subscribe().topic().to_owned();
    line.stay(&named("by pattern"), |line, it| {
        let seen = by_any(it);
        line.bus.on_pattern("control.*", move |any: &AnyEvent| {
            if any.topic() == name {
                seen(any);
            }
        })
    });
    // A signal of its own to be forwarded to.
    let mirror = Signal::new();
    line.signals.push(mirror.clone());
    line.subs.push(line.signals[0].forward_to(&mirror));
    line.stay(&named("forwarded"), |_, it| {
        mirror.on(move |event| it.saw(event))
    });
}

fn replaceable(signal: &Signal<Event>, stayer: &Arc<Stayer>) -> Subscription {
    let stayer = stayer.clone();
    signal.on(move |event| stayer.saw(event))
}

fn on_own_queue(line: &Line, stayer: Arc<Stayer>) -> Subscription {
    let queue = line.bus.queue();
    line.signals[0]
        .subscribe()
        .on_queue(&queue, move |(), event| stayer.saw(event))
}

fn on_async(line: &Line, stayer: Arc<Stayer>) -> Subscription {
    line.signals[0]
        .subscribe()
        .on_async(move |event: Arc<Event>| {
            let stayer = stayer.clone();
            async move {
                Pauses::Turns(below(3)).await;
                event.look();
                stayer.seen.fetch_add(1, SeqCst);
            }
        })
}

/// Drains the queue of a line until it is closed and empty. Others may drain it as well.
fn drain_on_a_thread(line: &Line) -> JoinHandle<()> {
    let queue = line.bus.queue();
    let run = move || while ledger::caught(|| queue.run()).is_err() {};
    std::thread::Builder::new()
        .name("run".into())
        .spawn(run)
        .expect("a thread starts")
}

/// Follows the stream of a line to its end.
fn follow(line: &Line) -> JoinHandle<()> {
    let (mut stream, stayer) = (
        line.signals[0].stream(16, Overflow::Block),
        line.stayers[0].clone(),
    );
    let run = move || {
        while let Some(event) = stream.wait() {
            match event {
                Ok(event) => stayer.saw(&event),
                Err(lagged) => violation(
                    "1, control",
                    format!("a stream that waits has lost: {lagged}"),
                ),
            }
        }
    };
    std::thread::Builder::new()
        .name("stream".into())
        .spawn(run)
        .expect("a thread starts")
}
