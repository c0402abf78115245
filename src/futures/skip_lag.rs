//! Streams of plain events, which count what was lost.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::{FusedStream, Stream};

use crate::core::flavour::{Flavour, Shared};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::unwind::unwind_safe;
use crate::error::{Lagged, TimedOut};
use crate::futures::stream::EventStream;

#[doc = include_str!("../flavour/skip_lag.md")]
#[must_use = "dropping it unsubscribes at once"]
pub struct SkipLag<M: Flavour, E: 'static> {
    stream: EventStream<M, E>,
    lost: usize,
}

impl<M: Flavour, E: 'static> EventStream<M, E> {
    /// Turns this into a stream of plain events. What overflow drops, and what a clone that panics
    /// loses, is counted in [`lost`](SkipLag::lost).
    ///
    /// Everything else is as before: the buffer with what is in it, the place of its handler, its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use slotcast::{Overflow, Signal};
    ///
    /// # futures::executor::block_on(async {
    /// let progress = Signal::<u32>::new();
    /// let mut percents = progress.stream(2, Overflow::DropOldest).skip_lag();
    /// for n in [10, 20, 30] {
    ///     progress.emit(&n);
    /// }
    /// progress.close();
    /// assert_eq!(percents.next().await, Some(20));
    /// assert_eq!(percents.lost(), 1);
    /// assert_eq!(percents.collect::<Vec<_>>().await, [30]);
    /// # })
    /// ```
    pub fn skip_lag(self) -> SkipLag<M, E> {
        SkipLag {
            stream: self,
            lost: 0,
        }
    }
}

impl<M: Flavour, E: 'static> SkipLag<M, E> {
    /// The number of events that were lost before the one that it has yielded last, and at the end.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// The stream below, for its length, its capacity, and whether it is closed.
    pub fn get_ref(&self) -> &EventStream<M, E> {
        &self.stream
    }

    /// Takes the next event if there is one in the buffer, without waiting. `None` if there is none,
    /// or the stream has ended.
    pub fn try_take(&mut self) -> Option<E> {
        loop {
            let item = self.stream.try_take()?;
            if let Some(event) = self.count(item) {
                return Some(event);
            }
        }
    }

    /// The event of an item, or `None` if it is a loss, which is counted.
    fn count(&mut self, item: Result<E, Lagged>) -> Option<E> {
        match item {
            Ok(event) => Some(event),
            Err(lagged) => {
                self.lost = self.lost.saturating_add(lagged.lost());
                None
            }
        }
    }
}

impl<E: 'static> SkipLag<Shared, E> {
    /// Parks the thread until there is an event; `None` when the stream has ended. See
    /// [`EventStream::wait`].
    pub fn wait(&mut self) -> Option<E> {
        loop {
            let item = self.stream.wait()?;
            if let Some(event) = self.count(item) {
                return Some(event);
            }
        }
    }

    /// Like [`wait`](Self::wait), but for no longer than `timeout`. A timeout of zero does not
    /// wait.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if there was no event in time; the stream can still be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Overflow, Signal};
    /// use std::time::Duration;
    ///
    /// let key = Signal::<char>::new();
    /// let mut keys = key.stream(1, Overflow::DropNewest).skip_lag();
    /// assert!(keys.wait_timeout(Duration::ZERO).is_err());
    /// key.emit(&'a');
    /// key.emit(&'b');
    /// key.close();
    /// assert_eq!(keys.wait_timeout(Duration::ZERO)?, Some('a'));
    /// assert_eq!(keys.wait_timeout(Duration::ZERO)?, None);
    /// assert_eq!(keys.lost(), 1);
    /// # Ok::<(), slotcast::TimedOut>(())
    /// ```
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<E>, TimedOut> {
        // A time beyond the range of the clock is never reached.
        let until = Instant::now().checked_add(timeout);
        loop {
            let left = until.map_or(Duration::MAX, |it| {
                it.saturating_duration_since(Instant::now())
            });
            let Some(item) = self.stream.wait_timeout(left)? else {
                return Ok(None);
            };
            if let Some(event) = self.count(item) {
                return Ok(Some(event));
            }
        }
    }
}

impl<M: Flavour, E: 'static> Stream for SkipLag<M, E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<E>> {
        loop {
            let Some(item) = ready!(Pin::new(&mut self.stream).poll_next(context)) else {
                return Poll::Ready(None);
            };
            if let Some(event) = self.count(item) {
                return Poll::Ready(Some(event));
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl<M: Flavour, E: 'static> FusedStream for SkipLag<M, E> {
    fn is_terminated(&self) -> bool {
        self.stream.is_terminated()
    }
}

impl<M: Flavour, E: 'static> fmt::Debug for SkipLag<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkipLag")
            .field("stream", &self.stream)
            .field("lost", &self.lost)
            .finish()
    }
}

unwind_safe! {
    [M: Flavour, E] SkipLag<M, E>;
}
