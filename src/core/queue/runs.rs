//! The events of one lane, in runs.

use std::collections::VecDeque;

use crate::core::failure::link::Link;
use crate::core::queue::claim::Claim;
use crate::core::queue::target::Target;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::failure::CallSite;

/// The events of a lane, and their targets.
pub(crate) struct Content<M: SignalFlavour, E: 'static, C: 'static> {
    pub(super) events: VecDeque<E>,
    /// Invariant: the counts of these and of the open one add up to the number of events, and of
    /// those that were taken and not yet taken off their run.
    pub(super) runs: VecDeque<Run<M, E, C>>,
    /// The last run, which the next event may join. Stored inline, as its topic is: to follow the
    /// pointers to them, under the queue's lock, cost as much as the rest of deferring.
    pub(super) open: Option<Run<M, E, C>>,
}

/// `count` events in a row with one target and one span.
pub(crate) struct Run<M: SignalFlavour, E: 'static, C: 'static> {
    pub(super) target: Target<M, E, C>,
    pub(super) link: Link,
    pub(super) count: usize,
}

impl<M: SignalFlavour, E, C> Default for Content<M, E, C> {
    fn default() -> Self {
        Content {
            events: VecDeque::new(),
            runs: VecDeque::new(),
            open: None,
        }
    }
}

impl<M: SignalFlavour, E, C> Content<M, E, C> {
    pub(super) fn first_run(&mut self) -> Option<&mut Run<M, E, C>> {
        self.runs.front_mut().or(self.open.as_mut())
    }

    fn pop_run(&mut self) -> Option<Run<M, E, C>> {
        self.runs.pop_front().or_else(|| self.open.take())
    }

    /// Begins a run with one event, which the caller adds.
    pub(super) fn begin_run(&mut self, target: Target<M, E, C>, link: Link) {
        let count = 1;
        let full = self.open.replace(Run {
            target,
            link,
            count,
        });
        // To extend the list by the option takes twice as long.
        if let Some(full) = full {
            self.runs.push_back(full);
        }
    }

    /// Removes the first event, with its target.
    pub(super) fn take_first(&mut self) -> Option<(Target<M, E, C>, Link, E)> {
        let event = self.events.pop_front()?;
        let first = self.first_run()?;
        first.count -= 1;
        if first.count == 0 {
            let Run { target, link, .. } = self.pop_run()?;
            return Some((target, link, event));
        }
        let target = first.target.repeat();
        first.target.advance(1);
        Some((target, first.link.clone(), event))
    }

    /// Takes events off the first run, and returns the run if those were its last.
    pub(super) fn take_off(&mut self, count: usize) -> Option<Run<M, E, C>> {
        let first = self.first_run()?;
        first.count -= count;
        first.target.advance(count);
        if first.count > 0 {
            return None;
        }
        self.pop_run()
    }

    pub(super) fn discard(&mut self, info: &SignalInfo<M>, location: CallSite) -> usize {
        let mut holes = 0;
        while let Some(mut run) = self.pop_run() {
            for _ in 0..run.count.min(self.events.len()) {
                let event = self.events.pop_front();
                drop_event(event, run.target.info().unwrap_or(info), location);
                holes += usize::from(run.target.discard());
                run.target.advance(1);
            }
        }
        holes
    }

    pub(super) fn room(&self) -> usize {
        // Those without a size need none, and have all.
        let events = if size_of::<E>() == 0 {
            0
        } else {
            self.events.capacity()
        };
        events.max(self.runs.capacity())
    }

    pub(super) fn is_of(&self, info: &SignalInfo<M>) -> bool {
        let mut runs = self.runs.iter().chain(&self.open);
        runs.any(|run| run.target.is_of_topic(info))
    }

    pub(super) fn join_holes(&mut self) -> (Vec<Emptied<M, C>>, usize) {
        let mut emptied = Vec::new();
        let mut runs = VecDeque::<Run<M, E, C>>::with_capacity(self.runs.capacity());
        for mut run in self.runs.drain(..) {
            let mut holes = 0;
            while run.count > 0 && run.target.is_hole() {
                run.target.advance(1);
                run.count -= 1;
                holes += 1;
            }
            if holes > 0 {
                match runs.back_mut() {
                    Some(Run {
                        target: Target::Hole,
                        count,
                        ..
                    }) => *count += holes,
                    _ => runs.push_back(Run {
                        target: Target::Hole,
                        link: Link::NONE,
                        count: holes,
                    }),
                }
            }
            match run.target {
                _ if run.count > 0 => runs.push_back(run),
                Target::Call(claim, _) => emptied.push(Emptied((claim, run.link))),
                Target::Signal(_) | Target::Hole => {}
            }
        }
        self.runs = runs;
        (emptied, self.runs.len())
    }
}

/// A claim of which no call waits any more, and the span of its last one. To be dropped outside of locks.
pub struct Emptied<M: SignalFlavour, C: 'static>(#[expect(dead_code)] (Claim<M, C>, Link));
