//! Two threads: that emit, of which one changes, and of which one hands events to the other.

use std::hint::black_box;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Condvar, Mutex, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rs_events::EventHandler;
use signals2::{Connect1, Emit1};
use slotcast::{Bus, Queue, Signal, Topic};

use crate::handlers::{Boxed, EVENT, Event, Handler, counter};
use crate::measure::{Contestant, Run};
use crate::peers::{Peer, Swap};

pub fn run(run: &mut Run) {
    scaling(run);
    changing(run);
    handing_over(run);
}

/// What does something to one of two signals as many times as it is told.
type Loop = Box<dyn Fn(usize, u64) + Sync>;

fn repeat(work: impl Fn(usize) + Sync + 'static) -> Loop {
    Box::new(move |which, times| {
        for _ in 0..times {
            work(which);
        }
    })
}

/// A handler without a counter: two threads would share it.
fn idle() -> impl Handler {
    |event: &Event| _ = black_box(event.amount)
}

fn four() -> Vec<Boxed> {
    (0..4).map(|_| Box::new(idle()) as Boxed).collect()
}

fn call(handlers: &[Boxed], event: &Event) {
    for handler in handlers {
        handler(event);
    }
}

/// Two of a kind, each with what it needs.
fn two<T>(mut make: impl FnMut(usize) -> T) -> [T; 2] {
    [make(0), make(1)]
}

#[derive(Clone, Copy)]
enum Together {
    OneThread,
    OneSignal,
    TwoSignals,
}

fn scaling(run: &mut Run) {
    let table = "Emission to four handlers that share nothing, by all threads together";
    let cases = [
        ("one thread", Together::OneThread),
        ("two threads, one signal", Together::OneSignal),
        ("two threads, a signal each", Together::TwoSignals),
    ];
    for (case, together) in cases {
        let lists = two(|_| four());
        let bare = scaled("bare `Vec`", together, move |which| {
            call(black_box(&lists[which]), &EVENT);
        });
        run.compare(table, case, bare, scaling_of(together));
    }
}

fn scaling_of(together: Together) -> Vec<Contestant<'static>> {
    let swaps = two(|_| {
        let swap = Swap::new();
        (0..4).for_each(|_| _ = swap.subscribe_shared(idle()));
        swap
    });
    let mutexes = two(|_| Mutex::new(four()));
    let locks = two(|_| RwLock::new(four()));
    let signals = two(|_| {
        let signal = signals2::Signal::<(Event,)>::new();
        (0..4).for_each(|_| _ = signal.connect(|event| _ = black_box(event.amount)));
        signal
    });
    let emitters = two(|_| {
        let mut emitter = rs_events::EventEmitter::new(4);
        for _ in 0..4 {
            let handler = Arc::new(|event: &Arc<Event>| _ = black_box(event.amount));
            emitter.add("event", None, handler).unwrap();
        }
        emitter
    });
    let own = two(|_| {
        let signal = Signal::new();
        let subs = [(); 4].map(|()| signal.on(idle()));
        (signal, subs)
    });
    let bus = Bus::new();
    let topics = two(|n| Topic::<Event>::named(format!("bench.{n}")).unwrap());
    let subs: Vec<_> = [&topics[0]; 4]
        .into_iter()
        .chain([&topics[1]; 4])
        .map(|topic| bus.on(topic, idle()))
        .collect();
    vec![
        scaled("`arc-swap` + loop", together, move |which| {
            swaps[which].emit_shared(black_box(&EVENT));
        }),
        scaled("`RwLock<Vec>`", together, move |which| {
            call(&locks[which].read().unwrap(), black_box(&EVENT));
        }),
        scaled("`Mutex<Vec>`", together, move |which| {
            call(&mutexes[which].lock().unwrap(), black_box(&EVENT));
        }),
        scaled("slotcast, by handle", together, move |which| {
            own[which].0.emit(black_box(&EVENT));
        }),
        scaled("slotcast, by name", together, move |which| {
            let _held = &subs;
            bus.emit(&topics[which], black_box(&EVENT));
        }),
        scaled("signals2", together, move |which| {
            signals[which].emit(black_box(EVENT));
        }),
        // Emits by `&mut`: a clone, which shares the handlers, is what a thread has.
        scaled("rs_events, cloned each time", together, move |which| {
            let mut emitter = emitters[which].clone();
            emitter.emit("event", Arc::new(EVENT)).unwrap();
        }),
    ]
}

/// The time of all emissions together, from the start of the first thread to the end of the last.
fn scaled(
    name: &'static str,
    together: Together,
    emit: impl Fn(usize) + Sync + 'static,
) -> Contestant<'static> {
    let emit = repeat(emit);
    let work = move |times: u64| match together {
        Together::OneThread => {
            let start = Instant::now();
            emit(0, times);
            (start.elapsed(), times)
        }
        Together::OneSignal => (at_once(|_| emit(0, times)), 2 * times),
        Together::TwoSignals => (at_once(|which| emit(which, times)), 2 * times),
    };
    Contestant::new(name, 0, Box::new(work)).long_samples()
}

/// Does it on two threads that begin at the same moment.
fn at_once(work: impl Fn(usize) + Sync) -> Duration {
    let ready = AtomicUsize::new(0);
    let timed = |which| {
        ready.fetch_add(1, Release);
        while ready.load(Acquire) < 2 {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        work(which);
        (start, Instant::now())
    };
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(|| timed(1));
        (timed(0), other.join().unwrap())
    });
    one.1.max(other.1) - one.0.min(other.0)
}

#[derive(Clone, Copy)]
enum Counted {
    Emissions,
    Changes,
}

/// One thread emits to four handlers, the other subscribes one more and cancels it, without a pause.
fn changing(run: &mut Run) {
    let cases = [
        (
            "An emission to four handlers while another thread subscribes and cancels",
            Counted::Emissions,
        ),
        (
            "Subscribing and cancelling while another thread emits to four handlers",
            Counted::Changes,
        ),
    ];
    for (table, counted) in cases {
        let swap = Arc::new(Swap::new());
        (0..4).for_each(|_| _ = swap.subscribe_shared(idle()));
        let changing = swap.clone();
        let by_hand = disturbed(
            "`arc-swap` + loop",
            counted,
            move || swap.emit_shared(&EVENT),
            move || {
                let handler = changing.subscribe_shared(idle());
                changing.cancel_shared(&handler);
            },
        );
        run.compare(table, "two threads", by_hand, changing_of(counted));
    }
}

fn changing_of(counted: Counted) -> Vec<Contestant<'static>> {
    let mutex = Arc::new(Mutex::new(four()));
    let lock = Arc::new(RwLock::new(four()));
    let (own_mutex, own_lock) = (mutex.clone(), lock.clone());
    let own = Signal::<Event>::new();
    let subs = [(); 4].map(|()| own.on(idle()));
    let own_changing = own.clone();
    const TOPIC: Topic<Event> = Topic::new("bench.event");
    let bus = Bus::new();
    let bus_subs = [(); 4].map(|()| bus.on(&TOPIC, idle()));
    let bus_changing = bus.clone();
    let signal = signals2::Signal::<(Event,)>::new();
    (0..4).for_each(|_| _ = signal.connect(|event| _ = black_box(event.amount)));
    let signal_changing = signal.clone();
    vec![
        disturbed(
            "`RwLock<Vec>`",
            counted,
            move || call(&own_lock.read().unwrap(), &EVENT),
            move || {
                lock.write().unwrap().push(Box::new(idle()));
                drop(lock.write().unwrap().pop());
            },
        ),
        disturbed(
            "`Mutex<Vec>`",
            counted,
            move || call(&own_mutex.lock().unwrap(), &EVENT),
            move || {
                mutex.lock().unwrap().push(Box::new(idle()));
                drop(mutex.lock().unwrap().pop());
            },
        ),
        disturbed(
            "slotcast, by handle",
            counted,
            move || {
                let _held = &subs;
                own.emit(&EVENT);
            },
            move || drop(own_changing.on(idle())),
        ),
        disturbed(
            "slotcast, by name",
            counted,
            move || {
                let _held = &bus_subs;
                bus.emit(&TOPIC, &EVENT);
            },
            move || drop(bus_changing.on(&TOPIC, idle())),
        ),
        disturbed(
            "signals2",
            counted,
            move || _ = signal.emit(EVENT),
            move || {
                let handler = |event: Event| _ = black_box(event.amount);
                signal_changing.connect(handler).disconnect();
            },
        ),
    ]
}

fn disturbed(
    name: &'static str,
    counted: Counted,
    emit: impl Fn() + Sync + 'static,
    change: impl Fn() + Sync + 'static,
) -> Contestant<'static> {
    let work = move |times: u64| {
        let done = AtomicBool::new(false);
        let (emissions, changes) = (AtomicU64::new(0), AtomicU64::new(0));
        let took = at_once(|which| match which {
            0 => {
                // As many as were asked for, and until there was a change at all.
                let mut n = 0;
                while n < times || changes.load(Relaxed) == 0 {
                    emit();
                    n += 1;
                }
                emissions.store(n, Relaxed);
                done.store(true, Release);
            }
            _ => {
                while !done.load(Acquire) {
                    change();
                    changes.fetch_add(1, Relaxed);
                }
            }
        });
        match counted {
            Counted::Emissions => (took, emissions.into_inner()),
            Counted::Changes => (took, changes.into_inner()),
        }
    };
    Contestant::new(name, 0, Box::new(work)).long_samples()
}

/// One thread sends, the other calls a handler for each event.
fn handing_over(run: &mut Run) {
    let table = "From a producer to the thread that handles, an event";
    let all = vec![
        from_to("std mpsc", || {
            let (sender, receiver) = mpsc::channel();
            let take = move |handler: &dyn Fn(&Event)| receiver.iter().for_each(|it| handler(&it));
            (move |event| sender.send(event).unwrap(), take)
        }),
        from_to("crossbeam-channel", || {
            let (sender, receiver) = crossbeam_channel::unbounded();
            let take = move |handler: &dyn Fn(&Event)| receiver.iter().for_each(|it| handler(&it));
            (move |event| sender.send(event).unwrap(), take)
        }),
        from_to("flume", || {
            let (sender, receiver) = flume::unbounded();
            let take = move |handler: &dyn Fn(&Event)| receiver.iter().for_each(|it| handler(&it));
            (move |event| sender.send(event).unwrap(), take)
        }),
        from_to("kanal", || {
            let (sender, receiver) = kanal::unbounded();
            let take = move |handler: &dyn Fn(&Event)| {
                while let Ok(event) = receiver.recv() {
                    handler(&event);
                }
            };
            (move |event| sender.send(event).unwrap(), take)
        }),
        from_to("tokio mpsc", || {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            let take = move |handler: &dyn Fn(&Event)| {
                while let Some(event) = receiver.blocking_recv() {
                    handler(&event);
                }
            };
            (move |event| sender.send(event).unwrap(), take)
        }),
        own_queue(),
        own_calls(),
    ];
    run.compare(table, "two threads", swapped(), all);
}

/// A sender and a receiver for each sample. The sender is dropped at the end, which ends the receiver.
fn from_to<S, T>(
    name: &'static str,
    mut make: impl FnMut() -> (S, T) + 'static,
) -> Contestant<'static>
where
    S: FnMut(Event) + Send + 'static,
    T: FnOnce(&dyn Fn(&Event)) + 'static,
{
    let handler = counter();
    let work = move |times: u64| {
        let (mut send, take) = make();
        let start = Instant::now();
        let sending = thread::spawn(move || (0..times).for_each(|_| send(EVENT)));
        take(&handler);
        let took = start.elapsed();
        sending.join().unwrap();
        (took, times)
    };
    Contestant::new(name, 1, Box::new(work)).long_samples()
}

fn swapped() -> Contestant<'static> {
    /// The events that wait, and whether these are all.
    type Waiting = Mutex<(Vec<Event>, bool)>;
    /// Closes when it is dropped.
    struct Sender(Arc<(Waiting, Condvar)>);
    impl Sender {
        fn send(&self, event: Event) {
            self.0.0.lock().unwrap().0.push(event);
            self.0.1.notify_one();
        }
    }
    impl Drop for Sender {
        fn drop(&mut self) {
            self.0.0.lock().unwrap().1 = true;
            self.0.1.notify_one();
        }
    }
    from_to("`Mutex<Vec>`, swapped, and `Condvar`", || {
        let shared = Arc::new((Mutex::new((Vec::new(), false)), Condvar::new()));
        let sender = Sender(shared.clone());
        let take = move |handler: &dyn Fn(&Event)| {
            let mut taken = Vec::new();
            loop {
                let mut waiting = shared.0.lock().unwrap();
                while waiting.0.is_empty() && !waiting.1 {
                    waiting = shared.1.wait(waiting).unwrap();
                }
                std::mem::swap(&mut waiting.0, &mut taken);
                drop(waiting);
                if taken.is_empty() {
                    return;
                }
                taken.drain(..).for_each(|event| handler(&event));
            }
        };
        (move |event| sender.send(event), take)
    })
}

/// Closes the queue when it is dropped.
struct Closing(Queue);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn own_queue() -> Contestant<'static> {
    let work = |times: u64| {
        let (signal, queue) = (Signal::new(), Queue::new());
        let _sub = signal.on(counter());
        let (closing, own) = (Closing(queue.clone()), signal.clone());
        let start = Instant::now();
        let sending = thread::spawn(move || {
            (0..times).for_each(|_| closing.0.defer(&own, EVENT).unwrap());
        });
        let delivered = queue.run().delivered();
        let took = start.elapsed();
        sending.join().unwrap();
        assert_eq!(delivered as u64, times);
        (took, times)
    };
    Contestant::new("slotcast, `defer`", 1, Box::new(work)).long_samples()
}

fn own_calls() -> Contestant<'static> {
    let work = |times: u64| {
        let (signal, queue) = (Signal::new(), Queue::new());
        let handler = counter();
        let _sub = signal
            .subscribe()
            .on_queue(&queue, move |(), it| handler(it));
        let (closing, own) = (Closing(queue.clone()), signal.clone());
        let start = Instant::now();
        let sending = thread::spawn(move || {
            (0..times).for_each(|_| _ = own.emit(&EVENT));
            drop(closing);
        });
        let delivered = queue.run().delivered();
        let took = start.elapsed();
        sending.join().unwrap();
        assert_eq!(delivered as u64, times);
        (took, times)
    };
    Contestant::new("slotcast, `on_queue`", 1, Box::new(work)).long_samples()
}
