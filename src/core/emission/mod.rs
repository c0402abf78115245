pub(crate) mod gathered;
pub(crate) mod retained;
pub(crate) mod run;
