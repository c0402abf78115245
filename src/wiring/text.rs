//! A wiring as text, and the words that its pictures share.

use std::borrow::Cow;
use std::fmt;

use crate::failure::CallSite;
use crate::wiring::handler::{HandlerInfo, HandlerKind};
use crate::wiring::{QueueInfo, Wiring};

/// A cell that is longer stands out of its column, so that one long label does not move all others.
const WIDEST: usize = 40;

/// The text on one line: control characters, and those that change lines or the direction of writing, as a
/// backslash and letters, and a backslash twice.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let is_hidden = |it: char| {
        it == '\\'
            || it.is_control()
            || matches!(it, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(it, '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut all = String::with_capacity(text.len() + 8);
    for it in text.chars() {
        if is_hidden(it) {
            all.extend(it.escape_default());
        } else {
            all.push(it);
        }
    }
    Cow::Owned(all)
}

/// A file and a line. Backslashes are separators of some systems, and stay as they are.
pub(crate) fn line_of(place: CallSite) -> String {
    let parts: Vec<_> = place.file().split('\\').map(visible).collect();
    format!("{}:{}", parts.join("\\"), place.line())
}

/// A type's name without the paths in it.
pub(crate) fn short(type_name: &str) -> String {
    let is_part = |it: char| it.is_alphanumeric() || it == '_' || it == ':';
    let mut name = String::new();
    let mut rest = type_name;
    while !rest.is_empty() {
        let end = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
        let (path, behind) = rest.split_at(end);
        name.push_str(path.rsplit("::").next().unwrap_or(path));
        let end = behind.find(is_part).unwrap_or(behind.len());
        name.push_str(&behind[..end]);
        rest = &behind[end..];
    }
    visible(&name).into_owned()
}

pub(crate) fn label_of(label: Option<&str>) -> Cow<'_, str> {
    label.map_or(Cow::Borrowed("(no label)"), visible)
}

/// What decides whether a handler is called, and when.
pub(crate) fn conditions(handler: &HandlerInfo) -> Vec<String> {
    let mut found = Vec::new();
    if handler.priority != 0 {
        found.push(format!("priority {}", handler.priority));
    }
    if let Some(left) = handler.left {
        found.push(format!("{left} left"));
    }
    if handler.has_filter {
        found.push("filter".to_owned());
    }
    match handler.paused {
        0 => {}
        1 => found.push("paused".to_owned()),
        times => found.push(format!("paused {times} times")),
    }
    found
}

/// What a handler is, and where its events go.
pub(crate) fn kind(handler: &HandlerInfo) -> Option<String> {
    match &handler.kind {
        HandlerKind::Plain => None,
        HandlerKind::Mut => Some("mut".to_owned()),
        HandlerKind::Weak => Some("weak".to_owned()),
        HandlerKind::Queue { place } => Some(format!("queued to {}", line_of(place))),
        HandlerKind::Async => Some("async".to_owned()),
        HandlerKind::Next => Some("next".to_owned()),
        HandlerKind::Stream { len, capacity } => Some(format!("stream, {len} of {capacity}")),
        HandlerKind::Forward { topic } => Some(format!("forwards to {}", visible(topic))),
        HandlerKind::Hook => Some("hook for unhandled events".to_owned()),
    }
}

pub(crate) fn replaced(handler: &HandlerInfo) -> Option<String> {
    handler
        .replaced_at
        .map(|place| format!("replaced at {}", line_of(place)))
}

/// What the queue is called that is listed there.
pub(crate) fn queue_name(at: usize) -> &'static str {
    if at == 0 { "queue of the bus" } else { "queue" }
}

/// How full a queue is.
pub(crate) fn fill(queue: &QueueInfo) -> String {
    match queue.capacity {
        Some(capacity) => format!("{} of {capacity} waiting", queue.len),
        None => format!("{} waiting", queue.len),
    }
}

/// One line for each topic, pattern, handler and queue. The handlers of a topic follow it, numbered in the order
/// of their calls.
///
/// ```text
/// order.placed  Order                                 first used at src/main.rs:12
///   1  guard       priority 10     src/auth.rs:31     pattern order.>
///   2  billing                     src/billing.rs:19  queued to src/ui.rs:8
///   3  (no label)  1 left, filter  src/app.rs:77
/// order.>  pattern                         first used at src/auth.rs:30
///   1  guard  priority 10  src/auth.rs:31
/// queue of the bus  0 waiting  made at src/main.rs:10
/// queue             1 waiting  made at src/ui.rs:8
/// ```
impl fmt::Display for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for topic in &self.topics {
            let mut head = format!("{}  {}", visible(topic.name()), short(topic.type_name));
            if topic.retained > 0 {
                head += &format!("  {} retained", topic.retained);
            }
            block(&head, topic.place, &topic.handlers, false, &mut lines);
        }
        for pattern in &self.patterns {
            let head = format!("{}  pattern", visible(pattern.name()));
            block(&head, pattern.place, &pattern.handlers, true, &mut lines);
        }
        lines.extend(queues(self));
        f.write_str(&lines.join("\n"))
    }
}

/// One line for each queue.
pub(crate) fn queues(wiring: &Wiring) -> Vec<String> {
    let row = |(at, queue): (usize, &QueueInfo)| {
        let place = format!("made at {}", line_of(queue.place));
        vec![queue_name(at).to_owned(), fill(queue), place]
    };
    aligned(wiring.queues.iter().enumerate().map(row).collect()).0
}

fn block(
    head: &str,
    place: CallSite,
    handlers: &[HandlerInfo],
    is_pattern: bool,
    lines: &mut Vec<String>,
) {
    let digits = handlers.len().to_string().len();
    let row = |(at, handler): (usize, &HandlerInfo)| {
        let pattern = handler.pattern().filter(|_| !is_pattern);
        let pattern = pattern.map(|it| format!("pattern {}", visible(it)));
        let ways = [pattern, kind(handler), replaced(handler)];
        vec![
            format!("  {:>digits$}", at + 1),
            label_of(handler.label()).into_owned(),
            conditions(handler).join(", "),
            line_of(handler.place),
            ways.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ]
    };
    let (rows, last) = aligned(handlers.iter().enumerate().map(row).collect());
    let width = last.saturating_sub(2);
    lines.push(format!("{head:width$}  first used at {}", line_of(place)));
    lines.extend(rows);
}

/// The rows with their cells below each other, and where the last cell begins. A column that is empty everywhere
/// is left out.
pub(crate) fn aligned(rows: Vec<Vec<String>>) -> (Vec<String>, usize) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| {
        let all = rows.iter().map(|row| row[at].chars().count());
        let filled = all.filter(|it| *it > 0);
        let widest = filled.clone().filter(|it| *it <= WIDEST).max();
        filled.max().map(|_| widest.unwrap_or(WIDEST))
    };
    let widths: Vec<Option<usize>> = (0..columns).map(width).collect();
    let before = widths.iter().take(columns.saturating_sub(1));
    let last = before.flatten().map(|it| it + 2).sum();
    let line = |row: Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            if let Some(width) = *width {
                line += &format!("{cell:width$}  ");
            }
        }
        line.truncate(line.trim_end().len());
        line
    };
    (rows.into_iter().map(line).collect(), last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_made_visible() {
        assert_eq!(visible("a \"b\" <c> é ü"), "a \"b\" <c> é ü");
        assert_eq!(visible("a\nb\\n\t\0"), r"a\nb\\n\t\u{0}");
        assert_eq!(visible("\u{202e}\u{2028}"), r"\u{202e}\u{2028}");
    }

    #[test]
    fn types_lose_their_paths() {
        assert_eq!(short("u32"), "u32");
        assert_eq!(short("app::orders::Order"), "Order");
        assert_eq!(
            short("alloc::vec::Vec<(app::A, &core::option::Option<app::B>)>"),
            "Vec<(A, &Option<B>)>"
        );
    }
}
