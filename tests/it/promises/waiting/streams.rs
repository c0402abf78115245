//! Streams: what a full one does, where it says how much was lost, and how a limit ends it.

use std::task::Poll;

use futures::stream::FusedStream;
use slotcast::{FailureKind, Overflow, StreamFull};

use super::{Bus, NUMBER, Signal, all, poll_next};
use crate::gate::block_on;
use crate::log::{Log, boom};

#[test]
fn a_stream_says_where_and_how_many_it_lost() {
    let signal = Signal::<u32>::new();
    let mut oldest = signal.stream(2, Overflow::DropOldest);
    let mut newest = signal.stream(2, Overflow::DropNewest);
    for n in 1..=5 {
        assert!(signal.emit(&n).errors().is_empty());
    }
    assert_eq!((oldest.len(), newest.len(), oldest.capacity()), (2, 2, 2));
    assert_eq!(oldest.try_take().unwrap().unwrap_err().lost(), 3);
    assert_eq!(newest.try_take(), Some(Ok(1)));
    signal.emit(&6);
    signal.emit(&7);
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(all(&mut oldest), (texts(&["(2)", "6", "7"]), false));
    assert_eq!(all(&mut newest), (texts(&["2", "(3)", "6", "(1)"]), false));
    signal.emit(&8);
    assert_eq!(all(&mut newest), (texts(&["8"]), false));
}

#[test]
fn what_is_behind_a_loss_is_in_the_buffer_still() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.stream(2, Overflow::DropOldest);
    (1..=3).for_each(|n| _ = signal.emit(&n));
    assert_eq!(stream.try_take().unwrap().unwrap_err().lost(), 1);
    assert_eq!(stream.len(), 2);
    signal.emit(&4); // in the place of 2
    signal.emit(&5); // in that of 3
    assert_eq!(stream.len(), 2);
    let rest = ["(2)", "4", "5"].map(str::to_owned);
    assert_eq!(all(&mut stream), (rest.to_vec(), false));
    signal.emit(&6);
    assert_eq!((stream.len(), stream.try_take()), (1, Some(Ok(6))));
}

#[test]
fn a_full_stream_that_rejects_is_a_failure_in_the_emission() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.subscribe().label("slow").stream(1, Overflow::Reject);
    assert!(signal.emit(&1).errors().is_empty());
    let done = signal.emit(&2);
    let [error] = done.errors() else {
        panic!("{done:?}")
    };
    assert_eq!(
        (error.label(), error.kind()),
        (Some("slow"), FailureKind::Failed)
    );
    let full = error.error().unwrap().downcast_ref::<StreamFull>().unwrap();
    assert_eq!(
        (full.capacity(), full.to_string()),
        (1, "stream is full (1 events)".to_owned())
    );
    assert_eq!(all(&mut stream), (vec!["1".into()], false));
    assert!(signal.emit(&3).errors().is_empty());
}

#[test]
fn a_limit_ends_a_stream_after_its_last_event() {
    let signal = Signal::<u32>::new();
    let mut stream = signal.subscribe().limit(2).stream(4, Overflow::Reject);
    for n in 1..=3 {
        signal.emit(&n);
    }
    assert_eq!(all(&mut stream), (vec!["1".into(), "2".into()], true));
    let mut none = signal.subscribe().limit(0).stream(1, Overflow::Reject);
    assert_eq!(all(&mut none), (vec![], true));
}

#[test]
fn a_panic_in_the_drop_of_an_event_keeps_no_other_from_being_dropped() {
    struct Bad(Log, u32);
    impl Drop for Bad {
        fn drop(&mut self) {
            self.0.add(self.1);
            if self.1 == 1 {
                boom("drop")
            }
        }
    }
    let (log, told) = (Log::default(), Log::default());
    let bus = Bus::new();
    bus.set_error_hook({
        let told = told.clone();
        move |error| told.add(error.kind() == FailureKind::Panicked)
    });
    let stream = bus.subscribe(&NUMBER).stream_map(4, Overflow::Reject, {
        let log = log.clone();
        move |n| Some(Bad(log.clone(), *n))
    });
    let next = bus.subscribe(&NUMBER).next_map({
        let log = log.clone();
        move |n| Some(Bad(log.clone(), *n))
    });
    for n in 1..=3 {
        bus.emit(&NUMBER, &n);
    }
    drop(stream);
    assert_eq!(
        (log.take(), told.take()),
        (
            vec!["1".into(), "2".into(), "3".into()],
            vec!["true".to_owned()]
        )
    );
    drop(next);
    assert_eq!(
        (log.take(), told.take()),
        (vec!["1".to_owned()], vec!["true".to_owned()])
    );
}

#[test]
#[should_panic(expected = "a stream needs a capacity of at least one event")]
fn a_stream_without_room_panics() {
    _ = Signal::<u32>::new().stream(0, Overflow::Reject);
}

#[test]
fn a_stream_that_skips_lag_yields_events_and_counts_what_was_lost() {
    let signal = Signal::<u32>::new();
    let mut oldest = signal.stream(2, Overflow::DropOldest).skip_lag();
    let mut newest = signal.stream(2, Overflow::DropNewest).skip_lag();
    (1..=5).for_each(|n| _ = signal.emit(&n));
    assert_eq!((oldest.lost(), oldest.get_ref().len()), (0, 2));
    assert_eq!(poll_next(&mut oldest), Poll::Ready(Some(4)));
    assert_eq!((oldest.lost(), oldest.try_take()), (3, Some(5)));
    assert_eq!(
        (oldest.try_take(), poll_next(&mut oldest)),
        (None, Poll::Pending)
    );
    assert_eq!((newest.try_take(), newest.try_take()), (Some(1), Some(2)));
    assert_eq!(
        (newest.lost(), newest.try_take(), newest.lost()),
        (0, None, 3)
    );
    signal.emit(&6);
    signal.close();
    for stream in [&mut oldest, &mut newest] {
        assert!(!stream.is_terminated());
        assert_eq!(poll_next(stream), Poll::Ready(Some(6)));
        assert_eq!(poll_next(stream), Poll::Ready(None));
        assert!(stream.is_terminated());
        assert_eq!(stream.lost(), 3);
    }
}

#[test]
fn with_try_stream_ext_a_stream_ends_at_its_first_loss() {
    use futures::TryStreamExt;
    let signal = Signal::<u32>::new();
    let mut stream = signal.stream(1, Overflow::DropNewest);
    signal.emit(&1);
    signal.emit(&2);
    let read = async {
        let mut sum = 0;
        while let Some(n) = stream.try_next().await? {
            sum += n;
        }
        Ok::<u32, slotcast::Lagged>(sum)
    };
    assert_eq!(block_on(read).unwrap_err().lost(), 1);
}
