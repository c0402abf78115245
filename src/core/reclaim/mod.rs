pub(crate) mod counted;
pub(crate) mod hazard;
pub(crate) mod publication;
