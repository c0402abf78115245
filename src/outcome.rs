//! The return values of handlers.

use std::error::Error;

/// The error of a handler: any error, boxed. The same in both flavours.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// The return type for a closure that uses `?`: it names the error type, which the compiler cannot infer.
///
/// # Examples
///
/// ```
/// use slotcast::{HandlerResult, Signal};
///
/// let lines = Signal::<String>::new();
/// let _sub = lines.on(|line| -> HandlerResult {
///     let _number: i32 = line.parse()?;
///     Ok(())
/// });
/// assert!(lines.emit(&"42".to_owned()).errors().is_empty());
/// assert_eq!(lines.emit(&"forty".to_owned()).errors().len(), 1);
/// ```
pub type HandlerResult = Result<(), BoxError>;

/// Whether an emission continues with the next handler.
///
/// # Examples
///
/// ```
/// use slotcast::{Flow, Signal};
///
/// let key = Signal::<char>::new();
/// let _menu = key.subscribe().priority(1).on(|k| if *k == 'q' { Flow::Stop } else { Flow::Continue });
/// let _text = key.on(|_| ());
/// assert_eq!(key.emit(&'a').ran(), 2);
/// assert!(key.emit(&'q').stopped());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flow {
    /// Continue with the next handler. Returning `()` means the same.
    #[default]
    Continue,
    /// Call no further handler for this event.
    Stop,
}

/// What a handler may return: `()`, [`Flow`], a `Result` of either with any error that converts
/// into a [`BoxError`], or `!` (a closure that only panics). Sealed.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "this handler returns `{Self}`",
    note = "return `()`, `slotcast::Flow`, or a `Result` of one of them: end the closure with `;`, \
            or name the error with `|event| -> slotcast::HandlerResult {{ .. }}`; an async closure \
            goes to `subscribe().on_async(..)`"
)]
pub trait Outcome: sealed::Outcome {}
impl<T: sealed::Outcome> Outcome for T {}

pub(crate) mod sealed {
    use super::{BoxError, Flow};

    // Repeated here: for a `Result` the bound that fails is on the value inside.
    #[diagnostic::on_unimplemented(
        message = "a handler cannot return `{Self}`",
        label = "this handler returns `{Self}`",
        note = "return `()`, `slotcast::Flow`, or a `Result` of one of them: end the closure with `;`, \
                or name the error with `|event| -> slotcast::HandlerResult {{ .. }}`; an async closure \
                goes to `subscribe().on_async(..)`"
    )]
    pub trait Outcome {
        /// Converts the value into whether to continue, or the error.
        fn settle(self) -> Result<Flow, BoxError>;
    }

    impl Outcome for () {
        #[inline(always)]
        fn settle(self) -> Result<Flow, BoxError> {
            Ok(Flow::Continue)
        }
    }

    impl Outcome for Flow {
        #[inline(always)]
        fn settle(self) -> Result<Flow, BoxError> {
            Ok(self)
        }
    }

    /// Names the type `!`, which stable Rust can name only as the return type of a function.
    pub trait Returns {
        type Output;
    }
    impl<T> Returns for fn() -> T {
        type Output = T;
    }
    impl Outcome for <fn() -> ! as Returns>::Output {
        fn settle(self) -> Result<Flow, BoxError> {
            self
        }
    }

    impl<T: Outcome, X: Into<BoxError>> Outcome for Result<T, X> {
        #[inline(always)]
        fn settle(self) -> Result<Flow, BoxError> {
            self.map_err(Into::into)?.settle()
        }
    }
}
