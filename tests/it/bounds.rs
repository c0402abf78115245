//! What every public type is, whatever it is filled with: `Send`, `Sync`, `Unpin`, `UnwindSafe`,
//! `RefUnwindSafe`, its size.
//!
//! Asked at run time, so that one type that changes does not keep all other tests from compiling.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use slotcast::flavour::{self, Subscribe};
use slotcast::testing::{Missing, Probe, Recorder};
use slotcast::{
    BoxError, Closed, DeferError, DeferErrorKind, Drained, Emission, FailureKind, Flow,
    HandlerError, HandlerErrors, HandlerInfo, HandlerKind, Lagged, Overflow, Panics, PatternWiring,
    PostError, QueueInfo, ReplaceError, ReplaceErrorKind, StreamFull, SubscriptionId, TimedOut,
    Topic, TopicError, TopicWiring, WaitError, Warning, Wiring, WrongType, local,
};

/// Neither `Send` nor `Sync`, and not safe to be seen after a panic.
type Event = Rc<Cell<u32>>;
type Context = Cell<*mut u32>;

/// Neither `Debug` nor `Display`, nor anything else.
struct Bare(PhantomData<Rc<()>>);

/// What is asked for is found first if the type has it, else what every type has.
macro_rules! has {
    ($type:ty: $trait:path) => {{
        #[allow(
            dead_code,
            reason = "what the type has is used instead where it is there"
        )]
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Otherwise for T {}
        #[allow(
            dead_code,
            reason = "what every type has is used instead where this is not there"
        )]
        struct Asked<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code, reason = "as above")]
        impl<T: ?Sized + $trait> Asked<T> {
            const HAS: bool = true;
        }
        <Asked<$type>>::HAS
    }};
}

/// Types, each with the names of those of the traits that it lacks.
macro_rules! lacks {
    ($($type:ty),* $(,)?; $traits:tt) => { [$((stringify!($type), lacks!(@ $type: $traits))),*] };
    (@ $type:ty: [$($trait:ident)*]) => {
        [$((!has!($type: $trait)).then_some(stringify!($trait))),*].into_iter().flatten().collect::<Vec<&str>>()
    };
}

fn assert_none_lacks(types: &[(&str, Vec<&str>)]) {
    let wrong: Vec<_> = types
        .iter()
        .filter(|(_, lacks)| !lacks.is_empty())
        .collect();
    assert!(wrong.is_empty(), "these lack something: {wrong:#?}");
}

fn assert_all_lack(types: &[(&str, Vec<&str>)], what: &[&str]) {
    let wrong: Vec<_> = types.iter().filter(|(_, lacks)| lacks != what).collect();
    assert!(
        wrong.is_empty(),
        "these should lack just {what:?}: {wrong:#?}"
    );
}

#[test]
fn what_asks_tells_the_truth() {
    assert!(
        has!(u32: Send)
            && has!(Cell<u32>: Send)
            && has!(Rc<u32>: Unpin)
            && has!(u32: RefUnwindSafe)
    );
    assert!(!has!(Rc<u32>: Send) && !has!(Cell<u32>: Sync) && !has!(Cell<u32>: RefUnwindSafe));
    assert!(
        !has!(Event: Send)
            && !has!(Event: Sync)
            && !has!(Event: UnwindSafe)
            && !has!(Event: RefUnwindSafe)
    );
    assert!(!has!(Context: Send) && !has!(Context: Sync) && !has!(Context: RefUnwindSafe));
    assert!(!has!(std::marker::PhantomPinned: Unpin));
}

#[test]
fn shared_types_cross_threads_and_panics_whatever_they_carry() {
    assert_none_lacks(&lacks![
        slotcast::Bus, slotcast::Bus<Context>,
        slotcast::BusBuilder, slotcast::BusBuilder<Context>,
        slotcast::WeakBus, slotcast::WeakBus<Context>,
        slotcast::Signal<u32>, slotcast::Signal<Event, Context>,
        slotcast::WeakSignal<u32>, slotcast::WeakSignal<Event, Context>,
        slotcast::Queue, slotcast::Queue<Context>,
        slotcast::Delayed, slotcast::Delayed<Context>,
        slotcast::Ready, slotcast::Ready<Context>,
        slotcast::Next<u32>, slotcast::Next<Event>, slotcast::Next<Cell<u32>>,
        slotcast::EventStream<u32>, slotcast::EventStream<Cell<u32>>, slotcast::EmitAll<u32, u32>,
        slotcast::Subscription, slotcast::Pause,
        slotcast::Subscription, slotcast::Pause, slotcast::Scope,
        Subscribe<flavour::Shared, u32, ()>, Subscribe<flavour::Shared, Event, Context>,
        flavour::Shared;
        [Send Sync Unpin UnwindSafe RefUnwindSafe]
    ]);
}

#[test]
fn local_types_cross_panics_and_no_threads() {
    assert_all_lack(
        &lacks![
            local::Bus, local::Bus<Context>,
            local::WeakBus, local::WeakBus<Context>,
            local::Signal<u32>, local::Signal<Event, Context>,
            local::WeakSignal<u32>, local::WeakSignal<Event, Context>,
            local::Queue, local::Queue<Context>,
            local::Delayed, local::Delayed<Context>,
            local::Ready, local::Ready<Context>,
            local::Next<u32>, local::Next<Event>,
            local::EventStream<u32>, local::EventStream<Event>, local::EmitAll<u32, u32>,
            local::Subscription, local::Pause,
            local::Subscription, local::Pause, local::Scope,
            Subscribe<flavour::Local, u32, ()>, Subscribe<flavour::Local, Event, Context>,
            flavour::Local;
            [Send Sync Unpin UnwindSafe RefUnwindSafe]
        ],
        &["Send", "Sync"],
    );
    // Settings, and no bus yet.
    assert_none_lacks(&lacks![
        local::BusBuilder, local::BusBuilder<Context>;
        [Send Sync Unpin UnwindSafe RefUnwindSafe]
    ]);
}

#[test]
fn awaited_emissions_are_what_their_event_and_the_futures_are() {
    assert_all_lack(
        &lacks![slotcast::EmitAsync<u32>; [Send Sync Unpin UnwindSafe RefUnwindSafe]],
        &["Sync"],
    );
    assert_all_lack(
        &lacks![
            slotcast::EmitAsync<Event>, slotcast::EmitAsync<Cell<u32>>, local::EmitAsync<u32>;
            [Send Sync Unpin UnwindSafe RefUnwindSafe]
        ],
        &["Send", "Sync"],
    );
}

#[test]
fn probes_are_what_their_values_and_their_flavour_are() {
    assert_none_lacks(&lacks![
        Probe<u32>, Probe<Cell<u32>>, Recorder, Missing;
        [Send Sync Unpin UnwindSafe RefUnwindSafe]
    ]);
    assert_all_lack(
        &lacks![
            Probe<Event>, Probe<u32, flavour::Local>, Recorder<flavour::Local>;
            [Send Sync Unpin UnwindSafe RefUnwindSafe]
        ],
        &["Send", "Sync"],
    );
    assert_none_lacks(&lacks![Probe<Bare>, Recorder; [Debug]]);
    assert_none_lacks(&lacks![Missing; [Clone Eq Debug Display Error IntoBoxError]]);
    assert_all_lack(&lacks![Probe<u32>, Recorder; [Clone]], &["Clone"]);
}

#[test]
fn names_cross_threads_and_panics() {
    assert_none_lacks(&lacks![
        Topic<u32>, Topic<Event>, SubscriptionId, Flow, Overflow, Panics, FailureKind;
        [Send Sync Unpin UnwindSafe RefUnwindSafe]
    ]);
}

#[test]
fn a_wiring_is_plain_data() {
    assert_none_lacks(&lacks![
        Wiring, TopicWiring, PatternWiring, QueueInfo, HandlerInfo, HandlerKind, Warning;
        [Send Sync Unpin UnwindSafe RefUnwindSafe Clone Debug]
    ]);
    assert_none_lacks(&lacks![HandlerKind, Warning; [Eq]]);
    assert_none_lacks(&lacks![Wiring, Warning; [Display]]);
}

#[test]
fn errors_cross_threads_and_panics_and_live_for_ever() {
    assert_none_lacks(&lacks![
        TopicError, WrongType, WaitError, PostError, DeferErrorKind, DeferError<u32>,
        ReplaceErrorKind, ReplaceError<u32>, Closed, Lagged, StreamFull, TimedOut;
        [Send Sync Unpin UnwindSafe RefUnwindSafe Debug Display Error IntoBoxError]
    ]);
    assert_none_lacks(&lacks![HandlerErrors, HandlerError; [Debug Display Error IntoBoxError]]);
}

#[test]
fn answers_cross_threads_and_make_no_claim_for_the_errors_inside() {
    // They may carry what a handler returned, of which nothing is known, as `std::io::Error` may.
    assert_all_lack(
        &lacks![Emission, Drained, HandlerErrors, HandlerError; [Send Sync Unpin UnwindSafe RefUnwindSafe]],
        &["UnwindSafe", "RefUnwindSafe"],
    );
}

/// Converts into what handlers may return.
trait IntoBoxError: Into<BoxError> {}
impl<T: Into<BoxError>> IntoBoxError for T {}

#[test]
fn error_that_hands_an_event_back_is_what_the_event_is() {
    assert_all_lack(
        &lacks![DeferError<Event>, ReplaceError<Event>; [Send Sync Unpin UnwindSafe RefUnwindSafe]],
        &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"],
    );
    assert_all_lack(
        &lacks![DeferError<Cell<u32>>, ReplaceError<Cell<u32>>; [Send Sync Unpin UnwindSafe RefUnwindSafe]],
        &["Sync", "RefUnwindSafe"],
    );
}

#[test]
fn nothing_asks_the_event_for_debug() {
    assert_all_lack(
        &lacks![Bare; [Debug Display Error]],
        &["Debug", "Display", "Error"],
    );
    assert_none_lacks(&lacks![DeferError<Bare>, ReplaceError<Bare>; [Debug Display Error]]);
    assert_none_lacks(&lacks![
        Topic<Bare>,
        slotcast::Bus<Bare>, slotcast::BusBuilder<Bare>, slotcast::WeakBus<Bare>, slotcast::Queue<Bare>,
        slotcast::Signal<Bare, Bare>, slotcast::WeakSignal<Bare, Bare>, Subscribe<flavour::Shared, Bare, Bare>,
        slotcast::Subscription, slotcast::Pause, slotcast::Scope, local::Scope, ReplaceError<Bare>,
        local::Bus<Bare>, local::BusBuilder<Bare>, local::WeakBus<Bare>, local::Queue<Bare>,
        local::Signal<Bare, Bare>, local::WeakSignal<Bare, Bare>, Subscribe<flavour::Local, Bare, Bare>,
        local::Subscription, local::Pause, Emission, Drained,
        slotcast::Delayed<Bare>, local::Delayed<Bare>, slotcast::Ready<Bare>, local::Ready<Bare>,
        slotcast::EmitAsync<Bare>, local::EmitAsync<Bare>,
        slotcast::Next<Bare>, slotcast::EventStream<Bare>, slotcast::EmitAll<Bare, Bare>,
        local::Next<Bare>, local::EventStream<Bare>, local::EmitAll<Bare, Bare>;
        [Debug]
    ]);
    // It hands the event back, and says the same of every event.
    let error = slotcast::Signal::<Bare>::new().defer_bare();
    assert_eq!(
        (format!("{error:?}"), error.to_string()),
        (
            "DeferError::NoQueue(..)".to_owned(),
            error.kind().to_string()
        )
    );
    let Bare(_) = error.into_event();
}

/// The shared signal cannot carry what is not `Send`, so the local one stands in.
trait DeferBare {
    fn defer_bare(&self) -> DeferError<Bare>;
}
impl DeferBare for slotcast::Signal<Bare> {
    fn defer_bare(&self) -> DeferError<Bare> {
        local::Signal::<Bare>::new()
            .defer(Bare(PhantomData))
            .expect_err("it has no queue")
    }
}

#[test]
fn handles_are_cloned_whatever_they_carry() {
    assert_none_lacks(&lacks![
        Topic<Bare>,
        slotcast::Bus<Bare>, slotcast::WeakBus<Bare>, slotcast::Queue<Bare>,
        slotcast::Signal<Bare, Bare>, slotcast::WeakSignal<Bare, Bare>,
        local::Bus<Bare>, local::WeakBus<Bare>, local::Queue<Bare>,
        local::Signal<Bare, Bare>, local::WeakSignal<Bare, Bare>,
        slotcast::Delayed<Bare>, local::Delayed<Bare>;
        [Clone]
    ]);
    assert_none_lacks(&lacks![
        slotcast::Bus<Bare>, slotcast::Queue<Bare>, slotcast::Signal<Bare, Bare>,
        local::Bus<Bare>, local::Queue<Bare>, local::Signal<Bare, Bare>,
        slotcast::Scope, local::Scope;
        [Default]
    ]);
    // What waits is one: two would want two events.
    assert_all_lack(
        &lacks![slotcast::Next<u32>, slotcast::EventStream<u32>, slotcast::EmitAll<u32, u32>; [Clone]],
        &["Clone"],
    );
    // A guard is one.
    assert_all_lack(
        &lacks![slotcast::Subscription, slotcast::Pause, slotcast::Scope, local::Subscription, local::Pause, local::Scope;
            [Clone Copy]],
        &["Clone", "Copy"],
    );
}

#[test]
fn subscription_id_is_plain_data() {
    assert_none_lacks(&lacks![SubscriptionId; [Copy Clone Eq PartialEq Ord PartialOrd Hash Debug]]);
    let signal = local::Signal::<u32>::new();
    let (first, second) = (signal.on(|_| ()), signal.on(|_| ()));
    assert!(first.id() < second.id() && first.id() == first.id());
}

#[test]
fn kinds_are_compared_and_copied() {
    assert_none_lacks(
        &lacks![FailureKind, DeferErrorKind, ReplaceErrorKind, WaitError, PostError, Flow, Overflow, Panics, Closed, Lagged, StreamFull, TimedOut; [Copy Eq Debug]],
    );
    assert_none_lacks(&lacks![Topic<Bare>; [Eq Hash]]);
    assert_none_lacks(&lacks![slotcast::Pattern; [Eq Hash]]);
}

#[test]
fn emission_takes_at_most_16_bytes() {
    assert!(
        size_of::<Emission>() <= 16,
        "{} bytes",
        size_of::<Emission>()
    );
}

#[test]
fn handles_are_small() {
    let words = |bytes: usize| bytes / size_of::<usize>();
    assert_eq!(words(size_of::<slotcast::Bus>()), 1);
    assert_eq!(words(size_of::<slotcast::Queue>()), 1);
    assert!(words(size_of::<slotcast::Signal<u32>>()) <= 2);
    assert!(words(size_of::<slotcast::Subscription>()) <= 5);
}

#[cfg(feature = "jobs")]
mod jobs {
    use super::*;
    use slotcast::jobs::{
        Cancelled, Job, JobContext, JobError, JobHandle, Jobs, JobsBuilder, Progress, Promise,
        SubmitError, SubmitErrorKind,
    };

    /// `Send`, and nothing else.
    type Sent = Cell<u32>;

    #[test]
    fn jobs_cross_threads_and_panics_if_their_value_does() {
        assert_none_lacks(&lacks![
            Jobs, JobContext, JobHandle, Progress, JobError, Cancelled, SubmitErrorKind,
            Job<u32>, Job<Sent>, Promise<u32>, Promise<Sent>;
            [Send Sync Unpin UnwindSafe RefUnwindSafe Debug]
        ]);
        assert!(has!(JobsBuilder: Send) && has!(JobsBuilder: Debug));
        assert!(!has!(Job<Rc<u32>>: Clone) && has!(Jobs: Clone) && has!(JobHandle: Clone));
    }

    #[test]
    fn errors_of_jobs_are_what_they_carry() {
        assert_none_lacks(&lacks![
            JobError, Cancelled, SubmitErrorKind, SubmitError<u32>;
            [Error Send Sync Debug Display]
        ]);
        assert!(has!(SubmitError<Bare>: Error) && has!(SubmitError<Bare>: Debug));
        assert!(!has!(SubmitError<Bare>: Send));
        assert!(has!(JobError: Clone) && has!(JobError: PartialEq));
    }
}
