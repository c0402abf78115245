//! Handlers that take another's place, while its subscription stays what it is.
//!
//! The *original*, the entry that was subscribed, leaves the roster and keeps what its subscription
//! sees: the state, the pauses, the limit, the filter. A *replacement* is an entry with the same key
//! and sequence number that asks the original whether to be called. So handlers that are never
//! replaced know nothing of this, and the old captures go with the last list that has them, as those
//! of any handler do.

use std::any::{Any, TypeId};
use std::ptr::NonNull;

use crate::core::handler::entry::{
    Anchor, Code, Control, Draft, DropInParts, Entity, Entry, Extra, Handle, Handler, Head, Keeper,
    Round, state,
};
use crate::core::handler::erased::{code, is_any, with_event};
use crate::core::handler::owner::Owner;
use crate::core::primitives::flavour::Primitives;
use crate::error::ReplaceErrorKind;
use crate::failure::CallSite;
use crate::outcome::Outcome;
use crate::topic::any_event::TopicInfo;

/// A closure that is to replace another, of which only the event is known.
pub(crate) trait ReplacementFn<M: Primitives, E>: 'static {
    fn call(
        &self,
        head: &Head<M>,
        topic_info: &TopicInfo,
        context: &mut dyn Any,
        event: &E,
    ) -> Code;
    /// To give it back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Called with the event alone.
pub(crate) struct ReplacementPlain<F>(pub(crate) F);

impl<M: Primitives, E, F, R> ReplacementFn<M, E> for ReplacementPlain<F>
where
    F: Fn(&E) -> R + 'static,
    R: Outcome,
{
    fn call(&self, head: &Head<M>, topic_info: &TopicInfo, _: &mut dyn Any, event: &E) -> Code {
        code(head, Some(topic_info), (self.0)(event))
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        Box::new(self.0)
    }
}

/// Called with the context, whose type was compared when it was put in place.
pub(crate) struct ReplacementWithContext<F, C>(F, std::marker::PhantomData<fn(&mut C)>);

impl<F, C> ReplacementWithContext<F, C> {
    pub(crate) fn new(f: F) -> Self {
        ReplacementWithContext(f, std::marker::PhantomData)
    }
}

impl<M: Primitives, E, C: 'static, F, R> ReplacementFn<M, E> for ReplacementWithContext<F, C>
where
    F: Fn(&mut C, &E) -> R + 'static,
    R: Outcome,
{
    fn call(
        &self,
        head: &Head<M>,
        topic_info: &TopicInfo,
        context: &mut dyn Any,
        event: &E,
    ) -> Code {
        let Some(context) = context.downcast_mut() else {
            unreachable!("compared when it was put in place")
        };
        code(head, Some(topic_info), (self.0)(context, event))
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        Box::new(self.0)
    }
}

/// What a subscription asks of its entry, which alone knows the types.
pub(crate) struct ReplaceRequest<M: Primitives, E> {
    /// Taken out when it has found its place.
    pub(crate) closure: Option<Box<dyn ReplacementFn<M, E>>>,
    /// The context that it wants, if any.
    pub(crate) context: Option<TypeId>,
    pub(crate) location: CallSite,
    pub(crate) original: Anchor<M, dyn Control<M>>,
}

/// The captures of a replacement.
pub(crate) struct ReplacementCaptures<M: Primitives, E, C: 'static> {
    closure: Box<dyn ReplacementFn<M, E>>,
    keeper: M::Ptr<Keeper<M, C>>,
}

impl<M: Primitives, E, C> DropInParts for ReplacementCaptures<M, E, C> {}

/// The entry of a replacement.
pub(crate) type Replacement<M, S> =
    Entry<M, Back<M, S>, ReplacementCaptures<M, <S as Owner<M>>::Event, <S as Owner<M>>::Context>>;

/// What leads back to the signal.
pub(crate) struct Back<M: Primitives, S>(M::Weak<S>);

/// Puts the closure of a request into the place of a handler, or of what has replaced it.
pub(crate) fn replace<M: Primitives, S: Owner<M>>(
    signal: &M::Ptr<S>,
    request: &mut ReplaceRequest<M, S::Event>,
) -> Result<(), ReplaceErrorKind> {
    if request
        .context
        .is_some_and(|wanted| wanted != TypeId::of::<S::Context>())
    {
        return Err(ReplaceErrorKind::WrongType);
    }
    let (original, location) = (request.original.clone(), request.location);
    let head = original.head();
    // Nothing in here is user code: it runs under the signal's lock.
    let make = |current: &Anchor<M, dyn Handle<M, S::Context>>| {
        let closure = request.closure.take()?;
        // SAFETY: what stands in the roster has not been released.
        let keeper = unsafe { current.keeper() }.unwrap_or_else(|| {
            M::ptr(Keeper {
                original: current.clone(),
            })
        });
        let draft = Draft {
            key: head.key,
            sequence: head.sequence,
            location,
            info: head.info.clone(),
            extra: Some(Box::new(Extra {
                label: head.label().map(Box::from),
                left: None,
                priority: head.priority(),
                original: Some(original.clone()),
            })),
            state: state::GATED,
        };
        let captures = ReplacementCaptures { closure, keeper };
        let made = Anchor::<M, Replacement<M, S>>::new(draft, Back(M::downgrade(signal)), captures);
        Some(made.cast::<dyn Handle<M, S::Context>>(|entry| entry))
    };
    match signal.exchange(head.key, head.sequence, make) {
        true => Ok(()),
        false => Err(ReplaceErrorKind::Inactive),
    }
}

/// Calls what has the place of a replaced handler by now, for an emission that has met the handler in
/// its list.
///
/// # Safety
///
/// That of [`Handle::call`].
#[cold]
pub(crate) unsafe fn pass_on<M: Primitives, S: Owner<M>>(
    signal: &M::Weak<S>,
    head: &Head<M>,
    event: NonNull<()>,
    cx: &mut Round<'_, S::Context>,
) -> Code {
    match current(signal, head) {
        // SAFETY: `current` is a hold; the rest is as the caller says.
        Ok(current) => unsafe { current.entry().call(event, cx) },
        Err(code) => code,
    }
}

/// Like [`pass_on`], after all but the claim was asked.
///
/// # Safety
///
/// That of [`Handle::call`].
#[cold]
pub(crate) unsafe fn hand_over<M: Primitives, S: Owner<M>>(
    signal: &M::Weak<S>,
    head: &Head<M>,
    claim: impl FnOnce() -> Option<Code>,
    event: NonNull<()>,
    cx: &mut Round<'_, S::Context>,
) -> Code {
    // Before the claim, which may be the last and take it out of the roster.
    match current(signal, head) {
        // SAFETY: as above.
        Ok(current) => claim().unwrap_or_else(|| unsafe { current.entry().enter(event, cx) }),
        Err(code) => code,
    }
}

/// What has the place of a handler by now. An error says what a call comes to if nothing has.
fn current<M: Primitives, S: Owner<M>>(
    signal: &M::Weak<S>,
    head: &Head<M>,
) -> Result<Handler<M, S::Context>, Code> {
    let current = M::upgrade(signal).and_then(|signal| signal.current(head.key, head.sequence));
    current.ok_or_else(|| match head.original().has(state::CLOSED) {
        true => Code::Closed,
        false => Code::Skipped,
    })
}

impl<M: Primitives, S: Owner<M>> Handle<M, S::Context> for Replacement<M, S> {
    unsafe fn call(&self, event: NonNull<()>, cx: &mut Round<'_, S::Context>) -> Code {
        if self.head().has(state::REPLACED) {
            // SAFETY: the caller says the same.
            return unsafe { pass_on(&self.link.0, self.head(), event, cx) };
        }
        // SAFETY: the caller has a hold.
        let original = unsafe { &self.captures().keeper.original };
        // SAFETY: the caller says the same, and there is the keeper.
        if let Some(code) = unsafe { original.ask(event, cx) } {
            return code;
        }
        if self.head().has(state::REPLACED) {
            // By the filter, perhaps, and then it is not entered any more.
            let claim = || original.claim();
            // SAFETY: the caller says the same.
            return unsafe { hand_over(&self.link.0, self.head(), claim, event, cx) };
        }
        match original.claim() {
            Some(code) => code,
            // SAFETY: the caller says the same.
            None => unsafe { self.enter(event, cx) },
        }
    }
    fn on_limit_reached(&self) -> bool {
        true
    }
    unsafe fn is_alive(&self) -> bool {
        true
    }
    unsafe fn ask(&self, _: NonNull<()>, _: &mut Round<'_, S::Context>) -> Option<Code> {
        unreachable!("replacements ask their original")
    }
    fn claim(&self) -> Option<Code> {
        unreachable!("replacements ask their original")
    }
    unsafe fn enter(&self, event: NonNull<()>, cx: &mut Round<'_, S::Context>) -> Code {
        // SAFETY: the caller has a hold.
        let closure = unsafe { &self.captures().closure };
        // SAFETY: the caller says the same.
        unsafe {
            let again = is_any::<S::Event>() && cx.topic_info.is_any();
            with_event(event, cx, again, |event, cx| {
                let Round {
                    context,
                    topic_info,
                } = cx;
                closure.call(self.head(), topic_info, *context, event)
            })
        }
    }
    unsafe fn keeper(&self) -> Option<M::Ptr<Keeper<M, S::Context>>> {
        // SAFETY: the caller has a hold.
        Some(unsafe { self.captures() }.keeper.clone())
    }
}
