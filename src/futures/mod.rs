pub(crate) mod emit_all;
pub(crate) mod emit_async;
pub(crate) mod next;
pub(crate) mod stream;
