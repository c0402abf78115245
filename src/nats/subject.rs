//! Subjects: what may be one, and whether one pattern of them is within another.

/// Where readers note their positions.
const CURSORS: &str = "slotcast.reader.";

/// Whether a subject is one of the server's own, or may be; or is that of a reader's position.
pub(super) fn is_reserved(subject: &str) -> bool {
    let first = subject.split('.').next().unwrap_or_default();
    first.starts_with('$') || first.starts_with("_INBOX") || subject.starts_with(CURSORS)
}

/// Whether all subjects of `inner` are subjects of `outer`.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    let (mut outer, mut inner) = (outer.split('.'), inner.split('.'));
    loop {
        match (outer.next(), inner.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(token)) if token != ">" => (),
            (Some(one), Some(other)) if one == other => (),
            _ => return false,
        }
    }
}

/// Whether a subject is of both.
pub(super) fn overlaps(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
            (Some("*"), Some(_)) | (Some(_), Some("*")) => (),
            (Some(a), Some(b)) if a == b => (),
            _ => return false,
        }
    }
}

/// What is wrong with a prefix, which stands before the first dot of a subject.
pub(super) fn prefix_problem(prefix: &str) -> Option<String> {
    match crate::topic::Topic::<()>::named(prefix) {
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Whether this can be the name of a stream, a reader or a group: they are tokens of subjects.
pub(super) fn is_name(name: &str) -> bool {
    let is_bad = |it: char| it.is_whitespace() || it.is_control() || ".*>/\\".contains(it);
    !name.is_empty() && name.len() <= 255 && !name.contains(is_bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_the_server_are_reserved() {
        for subject in [
            "$JS.API.STREAM.DELETE.X",
            "$SYS",
            "_INBOX.a",
            "_INBOX",
            "$",
            "slotcast.reader.S.r",
        ] {
            assert!(is_reserved(subject), "{subject}");
        }
        for subject in [
            "order.placed",
            "a.$JS",
            "shop.$JS.API",
            "INBOX",
            "slotcast.readers",
            "a.slotcast.reader.S.r",
        ] {
            assert!(!is_reserved(subject), "{subject}");
        }
    }

    #[test]
    fn a_pattern_covers_what_is_within_it() {
        for (outer, inner) in [
            ("a.*", "a.b"),
            ("a.>", "a.b.c"),
            ("a.>", "a.*"),
            (">", "a.>"),
            ("a", "a"),
        ] {
            assert!(covers(outer, inner), "{outer} {inner}");
        }
        for (outer, inner) in [
            ("a.*", "a.>"),
            ("a.*", "a"),
            ("a.b", "a.*"),
            ("a.>", "a"),
            ("a", "b"),
        ] {
            assert!(!covers(outer, inner), "{outer} {inner}");
        }
    }

    #[test]
    fn patterns_overlap_where_a_subject_is_of_both() {
        for (one, other) in [("a.*", "*.b"), ("a.>", "a.b.*"), (">", "x"), ("a", "a")] {
            assert!(
                overlaps(one, other) && overlaps(other, one),
                "{one} {other}"
            );
        }
        for (one, other) in [("a.*", "b.*"), ("a", "a.b"), ("a.>", "a"), ("a.b", "a.c")] {
            assert!(
                !overlaps(one, other) && !overlaps(other, one),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn a_name_is_one_token() {
        assert!(is_name("ORDERS") && is_name("billing-2"));
        for name in ["", "a.b", "a b", "a*", ">", "a/b", "a\\b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
