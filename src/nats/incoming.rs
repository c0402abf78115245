//! What has arrived on a route and waits for its thread; and how that thread waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::core::primitives::sync::{lock, wait};
use crate::nats::headers::Headers;
use crate::nats::wire::Sender;

/// An event that has arrived.
pub(super) struct Arrived {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) headers: Headers,
    pub(super) sender: Sender,
    /// Its position in the stream; 0 for core NATS.
    pub(super) sequence: u64,
    /// Of a reader: which stream of that name it is a position of, the first one or one that was made later.
    pub(super) life: u32,
    /// When it was stored, in nanoseconds since 1970; 0 for core NATS.
    pub(super) time: u64,
    /// How many events of its consumer the server had not sent yet when it sent this one; 0 for core NATS. Once it is taken
    /// out, how many are behind it, here and there.
    pub(super) pending: u64,
    /// Of a group: how often it was delivered.
    pub(super) delivered: u32,
    /// It is not to be handled, only passed.
    pub(super) is_skipped: bool,
}

impl Arrived {
    /// Whether it is kept until it was handled.
    pub(super) fn is_stored(&self) -> bool {
        self.sequence > 0
    }
}

/// What waits for the thread of a route. Whoever puts something in knows how much it may be.
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    ready: Condvar,
    /// Notified when no more than [`notify_at`](Self::notify_at) are left.
    pub(super) space: Notify,
    pub(super) parking: Arc<Parking>,
    /// Nothing is handled any more: the bus is closed, or what the route has of it.
    is_shut: AtomicBool,
    /// Notified when that is so.
    shut: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Arrived>,
    is_ended: bool,
    /// Whether the thread waits for an event: who notifies it asks the system, which takes longer than all the rest.
    is_idle: bool,
    /// How many events there may be left when `space` is notified, if somebody waits for that.
    notify_at: Option<usize>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Inbox {
            waiting: Mutex::default(),
            ready: Condvar::new(),
            space: Notify::new(),
            parking: Arc::default(),
            is_shut: AtomicBool::new(false),
            shut: Notify::new(),
        }
    }

    /// Has nothing asked for any more, because nothing will be handled.
    pub(super) fn shut(&self) {
        self.is_shut.store(true, Ordering::Release);
        self.shut.notify_waiters();
    }

    /// Whether nothing is to be asked for any more.
    pub(super) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Waits until that is so.
    pub(super) async fn until_shut(&self) {
        // In this order: from here on it is notified.
        let shut = self.shut.notified();
        if !self.is_shut() {
            shut.await;
        }
    }

    pub(super) fn push(&self, event: Arrived) {
        self.batch().events.push(event);
    }

    /// Events that are put in together, so that the thread is woken once for all of them.
    pub(super) fn batch(&self) -> Batch<'_> {
        Batch {
            inbox: self,
            events: Vec::new(),
        }
    }

    /// Has `space` notified once no more than so many are left.
    pub(super) fn notify_at(&self, left: Option<usize>) {
        let mut waiting = lock(&self.waiting);
        let is_reached = left.is_some_and(|it| waiting.events.len() <= it);
        waiting.notify_at = left.filter(|_| !is_reached);
        drop(waiting);
        if is_reached {
            self.space.notify_one();
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.waiting).events.len()
    }

    /// Waits for an event. `None` when nothing is to be handled any more.
    pub(super) fn pop(&self) -> Option<Arrived> {
        let mut waiting = lock(&self.waiting);
        loop {
            if waiting.is_ended {
                return None;
            }
            if let Some(mut event) = waiting.events.pop_front() {
                let left = waiting.events.len();
                let newest = waiting.events.back().unwrap_or(&event);
                event.pending = newest.pending.saturating_add(left as u64);
                let notifies = waiting.notify_at.is_some_and(|it| left <= it);
                if notifies {
                    waiting.notify_at = None;
                }
                drop(waiting);
                if notifies {
                    self.space.notify_one();
                }
                return Some(event);
            }
            waiting.is_idle = true;
            waiting = wait(&self.ready, waiting);
        }
    }

    /// Removes those that are not to be handled, and returns how many that were.
    pub(super) fn retain(&self, keeps: impl FnMut(&mut Arrived) -> bool) -> usize {
        let mut waiting = lock(&self.waiting);
        let before = waiting.events.len();
        waiting.events.retain_mut(keeps);
        before - waiting.events.len()
    }

    /// Has the thread end when it has handled what it handles now. Returns how many events are left.
    pub(super) fn end(&self) -> usize {
        let mut waiting = lock(&self.waiting);
        waiting.is_ended = true;
        let left = waiting.events.len();
        drop(waiting);
        self.ready.notify_all();
        self.parking.wake_thread();
        left
    }
}

/// Events that are put into an inbox when this is dropped, whatever becomes of the task that has them.
pub(super) struct Batch<'i> {
    inbox: &'i Inbox,
    pub(super) events: Vec<Arrived>,
}

impl Batch<'_> {
    /// Puts them in now.
    pub(super) fn put(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let mut waiting = lock(&self.inbox.waiting);
        waiting.events.extend(self.events.drain(..));
        let was_idle = std::mem::take(&mut waiting.is_idle);
        drop(waiting);
        if was_idle {
            self.inbox.ready.notify_one();
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.put();
    }
}

/// Where a thread waits that can be woken, and told to wait no longer.
#[derive(Default)]
pub(super) struct Parking {
    state: Mutex<Parked>,
    changed: Condvar,
}

#[derive(Default)]
struct Parked {
    is_woken: bool,
    /// The bridge ends: what is still going on is given up.
    is_given_up: bool,
    /// The bridge ends: nothing is begun any more.
    is_ending: bool,
}

impl Parking {
    /// Waits until it is woken. Returns whether to go on.
    pub(super) fn park(&self) -> bool {
        let mut state = lock(&self.state);
        while !state.is_woken && !state.is_given_up {
            state = wait(&self.changed, state);
        }
        state.is_woken = false;
        !state.is_given_up
    }

    /// Waits for a time. Returns `false` as soon as nothing is to be begun any more.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            if state.is_ending || state.is_given_up || now >= until {
                return !state.is_ending && !state.is_given_up;
            }
            let waited = self.changed.wait_timeout(state, until - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wake_thread(&self) {
        lock(&self.state).is_ending = true;
        self.changed.notify_all();
    }

    /// Has nothing waited for any more.
    pub(super) fn give_up(&self) {
        lock(&self.state).is_given_up = true;
        self.changed.notify_all();
    }
}

impl Wake for Parking {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.state).is_woken = true;
        self.changed.notify_all();
    }
}

/// How many threads deliver, and what they had in hand when they had to end.
#[derive(Default)]
pub(super) struct Running {
    count: Mutex<Deliverers>,
    changed: Condvar,
}

#[derive(Default)]
struct Deliverers {
    running: usize,
    /// Of those that have ended: how many events they have left.
    left: usize,
}

impl Running {
    /// Counts one more, until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> RunningGuard {
        lock(&self.count).running += 1;
        RunningGuard {
            running: self.clone(),
            left: 0,
        }
    }

    /// Waits until no more than `own` are running, or the time is over; returns how many events these have, and those
    /// that have ended have left.
    pub(super) fn wait(&self, own: usize, until: Option<Instant>) -> usize {
        let mut count = lock(&self.count);
        loop {
            let now = Instant::now();
            if count.running <= own || until.is_some_and(|it| it <= now) {
                return count.running + count.left;
            }
            count = match until {
                Some(until) => {
                    let waited = self.changed.wait_timeout(count, until - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => wait(&self.changed, count),
            };
        }
    }
}

/// A thread that delivers has ended when this is dropped.
pub(super) struct RunningGuard {
    running: Arc<Running>,
    /// How many events it has left: those that it had in hand.
    left: usize,
}

impl RunningGuard {
    /// Ends, with so many events left.
    pub(super) fn end(mut self, left: usize) {
        self.left = left;
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        let mut count = lock(&self.running.count);
        // At once: whoever waits sees each event in one of the two.
        count.running -= 1;
        count.left += self.left;
        drop(count);
        self.running.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    fn arrived(sequence: u64) -> Arrived {
        Arrived {
            topic: "a".to_owned(),
            payload: Bytes::new(),
            headers: Headers::new(),
            sender: Sender::default(),
            sequence,
            life: 0,
            time: 0,
            delivered: 1,
            pending: 0,
            is_skipped: false,
        }
    }

    #[test]
    fn what_a_task_has_looked_at_is_put_in_when_it_is_given_up() {
        let inbox = Inbox::new();
        let mut batch = inbox.batch();
        batch.events.extend([arrived(1), arrived(2)]);
        assert_eq!(inbox.len(), 0);
        drop(batch);
        let popped = [inbox.pop(), inbox.pop()].map(|it| it.map(|it| it.sequence));
        assert_eq!(popped, [Some(1), Some(2)]);
    }

    #[test]
    fn space_is_told_once_when_so_many_are_left() {
        let inbox = Inbox::new();
        let is_told = || {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            pin!(inbox.space.notified()).poll(&mut cx).is_ready()
        };
        (0..4).for_each(|it| inbox.push(arrived(it)));
        inbox.notify_at(Some(2));
        drop(inbox.pop());
        assert!(!is_told());
        drop(inbox.pop());
        assert!(is_told());
        drop(inbox.pop());
        assert!(!is_told());
        // It is so already.
        inbox.notify_at(Some(2));
        assert!(is_told());
        inbox.notify_at(None);
        drop(inbox.pop());
        assert!(!is_told());
    }

    #[test]
    fn a_thread_that_waits_is_woken_by_each_batch() {
        let inbox = Inbox::new();
        std::thread::scope(|scope| {
            let handling = scope.spawn(|| std::iter::from_fn(|| inbox.pop()).take(1_000).count());
            for sequence in 0..1_000 {
                inbox.push(arrived(sequence));
                std::thread::yield_now();
            }
            assert_eq!(handling.join().expect("no panic"), 1_000);
        });
    }
}
