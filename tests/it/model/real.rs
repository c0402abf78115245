//! The scripts on a bus, of either flavour.
//!
//! Handlers carry numbers only and find the bus by a thread-local, so that the same closures suit
//! both flavours.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use slotcast::flavour::{
    Bus, Flavour, Local, Pause, SendBound, Shared, Signal, Subscription, SyncBound,
};
use slotcast::{BoxError, Drained, Emission, Flow, HandlerError, Panics, SubscriptionId, Topic};

use super::reference::label;
use super::script::{
    self, Book, Calls, End, Face, Failure, How, Line, Panic, Plan, Program, State, Step, TOPICS,
};

type Outcome = Result<Flow, BoxError>;
type Called = Box<dyn Fn(&u32) -> Outcome + Send + Sync>;
type CalledOnce = Box<dyn FnOnce(&u32) -> Outcome + Send>;
type CalledLater = Box<dyn Fn(&mut (), &u32) -> Outcome + Send + Sync>;
type Asked = Box<dyn Fn(&u32) -> bool + Send + Sync>;
type Told = fn(&HandlerError);

/// A flavour that takes what the scripts are made of: either.
pub(crate) trait Either:
    Flavour
    + SyncBound<Called>
    + SyncBound<CalledLater>
    + SyncBound<Asked>
    + SyncBound<Told>
    + SendBound<CalledOnce>
    + SendBound<u32>
{
}
impl Either for Shared {}
impl Either for Local {}

thread_local! {
    static FACE: RefCell<Option<Rc<dyn Any>>> = const { RefCell::new(None) };
    /// How often the captures of each handler were dropped.
    static DROPS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

pub(crate) struct Real<M: Either> {
    book: Book,
    bus: Bus<M>,
    topics: [Topic<u32>; TOPICS.len()],
    signals: [Signal<M, u32>; 2],
    subscriptions: RefCell<Vec<Option<Rc<Subscription<M>>>>>,
    ids: RefCell<Vec<SubscriptionId>>,
    pauses: RefCell<Vec<Vec<Pause<M>>>>,
}

/// Runs a program on a bus of its own.
pub(crate) fn tell<M: Either>(program: &Rc<Program>) -> Vec<Line> {
    DROPS.take();
    let panics = if program.contain {
        Panics::Contain
    } else {
        Panics::Resume
    };
    let bus = Bus::<M>::builder()
        .panics(panics)
        .max_depth(program.max_depth)
        .build();
    bus.set_error_hook(told::<M> as Told);
    let topics = TOPICS.map(Topic::new);
    let real = Rc::new(Real {
        book: Book::new(program),
        signals: [bus.signal(&topics[0]), bus.signal(&topics[1])],
        bus,
        topics,
        subscriptions: RefCell::default(),
        ids: RefCell::default(),
        pauses: RefCell::default(),
    });
    FACE.set(Some(real.clone()));
    let story = script::tell(&*real);
    // Nothing is left to be told of when the queue goes.
    real.bus.queue().clear();
    FACE.take();
    drop(real);
    assert!(
        DROPS.take().iter().all(|&drops| drops == 1),
        "captures of a bus that has gone are dropped once"
    );
    story.log
}

fn face<M: Either>() -> Rc<Real<M>> {
    let face = FACE.with_borrow(Clone::clone);
    face.and_then(|face| face.downcast().ok())
        .expect("a bus is set while its handlers can run")
}

/// What a handler captures.
struct Captured(usize);

impl Drop for Captured {
    fn drop(&mut self) {
        DROPS.with_borrow_mut(|drops| drops[self.0] += 1);
    }
}

/// Unwinds as a panic does, but prints nothing.
fn raise(panic: Panic) -> ! {
    resume_unwind(Box::new(panic.text))
}

fn called<M: Either>(captured: &Captured, event: u32) -> Outcome {
    match script::call(&*face::<M>(), captured.0, event) {
        Ok(End::Continue) => Ok(Flow::Continue),
        Ok(End::Stop) => Ok(Flow::Stop),
        Ok(End::Fail) => Err("as planned".into()),
        Ok(End::Panic) => unreachable!("a panic is an error of its script"),
        Err(panic) => raise(panic),
    }
}

fn asked<M: Either>(handler: usize, event: u32) -> bool {
    script::ask(&*face::<M>(), handler, event).unwrap_or_else(|panic| raise(panic))
}

fn told<M: Either>(error: &HandlerError) {
    face::<M>().book.write(Line::Told(failure(error)));
}

fn failure(error: &HandlerError) -> Failure {
    (error.kind(), error.label().map(str::to_owned))
}

impl<M: Either> Real<M> {
    fn subscription(&self, handler: usize) -> Option<Rc<Subscription<M>>> {
        self.subscriptions.borrow()[handler].clone()
    }

    fn signal(&self, topic: usize) -> Signal<M, u32> {
        match self.signals.get(topic) {
            Some(signal) => signal.clone(),
            None => self.bus.signal(&self.topics[topic]),
        }
    }

    fn write_emission(&self, done: &Emission) {
        self.book.write(Line::Emitted {
            ran: done.ran(),
            stopped: done.stopped(),
            closed: done.is_closed(),
            errors: done.errors().iter().map(failure).collect(),
        });
    }

    fn catch(&self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            match payload.downcast::<String>() {
                Ok(text) => self.book.write(Line::Caught(*text)),
                Err(other) => resume_unwind(other),
            }
        }
    }
}

impl<M: Either> Face for Real<M> {
    fn book(&self) -> &Book {
        &self.book
    }

    fn on(&self, handler: usize, plan: &Plan) {
        DROPS.with_borrow_mut(|drops| drops.push(0));
        let captured = Captured(handler);
        let call: Called = Box::new(move |event| called::<M>(&captured, *event));
        let builder = match plan.topic {
            0 => self.signals[0].subscribe(),
            topic => self.bus.subscribe(&self.topics[topic]),
        };
        let mut builder = builder
            .priority(plan.priority)
            .label(label(handler).unwrap_or_default());
        if let Calls::Limit(calls) = plan.calls {
            builder = builder.limit(calls);
        }
        if plan.queued && matches!(plan.calls, Calls::Once) {
            builder = builder.limit(1);
        }
        // A builder with a filter is of another type.
        macro_rules! finish {
            ($builder:expr) => {
                match plan.calls {
                    _ if plan.queued => {
                        let later: CalledLater = Box::new(move |(), event| call(event));
                        $builder.on_queue(&self.bus.queue(), later)
                    }
                    Calls::Once => {
                        let once: CalledOnce = Box::new(move |event| call(event));
                        $builder.once(once)
                    }
                    Calls::Any | Calls::Limit(_) => $builder.on(call),
                }
            };
        }
        let subscription = match plan.filter {
            None => finish!(builder),
            Some(_) => {
                let ask: Asked = Box::new(move |event| asked::<M>(handler, *event));
                finish!(builder.filter(ask))
            }
        };
        self.ids.borrow_mut().push(subscription.id());
        self.subscriptions
            .borrow_mut()
            .push(Some(Rc::new(subscription)));
        self.pauses.borrow_mut().push(Vec::new());
    }

    fn cancel(&self, handler: usize) -> Option<bool> {
        self.subscription(handler)
            .map(|subscription| subscription.cancel())
    }

    fn cancel_by_id(&self, handler: usize) -> bool {
        let id = self.ids.borrow()[handler];
        self.bus.cancel(id)
    }

    fn drop_subscription(&self, handler: usize) {
        let subscription = self.subscriptions.borrow_mut()[handler].take();
        drop(subscription);
    }

    fn detach(&self, handler: usize) {
        let subscription = self.subscriptions.borrow_mut()[handler].take();
        if let Some(Ok(subscription)) = subscription.map(Rc::try_unwrap) {
            subscription.detach();
        }
    }

    fn pause(&self, handler: usize) {
        if let Some(subscription) = self.subscription(handler) {
            self.pauses.borrow_mut()[handler].push(subscription.pause());
        }
    }

    fn unpause(&self, handler: usize) {
        let pause = self.pauses.borrow_mut()[handler].pop();
        drop(pause);
    }

    fn state(&self, handler: usize) -> State {
        let subscription = self.subscription(handler);
        State {
            active: subscription.as_ref().map(|it| it.is_active()),
            paused: subscription.as_ref().map(|it| it.is_paused()),
            drops: DROPS.with_borrow(|drops| drops[handler]),
        }
    }

    fn len(&self, topic: usize) -> usize {
        self.signal(topic).len()
    }

    fn clear(&self, topic: usize) -> usize {
        self.signal(topic).clear()
    }

    fn close(&self, topic: usize) {
        self.signal(topic).close();
    }

    fn close_bus(&self) {
        self.bus.close();
    }

    fn close_queue(&self) {
        self.bus.queue().close();
    }

    fn emit(&self, topic: usize, event: u32, lazy: bool) -> Result<(), Panic> {
        let make = || {
            self.book.write(Line::Made { event });
            event
        };
        let done = match (topic, lazy) {
            (0, false) => self.signals[0].emit(&event),
            (0, true) => self.signals[0].emit_lazy(make),
            (_, false) => self.bus.emit(&self.topics[topic], &event),
            (_, true) => self.bus.emit_lazy(&self.topics[topic], make),
        };
        self.write_emission(&done);
        Ok(())
    }

    fn emit_and_catch(&self, topic: usize, event: u32) {
        self.catch(|| _ = self.emit(topic, event, false));
    }

    fn defer(&self, topic: usize, event: u32) -> bool {
        let result = match topic {
            0 => self.signals[0].defer(event),
            topic => self.bus.defer(&self.topics[topic], event),
        };
        result
            .map_err(|error| assert_eq!(error.into_event(), event))
            .is_ok()
    }

    fn drain(&self, how: How) -> Result<(), Panic> {
        let done: Drained = match how {
            How::All => self.bus.drain(),
            How::One => self.bus.queue().drain_one(),
            How::UntilIdle(limit) => self.bus.queue().drain_until_idle(limit),
        };
        self.book.write(Line::Drained {
            delivered: done.delivered(),
            remaining: done.remaining(),
            errors: done.errors().iter().map(failure).collect(),
        });
        Ok(())
    }

    fn clear_queue(&self) -> usize {
        self.bus.queue().clear()
    }

    fn clear_topic(&self, topic: usize) -> usize {
        self.bus.queue().clear_topic(&self.signal(topic))
    }

    fn waiting(&self) -> usize {
        self.bus.queue().len()
    }

    fn topics(&self) -> Vec<String> {
        self.bus.topics()
    }

    fn perform_and_catch(&self, step: &Step) {
        self.catch(|| {
            if let Err(panic) = script::perform(self, step, None) {
                raise(panic);
            }
        });
    }
}
