//! The number of a piece of work: what "why did this run" is answered with.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// How many bits the number within a thread takes.
const NUMBER_BITS: u32 = 40;

/// The number of an emission, a queued call, a job or a future that runs, or has run, while its bus is
/// [followed](crate::flavour::Bus::follow).
///
/// What is emitted, deferred, queued, posted, delayed, submitted or awaited in there has it as its cause, on whichever
/// thread that runs. Unique as long as the process runs. It is written as two numbers in base 16: that of the thread,
/// as the follower knows it, and that of the piece of work there, so `a3-7` began before `a3-8`.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Cause, Follow, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// let bus = Bus::new();
/// let following = bus.follow(Follow::new());
/// let _sub = bus.on(&PLACED, |_| assert!(slotcast::cause().is_some()));
/// bus.emit(&PLACED, &7);
///
/// let cause = following.report().tail(0).next().map(|step| step.cause()).unwrap();
/// assert_eq!(cause.to_string().parse::<Cause>()?, cause);
/// assert_eq!(slotcast::cause(), None);
/// # Ok::<(), slotcast::ParseCauseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause(NonZeroU64);

impl Cause {
    /// The piece of work with this number, not 0, on the thread with this one.
    pub(crate) const fn new(thread: u32, number: u64) -> Option<Self> {
        let all = ((thread as u64) << NUMBER_BITS) | (number & ((1 << NUMBER_BITS) - 1));
        match NonZeroU64::new(all) {
            Some(all) => Some(Cause(all)),
            None => None,
        }
    }

    /// The number of the thread.
    pub(crate) const fn thread(self) -> u32 {
        (self.0.get() >> NUMBER_BITS) as u32
    }

    /// The number on that thread.
    pub(crate) const fn number(self) -> u64 {
        self.0.get() & ((1 << NUMBER_BITS) - 1)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:x}-{:x}", self.thread(), self.number()))
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({self})")
    }
}

/// A text that is not a [`Cause`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no cause: one is two numbers in base 16 with a dash in between, as in a3-7")]
pub struct ParseCauseError {
    text: String,
}

impl FromStr for Cause {
    type Err = ParseCauseError;

    /// Reads what `Display` writes.
    ///
    /// # Errors
    ///
    /// If it is something else.
    fn from_str(text: &str) -> Result<Self, ParseCauseError> {
        let number = |digits: &str, bits: u32| {
            let plain = digits.bytes().all(|it| it.is_ascii_hexdigit());
            let number = u64::from_str_radix(digits, 16).ok().filter(|_| plain)?;
            (number >> bits == 0).then_some(number)
        };
        let parse = || {
            let (thread, own) = text.split_once('-')?;
            let thread = number(thread, u64::BITS - NUMBER_BITS)?;
            Cause::new(thread as u32, number(own, NUMBER_BITS)?)
        };
        parse().ok_or_else(|| ParseCauseError {
            text: text.chars().take(64).collect(),
        })
    }
}
