pub(crate) mod async_handler;
pub(crate) mod next;
pub(crate) mod stream;
pub(crate) mod waiter;
