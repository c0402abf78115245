//! Events that are put away and handled later, on the same thread.
//!
//! A thousand are put away before they are taken. What only stores events is beside loops that call the same
//! handlers; what stores calls is beside a channel of boxed closures.

use std::hint::black_box;
use std::sync::{Arc, Mutex, mpsc};

use bevy_ecs::message::Messages;
use slotcast::{Topic, local};

use crate::handlers::{Boxed, EVENT, Event, counter, handlers_text};
use crate::measure::{Contestant, Run};

const BATCH: u64 = 1000;
const TOPICS: usize = 16;

pub fn run(run: &mut Run) {
    let table = "Deferred and drained, 1000 at a time, an event";
    for handlers in [1, 4] {
        let case = handlers_text(handlers);
        let all = [others(handlers), own(handlers)]
            .into_iter()
            .flatten()
            .collect();
        run.compare(table, &case, bare(handlers), all);
    }
    run.compare(
        table,
        "16 topics in turn, a handler each",
        bare_topics(),
        topics(),
    );
    let table = "Calls that wait in a queue, 1000 at a time, a call";
    run.compare(table, "a handler", bare(1), calls());
}

fn boxed(n: usize) -> Vec<Boxed> {
    (0..n).map(|_| Box::new(counter()) as Boxed).collect()
}

#[inline(always)]
fn call(handlers: &[Boxed], event: &Event) {
    for handler in handlers {
        handler(event);
    }
}

/// `put` for each event of a batch, `take` once behind them.
fn contestant(
    name: &'static str,
    handlers: usize,
    mut put: impl FnMut(Event) + 'static,
    mut take: impl FnMut() + 'static,
) -> Contestant<'static> {
    Contestant::batches(name, handlers, BATCH, move |size| {
        for _ in 0..size {
            put(black_box(EVENT));
        }
        take();
    })
}

/// A vector that is pushed to and gone through.
fn bare(n: usize) -> Contestant<'static> {
    let (handlers, mut waiting) = (boxed(n), Vec::new());
    Contestant::batches("bare `Vec`", n, BATCH, move |size| {
        for _ in 0..size {
            waiting.push(black_box(EVENT));
        }
        for event in waiting.drain(..) {
            call(&handlers, &event);
        }
    })
}

fn others(n: usize) -> Vec<Contestant<'static>> {
    vec![
        swapped(n),
        messages(n),
        {
            let (sender, receiver) = mpsc::channel();
            let handlers = boxed(n);
            contestant(
                "std mpsc",
                n,
                move |event| sender.send(event).unwrap(),
                move || receiver.try_iter().for_each(|it| call(&handlers, &it)),
            )
        },
        {
            let (sender, receiver) = crossbeam_channel::unbounded();
            let handlers = boxed(n);
            contestant(
                "crossbeam-channel",
                n,
                move |event| sender.send(event).unwrap(),
                move || receiver.try_iter().for_each(|it| call(&handlers, &it)),
            )
        },
        {
            let (sender, receiver) = flume::unbounded();
            let handlers = boxed(n);
            contestant(
                "flume",
                n,
                move |event| sender.send(event).unwrap(),
                move || receiver.try_iter().for_each(|it| call(&handlers, &it)),
            )
        },
        {
            let (sender, receiver) = kanal::unbounded();
            let handlers = boxed(n);
            contestant(
                "kanal",
                n,
                move |event| sender.send(event).unwrap(),
                move || {
                    while let Ok(Some(event)) = receiver.try_recv() {
                        call(&handlers, &event);
                    }
                },
            )
        },
        {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            let handlers = boxed(n);
            contestant(
                "tokio mpsc",
                n,
                move |event| sender.send(event).unwrap(),
                move || {
                    while let Ok(event) = receiver.try_recv() {
                        call(&handlers, &event);
                    }
                },
            )
        },
        broadcast(n),
    ]
}

/// Two vectors that change places under a lock.
fn swapped(n: usize) -> Contestant<'static> {
    let waiting = Arc::new(Mutex::new(Vec::new()));
    let (handlers, putting) = (boxed(n), waiting.clone());
    let mut taken = Vec::new();
    contestant(
        "`Mutex<Vec>`, swapped",
        n,
        move |event| putting.lock().unwrap().push(event),
        move || {
            std::mem::swap(&mut *waiting.lock().unwrap(), &mut taken);
            for event in taken.drain(..) {
                call(&handlers, &event);
            }
        },
    )
}

/// A cursor for each handler, which reads all messages.
fn messages(n: usize) -> Contestant<'static> {
    let mut messages = Messages::<Event>::default();
    let handlers = boxed(n);
    let mut cursors: Vec<_> = (0..n).map(|_| messages.get_cursor()).collect();
    Contestant::batches("bevy_ecs messages", n, BATCH, move |size| {
        for _ in 0..size {
            messages.write(black_box(EVENT));
        }
        for (cursor, handler) in cursors.iter_mut().zip(&handlers) {
            cursor.read(&messages).for_each(handler);
        }
        messages.update();
    })
}

/// A receiver for each handler.
fn broadcast(n: usize) -> Contestant<'static> {
    let (sender, first) = tokio::sync::broadcast::channel(1024);
    let mut receivers: Vec<_> = (0..n).map(|_| sender.subscribe()).collect();
    drop(first);
    let handlers = boxed(n);
    contestant(
        "tokio broadcast",
        n,
        move |event| _ = sender.send(event).unwrap(),
        move || {
            for (receiver, handler) in receivers.iter_mut().zip(&handlers) {
                while let Ok(event) = receiver.try_recv() {
                    handler(&event);
                }
            }
        },
    )
}

macro_rules! own {
    ($($name:literal, $by_name:literal: $bus:ty;)*) => {
        fn own(n: usize) -> Vec<Contestant<'static>> {
            const TOPIC: Topic<Event> = Topic::new("bench.event");
            let mut all = Vec::new();
            $({
                let bus = <$bus>::new();
                let subs: Vec<_> = (0..n).map(|_| bus.on(&TOPIC, counter())).collect();
                let signal = bus.signal(&TOPIC);
                all.push(contestant(
                    $name,
                    n,
                    move |event| signal.defer(event).unwrap(),
                    move || {
                        let _held = &subs;
                        bus.drain();
                    },
                ));
                let bus = <$bus>::new();
                let subs: Vec<_> = (0..n).map(|_| bus.on(&TOPIC, counter())).collect();
                let emitting = bus.clone();
                all.push(contestant(
                    $by_name,
                    n,
                    move |event| emitting.defer(&TOPIC, event).unwrap(),
                    move || {
                        let _held = &subs;
                        bus.drain();
                    },
                ));
            })*
            all
        }

        fn own_topics() -> Vec<Contestant<'static>> {
            let mut all = Vec::new();
            $({
                let bus = <$bus>::new();
                let signals: Vec<_> = (0..TOPICS)
                    .map(|n| bus.signal(&Topic::named(format!("bench.{n}")).unwrap()))
                    .collect();
                let subs: Vec<_> = signals.iter().map(|it| it.on(counter())).collect();
                let mut turn = 0;
                all.push(contestant(
                    $name,
                    1,
                    move |event| signals[next(&mut turn)].defer(event).unwrap(),
                    move || {
                        let _held = &subs;
                        bus.drain();
                    },
                ));
            })*
            all
        }
    };
}

own! {
    "slotcast", "slotcast, by name": slotcast::Bus;
    "slotcast, local", "slotcast, local, by name": local::Bus;
}

fn next(turn: &mut usize) -> usize {
    *turn = (*turn + 1) % TOPICS;
    *turn
}

/// One queue for all topics, in one order.
fn bare_topics() -> Contestant<'static> {
    let (handlers, mut waiting, mut turn) = (boxed(TOPICS), Vec::new(), 0);
    Contestant::batches("bare `Vec`", 1, BATCH, move |size| {
        for _ in 0..size {
            waiting.push((next(&mut turn), black_box(EVENT)));
        }
        for (topic, event) in waiting.drain(..) {
            call(&handlers[topic..=topic], &event);
        }
    })
}

fn topics() -> Vec<Contestant<'static>> {
    let waiting = Arc::new(Mutex::new(Vec::new()));
    let (handlers, putting) = (boxed(TOPICS), waiting.clone());
    let (mut taken, mut turn) = (Vec::new(), 0);
    let by_hand = contestant(
        "`Mutex<Vec>`, swapped",
        1,
        move |event| putting.lock().unwrap().push((next(&mut turn), event)),
        move || {
            std::mem::swap(&mut *waiting.lock().unwrap(), &mut taken);
            for (topic, event) in taken.drain(..) {
                call(&handlers[topic..=topic], &event);
            }
        },
    );
    let (sender, receiver) = kanal::unbounded();
    let (handlers, mut turn) = (boxed(TOPICS), 0);
    let channel = contestant(
        "kanal",
        1,
        move |event| sender.send((next(&mut turn), event)).unwrap(),
        move || {
            while let Ok(Some((topic, event))) = receiver.try_recv() {
                call(&handlers[topic..=topic], &event);
            }
        },
    );
    // Without an order among the topics.
    let mut messages: Vec<_> = (0..TOPICS).map(|_| Messages::<Event>::default()).collect();
    let mut cursors: Vec<_> = messages.iter().map(|it| it.get_cursor()).collect();
    let (handlers, mut turn) = (boxed(TOPICS), 0);
    let bevy = Contestant::batches("bevy_ecs messages, no order", 1, BATCH, move |size| {
        for _ in 0..size {
            messages[next(&mut turn)].write(black_box(EVENT));
        }
        for (at, messages) in messages.iter_mut().enumerate() {
            cursors[at].read(messages).for_each(&handlers[at]);
            messages.update();
        }
    });
    let mut all = vec![by_hand, channel, bevy];
    all.extend(own_topics());
    all
}

/// What waits is a call of one handler. Drained one by one as well.
fn calls() -> Vec<Contestant<'static>> {
    type Call = Box<dyn FnOnce() + Send>;
    let handler = Arc::new(counter());
    let (sender, receiver) = mpsc::channel::<Call>();
    let closures = contestant(
        "std mpsc of boxed closures",
        1,
        move |event| {
            let handler = handler.clone();
            sender.send(Box::new(move || handler(&event))).unwrap();
        },
        move || receiver.try_iter().for_each(|call| call()),
    );
    let handler = Arc::new(counter());
    let posted = slotcast::Queue::new();
    let draining = posted.clone();
    let posted = contestant(
        "slotcast, `post`",
        1,
        move |event| {
            let handler = handler.clone();
            posted.post(move || handler(&event)).unwrap();
        },
        move || _ = draining.drain(),
    );
    vec![
        closures,
        posted,
        on_queue(),
        local_on_queue(),
        one_by_one(),
        local_one_by_one(),
    ]
}

macro_rules! waiting_calls {
    ($($on_queue:ident $queued:literal, $one_by_one:ident $single:literal: $signal:ty, $queue:ty;)*) => { $(
        fn $on_queue() -> Contestant<'static> {
            let (signal, queue) = (<$signal>::new(), <$queue>::new());
            let handler = counter();
            let sub = signal.subscribe().on_queue(&queue, move |(), event| handler(event));
            contestant(
                $queued,
                1,
                move |event| _ = signal.emit(&event),
                move || {
                    let _held = &sub;
                    queue.drain();
                },
            )
        }

        fn $one_by_one() -> Contestant<'static> {
            let (signal, queue) = (<$signal>::new(), <$queue>::new());
            let sub = signal.on(counter());
            let deferring = queue.clone();
            contestant(
                $single,
                1,
                move |event| deferring.defer(&signal, event).unwrap(),
                move || {
                    let _held = &sub;
                    while queue.drain_one().delivered() > 0 {}
                },
            )
        }
    )* };
}

waiting_calls! {
    on_queue "slotcast, `on_queue`", one_by_one "slotcast, `drain_one`":
        slotcast::Signal<Event>, slotcast::Queue;
    local_on_queue "slotcast, local, `on_queue`", local_one_by_one "slotcast, local, `drain_one`":
        local::Signal<Event>, local::Queue;
}
