//! Why the public types are unwind safe, once for all of them.

/// Implements `UnwindSafe` and `RefUnwindSafe` for types whose parameters come first, in brackets.
///
/// A panic leaves none of them in an inconsistent state: user code, such as handlers, executors and
/// `Drop`s of captures and events, runs only where nothing is half changed, and its panics are
/// caught there. That holds whatever the captures and the events are, so it does not depend on the
/// type parameters. A field that a type merely passes on is named by its parameter after `where`.
///
/// ```text
/// unwind_safe! {
///     [M: Flavour, C] Bus<M, C>;
///     [M: Flavour, S, E] EmitAll<M, S, E> where S;
/// }
/// ```
macro_rules! unwind_safe {
    ($([$($parameters:tt)*] $type:ty $(where $field:ident)?;)+) => {$(
        impl<$($parameters)*> ::std::panic::UnwindSafe for $type
        $(where $field: ::std::panic::UnwindSafe)? {}
        impl<$($parameters)*> ::std::panic::RefUnwindSafe for $type
        $(where $field: ::std::panic::RefUnwindSafe)? {}
    )+};
}
pub(crate) use unwind_safe;
