//! The feature `tracing`: what a subscriber is told, and that it may do what handlers may.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use slotcast::{Bus, Flow, HandlerResult, Overflow, Panics, Queue, Signal, Topic, local};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, info_span};
use tracing_core::span::Current;

use crate::log::{Log, OnDrop, boom, panic_of};

mod awaited;

const PLACED: Topic<u32> = Topic::new("order.placed");
const SHIPPED: Topic<u32> = Topic::new("order.shipped");

/// Writes down what it is told, and calls `meddle` from inside each time.
struct Teller {
    log: Log,
    level: Level,
    meddle: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spans: Vec<&'static Metadata<'static>>,
    /// How many handles each span has.
    handles: Vec<usize>,
    entered: Vec<Id>,
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Teller {
    fn new(log: &Log) -> Self {
        Teller {
            log: log.clone(),
            level: Level::DEBUG,
            meddle: Box::new(|| ()),
            state: Mutex::default(),
        }
    }

    fn meddling(log: &Log, meddle: impl Fn() + Send + Sync + 'static) -> Self {
        Teller {
            meddle: Box::new(meddle),
            ..Self::new(log)
        }
    }
}

struct Fields<'f>(&'f mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Where every bus is followed, every span has a cause.
        let is_everywhere = cfg!(slotcast_follow) && field.name() == "cause";
        if field.name() != "place" && !is_everywhere {
            self.0.push_str(&format!(" {field}={value:?}"));
        }
    }
}

impl Subscriber for Teller {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Asked under a lock of `tracing` itself, which a panic would poison for all tests.
        Interest::sometimes()
    }
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        (self.meddle)();
        *metadata.level() <= self.level
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        (self.meddle)();
        let mut state = self.state.lock().unwrap();
        state.spans.push(span.metadata());
        state.handles.push(1);
        let id = state.spans.len();
        let mut line = format!("{id}: {}", span.metadata().name());
        if let Some(parent) = state.entered.last() {
            line.push_str(&format!(" in {}", parent.into_u64()));
        }
        span.record(&mut Fields(&mut line));
        self.log.add(line);
        Id::from_u64(id as u64)
    }
    fn record(&self, span: &Id, values: &Record<'_>) {
        (self.meddle)();
        let mut line = format!("{}:", span.into_u64());
        values.record(&mut Fields(&mut line));
        self.log.add(line);
    }
    fn record_follows_from(&self, span: &Id, follows: &Id) {
        (self.meddle)();
        let (span, follows) = (span.into_u64(), follows.into_u64());
        self.log.add(format!("{span}: follows {follows}"));
    }
    fn event(&self, event: &Event<'_>) {
        (self.meddle)();
        let mut line = event.metadata().level().to_string();
        if let Some(parent) = self.state.lock().unwrap().entered.last() {
            line.push_str(&format!(" in {}", parent.into_u64()));
        }
        event.record(&mut Fields(&mut line));
        self.log.add(line);
    }
    fn enter(&self, span: &Id) {
        (self.meddle)();
        self.state.lock().unwrap().entered.push(span.clone());
    }
    fn exit(&self, span: &Id) {
        (self.meddle)();
        let entered = self.state.lock().unwrap().entered.pop();
        assert_eq!(entered.as_ref(), Some(span));
    }
    fn clone_span(&self, span: &Id) -> Id {
        (self.meddle)();
        self.state.lock().unwrap().handles[index(span)] += 1;
        span.clone()
    }
    fn try_close(&self, span: Id) -> bool {
        (self.meddle)();
        let mut state = self.state.lock().unwrap();
        let handles = &mut state.handles[index(&span)];
        *handles -= 1;
        let gone = *handles == 0;
        if gone {
            self.log.add(format!("{}: closed", span.into_u64()));
        }
        gone
    }
    fn current_span(&self) -> Current {
        (self.meddle)();
        let state = self.state.lock().unwrap();
        match state.entered.last() {
            Some(id) => Current::new(id.clone(), state.spans[index(id)]),
            None => Current::none(),
        }
    }
}

/// Wants nothing, and lets others want what they like.
struct Quiet;

impl Subscriber for Quiet {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        unreachable!("nothing is enabled")
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Runs `f` with a subscriber of this thread.
///
/// As long as there is but one subscriber in the process, `tracing` asks that of the thread that
/// comes to a callsite first, which here may be another test's and have none, and takes its answer
/// for everybody's. So there are two more.
fn with_default<R>(subscriber: Teller, f: impl FnOnce() -> R) -> R {
    static MORE: OnceLock<[Dispatch; 2]> = OnceLock::new();
    MORE.get_or_init(|| [Dispatch::new(Quiet), Dispatch::new(Quiet)]);
    tracing::subscriber::with_default(subscriber, f)
}

/// What a subscriber is told while `f` runs.
fn told(f: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    with_default(Teller::new(&log), f);
    log.take()
}

#[test]
fn each_emission_that_has_handlers_has_a_span() {
    let told = told(|| {
        let bus = Bus::new();
        let own = bus.downgrade();
        let _outer = bus.on(&PLACED, move |n| {
            own.upgrade().unwrap().emit(&SHIPPED, n);
        });
        let _stops = bus.on(&PLACED, |n| match n {
            0 => Flow::Stop,
            _ => Flow::Continue,
        });
        let _last = bus.on(&PLACED, |_| ());
        bus.emit(&PLACED, &0);
        let _any = bus.on_pattern("order.*", |_| ());
        bus.emit(&PLACED, &1);
    });
    assert_eq!(
        told,
        [
            "1: emission topic=\"order.placed\"",
            "1: ran=2",
            "1: stopped=true",
            "1: closed",
            "2: emission topic=\"order.placed\"",
            "3: emission in 2 topic=\"order.shipped\"",
            "3: ran=1",
            "3: closed",
            "2: ran=4",
            "2: closed",
        ]
    );
}

#[cfg(all(feature = "follow", not(slotcast_follow)))]
#[test]
fn spans_of_what_is_followed_have_its_cause() {
    let causes = Arc::new(Mutex::new(Vec::new()));
    let told = told(|| {
        let (bus, queue) = (Bus::new(), Queue::new());
        let _following = bus.follow(slotcast::Follow::new());
        let note = {
            let causes = causes.clone();
            move || causes.lock().unwrap().push(slotcast::cause().unwrap())
        };
        let noted = note.clone();
        bus.on(&PLACED, move |_| noted()).detach();
        bus.subscribe(&PLACED)
            .on_queue(&queue, move |(), _| note())
            .detach();
        bus.emit(&PLACED, &0);
        queue.drain();
    });
    let causes = causes.lock().unwrap();
    assert_eq!(
        told[0],
        format!("1: emission topic=\"order.placed\" cause={}", causes[0])
    );
    let call = told.iter().find(|it| it.contains("call topic"));
    assert!(
        call.unwrap().ends_with(&format!("cause={}", causes[1])),
        "{told:?}"
    );
}

#[test]
fn local_emissions_have_spans_too() {
    let told = told(|| {
        let signal = local::Signal::<u32>::new();
        let _sub = signal.on(|_| ());
        signal.emit_lazy(|| 1);
    });
    let expected = ["1: emission topic=\"u32\"", "1: ran=1"];
    assert_eq!(told[..2], expected);
}

#[test]
fn a_failure_is_an_event_in_its_emission_and_a_line_of_the_log_if_nobody_looks() {
    let line = "handler \"audit\" of \"order.placed\" (subscribed at ";
    let told = told(|| {
        let bus = Bus::new();
        let _sub = bus
            .subscribe(&PLACED)
            .label("audit")
            .on(|_| Err::<(), _>("disk full"));
        assert_eq!(bus.emit(&PLACED, &1).errors().len(), 1);
        bus.emit(&PLACED, &2);
    });
    let failed: Vec<_> = told.iter().filter(|it| it.contains("message=")).collect();
    assert_eq!(failed.len(), 3, "{told:?}");
    let rest = [" in 1", " in 2", ""].map(|place| {
        let level = if place.is_empty() { "ERROR" } else { "DEBUG" };
        format!("{level}{place} message={line}")
    });
    for (failed, rest) in failed.iter().zip(rest) {
        assert!(failed.starts_with(&rest), "{failed}");
        let fields = "failed: disk full topic=\"order.placed\" label=\"audit\" kind=Failed";
        assert!(failed.ends_with(fields), "{failed}");
    }
}

#[test]
fn a_panic_is_told_once_by_the_innermost_emission() {
    let told = told(|| {
        let bus = Bus::new();
        let own = bus.downgrade();
        let _outer = bus.on(&PLACED, move |n| {
            own.upgrade().unwrap().emit(&SHIPPED, n);
        });
        let _inner = bus.on(&SHIPPED, |_| boom("inner"));
        assert_eq!(panic_of(|| bus.emit(&PLACED, &1)), "inner");
    });
    let failed: Vec<_> = told.iter().filter(|it| it.contains("message=")).collect();
    assert_eq!(failed.len(), 1, "{told:?}");
    assert!(failed[0].starts_with("DEBUG in 2 ") && failed[0].ends_with(" kind=Panicked"));
}

#[test]
fn whatever_is_logged_goes_to_the_subscriber() {
    let told = told(|| {
        let bus = Bus::builder().panics(Panics::Contain).max_depth(1).build();
        let own = bus.downgrade();
        let _sub = bus.on(&PLACED, move |n| {
            own.upgrade().unwrap().emit(&PLACED, n);
        });
        bus.emit(&PLACED, &1);
        drop(bus);
        Queue::new().post(|| ()).unwrap();
        let bus = Bus::new();
        bus.set_error_hook(|_| boom("hook"));
        let _sub = bus.on(&PLACED, |_| Err::<(), _>("failed"));
        bus.emit(&PLACED, &1);
    });
    let logged: Vec<_> = told.iter().filter(|it| it.contains("ERROR")).collect();
    assert_eq!(logged.len(), 3, "{told:?}");
    assert!(logged[0].contains("kind=TooDeep") && logged[1].contains("kind=Undelivered"));
    assert_eq!(*logged[2], "ERROR in 2 message=error hook panicked: hook");
}

#[test]
fn a_deferred_event_follows_from_the_span_it_was_deferred_in() {
    let told = told(|| {
        let bus = Bus::new();
        let _sub = bus.on(&PLACED, |_| ());
        let signal = bus.signal(&PLACED);
        for name in ["a", "b"] {
            let span = match name {
                "a" => info_span!("a"),
                _ => info_span!("b"),
            };
            let _entered = span.enter();
            bus.defer(&PLACED, 1).unwrap();
            signal.defer(2).unwrap();
        }
        bus.defer(&PLACED, 3).unwrap();
        bus.drain();
    });
    let follows: Vec<_> = told
        .iter()
        .filter(|it| it.contains("emission") || it.contains("follows"))
        .collect();
    assert_eq!(
        follows,
        [
            "3: emission topic=\"order.placed\"",
            "3: follows 1",
            "4: emission topic=\"order.placed\"",
            "4: follows 1",
            "5: emission topic=\"order.placed\"",
            "5: follows 2",
            "6: emission topic=\"order.placed\"",
            "6: follows 2",
            "7: emission topic=\"order.placed\"",
        ]
    );
    // Kept open until the last of them was delivered.
    let place = |line: &str| told.iter().position(|it| it == line).unwrap();
    assert!(place("4: closed") < place("1: closed"));
    assert!(place("1: closed") < place("5: follows 2"));
    assert!(place("2: closed") < place(follows[8]));
}

#[test]
fn events_of_a_bounded_queue_follow_from_their_span_each() {
    let told = told(|| {
        let queue = Queue::<()>::new().bounded(4, Overflow::DropOldest);
        let signal = Signal::<u32>::new();
        let _sub = signal.on(|_| ());
        {
            let _entered = info_span!("here").entered();
            (0..6).for_each(|n| queue.defer(&signal, n).unwrap());
        }
        queue.drain();
    });
    let follows = told.iter().filter(|it| it.ends_with("follows 1"));
    assert_eq!(follows.count(), 4);
    assert_eq!(told[told.len() - 2..], ["5: closed", "1: closed"]);
}

#[test]
fn emissions_that_no_list_is_published_for_have_spans_as_well() {
    let told = told(|| {
        let bus = Bus::new();
        bus.retain_last(&PLACED);
        bus.emit(&PLACED, &0);
        let _new = bus.on(&PLACED, |_| ());
        {
            let _entered = info_span!("here").entered();
            bus.defer(&PLACED, 1).unwrap();
        }
        bus.drain();
        let _any = bus.on_pattern("lost.*", |_| ());
        bus.emit(&Topic::new("lost.one"), &1);
    });
    let expected = [
        "1: emission topic=\"order.placed\"",
        "1: ran=1",
        "1: closed",
        "2: here",
        "3: emission topic=\"order.placed\"",
        "3: follows 2",
        "3: ran=1",
        "3: closed",
        "2: closed",
        "4: emission topic=\"lost.one\"",
        "4: ran=1",
        "4: closed",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_queued_call_follows_from_the_emission_that_claimed_it() {
    let told = told(|| {
        let (bus, ui) = (Bus::new(), Queue::<u32>::with_context());
        let subscribe = bus.subscribe(&PLACED).label("ui");
        let _sub = subscribe.on_queue(&ui, |sum: &mut u32, n| -> HandlerResult {
            *sum += n;
            Err("not shown")?
        });
        bus.emit(&PLACED, &1);
        ui.post_with(|sum| *sum += 1).unwrap();
        let mut sum = 0;
        assert_eq!(ui.drain_with(&mut sum).errors().len(), 1);
        assert_eq!(sum, 2);
    });
    assert_eq!(told.len(), 9, "{told:?}");
    assert_eq!(
        told[..4],
        [
            "1: emission topic=\"order.placed\"",
            "1: ran=1",
            "2: call topic=\"order.placed\" label=\"ui\"",
            "2: follows 1",
        ]
    );
    assert!(told[4].starts_with("DEBUG in 2 message="));
    assert_eq!(
        told[5..],
        [
            "2: closed",
            "1: closed",
            "3: call topic=\"(queue)\"",
            "3: closed"
        ]
    );
}

#[test]
fn whatever_becomes_of_deferred_events_their_spans_are_let_go_of() {
    let ways: [fn(&Bus); 4] = [
        |bus| _ = bus.drain(),
        |bus| _ = bus.queue().clear(),
        |_| (),
        |bus| bus.close(),
    ];
    for way in ways {
        let told = told(|| {
            let bus = Bus::new();
            let span = info_span!("a");
            span.in_scope(|| {
                bus.defer(&PLACED, 1).unwrap();
                bus.defer(&PLACED, 2).unwrap();
                bus.defer(&SHIPPED, 3).unwrap();
            });
            way(&bus);
            span.in_scope(|| drop(bus.defer(&PLACED, 4)));
        });
        assert!(told.contains(&"1: closed".to_owned()), "{told:?}");
    }
}

#[test]
fn a_subscriber_that_is_not_interested_hears_of_failures_alone() {
    let log = Log::default();
    let subscriber = Teller {
        level: Level::INFO,
        ..Teller::new(&log)
    };
    with_default(subscriber, || {
        let bus = Bus::new();
        let _sub = bus.on(&PLACED, |_| Err::<(), _>("failed"));
        bus.emit(&PLACED, &1);
        info_span!("a").in_scope(|| bus.defer(&PLACED, 1).unwrap());
        assert_eq!(bus.drain().errors().len(), 1);
    });
    let told = log.take();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("ERROR message="));
    assert_eq!(told[1..], ["1: a", "1: closed"]);
}

/// A bus whose handlers do all that calls a subscriber.
fn busy() -> (Bus, Queue<u32>, Vec<slotcast::Subscription>) {
    let (bus, ui) = (Bus::new(), Queue::<u32>::with_context());
    let own = bus.downgrade();
    let subs = vec![
        bus.on(&PLACED, move |n| {
            own.upgrade().unwrap().defer(&SHIPPED, *n).unwrap();
            Err::<(), _>("failed")
        }),
        bus.on(&SHIPPED, |_| ()),
        bus.on_pattern(">", |_| ()),
        bus.subscribe(&PLACED).on_queue(&ui, |sum, n| *sum += n),
    ];
    (bus, ui, subs)
}

fn use_all(bus: &Bus, ui: &Queue<u32>) {
    bus.emit(&PLACED, &1);
    bus.emit(&Topic::new("nobody.holds"), &1);
    (0..3).for_each(|n| bus.defer(&PLACED, n).unwrap());
    assert_eq!(bus.queue().drain_until_idle(100).delivered(), 7);
    let mut sum = 0;
    assert_eq!(ui.drain_with(&mut sum).delivered(), 4);
    assert_eq!((sum, bus.queue().len()), (4, 0));
}

#[test]
fn a_subscriber_may_use_the_bus_it_is_told_of() {
    let ((bus, ui, _subs), log) = (busy(), Log::default());
    let used = Arc::new(AtomicUsize::new(0));
    let own = (bus.downgrade(), used.clone());
    let meddle = move || {
        let Some(bus) = own.0.upgrade() else { return };
        let other = bus.signal(&Topic::<OnDrop<fn()>>::new("other"));
        let _sub = other.on(|_| ());
        other.emit(&OnDrop(|| ()));
        bus.emit(&Topic::new("unheld"), &1_u64);
        _ = (bus.topics(), bus.queue().len(), bus.signal(&PLACED).len());
        drop(bus.on_pattern("order.*", |_| ()));
        own.1.fetch_add(1, Relaxed);
    };
    with_default(Teller::meddling(&log, meddle), || use_all(&bus, &ui));
    assert!(used.load(Relaxed) > 20);
    // Of what it does itself it is not told.
    let told = log.take();
    let own = |line: &String| line.contains("other") || line.contains("unheld");
    assert!(told.len() > 20 && !told.iter().any(own), "{told:?}");
}

#[test]
fn a_subscriber_that_panics_keeps_nothing_from_anybody() {
    for n in 0.. {
        let ((bus, ui, _subs), log) = (busy(), Log::default());
        let calls = Arc::new(AtomicUsize::new(0));
        let meddle = {
            let calls = calls.clone();
            move || {
                if calls.fetch_add(1, Relaxed) == n {
                    boom("subscriber");
                }
            }
        };
        with_default(Teller::meddling(&log, meddle), || use_all(&bus, &ui));
        if calls.load(Relaxed) <= n {
            assert!(n > 20, "{n}");
            break;
        }
    }
}

#[test]
fn a_signal_without_handlers_has_no_span() {
    let told = told(|| {
        let signal = Signal::<u32>::new();
        signal.emit(&1);
        Bus::new().emit(&PLACED, &1);
    });
    assert!(told.is_empty(), "{told:?}");
}
