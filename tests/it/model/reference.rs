//! The promises about order, changes, nesting, failures and deferring, in the simplest way: all
//! handlers in one `Vec`, looked through and sorted whenever an emission begins.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use slotcast::FailureKind;

use super::script::{
    self, Book, Calls, End, Face, Failure, How, Line, Panic, Plan, Program, State, Step, TOPICS,
};

/// What every run has to have come to, apart from nested steps.
pub(crate) const SITUATIONS: &[&str] = &[
    "added during the emission",
    "cancelled during the emission",
    "cancelled by its own filter",
    "paused",
    "limit spent during the emission",
    "closed before the next handler",
    "too deep",
    "drain inside a drain",
    "call cancelled in the queue",
    "call paused in the queue",
    "call left by a limit or a close",
    "delivered after the close",
    "accepted, and nobody left",
    "queue closed to a handler",
    "panic told by an inner emission",
    "two panics in an emission",
    "cleared during the drain",
    "topic cleared during the drain",
];

struct Handler {
    plan: Plan,
    live: bool,
    /// It was live when its signal was closed.
    closed: bool,
    /// It is still there for the events that its signal had accepted by then.
    kept: bool,
    /// Its waiting calls are not made any more.
    cancelled: bool,
    /// How many calls wait in the queue.
    pending: usize,
    /// There is a subscription.
    guarded: bool,
    pauses: usize,
    left: Option<usize>,
}

/// What waits in the queue.
enum Item {
    Event(usize, u32),
    Call(usize, u32),
}

#[derive(Default)]
struct Tally {
    ran: usize,
    stopped: bool,
    closed: bool,
    errors: Vec<Failure>,
    panic: Option<Panic>,
}

pub(crate) struct Reference {
    book: Book,
    handlers: RefCell<Vec<Handler>>,
    closed: [Cell<bool>; TOPICS.len()],
    /// How many deferred events of each topic wait or are being delivered.
    accepted: [Cell<usize>; TOPICS.len()],
    queue: RefCell<VecDeque<Item>>,
    queue_closed: Cell<bool>,
    /// How many of the waiting items each running drain is still to deliver.
    draining: RefCell<Vec<usize>>,
    depth: Cell<usize>,
}

impl Reference {
    pub(crate) fn new(program: &Rc<Program>) -> Self {
        Reference {
            book: Book::new(program),
            handlers: RefCell::default(),
            closed: Default::default(),
            accepted: Default::default(),
            queue: RefCell::default(),
            queue_closed: Cell::new(false),
            draining: RefCell::default(),
            depth: Cell::new(0),
        }
    }

    fn with<R>(&self, handler: usize, f: impl FnOnce(&mut Handler) -> R) -> R {
        f(&mut self.handlers.borrow_mut()[handler])
    }

    fn remove(&self, handler: usize) -> bool {
        self.take_back_calls(handler);
        self.with(handler, |it| {
            (it.cancelled, it.kept) = (true, false);
            std::mem::replace(&mut it.live, false)
        })
    }

    /// Takes items out of the queue, and tells the drains that are running.
    fn take_if(&self, is_taken: impl Fn(&Item) -> bool) -> Vec<Item> {
        let mut draining = self.draining.borrow_mut();
        let before = draining.clone();
        let (mut taken, mut kept) = (Vec::new(), VecDeque::new());
        for (index, item) in self.queue.take().into_iter().enumerate() {
            if !is_taken(&item) {
                kept.push_back(item);
                continue;
            }
            for (left, before) in draining.iter_mut().zip(&before) {
                *left -= usize::from(index < *before);
            }
            taken.push(item);
        }
        self.queue.replace(kept);
        taken
    }

    /// What was taken out waits no more. Returns how many.
    fn discard(&self, items: Vec<Item>) -> usize {
        for item in &items {
            match item {
                Item::Call(handler, _) => self.with(*handler, |it| it.pending -= 1),
                Item::Event(topic, _) => self.accepted[*topic].set(self.accepted[*topic].get() - 1),
            }
        }
        items.len()
    }

    /// The calls of a handler that is given up wait no more.
    fn take_back_calls(&self, handler: usize) {
        let calls = self.take_if(|item| matches!(item, Item::Call(of, _) if *of == handler));
        if self.discard(calls) > 0 {
            self.book.saw("call cancelled in the queue");
        }
    }

    /// Whether events that its signal had accepted before it was closed still keep the handler.
    fn is_kept(&self, handler: &Handler) -> bool {
        handler.kept && self.accepted[handler.plan.topic].get() > 0
    }

    /// The live handlers of a topic, as an emission that begins now would call them; or those that a closed
    /// one keeps for what it has accepted.
    fn in_order(&self, topic: usize, late: bool) -> Vec<usize> {
        let handlers = self.handlers.borrow();
        let mut order: Vec<usize> = (0..handlers.len())
            .filter(|&it| {
                if late {
                    handlers[it].kept
                } else {
                    handlers[it].live
                }
            })
            .filter(|&it| handlers[it].plan.topic == topic)
            .collect();
        // Stable: equal priorities stay in the order of subscribing.
        order.sort_by_key(|&it| std::cmp::Reverse(handlers[it].plan.priority));
        order
    }

    /// Tells the hook, and notes a panic that nobody has told of yet as an error.
    fn fail(&self, tally: &mut Tally, handler: usize, mut panic: Panic) {
        if panic.told {
            self.book.saw("panic told by an inner emission");
        } else {
            tally.errors.push((FailureKind::Panicked, label(handler)));
            panic.told = true;
        }
        match tally.panic {
            None => tally.panic = Some(panic),
            Some(_) => self.book.saw("two panics in an emission"),
        }
    }

    /// A deferred event: after a close it goes to those who were there by then.
    fn deliver_deferred(&self, topic: usize, event: u32) -> Tally {
        let mut tally = self.deliver(topic, event, false, false);
        if tally.ran == 0 && self.closed[topic].get() {
            self.book.saw("delivered after the close");
            let late = self.deliver(topic, event, false, true);
            tally.ran = late.ran;
            tally.errors.extend(late.errors);
            tally.panic = tally.panic.or(late.panic);
        }
        tally
    }

    fn deliver(&self, topic: usize, event: u32, lazy: bool, late: bool) -> Tally {
        let mut tally = Tally::default();
        if self.closed[topic].get() && !late {
            tally.closed = true;
            return tally;
        }
        let order = self.in_order(topic, late);
        if order.is_empty() {
            return tally;
        }
        if self.depth.get() >= self.book.program.max_depth {
            self.book.saw("too deep");
            tally.errors.push((FailureKind::TooDeep, None));
            self.tell(&tally);
            return tally;
        }
        self.depth.set(self.depth.get() + 1);
        if lazy {
            self.book.write(Line::Made { event });
        }
        for handler in order {
            match self.willing(&mut tally, handler, event, late) {
                Willing::Yes => {}
                Willing::No => continue,
                Willing::Closed => {
                    self.book.saw("closed before the next handler");
                    tally.closed = true;
                    break;
                }
            }
            tally.ran += 1;
            if self.with(handler, |it| it.plan.queued) {
                if self.queue_closed.get() {
                    self.book.saw("queue closed to a handler");
                    tally
                        .errors
                        .push((FailureKind::Undelivered, label(handler)));
                } else {
                    self.with(handler, |it| it.pending += 1);
                    self.queue
                        .borrow_mut()
                        .push_back(Item::Call(handler, event));
                }
                continue;
            }
            let before = self.handlers.borrow().len();
            match script::call(self, handler, event) {
                Ok(End::Continue) => {}
                Ok(End::Stop) => {
                    tally.stopped = true;
                    break;
                }
                Ok(End::Fail) => tally.errors.push((FailureKind::Failed, label(handler))),
                Ok(End::Panic) => unreachable!("a panic is an error of its script"),
                Err(panic) => self.fail(&mut tally, handler, panic),
            }
            if self.handlers.borrow()[before..]
                .iter()
                .any(|it| it.live && it.plan.topic == topic)
            {
                self.book.saw("added during the emission");
            }
        }
        self.depth.set(self.depth.get() - 1);
        self.tell(&tally);
        tally
    }

    /// A call that waited: of a handler that is neither cancelled nor paused by now.
    fn call_queued(&self, handler: usize, event: u32) -> Option<Tally> {
        let (cancelled, paused, live) =
            self.with(handler, |it| (it.cancelled, it.pauses > 0, it.live));
        assert!(!cancelled, "its calls do not wait any more");
        if paused {
            self.book.saw("call paused in the queue");
            return None;
        }
        if !live {
            self.book.saw("call left by a limit or a close");
        }
        let mut tally = Tally {
            ran: 1,
            ..Tally::default()
        };
        match script::call(self, handler, event) {
            Ok(End::Fail) => tally.errors.push((FailureKind::Failed, label(handler))),
            Ok(_) => {}
            Err(panic) => self.fail(&mut tally, handler, panic),
        }
        self.tell(&tally);
        Some(tally)
    }

    fn tell(&self, tally: &Tally) {
        for error in &tally.errors {
            self.book.write(Line::Told(error.clone()));
        }
    }

    /// Live, not paused, filter, still live, claim.
    fn willing(&self, tally: &mut Tally, handler: usize, event: u32, late: bool) -> Willing {
        let live = |what| {
            self.with(handler, |it| match it {
                Handler { kept: true, .. } if late => Willing::Yes,
                Handler { closed: true, .. } if !late => Willing::Closed,
                Handler {
                    live: false,
                    left: Some(0),
                    ..
                } => {
                    self.book.saw("limit spent during the emission");
                    Willing::No
                }
                Handler { live: false, .. } => {
                    self.book.saw(what);
                    Willing::No
                }
                _ => Willing::Yes,
            })
        };
        let first = live("cancelled during the emission");
        if first != Willing::Yes {
            return first;
        }
        if self.with(handler, |it| it.pauses > 0) {
            self.book.saw("paused");
            return Willing::No;
        }
        if self.with(handler, |it| it.plan.filter.is_some()) {
            match script::ask(self, handler, event) {
                Ok(true) => {}
                Ok(false) => return Willing::No,
                Err(panic) => {
                    self.fail(tally, handler, panic);
                    return Willing::No;
                }
            }
            let second = live("cancelled by its own filter");
            if second != Willing::Yes {
                return second;
            }
        }
        self.with(handler, |it| {
            if let Some(left) = &mut it.left {
                *left -= 1;
                if late {
                    it.kept = *left > 0;
                } else {
                    it.live = *left > 0;
                }
            }
        });
        Willing::Yes
    }

    /// What an emission or a drain comes to: a panic goes on, or is contained.
    fn resume(&self, panic: Option<Panic>) -> Result<(), Panic> {
        match panic {
            Some(panic) if !self.book.program.contain => Err(panic),
            _ => Ok(()),
        }
    }

    /// One drain; what it delivered and what it took, unless it was refused. An inner one delivers what
    /// an outer one has not delivered yet.
    fn drain_once(
        &self,
        most: usize,
        errors: &mut Vec<Failure>,
    ) -> Result<Option<(usize, usize)>, Panic> {
        let depth = self.depth.get();
        if !self.draining.borrow().is_empty() {
            self.book.saw("drain inside a drain");
        }
        if !self.draining.borrow().is_empty() || depth > 0 {
            if depth + 1 >= self.book.program.max_depth {
                errors.push((FailureKind::TooDeep, None));
                self.book.write(Line::Told((FailureKind::TooDeep, None)));
                return Ok(None);
            }
            self.depth.set(depth + 1);
        }
        let waiting = self.queue.borrow().len();
        self.draining.borrow_mut().push(waiting);
        let mut taken = 0;
        let (mut delivered, mut untold, mut panic) = (0, 0, None);
        while taken < most && self.draining.borrow().last() != Some(&0) {
            for left in self.draining.borrow_mut().iter_mut() {
                *left = left.saturating_sub(1);
            }
            let Some(item) = self.queue.borrow_mut().pop_front() else {
                break;
            };
            let tally = match item {
                Item::Event(topic, event) => {
                    let tally = self.deliver_deferred(topic, event);
                    let failed = !tally.errors.is_empty() || tally.panic.is_some();
                    if tally.ran == 0 && !failed && self.closed[topic].get() {
                        untold += usize::from(self.in_order(topic, true).is_empty());
                    }
                    self.accepted[topic].set(self.accepted[topic].get() - 1);
                    tally
                }
                Item::Call(handler, event) => {
                    let tally = self.call_queued(handler, event);
                    self.with(handler, |it| it.pending -= 1);
                    tally.unwrap_or_default()
                }
            };
            taken += 1;
            delivered += usize::from(tally.ran > 0);
            errors.extend(tally.errors);
            panic = panic.or(tally.panic);
        }
        self.draining.borrow_mut().pop();
        self.depth.set(depth);
        if untold > 0 {
            self.book.saw("accepted, and nobody left");
            errors.push((FailureKind::Undelivered, None));
            self.book
                .write(Line::Told((FailureKind::Undelivered, None)));
        }
        self.resume(panic).map(|()| Some((delivered, taken)))
    }
}

#[derive(PartialEq)]
enum Willing {
    Yes,
    No,
    Closed,
}

pub(crate) fn label(handler: usize) -> Option<String> {
    Some(format!("handler {handler}"))
}

impl Face for Reference {
    fn book(&self) -> &Book {
        &self.book
    }

    fn on(&self, _: usize, plan: &Plan) {
        let left = match plan.calls {
            Calls::Any => None,
            Calls::Once => Some(1),
            Calls::Limit(calls) => Some(calls),
        };
        let live = left != Some(0) && !self.closed[plan.topic].get();
        let plan = plan.clone();
        let handler = Handler {
            plan,
            live,
            closed: false,
            kept: false,
            cancelled: false,
            pending: 0,
            guarded: true,
            pauses: 0,
            left,
        };
        self.handlers.borrow_mut().push(handler);
    }

    fn cancel(&self, handler: usize) -> Option<bool> {
        self.with(handler, |it| it.guarded)
            .then(|| self.remove(handler))
    }

    fn cancel_by_id(&self, handler: usize) -> bool {
        // A handler that is there no more cannot be found by its id.
        self.with(handler, |it| it.live || self.is_kept(it)) && self.remove(handler)
    }

    fn drop_subscription(&self, handler: usize) {
        if self.with(handler, |it| std::mem::replace(&mut it.guarded, false)) {
            self.remove(handler);
        }
    }

    fn detach(&self, handler: usize) {
        self.with(handler, |it| it.guarded = false);
    }

    fn pause(&self, handler: usize) {
        self.with(handler, |it| it.pauses += usize::from(it.guarded));
    }

    fn unpause(&self, handler: usize) {
        self.with(handler, |it| it.pauses = it.pauses.saturating_sub(1));
    }

    fn state(&self, handler: usize) -> State {
        self.with(handler, |it| State {
            active: it.guarded.then_some(it.live),
            paused: it.guarded.then_some(it.pauses > 0),
            drops: usize::from(
                !it.live && (it.cancelled || (it.pending == 0 && !self.is_kept(it))),
            ),
        })
    }

    fn len(&self, topic: usize) -> usize {
        self.in_order(topic, false).len()
    }

    fn clear(&self, topic: usize) -> usize {
        self.in_order(topic, false)
            .into_iter()
            .filter(|&handler| self.remove(handler))
            .count()
    }

    fn close(&self, topic: usize) {
        self.closed[topic].set(true);
        for handler in self.in_order(topic, false) {
            self.with(handler, |it| {
                (it.closed, it.kept, it.live) = (true, true, false);
            });
        }
    }

    fn close_bus(&self) {
        self.queue_closed.set(true);
        (0..TOPICS.len()).for_each(|topic| self.close(topic));
    }

    fn close_queue(&self) {
        self.queue_closed.set(true);
    }

    fn emit(&self, topic: usize, event: u32, lazy: bool) -> Result<(), Panic> {
        let Tally {
            ran,
            stopped,
            closed,
            errors,
            panic,
            ..
        } = self.deliver(topic, event, lazy, false);
        self.resume(panic)?;
        self.book.write(Line::Emitted {
            ran,
            stopped,
            closed,
            errors,
        });
        Ok(())
    }

    fn emit_and_catch(&self, topic: usize, event: u32) {
        if let Err(panic) = self.emit(topic, event, false) {
            self.book.write(Line::Caught(panic.text));
        }
    }

    fn defer(&self, topic: usize, event: u32) -> bool {
        let taken = !self.closed[topic].get() && !self.queue_closed.get();
        if taken {
            self.accepted[topic].set(self.accepted[topic].get() + 1);
            self.queue.borrow_mut().push_back(Item::Event(topic, event));
        }
        taken
    }

    fn drain(&self, how: How) -> Result<(), Panic> {
        let mut errors = Vec::new();
        let delivered = match how {
            How::All => {
                self.drain_once(usize::MAX, &mut errors)?
                    .unwrap_or_default()
                    .0
            }
            How::One => self.drain_once(1, &mut errors)?.unwrap_or_default().0,
            How::UntilIdle(limit) => {
                let (mut delivered, mut taken) = (0, 0);
                loop {
                    let Some(drained) = self.drain_once(limit - taken, &mut errors)? else {
                        break delivered;
                    };
                    delivered += drained.0;
                    taken += drained.1;
                    if self.queue.borrow().is_empty() || taken >= limit {
                        break delivered;
                    }
                }
            }
        };
        self.book.write(Line::Drained {
            delivered,
            remaining: self.queue.borrow().len(),
            errors,
        });
        Ok(())
    }

    fn clear_queue(&self) -> usize {
        if !self.draining.borrow().is_empty() {
            self.book.saw("cleared during the drain");
            self.draining.borrow_mut().fill(0);
        }
        self.discard(self.queue.take().into())
    }

    fn clear_topic(&self, topic: usize) -> usize {
        let items = self.take_if(|item| match item {
            Item::Event(of, _) => *of == topic,
            Item::Call(handler, _) => self.with(*handler, |it| it.plan.topic) == topic,
        });
        if !items.is_empty() && !self.draining.borrow().is_empty() {
            self.book.saw("topic cleared during the drain");
        }
        self.discard(items)
    }

    fn waiting(&self) -> usize {
        self.queue.borrow().len()
    }

    fn topics(&self) -> Vec<String> {
        let alone = TOPICS.len() - 1;
        let waits = self
            .queue
            .borrow()
            .iter()
            .any(|item| matches!(item, Item::Event(topic, _) if *topic == alone));
        let there = |&topic: &usize| topic != alone || waits || self.len(alone) > 0;
        (0..TOPICS.len())
            .filter(there)
            .map(|topic| TOPICS[topic].to_owned())
            .collect()
    }

    fn perform_and_catch(&self, step: &Step) {
        if let Err(panic) = script::perform(self, step, None) {
            self.book.write(Line::Caught(panic.text));
        }
    }
}
