//! A wiring in the language of Mermaid.

use std::fmt::Write as _;

use crate::wiring::Wiring;
use crate::wiring::picture::{Picture, Shape};

impl Wiring {
    /// The wiring as a flowchart of [Mermaid](https://mermaid.js.org), which many sites show in Markdown: what
    /// [`to_dot`](Self::to_dot) shows.
    ///
    /// Valid whatever names, labels and paths hold: all characters but letters, digits and `/` are written as their
    /// codes. Mermaid itself refuses texts of more than 50,000 characters and 500 arrows, unless its configuration
    /// has other limits (`maxTextSize`, `maxEdges`): for many handlers there is `to_dot`.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let _sub = bus.subscribe(&Topic::<u64>::new("saved")).label("a log").on(|_| ());
    /// let picture = bus.wiring().to_mermaid();
    /// assert!(picture.starts_with("flowchart LR\n"));
    /// assert!(picture.contains("h0([\"a log<br/>"));
    /// assert!(picture.contains("t0 -->|1| h0\n"));
    /// ```
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        write(&Picture::of(self))
    }
}

pub(crate) fn write(picture: &Picture) -> String {
    let mut mermaid = "flowchart LR\n".to_owned();
    for node in &picture.nodes {
        let lines: Vec<String> = node.lines.iter().map(|it| escaped(it)).collect();
        let (begin, end) = match node.shape {
            Shape::Topic => ("[", "]"),
            Shape::Pattern => ("{{", "}}"),
            Shape::Handler => ("([", "])"),
            Shape::Queue => ("[(", ")]"),
            #[cfg(feature = "follow")]
            Shape::Emitter => ("[/", "/]"),
        };
        let (id, label) = (&node.id, lines.join("<br/>"));
        _ = writeln!(mermaid, "  {id}{begin}\"{label}\"{end}");
    }
    for arrow in &picture.arrows {
        let number = arrow.number.map_or(String::new(), |it| format!("|{it}|"));
        _ = writeln!(mermaid, "  {} -->{number} {}", arrow.from, arrow.to);
    }
    for node in picture.nodes.iter().filter(|it| it.is_marked) {
        _ = writeln!(mermaid, "  style {} stroke:red", node.id);
    }
    mermaid
}

/// The inside of a quoted string. What has no meaning in any language that a label goes through (Mermaid,
/// Markdown, HTML) stays as it is.
fn escaped(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    let mut before = ' ';
    for it in text.chars() {
        // Spaces at the beginning make code of a line of Markdown.
        if it.is_ascii_alphanumeric() || it == '/' || (it == ' ' && before != ' ') {
            all.push(it);
        } else {
            _ = write!(all, "#{};", u32::from(it));
        }
        before = it;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_nothing_that_means_something() {
        assert_eq!(escaped("a log of src/main"), "a log of src/main");
        assert_eq!(escaped("\"`<-->`\""), "#34;#96;#60;#45;#45;#62;#96;#34;");
        assert_eq!(escaped("#35;"), "#35;35#59;");
        assert_eq!(escaped("1. é  x"), "1#46; #233; #32;x");
        assert_eq!(escaped(r"\n"), "#92;n");
    }

    #[test]
    fn nothing_but_codes_is_not_a_letter_a_digit_a_space_or_a_slash() {
        let all: String = (1..0x3000).filter_map(char::from_u32).collect();
        for rest in escaped(&all).split('#') {
            let text = rest.split_once(';').map_or(rest, |(_, text)| text);
            assert!(
                text.chars()
                    .all(|it| it.is_ascii_alphanumeric() || " /".contains(it))
            );
        }
    }
}
