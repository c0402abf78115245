pub(crate) mod demand;
pub(crate) mod patterns;
pub(crate) mod roster;
pub(crate) mod signal;
