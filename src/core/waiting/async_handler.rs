//! Async handlers, and the futures that they have started. Those of an awaited emission are polled
//! by the future of that emission, all others by the executor of the bus.
//!
//! # Decisions
//!
//! **An awaited emission is a plain one, in which handlers leave what they start.** `emit_async`
//! runs the same loop. Before that it sets up a list for the thread, with the depth at which the
//! handlers will be called, and an async handler that is called at that depth puts its future
//! there. So the loop knows nothing of it, and nested emissions, which are deeper, pass theirs to
//! the executor. In order, the handlers are collected first and called one by one. A future that is
//! polled later is polled one level down, so that its failure belongs to the emission.
//!
//! **A started future is a call that has not ended.** It holds a strong reference to its handler,
//! as an emission does: captures stay, and the waiting cancel waits. The alternative, that a cancel
//! drops the future, would need something that wakes it, and would end work halfway that a plain
//! handler completes.
//!
//! **The event is shared, `Arc<E>`**, because a future outlives the reference. An awaited emission
//! owns the event already, so nothing is cloned there; a plain one clones it for each async
//! handler, as `on_queue` does.
//!
//! **Each time that a future is woken is one task for the executor**, so that a closure over any pool
//! will do: see [`task`]. A local bus has no executor: a waker may be used on any thread, and its
//! futures only on one.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::core::emission::call::collect;
use crate::core::emission::summary::EmissionSummary;
use crate::core::failure::panics::catch;
use crate::core::failure::trace::KeptSpan;
use crate::core::handler::entry::{CallResult, Connection, StrongRef};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::erased::code;
use crate::core::handler::failures;
use crate::core::handler::handler_fn::{Condition, HandlerFn, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::primitives::flavour::{Local, Primitives, Shared};
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::counted::Live;
use crate::core::settings::bus::{BusConfig, Provided};
use crate::core::settings::failure_source::guarded;
use crate::core::waiting::task::{self, Work};
#[cfg(feature = "follow")]
use crate::core::{emission::followed::key_of, follow, handler::entry::Header};
use crate::executor::Executor;
use crate::failure::Cause;
use crate::outcome::sealed::Outcome as _;
use crate::outcome::{BoxError, Flow, Outcome};
use crate::wiring::handler::HandlerKind;

/// The output of a handler's future, as an [`Outcome`] that was settled.
pub(crate) type HandlerOutput = Result<Flow, BoxError>;

/// A closure that starts a future for each event.
pub(crate) struct AsyncHandler<F>(pub(crate) F);

impl<M, E, C, F, T> HandlerFn<M, E, C> for AsyncHandler<F>
where
    M: FutureFor<T>,
    E: Clone + 'static,
    C: 'static,
    F: Fn(M::Ptr<E>) -> T + 'static,
    T: Future<Output: Outcome> + 'static,
{
    type EntryState = ();

    fn kind(&self) -> (HandlerKind, usize) {
        (HandlerKind::Async, 0)
    }

    fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Condition<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
        event: &E,
        cx: &mut EmitContext<'_, C>,
    ) -> CallResult {
        let (head, AsyncHandler(f)) = (entry.head(), &*entry.captures().callee);
        if let Some(event) = awaited::<M::Ptr<E>>() {
            collect_future(start(entry, M::future(f(event)), cx));
            return CallResult::Ran;
        }
        let executor = head.info.as_ref().and_then(|it| it.config.executor());
        let Some(executor) = executor else {
            return failures::unexecuted(head, cx.topic_info(), Cause::NoExecutor);
        };
        let future = M::future(f(M::ptr(event.clone())));
        M::spawn(start(entry, future, cx), executor);
        CallResult::Ran
    }
}

/// Like [`AsyncHandler`], for awaited emissions only: the event need not be cloned.
pub(crate) struct AwaitedHandler<F>(pub(crate) F);

impl<M, E, C, F, T> HandlerFn<M, E, C> for AwaitedHandler<F>
where
    M: FutureFor<T>,
    E: 'static,
    C: 'static,
    F: Fn(M::Ptr<E>) -> T + 'static,
    T: Future<Output: Outcome> + 'static,
{
    type EntryState = ();

    fn kind(&self) -> (HandlerKind, usize) {
        (HandlerKind::Async, 0)
    }

    fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Condition<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
        _: &E,
        cx: &mut EmitContext<'_, C>,
    ) -> CallResult {
        let (head, AwaitedHandler(f)) = (entry.head(), &*entry.captures().callee);
        let Some(event) = awaited::<M::Ptr<E>>() else {
            return failures::unexecuted(head, cx.topic_info(), Cause::NotAwaited);
        };
        collect_future(start(entry, M::future(f(event)), cx));
        CallResult::Ran
    }
}

pub(super) fn start<M, S, P, K, C>(
    entry: &Live<Subscribed<M, S, P, K>>,
    future: M::Future,
    cx: &EmitContext<'_, C>,
) -> HandlerFuture<M>
where
    M: AsyncFlavour,
    S: Owner<M, Context = C>,
    P: Condition<S::Event>,
    K: HandlerFn<M, S::Event, C>,
{
    let (head, topic_info) = (entry.head(), cx.topic_info());
    #[cfg(feature = "follow")]
    let work = follow::LongWork::of_handler(follower_of(head), key_of(head));
    // The span has its cause.
    #[cfg(feature = "follow")]
    let _lead = work.lead();
    HandlerFuture {
        handler: entry.strong_ref(|entry| entry as &dyn Connection<M>),
        future: Some(future),
        span: KeptSpan::of_call(|| (Some(&topic_info.name), head.label(), head.location)),
        _provided: head.info.as_ref().and_then(|it| it.config.provided()),
        #[cfg(feature = "follow")]
        work,
    }
}

/// A future that a handler has started. Keeps the handler's captures: the call has not ended.
pub struct HandlerFuture<M: AsyncFlavour> {
    /// `None` once it has completed.
    future: Option<M::Future>,
    handler: StrongRef<M, dyn Connection<M>>,
    span: KeptSpan,
    /// Only kept.
    _provided: Option<M::Ptr<Provided<M>>>,
    #[cfg(feature = "follow")]
    work: follow::LongWork,
}

#[cfg(feature = "follow")]
fn follower_of<M: Primitives>(head: &Header<M>) -> u32 {
    head.info.as_ref().map_or(0, |info| info.config.follower())
}

impl<M: AsyncFlavour> HandlerFuture<M> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CallResult> {
        let scope_guard = thread::enter_scope(self.scope());
        let span_guard = self.span.enter();
        let Some(future) = &mut self.future else {
            return Poll::Ready(CallResult::Skipped);
        };
        #[cfg(feature = "follow")]
        let part = self.work.enter();
        let head = self.handler.head();
        let mut polled = Poll::Pending;
        let done = catch(|| polled = Pin::new(future).poll(cx));
        let code = match (done, polled) {
            (Ok(()), Poll::Pending) => return Poll::Pending,
            (Ok(()), Poll::Ready(settled)) => match code(head, None, settled) {
                CallResult::Cancelled => self.handler.cancel_itself(self.handler.alive()),
                result => result,
            },
            (Err(payload), _) => {
                failures::panicked(head, None, payload);
                CallResult::Failed
            }
        };
        span_guard.leave();
        drop(scope_guard);
        #[cfg(feature = "follow")]
        drop(part);
        self.end();
        Poll::Ready(code)
    }

    fn scope(&self) -> ActiveScope {
        ActiveScope {
            inside: self.handler.address(),
            sequence_limit: 0,
        }
    }

    /// Drops the future, as a part of the call. A panic is a failure of the handler.
    fn end(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        let head = self.handler.head();
        let scope_guard = thread::enter_scope(self.scope());
        let _span_guard = self.span.enter();
        #[cfg(feature = "follow")]
        let _lead = self.work.lead();
        guarded(head.info.as_deref(), head.label(), head.location, || {
            drop(future);
        });
        drop(scope_guard);
        #[cfg(feature = "follow")]
        if let (Some(took), Some(info)) = (self.work.end(Some(key_of(head))), head.info.as_deref())
        {
            info.config.warn(&key_of(head).slow(info.name(), took));
        }
    }
}

impl<M: AsyncFlavour> Drop for HandlerFuture<M> {
    fn drop(&mut self) {
        self.end();
    }
}

/// An emission on this thread that is awaited, and what its handlers have started.
struct Awaited {
    /// The depth at which its handlers are called. Those of nested emissions are called at a
    /// greater one.
    depth: usize,
    /// The pointer to the event that they share.
    event: Box<dyn Any>,
    futures: Vec<Box<dyn Any>>,
}

thread_local! {
    /// The innermost awaited emission. Never borrowed while user code runs.
    static AWAITED: RefCell<Option<Awaited>> = const { RefCell::new(None) };
}

/// The event to share, if the calling emission is awaited.
fn awaited<P: Clone + 'static>() -> Option<P> {
    let event = AWAITED.try_with(|awaited| {
        let awaited = awaited.borrow();
        let current = awaited.as_ref().filter(|it| it.depth == thread::depth())?;
        current.event.downcast_ref::<P>().cloned()
    });
    // An error while the thread ends, after its thread-locals were destroyed.
    event.ok().flatten()
}

/// Whether the emission that calls the handler of this code is awaited.
#[cfg(feature = "nats")]
pub(super) fn is_awaited() -> bool {
    let is_current = |it: &Awaited| it.depth == thread::depth();
    let current = AWAITED.try_with(|awaited| awaited.borrow().as_ref().is_some_and(is_current));
    current.unwrap_or(false)
}

pub(super) fn collect_future<M: AsyncFlavour>(future: HandlerFuture<M>) {
    let mut future = Some(Box::new(future));
    AWAITED.with_borrow_mut(|awaited| {
        if let (Some(current), Some(future)) = (awaited, future.take()) {
            current.futures.push(future);
        }
    });
}

/// Emits, and returns what the async handlers have started.
pub(crate) fn collect_futures<M: AsyncFlavour, E: 'static>(
    event: &M::Ptr<E>,
    max_depth: usize,
    emit: impl FnOnce(&E) -> EmissionSummary,
) -> (EmissionSummary, Vec<HandlerFuture<M>>) {
    if thread::depth() >= max_depth {
        // The emission is refused. A hook that is notified of that may emit at the depth set up
        // below.
        return (emit(event), Vec::new());
    }
    let current = Awaited {
        depth: thread::depth() + 1,
        event: Box::new(event.clone()),
        futures: Vec::new(),
    };
    let exchange = |with| AWAITED.try_with(|awaited| awaited.replace(with));
    let outer = exchange(Some(current)).ok().flatten();
    let summary = emit(event);
    let current = exchange(outer).ok().flatten();
    let futures = current.into_iter().flat_map(|current| current.futures);
    let futures = futures.filter_map(|future| future.downcast().ok());
    (summary, futures.map(|future| *future).collect())
}

/// Continues an emission that has begun, whatever the depth: failures in `f` belong to it.
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

/// Polls all futures, and removes those that have completed; returns their results.
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

/// A future that an executor runs. If it is dropped before it has completed, it was abandoned.
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

impl Work for Spawned {}

impl Drop for Spawned {
    fn drop(&mut self) {
        if let Some(future) = &self.0 {
            let scope_guard = thread::enter_scope(future.scope());
            failures::abandoned(future.handler.head());
            drop(scope_guard);
        }
    }
}

/// What async handlers need of a flavour: a box for futures, and how to give one to an executor.
pub trait AsyncFlavour: Primitives {
    /// The boxed future of a handler.
    type Future: Future<Output = HandlerOutput> + Unpin + 'static;
    /// Gives a future to an executor.
    fn spawn(future: HandlerFuture<Self>, executor: Arc<dyn Executor>);
}

impl AsyncFlavour for Shared {
    type Future = Pin<Box<dyn Future<Output = HandlerOutput> + Send>>;
    /// As a task for each time it is woken.
    fn spawn(future: HandlerFuture<Shared>, executor: Arc<dyn Executor>) {
        task::spawn(Spawned(Some(future)), executor);
    }
}

impl AsyncFlavour for Local {
    type Future = Pin<Box<dyn Future<Output = HandlerOutput>>>;
    fn spawn(_: HandlerFuture<Local>, _: Arc<dyn Executor>) {
        unreachable!("a local bus cannot be given an executor")
    }
}

/// A flavour whose handlers may start futures of this type.
pub trait FutureFor<T>: AsyncFlavour {
    /// Boxes a future, and settles its outcome.
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static;
}

impl<T: Send> FutureFor<T> for Shared {
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static,
    {
        Box::pin(async move { future.await.settle() })
    }
}

impl<T> FutureFor<T> for Local {
    fn future(future: T) -> Self::Future
    where
        T: Future<Output: Outcome> + 'static,
    {
        Box::pin(async move { future.await.settle() })
    }
}
