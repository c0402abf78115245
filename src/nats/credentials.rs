//! Who we are, and by whom a server is to be signed.

use std::path::PathBuf;

/// Who we are. Without `Debug`.
#[derive(Clone, Default)]
pub(super) enum Credentials {
    #[default]
    None,
    Token(String),
    UserAndPassword(String, String),
    Nkey(String),
    File(PathBuf),
    Text(String),
}

/// Certificates.
#[cfg(feature = "nats-tls")]
#[derive(Clone, Default)]
pub(super) struct Tls {
    pub(super) roots: Vec<PathBuf>,
    pub(super) own: Option<(PathBuf, PathBuf)>,
    pub(super) required: bool,
}
