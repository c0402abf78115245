//! Questions: events that are answered, by whoever knows the answer first.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::job::Job;
use super::promise::{Promise, promise};
use crate::core::flavour::Flavour;
use crate::flavour::Bus;
use crate::topic::Topic;

/// A question of type `Q`, which is answered with an `R`: the payload of a topic that is asked about.
///
/// Asked by [`Bus::ask`](crate::flavour::Bus::ask) or [`Signal::ask`](crate::flavour::Signal::ask). Handlers
/// read the question through [`Deref`]. A clone is the same question, so it can be answered later, by
/// a handler of [`on_queue`](crate::flavour::Subscribe::on_queue) or
/// [`on_async`](crate::flavour::Subscribe::on_async) too, on any thread. `Q` need not be `Clone`.
///
/// # Answers
///
/// The first answer counts, by priority and then in the order of the handlers; those that come later are
/// dropped. To ask nobody else, return [`Flow::Stop`](crate::Flow). When the last clone of a question is
/// gone without an answer, the asker's [`Job`] completes as
/// [`JobError::Abandoned`](crate::JobError::Abandoned): nobody has answered. That is at once, if no handler
/// has kept one. A timeout is something else: [`Job::wait_timeout`] returns the job.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, JobError, Question, Topic};
///
/// const PORT: Topic<Question<String, u16>> = Topic::new("port.of");
/// let bus = Bus::new();
/// let _table = bus.on(&PORT, |name| match name.as_str() {
///     "http" => _ = name.answer(80),
///     _ => {}
/// });
/// assert_eq!(bus.ask(&PORT, "http".to_owned()).wait(), Ok(80));
/// assert_eq!(bus.ask(&PORT, "gopher".to_owned()).wait(), Err(JobError::Abandoned));
/// ```
pub struct Question<Q, R: Send + 'static>(Arc<Asked<Q, R>>);

struct Asked<Q, R: Send + 'static> {
    question: Q,
    promise: Promise<R>,
}

impl<Q, R: Send + 'static> Question<Q, R> {
    pub(crate) fn new(question: Q, promise: Promise<R>) -> Self {
        Question(Arc::new(Asked { question, promise }))
    }

    /// Answers; the callbacks of the asker's job run on this thread. Returns whether the answer counts: it
    /// is the first, and the job was not cancelled. Otherwise it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Question, Signal};
    ///
    /// let size = Signal::<Question<(), u32>>::new();
    /// let _first = size.on(|question| assert!(question.answer(1)));
    /// let _second = size.on(|question| assert!(!question.is_open() && !question.answer(2)));
    /// assert_eq!(size.ask(()).wait(), Ok(1));
    /// ```
    pub fn answer(&self, answer: R) -> bool {
        self.0.promise.try_complete(answer).is_ok()
    }

    /// Whether an answer would count: nobody has answered, and the asker's job was not cancelled. A
    /// snapshot; `false` stays `false`.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.promise.is_open()
    }

    /// Calls `f` once when the asker cancels the job, as [`Promise::on_cancel`] does.
    #[track_caller]
    pub fn on_cancel<F: FnOnce() + Send + 'static>(&self, f: F) {
        self.0.promise.on_cancel(f);
    }
}

impl<Q, R: Send + 'static> Deref for Question<Q, R> {
    type Target = Q;
    fn deref(&self) -> &Q {
        &self.0.question
    }
}

/// The same question.
impl<Q, R: Send + 'static> Clone for Question<Q, R> {
    fn clone(&self) -> Self {
        Question(self.0.clone())
    }
}

impl<Q, R: Send + 'static> fmt::Debug for Question<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}

impl<M: Flavour> Bus<M> {
    /// Asks the handlers of a topic and of the patterns that match it, and returns the job that completes
    /// with the first answer: emits a [`Question`].
    ///
    /// Failures of handlers are reported as those of any emission, and do not end the question. If nobody
    /// is there, the job completes at once as [`JobError::Abandoned`](crate::JobError::Abandoned).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type; and if a handler panics, when the others have been asked.
    ///
    /// # Examples
    ///
    /// An actor that owns its state and answers when it gets to it:
    ///
    /// ```
    /// use slotcast::{Bus, Queue, Question, Topic};
    /// use std::time::Duration;
    ///
    /// const STOCK: Topic<Question<&str, u32>> = Topic::new("stock.of");
    /// struct Store { apples: u32 }
    ///
    /// let bus = Bus::new();
    /// let store = Queue::<Store>::with_context();
    /// let _sub = bus.subscribe(&STOCK).on_queue(&store, |store: &mut Store, what| {
    ///     if **what == "apples" {
    ///         what.answer(store.apples);
    ///     }
    /// });
    /// let job = bus.ask(&STOCK, "apples");
    /// // Too busy: that is no answer, and not "nobody answered" either.
    /// let job = job.wait_timeout(Duration::from_millis(1)).unwrap_err();
    /// store.drain_with(&mut Store { apples: 3 });
    /// assert_eq!(job.wait(), Ok(3));
    /// ```
    #[doc(alias = "request and reply")]
    #[doc(alias = "request-response")]
    #[doc(alias = "rpc")]
    #[doc(alias = "query")]
    #[track_caller]
    pub fn ask<Q: 'static, R: Send + 'static>(
        &self,
        topic: &Topic<Question<Q, R>>,
        question: Q,
    ) -> Job<R> {
        self.ask_with(&mut (), topic, question)
    }
}

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Like [`ask`](Bus::ask), and lends the context to the handlers.
    #[track_caller]
    pub fn ask_with<Q: 'static, R: Send + 'static>(
        &self,
        context: &mut C,
        topic: &Topic<Question<Q, R>>,
        question: Q,
    ) -> Job<R> {
        let (promise, job) = promise();
        self.emit_with(context, topic, &Question::new(question, promise));
        job
    }
}
