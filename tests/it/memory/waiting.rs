//! Promises 14 and 21: what futures for one event and streams allocate, and leave behind.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use slotcast::flavour::Signal;
use slotcast::{Flow, Overflow};

use super::{Either, Plain, allocations_of, bytes_of, times};

on_both! {
    a_million_waiters_leave_nothing;
    streams_allocate_nothing_once_warm;
    a_completed_future_keeps_no_memory;
    a_future_that_its_event_removes_takes_one_allocation;
    emitting_allocates_nothing_while_a_future_waits_behind_a_handler_that_stops;
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
        assert_eq!(streams[1].try_take(), Some(Ok(n)));
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
            while stream.try_take().is_some() {}
        }
    };
    round();
    // For the other side of the buffer.
    round();
    assert_eq!(allocations_of(|| (0..100).for_each(|_| round())), 0);
}

fn a_completed_future_keeps_no_memory<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut nexts = |list: &mut Vec<_>| {
        list.extend((0..10).map(|_| signal.next()));
        signal.emit(&1);
        for next in list {
            assert!(Pin::new(next).poll(&mut context).is_ready());
        }
    };
    nexts(&mut Vec::new());
    let mut list = Vec::with_capacity(10);
    let (bytes, ()) = bytes_of(|| nexts(&mut list));
    assert_eq!(bytes, 0);
}

fn a_future_that_its_event_removes_takes_one_allocation<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let _other = M::on_nothing(&signal);
    let mut context = Context::from_waker(Waker::noop());
    let mut round = || {
        let mut next = signal.next();
        signal.emit(&7);
        assert!(Pin::new(&mut next).poll(&mut context).is_ready());
    };
    round();
    assert_eq!(allocations_of(|| (0..100).for_each(|_| round())), 100);
}

fn emitting_allocates_nothing_while_a_future_waits_behind_a_handler_that_stops<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let stops: Plain = |_| Flow::Stop;
    let _stops = signal.on(stops);
    let _waits = signal.next();
    signal.emit(&7);
    assert_eq!(
        allocations_of(|| (0..100).for_each(|_| _ = signal.emit(&7))),
        0
    );
}
