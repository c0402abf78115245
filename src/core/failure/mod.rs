pub(crate) mod pending;
pub(crate) mod report;
pub(crate) mod trace;
