//! The bridge against real servers. Each test has a server of its own; without the program a run says
//! `skipped: no nats-server` and ends.

mod awaited;
mod bad_headers;
mod bad_input;
mod causes;
mod closed;
mod common;
mod core;
mod cut;
mod gateways;
mod groups;
mod hostile;
mod kills;
mod limits;
mod outbox;
mod pauses;
mod permissions;
mod readers;
mod received;
mod removed;
mod restarts;
mod retries;
mod rig;
mod runtime;
mod start;
mod stop;
mod stored;
mod third_party;
mod tls;
mod unhandled;
mod user_code;
