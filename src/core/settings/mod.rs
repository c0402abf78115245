pub(crate) mod bus;
pub(crate) mod failure_source;
pub(crate) mod observer;
pub(crate) mod signal_info;
