pub(crate) mod call;
pub(crate) mod forward;
pub(crate) mod gathered;
pub(crate) mod retained;
pub(crate) mod run;
pub(crate) mod summary;
