//! Adding handlers to a signal.

use crate::core::handler::entry::{Header, HeaderExt, WeakRef, state};
use crate::core::handler::erased::DynHandler;
use crate::core::handler::handler_fn::{BackRef, Captures, Condition, HandlerFn, Subscribed};
use crate::core::primitives::sync::{Lock, Word};
use crate::core::reclaim::counted::{Allocation, Live, Part, Unshared};
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
    /// Adds a handler, and returns a view of it. If that is not possible (the signal is closed, or the limit is
    /// zero), it is removed already, and its captures are dropped.
    pub(crate) fn subscribe<P, K, V>(
        this: &M::Ptr<Self>,
        options: SubscribeOptions,
        filter: P,
        mut callee: K,
        view: fn(&Subscribed<M, Self, P, K>) -> &V,
    ) -> WeakRef<M, V>
    where
        E: 'static,
        P: Condition<E> + Clone,
        K: HandlerFn<M, E, C>,
        V: ?Sized + Allocation<M, Header = Header<M>>,
    {
        let is_gated = P::ASKS || options.limit.is_some();
        if K::ENDS && !P::ASKS {
            this.info.topic_info.set_expects(true);
        }
        let is_weak = K::WEAK || P::OWNED;
        if is_weak {
            this.expect_weak();
        }
        let flags = if is_gated { state::GATED } else { 0 } | if is_weak { state::WEAK } else { 0 };
        let (is_callable, skips_kept) = (options.limit != Some(0), options.skips_kept);
        callee.prepare(&this.info);
        let link = BackRef {
            signal: M::downgrade(this),
            state: callee.new_state(),
        };
        let captures = Captures {
            filter,
            callee: Part::new(callee),
        };
        let handler = Unshared::new(
            this.header(options, flags),
            link,
            captures,
            |live: &Live<Subscribed<M, Self, P, K>>| live as &dyn DynHandler<M, C>,
            view,
        );
        Self::insert(this, handler, is_callable, skips_kept)
    }

    /// The header of a new handler, without its place in the roster.
    #[inline]
    fn header(&self, options: SubscribeOptions, flags: usize) -> Header<M> {
        let left = options.limit.map(M::Word::new);
        let has_extra = options.label.is_some() || left.is_some() || options.priority != 0;
        Header {
            key: 0,
            sequence: 0,
            location: options.location,
            info: Some(self.info.clone()),
            extra: has_extra.then(|| {
                Box::new(HeaderExt {
                    label: options.label,
                    left,
                    priority: options.priority,
                    original: None,
                })
            }),
            state: M::Word::new(flags),
        }
    }

    /// Inserts a handler into the roster, and returns the view of it. Not generic over the handler, because every
    /// closure of a program would have this code of its own.
    fn insert<V: ?Sized + Allocation<M, Header = Header<M>>>(
        this: &M::Ptr<Self>,
        handler: Unshared<M, dyn DynHandler<M, C>, V>,
        is_callable: bool,
        skips_kept: bool,
    ) -> WeakRef<M, V>
    where
        E: 'static,
    {
        let mut handler = Some(handler);
        // The handler, where it was refused or is to be given retained events.
        let (mut refused, mut for_kept) = (None, None);
        let mut is_many = false;
        // `None` if there are retained events, which are to be handed over in the same step.
        let mut insert = |kept: bool, for_kept: &mut Option<WeakRef<M, dyn DynHandler<M, C>>>| {
            this.state.with(|state| {
                if state.retains() && !kept {
                    return None;
                }
                let mut handler = handler.take()?;
                let head = handler.head_mut();
                head.sequence = SEQUENCE.take();
                let is_closed = state.roster.is_closed();
                if is_closed || !is_callable {
                    let closed = if is_closed { state::CLOSED } else { 0 };
                    head.state.or(state::REMOVED | closed);
                    let (handler, view) = handler.share();
                    refused = Some(handler);
                    return Some((view, None));
                }
                if this.info.is_paused() {
                    head.state.or(state::HELD);
                }
                state.roster.has_weak |= head.has(state::WEAK);
                let (mut inserted, mut at) = (None, 0);
                state.roster.insert(|key| {
                    at = key;
                    handler.head_mut().key = key;
                    let (handler, view) = handler.share();
                    if kept {
                        *for_kept = Some(handler.clone());
                    }
                    inserted = Some(view);
                    handler
                });
                if state.roster.in_bus && state.self_ref.is_none() {
                    state.self_ref = Some(this.clone());
                }
                is_many = state.roster.is_many(|| this.info.warn_handlers());
                let old = this.edit(state, |list, state| {
                    list.insert(state.roster.get(at)?.upgrade()?);
                    None
                });
                Some((inserted?, Some(old)))
            })
        };
        let mut inserted = insert(skips_kept, &mut for_kept);
        let retained = if inserted.is_none() {
            this.retained()
        } else {
            None
        };
        if let Some(retained) = retained {
            retained.hand_over(&this.info, &mut || {
                inserted = insert(true, &mut for_kept);
                // Even if it was removed: this may be the last strong reference, and there is a lock.
                for_kept.take()?.upgrade()
            });
        }
        let Some((view, old)) = inserted.or_else(|| insert(true, &mut for_kept)) else {
            unreachable!("a handler is inserted once")
        };
        // Outside of the lock, like every release, which may run user code.
        drop(old);
        this.attach_topics();
        this.notify_watchers();
        if is_many {
            this.tell_many();
        }
        // Only those that were never inserted. Any other is released by what removes it, or by a call that
        // waits in a queue.
        if let Some(refused) = refused {
            refused.release();
        }
        view
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
