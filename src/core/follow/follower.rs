//! One following: what is asked for, and the recorders of all threads.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cause::Cause;
use crate::core::follow::here::{Here, HereGuard, count_follower, discount_follower, enter, now};
use crate::core::follow::recorder::{Recorder, Records};
use crate::core::follow::shows::Shows;
use crate::core::follow::tail::Entry;
use crate::failure::CallSite;
use crate::follow::Follow;
use crate::follow::report::{EmitterReport, HandlerReport, TopicReport};
use crate::follow::step::{Call, Step};
use crate::follow::times::Times;
use crate::follow::watch::Watch;
use crate::topic::name::Name;
use crate::wiring::Wiring;
use crate::wiring::warning::Warning;

/// One following.
pub(crate) struct Follower {
    number: u32,
    began: u64,
    tail: usize,
    slow: Option<u64>,
    /// The topics whose events are shown.
    shown: Vec<Name>,
    /// `None` once it has ended: they are users' code.
    shows: Mutex<Option<Arc<Shows>>>,
    ended: AtomicBool,
    recorders: Mutex<Recorders>,
    watch: Mutex<Watch>,
}

#[derive(Default)]
struct Recorders {
    all: Vec<Arc<Recorder>>,
    /// Those of threads that have ended.
    free: Vec<Arc<Recorder>>,
}

/// What is followed now.
static ALL: Mutex<Vec<Arc<Follower>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The recorder of a thread for the follower with this number.
struct Own {
    number: u32,
    follower: Arc<Follower>,
    recorder: Arc<Recorder>,
}

/// Those of one thread. Hands them back when the thread ends.
struct OwnRecorders(RefCell<Vec<Own>>);

impl Drop for OwnRecorders {
    fn drop(&mut self) {
        for own in self.0.take() {
            lock(&own.follower.recorders).free.push(own.recorder);
        }
    }
}

thread_local! {
    /// Never borrowed while user code runs.
    static OWN: OwnRecorders = const { OwnRecorders(RefCell::new(Vec::new())) };
}

/// The follower with this number, if it has not ended.
pub(crate) fn find(number: u32) -> Option<Arc<Follower>> {
    lock(&ALL).iter().find(|it| it.number == number).cloned()
}

/// Calls `f` with what this thread has recorded for the follower with this number. `None` if it has ended, or the
/// thread is ending.
pub(super) fn with_own<R>(number: u32, f: impl FnOnce(&mut Records) -> R) -> Option<R> {
    let done = OWN.try_with(|own| {
        let mut all = own.0.borrow_mut();
        if all.first().is_none_or(|it| it.number != number) {
            bring_first(&mut all, number)?;
        }
        let mut records = all[0].recorder.lock();
        (!records.is_ended).then(|| f(&mut records))
    });
    done.ok().flatten()
}

/// Has the recorder of this thread for the follower with this number be the first one: what is followed most is found
/// there. `None` if the follower has ended, and the thread does not know it yet.
#[cold]
fn bring_first(all: &mut Vec<Own>, number: u32) -> Option<()> {
    if let Some(at) = all.iter().position(|it| it.number == number) {
        all.swap(0, at);
        return Some(());
    }
    let follower = find(number)?;
    // What has ended is not kept by a thread that goes on. It has nothing of users any more.
    all.retain(|it| !it.recorder.lock().is_ended);
    let recorder = follower.recorder()?;
    recorder.name_thread();
    let own = Own {
        number,
        follower,
        recorder,
    };
    all.insert(0, own);
    Some(())
}

/// Has what runs until the guard is dropped follow from this piece of work.
pub(crate) fn lead(cause: Cause) -> HereGuard {
    let is_of = |it: &&Arc<Follower>| {
        let recorders = lock(&it.recorders);
        recorders.all.iter().any(|it| it.number == cause.thread())
    };
    let follower = lock(&ALL).iter().find(is_of).map_or(0, |it| it.number);
    enter(Here {
        cause: Some(cause),
        follower,
    })
}

/// The follower of this number, as far as it has not ended.
pub(super) fn known(number: u32) -> Option<Arc<Follower>> {
    let known = OWN.try_with(|own| {
        let all = own.0.borrow();
        let own = all.iter().find(|it| it.number == number);
        own.map(|it| it.follower.clone())
    });
    known.ok().flatten().or_else(|| find(number))
}

/// Changes a piece of work that may be another thread's.
pub(super) fn change(number: u32, cause: Cause, f: impl FnOnce(&mut Entry)) {
    let mut f = Some(f);
    let is_own = with_own(number, |records| {
        records.has(cause).then(|| {
            records
                .entry(cause)
                .zip(f.take())
                .map(|(entry, f)| f(entry))
        })
    });
    if let (Some(None), Some(f)) = (is_own, f) {
        if let Some(follower) = known(number) {
            follower.change(cause, f);
        }
    }
}

/// How the follower of this number wants events to be shown, if it wants those of this topic. To be dropped as what [`Follower::end`] returns.
pub(crate) fn shows(number: u32, topic: &Name) -> Option<Arc<Shows>> {
    // As far as this thread knows the follower, without writing to what threads share.
    let is_shown = OWN.try_with(|own| {
        let all = own.0.borrow();
        let own = all.iter().find(|it| it.number == number);
        own.map(|it| it.follower.is_shown(topic))
    });
    if is_shown.ok().flatten() == Some(false) {
        return None;
    }
    let follower = known(number).filter(|it| it.is_shown(topic))?;
    lock(&follower.shows).clone()
}

impl Follower {
    /// Begins a following. It is to be ended.
    pub(crate) fn begin(follow: Follow) -> Arc<Self> {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let nanos = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        let shown = follow.shows.iter().map(|it| it.topic.clone()).collect();
        let shows = Shows::new(follow.shows);
        let follower = Arc::new(Follower {
            // Relaxed: only that they differ counts.
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            began: now(),
            tail: follow.tail,
            slow: follow.slow.map(nanos),
            shown,
            shows: Mutex::new(Some(Arc::new(shows))),
            ended: AtomicBool::new(false),
            recorders: Mutex::default(),
            watch: Mutex::default(),
        });
        lock(&ALL).push(follower.clone());
        count_follower();
        follower
    }

    /// Ends the following: nothing is recorded any more, and what was is dropped. What is returned is users' code, to
    /// be dropped outside of locks, where that may fail.
    #[must_use]
    pub(crate) fn end(&self) -> Option<Arc<Shows>> {
        if self.ended.swap(true, Ordering::Relaxed) {
            return None;
        }
        discount_follower();
        lock(&ALL).retain(|it| it.number != self.number);
        let recorders = std::mem::take(&mut *lock(&self.recorders));
        for recorder in recorders.all {
            let mut nothing = Records::new(0, 0, None);
            nothing.is_ended = true;
            *recorder.lock() = nothing;
        }
        *lock(&self.watch) = Watch::default();
        lock(&self.shows).take()
    }

    fn is_shown(&self, topic: &Name) -> bool {
        self.shown.iter().any(|it| it.as_str() == topic.as_str())
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Nanoseconds since it began.
    pub(super) fn since(&self, at: u64) -> u64 {
        at.saturating_sub(self.began)
    }

    /// Whether it has ended. What was collected before this says no is complete.
    pub(crate) fn has_ended(&self) -> bool {
        // Relaxed: whoever has found something taken away has had a lock since that was set.
        self.ended.load(Ordering::Relaxed)
    }

    /// What has lasted for too long, as of this wiring at this time since the following began.
    pub(crate) fn look(&self, wiring: &Wiring, at: u64) -> Vec<Warning> {
        let mut watch = lock(&self.watch);
        // Asked under the lock: nobody would clear it again.
        match self.has_ended() {
            true => Vec::new(),
            false => watch.look(wiring, at),
        }
    }

    /// The warning about the longest call of a handler, if it was longer than it should.
    pub(crate) fn slow(&self, handler: &HandlerReport) -> Option<Warning> {
        let (took, limit) = (handler.own.max(), Duration::from_nanos(self.slow?));
        (took > limit).then(|| Warning::Slow {
            topic: handler.topic.clone(),
            label: handler.label.clone(),
            place: handler.place,
            took,
        })
    }

    /// A recorder for a thread that has none. `None` once the following has ended: nobody would end that one.
    fn recorder(&self) -> Option<Arc<Recorder>> {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let mut recorders = lock(&self.recorders);
        // Relaxed: whoever ends it sets this first, and then has the lock.
        if self.ended.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(free) = recorders.free.pop() {
            return Some(free);
        }
        // A cause has 24 bits for it. Relaxed: only that they differ counts.
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed) & 0xff_ffff;
        let recorder = Arc::new(Recorder::new(number.max(1), self.tail, self.slow));
        recorders.all.push(recorder.clone());
        Some(recorder)
    }

    fn change(&self, cause: Cause, f: impl FnOnce(&mut Entry)) {
        let recorder = {
            let recorders = lock(&self.recorders);
            let mut all = recorders.all.iter();
            all.find(|it| it.number == cause.thread()).cloned()
        };
        if let Some(recorder) = recorder {
            if let Some(entry) = recorder.lock().entry(cause) {
                f(entry);
            }
        }
    }

    /// What was counted up to now, and when that was.
    pub(crate) fn collect(&self) -> Collected {
        let at = now();
        let recorders = lock(&self.recorders).all.clone();
        let mut collected = Collected {
            at: self.since(at),
            ..Collected::default()
        };
        for recorder in recorders {
            collected.add(&recorder.lock(), self);
        }
        collected.tail.sort_by_key(|it| it.at);
        let beyond = collected.tail.len().saturating_sub(self.tail);
        collected.tail.drain(..beyond);
        collected.skipped += beyond as u64;
        collected
    }
}

/// What all threads have counted.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) at: u64,
    topics: BTreeMap<String, TopicReport>,
    handlers: BTreeMap<(String, CallSite, Option<Box<str>>), HandlerReport>,
    emitters: BTreeMap<(String, Option<CallSite>), u64>,
    pub(crate) tail: Vec<Step>,
    pub(crate) skipped: u64,
}

impl Collected {
    fn add(&mut self, records: &Records, follower: &Follower) {
        let name = |topic: u32| records.topics[topic as usize].name.as_str().to_owned();
        for count in &records.topics {
            let Some(type_name) = count.type_name else {
                continue;
            };
            let name = count.name.as_str().to_owned();
            let topic = self
                .topics
                .entry(name)
                .or_insert_with_key(|name| TopicReport {
                    name: name.clone(),
                    type_name,
                    emissions: 0,
                    unheard: 0,
                    #[cfg(feature = "nats")]
                    received: None,
                });
            topic.emissions += count.emissions;
            topic.unheard += count.unheard;
            #[cfg(feature = "nats")]
            if let Some(received) = &count.received {
                topic.add_received(received, follower.since(received.at));
            }
        }
        for count in &records.handlers {
            let key = (name(count.topic), count.place, count.label.clone());
            let handler = self.handlers.entry(key).or_insert_with(|| HandlerReport {
                topic: name(count.topic),
                label: count.label.as_deref().map(str::to_owned),
                place: count.place,
                kind: None,
                calls: 0,
                failures: 0,
                skipped: 0,
                own: Times::default(),
                total: 0,
                waited: Times::default(),
            });
            handler.calls += count.calls;
            handler.failures += count.failures;
            handler.skipped += count.skipped;
            handler.own.merge(&count.own);
            handler.total = handler.total.saturating_add(count.total);
            handler.waited.merge(&count.waited);
        }
        for (topic, place, emissions) in &records.emitters {
            *self
                .emitters
                .entry((name(*topic), Some(place)))
                .or_default() += emissions;
        }
        if records.other_emissions > 0 {
            *self.emitters.entry((String::new(), None)).or_default() += records.other_emissions;
        }
        self.skipped += records.skipped();
        let text = |text: Option<&str>| text.map(str::to_owned);
        for (cause, entry) in records.entries() {
            let handler = entry.handler.map(|it| &records.handlers[it as usize]);
            self.tail.push(Step {
                cause,
                parent: entry.parent,
                kind: entry.kind,
                topic: entry.topic.map(name),
                label: handler.and_then(|it| text(it.label.as_deref())),
                place: entry.place,
                thread: entry
                    .thread()
                    .unwrap_or_else(|| records.thread_of(cause))
                    .to_owned(),
                at: follower.since(entry.at),
                waited: entry.waited,
                took: entry.took,
                ran: entry.ran,
                failed: entry.failed,
                stopped: entry.stopped,
                text: text(entry.text()),
                failure: text(entry.failure()),
                calls: entry
                    .calls
                    .iter()
                    .map(|it| {
                        let handler = &records.handlers[it.handler as usize];
                        Call {
                            label: text(handler.label.as_deref()),
                            place: handler.place,
                            own: it.own,
                            failed: it.failed,
                        }
                    })
                    .collect(),
                #[cfg(feature = "nats")]
                received: entry.received().cloned(),
            });
        }
    }

    pub(crate) fn take_topics(&mut self) -> Vec<TopicReport> {
        std::mem::take(&mut self.topics).into_values().collect()
    }

    pub(crate) fn take_handlers(&mut self) -> Vec<HandlerReport> {
        std::mem::take(&mut self.handlers).into_values().collect()
    }

    pub(crate) fn take_emitters(&mut self) -> Vec<EmitterReport> {
        let emitters = std::mem::take(&mut self.emitters).into_iter();
        let report = |((topic, place), emissions)| EmitterReport {
            topic,
            place,
            emissions,
        };
        emitters.map(report).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_following_that_has_ended_gives_no_recorder_that_nobody_would_end() {
        let follower = Follower::begin(Follow::new());
        assert!(follower.recorder().is_some());
        assert!(follower.end().is_some() && follower.end().is_none());
        assert!(follower.recorder().is_none());
    }

    #[test]
    fn a_following_that_has_ended_compares_no_reports() {
        let follower = Follower::begin(Follow::new());
        let second = 1_000_000_000;
        let mut wiring = Wiring::empty();
        let mut look = |at: u64| {
            let queue = crate::wiring::QueueInfo {
                place: std::panic::Location::caller(),
                len: usize::try_from(at).expect("it is small"),
                capacity: None,
                queue: 1,
            };
            wiring.queues = vec![queue];
            follower.look(&wiring, at * second).len()
        };
        assert_eq!((0..=30).map(&mut look).sum::<usize>(), 1);
        assert!(follower.end().is_some());
        assert_eq!((31..=70).map(look).sum::<usize>(), 0);
    }
}
