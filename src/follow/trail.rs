//! Steps that led to one another.

use std::collections::BTreeMap;

use crate::cause::Cause;
use crate::follow::step::Step;

/// Pieces of work that led to one another, as they began: the causes of one of them back to its root, or all that one
/// root led to: made by [`Following::trail`](crate::flavour::Following::trail). `Display` writes one line for each, whatever
/// labels hold. With the feature `serde` it is `Serialize`.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Follow, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// const MADE: Topic<u64> = Topic::new("invoice.made");
/// let bus = Bus::new();
/// let following = bus.follow(Follow::new());
/// let weak = bus.downgrade();
/// let _sub = bus.on(&PLACED, move |number| {
///     if let Some(bus) = weak.upgrade() {
///         bus.emit(&MADE, number);
///     }
/// });
/// bus.emit(&PLACED, &7);
///
/// let report = following.report();
/// let last = report.tail(0).last().map(|step| step.cause()).unwrap();
/// let trail = following.trail(last).unwrap();
/// let topics: Vec<_> = trail.steps().map(|step| step.topic().unwrap()).collect();
/// assert_eq!(topics, ["order.placed", "invoice.made"]);
/// assert!(trail.to_string().lines().nth(1).unwrap().contains("└ invoice.made  emitted at "));
/// ```
#[derive(Debug, Clone)]
pub struct Trail {
    /// Each with how deep it is nested.
    pub(crate) steps: Vec<(usize, Step)>,
    /// What led to the first of them, which is not kept any more.
    pub(crate) before: Option<Cause>,
}

impl Trail {
    /// The causes of this one back to its root, the root first. `None` if it is not among these steps.
    pub(crate) fn to(cause: Cause, all: &[Step]) -> Option<Self> {
        let find = |cause| all.iter().find(|it| it.cause == cause);
        let mut steps = vec![find(cause)?.clone()];
        let mut before = None;
        while let Some(parent) = steps[steps.len() - 1].parent {
            // A cause began before what it leads to: there is no circle.
            match find(parent) {
                Some(step) => steps.push(step.clone()),
                None => {
                    before = Some(parent);
                    break;
                }
            }
        }
        steps.reverse();
        let steps = steps.into_iter().enumerate().collect();
        Some(Trail { steps, before })
    }

    /// All that the root of this one led to. `None` if it is not among these steps.
    pub(crate) fn around(cause: Cause, all: &[Step]) -> Option<Self> {
        let to = Trail::to(cause, all)?;
        let (_, root) = to.steps.into_iter().next()?;
        let mut led_to: BTreeMap<Cause, Vec<&Step>> = BTreeMap::new();
        for step in all {
            if let Some(parent) = step.parent {
                led_to.entry(parent).or_default().push(step);
            }
        }
        let mut steps = Vec::new();
        let mut left = vec![(0, &root)];
        while let Some((depth, step)) = left.pop() {
            steps.push((depth, step.clone()));
            let of_it = led_to.remove(&step.cause).unwrap_or_default();
            // The first is taken out last.
            left.extend(of_it.into_iter().rev().map(|it| (depth + 1, it)));
        }
        Some(Trail {
            steps,
            before: to.before,
        })
    }

    /// The pieces of work: each after what led to it.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().map(|(_, step)| step)
    }

    /// How deep each of them is nested, 0 for the first.
    pub fn depths(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().map(|(depth, _)| *depth)
    }

    /// What led to the first, if that is not kept any more.
    #[must_use]
    pub fn before(&self) -> Option<Cause> {
        self.before
    }
}
