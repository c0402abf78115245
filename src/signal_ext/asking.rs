//! Request and reply.

use crate::core::flavour::Flavour;
use crate::flavour::Signal;
use crate::jobs::{Job, Question, promise};

impl<M: Flavour, Q: 'static, R: Send + 'static> Signal<M, Question<Q, R>> {
    /// Asks the handlers, and returns the job that completes with the first answer: emits a
    /// [`Question`].
    ///
    /// Failures of handlers are reported as those of any emission, and do not end the question.
    ///
    /// # Panics
    ///
    /// If a handler panics, when the others have been asked; then there is no job.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Question, Signal};
    ///
    /// let double = Signal::<Question<u32, u32>>::new();
    /// let _sub = double.on(|n| _ = n.answer(2 * **n));
    /// assert_eq!(double.ask(21).wait(), Ok(42));
    /// ```
    #[doc(alias = "request and reply")]
    #[doc(alias = "request-response")]
    #[doc(alias = "rpc")]
    #[doc(alias = "query")]
    #[track_caller]
    pub fn ask(&self, question: Q) -> Job<R> {
        self.ask_with(&mut (), question)
    }
}

impl<M: Flavour, Q: 'static, R: Send + 'static, C: 'static> Signal<M, Question<Q, R>, C> {
    /// Like [`ask`](Signal::ask), and lends the context to the handlers.
    #[track_caller]
    pub fn ask_with(&self, context: &mut C, question: Q) -> Job<R> {
        let (promise, job) = promise();
        self.emit_with(context, &Question::new(question, promise));
        job
    }
}
