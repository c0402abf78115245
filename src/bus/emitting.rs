//! The methods that emit: at once, or awaited.

use std::borrow::Borrow;

use crate::bus::Bus;
use crate::core::emission::run as emission;
use crate::core::emission::summary::EmissionSummary;
use crate::core::flavour::Flavour;
use crate::core::registry::by_name;
use crate::core::registry::registry::Found;
use crate::core::registry::without_topic;
use crate::core::signal::signal::PatternSignals;
use crate::futures::emit_async::EmitAsync;
use crate::signal::emission::Emission;
use crate::topic::Topic;

impl<M: Flavour> Bus<M> {
    /// Calls the handlers of a topic, at once and on this thread, and returns what happened; see
    /// [`Signal::emit`](crate::flavour::Signal::emit).
    ///
    /// A topic that does not exist is not created.
    ///
    /// # Panics
    ///
    /// If a handler panics, after the others have run; and if the topic has another payload type.
    #[doc(alias = "publish")]
    #[doc(alias = "send")]
    #[doc(alias = "fire")]
    #[doc(alias = "notify")]
    #[doc(alias = "trigger")]
    #[doc(alias = "dispatch")]
    #[doc(alias = "broadcast")]
    #[inline]
    #[track_caller]
    pub fn emit<E: 'static>(&self, topic: &Topic<E>, event: &E) -> Emission {
        self.emit_with(&mut (), topic, event)
    }

    /// Like [`emit`](Self::emit), with an event that is created only if there is a receiver; see
    /// [`Signal::emit_lazy`](crate::flavour::Signal::emit_lazy).
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does.
    #[inline]
    #[track_caller]
    pub fn emit_lazy<E: 'static>(&self, topic: &Topic<E>, event: impl FnOnce() -> E) -> Emission {
        self.emit_lazy_with(&mut (), topic, event)
    }

    /// Emits when it is awaited, and completes when all futures have completed that async handlers
    /// have started; see [`Signal::emit_async`](crate::flavour::Signal::emit_async). The topic
    /// exists as long as the future does.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn emit_async<E: 'static>(&self, topic: &Topic<E>, event: E) -> EmitAsync<'static, M, E> {
        self.signal(topic).emit_async(event)
    }
}

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Calls the handlers of a topic, at once and on this thread, and lends them the context; see
    /// [`Signal::emit_with`](crate::flavour::Signal::emit_with).
    ///
    /// # Panics
    ///
    /// If a handler panics, after the others have run; and if the topic has another payload type.
    #[inline]
    #[track_caller]
    pub fn emit_with<E: 'static>(&self, context: &mut C, topic: &Topic<E>, event: &E) -> Emission {
        match by_name::run(&self.core.registry, &topic.name, event, context) {
            Ok(summary) => self.finish(summary),
            Err(wrong) => panic!("{wrong}"),
        }
    }

    /// Like [`emit_with`](Self::emit_with), with an event that is created only if there is a receiver; see
    /// [`Signal::emit_lazy_with`](crate::flavour::Signal::emit_lazy_with).
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does.
    #[inline]
    #[track_caller]
    pub fn emit_lazy_with<E: 'static>(
        &self,
        context: &mut C,
        topic: &Topic<E>,
        event: impl FnOnce() -> E,
    ) -> Emission {
        match self.find(topic) {
            Found::Topic(signal) => self.finish(emission::run_lazy(&signal, event, context)),
            Found::Patterns(patterns) => self.emit_to_patterns(patterns, topic, event, context),
        }
    }

    fn finish(&self, summary: EmissionSummary) -> Emission {
        Emission::finish(summary, || self.core.registry.config.panics())
    }

    #[track_caller]
    fn emit_to_patterns<E: 'static, B: Borrow<E>>(
        &self,
        patterns: PatternSignals<M, C>,
        topic: &Topic<E>,
        event: impl FnOnce() -> B,
        context: &mut C,
    ) -> Emission {
        let registry = &self.core.registry;
        let summary = without_topic::run(registry, patterns, &topic.name, event, None, context);
        self.finish(summary)
    }

    /// Emits when it is awaited, and lends the context to the handlers; see
    /// [`Signal::emit_async_with`](crate::flavour::Signal::emit_async_with).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn emit_async_with<'c, E: 'static>(
        &self,
        context: &'c mut C,
        topic: &Topic<E>,
        event: E,
    ) -> EmitAsync<'c, M, E, C> {
        self.signal(topic).emit_async_with(context, event)
    }
}
