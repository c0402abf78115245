//! Failures on their way from where they are raised to who is told: the innermost emission or
//! drain of the thread, the error hook, or the log.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::core::failure::report::Report;
use crate::core::failure::trace;
use crate::core::handler::entry::{Code, Head};
use crate::core::mode::Mode;
use crate::core::primitives::thread;
use crate::core::settings::signal_info::{Home, Place, Settings, Subject};
use crate::failure::{Cause, HandlerError};
use crate::outcome::BoxError;
use crate::topic::pattern::AnyEvent;

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

impl Resumed {
    fn now(payload: &Payload) -> Self {
        Resumed {
            depth: thread::depth(),
            address: std::ptr::from_ref::<dyn Any + Send>(&**payload).addr(),
            text: message(payload),
        }
    }

    /// Whether this is the panic that was resumed last. Nobody is asked of that one again.
    fn is_known(&self) -> bool {
        let known = RESUMED.try_with(|last| {
            let mut last = last.borrow_mut();
            let known = last.as_ref() == Some(self);
            // Another one, out of what unwinding drops, leaves the first on its way.
            if known || !std::thread::panicking() {
                *last = None;
            }
            known
        });
        known.unwrap_or(false)
    }
}

/// Resumes a panic, and remembers it.
pub(crate) fn resume(payload: Payload) -> ! {
    let resumed = Resumed::now(&payload);
    let _ = RESUMED.try_with(|last| *last.borrow_mut() = Some(resumed));
    resume_unwind(payload)
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
pub(crate) fn dispose(payload: Payload) {
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

/// Raises that there is nobody to run what an async handler would start.
#[cold]
#[inline(never)]
pub(crate) fn unexecuted<M: Mode>(head: &Head<M>, subject: &Subject) -> Code {
    raise(&Blame::of(head, Some(subject)), Cause::NoExecutor, None);
    Code::Failed
}

/// Raises that an executor has dropped what an async handler had started.
pub(crate) fn abandoned<M: Mode>(head: &Head<M>) {
    raise(&Blame::of(head, None), Cause::Abandoned, None);
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

/// Runs user code that no emission and no bus answers for: a panic of it is logged, unless an
/// emission inside of it has told of that already.
#[cfg(feature = "jobs")]
pub(crate) fn logged(topic: &'static str, place: Place, f: impl FnOnce()) {
    let Err(payload) = caught(f) else { return };
    let resumed = Resumed::now(&payload);
    if !resumed.is_known() {
        let error = HandlerError {
            topic: Cow::Borrowed(topic),
            label: None,
            place,
            cause: Cause::Panicked(resumed.text),
        };
        trace::failed(&error);
        log(&error);
    }
    dispose(payload);
}

/// Runs user code whose panic is an answer: its message.
#[cfg(feature = "jobs")]
pub(crate) fn told<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    let mut returned = None;
    let done = caught(|| returned = Some(f()));
    match (done, returned) {
        (Ok(()), Some(returned)) => Ok(returned),
        (Err(payload), _) => {
            let text = message(&payload);
            dispose(payload);
            Err(text)
        }
        (Ok(()), None) => Err(String::new()),
    }
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
    let caught = Resumed::now(&payload);
    if caught.is_known() {
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
    if std::thread::panicking() {
        let _ = writeln!(std::io::stderr(), "slotcast: {line}");
    } else {
        // By the macro, whose lines a test keeps to itself until it fails. It may panic.
        let _ = catch_unwind(|| eprintln!("slotcast: {line}")).map_err(dispose);
    }
}
