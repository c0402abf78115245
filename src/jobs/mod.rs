//! Background work that completes once, and calls back when it does.
//!
//! [`Jobs`] runs work on threads of its own, or on a pool or runtime that the program has; a [`Job`]
//! is the handle to the outcome. [`promise`](promise()) creates a job that is completed by hand. The
//! [cookbook](crate::cookbook::callbacks) says which form of completion suits which task.
//!
//! ```
//! use slotcast::{Jobs, Queue};
//!
//! struct App { words: Option<usize> }
//! let ui = Queue::<App>::with_context();
//! let jobs = Jobs::new(2);
//!
//! let job = jobs.submit(|cx| {
//!     let text = ["in the beginning", "was the word"];
//!     let mut words = 0;
//!     for (done, line) in (1..).zip(text) {
//!         words += line.split(' ').count();
//!         cx.progress(done, 2);
//!     }
//!     words
//! });
//! job.on_progress_in(&ui, |_, progress| println!("{} of {}", progress.done, progress.total));
//! job.on_done_in(&ui, |app, outcome| app.words = outcome.ok());
//!
//! let mut app = App { words: None };
//! while app.words.is_none() && ui.wait_timeout(std::time::Duration::from_secs(60)) {
//!     ui.drain_with(&mut app);
//! }
//! assert_eq!(app.words, Some(6));
//! ```

// Owns: jobs, their callbacks and outcomes (`core`, `task`, `promise`); the pool with its backlog and
// threads (`pool`, `backlog`); progress and requests to stop (`context`); callbacks as subscriptions
// (`subscribe`) and their delivery into queues (`deliver`); chains of callbacks (`chain`); questions
// (`ask`). `job`, `submit` and `error` are the public types.
//
// Guarantees: promise 22. A job completes exactly once; its callbacks run once each, in order; user
// code runs, and is dropped, outside of locks, and its panics end here, where they are reported.
//
// Does not know: signals, handlers and buses, except `ask`, which emits. `host` alone imports from
// `crate::core`, apart from its primitives, for subscriptions, for queues and for reporting failures.
//
// Decisions: in the headers of `core` (where the outcome stays, who comes too late), `chain` (nesting
// and its limits), `pool` (why there is one, waiting inside, going beyond the bound, costs), `task`
// (what a cancelled job returns) and `deliver` (what the bound of a queue does not count).

mod ask;
mod backlog;
mod chain;
mod context;
mod core;
mod deliver;
mod error;
mod host;
mod job;
mod pool;
mod promise;
mod submit;
mod subscribe;
mod task;

pub use ask::Question;
pub use context::{JobContext, Progress};
pub use error::{Cancelled, JobError, Outcome, SubmitError, SubmitErrorKind};
pub use job::{Job, JobHandle};
pub use promise::{Promise, promise};
pub use submit::{Jobs, JobsBuilder};
pub use subscribe::JobSubscribe;
