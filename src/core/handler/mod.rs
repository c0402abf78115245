pub(crate) mod entry;
pub(crate) mod exclusive;
pub(crate) mod handler_fn;
pub(crate) mod plain;
pub(crate) mod replace;
pub(crate) mod weak;
