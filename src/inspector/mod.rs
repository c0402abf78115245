//! A page about a followed bus, for a browser.
//!
//! *Owns*: `answer`, what is answered to a request, which is a pure function; `serve`, the address, the thread and
//! the connections; and the page itself, which is in the program as text (`page.html`, `page.css`, `page.js`).
//!
//! *Guarantees*: nothing is changed by a request, and nothing that was followed is told without the token. The page
//! asks for nothing from elsewhere, and all text in it is set as text. However a client behaves, it takes one of
//! sixteen places for at most [`HEAD`](serve::HEAD) and [`REST`](serve::REST), no memory but for one request and its
//! answer, and no time of the program's own threads. Nothing runs as long as nobody asks.
//!
//! *Does not know*: the core. What is followed is behind the trait `Source`.
//!
//! *Decisions*
//!
//! **One request for each connection.** A browser keeps its connections: sixteen of them would keep out everybody
//! else, and what a silent client may do would have to be decided once more for each of its requests. A new
//! connection to the same machine costs some ten microseconds, four times in a second.
//!
//! **Who is too many waits before being accepted**, in the backlog of the system, so that a place which becomes free
//! goes to whoever waits longest, and those that wait cost nothing.
//!
//! **The page asks, and is not told.** There is no buffer for each client, so no client can be slow; the same request
//! works with `curl`; and a header carries the token, which is not possible with an `EventSource`.
//!
//! **A host may be named by its address.** Where remote machines are allowed, so is each address written as a number:
//! what the check of the host is for, names that were made to lead here, have to be names.

mod answer;
#[cfg(test)]
mod sample;
pub(crate) mod serve;

use crate::cause::Cause;
use crate::follow::report::Report;
use crate::follow::trail::Trail;

/// What is followed, as the page asks for it.
pub(crate) trait Source: Send + Sync + 'static {
    /// Whether there is nothing to be told any more. What was asked for before this says no is complete.
    fn has_ended(&self) -> bool;
    /// All that there is at this moment.
    fn report(&self) -> Report;
    /// The causes of this one back to its root. `None` if it is not kept.
    fn trail(&self, cause: Cause) -> Option<Trail>;
    /// All that the root of this one led to. `None` if it is not kept.
    fn cascade(&self, cause: Cause) -> Option<Trail>;
}
