//! To follow a bus: what happens on it, why, and how long it takes.

use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "inspector")]
use std::net::ToSocketAddrs;
use std::sync::Arc;

use crate::bus::Bus;
use crate::cause::Cause;
use crate::core::flavour::Flavour;
#[cfg(feature = "inspector")]
use crate::core::flavour::Shared;
use crate::core::follow::{
    self,
    follower::{self, Follower},
};
use crate::core::primitives::hash::{HashMap, HashSet};
use crate::core::settings::bus::BusConfig;
use crate::core::settings::failure_source::drop_shows;
use crate::follow::Follow;
use crate::follow::report::{EmitterReport, HandlerReport, Report, TopicReport};
use crate::follow::trail::Trail;
#[cfg(feature = "inspector")]
use crate::inspector::{
    Source,
    serve::{Page, PageBuilder, ServeError},
};
use crate::topic::name::Name;
use crate::wiring::warning::Warning;
use crate::wiring::{PatternWiring, TopicWiring, Wiring};

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Follows what happens on the bus, until the guard is dropped: counts, times and causes.
    ///
    /// Emissions, calls, failures and what is skipped are counted exactly, over all threads, from the moment this
    /// returns; what has begun before is not. What is seen by handlers does not change: not their order, nor the counts,
    /// panics and depths. An emission takes some 120 ns longer, and each handler 50 ns, half of it for readings of the
    /// clock; threads that emit do not wait for one another. Without a guard the bus is as fast as if there were no such
    /// feature.
    ///
    /// What is emitted, deferred, delayed, queued, posted, forwarded, awaited or submitted by work that is followed
    /// has that as its [`cause`](crate::cause()) when it runs, also by way of buses and signals that are not followed.
    /// A future that waits for an event, as by [`next`](crate::flavour::Signal::next), does not: its code is
    /// its own.
    ///
    /// A bus has one following at a time: the one that there was before ends, as if it had been dropped. O(topics).
    ///
    /// The calls of an emission are counted when it has called all of its handlers, and what runs in the destructors of
    /// thread-locals is not. The message of the first failure of a call is formatted once more, on the thread where it
    /// happened, so an error's `Display` runs there.
    ///
    /// Memory is bounded by the program and not by its time: a tail of 128 bytes each, as much again where an emission has
    /// several handlers, 1.7 KiB at most for what a bridge has received, and the texts that were asked for; 4 KiB; and 1 KiB for each topic, for each handler (known by its
    /// topic, line and label) and for each of at most 4,096 emitting lines. All of it for each thread that emits or drains
    /// at the same time as others do.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Follow, Topic};
    ///
    /// const PLACED: Topic<u64> = Topic::new("order.placed");
    /// const BILLED: Topic<u64> = Topic::new("order.billed");
    ///
    /// let bus = Bus::new();
    /// let following = bus.follow(Follow::new());
    /// let _sub = bus.on(&PLACED, {
    ///     let bus = bus.clone();
    ///     move |number| bus.defer(&BILLED, *number)
    /// });
    /// let _sub = bus.on(&BILLED, |_| Err::<(), _>("disk full"));
    /// bus.emit(&PLACED, &7);
    /// let error = &bus.drain().errors()[0].cause();
    ///
    /// // Why did that fail?
    /// let trail = following.trail(error.unwrap()).unwrap();
    /// let topics: Vec<_> = trail.steps().map(|step| step.topic().unwrap()).collect();
    /// assert_eq!(topics, ["order.placed", "order.billed"]);
    /// assert_eq!(trail.steps().last().unwrap().failure(), Some("disk full"));
    ///
    /// let report = following.report();
    /// assert_eq!(report.topics()[0].emissions(), 1);
    /// assert_eq!(report.handlers()[0].failures(), 1);
    /// ```
    pub fn follow(&self, follow: Follow) -> Following<M> {
        let config = self.core.registry.config.clone();
        let follower = Follower::begin(follow);
        let old = config.set_follower(follower.number());
        let old = follower::find(old).and_then(|old| old.end());
        let following = Following(Followed { config, follower });
        if let Some(shows) = old {
            drop_shows(shows, &following.0.config);
        }
        following
    }
}

/// Follows a bus, until it is dropped: made by [`Bus::follow`](crate::flavour::Bus::follow). Does not keep the bus.
///
/// Dropping it takes effect at once: the next emission is as if it had never been, and what was recorded is dropped.
/// It can be asked from any thread, which never blocks those that emit for longer than it takes to copy what one of
/// them has recorded.
#[must_use = "nothing is followed any more when it is dropped"]
pub struct Following<M: Flavour>(Followed<M>);

/// What is asked.
struct Followed<M: Flavour> {
    config: BusConfig<M>,
    follower: Arc<Follower>,
}

impl<M: Flavour> Followed<M> {
    fn report(&self) -> Report {
        let mut collected = self.follower.collect();
        let wiring = self.config.wiring().unwrap_or_else(Wiring::empty);
        let handlers = with_kinds(collected.take_handlers(), &wiring);
        let (topics, emitters) = (collected.take_topics(), collected.take_emitters());
        let mut warnings = warnings(&wiring, &topics, &emitters);
        warnings.extend(self.follower.look(&wiring, collected.at));
        // Of these there may be many.
        warnings.extend(handlers.iter().filter_map(|it| self.follower.slow(it)));
        Report {
            topics,
            warnings,
            handlers,
            emitters,
            tail: collected.tail,
            skipped: collected.skipped,
            wiring,
            at: collected.at,
        }
    }

    fn trail(&self, cause: Cause) -> Option<Trail> {
        Trail::to(cause, &self.follower.collect().tail)
    }

    fn cascade(&self, cause: Cause) -> Option<Trail> {
        Trail::around(cause, &self.follower.collect().tail)
    }
}

/// What is probably unintended in the wiring, with the topics that nobody holds or hears: their names may be misspelled.
fn warnings(wiring: &Wiring, topics: &[TopicReport], emitters: &[EmitterReport]) -> Vec<Warning> {
    let held: HashSet<_> = wiring.topics().iter().map(TopicWiring::name).collect();
    let is_unheard = |it: &&TopicReport| it.unheard == it.emissions && !held.contains(it.name());
    let unheard: Vec<_> = topics.iter().filter(is_unheard).collect();
    if unheard.is_empty() {
        return wiring.warnings();
    }
    let places: HashMap<_, _> = emitters.iter().map(|it| (it.topic(), it.place)).collect();
    let mut all = wiring.clone();
    all.topics.extend(unheard.iter().filter_map(|it| {
        Some(TopicWiring {
            name: Name::Made(it.name().into()),
            type_name: it.type_name,
            place: (*places.get(it.name())?)?,
            handlers: Vec::new(),
            retained: 0,
            signal: 0,
        })
    }));
    all.topics
        .sort_by(|one, other| one.name().cmp(other.name()));
    all.warnings()
}

/// What handlers are, of those that are still subscribed.
fn with_kinds(mut handlers: Vec<HandlerReport>, wiring: &Wiring) -> Vec<HandlerReport> {
    let of_patterns = wiring.patterns().iter().flat_map(PatternWiring::handlers);
    let listed = wiring.topics().iter().flat_map(TopicWiring::handlers);
    let listed = listed.chain(of_patterns);
    let kinds: BTreeMap<_, _> = listed
        .map(|it| {
            (
                (it.pattern().unwrap_or(it.topic()), it.place(), it.label()),
                it,
            )
        })
        .collect();
    for handler in &mut handlers {
        let key = (handler.topic(), handler.place(), handler.label());
        let kind = kinds.get(&key).map(|it| it.kind());
        handler.kind = kind;
    }
    handlers
}

impl<M: Flavour> Following<M> {
    /// What was counted and measured up to now. Calls no user code. O(what is kept).
    ///
    /// It is compared with the reports before, those for a page included, for the
    /// [warnings](crate::Warning) of what only shows over time.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.report()
    }

    /// Why did this run: the causes of a piece of work, back to its root. `None` if it is not in the tail any more, or
    /// was recorded by another following.
    ///
    /// Causes are to be had by [`cause`](crate::cause()) in the code that runs, by
    /// [`HandlerError::cause`](crate::HandlerError::cause), [`Emission::cause`](crate::Emission::cause) and from the
    /// tail of a [`report`](Self::report).
    #[must_use]
    pub fn trail(&self, cause: Cause) -> Option<Trail> {
        self.0.trail(cause)
    }

    /// What came of it: all that the root of a piece of work has led to, as far as it is in the tail.
    #[must_use]
    pub fn cascade(&self, cause: Cause) -> Option<Trail> {
        self.0.cascade(cause)
    }
}

#[cfg(feature = "inspector")]
impl Following<Shared> {
    /// Serves a [`Page`] for a browser about the bus, at a free port of `127.0.0.1`. It can be looked at from this
    /// machine, by its [`url`](Page::url), and ends when it is dropped. Once this following has ended, it says so and
    /// shows nothing new.
    ///
    /// # Errors
    ///
    /// If there is no port, no thread or no token to be had.
    ///
    /// # Examples
    ///
    /// See [`Page`].
    pub fn serve(&self) -> Result<Page, ServeError> {
        self.serve_with(Page::builder())
    }

    /// Like [`serve`](Self::serve), at this address of this machine: `127.0.0.1:9321`, say. For one that others can
    /// reach, see [`PageBuilder::allow_remote`].
    ///
    /// # Errors
    ///
    /// If it is no address, in use, or can be reached by other machines.
    pub fn serve_at(&self, address: impl ToSocketAddrs) -> Result<Page, ServeError> {
        self.serve_with(Page::builder().address(address))
    }

    /// Like [`serve`](Self::serve), as the builder says. If other machines can reach the page, the
    /// [warning hook](Bus::set_warning_hook) is told so, or else the log, by a [`Warning::RemotePage`].
    ///
    /// # Errors
    ///
    /// As [`serve_at`](Self::serve_at), unless the builder allows other machines; and if there is no thread or no token to
    /// be had.
    pub fn serve_with(&self, page: PageBuilder) -> Result<Page, ServeError> {
        let page = page.serve(Arc::new(Followed {
            config: self.0.config.clone(),
            follower: self.0.follower.clone(),
        }))?;
        if let Some(warning) = page.warning() {
            self.0.config.warn(&warning);
        }
        Ok(page)
    }
}

#[cfg(feature = "inspector")]
impl Source for Followed<Shared> {
    fn has_ended(&self) -> bool {
        self.follower.has_ended()
    }

    fn report(&self) -> Report {
        self.report()
    }

    fn trail(&self, cause: Cause) -> Option<Trail> {
        self.trail(cause)
    }

    fn cascade(&self, cause: Cause) -> Option<Trail> {
        self.cascade(cause)
    }
}

/// The number of the piece of work that this code runs in: an emission, a queued call, a job, or a future of a handler.
/// `None` if it runs in none that is [followed](crate::flavour::Bus::follow).
///
/// What is emitted, deferred, posted or submitted here has it as its cause. To carry it into a thread of one's own, see
/// [`Cause::run`]. Takes a few nanoseconds, without a lock.
#[must_use]
pub fn cause() -> Option<Cause> {
    follow::cause()
}

impl Cause {
    /// Runs `f` as a part of this piece of work: what is emitted, deferred, posted or submitted in there has it as its
    /// cause. For threads, tasks and futures of one's own.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Follow, Topic};
    ///
    /// const PLACED: Topic<u64> = Topic::new("order.placed");
    /// const BILLED: Topic<u64> = Topic::new("order.billed");
    /// let bus = Bus::new();
    /// let following = bus.follow(Follow::new());
    /// let other = bus.clone();
    /// let _sub = bus.on(&PLACED, move |number| {
    ///     let (bus, number, cause) = (other.clone(), *number, slotcast::cause().unwrap());
    ///     std::thread::spawn(move || cause.run(|| _ = bus.emit(&BILLED, &number))).join().unwrap();
    /// });
    /// let placed = bus.emit(&PLACED, &7).cause().unwrap();
    /// let cascade = following.cascade(placed).unwrap();
    /// assert_eq!(cascade.steps().nth(1).unwrap().topic(), Some("order.billed"));
    /// ```
    pub fn run<R>(self, f: impl FnOnce() -> R) -> R {
        let _here = follower::lead(self);
        f()
    }
}

impl<M: Flavour> Drop for Following<M> {
    fn drop(&mut self) {
        let Followed { config, follower } = &self.0;
        let shows = follower.end();
        config.clear_follower(follower.number());
        if let Some(shows) = shows {
            drop_shows(shows, config);
        }
    }
}

impl<M: Flavour> fmt::Debug for Following<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").finish_non_exhaustive()
    }
}
