//! Promises 20 and 21: futures for one event, streams of many, and what leads into and out of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use futures::stream::{Stream, StreamExt};
use slotcast::{Closed, Lagged, Topic};

use super::{Bus, Signal};

mod end;
mod feeding;
mod next;
mod streams;
mod wakers;

const NUMBER: Topic<u32> = Topic::new("waiting.number");

/// Runs a closure when it wakes, and counts.
struct Doing<F>(AtomicUsize, F);

impl<F: Fn() + Send + Sync> Wake for Doing<F> {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
        (self.1)();
    }
}

impl<F> Doing<F> {
    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

fn doing<F: Fn() + Send + Sync + 'static>(f: F) -> (Arc<Doing<F>>, Waker) {
    let doing = Arc::new(Doing(AtomicUsize::new(0), f));
    (doing.clone(), doing.into())
}

type Counting = Doing<fn()>;

fn counting() -> (Arc<Counting>, Waker) {
    doing(|| ())
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

fn poll_next<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()))
}

/// All that a stream has, and whether it has ended: what was lost stands in brackets.
fn all<T: ToString>(
    stream: &mut (impl Stream<Item = Result<T, Lagged>> + Unpin),
) -> (Vec<String>, bool) {
    let mut items = Vec::new();
    loop {
        match poll_next(stream) {
            Poll::Ready(Some(Ok(item))) => items.push(item.to_string()),
            Poll::Ready(Some(Err(lagged))) => items.push(format!("({})", lagged.lost())),
            Poll::Ready(None) => return (items, true),
            Poll::Pending => return (items, false),
        }
    }
}

fn closed() -> Closed {
    let mut next = Signal::<u32>::new().next();
    match poll(&mut next) {
        Poll::Ready(Err(closed)) => closed,
        other => panic!("{other:?}"),
    }
}
