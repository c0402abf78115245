pub(crate) mod log;
pub(crate) mod panics;
pub(crate) mod pending;
pub(crate) mod report;
pub(crate) mod trace;
