pub(crate) mod flavour;
pub(crate) mod parking;
pub(crate) mod sync;
pub(crate) mod thread;
