//! The newest pieces of work of one thread.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::cause::Cause;
use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::Received;
use crate::follow::step::StepKind;

/// How many calls of one piece of work are kept.
const CALLS: usize = 8;

/// The newest pieces of work, by number. A ring: what is new is written where the oldest was, so that nothing is moved,
/// and what that has allocated for its calls is used again.
pub(super) struct Tail {
    entries: Vec<Entry>,
    /// How many are kept at most.
    most: usize,
    /// The number of the oldest one, and where it is.
    first: u64,
    at: usize,
    len: usize,
}

/// One piece of work.
pub(super) struct Entry {
    pub(super) parent: Option<Cause>,
    pub(super) kind: StepKind,
    pub(super) topic: Option<u32>,
    pub(super) handler: Option<u32>,
    pub(super) place: CallSite,
    pub(super) at: u64,
    pub(super) waited: Option<u64>,
    pub(super) took: Option<u64>,
    pub(super) ran: u32,
    pub(super) failed: u32,
    pub(super) stopped: bool,
    rare: Option<Box<Rare>>,
    pub(super) calls: SmallVec<[CallEntry; 1]>,
}

/// What few pieces of work have.
#[derive(Default)]
struct Rare {
    /// `None`: the one that has begun it.
    thread: Option<Arc<str>>,
    text: Option<Box<str>>,
    failure: Option<Box<str>>,
    #[cfg(feature = "nats")]
    received: Option<Arc<Received>>,
}

pub(super) struct CallEntry {
    pub(super) handler: u32,
    pub(super) own: u64,
    pub(super) failed: bool,
}

/// The result of one call.
#[derive(Clone, Copy)]
pub(crate) struct Called {
    pub(super) ran: bool,
    pub(super) failed: u32,
    pub(super) own: u64,
    pub(super) total: u64,
}

impl Tail {
    /// Of so many at most. Numbers begin with 1.
    pub(super) fn new(most: usize) -> Self {
        Tail {
            entries: Vec::new(),
            most: most.max(1),
            first: 1,
            at: 0,
            len: 0,
        }
    }

    /// The number of the oldest one.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the next one.
    pub(super) fn next(&self) -> u64 {
        self.first + self.len as u64
    }

    /// Where the one is that comes so many after the oldest.
    fn place(&self, after: usize) -> usize {
        let place = self.at + after;
        if place < self.most {
            place
        } else {
            place - self.most
        }
    }

    /// Begins one, in the place of the oldest if there are as many as may be.
    pub(super) fn begin(
        &mut self,
        kind: StepKind,
        place: CallSite,
        parent: Option<Cause>,
        at: u64,
    ) -> &mut Entry {
        if self.len == self.most {
            self.at = self.place(1);
            self.first += 1;
            self.len -= 1;
        }
        let index = self.place(self.len);
        self.len += 1;
        if index == self.entries.len() {
            self.entries.push(Entry::new(kind, place));
        }
        let entry = &mut self.entries[index];
        (entry.kind, entry.place, entry.parent, entry.at) = (kind, place, parent, at);
        (entry.topic, entry.handler, entry.waited, entry.took) = (None, None, None, None);
        (entry.ran, entry.failed, entry.stopped) = (0, 0, false);
        if entry.rare.is_some() {
            entry.rare = None;
        }
        entry.calls.clear();
        entry
    }

    /// Takes the newest one out again, if it has this number.
    pub(super) fn forget(&mut self, number: u64) {
        if number + 1 == self.next() && self.len > 0 {
            self.len -= 1;
        }
    }

    /// The one with this number, if it is kept.
    pub(super) fn get(&mut self, number: u64) -> Option<&mut Entry> {
        let after = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let place = (after < self.len).then(|| self.place(after))?;
        self.entries.get_mut(place)
    }

    /// Those that are kept, each with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let entries = (0..self.len).map(|after| &self.entries[self.place(after)]);
        (self.first..).zip(entries)
    }
}

impl Entry {
    fn new(kind: StepKind, place: CallSite) -> Self {
        Entry {
            parent: None,
            kind,
            topic: None,
            handler: None,
            place,
            at: 0,
            waited: None,
            took: None,
            ran: 0,
            failed: 0,
            stopped: false,
            rare: None,
            calls: SmallVec::new(),
        }
    }

    /// Keeps a call, if there are not too many.
    pub(super) fn add_call(&mut self, handler: u32, called: &Called) {
        if called.ran && self.calls.len() < CALLS {
            self.calls.push(CallEntry {
                handler,
                own: called.own,
                failed: called.failed > 0,
            });
        }
    }

    pub(super) fn add_failures(&mut self, failed: u32, failure: Option<Box<str>>) {
        self.failed += failed;
        if failure.is_some() && self.failure().is_none() {
            self.rare().failure = failure;
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn set_text(&mut self, text: Option<Box<str>>) {
        if text.is_some() {
            self.rare().text = text;
        }
    }

    /// How it has come from another machine.
    #[cfg(feature = "nats")]
    pub(super) fn set_received(&mut self, received: Arc<Received>) {
        self.rare().received = Some(received);
    }

    #[cfg(feature = "nats")]
    pub(super) fn received(&self) -> Option<&Arc<Received>> {
        self.rare.as_ref()?.received.as_ref()
    }

    /// The thread that it runs on is not the one that has begun it.
    pub(super) fn set_thread(&mut self, thread: Option<Arc<str>>) {
        if thread.is_some() {
            self.rare().thread = thread;
        }
    }

    pub(super) fn thread(&self) -> Option<&str> {
        self.rare.as_ref()?.thread.as_deref()
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.rare.as_ref()?.text.as_deref()
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.rare.as_ref()?.failure.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    #[test]
    fn one_is_of_two_lines_of_the_cache() {
        assert!(size_of::<Entry>() <= 128, "{}", size_of::<Entry>());
    }

    #[test]
    fn the_newest_are_kept_under_their_numbers() {
        let here = Location::caller();
        for most in [1, 2, 3, 8] {
            let mut tail = Tail::new(most);
            for number in 1..30 {
                assert_eq!(tail.next(), number);
                tail.begin(StepKind::Job, here, None, number)
                    .set_text(Some("text".into()));
                if number % 7 == 0 {
                    // Its number is given again, and the oldest one is gone nevertheless.
                    tail.forget(number - 1);
                    tail.forget(number);
                    assert!(tail.get(number).is_none());
                    assert!(
                        tail.begin(StepKind::Job, here, None, number)
                            .text()
                            .is_none()
                    );
                }
                let kept: Vec<_> = tail.iter().map(|(number, it)| (number, it.at)).collect();
                let first = tail.first();
                assert_eq!(
                    kept,
                    (first..=number).map(|it| (it, it)).collect::<Vec<_>>()
                );
                assert_eq!(kept.len(), most.min(number as usize));
                assert!(
                    kept.iter()
                        .all(|it| tail.get(it.0).is_some_and(|entry| entry.at == it.0))
                );
                assert!(tail.get(first - 1).is_none() && tail.get(number + 1).is_none());
            }
        }
    }
}
