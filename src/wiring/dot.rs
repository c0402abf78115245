//! A wiring in the language of Graphviz.

use std::fmt::Write as _;

use crate::wiring::Wiring;
use crate::wiring::picture::{Picture, Shape};

impl Wiring {
    /// The wiring as a picture in the language DOT of [Graphviz](https://graphviz.org): topics, patterns, handlers
    /// and queues, with the number of each handler in the order of calls.
    ///
    /// Every handler is named by its label and its line. Valid whatever names, labels and paths hold, and the same
    /// for the same wiring. O(n) in the number of handlers of all topics.
    ///
    /// # Examples
    ///
    /// ```sh
    /// dot -Tsvg wiring.dot -o wiring.svg
    /// ```
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let _sub = bus.subscribe(&Topic::<u64>::new("file.saved")).label("the \"log\"").on(|_| ());
    /// let picture = bus.wiring().to_dot();
    /// assert!(picture.starts_with("digraph wiring {"));
    /// assert!(picture.contains(r#"h0 [label="the \"log\"\n"#));
    /// assert!(picture.contains(r#"t0 -> h0 [label="1"];"#));
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        write("wiring", &Picture::of(self))
    }
}

/// The picture, as a graph of this name: letters.
pub(crate) fn write(name: &str, picture: &Picture) -> String {
    let mut dot = format!("digraph {name} {{\n  rankdir=LR;\n  node [shape=box];\n");
    for node in &picture.nodes {
        let lines: Vec<String> = node.lines.iter().map(|it| escaped(it)).collect();
        let shape = match node.shape {
            Shape::Topic => "",
            Shape::Pattern => ", style=dashed",
            Shape::Handler => ", style=rounded",
            Shape::Queue => ", shape=cds",
            #[cfg(feature = "follow")]
            Shape::Emitter => ", shape=plain",
        };
        let mark = if node.is_marked { ", color=red" } else { "" };
        let (id, label) = (&node.id, lines.join(r"\n"));
        _ = writeln!(dot, "  {id} [label=\"{label}\"{shape}{mark}];");
    }
    for arrow in &picture.arrows {
        let label = arrow
            .number
            .map_or(String::new(), |it| format!(" [label=\"{it}\"]"));
        _ = writeln!(dot, "  {} -> {}{label};", arrow.from, arrow.to);
    }
    dot.push_str("}\n");
    dot
}

/// The inside of a quoted string of a label, where a backslash begins an escape and `&` an entity of HTML.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('"', "\\\"");
    text.replace('&', "&amp;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_end_no_string_and_are_no_entities() {
        assert_eq!(escaped(r#"a "b" \n <c>"#), r#"a \"b\" \\n <c>"#);
        assert_eq!(escaped("&lt;\\"), r"&amp;lt;\\");
        assert_eq!(escaped("-> é ü ;]"), "-> é ü ;]");
    }
}
