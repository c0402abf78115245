pub(crate) mod observer;
pub(crate) mod signal_info;
