//! What is allocated, when, and when it goes: counted by an allocator that counts for each thread
//! apart, so that tests do not disturb each other.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use slotcast::flavour::{
    Bus, Carries, Flavour, Local, Queue, Scope, Shared, Shares, Signal, Subscription,
};
use slotcast::{Flow, IntoPattern, Overflow, Pattern, Topic};

thread_local! {
    /// Bytes that this thread allocated, less those that it freed.
    static BYTES: Cell<isize> = const { Cell::new(0) };
    /// How often this thread allocated, or grew what it had.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: isize, allocations: usize) {
    // Plain cells without a destructor: there as long as the thread is.
    BYTES.set(BYTES.get() + bytes);
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "no allocation is larger than half of the memory"
)]
fn signed(bytes: usize) -> isize {
    bytes as isize
}

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()), 1);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-signed(layout.size()), 0);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(signed(size) - signed(layout.size()), 1);
        // SAFETY: as the caller says.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// How many bytes more are in use after `f` than before, what it returns included.
fn bytes_of<R>(f: impl FnOnce() -> R) -> (isize, R) {
    let before = BYTES.get();
    let result = f();
    (BYTES.get() - before, result)
}

/// How often `f` allocates.
fn allocations_of(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

type Plain = fn(&u32) -> Flow;
type Passes = fn(&u32) -> bool;
type Nested<M> = fn(&mut Nest<M>, &u32);
type Later = fn(&mut (), &u32);
type Capturing = Box<dyn Fn(&u32) + Send + Sync>;

/// Either flavour, with what the tests subscribe and send.
trait Either:
    Flavour
    + Shares<Plain>
    + Shares<Passes>
    + Shares<Nested<Self>>
    + Shares<Later>
    + Shares<Capturing>
    + Carries<u32>
    + Carries<[u64; 5]>
    + Carries<String>
    + Carries<Capturing>
    + Carries<Plain>
{
    /// Subscribes a handler without captures, whose type has no name.
    fn on_nothing(signal: &Signal<Self, u32>) -> Subscription<Self>;
    /// The same, by a pattern.
    fn on_any(bus: &Bus<Self>, pattern: impl IntoPattern) -> Subscription<Self>;
    /// A target, and a weak handler of it.
    fn on_target(signal: &Signal<Self, u32>) -> (Self::Ptr<u64>, Subscription<Self>);
    /// An async handler.
    fn on_started(signal: &Signal<Self, u32>) -> Subscription<Self>;
}

impl Either for Shared {
    fn on_nothing(signal: &Signal<Self, u32>) -> Subscription<Self> {
        signal.on(|_| ())
    }
    fn on_any(bus: &Bus<Self>, pattern: impl IntoPattern) -> Subscription<Self> {
        bus.on_pattern(pattern, |_| ())
    }
    fn on_target(signal: &Signal<Self, u32>) -> (Arc<u64>, Subscription<Self>) {
        let target = Arc::new(7);
        let sub = signal.on_weak(&target, |_, _| ());
        (target, sub)
    }
    fn on_started(signal: &Signal<Self, u32>) -> Subscription<Self> {
        signal.subscribe().on_async(async |_| ())
    }
}

impl Either for Local {
    fn on_nothing(signal: &Signal<Self, u32>) -> Subscription<Self> {
        signal.on(|_| ())
    }
    fn on_any(bus: &Bus<Self>, pattern: impl IntoPattern) -> Subscription<Self> {
        bus.on_pattern(pattern, |_| ())
    }
    fn on_target(signal: &Signal<Self, u32>) -> (std::rc::Rc<u64>, Subscription<Self>) {
        let target = std::rc::Rc::new(7);
        let sub = signal.on_weak(&target, |_, _| ());
        (target, sub)
    }
    fn on_started(signal: &Signal<Self, u32>) -> Subscription<Self> {
        signal.subscribe().on_async(async |_| ())
    }
}

/// Runs a test on both flavours.
macro_rules! on_both {
    ($($(#[$attribute:meta])* $test:ident;)*) => {
        mod shared {
            $($(#[$attribute])* #[test] fn $test() { super::$test::<slotcast::flavour::Shared>(); })*
        }
        mod local {
            $($(#[$attribute])* #[test] fn $test() { super::$test::<slotcast::flavour::Local>(); })*
        }
    };
}

on_both! {
    emitting_allocates_nothing_after_the_first;
    nested_emissions_allocate_nothing_after_the_first;
    emitting_to_nobody_allocates_nothing;
    deferring_and_draining_allocates_nothing_once_warm;
    queued_handlers_allocate_nothing_once_warm;
    replacing_and_delaying_allocates_nothing_once_warm;
    dropping_what_overflows_allocates_nothing_once_warm;
    ten_million_moves_take_the_memory_of_one;
    moves_between_those_of_another_topic_take_the_memory_of_two;
    a_million_delayed_and_cancelled_leave_nothing;
    a_hundred_thousand_delayed_events_cost_the_logarithm;
    a_cleared_queue_is_as_small_as_a_new_one;
    a_million_futures_leave_nothing;
    a_million_waiters_leave_nothing;
    streams_allocate_nothing_once_warm;
    idle_signal_takes_at_most_320_bytes;
    further_handler_takes_at_most_160_bytes;
    signal_that_goes_leaves_nothing;
    captures_go_with_each_cancel_oldest_first;
    captures_go_with_each_cancel_at_random;
    captures_go_with_each_cancel_between_emissions;
    a_million_subscribed_and_cancelled_leave_nothing;
    a_burst_of_handlers_does_not_add_up;
    a_burst_of_events_does_not_add_up;
    a_cleared_signal_is_as_small_as_a_new_one;
    a_million_names_emitted_create_nothing;
    many_names_in_turn_leave_nothing;
    a_million_names_under_a_pattern_create_nothing;
    patterns_that_come_and_go_leave_nothing;
    topic_exists_while_a_handle_does;
    topic_exists_while_a_handler_does;
    topic_exists_while_a_deferred_event_does;
    topic_is_not_created_by_asking;
    topic_that_has_gone_binds_no_type;
    weak_targets_that_died_do_not_add_up;
    weak_targets_that_died_do_not_keep_their_topics;
    a_scope_does_not_grow_by_what_has_ended;
    replacing_leaves_nothing;
    forwarding_to_what_has_gone_leaves_nothing;
    awaited_emissions_leave_nothing;
    turns_and_targets_and_replacements_allocate_nothing;
}

/// As many as `n`, and a few where each step is slow.
fn times(n: usize) -> usize {
    if cfg!(miri) { n.min(300) } else { n }
}

/// A signal with all that stands between an event and a handler.
fn subscribe_all_kinds<M: Either>(signal: &Signal<M, u32>) -> impl Sized + use<M> {
    let go_on: Plain = |_| Flow::Continue;
    let stop_at_three: Plain = |n| if *n == 3 { Flow::Stop } else { Flow::Continue };
    let is_even: Passes = |n| n % 2 == 0;
    let is_small: Passes = |n| *n < 1000;
    let paused = signal.on(go_on);
    let pauses = [paused.pause(), paused.pause()];
    let others = [
        signal.on(go_on),
        signal.subscribe().priority(7).on(stop_at_three),
        signal.subscribe().priority(-7).label("last").on(go_on),
        signal
            .subscribe()
            .filter(is_even)
            .filter(is_small)
            .label("even")
            .on(go_on),
        signal.subscribe().limit(usize::MAX).on(go_on),
        signal
            .subscribe()
            .limit(usize::MAX)
            .filter(is_even)
            .priority(i32::MIN)
            .label("all")
            .on(go_on),
    ];
    (paused, pauses, others)
}

fn emitting_allocates_nothing_after_the_first<M: Either>() {
    const TICK: Topic<u32> = Topic::new("tick");
    let bus = Bus::<M>::new();
    let made = Topic::<u32>::named("made.by.name").unwrap();
    let (tick, alone) = (bus.signal(&TICK), Signal::<M, u32>::new());
    let _subs = [&tick, &alone, &bus.signal(&made)].map(subscribe_all_kinds);
    let emit = |n: u32| {
        // The paused one stays out, the filtering ones at odd numbers, and after a stop all others.
        let ran = match n {
            3 => 1,
            n if n % 2 == 0 => 6,
            _ => 4,
        };
        assert_eq!(tick.emit(&n).ran(), ran);
        assert_eq!(tick.emit_lazy(|| n).ran(), ran);
        assert_eq!(alone.emit(&n).ran(), ran);
        assert_eq!(bus.emit(&TICK, &n).ran(), ran);
        assert_eq!(bus.emit(&made, &n).ran(), ran);
        assert_eq!(bus.emit_lazy(&made, || n).stopped(), n == 3);
    };
    emit(0);
    assert_eq!(allocations_of(|| (0..100).for_each(emit)), 0);
    // A pause is no change of the handlers.
    let sub = M::on_nothing(&tick);
    tick.emit(&0);
    let pausing = || {
        let pause = sub.pause();
        assert_eq!(tick.emit(&0).ran(), 6);
        drop(pause);
        assert_eq!(tick.emit(&0).ran(), 7);
    };
    assert_eq!(allocations_of(pausing), 0);
}

#[test]
fn emitting_allocates_nothing_after_the_first_of_each_thread() {
    let signal = slotcast::Signal::<u32>::new();
    let _subs = subscribe_all_kinds(&signal);
    for _ in 0..3 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                signal.emit(&1);
                assert_eq!(
                    allocations_of(|| (0..100).for_each(|n| _ = signal.emit(&n))),
                    0
                );
            });
        });
    }
}

/// The context of handlers that emit on their own signal.
struct Nest<M: Either> {
    signal: Signal<M, u32, Nest<M>>,
    deepest: u32,
}

fn nested_emissions_allocate_nothing_after_the_first<M: Either>() {
    let signal = Signal::<M, u32, Nest<M>>::with_context();
    let handler: Nested<M> = |nest, level| {
        nest.deepest = nest.deepest.max(*level);
        if *level < 40 {
            nest.signal.clone().emit_with(nest, &(level + 1));
        }
    };
    let _sub = signal
        .subscribe()
        .priority(1)
        .label("nesting")
        .on_with(handler);
    let mut nest = Nest {
        signal: signal.clone(),
        deepest: 0,
    };
    signal.emit_with(&mut nest, &40);
    let emit = || {
        let done = signal.emit_with(&mut nest, &1);
        assert_eq!((done.ran(), nest.deepest), (1, 40));
    };
    assert_eq!(allocations_of(emit), 0);
}

fn emitting_to_nobody_allocates_nothing<M: Either>() {
    const NOBODY: Topic<u32> = Topic::new("nobody");
    let (bus, signal) = (Bus::<M>::new(), Signal::<M, u32>::new());
    let emit = || {
        assert_eq!(bus.emit(&NOBODY, &1).ran(), 0);
        assert_eq!(signal.emit(&1).ran(), 0);
        assert_eq!(bus.emit_lazy(&NOBODY, || unreachable!()).ran(), 0);
    };
    assert_eq!(allocations_of(emit), 0);
    signal.close();
    bus.close();
    assert_eq!(
        allocations_of(|| assert!(
            signal.emit(&1).is_closed() && bus.emit(&NOBODY, &1).is_closed()
        )),
        0
    );
}

fn deferring_and_draining_allocates_nothing_once_warm<M: Either>() {
    const A: Topic<u32> = Topic::new("a");
    const B: Topic<u32> = Topic::new("b");
    const WIDE: Topic<[u64; 5]> = Topic::new("wide");
    const TEXT: Topic<String> = Topic::new("text");
    let bus = Bus::<M>::new();
    let own = Queue::<M>::new();
    let (a, b, wide, text) = (
        bus.signal(&A),
        bus.signal(&B),
        bus.signal(&WIDE),
        bus.signal(&TEXT),
    );
    let alone = Signal::<M, u32>::new();
    let _subs = [&a, &b, &alone].map(subscribe_all_kinds);
    let round = |events: usize| {
        for n in 0..events {
            // Runs of one topic, of one type, and changing with each event.
            bus.defer(&A, 1).unwrap();
            a.defer(2).unwrap();
            b.defer(3).unwrap();
            wide.defer([0; 5]).unwrap();
            b.defer(4).unwrap();
            if n % 3 == 0 {
                text.defer(String::new()).unwrap();
            }
            own.defer(&a, 5).unwrap();
            own.defer(&alone, 6).unwrap();
        }
        let drained = bus.drain();
        assert_eq!(
            (drained.delivered(), drained.remaining()),
            (5 * events + events.div_ceil(3), 0)
        );
        assert_eq!(own.drain_one().remaining(), 2 * events - 1);
        assert_eq!(own.drain_until_idle(usize::MAX).delivered(), 2 * events - 1);
    };
    // What is filled and what is drained change places.
    round(20);
    round(20);
    assert_eq!(allocations_of(|| (1..=20).for_each(round)), 0);
}

fn queued_handlers_allocate_nothing_once_warm<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let handler: Later = |(), _| ();
    let _subs = [
        signal.subscribe().on_queue(&queue, handler),
        signal
            .subscribe()
            .priority(3)
            .label("later")
            .limit(usize::MAX)
            .on_queue(&queue, handler),
    ];
    let round = |events: usize| {
        for n in 0..20 {
            assert_eq!(signal.emit(&n).ran(), 2);
        }
        assert_eq!(queue.drain().delivered(), events);
    };
    round(40);
    round(40);
    assert_eq!(allocations_of(|| (0..20).for_each(|_| round(40))), 0);
}

fn replacing_and_delaying_allocates_nothing_once_warm<M: Either>() {
    let (queue, number, wide) = (
        Queue::<M>::new(),
        Signal::<M, u32>::new(),
        Signal::<M, [u64; 5]>::new(),
    );
    let _subs = subscribe_all_kinds(&number);
    let start = Instant::now();
    let round = || {
        for n in 0..20 {
            queue.defer(&number, n).unwrap();
            queue.defer_latest(&number, n).unwrap();
            queue.defer_latest(&wide, [0; 5]).unwrap();
            queue.defer_at(start, &number, n).unwrap();
            assert!(queue.defer_at(start, &wide, [0; 5]).unwrap().cancel());
        }
        assert_eq!(queue.drain_at(start).delivered(), 42);
    };
    round();
    round();
    assert_eq!(allocations_of(|| (0..20).for_each(|_| round())), 0);
}

fn dropping_what_overflows_allocates_nothing_once_warm<M: Either>() {
    let queue = Queue::<M>::new().bounded(20, Overflow::DropOldest);
    let (number, text) = (Signal::<M, u32>::new(), Signal::<M, String>::new());
    let _subs = subscribe_all_kinds(&number);
    let round = || {
        for n in 0..40 {
            queue.defer(&number, n).unwrap();
            queue.defer(&text, String::new()).unwrap();
        }
        assert_eq!(queue.drain().delivered(), 20);
    };
    round();
    round();
    assert_eq!(allocations_of(|| (0..20).for_each(|_| round())), 0);
}

fn ten_million_moves_take_the_memory_of_one<M: Either>() {
    let (queue, mouse) = (Queue::<M>::new(), Signal::<M, u32>::new());
    queue.defer_latest(&mouse, 0).unwrap();
    queue.drain();
    let millions = u32::try_from(times(10_000_000)).unwrap();
    let moves = || (0..millions).for_each(|n| queue.defer_latest(&mouse, n).unwrap());
    let allocations = allocations_of(|| assert_eq!(bytes_of(moves).0, 0));
    assert_eq!((allocations, queue.len()), (0, 1));
    assert_eq!(queue.drain().delivered(), 1);
}

fn moves_between_those_of_another_topic_take_the_memory_of_two<M: Either>() {
    let queue = Queue::<M>::new();
    let signals = [(); 3].map(|()| Signal::<M, u32>::new());
    // One stays in front all the time.
    signals
        .iter()
        .for_each(|it| queue.defer_latest(it, 0).unwrap());
    let moves = || {
        for _ in 0..times(100_000) {
            queue.defer_latest(&signals[1], 0).unwrap();
            queue.defer_latest(&signals[2], 0).unwrap();
        }
    };
    assert_eq!(allocations_of(moves), 0);
    assert_eq!((queue.len(), queue.drain().delivered()), (3, 3));
}

fn a_million_delayed_and_cancelled_leave_nothing<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let start = Instant::now();
    let _stays = queue
        .defer_at(start + Duration::from_secs(1), &signal, 0)
        .unwrap();
    let both = |n: usize| {
        // In front of the one that stays, and behind it.
        let delay = Duration::from_millis(u64::try_from(n % 2_000).unwrap());
        let delayed = queue.defer_at(start + delay, &signal, 0).unwrap();
        assert!(delayed.cancel());
    };
    (0..5_000).for_each(both);
    assert_eq!(bytes_of(|| (0..times(1_000_000)).for_each(both)).0, 0);
    assert_eq!(queue.delayed(), 1);
}

/// A quadratic one would take minutes.
fn a_hundred_thousand_delayed_events_cost_the_logarithm<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let (start, count) = (Instant::now(), times(100_000));
    let mut delays: Vec<_> = (0..count).collect();
    shuffle(&mut delays);
    let mut last = 0;
    for delay in &delays {
        let delay = Duration::from_millis(u64::try_from(*delay).unwrap());
        queue.defer_at(start + delay, &signal, 0).unwrap();
    }
    for now in (0..count).step_by(count / 100) {
        let now = Duration::from_millis(u64::try_from(now).unwrap());
        last += queue.drain_at(start + now).delivered();
    }
    assert_eq!(last + queue.delayed(), count);
    assert_eq!(queue.clear() + last, count);
}

fn a_cleared_queue_is_as_small_as_a_new_one<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let start = Instant::now();
    let go = || {
        for _ in 0..times(100_000) {
            queue.defer(&signal, 1).unwrap();
            queue.defer_at(start, &signal, 1).unwrap();
        }
        queue.defer_latest(&signal, 1).unwrap();
        assert_eq!(queue.clear(), 2 * times(100_000) + 1);
    };
    go();
    assert_eq!(bytes_of(go).0, 0);
}

fn a_million_waiters_leave_nothing<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut round = |n: u32| {
        // Dropped unpolled, dropped while it waits, dropped with its event inside, and awaited.
        drop(signal.next());
        let mut nexts = [signal.next(), signal.next(), signal.next()];
        let [waits, _, awaited] = &mut nexts;
        assert!(Pin::new(waits).poll(&mut context).is_pending());
        signal.emit(&n);
        assert!(Pin::new(awaited).poll(&mut context).is_ready());
        drop(nexts);
        let mut streams =
            [Overflow::DropOldest, Overflow::DropNewest].map(|it| signal.stream(1, it));
        signal.emit(&n);
        signal.emit(&n);
        assert_eq!(streams[1].try_next(), Some(Ok(n)));
    };
    (0..10).for_each(&mut round);
    let (bytes, ()) = bytes_of(|| (0..u32::try_from(times(100_000)).unwrap()).for_each(round));
    assert_eq!((bytes, signal.len()), (0, 0));
}

fn streams_allocate_nothing_once_warm<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let mut streams = [Overflow::DropOldest, Overflow::DropNewest].map(|it| signal.stream(8, it));
    let mut round = || {
        (0..20).for_each(|n| _ = signal.emit(&n));
        for stream in &mut streams {
            while stream.try_next().is_some() {}
        }
    };
    round();
    // For the other side of the buffer.
    round();
    assert_eq!(allocations_of(|| (0..100).for_each(|_| round())), 0);
}

fn a_million_futures_leave_nothing<M: Either>() {
    let queue = Queue::<M>::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut both = |_: usize| {
        let mut ready = queue.ready();
        assert!(Pin::new(&mut ready).poll(&mut context).is_pending());
        assert!(Pin::new(&mut ready).poll(&mut context).is_pending());
    };
    both(0);
    assert_eq!(bytes_of(|| (0..times(1_000_000)).for_each(both)).0, 0);
}

fn idle_signal_takes_at_most_320_bytes<M: Either>() {
    let (bytes, signal) = bytes_of(Signal::<M, u32>::new);
    assert!(bytes <= 320, "{bytes} bytes");
    let (emitted, _) = bytes_of(|| signal.emit(&1));
    assert!(
        bytes + emitted <= 320,
        "{bytes} bytes, and {emitted} more by an emission"
    );
}

fn further_handler_takes_at_most_160_bytes<M: Either>() {
    let mut too_much = Vec::new();
    for count in [1, 2, 5, 9, 17, 100, 1000, 1025].map(times) {
        let signal = Signal::<M, u32>::new();
        // So that nothing of the thread is counted.
        let other = Signal::<M, u32>::new();
        let _sub = M::on_nothing(&other);
        other.emit(&1);
        let mut subscriptions = Vec::with_capacity(count);
        let (bytes, ()) = bytes_of(|| {
            subscriptions.extend((0..count).map(|_| M::on_nothing(&signal)));
            assert_eq!(signal.emit(&1).ran(), count);
        });
        if bytes > 160 * signed(count) {
            too_much.push(format!(
                "{count} handlers take {bytes} bytes, {} each",
                bytes / signed(count)
            ));
        }
    }
    assert!(too_much.is_empty(), "{too_much:#?}");
}

fn signal_that_goes_leaves_nothing<M: Either>() {
    M::on_nothing(&Signal::new()).detach();
    let go = || {
        let signal = Signal::<M, u32>::new();
        let subs = subscribe_all_kinds(&signal);
        signal.emit(&1);
        let queue = Queue::<M>::new();
        queue.defer(&signal, 1).unwrap();
        queue.drain();
        drop(signal);
        drop(subs);
    };
    go();
    assert_eq!(bytes_of(go).0, 0);
    let go = || {
        let bus = Bus::<M>::new();
        let names = (0..100).map(|n| Topic::<u32>::named(format!("topic.{n}")).unwrap());
        let subs: Vec<_> = names
            .map(|name| M::on_nothing(&bus.signal(&name)))
            .collect();
        subs.into_iter().for_each(Subscription::detach);
        bus.emit(&Topic::new("topic.1"), &1_u32);
    };
    assert_eq!(bytes_of(go).0, 0);
}

/// Counts drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn capturing(drops: &Arc<AtomicUsize>) -> Capturing {
    let counted = Counted(drops.clone());
    Box::new(move |_| _ = &counted)
}

/// Cancels ten thousand handlers in an order, and looks for their captures after each.
fn cancel_in_order<M: Either>(order: impl FnOnce(&mut Vec<Subscription<M>>), emit_every: usize) {
    let (signal, drops) = (Signal::<M, u32>::new(), Arc::new(AtomicUsize::new(0)));
    let all = times(10_000);
    let mut subscriptions: Vec<_> = (0..all).map(|_| signal.on(capturing(&drops))).collect();
    assert_eq!(signal.emit(&1).ran(), all);
    order(&mut subscriptions);
    for (gone, subscription) in subscriptions.into_iter().enumerate() {
        assert_eq!(drops.load(Relaxed), gone);
        match gone % 3 {
            0 => drop(subscription),
            _ => assert!(subscription.cancel()),
        }
        assert_eq!(drops.load(Relaxed), gone + 1);
        if gone % emit_every == 0 {
            assert_eq!(signal.emit(&1).ran(), all - gone - 1);
        }
    }
    assert!(signal.is_empty());
}

/// Shuffles, the same way each time.
fn shuffle<T>(items: &mut [T]) {
    let mut random = 1_u64;
    for end in (1..items.len()).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(end, usize::try_from(random >> 33).unwrap() % (end + 1));
    }
}

fn captures_go_with_each_cancel_oldest_first<M: Either>() {
    cancel_in_order::<M>(|_| (), usize::MAX);
}

fn captures_go_with_each_cancel_at_random<M: Either>() {
    cancel_in_order::<M>(|all| shuffle(all), usize::MAX);
}

fn captures_go_with_each_cancel_between_emissions<M: Either>() {
    cancel_in_order::<M>(|all| shuffle(all), 97);
}

fn a_million_subscribed_and_cancelled_leave_nothing<M: Either>() {
    let (lonely, signal) = (Signal::<M, u32>::new(), Signal::<M, u32>::new());
    let _stays = M::on_nothing(&signal);
    let handler: Plain = |_| Flow::Continue;
    let both = |n: usize| {
        drop(M::on_nothing(&lonely));
        assert!(
            signal
                .subscribe()
                .label("short lived")
                .priority(3)
                .limit(n)
                .on(handler)
                .cancel()
                == (n > 0)
        );
    };
    (0..10).for_each(both);
    assert_eq!(bytes_of(|| (0..times(500_000)).for_each(both)).0, 0);
    assert_eq!((lonely.emit(&1).ran(), signal.emit(&1).ran()), (0, 1));
}

fn a_burst_of_handlers_does_not_add_up<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let burst = || {
        let count = times(100_000);
        let subscriptions: Vec<_> = (0..count).map(|_| M::on_nothing(&signal)).collect();
        assert_eq!(signal.emit(&1).ran(), count);
        drop(subscriptions);
        assert_eq!(signal.emit(&1).ran(), 0);
    };
    let (first, ()) = bytes_of(burst);
    // Places in the roster are kept for the next ones, and nothing else.
    assert!(
        first <= 32 * signed(times(100_000)),
        "{first} bytes are kept"
    );
    assert_eq!(bytes_of(|| (0..3).for_each(|_| burst())).0, 0);
}

fn a_burst_of_events_does_not_add_up<M: Either>() {
    let bus = Bus::<M>::new();
    let topics = ["a", "b"].map(|name| bus.signal(&Topic::<u32>::new(name)));
    let burst = || {
        for _ in 0..times(100_000) {
            topics.iter().for_each(|topic| topic.defer(1).unwrap());
        }
        assert_eq!(bus.drain().delivered(), 2 * times(100_000));
    };
    // What is filled and what is drained change places.
    burst();
    burst();
    assert_eq!(bytes_of(|| (0..3).for_each(|_| burst())).0, 0);
}

fn a_cleared_signal_is_as_small_as_a_new_one<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let go = || {
        for _ in 0..times(100_000) {
            M::on_nothing(&signal).detach();
        }
        signal.emit(&1);
        assert_eq!(signal.clear(), times(100_000));
    };
    // The first emission of a thread gets it what it keeps.
    go();
    assert_eq!(bytes_of(go).0, 0);
}

fn a_million_names_emitted_create_nothing<M: Either>() {
    let bus = Bus::<M>::new();
    let _sub = M::on_nothing(&bus.signal(&Topic::new("held")));
    bus.emit(&Topic::new("held"), &1_u32);
    let (mut allocations, mut ran) = (0, 0);
    let emit = || {
        for n in 0..times(1_000_000) {
            let topic = Topic::<u32>::named(format!("room.{n}.joined")).unwrap();
            allocations += allocations_of(|| ran += bus.emit(&topic, &1).ran());
        }
    };
    assert_eq!(bytes_of(emit).0, 0);
    assert_eq!((allocations, ran), (0, 0));
    assert_eq!(bus.topics(), ["held"]);
}

fn a_million_names_under_a_pattern_create_nothing<M: Either>() {
    let bus = Bus::<M>::new();
    let _subs = ["room.>", "*.*.joined", ">"].map(|pattern| M::on_any(&bus, pattern));
    bus.emit(&Topic::new("room.first"), &1_u32);
    let (mut allocations, mut ran) = (0, 0);
    let emit = || {
        for n in 0..times(1_000_000) {
            let topic = Topic::<u32>::named(format!("room.{n}.joined")).unwrap();
            allocations += allocations_of(|| ran += bus.emit(&topic, &1).ran());
        }
    };
    assert_eq!(bytes_of(emit).0, 0);
    assert_eq!((allocations, ran), (0, 3 * times(1_000_000)));
    assert!(bus.topics().is_empty());
}

fn patterns_that_come_and_go_leave_nothing<M: Either>() {
    let bus = Bus::<M>::new();
    let held = bus.signal(&Topic::<u32>::new("room.held.joined"));
    let _stays = M::on_any(&bus, "room.*.joined");
    let use_one = |n: usize| {
        let pattern = Pattern::parse(format!("room.*.{n:07}")).unwrap();
        let subs = [
            M::on_any(&bus, &pattern),
            M::on_any(&bus, "room.*.joined"),
            M::on_any(&bus, ">"),
        ];
        if n % 100 == 0 {
            assert_eq!(held.emit(&1).ran(), 3);
        }
        drop(subs);
    };
    (0..200).for_each(use_one);
    assert_eq!(bytes_of(|| (0..times(40_000)).for_each(use_one)).0, 0);
    assert_eq!(held.emit(&1).ran(), 1);
}

fn many_names_in_turn_leave_nothing<M: Either>() {
    let bus = Bus::<M>::new();
    let _sub = M::on_nothing(&bus.signal(&Topic::new("held")));
    let use_one = |n: usize| {
        let topic = Topic::<u32>::named(format!("room.{n:07}.joined")).unwrap();
        let sub = M::on_nothing(&bus.signal(&topic));
        assert_eq!(bus.emit(&topic, &1).ran(), 1);
        assert!(sub.cancel());
        bus.defer(&topic, 1).unwrap();
        assert_eq!(bus.drain().delivered(), 1);
    };
    (0..100).for_each(use_one);
    assert_eq!(bytes_of(|| (0..times(40_000)).for_each(use_one)).0, 0);
    assert_eq!(bus.topics(), ["held"]);
    // Many at a time: they are not forgotten one by one at the cost of all.
    let many = || {
        let names =
            (0..times(4_000)).map(|n| Topic::<u32>::named(format!("room.{n:07}.left")).unwrap());
        let signals: Vec<_> = names.map(|name| bus.signal(&name)).collect();
        assert_eq!(bus.topics().len(), signals.len() + 1);
    };
    many();
    assert_eq!(bytes_of(|| (0..3).for_each(|_| many())).0, 0);
    assert_eq!(bus.topics(), ["held"]);
}

fn topic_exists_while_a_handle_does<M: Either>() {
    let bus = Bus::<M>::new();
    let signal = bus.signal(&Topic::<u32>::new("tick"));
    let again = signal.clone();
    let weak = signal.downgrade();
    drop(signal);
    assert_eq!(bus.topics(), ["tick"]);
    drop(again);
    assert_eq!(bus.topics(), [""; 0]);
    assert!(weak.upgrade().is_none());
}

fn topic_exists_while_a_handler_does<M: Either>() {
    const TICK: Topic<u32> = Topic::new("tick");
    let bus = Bus::<M>::new();
    let [dropped, cancelled, paused] = [(); 3].map(|()| M::on_nothing(&bus.signal(&TICK)));
    let detached = M::on_nothing(&bus.signal(&TICK));
    let id = detached.id();
    detached.detach();
    let pause = paused.pause();
    let handler: Plain = |_| Flow::Continue;
    let limited = bus.subscribe(&TICK).limit(1).on(handler);
    drop(dropped);
    assert!(cancelled.cancel());
    assert_eq!(bus.emit(&TICK, &1).ran(), 2);
    assert!(!limited.is_active());
    drop(paused);
    assert_eq!(bus.topics(), ["tick"]);
    assert!(bus.cancel(id));
    assert_eq!(bus.topics(), [""; 0]);
    drop((pause, limited));
    // All at once, too.
    M::on_nothing(&bus.signal(&TICK)).detach();
    assert_eq!(bus.topics(), ["tick"]);
    assert_eq!(bus.signal(&TICK).clear(), 1);
    assert_eq!(bus.topics(), [""; 0]);
    M::on_nothing(&bus.signal(&TICK)).detach();
    bus.close();
    assert_eq!(bus.topics(), [""; 0]);
}

fn topic_exists_while_a_deferred_event_does<M: Either>() {
    const TICK: Topic<u32> = Topic::new("tick");
    let bus = Bus::<M>::new();
    for end in [
        |bus: &Bus<M>| _ = bus.drain(),
        |bus: &Bus<M>| _ = bus.queue().clear(),
    ] {
        bus.defer(&TICK, 1).unwrap();
        bus.defer(&TICK, 2).unwrap();
        assert_eq!(bus.topics(), ["tick"]);
        assert!(bus.try_signal(&Topic::<String>::new("tick")).is_err());
        end(&bus);
        assert_eq!(bus.topics(), [""; 0]);
    }
    bus.defer(&TICK, 1).unwrap();
    bus.defer(&TICK, 2).unwrap();
    assert_eq!(bus.queue().drain_one().remaining(), 1);
    assert_eq!(bus.topics(), ["tick"]);
    assert_eq!(bus.queue().drain_one().remaining(), 0);
    assert_eq!(bus.topics(), [""; 0]);
}

fn topic_is_not_created_by_asking<M: Either>() {
    const TICK: Topic<u32> = Topic::new("tick");
    let bus = Bus::<M>::new();
    let stale = M::on_nothing(&bus.signal(&TICK));
    let id = stale.id();
    drop(stale);
    assert_eq!(bus.emit(&TICK, &1).ran(), 0);
    assert_eq!(bus.emit_lazy(&TICK, || 1).ran(), 0);
    assert!(!bus.cancel(id));
    assert_eq!(bus.topics(), [""; 0]);
    assert!(bus.try_signal(&TICK).unwrap().is_empty());
    assert_eq!(bus.topics(), [""; 0]);
    assert!(format!("{bus:?}").contains("topics: []"));
}

fn topic_that_has_gone_binds_no_type<M: Either>() {
    let bus = Bus::<M>::new();
    let (number, text) = (Topic::<u32>::new("size"), Topic::<String>::new("size"));
    let sub = M::on_nothing(&bus.signal(&number));
    assert!(bus.try_signal(&text).is_err());
    drop(sub);
    let held = bus.try_signal(&text).unwrap();
    assert!(bus.try_signal(&number).is_err());
    assert!(held.is_empty());
    drop(held);
    assert_eq!(bus.emit(&number, &1).ran(), 0);
    assert!(bus.try_signal(&number).is_ok());
}

fn weak_targets_that_died_do_not_add_up<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let (living, _sub) = M::on_target(&signal);
    // Nobody emits, and nobody cancels.
    let dies = || {
        let (target, sub) = M::on_target(&signal);
        sub.detach();
        drop(target);
    };
    (0..100).for_each(|_| dies());
    let (bytes, ()) = bytes_of(|| (0..times(100_000)).for_each(|_| dies()));
    assert!(bytes.abs() < 2048, "{bytes} bytes more");
    assert_eq!(signal.len(), 1);
    assert_eq!(signal.emit(&1).ran(), 1);
    drop(living);
    // Many at a time cost as much as each alone: they are looked for when room is made.
    let many: Vec<_> = (0..times(20_000)).map(|_| M::on_target(&signal)).collect();
    assert_eq!(signal.len(), many.len());
    let subs: Vec<_> = many.into_iter().map(|(_, sub)| sub).collect();
    assert!(signal.is_empty() && subs.iter().all(|sub| !sub.is_active()));
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(signal.clear(), 0);
}

fn weak_targets_that_died_do_not_keep_their_topics<M: Either>() {
    let bus = Bus::<M>::new();
    let name = |n: usize| Topic::<u32>::named(format!("room.{n:07}.joined")).unwrap();
    let _held = bus.signal(&name(9_999_999));
    let dies = |n: usize| {
        let (target, sub) = M::on_target(&bus.signal(&name(n)));
        sub.detach();
        drop(target);
    };
    (0..200).for_each(dies);
    let (bytes, ()) = bytes_of(|| (0..times(40_000)).for_each(dies));
    assert!(bytes < 100_000, "{bytes} bytes more");
    assert!(bus.topics().len() < 500, "{}", bus.topics().len());
    // Those that live are left alone.
    let living: Vec<_> = (0..times(1000))
        .map(|n| M::on_target(&bus.signal(&name(n))))
        .collect();
    assert!(living.iter().all(|(_, sub)| sub.is_active()));
    assert_eq!(bus.emit(&name(7), &1).ran(), 1);
}

fn a_scope_does_not_grow_by_what_has_ended<M: Either>() {
    let (signal, mut scope) = (Signal::<M, u32>::new(), Scope::<M>::new());
    let handler: Plain = |_| Flow::Continue;
    scope.add(M::on_nothing(&signal));
    let round = |scope: &mut Scope<M>| {
        // Ended by their limit, by themselves, by their signal, by their target.
        scope.add(signal.subscribe().limit(1).on(handler));
        let cancelled = M::on_nothing(&signal);
        cancelled.cancel();
        scope.add(cancelled);
        scope.add(M::on_nothing(&Signal::new()));
        let (target, sub) = M::on_target(&signal);
        scope.add(sub);
        assert_eq!(signal.emit(&1).ran(), 3);
        drop(target);
        assert_eq!(scope.len(), 1);
    };
    (0..100).for_each(|_| round(&mut scope));
    let (bytes, ()) = bytes_of(|| (0..times(25_000)).for_each(|_| round(&mut scope)));
    assert!(bytes.abs() < 4096, "{bytes} bytes more");
    assert_eq!(scope.clear(), 1);
    // A crowd leaves no room behind.
    let (bytes, scope) = bytes_of(|| {
        let mut scope = Scope::<M>::new();
        scope.extend((0..times(10_000)).map(|_| M::on_nothing(&signal)));
        assert_eq!(signal.clear(), scope.len() + times(10_000));
        scope.extend((0..times(10_000)).map(|_| M::on_nothing(&Signal::new())));
        scope
    });
    assert!(bytes < 200 * signed(times(10_000)), "{bytes} bytes");
    drop(scope);
}

fn awaited_emissions_leave_nothing<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let _subs = [
        M::on_started(&signal),
        M::on_nothing(&signal),
        M::on_started(&signal),
    ];
    let mut cx = Context::from_waker(Waker::noop());
    let mut emit = |n: usize| {
        let mut emission = match n % 2 {
            0 => signal.emit_async(7),
            _ => signal.emit_async(7).in_order(),
        };
        match n % 5 {
            // Never polled.
            0 => drop(emission),
            _ => assert!(Pin::new(&mut emission).poll(&mut cx).is_ready()),
        }
    };
    (0..100).for_each(&mut emit);
    let count = times(50_000);
    assert_eq!(bytes_of(|| (0..count).for_each(&mut emit)).0, 0);
}

fn replacing_leaves_nothing<M: Either>() {
    let (signal, drops) = (Signal::<M, u32>::new(), Arc::new(AtomicUsize::new(0)));
    let even: Passes = |n| n % 2 == 0;
    let subs = [
        M::on_nothing(&signal),
        signal
            .subscribe()
            .filter(even)
            .label("even")
            .limit(usize::MAX)
            .on(capturing(&drops)),
    ];
    let replace = |n: usize| {
        subs.iter()
            .for_each(|sub| sub.replace(capturing(&drops)).unwrap());
        if n % 3 == 0 {
            assert_eq!(signal.emit(&2).ran(), 2);
        }
    };
    (0..100).for_each(replace);
    let before = drops.load(Relaxed);
    // A multiple of three, so that as much is published after as before.
    let count = times(50_000) / 300 * 300;
    replace(0);
    assert_eq!(bytes_of(|| (1..=count).for_each(replace)).0, 0);
    assert_eq!(drops.load(Relaxed), before + 2 * (count + 1));
    drop(subs);
    assert_eq!(Arc::strong_count(&drops), 1);
    // All of it, from the first to the last.
    let go = || {
        let sub = signal.subscribe().filter(even).on(capturing(&drops));
        let pause = sub.pause();
        (0..3).for_each(|_| sub.replace(capturing(&drops)).unwrap());
        drop(sub);
        drop(pause);
    };
    go();
    assert_eq!(bytes_of(go).0, 0);
}

fn forwarding_to_what_has_gone_leaves_nothing<M: Either>() {
    let source = Signal::<M, u32>::new();
    let forward = || source.forward_to(&Signal::new()).detach();
    (0..100).for_each(|_| forward());
    let (bytes, ()) = bytes_of(|| (0..times(50_000)).for_each(|_| forward()));
    assert!(bytes.abs() < 2048, "{bytes} bytes more");
    assert!(source.is_empty());
}

fn turns_and_targets_and_replacements_allocate_nothing<M: Either>() {
    let (signal, target) = (Signal::<M, u32>::new(), Signal::<M, u32>::new());
    let handler: Plain = |_| Flow::Continue;
    let (_kept, _weak) = M::on_target(&signal);
    let _subs = [
        signal.on_mut(handler),
        signal.forward_to(&target),
        M::on_nothing(&target),
    ];
    let replaced = M::on_nothing(&signal);
    replaced.replace(handler).unwrap();
    assert_eq!(signal.emit(&1).ran(), 4);
    let emit = || (0..100).for_each(|n| assert_eq!(signal.emit(&n).ran(), 4));
    assert_eq!(allocations_of(emit), 0);
}

#[cfg(feature = "jobs")]
#[test]
fn many_jobs_through_a_short_backlog_keep_memory_flat() {
    use slotcast::Jobs;

    let jobs = Jobs::builder().workers(1).backlog(1000).build();
    // What one thread allocates the other frees: only together they say what is in use.
    let in_use = || {
        let theirs = jobs.submit(|_| BYTES.get()).wait().unwrap();
        theirs + BYTES.get()
    };
    let submit = |count: usize| {
        for n in 0..count {
            let job = jobs.submit(move |_| [n; 16]);
            job.on_done(|_| ());
            if n % 3 == 0 {
                job.cancel();
            }
        }
    };
    submit(5000);
    let before = in_use();
    submit(100_000);
    let more = in_use() - before;
    // The list may have doubled for the shells of those that were cancelled: that is no byte a job.
    assert!(more < 100_000, "{more} bytes more");
}

#[cfg(feature = "jobs")]
#[test]
fn cancelled_jobs_do_not_stay_on_the_list() {
    use slotcast::Jobs;

    let jobs = Jobs::new(1);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    jobs.submit(move |_| gate.recv());
    let _first = jobs.submit(|_| ());
    let cancel = |count: usize| {
        for n in 0..count {
            assert!(jobs.submit(move |_| n).cancel());
        }
    };
    cancel(1000);
    let (more, ()) = bytes_of(|| cancel(100_000));
    assert!(more < 50_000, "{more} bytes more");
    drop(open);
}
