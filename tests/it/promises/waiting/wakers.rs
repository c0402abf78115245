//! Wakers: which one is woken, and what it may do.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::stream::StreamExt;
use slotcast::{FailureKind, Overflow, Panics};

use super::{Bus, NUMBER, Signal, all, closed, counting, doing, poll, poll_with};
use crate::log::{Log, boom};

#[test]
fn the_last_waker_is_woken_and_no_other() {
    let signal = Signal::<u32>::new();
    let (mut next, mut stream) = (signal.next(), signal.stream(1, Overflow::Reject));
    let ((old, old_waker), (new, new_waker)) = (counting(), counting());
    for waker in [&old_waker, &old_waker, &new_waker, &new_waker] {
        assert!(poll_with(&mut next, waker).is_pending());
        assert!(
            stream
                .poll_next_unpin(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    // This one, the waker, and the one that is kept twice.
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (2, 4));
    signal.emit(&1);
    assert_eq!((old.count(), new.count()), (0, 2));
    assert_eq!(Arc::strong_count(&new), 2);
}

#[test]
fn a_waker_may_use_everything() {
    let signal = Signal::<u32>::new();
    let places = Arc::new(Mutex::new((None, None)));
    let emits = AtomicBool::new(true);
    // A local signal cannot be in a waker, so a thread-local is: the waker comes back on this thread.
    thread_local! { static AGAIN: std::cell::RefCell<Option<Box<dyn Fn()>>> = const { std::cell::RefCell::new(None) }; }
    let (own, waiting) = (signal.downgrade(), places.clone());
    AGAIN.set(Some(Box::new(move || {
        let own = own.upgrade().unwrap();
        if emits.swap(false, Relaxed) {
            own.emit(&2);
            own.close();
        }
        let (next, stream) = std::mem::take(&mut *waiting.lock().unwrap());
        drop((next, stream));
    })));
    let (count, waker) = doing(|| AGAIN.with_borrow(|again| (again.as_ref().unwrap())()));
    let (mut next, mut stream) = (signal.next(), signal.stream(1, Overflow::Reject));
    assert!(poll_with(&mut next, &waker).is_pending());
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    *places.lock().unwrap() = (Some(next), Some(stream));
    signal.emit(&1);
    assert!(count.count() >= 1);
    assert!(signal.is_closed() && signal.is_empty());
    AGAIN.set(None);
}

#[test]
fn a_waker_that_panics_is_a_failure_and_does_no_harm() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let (mut next, mut stream) = (bus.next(&NUMBER), bus.stream(&NUMBER, 2, Overflow::Reject));
    let (count, waker) = doing(|| boom("waker"));
    let after = Log::default();
    let _last = bus.on(&NUMBER, {
        let after = after.clone();
        move |n| after.add(n)
    });
    assert!(poll_with(&mut next, &waker).is_pending());
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let done = bus.emit(&NUMBER, &1);
    let kinds: Vec<_> = done.errors().iter().map(|error| error.kind()).collect();
    assert_eq!(kinds, [FailureKind::Panicked; 2]);
    assert_eq!((count.count(), after.take()), (2, vec!["1".to_owned()]));
    assert_eq!(poll(&mut next), Poll::Ready(Ok(1)));
    assert_eq!(all(&mut stream), (vec!["1".into()], false));
    // And where there is no emission.
    let told = Log::default();
    bus.set_error_hook({
        let told = told.clone();
        move |error| told.add(error.kind() == FailureKind::Panicked)
    });
    let mut next = bus.next(&NUMBER);
    assert!(poll_with(&mut next, &waker).is_pending());
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    bus.signal(&NUMBER).close();
    assert_eq!(told.take(), ["true", "true"]);
    assert_eq!(poll(&mut next), Poll::Ready(Err(closed())));
}
