//! Dropping what waits in a queue, all of it or the events of one topic.
//!
//! # Decisions
//!
//! **`clear` beside a drain on another thread** leaves that drain the batch that it has taken. To
//! count and drop it exactly would cost every event an atomic read-modify-write instruction.
//!
//! **`clear_topic` makes single events of all that stay**, as a drain does that is cut short: to take events
//! out of the middle of a lane would have to change the numbers of those behind them.

use crate::core::primitives::sync::Word;
use crate::core::queue::envelope::Envelope;
use crate::core::queue::inbox::Inbox;
use crate::core::queue::lanes::{Batch, QueueFlavour};
use crate::core::queue::latest::Place;
use crate::core::queue::queue::Queue;
use crate::core::settings::signal_info::SignalInfo;

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Drops the events that wait, delayed ones included, and returns their number. Events that a
    /// drain on another thread has taken do not wait any more; those that a drain on this thread
    /// has not delivered yet do.
    pub(crate) fn clear(&self) -> usize {
        // All of it under one lock, or a wake-up could be lost: an event that is added in between
        // would not be the first, because of events that are about to be removed.
        let (rest, left, batch, latest, delayed, free_list) =
            self.boxes.with_both(|inbox, outbox| {
                let (mut rest, mut left) = (None, Vec::new());
                match outbox {
                    // A drain further up this thread's stack: as if one inside of it took them.
                    Some(outbox) if !inbox.running.is_empty() => {
                        let outbox = outbox.borrow();
                        for count in (1..=self.boxes.left.swap(0)).rev() {
                            left.extend(outbox.pop(count, &mut inbox.free_list));
                        }
                    }
                    Some(outbox) => {
                        rest = Some(outbox.take());
                        self.boxes.left.set(0);
                    }
                    // A drain on another thread keeps what it has taken.
                    None => {}
                }
                let end = inbox.batch.end();
                let batch = std::mem::take(&mut inbox.batch);
                inbox.batch.begin_at(end);
                let (latest, delayed) = (inbox.latest.take(), inbox.delayed.take());
                inbox.set_limit();
                let free_list = std::mem::take(&mut inbox.free_list);
                (rest, left, batch, latest, delayed, free_list)
            });
        self.room.notify();
        let (mut count, mut holes) = (0, 0);
        for mut batch in rest.into_iter().chain([batch]) {
            count += batch.len();
            holes += batch.discard(&self.info, self.location);
        }
        let latest = latest.into_iter().flat_map(|it| it.into_envelopes());
        let delayed = delayed.into_iter().flat_map(|it| it.into_envelopes());
        for mut envelope in left.into_iter().chain(latest).chain(delayed) {
            count += 1;
            holes += usize::from(envelope.discard(&self.info, self.location));
        }
        drop(free_list);
        self.drop_holes(holes);
        count - holes
    }

    /// Drops the events of one topic that wait, delayed ones and queued calls included, and returns their
    /// number. Leaves what a drain on another thread has taken.
    pub(crate) fn clear_topic(&self, info: &SignalInfo<M>) -> usize {
        let taken = self.boxes.with_both(|inbox, outbox| {
            let mut taken = Vec::new();
            let mut last = Place::default();
            if let Some(outbox) = outbox.map(|it| it.borrow()).filter(|it| it.is_of(info)) {
                let left = self.boxes.left.swap(0);
                last = inbox.separate(Some(&outbox), left, info, last, &mut taken);
            }
            if inbox.batch.is_of(info) {
                inbox.separate(None, inbox.batch.len(), info, last, &mut taken);
            }
            let is_of = |envelope: &M::Envelope<C>| is_of(envelope, info);
            if let Some(latest) = &mut inbox.latest {
                latest.take_if(is_of, &mut taken);
            }
            if let Some(delayed) = &mut inbox.delayed {
                delayed.take_if(is_of, &mut taken);
            }
            inbox.set_limit();
            taken
        });
        let mut count = 0;
        let mut holes = 0;
        for mut envelope in taken {
            count += 1;
            holes += usize::from(envelope.discard(&self.info, self.location));
        }
        self.drop_holes(holes);
        self.room.notify();
        count - holes
    }
}

fn is_of<M: QueueFlavour, C>(envelope: &M::Envelope<C>, info: &SignalInfo<M>) -> bool {
    envelope.info().is_some_and(|own| own.is_same(info))
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Takes the last `count` events out of a batch, that of the inbox or another one: those of a topic into a
    /// list, the others into `latest`, behind the `last` one that was put there so.
    fn separate(
        &mut self,
        outbox: Option<&Batch<M, C>>,
        count: usize,
        info: &SignalInfo<M>,
        mut last: Place,
        taken: &mut Vec<M::Envelope<C>>,
    ) -> Place {
        for left in (1..=count).rev() {
            let batch = outbox.unwrap_or(&self.batch);
            let position = batch.end() - left as u64;
            let Some(envelope) = batch.pop(left, &mut self.free_list) else {
                break;
            };
            if is_of(&envelope, info) {
                taken.push(envelope);
                continue;
            }
            // For the first of the running drains that has found it there, or else for the next one.
            let mut running = self.running.iter();
            let first = running.find(|(_, untaken)| position < *untaken);
            let drains = first.map_or(self.drains, |(number, _)| number - 1);
            let latest = self.latest.get_or_insert_default();
            last = latest.insert(envelope, position, drains, last);
        }
        last
    }
}
