//! One handler: its state, its captures, and what is checked before it is called.
//!
//! # What it owns
//!
//! - `entry`: the header of a handler (state, limit, order), and the traits by which queues and
//!   subscriptions see it.
//! - `erased`: the event of an emission without its type, and the trait by which emissions see a handler.
//! - `handler_fn`: the checks before a call, for every kind of handler.
//! - `plain`, `exclusive`, `weak`, `unhandled`: the kinds of handlers that are here. Others are in the layers
//!   above.
//! - `replace`: handlers that replace another one. `failures`: how a handler's failures are raised.
//! - `owner`: the signal of a handler, as the handler sees it. `describe`: what it says of itself.
//!
//! # What it guarantees
//!
//! - The order of the checks: connected, not paused, filter, still connected, limit, call. A filter is called
//!   once for each event; a call of the limit is claimed only if the handler is then called.
//! - A handler that was removed or replaced is not entered by a call that begins afterwards.
//! - The header can be read as long as there is a weak reference. It records when the captures are dropped.
//! - Whether a weak target is alive is determined without dropping anything, so also under a lock.
//! - A handler is called without a lock, except an exclusive one, which is called under its own.
//!
//! # What it does not know
//!
//! How a signal keeps its handlers (it sees the signal as an [`Owner`](owner::Owner)), how an emission calls
//! them, queues, futures, and the registry.
//!
//! # Decisions
//!
//! **Handlers take their event without its type** ([`ErasedEvent`](erased::ErasedEvent); the topic of the
//! emission states the type), because the handlers of patterns and those of a topic are in one list. The
//! alternative, an adapter for each type that makes a pattern's handler one of the topic, costs a second jump,
//! and the target is that a handler of a pattern costs what any other does. It costs 4 % more for a pair of
//! them, including a check of the payload's type. One emission executes 23, 104, 164 and 1153 instructions with
//! 0, 1, 4 and 64 handlers; it was 23, 103, 171 and 1259 before there were patterns. (Figures of that time;
//! they compare the two.)
//!
//! **The hook for unhandled events is a handler**, which is put into the list of a topic if there is no other,
//! and returns that it was skipped. Signals without handlers check again after the hook was set.
//!
//! **`replace` takes only the closure**, and compares the types of the event and the context when it is called.
//! The alternative is `signal.replace(&subscription, f)`, with the event's type known to the compiler. But it,
//! too, has to check at run time whether the subscription belongs to the signal, callers that subscribed by a
//! bus have no signal, and patterns have none at all. The closure names its event, `|o: &Order|`, and is
//! returned if that is the wrong one.
//!
//! **A replacement is an entry of its own** with the key, sequence number and rank of the original. It checks
//! the state of the original, whose own calls end as those of any removed handler do: with the last list that
//! contains them. So the plain call, the entry and the loop need no code for it. A flag distinguishes a removed
//! entry from a replaced one, behind the check that each call makes anyway. An emission that finds the old entry
//! in its list looks the new one up in the roster, so that the old closure is not entered once `replace` has
//! returned. The alternative was a pointer to the closure that is swapped in place: it costs each call of each
//! handler a load, and does not tell when the old closure may be dropped. The closure is boxed and takes the
//! context as `dyn Any`, because a subscription does not know the context's type; that is one comparison for each
//! call that takes a context. The filter is shared by pointer between the original and its replacements, so
//! entries are never dropped in parts.
//!
//! **Handlers of `on_queue` cannot be replaced**: calls of them may be waiting, and belong to the closure that
//! claimed them. Cancelling and subscribing anew has the same effect, and defines what happens to those calls.
//!
//! **An exclusive handler records its thread** in a word beside the mutex, because locking a mutex of `std`
//! again on the same thread may never return. The word is compared before the lock is taken, so waiting for
//! another thread and entering one's own call again cannot be confused. A thread that has waited checks again
//! whether the handler was cancelled.
//!
//! **A handler is cancelled by whoever calls its closure**, the entry, the queue or the future, which have the
//! way to its signal. The loop sees that it ran. So the result needs no test in the loop, and for a closure
//! that returns `()` none at all. It cancels its own entry and no other: a replacement that was put there
//! meanwhile has not asked for it.
//!
//! **An owner is a part of the type of the filter** ([`Owned`](handler_fn::Owned)), because every kind of handler
//! can have a filter, and a handler without one pays nothing. A replacement shares the filter, so it has the same
//! owner. Only whether the owner exists is asked: to keep it for the call, as a weak target is, would drop it on
//! the emitting thread.
//!
//! **Handlers with a weak target or an owner always take the path of those with a filter**: it is checked, and
//! the handler is removed if it is dead. `is_active` and `len` check it too, so that a dead target is not counted,
//! although its handler still exists. That is removed by the emission that finds it, by the next weak
//! subscription that exceeds the capacity of the roster, and by the next topic that exceeds that of the
//! registry: the number of handlers checked is then at most the number added since the last time.
//!
//! **What a handler is, is in its table and not in its entry** ([`HandlerFn::kind`](handler_fn::HandlerFn::kind)):
//! two more functions for each type of handler, and no byte and no instruction more for each handler.
//!
//! **An event whose handlers all turn out to have a dead target is unhandled.** Each of them returns that it is
//! orphaned, and leaves a note among the pending failures. The loop compares their number with that of the
//! handlers there, behind a branch that only such handlers take, and the emission, which looks for failures
//! anyway, passes the event to the hook. So emissions pay nothing for it.

pub(crate) mod describe;
pub(crate) mod entry;
pub(crate) mod erased;
pub(crate) mod exclusive;
pub(crate) mod failures;
pub(crate) mod handler_fn;
pub(crate) mod owner;
pub(crate) mod plain;
pub(crate) mod registered;
pub(crate) mod replace;
pub(crate) mod unhandled;
pub(crate) mod weak;
