//! Failures on their way from where they are raised to who is told: the innermost emission or
//! drain of the thread, the error hook, or the log.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use super::entry::{Code, Head};
use super::home::{Home, Panics, Place, Settings, Subject};
use super::mode::Mode;
use super::{thread, trace};
use crate::error::{Cause, HandlerError};
use crate::outcome::BoxError;
use crate::pattern::AnyEvent;

pub(crate) type Payload = Box<dyn Any + Send>;

struct Fault {
    /// How deep the thread was when it was raised.
    depth: usize,
    /// `None`: an inner emission has told of this panic already; only the payload goes on.
    error: Option<HandlerError>,
    payload: Option<Payload>,
}

/// The panic that an emission of this thread resumed last, so that the one around it knows it again.
///
/// The address alone would not do: whoever catches a panic frees its payload, and the next may come
/// to stand there. Only a handler that catches one and then panics itself, in the same words and at
/// the same address, is taken for the first.
#[derive(PartialEq, Eq)]
struct Resumed {
    /// How many levels were open when it left its emission.
    depth: usize,
    address: usize,
    text: String,
}

thread_local! {
    /// Raised and not collected. Never borrowed while user code runs.
    static FAULTS: RefCell<Vec<Fault>> = const { RefCell::new(Vec::new()) };
    static RESUMED: RefCell<Option<Resumed>> = const { RefCell::new(None) };
}

/// What went wrong in an emission or a drain. Never empty.
pub(crate) struct Report {
    pub(crate) errors: Vec<HandlerError>,
    panic: Option<FirstPanic>,
    /// A hook was told, or somebody looked, so that nothing is left for the log.
    pub(crate) seen: Seen,
}

/// The first panic, to be resumed.
struct FirstPanic {
    /// In a mutex that nobody locks, for the report to be `Sync`.
    payload: Mutex<Payload>,
    /// Its place among the errors; none if an inner emission has told of it.
    error: Option<usize>,
}

/// A flag that is set through a shared reference, in a type that stays `Sync`.
#[derive(Debug, Default)]
pub(crate) struct Seen(std::sync::atomic::AtomicBool);

impl Seen {
    pub(crate) fn set(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    fn get(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Report {
    pub(crate) fn new(errors: Vec<HandlerError>) -> Box<Self> {
        Box::new(Report {
            errors,
            panic: None,
            seen: Seen::default(),
        })
    }

    /// Adds one failure.
    fn add(&mut self, error: Option<HandlerError>, payload: Option<Payload>) {
        let at = error.is_some().then_some(self.errors.len());
        self.errors.extend(error);
        match (&self.panic, payload) {
            (None, Some(payload)) => {
                let payload = Mutex::new(payload);
                self.panic = Some(FirstPanic { payload, error: at });
            }
            (Some(_), Some(another)) => dispose(another),
            (_, None) => {}
        }
    }

    /// Adds what happened later.
    pub(crate) fn append(&mut self, later: &mut Report) {
        if self.seen.get() != later.seen.get() {
            // Of different signals, one with a hook: the rest is not left to whoever looks.
            let untold = if self.seen.get() {
                &later.errors
            } else {
                &self.errors
            };
            untold.iter().for_each(log);
            self.seen.set();
        }
        let shift = self.errors.len();
        self.errors.append(&mut later.errors);
        match (&self.panic, later.panic.take()) {
            (None, first) => {
                self.panic = first.map(|first| FirstPanic {
                    error: first.error.map(|error| error + shift),
                    ..first
                });
            }
            (Some(_), Some(another)) => dispose(unwrapped(another.payload)),
            (Some(_), None) => {}
        }
    }

    /// Takes the panic out, where those of the signal are contained.
    pub(crate) fn contain<M: Mode>(&mut self, settings: &Settings<M>) {
        if settings.panics() == Panics::Contain {
            if let Some(panic) = self.panic.take() {
                dispose(unwrapped(panic.payload));
            }
        }
    }

    /// Resumes the first panic, if there was one and nothing forbids it.
    pub(crate) fn resume(mut self: Box<Self>, panics: Panics) -> Box<Self> {
        let Some(FirstPanic { payload, error }) = self.panic.take() else {
            return self;
        };
        let payload = unwrapped(payload);
        if panics == Panics::Contain || std::thread::panicking() {
            dispose(payload);
            return self;
        }
        // Its own message was printed by the panic hook; the others would be lost.
        if let Some(error) = error {
            self.errors.remove(error);
        }
        drop(self);
        let resumed = Resumed::now(&payload);
        let _ = RESUMED.try_with(|last| *last.borrow_mut() = Some(resumed));
        resume_unwind(payload)
    }
}

fn unwrapped(payload: Mutex<Payload>) -> Payload {
    payload.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Report {
    fn drop(&mut self) {
        for error in self.errors.drain(..) {
            if !self.seen.get() {
                log(&error);
            }
            // Each by itself: what a handler returned may panic when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(error))).map_err(dispose);
        }
        if let Some(panic) = self.panic.take() {
            dispose(unwrapped(panic.payload));
        }
    }
}

impl Resumed {
    fn now(payload: &Payload) -> Self {
        Resumed {
            depth: thread::depth(),
            address: std::ptr::from_ref::<dyn Any + Send>(&**payload).addr(),
            text: message(payload),
        }
    }
}

fn message(payload: &Payload) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "(a payload that is not a string)".to_owned()
    }
}

/// Drops a panic's payload, whose own `Drop` may panic.
fn dispose(payload: Payload) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}

/// Who is to blame.
struct Blame<'b, M: Mode> {
    settings: Option<&'b Settings<M>>,
    /// Of the emission, which to a handler of a pattern is not that of its home.
    subject: Option<&'b Subject>,
    label: Option<&'b str>,
    place: Place,
}

impl<'b, M: Mode> Blame<'b, M> {
    fn new(home: Option<&'b Home<M>>, label: Option<&'b str>, place: Place) -> Self {
        Blame {
            settings: home.map(|home| &home.settings),
            subject: home.map(|home| &home.subject),
            label,
            place,
        }
    }

    fn of(head: &'b Head<M>, subject: Option<&'b Subject>) -> Self {
        let own = Blame::new(head.home.as_deref(), head.label(), head.place);
        Blame {
            subject: subject.or(own.subject),
            ..own
        }
    }
}

/// Raises what a handler returned.
#[cold]
#[inline(never)]
pub(crate) fn failed<M: Mode>(head: &Head<M>, subject: Option<&Subject>, error: BoxError) -> Code {
    raise(&Blame::of(head, subject), Cause::Failed(error), None);
    Code::Failed
}

/// Raises that a handler that takes turns was entered again from its own call.
#[cold]
#[inline(never)]
pub(crate) fn reentered<M: Mode>(head: &Head<M>, subject: &Subject) -> Code {
    raise(&Blame::of(head, Some(subject)), Cause::Reentered, None);
    // Not entered.
    Code::Skipped
}

/// Raises a panic of a handler, its filter, or its captures.
pub(crate) fn panicked<M: Mode>(head: &Head<M>, subject: Option<&Subject>, payload: Payload) {
    panicked_in(&Blame::of(head, subject), payload);
}

/// Runs user code that must not unwind into us.
pub(crate) fn guarded<M: Mode>(
    home: Option<&Home<M>>,
    label: Option<&str>,
    place: Place,
    f: impl FnOnce(),
) {
    if let Err(payload) = caught(f) {
        panicked_in(&Blame::new(home, label, place), payload);
    }
}

/// Runs user code that is called by no handler; its panic.
pub(crate) fn caught(f: impl FnOnce()) -> Result<(), Payload> {
    if !std::thread::panicking() {
        // What was resumed before has been caught by somebody else.
        let _ = RESUMED.try_with(RefCell::take);
    }
    catch_unwind(AssertUnwindSafe(f))
}

/// Runs user code whose panics concern nobody; what it returned.
#[cfg(feature = "tracing")]
pub(crate) fn quiet<R>(f: impl FnOnce() -> R) -> Option<R> {
    let done = catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        // It ends here, so nobody else can be taken for it.
        let _ = RESUMED.try_with(RefCell::take);
        dispose(payload);
    });
    done.ok()
}

/// Drops an event, whose `Drop` may panic: that is raised against its topic.
#[inline]
pub(crate) fn drop_event<M: Mode, E>(event: E, home: &Home<M>, place: Place) {
    drop_event_about(event, &home.subject, &home.settings, place);
}

/// The same for the event of a topic that nobody holds.
#[inline]
pub(crate) fn drop_event_about<M: Mode, E>(
    event: E,
    subject: &Subject,
    settings: &Settings<M>,
    place: Place,
) {
    if !std::mem::needs_drop::<E>() {
        return;
    }
    if let Err(payload) = caught(|| drop(event)) {
        let blame = Blame {
            settings: Some(settings),
            subject: Some(subject),
            label: None,
            place,
        };
        panicked_in(&blame, payload);
    }
}

fn panicked_in<M: Mode>(blame: &Blame<'_, M>, payload: Payload) {
    let known = RESUMED.try_with(RefCell::take).ok().flatten();
    let caught = Resumed::now(&payload);
    if known.is_some_and(|known| known == caught) {
        if caught.depth == 0 && !thread::is_draining() {
            // Nobody to collect it, and nobody left to tell.
            return dispose(payload);
        }
        push(Fault {
            depth: caught.depth,
            error: None,
            payload: Some(payload),
        });
    } else {
        let cause = Cause::Panicked(caught.text);
        raise(blame, cause, Some(payload));
    }
}

fn raise<M: Mode>(blame: &Blame<'_, M>, cause: Cause, payload: Option<Payload>) {
    let topic = match blame.subject {
        Some(subject) => subject.name.to_cow(),
        None => Cow::Borrowed("(hook)"),
    };
    let error = HandlerError {
        topic,
        label: blame.label.map(Box::from),
        place: blame.place,
        cause,
    };
    trace::failed(&error);
    let depth = thread::depth();
    if thread::is_directly_in_hook() {
        // Hooks are not told of what happens in hooks, and there is nobody else.
        log(&error);
        payload.into_iter().for_each(dispose);
        return;
    }
    if depth > 0 || thread::is_draining() {
        push(Fault {
            depth,
            error: Some(error),
            payload,
        });
        return;
    }
    // Nobody on this thread to collect it: captures that panicked when they were dropped.
    if !blame
        .settings
        .is_some_and(|settings| tell(settings, &error))
    {
        log(&error);
    }
    if let Some(payload) = payload {
        dispose(payload);
    }
}

fn push(fault: Fault) {
    let mut fault = Some(fault);
    let pushed = FAULTS.try_with(|faults| faults.borrow_mut().extend(fault.take()));
    if pushed.is_ok() {
        thread::set_failures(thread::failures() + 1);
    }
    // The thread is ending, and the list has gone before us.
    if let Some(Fault {
        error: Some(error), ..
    }) = fault
    {
        log(&error);
    }
}

/// Takes the faults raised at `depth` or deeper, after the first `mark`, off the list.
fn take(depth: usize, mark: usize) -> Vec<Fault> {
    FAULTS
        .try_with(|faults| {
            let mut faults = faults.borrow_mut();
            let shallower = faults.iter().rposition(|fault| fault.depth < depth);
            let start = shallower.map_or(0, |last| last + 1).max(mark);
            let start = start.min(faults.len());
            let mine = faults.split_off(start);
            thread::set_failures(faults.len());
            mine
        })
        .unwrap_or_default()
}

/// Collects what was raised at `depth` or deeper, after the first `mark` faults, and tells the hook.
#[cold]
#[inline(never)]
pub(crate) fn collect<M: Mode>(
    depth: usize,
    mark: usize,
    settings: &Settings<M>,
) -> Option<Box<Report>> {
    let mut report = Report::new(Vec::new());
    let mut found = false;
    // Again, until nothing is left: to dispose of a payload may raise more.
    loop {
        let mine = take(depth, mark);
        if mine.is_empty() {
            break;
        }
        found = true;
        for Fault { error, payload, .. } in mine {
            report.add(error, payload);
        }
    }
    if !found {
        return None;
    }
    report.tell(settings);
    Some(report)
}

impl Report {
    /// Tells the hook of all errors, if there is one.
    pub(crate) fn tell<M: Mode>(&mut self, settings: &Settings<M>) {
        // Every one of them is told: they were raised here, and nowhere else.
        let told = self
            .errors
            .iter()
            .fold(false, |_, error| tell(settings, error));
        if told {
            self.seen.set();
        }
    }
}

/// Tells the hook; whether there was one, or the log stood in for it.
pub(crate) fn tell<M: Mode>(settings: &Settings<M>, error: &HandlerError) -> bool {
    let Some(hook) = settings.hook() else {
        return false;
    };
    let Some(hold) = hook.hold() else {
        return false;
    };
    let Some(in_hook) = thread::begin_hook() else {
        log(error);
        return true;
    };
    // SAFETY: `hold` is one.
    let called = catch_unwind(AssertUnwindSafe(|| unsafe {
        hold.entry().deliver(error, &mut ())
    }));
    if let Err(payload) = called {
        write_log(&format!("error hook panicked: {}", message(&payload)), None);
        dispose(payload);
    }
    // Before the flag is reset: a hook that replaced itself has its captures dropped here.
    drop(hold);
    drop(in_hook);
    true
}

/// Tells the hook for unhandled events, or the log if a hook has emitted this one.
pub(crate) fn tell_unhandled(event: &AnyEvent, tell: impl Fn(&AnyEvent)) {
    let Some(in_hook) = thread::begin_hook() else {
        let line = format!("event of topic {:?} is unhandled", event.topic());
        return write_log(&line, None);
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| tell(event))) {
        let line = format!("unhandled hook panicked: {}", message(&payload));
        write_log(&line, None);
        dispose(payload);
    }
    drop(in_hook);
}

/// Logs a failure that nobody was told of: one line on standard error, or where `tracing` is on.
pub(crate) fn log(error: &HandlerError) {
    write_log(&describe(error), Some(error));
}

/// The message of a failure. Its `Display` is user code, and whoever writes it may have a lock. It
/// may panic, too.
pub(crate) fn describe(error: &HandlerError) -> String {
    let mut line = String::new();
    let written = catch_unwind(AssertUnwindSafe(|| write!(line, "{error}")));
    if !matches!(written, Ok(Ok(()))) {
        line.push_str("(its message could not be formatted)");
    }
    if let Err(payload) = written {
        dispose(payload);
    }
    line
}

fn write_log(line: &str, error: Option<&HandlerError>) {
    use std::io::Write as _;
    if trace::log(line, error) {
        return;
    }
    // A program without standard error has nowhere to be told.
    let _ = writeln!(std::io::stderr(), "slotcast: {line}");
}
