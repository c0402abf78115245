//! Adding handlers to a signal.

use crate::core::handler::entry::{Header, HeaderExt, WeakRef, state};
use crate::core::handler::erased::DynHandler;
use crate::core::handler::handler_fn::{BackRef, Captures, Condition, HandlerFn, Subscribed};
use crate::core::primitives::sync::{Lock, Word};
use crate::core::reclaim::counted::Part;
use crate::core::reclaim::hazard::SnapshotState;
use crate::core::signal::directory::{Directory, SignalFlavour};
use crate::core::signal::signal::{SEQUENCE, Signal};
use crate::failure::CallSite;
use crate::policy::Overflow;

/// The options of a subscription, without the closures.
pub(crate) struct SubscribeOptions {
    pub(crate) location: CallSite,
    pub(crate) priority: i32,
    pub(crate) label: Option<Box<str>>,
    pub(crate) limit: Option<usize>,
    /// Of a queued handler: how many of its calls may wait, and what happens to one more.
    pub(crate) room: Option<(usize, Overflow)>,
    /// The handler is not given what is retained.
    pub(crate) skips_kept: bool,
}

impl SubscribeOptions {
    /// The defaults.
    pub(crate) fn new(location: CallSite) -> Self {
        SubscribeOptions {
            location,
            priority: 0,
            label: None,
            limit: None,
            room: None,
            skips_kept: false,
        }
    }
}

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Adds a handler. If that is not possible (the signal is closed, or the limit is zero), the returned
    /// entry is removed already, and its captures are dropped.
    pub(crate) fn subscribe<P, K>(
        this: &M::Ptr<Self>,
        options: SubscribeOptions,
        filter: P,
        callee: K,
    ) -> WeakRef<M, Subscribed<M, Self, P, K>>
    where
        E: 'static,
        P: Condition<E> + Clone,
        K: HandlerFn<M, E, C>,
    {
        let is_gated = P::ASKS || options.limit.is_some();
        let is_weak = K::WEAK || P::OWNED;
        let flags = if is_gated { state::GATED } else { 0 } | if is_weak { state::WEAK } else { 0 };
        let left = options.limit.map(M::Word::new);
        let extra =
            (options.label.is_some() || left.is_some() || options.priority != 0).then(|| {
                Box::new(HeaderExt {
                    label: options.label,
                    left,
                    priority: options.priority,
                    original: None,
                })
            });
        let make = |key, state| {
            let header = Header {
                key,
                sequence: SEQUENCE.take(),
                location: options.location,
                info: Some(this.info.clone()),
                extra,
                state: M::Word::new(state | flags),
            };
            let link = BackRef {
                signal: M::downgrade(this),
                state: callee.new_state(),
            };
            WeakRef::<M, Subscribed<M, Self, P, K>>::new_viewed(
                header,
                link,
                Captures {
                    filter,
                    callee: Part::new(callee),
                },
                |live| live as &dyn DynHandler<M, C>,
            )
        };
        if is_weak {
            this.expect_weak();
        }
        let mut make = Some(make);
        // `None` if there are retained events, which are to be handed over in the same step.
        let mut insert = |kept: bool| {
            this.state.with(|state| {
                if state.retains() && !kept {
                    return None;
                }
                let make = make.take()?;
                if state.roster.is_closed() {
                    return Some((make(0, state::REMOVED | state::CLOSED).0, None));
                }
                if options.limit == Some(0) {
                    return Some((make(0, state::REMOVED).0, None));
                }
                if is_weak {
                    state.roster.has_weak = true;
                }
                let mut entry = None;
                let held = if this.info.is_paused() {
                    state::HELD
                } else {
                    0
                };
                state.roster.insert(|key| {
                    let (made, handler) = make(key, held);
                    entry = Some(made);
                    handler
                });
                if state.roster.in_bus && state.self_ref.is_none() {
                    state.self_ref = Some(this.clone());
                }
                let Some(entry) = entry else {
                    unreachable!("a slotmap calls the closure once")
                };
                Some((entry, this.published.take(SnapshotState::Stale)))
            })
        };
        let mut inserted = insert(options.skips_kept);
        if let (None, Some(retained)) = (&inserted, this.retained()) {
            retained.hand_over(&this.info, &mut || {
                inserted = insert(true);
                let (entry, _) = inserted.as_ref()?;
                // Even if it was removed: this may be the last strong reference, and there is a lock.
                let handler = entry.upgrade()?;
                Some(handler.erase(|live| live as &dyn DynHandler<M, C>))
            });
        }
        let Some((entry, old)) = inserted.or_else(|| insert(true)) else {
            unreachable!("a handler is inserted once")
        };
        // Outside of the lock, like every release, which may run user code.
        drop(old);
        if let Some(registry) = this.pattern_registry() {
            registry.attach(&this.info);
        }
        this.notify_watchers();
        // Only those that were never inserted. Any other is released by what removes it, or by a call that
        // waits in a queue.
        if entry.head().has(state::CLOSED) || options.limit == Some(0) {
            entry.release();
        }
        entry
    }

    /// Prepares for a handler with a weak target or an owner: only those can accumulate without an emission, and only
    /// they pay for it.
    fn expect_weak(&self) {
        self.remove_where(|roster| roster.make_room(WeakRef::is_dead));
        if let Some(registry) = &self.registry {
            registry.expect_weak();
        }
    }
}
