//! Async handlers, and the futures that they have started: those of an emission that is awaited are
//! polled by whoever awaits it, those of all others by the executor of the bus.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{self, Pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use crate::core::emission::call::collect;
use crate::core::emission::summary::Tally;
use crate::core::failure::panics::caught;
use crate::core::handler::entry::{Anchor, Code, Entity, Head, Hold, Round};
use crate::core::handler::erased::code;
use crate::core::handler::failures as faults;
use crate::core::handler::handler_fn::{Callee, Filter, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::primitives::flavour::{Local, Primitives, Shared};
use crate::core::primitives::thread::{self, Frame};
use crate::core::settings::bus::Settings;
use crate::core::settings::failure_source::guarded;
use crate::executor::Executor;
use crate::outcome::{BoxError, Flow, Outcome};

/// What a future of a handler comes to, whatever it returns.
pub(crate) type Settled = Result<Flow, BoxError>;

pub(crate) fn settle(outcome: impl Outcome) -> Settled {
    outcome.settle()
}

/// A closure that starts a future for each event.
pub(crate) struct Starts<M: Async, F, T> {
    f: F,
    /// The entry that this stands in, to hold it. Goes with the captures, so it is no cycle.
    me: OnceLock<Anchor<M, dyn Entity<M>>>,
    types: PhantomData<fn() -> T>,
}

impl<M: Async, F, T> Starts<M, F, T> {
    pub(crate) fn new(f: F) -> Self {
        Starts {
            f,
            me: OnceLock::new(),
            types: PhantomData,
        }
    }
}

impl<M, E, C, F, T> Callee<M, E, C> for Starts<M, F, T>
where
    M: Spawns<T>,
    E: Clone + 'static,
    C: 'static,
    F: Fn(M::Ptr<E>) -> T + 'static,
    T: Future<Output: Outcome> + 'static,
{
    type Kept = ();
    fn born<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &Anchor<M, Subscribed<M, S, P, Self>>,
    ) {
        let me = entry.cast::<dyn Entity<M>>(|entry| entry);
        entry.with_captures(|captures| _ = captures.callee.me.set(me));
    }

    fn call(&self, head: &Head<M>, event: &E, round: &mut Round<'_, C>) -> Code {
        let Some(hold) = self.me.get().and_then(Anchor::hold) else {
            return Code::Skipped;
        };
        let start = |event| Flight {
            future: Some(M::future((self.f)(event))),
            hold,
        };
        if let Some(event) = awaited::<M::Ptr<E>>() {
            board(start(event));
            return Code::Ran;
        }
        let executor = head.home.as_ref().and_then(|it| it.settings.executor());
        let Some(executor) = executor else {
            return faults::unexecuted(head, round.subject);
        };
        M::launch(start(M::ptr(event.clone())), executor);
        Code::Ran
    }
}

/// A future that a handler has started. Keeps the handler's captures: its call has not ended.
pub struct Flight<M: Async> {
    /// None once it has ended.
    future: Option<M::Future>,
    hold: Hold<M, dyn Entity<M>>,
}

impl<M: Async> Flight<M> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Code> {
        let occupied = thread::occupy(self.frame());
        let Some(future) = &mut self.future else {
            return Poll::Ready(Code::Skipped);
        };
        let head = self.hold.entry().head();
        let mut polled = Poll::Pending;
        let done = caught(|| polled = Pin::new(future).poll(cx));
        let code = match (done, polled) {
            (Ok(()), Poll::Pending) => return Poll::Pending,
            (Ok(()), Poll::Ready(settled)) => code(head, None, settled),
            (Err(payload), _) => {
                faults::panicked(head, None, payload);
                Code::Failed
            }
        };
        drop(occupied);
        self.end();
        Poll::Ready(code)
    }

    fn frame(&self) -> Frame {
        Frame {
            inside: self.hold.entry().address(),
            horizon: 0,
        }
    }

    /// Drops the future, as a part of the call.
    fn end(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        let head = self.hold.entry().head();
        let occupied = thread::occupy(self.frame());
        guarded(head.home.as_deref(), head.label(), head.place, || {
            drop(future);
        });
        drop(occupied);
    }
}

impl<M: Async> Drop for Flight<M> {
    fn drop(&mut self) {
        self.end();
    }
}

/// An emission on this thread whose caller awaits what the handlers start.
struct Awaited {
    /// The level that its handlers are called on. Those of nested emissions are called on deeper ones.
    depth: usize,
    /// The pointer to the event that they share.
    event: Box<dyn Any>,
    flights: Vec<Box<dyn Any>>,
}

thread_local! {
    /// Never borrowed while user code runs.
    static AWAITED: RefCell<Option<Awaited>> = const { RefCell::new(None) };
}

/// The event to share, if the emission that calls is awaited.
fn awaited<P: Clone + 'static>() -> Option<P> {
    let event = AWAITED.try_with(|awaited| {
        let awaited = awaited.borrow();
        let here = awaited.as_ref().filter(|it| it.depth == thread::depth())?;
        here.event.downcast_ref::<P>().cloned()
    });
    // An error where the thread ends, and has forgotten.
    event.ok().flatten()
}

fn board<M: Async>(flight: Flight<M>) {
    let mut flight = Some(Box::new(flight));
    AWAITED.with_borrow_mut(|awaited| {
        if let (Some(here), Some(flight)) = (awaited, flight.take()) {
            here.flights.push(flight);
        }
    });
}

/// Emits, and collects what the async handlers start.
pub(crate) fn boarding<M: Async, E: 'static>(
    event: &M::Ptr<E>,
    max_depth: usize,
    emit: impl FnOnce(&E) -> Tally,
) -> (Tally, Vec<Flight<M>>) {
    if thread::depth() >= max_depth {
        // It is refused. Who is told of that may emit on the level that is laid out below.
        return (emit(event), Vec::new());
    }
    let here = Awaited {
        depth: thread::depth() + 1,
        event: Box::new(event.clone()),
        flights: Vec::new(),
    };
    let exchange = |with| AWAITED.try_with(|awaited| awaited.replace(with));
    let outer = exchange(Some(here)).ok().flatten();
    let tally = emit(event);
    let here = exchange(outer).ok().flatten();
    let flights = here.into_iter().flat_map(|here| here.flights);
    let flights = flights.filter_map(|flight| flight.downcast().ok());
    (tally, flights.map(|flight| *flight).collect())
}

/// Goes on with an emission that has been let in already: what fails in `f` is one of its failures.
pub(crate) fn resume<M: Async>(settings: &Settings<M>, f: impl FnOnce(&mut Tally)) -> Tally {
    let level = thread::descend(usize::MAX);
    let mut tally = Tally::NOTHING;
    f(&mut tally);
    collect(settings, &mut tally);
    drop(level);
    tally
}

/// Polls all of them; what those that have ended came to.
pub(crate) fn poll_all<M: Async>(
    flights: &mut Vec<Flight<M>>,
    settings: &Settings<M>,
    cx: &mut Context<'_>,
) -> Tally {
    resume(settings, |tally| {
        flights.retain_mut(|flight| match flight.poll(cx) {
            Poll::Pending => true,
            Poll::Ready(code) => {
                tally.counts.note(code);
                false
            }
        });
    })
}

/// Gives a future to an executor.
pub(crate) fn launch(flight: Flight<Shared>, executor: Arc<dyn Executor>) {
    let schedule = move |runnable: async_task::Runnable| {
        executor.execute(Box::new(move || _ = runnable.run()));
    };
    let (runnable, task) = async_task::spawn(Launched(Some(flight)), schedule);
    task.detach();
    runnable.schedule();
}

/// A future in the hands of an executor. Dropped before it has ended, it was abandoned.
struct Launched(Option<Flight<Shared>>);

impl Future for Launched {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(flight) = &mut self.0 else {
            return Poll::Ready(());
        };
        flight.poll(cx).map(|_| self.0 = None)
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if let Some(flight) = &self.0 {
            let occupied = thread::occupy(flight.frame());
            faults::abandoned(flight.hold.entry().head());
            drop(occupied);
        }
    }
}

/// What async handlers need of a flavour: a box for futures, and somebody to give one to.
pub trait Async: Primitives {
    /// What an async handler has started.
    type Future: Future<Output = Settled> + Unpin + 'static;
    /// Gives what was started to an executor.
    fn launch(flight: Flight<Self>, executor: Arc<dyn Executor>);
}

impl Async for Shared {
    type Future = pin::Pin<Box<dyn Future<Output = Settled> + Send>>;
    fn launch(flight: Flight<Shared>, executor: Arc<dyn Executor>) {
        launch(flight, executor);
    }
}

impl Async for Local {
    type Future = pin::Pin<Box<dyn Future<Output = Settled>>>;
    fn launch(_: Flight<Local>, _: Arc<dyn Executor>) {
        unreachable!("a local bus cannot be given an executor")
    }
}

/// A flavour whose handlers may start futures of this type.
pub trait Spawns<T>: Async {
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static;
}

impl<T: Send> Spawns<T> for Shared {
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static,
    {
        Box::pin(async move { settle(future.await) })
    }
}

impl<T> Spawns<T> for Local {
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static,
    {
        Box::pin(async move { settle(future.await) })
    }
}
