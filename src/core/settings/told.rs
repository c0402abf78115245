//! What has been told of handlers that accumulate.

use std::collections::BTreeMap;

use crate::failure::CallSite;

/// Of so many lines it is known by itself what has been told.
const MOST: usize = 1024;

/// How many handlers each line had subscribed to a topic when that was told last. It outlives the topics, so that
/// one that comes and goes is not told each time.
#[derive(Default)]
pub(super) struct Told {
    lines: BTreeMap<(CallSite, Box<str>), usize>,
    /// The highest level that was told of any other line.
    of_others: usize,
}

impl Told {
    /// Records that a line is told with this level. Returns whether it was not told before.
    pub(super) fn is_news(&mut self, topic: &str, place: CallSite, level: usize) -> bool {
        let has_room = self.lines.len() < MOST;
        let key = (place, Box::from(topic));
        let told = match self.lines.get_mut(&key) {
            Some(told) => told,
            None if has_room => self.lines.entry(key).or_insert(0),
            None => &mut self.of_others,
        };
        let is_news = *told < level;
        *told = level.max(*told);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::Location;

    #[test]
    fn what_is_told_of_many_lines_is_bounded() {
        let (mut told, place) = (Told::default(), Location::caller());
        for at in 0..MOST {
            let topic = at.to_string();
            assert!(told.is_news(&topic, place, 64) && !told.is_news(&topic, place, 64));
        }
        assert!(told.is_news("other", place, 64));
        assert!(!told.is_news("another", place, 64));
        assert!(told.is_news("another", place, 256));
        assert!(told.is_news("1", place, 256) && !told.is_news("1", place, 64));
        assert_eq!(told.lines.len(), MOST);
    }
}
