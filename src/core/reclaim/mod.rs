pub(crate) mod hazard;
pub(crate) mod publication;
