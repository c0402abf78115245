//! The methods that emit.

use crate::core::emission::run::{run, run_lazy};
use crate::core::flavour::Flavour;
use crate::signal::Signal;
use crate::signal::emission::Emission;

impl<M: Flavour, E: 'static> Signal<M, E> {
    /// Calls the handlers with one event, at once and on this thread, and returns what happened.
    ///
    /// Calls the handlers that are subscribed when it begins. O(n) in the number of handlers; allocates
    /// nothing after a thread's first emission, as long as the handlers stay the same and none fails.
    /// Threads that emit on one signal do not wait for each other: a lock is taken only by the first
    /// emission after a change, by those nested more than eight deep, and in a build with
    /// `--cfg slotcast_lock_reads`.
    ///
    /// # Panics
    ///
    /// If a handler panics: the others still run, and then the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// let key = slotcast::Signal::<char>::new();
    /// let _sub = key.on(|k| assert_eq!(*k, 'q'));
    /// assert_eq!(key.emit(&'q').ran(), 1);
    /// ```
    #[doc(alias = "publish")]
    #[doc(alias = "send")]
    #[doc(alias = "fire")]
    #[doc(alias = "notify")]
    #[doc(alias = "trigger")]
    #[doc(alias = "dispatch")]
    #[doc(alias = "broadcast")]
    #[inline(always)]
    #[track_caller]
    pub fn emit(&self, event: &E) -> Emission {
        self.emit_with(&mut (), event)
    }

    /// Like [`emit`](Self::emit), with an event that is created only if there is a receiver: a handler,
    /// paused and filtering ones included, the hook for unhandled events, or the history of
    /// [`retain_last`](Self::retain_last). A handler whose target was dropped is none. A panic in the
    /// event's `Drop` is a failure of its own, reported to the error hook or logged.
    ///
    /// The event is made on this thread, outside of locks, on the level of this emission: a lazy emission
    /// inside of `event` is one level deeper. Handlers that `event` subscribes are called. What fails
    /// in `event`, but its own panic, is in the [`Emission`].
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does: then no handler is called.
    ///
    /// # Examples
    ///
    /// ```
    /// let log = slotcast::Signal::<String>::new();
    /// let done = log.emit_lazy(|| unreachable!("nobody listens"));
    /// assert_eq!(done.ran(), 0);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn emit_lazy(&self, event: impl FnOnce() -> E) -> Emission {
        self.emit_lazy_with(&mut (), event)
    }
}

impl<M: Flavour, E: 'static, C: 'static> Signal<M, E, C> {
    /// Calls the handlers with one event, at once and on this thread, and lends them the context.
    ///
    /// Like [`emit`](Self::emit), for any context. Handlers can write their answers into the context: a
    /// list of votes, the first answer, a running value.
    ///
    /// # Panics
    ///
    /// If a handler panics: the others still run, and then the first panic resumes.
    #[inline(always)]
    #[track_caller]
    pub fn emit_with(&self, context: &mut C, event: &E) -> Emission {
        let summary = run(&self.core, event, context);
        Emission::finish(summary, || self.core.info.config.panics())
    }

    /// Like [`emit_with`](Self::emit_with), with an event that is created only if there is a receiver, as by
    /// [`emit_lazy`](Signal::emit_lazy).
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does.
    ///
    /// # Examples
    ///
    /// ```
    /// let closing = slotcast::Signal::<String, usize>::with_context();
    /// let mut asked = 0;
    /// closing.emit_lazy_with(&mut asked, || unreachable!("nobody listens"));
    /// let _sub = closing.on_with(|asked, _| *asked += 1);
    /// closing.emit_lazy_with(&mut asked, || "notes.txt".to_owned());
    /// assert_eq!(asked, 1);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn emit_lazy_with(&self, context: &mut C, event: impl FnOnce() -> E) -> Emission {
        let summary = run_lazy(&self.core, event, context);
        Emission::finish(summary, || self.core.info.config.panics())
    }
}
