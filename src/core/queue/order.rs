//! The order of the events in the lanes of a batch, whatever their types.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// The order of the events in a batch, and how far it is delivered.
#[derive(Default)]
pub(crate) struct Position {
    /// Numbers of lanes, each with how many events in a row are from that lane.
    order: RefCell<VecDeque<(usize, usize)>>,
    /// The last of these, stored inline.
    last: Cell<(usize, usize)>,
    pub(super) len: Cell<usize>,
    /// The number of the first event of this batch, counted over the life of the queue.
    pub(super) first: Cell<u64>,
}

impl Position {
    /// Accounts for an event that was added to this lane.
    #[inline]
    pub(super) fn push(&mut self, number: usize) {
        let last = self.last.get_mut();
        if last.0 == number {
            last.1 += 1;
        } else {
            if last.1 > 0 {
                self.order.get_mut().push_back(*last);
            }
            *last = (number, 1);
        }
        *self.len.get_mut() += 1;
    }

    /// The number of the lane with the first event, and how many events in a row are from it.
    pub(super) fn front(&self) -> (usize, usize) {
        let front = self.order.borrow().front().copied();
        front.unwrap_or(self.last.get())
    }

    /// Accounts for events that were removed from the front.
    pub(super) fn advance(&self, taken: usize) {
        self.len.set(self.len.get() - taken);
        self.first.set(self.first.get() + taken as u64);
        let mut order = self.order.borrow_mut();
        match order.front_mut() {
            Some((_, count)) if *count > taken => *count -= taken,
            Some(_) => _ = order.pop_front(),
            None => {
                let (number, count) = self.last.get();
                self.last.set((number, count - taken));
            }
        }
    }

    /// The room that it has.
    pub(super) fn room(&self) -> usize {
        self.order.borrow().capacity()
    }

    /// Removes all events. Their numbers are not given to others.
    pub(super) fn clear(&mut self) {
        self.first.set(self.first.get() + self.len.take() as u64);
        self.order.get_mut().clear();
        self.last.set((0, 0));
    }
}
