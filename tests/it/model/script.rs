//! What handlers do when they are called, and what is written down of it. The bus and the reference
//! perform the same scripts, by the same code, each on its own handlers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use slotcast::FailureKind;

/// One is used by its handle, one by name although there is a handle, and one by name alone.
pub(crate) const TOPICS: [&str; 3] = ["by.handle", "by.name", "by.name.alone"];

/// How many scripts one outermost step sets off. A handler that is called after them does nothing.
const BUDGET: usize = 24;

/// What is subscribed when, and what all handlers do.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) scripts: Vec<Script>,
    pub(crate) top: Vec<Step>,
    pub(crate) max_depth: usize,
    /// Whether the bus contains panics.
    pub(crate) contain: bool,
}

/// What a handler, or a filter, does each time it is called.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Continue,
    Stop,
    Fail,
    Panic,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    On(Plan),
    Cancel(Who),
    CancelById(Who),
    Drop(Who),
    Detach(Who),
    Pause(Who),
    Unpause(Who),
    Emit(usize),
    EmitLazy(usize),
    EmitAndCatch(usize),
    Clear(usize),
    Close(usize),
    CloseBus,
    CloseQueue,
    Defer(usize),
    Drain(How),
    ClearQueue,
    ClearTopic(usize),
}

/// What every run has to have performed inside of handlers.
pub(crate) const NESTED: &[&str] = &[
    "on",
    "once",
    "limit",
    "filter",
    "on queue",
    "cancel",
    "cancel by id",
    "drop",
    "detach",
    "pause",
    "unpause",
    "emit",
    "emit lazy",
    "emit and catch",
    "clear",
    "close",
    "close bus",
    "close queue",
    "defer",
    "drain",
    "drain one",
    "drain until idle",
    "clear queue",
    "clear topic",
    "stop",
    "fail",
    "panic",
    "filter that panics",
];

impl Step {
    fn kind(&self) -> &'static str {
        match self {
            Step::On(Plan { queued: true, .. }) => "on queue",
            Step::On(plan) => match plan.calls {
                _ if plan.filter.is_some() => "filter",
                Calls::Any => "on",
                Calls::Once => "once",
                Calls::Limit(_) => "limit",
            },
            Step::Cancel(_) => "cancel",
            Step::CancelById(_) => "cancel by id",
            Step::Drop(_) => "drop",
            Step::Detach(_) => "detach",
            Step::Pause(_) => "pause",
            Step::Unpause(_) => "unpause",
            Step::Emit(_) => "emit",
            Step::EmitLazy(_) => "emit lazy",
            Step::EmitAndCatch(_) => "emit and catch",
            Step::Clear(_) => "clear",
            Step::Close(_) => "close",
            Step::CloseBus => "close bus",
            Step::CloseQueue => "close queue",
            Step::Defer(_) => "defer",
            Step::Drain(How::All) => "drain",
            Step::Drain(How::One) => "drain one",
            Step::Drain(How::UntilIdle(_)) => "drain until idle",
            Step::ClearQueue => "clear queue",
            Step::ClearTopic(_) => "clear topic",
        }
    }
}

/// A handler by the order of subscribing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Me,
    /// The one subscribed after me.
    Next,
    First(usize),
    Last(usize),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    All,
    One,
    UntilIdle(usize),
}

/// A handler to be.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) topic: usize,
    pub(crate) priority: i32,
    pub(crate) calls: Calls,
    pub(crate) script: usize,
    /// The script of its filter, which passes what is even.
    pub(crate) filter: Option<usize>,
    /// It runs where the queue of the bus is drained.
    pub(crate) queued: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Calls {
    Any,
    Once,
    Limit(usize),
}

/// One line of the story. Errors are told by what they are and whose they are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Called {
        handler: usize,
        event: u32,
        active: Option<bool>,
        len: usize,
    },
    Asked {
        handler: usize,
        event: u32,
    },
    Made {
        event: u32,
    },
    Cancelled {
        handler: usize,
        was_there: Option<bool>,
    },
    CancelledById {
        handler: usize,
        was_there: bool,
    },
    Cleared {
        topic: usize,
        handlers: usize,
    },
    Emitted {
        ran: usize,
        stopped: bool,
        closed: bool,
        errors: Vec<Failure>,
    },
    Deferred {
        event: u32,
        taken: bool,
    },
    Drained {
        delivered: usize,
        remaining: usize,
        errors: Vec<Failure>,
    },
    QueueCleared {
        events: usize,
    },
    /// The error hook was called.
    Told(Failure),
    /// A panic came out of an emission or a drain, and was caught.
    Caught(String),
    /// Between two steps, outside of all handlers.
    Now {
        lens: Vec<usize>,
        handlers: Vec<State>,
        waiting: usize,
        topics: Vec<String>,
    },
}

pub(crate) type Failure = (FailureKind, Option<String>);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// What the subscription says, while there is one.
    pub(crate) active: Option<bool>,
    pub(crate) paused: Option<bool>,
    /// How often the captures were dropped.
    pub(crate) drops: usize,
}

/// What a run has to remember, whoever runs it.
pub(crate) struct Book {
    pub(crate) program: Rc<Program>,
    pub(crate) plans: RefCell<Vec<Plan>>,
    log: RefCell<Vec<Line>>,
    budget: Cell<usize>,
    /// How many scripts are open.
    nesting: Cell<usize>,
    serial: Cell<u32>,
    seen: RefCell<BTreeMap<&'static str, usize>>,
}

/// A panic on its way.
#[derive(Debug, Clone)]
pub(crate) struct Panic {
    pub(crate) text: String,
    /// An emission has it among its errors.
    pub(crate) told: bool,
}

pub(crate) struct Story {
    pub(crate) log: Vec<Line>,
    pub(crate) seen: BTreeMap<&'static str, usize>,
}

impl Book {
    pub(crate) fn new(program: &Rc<Program>) -> Self {
        Book {
            program: program.clone(),
            plans: RefCell::default(),
            log: RefCell::default(),
            budget: Cell::new(0),
            nesting: Cell::new(0),
            serial: Cell::new(0),
            seen: RefCell::default(),
        }
    }

    pub(crate) fn write(&self, line: Line) {
        self.log.borrow_mut().push(line);
    }

    /// Takes note that the program came to something.
    pub(crate) fn saw(&self, what: &'static str) {
        *self.seen.borrow_mut().entry(what).or_insert(0) += 1;
    }

    fn next(&self) -> u32 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    pub(crate) fn plan(&self, handler: usize) -> Plan {
        self.plans.borrow()[handler].clone()
    }

    pub(crate) fn finish(&self) -> Story {
        Story {
            log: self.log.take(),
            seen: self.seen.take(),
        }
    }
}

/// What scripts are performed on: a bus, or the reference.
pub(crate) trait Face {
    fn book(&self) -> &Book;
    fn on(&self, handler: usize, plan: &Plan);
    /// `None` without a subscription.
    fn cancel(&self, handler: usize) -> Option<bool>;
    fn cancel_by_id(&self, handler: usize) -> bool;
    fn drop_subscription(&self, handler: usize);
    fn detach(&self, handler: usize);
    fn pause(&self, handler: usize);
    fn unpause(&self, handler: usize);
    fn state(&self, handler: usize) -> State;
    fn len(&self, topic: usize) -> usize;
    fn clear(&self, topic: usize) -> usize;
    fn close(&self, topic: usize);
    fn close_bus(&self);
    fn close_queue(&self);
    /// A bus unwinds, the reference returns the panic.
    fn emit(&self, topic: usize, event: u32, lazy: bool) -> Result<(), Panic>;
    fn emit_and_catch(&self, topic: usize, event: u32);
    fn defer(&self, topic: usize, event: u32) -> bool;
    fn drain(&self, how: How) -> Result<(), Panic>;
    fn clear_queue(&self) -> usize;
    fn clear_topic(&self, topic: usize) -> usize;
    fn waiting(&self) -> usize;
    fn topics(&self) -> Vec<String>;
    /// Performs a step outside of all handlers, where every panic ends.
    fn perform_and_catch(&self, step: &Step);
}

/// Runs the whole program.
pub(crate) fn tell(face: &impl Face) -> Story {
    let book = face.book();
    for step in &book.program.top {
        book.budget.set(BUDGET);
        face.perform_and_catch(step);
        let handlers = book.plans.borrow().len();
        book.write(Line::Now {
            lens: (0..TOPICS.len()).map(|topic| face.len(topic)).collect(),
            handlers: (0..handlers).map(|handler| face.state(handler)).collect(),
            waiting: face.waiting(),
            topics: face.topics(),
        });
    }
    book.finish()
}

/// A handler is called.
pub(crate) fn call(face: &impl Face, handler: usize, event: u32) -> Result<End, Panic> {
    let book = face.book();
    let plan = book.plan(handler);
    let (active, len) = (face.state(handler).active, face.len(plan.topic));
    book.write(Line::Called {
        handler,
        event,
        active,
        len,
    });
    run(face, plan.script, handler, false)
}

/// A filter is asked.
pub(crate) fn ask(face: &impl Face, handler: usize, event: u32) -> Result<bool, Panic> {
    let book = face.book();
    book.write(Line::Asked { handler, event });
    let Some(script) = book.plan(handler).filter else {
        return Ok(true);
    };
    let end = run(face, script, handler, true)?;
    Ok(end == End::Continue && event % 2 == 0)
}

fn run(face: &impl Face, script: usize, me: usize, is_filter: bool) -> Result<End, Panic> {
    let book = face.book();
    if book.budget.get() == 0 {
        return Ok(End::Continue);
    }
    book.budget.set(book.budget.get() - 1);
    let _open = Open::new(book);
    let Script { steps, end } = &book.program.scripts[script];
    for step in steps {
        book.saw(step.kind());
        perform(face, step, Some(me))?;
    }
    match end {
        End::Continue => {}
        End::Stop => book.saw("stop"),
        End::Fail => book.saw("fail"),
        End::Panic => {
            book.saw(if is_filter {
                "filter that panics"
            } else {
                "panic"
            });
            // Outermost ones look all alike. Deeper ones may be caught by a handler, and then one
            // that it raises itself in the same words cannot be told from the one that it caught.
            let text = match book.nesting.get() {
                1 => "as always".to_owned(),
                _ => format!("number {}", book.next()),
            };
            return Err(Panic { text, told: false });
        }
    }
    Ok(*end)
}

/// Counts a script as open, until it is dropped, by unwinding too.
struct Open<'b>(&'b Book);

impl<'b> Open<'b> {
    fn new(book: &'b Book) -> Self {
        book.nesting.set(book.nesting.get() + 1);
        Open(book)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.nesting.set(self.0.nesting.get() - 1);
    }
}

/// Performs one step, of a handler or of none.
pub(crate) fn perform(face: &impl Face, step: &Step, me: Option<usize>) -> Result<(), Panic> {
    let book = face.book();
    let with = |who: &Who, f: &dyn Fn(usize)| {
        let all = book.plans.borrow().len();
        let handler = match *who {
            Who::Me => me.or(all.checked_sub(1)),
            Who::Next => me
                .or(all.checked_sub(2))
                .map(|it| it + 1)
                .filter(|&it| it < all),
            Who::First(n) => n.checked_rem(all),
            Who::Last(n) => n.checked_rem(all).map(|n| all - 1 - n),
        };
        if let Some(handler) = handler {
            f(handler);
        }
    };
    match step {
        Step::On(plan) => {
            let handler = book.plans.borrow().len();
            book.plans.borrow_mut().push(plan.clone());
            face.on(handler, plan);
        }
        Step::Cancel(who) => with(who, &|handler| {
            let was_there = face.cancel(handler);
            book.write(Line::Cancelled { handler, was_there });
        }),
        Step::CancelById(who) => with(who, &|handler| {
            let was_there = face.cancel_by_id(handler);
            book.write(Line::CancelledById { handler, was_there });
        }),
        Step::Drop(who) => with(who, &|handler| face.drop_subscription(handler)),
        Step::Detach(who) => with(who, &|handler| face.detach(handler)),
        Step::Pause(who) => with(who, &|handler| face.pause(handler)),
        Step::Unpause(who) => with(who, &|handler| face.unpause(handler)),
        Step::Emit(topic) => return face.emit(*topic, book.next(), false),
        Step::EmitLazy(topic) => return face.emit(*topic, book.next(), true),
        Step::EmitAndCatch(topic) => face.emit_and_catch(*topic, book.next()),
        Step::Clear(topic) => {
            let handlers = face.clear(*topic);
            book.write(Line::Cleared {
                topic: *topic,
                handlers,
            });
        }
        Step::Close(topic) => face.close(*topic),
        Step::CloseBus => face.close_bus(),
        Step::CloseQueue => face.close_queue(),
        Step::Defer(topic) => {
            let event = book.next();
            let taken = face.defer(*topic, event);
            book.write(Line::Deferred { event, taken });
        }
        Step::Drain(how) => return face.drain(*how),
        Step::ClearQueue => {
            let events = face.clear_queue();
            book.write(Line::QueueCleared { events });
        }
        Step::ClearTopic(topic) => {
            let events = face.clear_topic(*topic);
            book.write(Line::QueueCleared { events });
        }
    }
    Ok(())
}
