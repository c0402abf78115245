//! What was found where somebody tried to break it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use slotcast::{Bus, Follow, Panics, Queue, Signal, StepKind, Topic, cause, promise};

const PLACED: Topic<u32> = Topic::new("order.placed");
const BILLED: Topic<u32> = Topic::new("order.billed");
const SENT: Topic<u32> = Topic::new("order.sent");

fn boom() -> ! {
    std::panic::resume_unwind(Box::new("boom"))
}
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(it) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return it;
        }
    }
}
fn of(report: &slotcast::Report, label: &str) -> (u64, u64, u64) {
    let found = report
        .handlers()
        .iter()
        .find(|it| it.label() == Some(label));
    found.map_or((99, 99, 99), |it| (it.calls(), it.failures(), it.skipped()))
}

// what `show` captured stays after the guard.
#[test]
fn show_captures_go_with_the_guard() {
    let (bus, kept) = (Bus::new(), Arc::new(()));
    let own = kept.clone();
    let following = bus.follow(Follow::new().show(&PLACED, move |n| {
        _ = &own;
        n.to_string()
    }));
    bus.emit(&PLACED, &1);
    drop(following);
    bus.emit(&PLACED, &1);
    assert_eq!(Arc::strong_count(&kept), 1);
}

struct EmitsOnDrop(Bus);
impl Drop for EmitsOnDrop {
    fn drop(&mut self) {
        self.0.emit(&BILLED, &1);
    }
}

// dropping them happens in a later emission, under the borrow of OWN.
#[test]
fn show_captures_that_emit_when_dropped() {
    let bus = Bus::new();
    let guard = EmitsOnDrop(bus.clone());
    let following = bus.follow(Follow::new().show(&PLACED, move |n| {
        _ = &guard;
        n.to_string()
    }));
    bus.emit(&PLACED, &1);
    drop(following);
    let _following = bus.follow(Follow::new());
    let done = catch_unwind(AssertUnwindSafe(|| bus.emit(&PLACED, &1)));
    let text = done.err().map(|it| {
        it.downcast_ref::<String>()
            .cloned()
            .or(it.downcast_ref::<&str>().map(|it| it.to_string()))
    });
    assert_eq!(text, None);
}

// ending races with a recorder in use.
#[test]
fn follow_again_and_again_while_others_emit_and_report() {
    let bus = Bus::new();
    let panics = AtomicUsize::new(0);
    let last = Mutex::new(None);
    let done = AtomicBool::new(false);
    let current = Mutex::new(Arc::new(bus.follow(Follow::new())));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    if let Err(it) = catch_unwind(AssertUnwindSafe(|| {
                        bus.emit(&PLACED, &1);
                    })) {
                        panics.fetch_add(1, SeqCst);
                        *last.lock().unwrap() = it.downcast_ref::<String>().cloned();
                    }
                }
            });
        }
        scope.spawn(|| {
            while !done.load(SeqCst) {
                let it = current.lock().unwrap().clone();
                _ = it.report();
            }
        });
        let begin = std::time::Instant::now();
        while begin.elapsed().as_secs() < 8 && panics.load(SeqCst) == 0 {
            let next = Arc::new(bus.follow(Follow::new()));
            *current.lock().unwrap() = next;
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        done.store(true, SeqCst);
    });
    assert_eq!((panics.load(SeqCst), last.into_inner().unwrap()), (0, None));
}

// what fails on a bus that is not followed is no failure of the handler that emitted there.
#[test]
fn failures_elsewhere_are_not_those_of_the_caller() {
    let bus = Bus::new();
    let plain: Bus = Bus::builder().panics(Panics::Contain).build();
    let following = bus.follow(Follow::new());
    plain.on(&BILLED, |_| Err::<(), _>("plain")).detach();
    let own = plain.clone();
    bus.subscribe(&PLACED)
        .label("fine")
        .on(move |n| assert_eq!(own.emit(&BILLED, n).errors().len(), 1))
        .detach();
    let done = bus.emit(&PLACED, &1);
    assert!(done.errors().is_empty());
    let report = following.report();
    let step = report.tail(0).next().unwrap();
    assert_eq!(
        (of(&report, "fine"), step.failed(), step.failure()),
        ((1, 0, 0), 0, None)
    );
}

// nor is what a callback of a job fails with.
#[test]
fn failures_of_job_callbacks_are_not_those_of_the_handler() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    bus.subscribe(&PLACED)
        .label("fine")
        .on(|n| {
            let (promise, job) = promise::<u32>();
            job.on_done(|_| boom());
            promise.complete(*n);
        })
        .detach();
    assert!(bus.emit(&PLACED, &1).errors().is_empty());
    assert_eq!(of(&following.report(), "fine"), (1, 0, 0));
}

// captures of another handler that panic.
#[test]
fn failures_of_other_handlers_captures() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom()
        }
    }
    let bus: Bus = Bus::builder().panics(Panics::Contain).build();
    let following = bus.follow(Follow::new());
    let bomb = Bomb;
    let sub = Mutex::new(Some(
        bus.subscribe(&BILLED).label("bomb").on(move |_| _ = &bomb),
    ));
    bus.subscribe(&PLACED)
        .label("fine")
        .on(move |_| drop(sub.lock().unwrap().take()))
        .detach();
    let done = bus.emit(&PLACED, &1);
    assert_eq!(done.errors()[0].label(), Some("bomb"));
    assert_eq!(of(&following.report(), "fine"), (1, 0, 0));
}

// a replay to a new subscriber that fails.
#[test]
fn a_failed_replay_is_counted() {
    let bus = Bus::new();
    bus.set_error_hook(|_| ());
    bus.retain_last(&PLACED);
    bus.emit(&PLACED, &1);
    let following = bus.follow(Follow::new());
    bus.subscribe(&PLACED)
        .label("new")
        .latest()
        .on(|_| Err::<(), _>("no"))
        .detach();
    assert_eq!(of(&following.report(), "new"), (1, 1, 0));
}

fn listen(bus: &Bus) -> slotcast::Subscribe<u32> {
    bus.subscribe(&PLACED)
}

// two kinds of handlers of one line.
#[test]
fn one_line_two_kinds() {
    for flip in [false, true] {
        let (bus, queue) = (Bus::new(), Queue::new());
        let following = bus.follow(Follow::new());
        let plain = |p: i32| listen(&bus).label("one").priority(p).on(|_| ()).detach();
        let queued = |p: i32| {
            listen(&bus)
                .label("one")
                .priority(p)
                .on_queue(&queue, |(), _| ())
                .detach()
        };
        plain(if flip { 1 } else { -1 });
        queued(0);
        (0..3).for_each(|n| _ = bus.emit(&PLACED, &n));
        queue.drain();
        assert_eq!(of(&following.report(), "one"), (6, 0, 0), "flip {flip}");
    }
}

// awaited in order.
#[test]
fn in_order_has_its_cause() {
    let bus = Bus::new();
    let _following = bus.follow(Follow::new());
    bus.on(&PLACED, |_| ()).detach();
    assert!(
        block_on(bus.emit_async(&PLACED, 1)).cause().is_some(),
        "not in order"
    );
    assert!(
        block_on(bus.emit_async(&PLACED, 1).in_order())
            .cause()
            .is_some(),
        "in order"
    );
}

#[test]
fn in_order_has_its_failures_and_calls() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    bus.on(&PLACED, |_| Err::<(), _>("no")).detach();
    for in_order in [false, true] {
        let emission = bus.emit_async(&PLACED, 1);
        let emission = if in_order {
            emission.in_order()
        } else {
            emission
        };
        let done = block_on(emission);
        let cause = done.errors()[0].cause().unwrap();
        let trail = following.trail(cause).unwrap();
        let step = trail.steps().last().unwrap();
        assert_eq!(
            (step.failed(), step.failure(), step.calls().len()),
            (1, Some("no"), 1),
            "in order: {in_order}"
        );
    }
}

#[test]
fn closed_signals_are_counted_alike() {
    let bus = Bus::new();
    let signal = bus.signal(&PLACED);
    signal.close();
    let following = bus.follow(Follow::new());
    let count = || {
        following
            .report()
            .topics()
            .first()
            .map_or(0, |it| it.emissions())
    };
    let mut counts = Vec::new();
    assert!(signal.emit(&1).is_closed());
    counts.push(count());
    _ = signal.emit_lazy(|| 1);
    counts.push(count());
    block_on(signal.emit_async(1));
    counts.push(count());
    block_on(signal.emit_async(1).in_order());
    counts.push(count());
    assert_eq!(counts, [0; 4]);
}

// deferred before.
// the cause after the end.
// lines of emitters.
#[test]
fn emitters_are_lines_of_the_user() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let (a, b) = (bus.signal(&PLACED), bus.signal(&BILLED));
    a.forward_to(&b).detach();
    bus.retain_last(&SENT);
    bus.emit(&PLACED, &1);
    bus.emit_lazy(&PLACED, || 1);
    a.emit_lazy(|| 1);
    block_on(bus.emit_async(&PLACED, 1));
    block_on(bus.emit_async(&PLACED, 1).in_order());
    bus.defer(&PLACED, 1).unwrap();
    bus.defer_latest(&PLACED, 1).unwrap();
    bus.emit(&SENT, &1);
    bus.emit_lazy(&SENT, || 1);
    bus.drain();
    let report = following.report();
    let wrong: Vec<_> = report
        .emitters()
        .iter()
        .filter(|it| it.place().unwrap().file() != file!())
        .map(|it| format!("{} {}", it.topic(), it.place().unwrap()))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

// Display of errors.
// tail.
#[test]
fn the_tail_keeps_the_newest_in_spite_of_cancelled_calls() {
    let (bus, queue) = (Bus::new(), Queue::new());
    let following = bus.follow(Follow::new().tail(1));
    let sub = bus.subscribe(&PLACED).on_queue(&queue, |(), _| ());
    bus.emit(&PLACED, &1);
    bus.emit(&PLACED, &1);
    assert_eq!(following.report().tail(0).count(), 1);
    drop(sub);
    queue.drain();
    assert_eq!(following.report().tail(0).count(), 1);
}

// a job that panics.
#[test]
fn a_job_that_panics_has_failed() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let jobs = slotcast::Jobs::new(1);
    bus.on(&PLACED, move |_| {
        let job = jobs.submit(|_| -> u32 { boom() });
        assert!(job.wait().is_err());
    })
    .detach();
    assert!(bus.emit(&PLACED, &1).errors().is_empty());
    let report = following.report();
    let step = report
        .tail(0)
        .find(|it| it.kind() == StepKind::Job)
        .unwrap();
    assert_eq!(step.failed(), 1, "{step:?}");
}

// futures that are dropped before they are polled.
// async slow.
#[test]
fn a_slow_future_is_told() {
    let bus: Bus = Bus::builder()
        .executor(|task: Box<dyn FnOnce() + Send>| task())
        .build();
    let told = Arc::new(AtomicUsize::new(0));
    let to = told.clone();
    bus.set_warning_hook(move |_| _ = to.fetch_add(1, SeqCst));
    let _following = bus.follow(Follow::new().slow(std::time::Duration::from_millis(100)));
    bus.subscribe(&PLACED)
        .on_async(|_: Arc<u32>| async { std::thread::sleep(std::time::Duration::from_millis(200)) })
        .detach();
    bus.emit(&PLACED, &1);
    assert_eq!(told.load(SeqCst), 1);
}

// thread-local destructors.
// report() in everything; a hook that emits; a show that emits.
#[test]
fn reports_and_emissions_inside() {
    let bus: Bus = Bus::builder().panics(Panics::Contain).build();
    let slot: Arc<Mutex<Option<slotcast::Following>>> = Arc::default();
    let (own, to) = (bus.clone(), slot.clone());
    let peek = move || {
        if let Ok(it) = to.try_lock() {
            if let Some(it) = &*it {
                _ = it.report();
            }
        }
        own.emit(&BILLED, &1);
    };
    let (a, b, c, d) = (peek.clone(), peek.clone(), peek.clone(), peek.clone());
    bus.set_warning_hook(move |_| a());
    bus.set_error_hook(move |_| b());
    let following = bus.follow(Follow::new().slow(std::time::Duration::ZERO).show(
        &PLACED,
        move |n| {
            c();
            n.to_string()
        },
    ));
    *slot.lock().unwrap() = Some(following);
    bus.subscribe(&PLACED)
        .label("p")
        .on(move |_| {
            d();
            Err::<(), _>("x")
        })
        .detach();
    bus.on(&BILLED, |_| ()).detach();
    assert_eq!(bus.emit(&PLACED, &1).errors().len(), 1);
    let report = slot.lock().unwrap().as_ref().unwrap().report();
    assert_eq!(of(&report, "p"), (1, 1, 0));
}

// a show that emits its own topic. Aborts: run alone.
#[test]
fn show_that_emits_its_topic_with_nobody() {
    let bus = Bus::new();
    let own = bus.clone();
    let _following = bus.follow(Follow::new().show(&PLACED, move |n| {
        own.emit(&PLACED, n);
        n.to_string()
    }));
    bus.emit(&PLACED, &1);
}

// the same with a handler is bounded by the depth.
#[test]
fn show_that_emits_its_topic_with_a_handler() {
    let bus: Bus = Bus::builder().panics(Panics::Contain).build();
    bus.set_error_hook(|_| ());
    let own = bus.clone();
    bus.on(&PLACED, |_| ()).detach();
    let _following = bus.follow(Follow::new().show(&PLACED, move |n| {
        own.emit(&PLACED, n);
        n.to_string()
    }));
    assert_eq!(bus.emit(&PLACED, &1).ran(), 1);
}

// dropping one while another begins.
// report from inside a handler about handlers that have ended.
// Local.
// many ended followings on a thread.
// Drained and Emission as without.
#[test]
fn causes_through_job_that_began_outside() {
    // A promise made outside, completed in a followed handler: the callback is no part of it.
    let bus = Bus::new();
    let _following = bus.follow(Follow::new());
    let (promise, job) = promise::<u32>();
    let seen = Arc::new(Mutex::new(Some(None)));
    let to = seen.clone();
    job.on_done(move |_| *to.lock().unwrap() = Some(cause()));
    let promise = Mutex::new(Some(promise));
    bus.on(&PLACED, move |n| {
        promise.lock().unwrap().take().unwrap().complete(*n)
    })
    .detach();
    bus.emit(&PLACED, &1);
    assert_eq!(*seen.lock().unwrap(), Some(None));
    _ = Signal::<u32>::new();
    _ = std::mem::size_of::<Pin<Box<u8>>>();
}

// ---- second round
#[test]
fn the_unhandled_hook_is_counted() {
    for weak in [false, true] {
        let bus = Bus::new();
        let told = Arc::new(AtomicUsize::new(0));
        let to = told.clone();
        bus.set_unhandled_hook(move |_: &slotcast::AnyEvent| _ = to.fetch_add(1, SeqCst));
        let line = line!() - 1;
        let following = bus.follow(Follow::new());
        let dead = Arc::new(());
        if weak {
            bus.subscribe(&PLACED).on_weak(&dead, |_, _| ()).detach();
        }
        drop(dead);
        bus.emit(&PLACED, &1);
        let report = following.report();
        let calls: u64 = report
            .handlers()
            .iter()
            .filter(|it| it.place().line() == line)
            .map(|it| it.calls())
            .sum();
        assert_eq!((told.load(SeqCst), calls), (1, 1), "weak {weak}");
    }
}

fn too_deep(follow: bool, weak: bool) -> usize {
    let bus: Bus = Bus::builder().max_depth(1).panics(Panics::Contain).build();
    bus.set_error_hook(|_| ());
    let _following = follow.then(|| bus.follow(Follow::new()));
    let dead = Arc::new(());
    let (own, count) = (bus.signal(&BILLED), Arc::new(AtomicUsize::new(0)));
    if weak {
        own.subscribe().on_weak(&dead, |_, _| ()).detach();
    }
    drop(dead);
    let to = count.clone();
    bus.on(&PLACED, move |n| {
        to.store(own.emit(n).errors().len(), SeqCst)
    })
    .detach();
    bus.emit(&PLACED, &1);
    count.load(SeqCst)
}

#[test]
fn too_deep_is_the_same_followed() {
    assert_eq!(
        [too_deep(false, false), too_deep(false, true)],
        [too_deep(true, false), too_deep(true, true)]
    );
}

#[test]
fn wakers_run_as_their_own_root() {
    struct W(Mutex<Option<Option<slotcast::Cause>>>);
    impl std::task::Wake for W {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() = Some(cause());
        }
    }
    let bus = Bus::new();
    let _following = bus.follow(Follow::new());
    let w = Arc::new(W(Mutex::new(None)));
    let waker = Waker::from(w.clone());
    let mut next = Box::pin(bus.next(&PLACED));
    _ = next.as_mut().poll(&mut Context::from_waker(&waker));
    bus.emit(&PLACED, &1);
    assert_eq!(*w.0.lock().unwrap(), Some(None));
}

#[test]
fn a_panicking_show_while_a_handler_failure_was_reported() {
    let bus: Bus = Bus::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let to = log.clone();
    bus.set_error_hook(move |e| to.lock().unwrap().push(e.to_string()));
    bus.on(&BILLED, |_| boom()).detach();
    bus.on(&PLACED, |_| ()).detach();
    let own = bus.clone();
    let _following = bus.follow(Follow::new().show(&PLACED, move |n| {
        own.emit(&BILLED, n);
        String::new()
    }));
    bus.emit(&PLACED, &1);
    let told = log.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_lazy_event_that_fails_keeps_the_cause() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom()
        }
    }
    let bus: Bus = Bus::builder().panics(Panics::Contain).build();
    let _following = bus.follow(Follow::new());
    bus.on(&PLACED, |_| ()).detach();
    let bomb = Bomb;
    let sub = bus.on(&BILLED, move |_| _ = &bomb);
    let done = bus.emit_lazy(&PLACED, || {
        drop(sub);
        1
    });
    assert_eq!((done.errors().len(), done.ran()), (1, 1));
    assert!(done.cause().is_some());
}

#[test]
fn captures_that_fail_after_the_emission_keep_the_cause() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom()
        }
    }
    for retain in [false, true] {
        let bus: Bus = Bus::builder().panics(Panics::Contain).build();
        if retain {
            bus.retain_last(&PLACED);
        }
        let _following = bus.follow(Follow::new());
        let bomb = Bomb;
        let slot: Arc<Mutex<Option<slotcast::Subscription>>> = Arc::default();
        let own = slot.clone();
        *slot.lock().unwrap() = Some(bus.on(&PLACED, move |_| {
            _ = &bomb;
            drop(own.lock().unwrap().take())
        }));
        bus.on(&PLACED, |_| Err::<(), _>("first")).detach();
        let done = bus.emit(&PLACED, &1);
        assert_eq!(done.errors().len(), 2, "retain {retain}");
        assert!(done.cause().is_some(), "retain {retain}");
    }
}

#[test]
fn stream_emitter_lines() {
    use futures_lite::stream;
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let signal = bus.signal(&PLACED);
    block_on(signal.emit_all(stream::iter([1, 2])));
    let report = following.report();
    assert_eq!(report.emitters()[0].place().unwrap().file(), file!());
}

// ---- third round: differential
type Log = Arc<Mutex<Vec<String>>>;
struct D(Log, String);
impl Drop for D {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(format!("drop {}", self.1));
    }
}
impl Clone for D {
    fn clone(&self) -> D {
        self.0.lock().unwrap().push(format!("clone {}", self.1));
        D(self.0.clone(), self.1.clone())
    }
}
const D_: Topic<D> = Topic::new("d");
const D2: Topic<D> = Topic::new("d.two");

fn scenario(number: usize, bus: &Bus, log: &Log) {
    let say = |text: String| log.lock().unwrap().push(text);
    let d = |text: &str| D(log.clone(), text.to_owned());
    let queue = Queue::new();
    match number {
        0 | 1 => {
            let slot: Arc<Mutex<Option<slotcast::Subscription>>> = Arc::default();
            let (own, l, cap) = (slot.clone(), log.clone(), d("captures"));
            let sub = bus.subscribe(&D_);
            let run = move |e: &D| {
                _ = &cap;
                l.lock().unwrap().push(format!("call {}", e.1));
                if e.1 == "1" {
                    drop(own.lock().unwrap().take());
                }
            };
            let sub = if number == 0 {
                sub.on_queue(&queue, move |(), e| run(e))
            } else {
                sub.on(run)
            };
            *slot.lock().unwrap() = Some(sub);
            for n in 0..4 {
                let e = d(&n.to_string());
                if number == 0 {
                    bus.emit(&D_, &e);
                } else {
                    bus.defer(&D_, e).ok().unwrap();
                }
            }
            say(format!("{:?}", queue.drain()));
            say(format!("{:?}", bus.drain()));
            say(format!("{:?}", bus.topics()));
        }
        2 => {
            let (own, l) = (bus.clone(), log.clone());
            bus.on(&D_, move |e| {
                l.lock().unwrap().push(format!("call {}", e.1));
                if e.1 == "1" {
                    let x = own.queue().drain_one();
                    l.lock().unwrap().push(format!("{x:?}"));
                }
            })
            .detach();
            for n in 0..5 {
                bus.defer(&D_, d(&n.to_string())).ok().unwrap();
            }
            say(format!("{:?}", bus.queue().drain_one()));
            say(format!("{:?} {}", bus.drain(), bus.queue().len()));
        }
        3 => {
            let own = bus.clone();
            bus.on(&D_, move |e| {
                if e.1 == "1" {
                    own.queue().close();
                }
            })
            .detach();
            for n in 0..4 {
                bus.defer(&D_, d(&n.to_string())).ok().unwrap();
            }
            say(format!("{:?}", bus.drain()));
        }
        4 => {
            bus.retain(&D_, 2);
            let l = log.clone();
            for n in 0..3 {
                bus.emit(&D_, &d(&n.to_string()));
            }
            bus.subscribe(&D_)
                .latest()
                .on(move |e| l.lock().unwrap().push(format!("call {}", e.1)))
                .detach();
            let own = bus.clone();
            let l = log.clone();
            bus.subscribe(&D_)
                .priority(3)
                .on(move |e| {
                    if e.1 == "x" {
                        own.emit(&D_, &D(l.clone(), "y".into()));
                    }
                })
                .detach();
            say(format!("{:?}", bus.emit(&D_, &d("x"))));
        }
        5 => {
            bus.on(&D_, |_| Err::<(), _>("one")).detach();
            let cap = d("once");
            bus.once(&D_, move |_| _ = &cap).detach();
            bus.on(&D_, |_| slotcast::Flow::Stop).detach();
            bus.on(&D_, |_| unreachable!()).detach();
            for n in 0..2 {
                let done = bus.emit(&D_, &d(&n.to_string()));
                say(format!("{done:?} {:?}", done.errors()));
            }
            for n in 0..3 {
                bus.defer(&D_, d(&n.to_string())).ok().unwrap();
            }
            let done = bus.drain();
            say(format!("{done:?} {:?}", done.errors()));
        }
        6 => {
            let signal = bus.signal(&D_);
            let l = log.clone();
            let cap = d("cap");
            signal
                .on(move |e| {
                    _ = &cap;
                    l.lock().unwrap().push(format!("call {}", e.1))
                })
                .detach();
            for n in 0..3 {
                signal.defer_via(bus, d(&n.to_string()));
            }
            signal.close();
            drop(signal);
            say(format!("{:?}", bus.drain()));
            say(format!("{:?}", bus.topics()));
        }
        7 => {
            bus.set_unhandled_hook({
                let l = log.clone();
                move |e: &slotcast::AnyEvent| l.lock().unwrap().push(format!("lost {}", e.topic()))
            });
            let dead = Arc::new(());
            bus.subscribe(&D_).on_weak(&dead, |_, _| ()).detach();
            drop(dead);
            say(format!("{:?}", bus.emit(&D_, &d("a"))));
            say(format!("{:?}", bus.emit(&D2, &d("b"))));
            bus.defer(&D_, d("c")).ok().unwrap();
            bus.defer(&D2, d("d")).ok().unwrap();
            say(format!("{:?}", bus.drain()));
            say(format!("{:?}", bus.topics()));
        }
        8 => {
            let slot: Arc<Mutex<Option<slotcast::Subscription>>> = Arc::default();
            let (own, l) = (slot.clone(), log.clone());
            bus.on(&D_, move |_| {
                l.lock().unwrap().push("first".into());
                drop(own.lock().unwrap().take());
            })
            .detach();
            let (cap, l) = (d("second"), log.clone());
            *slot.lock().unwrap() = Some(bus.on(&D_, move |_| {
                _ = &cap;
                l.lock().unwrap().push("second".into())
            }));
            let l = log.clone();
            bus.on(&D_, move |_| l.lock().unwrap().push("third".into()))
                .detach();
            say(format!("{:?}", bus.emit(&D_, &d("e"))));
        }
        9 => {
            let next = bus.next_where(&D_, |_: &D| true);
            let mut next = Box::pin(next);
            _ = next
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending();
            say(format!("{:?}", bus.emit(&D_, &d("e"))));
            say(format!("{:?}", bus.topics()));
            _ = next
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending();
            drop(next);
            say(format!("{:?} {:?}", bus.emit(&D_, &d("f")), bus.topics()));
        }
        _ => {
            // Posts.
            for n in 0..3 {
                let (cap, l) = (d(&format!("post {n}")), log.clone());
                queue
                    .post(move || {
                        _ = &cap;
                        l.lock().unwrap().push(format!("run {n}"));
                    })
                    .ok()
                    .unwrap();
            }
            say(format!("{:?}", queue.drain()));
            bus.defer_latest(&D_, d("a")).ok().unwrap();
            bus.defer_latest(&D_, d("b")).ok().unwrap();
            bus.defer(&D2, d("c")).ok().unwrap();
            bus.defer_latest(&D_, d("e")).ok().unwrap();
            say(format!("{:?}", bus.drain()));
        }
    }
}
trait Via {
    fn defer_via(&self, bus: &Bus, d: D);
}
impl Via for Signal<D> {
    fn defer_via(&self, bus: &Bus, d: D) {
        bus.queue().defer(self, d).ok().unwrap();
    }
}

#[test]
fn differential() {
    let mut wrong = 0;
    for number in 0..11 {
        let run = |follow: bool| {
            let log = Log::default();
            let bus: Bus = Bus::builder().panics(Panics::Contain).build();
            bus.set_error_hook(|_| ());
            let following = follow.then(|| bus.follow(Follow::new().show(&D_, |d| d.1.clone())));
            scenario(number, &bus, &log);
            // Ends what keeps itself: a handler with its own bus.
            bus.close();
            drop(bus);
            log.lock().unwrap().push("end".into());
            drop(following);
            std::mem::take(&mut *log.lock().unwrap())
        };
        let (without, with) = (run(false), run(true));
        println!("{number}: {} lines", with.len());
        if without != with {
            wrong += 1;
            println!("== {number}\n{without:#?}\n{with:#?}");
        }
    }
    assert_eq!(wrong, 0);
}

#[test]
fn two_on_queues_waiting_in_a_full_tail() {
    // A cause in progress that leaves the tail: counts stay exact.
    let bus = Bus::new();
    let following = bus.follow(Follow::new().tail(0));
    let own = bus.clone();
    bus.subscribe(&PLACED)
        .label("o")
        .on(move |n| {
            for _ in 0..5 {
                own.emit(&BILLED, n);
            }
            Err::<(), _>("x")
        })
        .detach();
    bus.subscribe(&BILLED).label("i").on(|_| ()).detach();
    _ = bus.emit(&PLACED, &1).errors();
    let report = following.report();
    assert_eq!((of(&report, "o"), of(&report, "i")), ((1, 1, 0), (5, 0, 0)));
    bus.close();
}

#[test]
fn a_following_that_begins_while_another_ends_in_step() {
    use std::hint::spin_loop;
    fn both<T: Send + Sync>() {}
    both::<slotcast::Following>();
    let bus = Bus::new();
    let round = AtomicUsize::new(0);
    let end = AtomicBool::new(false);
    let made = Mutex::new(None);
    let (mut lost, mut rounds) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut seen = 0;
            while !end.load(SeqCst) {
                let now = round.load(SeqCst);
                if now == seen {
                    spin_loop();
                    continue;
                }
                seen = now;
                for _ in 0..(seen * 7919 % 400) {
                    spin_loop();
                }
                let it = bus.follow(Follow::new());
                *made.lock().unwrap() = Some(it);
            }
        });
        while rounds < 3_000 && lost == 0 {
            rounds += 1;
            let one = bus.follow(Follow::new());
            round.fetch_add(1, SeqCst);
            for _ in 0..(rounds * 104729 % 300) {
                spin_loop();
            }
            drop(one);
            let two = loop {
                if let Some(it) = made.lock().unwrap().take() {
                    break it;
                }
                spin_loop();
            };
            bus.emit(&PLACED, &1);
            lost += usize::from(two.report().topics().is_empty());
        }
        end.store(true, SeqCst);
    });
    assert_eq!(lost, 0, "after {rounds} rounds");
}

#[test]
fn queued_calls_race_with_the_end() {
    let bus = Bus::new();
    let panics = Mutex::new(Vec::new());
    let done = AtomicBool::new(false);
    let current = Mutex::new(Arc::new(bus.follow(Follow::new())));
    let queues: Vec<Queue> = (0..2).map(|_| Queue::new()).collect();
    for q in &queues {
        bus.subscribe(&PLACED).on_queue(q, |(), _| ()).detach();
    }
    std::thread::scope(|scope| {
        for q in &queues {
            let (bus, done, panics) = (&bus, &done, &panics);
            scope.spawn(move || {
                while !done.load(SeqCst) {
                    let run = || {
                        bus.emit(&PLACED, &1);
                        q.drain();
                    };
                    if let Err(it) = catch_unwind(AssertUnwindSafe(run)) {
                        panics
                            .lock()
                            .unwrap()
                            .push(it.downcast_ref::<String>().cloned());
                    }
                }
            });
        }
        scope.spawn(|| {
            while !done.load(SeqCst) {
                let it = current.lock().unwrap().clone();
                let _ = it.report();
            }
        });
        for _ in 0..500 {
            let next = Arc::new(bus.follow(Follow::new()));
            *current.lock().unwrap() = next;
            std::thread::sleep(std::time::Duration::from_micros(300));
        }
        done.store(true, SeqCst);
    });
    assert_eq!(panics.into_inner().unwrap(), []);
}
