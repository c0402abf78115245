mod measure;
use measure::{each, nanoseconds};
use slotcast::{Signal, local};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(it) = future.as_mut().poll(&mut context) {
            return it;
        }
    }
}
fn main() {
    let s = Signal::<u64>::new();
    let l = local::Signal::<u64>::new();
    let costs = nanoseconds([
        each(|| {
            let (tx, rx) = tokio::sync::oneshot::channel::<u64>();
            tx.send(1).unwrap();
            block_on(rx).unwrap()
        }),
        each(|| {
            let n = s.next();
            s.emit(&1);
            block_on(n).unwrap()
        }),
        each(|| {
            let n = l.next();
            l.emit(&1);
            block_on(n).unwrap()
        }),
        each(|| drop(s.next())),
        each(|| drop(s.on(|_| ()))),
        each(|| {
            let n = s.on(|_| ());
            s.emit(&1);
            n
        }),
    ]);
    println!("{costs:?}");
}
