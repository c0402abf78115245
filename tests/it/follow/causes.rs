//! Why something ran: through queues, jobs, futures and threads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use slotcast::{Bus, Cause, Follow, Jobs, Queue, StepKind, Topic, cause, promise};

const PLACED: Topic<u32> = Topic::new("order.placed");
const BILLED: Topic<u32> = Topic::new("order.billed");
const PACKED: Topic<u32> = Topic::new("order.packed");
const SENT: Topic<u32> = Topic::new("order.sent");

type Seen = Arc<Mutex<Option<Cause>>>;

fn note(seen: &Seen) {
    *seen.lock().unwrap() = cause();
}

#[test]
fn one_trail_leads_through_queues_jobs_and_futures_with_the_lines() {
    let (bus, ui) = (Bus::builder(), Queue::new());
    let bus: Bus = bus
        .executor(|task: Box<dyn FnOnce() + Send>| task())
        .build();
    let following = bus.follow(Follow::new());
    let jobs = Jobs::new(1);
    let seen = Seen::default();
    // emit -> defer
    let own = bus.clone();
    bus.on(&PLACED, move |n| own.defer(&BILLED, *n)).detach();
    let deferred_at = line!() - 1;
    // -> on_queue -> job -> on_done_in
    let (own, to) = (bus.clone(), ui.clone());
    let on_queue = bus.subscribe(&BILLED).label("mail");
    on_queue
        .on_queue(&ui, move |(), n| {
            let (n, bus) = (*n, own.clone());
            let job = jobs.submit(move |_| n);
            job.on_done_in(&to, move |(), done| {
                bus.emit(&PACKED, done.as_ref().unwrap());
            });
        })
        .detach();
    // -> async handler -> defer_after
    let own = bus.clone();
    bus.subscribe(&PACKED)
        .on_async(move |n: Arc<u32>| {
            let bus = own.clone();
            async move { _ = bus.defer_after(Duration::ZERO, &SENT, *n).unwrap() }
        })
        .detach();
    let to = seen.clone();
    bus.on(&SENT, move |_| note(&to)).detach();

    let placed = bus.emit(&PLACED, &7);
    let emitted_at = line!() - 1;
    assert!(bus.drain().errors().is_empty());
    while seen.lock().unwrap().is_none() {
        ui.drain();
        bus.drain();
        std::thread::yield_now();
    }
    let last = seen.lock().unwrap().unwrap();
    let trail = following.trail(last).unwrap();
    let steps: Vec<_> = trail.steps().collect();
    let found: Vec<_> = steps.iter().map(|it| (it.kind(), it.topic())).collect();
    assert_eq!(
        found,
        [
            (StepKind::Emitted, Some("order.placed")),
            (StepKind::Deferred, Some("order.billed")),
            (StepKind::Queued, Some("order.billed")),
            (StepKind::Job, None),
            (StepKind::Posted, None),
            (StepKind::Emitted, Some("order.packed")),
            (StepKind::Async, Some("order.packed")),
            (StepKind::Deferred, Some("order.sent")),
        ]
    );
    assert_eq!(placed.cause(), Some(steps[0].cause()));
    assert_eq!(steps[0].place().line(), emitted_at);
    assert_eq!(steps[1].place().line(), deferred_at);
    assert!(
        steps.iter().all(|it| it.place().file() == file!()),
        "{trail:?}"
    );
    assert_eq!(steps[2].label(), Some("mail"));
    assert!(steps[1].waited().is_some() && steps[2].waited().is_some());
    let cascade = following.cascade(last).unwrap();
    assert!(
        cascade
            .steps()
            .map(|it| it.cause())
            .eq(steps.iter().map(|it| it.cause()))
    );
    bus.close();
}

#[test]
fn every_way_to_put_something_off_carries_its_cause() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let jobs = Jobs::new(1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tell = {
        let seen = seen.clone();
        move |what| seen.lock().unwrap().push((what, cause()))
    };
    let told = tell.clone();
    bus.on(&BILLED, move |_| told("deferred")).detach();
    let (own, told) = (bus.clone(), tell.clone());
    let queue = bus.queue();
    bus.on(&PLACED, move |n| {
        own.defer(&BILLED, *n).unwrap();
        own.defer_latest(&BILLED, *n).unwrap();
        _ = own.defer_after(Duration::ZERO, &BILLED, *n).unwrap();
        _ = own.defer_latest_after(Duration::ZERO, &BILLED, *n).unwrap();
        let tell = told.clone();
        queue.post(move || tell("posted")).unwrap();
        let tell = told.clone();
        _ = queue
            .post_after(Duration::ZERO, move || tell("posted"))
            .unwrap();
        let tell = told.clone();
        let job = jobs.submit(|_| ());
        job.on_done(move |_| tell("job"));
        job.wait().unwrap();
        // One that has ended before its outcome is asked for.
        let job = jobs.submit(|_| ());
        while !job.is_done() {
            std::thread::yield_now();
        }
        let tell = told.clone();
        _ = job.on_done_in(&queue, move |(), _| tell("job, queued"));
        let (promise, job) = promise::<u32>();
        let tell = told.clone();
        job.on_done(move |_| tell("promise"));
        std::thread::spawn(move || promise.complete(1))
            .join()
            .unwrap();
    })
    .detach();
    let root = bus.emit(&PLACED, &1).cause().unwrap();
    assert_eq!(cause(), None);
    while bus.drain().delivered() > 0 || bus.queue().delayed() > 0 {}
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 9, "{seen:?}");
    for (what, cause) in &*seen {
        let trail = following.trail(cause.unwrap()).unwrap();
        let first = trail.steps().next().unwrap();
        let steps = if what.ends_with("queued") { 3 } else { 2 };
        assert_eq!(
            (first.cause(), trail.steps().count()),
            (root, steps),
            "{what}"
        );
    }
    bus.close();
}

#[test]
fn what_is_not_followed_carries_the_cause_on() {
    let (bus, plain) = (Bus::new(), Bus::new());
    let following = bus.follow(Follow::new());
    let seen = Seen::default();
    let (own, to) = (bus.clone(), seen.clone());
    plain.on(&BILLED, move |n| _ = own.emit(&SENT, n)).detach();
    bus.on(&SENT, move |_| note(&to)).detach();
    let other = plain.clone();
    bus.on(&PLACED, move |n| other.defer(&BILLED, *n)).detach();
    let root = bus.emit(&PLACED, &1).cause();
    plain.drain();
    let last = seen.lock().unwrap().unwrap();
    let trail = following.trail(last).unwrap();
    assert_eq!(
        trail
            .steps()
            .map(|it| it.topic().unwrap())
            .collect::<Vec<_>>(),
        ["order.placed", "order.sent"]
    );
    assert_eq!(trail.steps().next().map(|it| it.cause()), root);
    bus.close();
}

#[test]
fn the_cause_is_restored_after_a_panic_and_after_each_emission() {
    let bus: Bus = Bus::builder().panics(slotcast::Panics::Contain).build();
    let _following = bus.follow(Follow::new());
    let own = bus.clone();
    bus.on(&PLACED, move |n| {
        let outer = cause();
        let inner = own.emit(&BILLED, n);
        assert_eq!(inner.errors().len(), 1);
        assert!(inner.errors()[0].cause() == inner.cause());
        assert_eq!(cause(), outer);
        assert_ne!(inner.cause(), outer);
    })
    .detach();
    bus.on(&BILLED, |_| crate::log::boom("in here")).detach();
    let done = bus.emit(&PLACED, &1);
    assert!(done.errors().is_empty(), "{done:?}");
    assert_eq!(cause(), None);
    let own = done.cause();
    assert!(own.is_some() && done.into_result().unwrap().cause() == own);

    bus.close();
}

#[test]
fn a_cause_is_carried_into_a_thread() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let own = bus.clone();
    bus.on(&PLACED, move |n| {
        let (bus, n, cause) = (own.clone(), *n, cause().unwrap());
        let run = move || {
            let done = cause.run(|| bus.emit(&BILLED, &n).cause());
            assert_eq!(slotcast::cause(), None);
            done
        };
        std::thread::spawn(run).join().unwrap().unwrap();
    })
    .detach();
    let root = bus.emit(&PLACED, &1).cause().unwrap();
    let cascade = following.cascade(root).unwrap();
    let topics: Vec<_> = cascade.steps().map(|it| it.topic().unwrap()).collect();
    assert_eq!(topics, ["order.placed", "order.billed"]);
    assert_eq!(cascade.depths().collect::<Vec<_>>(), [0, 1]);
    bus.close();
}

#[test]
fn causes_are_read_as_they_are_written() {
    let bus = Bus::new();
    let _following = bus.follow(Follow::new());
    let one = bus.emit(&PLACED, &1).cause().unwrap();
    let two = bus.emit(&PLACED, &1).cause().unwrap();
    assert!(one < two);
    assert_eq!(one.to_string().parse(), Ok(one));
    for wrong in [
        "",
        "-",
        "a3",
        "0-0",
        "a3-",
        "-7",
        "+1-2",
        "1-+2",
        "x-1",
        "1-2-3",
        "1000000-1",
        "1-10000000000",
        "\n",
    ] {
        let error = wrong.parse::<Cause>().unwrap_err().to_string();
        assert!(error.contains("is no cause"), "{wrong}: {error}");
    }
}

#[test]
fn what_replaces_a_deferred_event_brings_its_own_cause() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let seen = Seen::default();
    let to = seen.clone();
    bus.on(&SENT, move |_| note(&to)).detach();
    let own = bus.clone();
    bus.on(&PLACED, move |n| own.defer_latest(&SENT, *n))
        .detach();
    let first = bus.emit(&PLACED, &1).cause();
    let second = bus.emit(&PLACED, &2).cause();
    assert_eq!(bus.drain().delivered(), 1);
    let last = seen.lock().unwrap().unwrap();
    let root = following
        .trail(last)
        .unwrap()
        .steps()
        .next()
        .map(|it| it.cause());
    assert!(root == second && root != first);
    bus.close();
}

#[test]
fn an_awaited_emission_is_one_step_and_its_futures_follow_from_it() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    bus.subscribe(&PLACED)
        .label("one")
        .on_async(async |_: Arc<u32>| assert!(cause().is_some()))
        .detach();
    let own = bus.clone();
    let emits = move |n: Arc<u32>| {
        let bus = own.clone();
        async move { _ = bus.emit(&BILLED, &n) }
    };
    bus.subscribe(&PLACED).label("two").on_async(emits).detach();
    let signal = bus.signal(&PLACED);
    for in_order in [false, true] {
        let emission = signal.emit_async(7);
        let place = line!() - 1;
        let done = match in_order {
            true => futures::executor::block_on(emission.in_order()),
            false => futures::executor::block_on(emission),
        };
        assert_eq!(done.ran(), 2);
        let report = following.report();
        let steps: Vec<_> = report.tail(0).collect();
        let steps = &steps[steps.len() - 4..];
        let kinds = steps
            .iter()
            .filter(|it| it.kind() == StepKind::Async)
            .count();
        let root = steps.iter().find(|it| it.place().line() == place).unwrap();
        assert_eq!(
            (root.kind(), root.ran(), kinds),
            (StepKind::Emitted, 2, 2),
            "{in_order}"
        );
        for step in steps.iter().filter(|it| it.kind() == StepKind::Async) {
            assert_eq!(step.parent(), Some(root.cause()));
            assert!(step.took().is_some());
        }
        let billed = steps
            .iter()
            .find(|it| it.topic() == Some("order.billed"))
            .unwrap();
        let two = steps.iter().find(|it| it.label() == Some("two")).unwrap();
        assert_eq!(billed.parent(), Some(two.cause()));
    }
    let report = following.report();
    let counts: Vec<_> = report
        .handlers()
        .iter()
        .map(|it| (it.calls(), it.failures()))
        .collect();
    assert_eq!(counts, [(2, 0), (2, 0)]);
    assert_eq!(
        report
            .topics()
            .iter()
            .map(|it| it.emissions())
            .collect::<Vec<_>>(),
        [2, 2]
    );
    bus.close();
}

#[test]
fn a_bus_of_one_thread_is_followed_likewise() {
    use slotcast::local;
    let (bus, queue) = (local::Bus::new(), local::Queue::new());
    let following: local::Following = bus.follow(Follow::new());
    let own = bus.clone();
    bus.on(&PLACED, move |n| own.defer(&BILLED, *n)).detach();
    bus.subscribe(&BILLED)
        .on_queue(&queue, |(), _| Err::<(), _>("no"))
        .detach();
    bus.emit(&PLACED, &1);
    bus.drain();
    let cause = queue.drain().errors()[0].cause().unwrap();
    let trail = following.trail(cause).unwrap();
    let kinds: Vec<_> = trail.steps().map(|it| it.kind()).collect();
    assert_eq!(
        kinds,
        [StepKind::Emitted, StepKind::Deferred, StepKind::Queued]
    );
    assert_eq!(trail.steps().last().unwrap().failure(), Some("no"));
    bus.close();
}
