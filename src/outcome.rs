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

/// Whether an emission continues with the next handler, and whether this one stays.
///
/// A handler ends itself by what it returns, without a handle of its own subscription:
///
/// ```
/// use slotcast::{Flow, Signal};
///
/// let tick = Signal::<u32>::new();
/// let sub = tick.on(|n| if *n < 3 { Flow::Continue } else { Flow::Cancel });
/// let ran: Vec<usize> = (1..=5).map(|n| tick.emit(&n).ran()).collect();
/// assert_eq!(ran, [1, 1, 1, 0, 0]);
/// assert!(!sub.is_active());
/// ```
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
    /// Continue with the next handler, and cancel this one, as
    /// [`Subscription::cancel`](crate::flavour::Subscription::cancel) does: before the next handler is
    /// called it reads inactive, no call of it begins any more, and those that wait in a queue are given
    /// up. This call counts as any other.
    ///
    /// Calls that have begun on other threads run to their end, except for
    /// [`on_mut`](crate::flavour::Subscribe::on_mut): of a handler that is called by one thread at a
    /// time, this call is the last. A handler that was [replaced](crate::flavour::Subscription::replace)
    /// during the call has ended already, and the one in its place stays. An async handler is
    /// cancelled when its future has completed. Where there is no subscription, as for a posted
    /// closure, it means the same as `Continue`.
    Cancel,
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
        /// Whether the handler is to be cancelled. Unlike `settle` it runs no user code.
        fn cancels(&self) -> bool {
            false
        }
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
        fn cancels(&self) -> bool {
            *self == Flow::Cancel
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
        fn cancels(&self) -> bool {
            self.as_ref().is_ok_and(T::cancels)
        }
    }
}
