//! What a handler says of itself, for those who look at the wiring.

use crate::failure::CallSite;
use crate::wiring::QueueInfo;
use crate::wiring::handler::HandlerKind;

/// What a handler is. Made under the lock of its signal.
pub struct Description {
    pub(crate) kind: HandlerKind,
    /// The address of the queue or the signal that its events go to; 0 if there is none.
    pub(crate) target: usize,
    pub(crate) has_filter: bool,
}

/// How many events wait in the queue or the stream of a handler. Made without a lock, because those have their
/// own.
#[derive(Clone, Copy)]
pub struct Waiting {
    pub(crate) len: usize,
    pub(crate) capacity: Option<usize>,
}

impl Waiting {
    /// The queue with this address, which was made by this line.
    pub(crate) fn of(self, queue: usize, place: CallSite) -> QueueInfo {
        QueueInfo {
            place,
            len: self.len,
            capacity: self.capacity,
            queue,
        }
    }
}
