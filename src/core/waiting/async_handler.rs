//! AsyncFlavour handlers, and the futures that they have started: those of an emission that is awaited are
//! polled by whoever awaits it, those of all others by the executor of the bus.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{self, Pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use crate::core::emission::call::collect;
use crate::core::emission::summary::EmissionSummary;
use crate::core::failure::panics::catch;
use crate::core::handler::entry::{Anchor, Code, Entity, Head, Hold, Round};
use crate::core::handler::erased::code;
use crate::core::handler::failures;
use crate::core::handler::handler_fn::{Callee, Filter, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::primitives::flavour::{Local, Primitives, Shared};
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::settings::bus::BusConfig;
use crate::core::settings::failure_source::guarded;
use crate::executor::Executor;
use crate::outcome::{BoxError, Flow, Outcome};

/// What a future of a handler comes to, whatever it returns.
pub(crate) type HandlerOutput = Result<Flow, BoxError>;

pub(crate) fn settle(outcome: impl Outcome) -> HandlerOutput {
    outcome.settle()
}

/// A closure that starts a future for each event.
pub(crate) struct AsyncHandler<M: AsyncFlavour, F, T> {
    f: F,
    /// The entry that this stands in, to hold it. Goes with the captures, so it is no cycle.
    own_entry: OnceLock<Anchor<M, dyn Entity<M>>>,
    types: PhantomData<fn() -> T>,
}

impl<M: AsyncFlavour, F, T> AsyncHandler<M, F, T> {
    pub(crate) fn new(f: F) -> Self {
        AsyncHandler {
            f,
            own_entry: OnceLock::new(),
            types: PhantomData,
        }
    }
}

impl<M, E, C, F, T> Callee<M, E, C> for AsyncHandler<M, F, T>
where
    M: FutureFor<T>,
    E: Clone + 'static,
    C: 'static,
    F: Fn(M::Ptr<E>) -> T + 'static,
    T: Future<Output: Outcome> + 'static,
{
    type EntryState = ();
    fn on_subscribed<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &Anchor<M, Subscribed<M, S, P, Self>>,
    ) {
        let own_entry = entry.cast::<dyn Entity<M>>(|entry| entry);
        entry.with_captures(|captures| _ = captures.callee.own_entry.set(own_entry));
    }

    fn call(&self, head: &Head<M>, event: &E, cx: &mut Round<'_, C>) -> Code {
        let Some(hold) = self.own_entry.get().and_then(Anchor::hold) else {
            return Code::Skipped;
        };
        let start = |event| HandlerFuture {
            future: Some(M::future((self.f)(event))),
            hold,
        };
        if let Some(event) = awaited::<M::Ptr<E>>() {
            collect_future(start(event));
            return Code::Ran;
        }
        let executor = head.info.as_ref().and_then(|it| it.config.executor());
        let Some(executor) = executor else {
            return failures::unexecuted(head, cx.topic_info);
        };
        M::spawn(start(M::ptr(event.clone())), executor);
        Code::Ran
    }
}

/// A future that a handler has started. Keeps the handler's captures: its call has not ended.
pub struct HandlerFuture<M: AsyncFlavour> {
    /// None once it has ended.
    future: Option<M::Future>,
    hold: Hold<M, dyn Entity<M>>,
}

impl<M: AsyncFlavour> HandlerFuture<M> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Code> {
        let scope_guard = thread::enter_scope(self.scope());
        let Some(future) = &mut self.future else {
            return Poll::Ready(Code::Skipped);
        };
        let head = self.hold.entry().head();
        let mut polled = Poll::Pending;
        let done = catch(|| polled = Pin::new(future).poll(cx));
        let code = match (done, polled) {
            (Ok(()), Poll::Pending) => return Poll::Pending,
            (Ok(()), Poll::Ready(settled)) => code(head, None, settled),
            (Err(payload), _) => {
                failures::panicked(head, None, payload);
                Code::Failed
            }
        };
        drop(scope_guard);
        self.end();
        Poll::Ready(code)
    }

    fn scope(&self) -> ActiveScope {
        ActiveScope {
            inside: self.hold.entry().address(),
            sequence_limit: 0,
        }
    }

    /// Drops the future, as a part of the call.
    fn end(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        let head = self.hold.entry().head();
        let scope_guard = thread::enter_scope(self.scope());
        guarded(head.info.as_deref(), head.label(), head.location, || {
            drop(future);
        });
        drop(scope_guard);
    }
}

impl<M: AsyncFlavour> Drop for HandlerFuture<M> {
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
    futures: Vec<Box<dyn Any>>,
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

fn collect_future<M: AsyncFlavour>(future: HandlerFuture<M>) {
    let mut future = Some(Box::new(future));
    AWAITED.with_borrow_mut(|awaited| {
        if let (Some(here), Some(future)) = (awaited, future.take()) {
            here.futures.push(future);
        }
    });
}

/// Emits, and collects what the async handlers start.
pub(crate) fn collect_futures<M: AsyncFlavour, E: 'static>(
    event: &M::Ptr<E>,
    max_depth: usize,
    emit: impl FnOnce(&E) -> EmissionSummary,
) -> (EmissionSummary, Vec<HandlerFuture<M>>) {
    if thread::depth() >= max_depth {
        // It is refused. Who is told of that may emit on the level that is laid out below.
        return (emit(event), Vec::new());
    }
    let here = Awaited {
        depth: thread::depth() + 1,
        event: Box::new(event.clone()),
        futures: Vec::new(),
    };
    let exchange = |with| AWAITED.try_with(|awaited| awaited.replace(with));
    let outer = exchange(Some(here)).ok().flatten();
    let summary = emit(event);
    let here = exchange(outer).ok().flatten();
    let futures = here.into_iter().flat_map(|here| here.futures);
    let futures = futures.filter_map(|future| future.downcast().ok());
    (summary, futures.map(|future| *future).collect())
}

/// Goes on with an emission that has been let in already: what fails in `f` is one of its failures.
pub(crate) fn resume<M: AsyncFlavour>(
    config: &BusConfig<M>,
    f: impl FnOnce(&mut EmissionSummary),
) -> EmissionSummary {
    let depth_guard = thread::enter_emission(usize::MAX);
    let mut summary = EmissionSummary::NOTHING;
    f(&mut summary);
    collect(config, &mut summary);
    drop(depth_guard);
    summary
}

/// Polls all of them; what those that have ended came to.
pub(crate) fn poll_all<M: AsyncFlavour>(
    futures: &mut Vec<HandlerFuture<M>>,
    config: &BusConfig<M>,
    cx: &mut Context<'_>,
) -> EmissionSummary {
    resume(config, |summary| {
        futures.retain_mut(|future| match future.poll(cx) {
            Poll::Pending => true,
            Poll::Ready(code) => {
                summary.counts.note(code);
                false
            }
        });
    })
}

/// Gives a future to an executor.
pub(crate) fn spawn(future: HandlerFuture<Shared>, executor: Arc<dyn Executor>) {
    let schedule = move |runnable: async_task::Runnable| {
        executor.execute(Box::new(move || _ = runnable.run()));
    };
    let (runnable, task) = async_task::spawn(Spawned(Some(future)), schedule);
    task.detach();
    runnable.schedule();
}

/// A future in the hands of an executor. Dropped before it has ended, it was abandoned.
struct Spawned(Option<HandlerFuture<Shared>>);

impl Future for Spawned {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(());
        };
        future.poll(cx).map(|_| self.0 = None)
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        if let Some(future) = &self.0 {
            let scope_guard = thread::enter_scope(future.scope());
            failures::abandoned(future.hold.entry().head());
            drop(scope_guard);
        }
    }
}

/// What async handlers need of a flavour: a box for futures, and somebody to give one to.
pub trait AsyncFlavour: Primitives {
    /// What an async handler has started.
    type Future: Future<Output = HandlerOutput> + Unpin + 'static;
    /// Gives what was started to an executor.
    fn spawn(future: HandlerFuture<Self>, executor: Arc<dyn Executor>);
}

impl AsyncFlavour for Shared {
    type Future = pin::Pin<Box<dyn Future<Output = HandlerOutput> + Send>>;
    fn spawn(future: HandlerFuture<Shared>, executor: Arc<dyn Executor>) {
        spawn(future, executor);
    }
}

impl AsyncFlavour for Local {
    type Future = pin::Pin<Box<dyn Future<Output = HandlerOutput>>>;
    fn spawn(_: HandlerFuture<Local>, _: Arc<dyn Executor>) {
        unreachable!("a local bus cannot be given an executor")
    }
}

/// A flavour whose handlers may start futures of this type.
pub trait FutureFor<T>: AsyncFlavour {
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static;
}

impl<T: Send> FutureFor<T> for Shared {
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static,
    {
        Box::pin(async move { settle(future.await) })
    }
}

impl<T> FutureFor<T> for Local {
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static,
    {
        Box::pin(async move { settle(future.await) })
    }
}
