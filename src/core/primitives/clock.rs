//! The clock: the one of the standard library, or in a browser, where that one panics, the one of the page.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) use std::time::Instant;
#[cfg(all(target_family = "wasm", target_os = "unknown", feature = "web"))]
pub(crate) use web_time::Instant;

// Without the feature the front page refuses to compile. That is to be the only error.
#[cfg(all(target_family = "wasm", target_os = "unknown", not(feature = "web")))]
pub(crate) use std::time::Instant;
