//! One allocation with two counts: *strong references* keep what was captured, *weak references* keep
//! the memory.
//!
//! Like `Arc` and `Weak`, with two differences. A weak reference can read what is stored beside the
//! captures. And a reference is a plain pointer to the value: a call through `Arc<dyn Trait>` computes
//! the value's offset every time.
//!
//! Types control the access. [`Counted`] is the allocation without its captures, as a weak reference sees
//! it. [`Live`] is the same allocation with its captures: safe code gets a `&Live` only from a strong
//! reference, and for as long as that is borrowed. A trait that needs the captures is implemented for
//! `Live`. A trait that is implemented for `Counted` can be called through weak references ([`WeakView`]);
//! where one of its methods needs the captures after all, it requires an [`Alive`].

#![allow(
    unsafe_code,
    reason = "reference counts: what they keep and free is behind raw pointers"
)]

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::core::failure::apart::drop_apart;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;

/// The bit of the strong count for the first strong reference, until [`release`](WeakRef::release) drops
/// it.
const FIRST: usize = 1;
/// What each of the other strong references adds to the strong count.
const STRONG: usize = 2;

/// The start of every allocation, whatever its captures are.
#[repr(C)]
struct Prefix<M: Primitives, H> {
    strong: M::Word,
    /// The number of weak references, plus one for all strong references together.
    weak: M::Word,
    header: H,
}

#[repr(C)]
struct Contents<M: Primitives, H, L, K> {
    prefix: Prefix<M, H>,
    link: L,
    captures: ManuallyDrop<K>,
}

/// An allocation as weak references see it: a header, which can be read through trait objects too, a
/// link, and inaccessible captures.
///
/// Other modules cannot construct, move or mutably borrow it. All of it is inside of an `UnsafeCell`, so
/// that a pointer that was derived from a shared reference may free it.
#[repr(transparent)]
pub struct Counted<M: Primitives, H, L, K>(UnsafeCell<Contents<M, H, L, K>>);

impl<M: Primitives, H, L, K> Counted<M, H, L, K> {
    fn contents(header: H, link: L, captures: K, strong: usize, weak: usize) -> NonNull<Self> {
        let contents = Contents {
            prefix: Prefix {
                strong: M::Word::new(strong),
                weak: M::Word::new(weak),
                header,
            },
            link,
            captures: ManuallyDrop::new(captures),
        };
        NonNull::from(Box::leak(Box::new(Counted(UnsafeCell::new(contents)))))
    }

    #[inline(always)]
    pub(crate) fn head(&self) -> &H {
        // SAFETY: `prefix` is borrowed mutably only when the whole is dropped.
        unsafe { &(*self.0.get()).prefix.header }
    }

    #[inline(always)]
    pub(crate) fn link(&self) -> &L {
        // SAFETY: `link` is borrowed mutably only when the whole is dropped.
        unsafe { &(*self.0.get()).link }
    }

    /// The same allocation with its captures, if `alive` belongs to it.
    #[inline(always)]
    pub(crate) fn live<'s>(&'s self, alive: Alive<'s>) -> Option<&'s Live<Self>> {
        if alive.allocation != NonNull::from(self).cast() {
            return None;
        }
        // SAFETY: no other allocation can have this address now, and `alive` proves that there is a
        // strong reference to it for this long. `Live` is a transparent wrapper.
        Some(unsafe { NonNull::from(self).cast::<Live<Self>>().as_ref() })
    }
}

/// An allocation as strong references see it.
#[repr(transparent)]
pub(crate) struct Live<T>(T);

impl<T> Deref for Live<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<M: Primitives, H: Outlives, L, K> Live<Counted<M, H, L, K>> {
    #[inline(always)]
    pub(crate) fn captures(&self) -> &K {
        // SAFETY: there is a strong reference, because there is a `&Live`. The captures are borrowed
        // mutably only when the last one is dropped.
        unsafe { &(*self.0.0.get()).captures }
    }

    /// Another strong reference to the allocation, to a trait object of it.
    pub(crate) fn strong_ref<U: ?Sized + Allocation<M, Header = H>>(
        &self,
        view: View<Counted<M, H, L, K>, U>,
    ) -> StrongRef<M, U> {
        let allocation = NonNull::from(&self.0);
        count_one_more(&prefix(&allocation).strong, STRONG);
        StrongRef(view_of(allocation, view(&self.0)), PhantomData)
    }

    /// Another weak reference to the allocation, to a trait object of it.
    pub(crate) fn weak_ref<U: ?Sized + Allocation<M, Header = H>>(
        &self,
        view: View<Counted<M, H, L, K>, U>,
    ) -> WeakRef<M, U> {
        let allocation = NonNull::from(&self.0);
        count_one_more(&prefix(&allocation).weak, 1);
        WeakRef(view_of(allocation, view(&self.0)), PhantomData)
    }

    /// Like [`WeakRef::release`]. There is another strong reference, so it drops nothing.
    pub(crate) fn release(&self) {
        release_first(&prefix(&NonNull::from(&self.0)).strong);
    }
}

/// A part of the captures whose drop may panic after that of another part has.
#[derive(Debug)]
pub(crate) struct Part<T>(ManuallyDrop<T>);

impl<T> Part<T> {
    pub(crate) fn new(value: T) -> Self {
        Part(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Part<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Part<T> {
    fn drop(&mut self) {
        if std::mem::needs_drop::<T>() {
            // SAFETY: dropped only here, and not used afterwards.
            drop_apart(&mut || unsafe { ManuallyDrop::drop(&mut self.0) });
        }
    }
}

/// The header of an allocation, which outlives the captures.
pub trait Outlives {
    /// Called once, after the last strong reference was dropped. Calls `drop_captures` once, which runs user
    /// code and may panic.
    fn release(&self, drop_captures: &mut dyn FnMut());
}

/// Only drops the captures.
impl Outlives for () {
    fn release(&self, drop_captures: &mut dyn FnMut()) {
        drop_captures();
    }
}

/// A type that references can point to.
///
/// # Safety
///
/// For [`Counted`] and [`Live`] alone: a reference to an implementor points to the beginning of an
/// allocation with a [`Prefix`] of this header.
pub unsafe trait Allocation<M: Primitives> {
    type Header;
    /// Drops the captures.
    ///
    /// # Safety
    ///
    /// Once, after the last strong reference was dropped.
    unsafe fn drop_captures(&self);
}

// SAFETY: it is the allocation.
unsafe impl<M: Primitives, H: Outlives, L, K> Allocation<M> for Counted<M, H, L, K> {
    type Header = H;
    unsafe fn drop_captures(&self) {
        self.head().release(&mut || {
            // SAFETY: without a strong reference there is no `Live`, so nothing borrows the captures,
            // and the caller guarantees that they are dropped only here.
            unsafe { ManuallyDrop::drop(&mut (*self.0.get()).captures) }
        });
    }
}

// SAFETY: it is a transparent wrapper of the allocation.
unsafe impl<M: Primitives, H: Outlives, L, K> Allocation<M> for Live<Counted<M, H, L, K>> {
    type Header = H;
    unsafe fn drop_captures(&self) {
        // SAFETY: the caller guarantees the same.
        unsafe { self.0.drop_captures() };
    }
}

/// A type that can be accessed through weak references.
///
/// # Safety
///
/// For [`Counted`] alone, which gives no access to its captures.
pub unsafe trait WeakView<M: Primitives>: Allocation<M> {}

// SAFETY: it is `Counted`.
unsafe impl<M: Primitives, H: Outlives, L, K> WeakView<M> for Counted<M, H, L, K> {}

/// Proof that the captures of an allocation exist for `'s`: a strong reference is borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Alive<'s> {
    allocation: NonNull<()>,
    strong: PhantomData<&'s ()>,
}

#[inline(always)]
fn prefix<M: Primitives, T: ?Sized + Allocation<M>>(at: &NonNull<T>) -> &Prefix<M, T::Header> {
    // SAFETY: called for the pointers in references, which keep the memory. `Allocation` guarantees that it
    // begins with a prefix, which is borrowed mutably only when the whole is dropped.
    unsafe { at.cast::<Prefix<M, T::Header>>().as_ref() }
}

/// A conversion of a reference to a trait object.
type View<T, U> = for<'v> fn(&'v T) -> &'v U;

/// The pointer to a view of this allocation. Compares addresses: two allocations that exist at the same
/// time have different ones.
#[inline(always)]
fn view_of<T, U: ?Sized>(allocation: NonNull<T>, view: &U) -> NonNull<U> {
    assert!(
        std::ptr::addr_eq(view, allocation.as_ptr()),
        "a view of another allocation"
    );
    NonNull::from(view)
}

/// A weak reference: keeps the memory, and gives access to everything but the captures.
pub struct WeakRef<M: Primitives, T: ?Sized + Allocation<M>>(NonNull<T>, PhantomData<M>);

// SAFETY: the functions that make allocations of the shared flavour for users require that closures and
// events are `Send`, and `Sync` where they are called by reference (`SyncBound`, `SendBound`). All other
// contents are atomics and `Arc`s. `Shared` is the one flavour that is `Send` and `Sync`. These are stated of
// any flavour that is, because rustdoc finds no implementation for a type parameter otherwise.
unsafe impl<M: Primitives + Send, T: ?Sized + Allocation<M>> Send for WeakRef<M, T> {}
// SAFETY: as above.
unsafe impl<M: Primitives + Sync, T: ?Sized + Allocation<M>> Sync for WeakRef<M, T> {}

impl<M: Primitives, H: Outlives, L, K> WeakRef<M, Counted<M, H, L, K>> {
    /// A weak reference to a new allocation, whose first strong reference is dropped by
    /// [`release`](Self::release).
    pub(crate) fn new(header: H, link: L, captures: K) -> Self {
        let allocation = Counted::contents(header, link, captures, FIRST, 2);
        WeakRef(allocation, PhantomData)
    }

    /// Like [`new`](Self::new), to a trait object of the allocation with its captures.
    pub(crate) fn new_live<U: ?Sized + Allocation<M, Header = H>>(
        header: H,
        link: L,
        captures: K,
        view: View<Live<Counted<M, H, L, K>>, U>,
    ) -> WeakRef<M, U> {
        Unshared::new(header, link, captures, view, |it| it)
            .share()
            .0
    }

    /// The same reference to a trait object.
    pub(crate) fn erase<U: ?Sized + Allocation<M, Header = H>>(
        self,
        view: View<Counted<M, H, L, K>, U>,
    ) -> WeakRef<M, U> {
        // SAFETY: the reference keeps the memory.
        let viewed = WeakRef(
            view_of(self.0, view(unsafe { self.0.as_ref() })),
            PhantomData,
        );
        let _counted = ManuallyDrop::new(self);
        viewed
    }
}

impl<M: Primitives, T: ?Sized + Allocation<M>> WeakRef<M, T> {
    #[inline(always)]
    pub(crate) fn head(&self) -> &T::Header {
        &prefix(&self.0).header
    }

    /// The address of the header, which identifies the allocation.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self.head()).addr()
    }

    /// Returns a strong reference, unless the captures are dropped.
    pub(crate) fn upgrade(&self) -> Option<StrongRef<M, T>> {
        // AcqRel; pairs with the other changes of the strong count.
        let more = |n| if n == 0 { None } else { Some(n + STRONG) };
        prefix(&self.0).strong.update(more)?;
        Some(StrongRef(self.0, PhantomData))
    }

    /// Drops the strong reference that the allocation was created with. Only the first call has an effect.
    /// Drops the captures if there is no other strong reference, so no lock may be held.
    pub(crate) fn release(&self) {
        if release_first(&prefix(&self.0).strong) {
            finish(WeakRef(self.0, PhantomData));
        }
    }
}

impl<M: Primitives, T: ?Sized + WeakView<M>> Deref for WeakRef<M, T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the reference keeps the memory, and a weak view gives no access to the captures.
        unsafe { self.0.as_ref() }
    }
}

impl<M: Primitives, T: ?Sized + Allocation<M>> Clone for WeakRef<M, T> {
    fn clone(&self) -> Self {
        count_one_more(&prefix(&self.0).weak, 1);
        WeakRef(self.0, PhantomData)
    }
}

impl<M: Primitives, T: ?Sized + Allocation<M>> Drop for WeakRef<M, T> {
    fn drop(&mut self) {
        // AcqRel; pairs with the decrements of the other weak references: everything that was done through
        // them happens before the memory is freed. The last one need not be subtracted: nobody is left to see it.
        let weak = &prefix(&self.0).weak;
        if weak.get() == 1 || weak.sub(1) == 1 {
            // SAFETY: this is the last weak reference, and the strong references share one. The memory came
            // from a box of this type.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

/// A new allocation, which nothing else refers to, so that its header can still be changed.
pub(crate) struct Unshared<M: Primitives, U: ?Sized + Allocation<M>, V: ?Sized + Allocation<M>>(
    WeakRef<M, U>,
    WeakRef<M, V>,
);

impl<M: Primitives, U: ?Sized + Allocation<M>, V: ?Sized + Allocation<M>> Unshared<M, U, V> {
    /// Like [`WeakRef::new`], seen with its captures and without them.
    pub(crate) fn new<H: Outlives, L, K>(
        header: H,
        link: L,
        captures: K,
        live_view: View<Live<Counted<M, H, L, K>>, U>,
        view: View<Counted<M, H, L, K>, V>,
    ) -> Self
    where
        U: Allocation<M, Header = H>,
        V: Allocation<M, Header = H>,
    {
        let allocation = Counted::<M, H, L, K>::contents(header, link, captures, FIRST, 3);
        // SAFETY: nothing else has access to it, so the first strong reference exists. `Live` is a
        // transparent wrapper.
        let live = unsafe { allocation.cast::<Live<Counted<M, H, L, K>>>().as_ref() };
        let live_view = WeakRef(view_of(allocation, live_view(live)), PhantomData);
        let view = WeakRef(view_of(allocation, view(live)), PhantomData);
        Unshared(live_view, view)
    }

    /// # Panics
    ///
    /// If a view has made another reference.
    pub(crate) fn head_mut(&mut self) -> &mut U::Header {
        let mut prefix = self.0.0.cast::<Prefix<M, U::Header>>();
        // SAFETY: the references keep the memory, which begins with a prefix.
        let counts = unsafe { (prefix.as_ref().strong.get(), prefix.as_ref().weak.get()) };
        assert!(counts == (FIRST, 3), "it is shared already");
        // SAFETY: by the counts these two references are the only ones. They are borrowed, and everything is inside of
        // an `UnsafeCell`.
        unsafe { &mut prefix.as_mut().header }
    }

    pub(crate) fn share(self) -> (WeakRef<M, U>, WeakRef<M, V>) {
        (self.0, self.1)
    }
}

/// A strong reference: keeps the captures.
pub struct StrongRef<M: Primitives, T: ?Sized + Allocation<M>>(NonNull<T>, PhantomData<M>);

// SAFETY: as for `WeakRef`.
unsafe impl<M: Primitives + Send, T: ?Sized + Allocation<M>> Send for StrongRef<M, T> {}
// SAFETY: as for `WeakRef`.
unsafe impl<M: Primitives + Sync, T: ?Sized + Allocation<M>> Sync for StrongRef<M, T> {}

impl<M: Primitives, H: Outlives, L, K> StrongRef<M, Counted<M, H, L, K>> {
    /// A strong reference to a new allocation, which has no first strong reference to release.
    pub(crate) fn new(header: H, link: L, captures: K) -> Self {
        let allocation = Counted::contents(header, link, captures, STRONG, 1);
        StrongRef(allocation, PhantomData)
    }

    #[inline(always)]
    pub(crate) fn live(&self) -> &Live<Counted<M, H, L, K>> {
        // SAFETY: this is a strong reference. `Live` is a transparent wrapper.
        unsafe { self.0.cast::<Live<Counted<M, H, L, K>>>().as_ref() }
    }
}

impl<M: Primitives, T: ?Sized + Allocation<M>> StrongRef<M, T> {
    #[inline(always)]
    pub(crate) fn head(&self) -> &T::Header {
        &prefix(&self.0).header
    }

    /// Like [`WeakRef::address`].
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self.head()).addr()
    }

    /// Drops this reference, and the one that the allocation was created with, as [`WeakRef::release`] does.
    pub(crate) fn release(self) {
        let this = ManuallyDrop::new(self);
        let both = |n| STRONG + (n & FIRST);
        // AcqRel; pairs with the decrements of the other strong references, like `StrongRef::drop`.
        let before = prefix(&this.0).strong.update(|n| Some(n - both(n)));
        if before.is_some_and(|n| n == both(n)) {
            finish(WeakRef(this.0, PhantomData));
        }
    }

    /// A weak reference to the same.
    pub(crate) fn downgrade(&self) -> WeakRef<M, T> {
        count_one_more(&prefix(&self.0).weak, 1);
        WeakRef(self.0, PhantomData)
    }

    #[inline(always)]
    pub(crate) fn alive(&self) -> Alive<'_> {
        Alive {
            allocation: self.0.cast(),
            strong: PhantomData,
        }
    }
}

impl<M: Primitives, T: ?Sized + Allocation<M>> Deref for StrongRef<M, T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the strong references share a weak one, which keeps the memory. They keep the captures,
        // too, so `T` may be a `Live`.
        unsafe { self.0.as_ref() }
    }
}

impl<M: Primitives, T: ?Sized + Allocation<M>> Clone for StrongRef<M, T> {
    fn clone(&self) -> Self {
        count_one_more(&prefix(&self.0).strong, STRONG);
        StrongRef(self.0, PhantomData)
    }
}

impl<M: Primitives, T: ?Sized + Allocation<M>> Drop for StrongRef<M, T> {
    fn drop(&mut self) {
        // AcqRel; pairs with the decrements of the other strong references: everything that was done
        // through them happens before the captures are dropped.
        if prefix(&self.0).strong.sub(STRONG) == STRONG {
            finish(WeakRef(self.0, PhantomData));
        }
    }
}

/// Drops the captures after the last strong reference, and then the weak reference that the strong
/// references shared.
#[cold]
fn finish<M: Primitives, T: ?Sized + Allocation<M>>(last: WeakRef<M, T>) {
    // SAFETY: the strong count is zero, and never changes again. `last` keeps the memory.
    unsafe { last.0.as_ref().drop_captures() };
}

/// Drops the first strong reference. Returns whether it was the last.
fn release_first(strong: &impl Word) -> bool {
    let first = |n| (n & FIRST != 0).then_some(n & !FIRST);
    // AcqRel; pairs with the decrements of the other strong references, like `StrongRef::drop`.
    strong.update(first) == Some(FIRST)
}

/// Increments a count. Aborts the process, as `Arc` does, before leaked references overflow it.
fn count_one_more(count: &impl Word, one: usize) {
    if count.add(one) > usize::MAX / 2 {
        std::process::abort();
    }
}
