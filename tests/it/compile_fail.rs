//! What must not compile, each beside a twin that differs in one token and does.
//!
//! `tests/compile/fail` has the cases, each with what the compiler says, and `tests/compile/pass`
//! the twins. The compiler's words change from release to release: they are compared by the one
//! they were written down with, and the others are not asked. After a change,
//! `TRYBUILD=overwrite cargo test --test it compile_fail` writes them down anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The twins are compiled here, as modules: as programs, each would be linked.
macro_rules! twins {
    ($($name:ident: $path:literal,)*) => {
        $(#[path = $path] #[allow(warnings, reason = "only that it compiles matters")] mod $name;)*
        const TWINS: &[&str] = &[$(stringify!($name)),*];
    };
}

twins! {
    bounds_of_its_own: "../compile/pass/bounds_of_its_own.rs",
    emit_with_the_wrong_payload: "../compile/pass/emit_with_the_wrong_payload.rs",
    emit_without_the_context: "../compile/pass/emit_without_the_context.rs",
    event_that_is_not_clone: "../compile/pass/event_that_is_not_clone.rs",
    event_that_is_not_send: "../compile/pass/event_that_is_not_send.rs",
    event_type_with_a_bad_name: "../compile/pass/event_type_with_a_bad_name.rs",
    executor_whose_task_has_no_type: "../compile/pass/executor_whose_task_has_no_type.rs",
    filter_that_is_not_send: "../compile/pass/filter_that_is_not_send.rs",
    handler_of_the_wrong_payload: "../compile/pass/handler_of_the_wrong_payload.rs",
    handler_that_changes_its_captures: "../compile/pass/handler_that_changes_its_captures.rs",
    handler_that_is_not_send: "../compile/pass/handler_that_is_not_send.rs",
    handler_that_is_not_sync: "../compile/pass/handler_that_is_not_sync.rs",
    handler_that_returns_a_number: "../compile/pass/handler_that_returns_a_number.rs",
    handler_that_returns_a_result_of_a_number: "../compile/pass/handler_that_returns_a_result_of_a_number.rs",
    handler_that_uses_a_question_mark: "../compile/pass/handler_that_uses_a_question_mark.rs",
    local_bus_on_another_thread: "../compile/pass/local_bus_on_another_thread.rs",
    once_that_is_not_send: "../compile/pass/once_that_is_not_send.rs",
    outcome_of_its_own: "../compile/pass/outcome_of_its_own.rs",
    signal_emit_without_the_context: "../compile/pass/signal_emit_without_the_context.rs",
    subscription_that_is_lost: "../compile/pass/subscription_that_is_lost.rs",
    topic_with_a_bad_name: "../compile/pass/topic_with_a_bad_name.rs",
    turn_that_is_not_send: "../compile/pass/turn_that_is_not_send.rs",
    weak_target_that_is_not_sync: "../compile/pass/weak_target_that_is_not_sync.rs",
}

/// The release whose words stand in the `.stderr` files.
const COMPILER: &str = "rustc 1.95.";

const FAIL: &str = "tests/compile/fail";
const PASS: &str = "tests/compile/pass";

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("the compiler says its version");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[cfg_attr(miri, ignore = "runs the compiler")]
fn misuse_does_not_compile() {
    let compiler = compiler();
    if compiler.starts_with(COMPILER) {
        let cases = trybuild::TestCases::new();
        // With one that compiles all are built: some errors come only with the code.
        cases.pass(format!("{PASS}/event_type_with_a_bad_name.rs"));
        cases.compile_fail(format!("{FAIL}/*.rs"));
    } else {
        println!(
            "skipped: {} does not speak as {COMPILER}* does",
            compiler.trim()
        );
    }
}

fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(root.join(folder)).expect("the folder is there");
    let files = files.map(|file| file.expect("the file is there").path());
    files
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .map(|path| {
            path.file_stem()
                .expect("it has a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

fn text(folder: &str, name: &str, extension: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(name)
        .with_extension(extension);
    fs::read_to_string(file).expect("it is text")
}

/// Words, strings, and single characters.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = if first == '"' {
            rest[1..].find('"').map_or(rest.len(), |end| end + 2)
        } else if first.is_alphanumeric() {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        } else if rest.starts_with("()") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    tokens
}

#[test]
fn twins_differ_in_one_token() {
    let cases = names(FAIL, "rs");
    assert!(cases.len() >= 4);
    assert_eq!(cases, names(PASS, "rs"));
    assert_eq!(cases, TWINS.iter().map(|it| it.to_string()).collect());
    assert_eq!(
        cases,
        names(FAIL, "stderr"),
        "each case says what the compiler has to say"
    );
    for case in cases {
        let (fails, passes) = (text(FAIL, &case, "rs"), text(PASS, &case, "rs"));
        let (fails, passes) = (tokens(&fails), tokens(&passes));
        assert_eq!(fails.len(), passes.len(), "{case}");
        let differ: Vec<_> = fails
            .iter()
            .zip(&passes)
            .filter(|(one, other)| one != other)
            .collect();
        assert_eq!(differ.len(), 1, "{case}: {differ:?}");
    }
}

#[test]
fn compiler_says_what_a_handler_may_return() {
    for case in [
        "handler_that_returns_a_number",
        "handler_that_returns_a_result_of_a_number",
        "outcome_of_its_own",
    ] {
        let said = text(FAIL, case, "stderr");
        assert!(
            said.contains("error[E0277]: a handler cannot return `"),
            "{case}: {said}"
        );
        assert!(
            said.contains("note: return `()`, `slotcast::Flow`, or a `Result` of one of them"),
            "{case}: {said}"
        );
    }
}

#[test]
fn compiler_says_what_is_wrong_with_a_name() {
    for (case, problem) in [
        ("topic_with_a_bad_name", "has an empty token"),
        (
            "event_type_with_a_bad_name",
            "has white space or a control character",
        ),
    ] {
        let said = text(FAIL, case, "stderr");
        assert!(said.contains(problem), "{case}: {said}");
    }
}

#[test]
fn compiler_says_why_a_handler_is_not_for_threads() {
    for case in [
        "handler_that_is_not_send",
        "filter_that_is_not_send",
        "once_that_is_not_send",
        "turn_that_is_not_send",
    ] {
        let said = text(FAIL, case, "stderr");
        assert!(
            said.contains("cannot be sent between threads safely"),
            "{case}: {said}"
        );
        // What to do about it, in one error.
        assert!(
            said.contains("an `Arc` instead of an `Rc`"),
            "{case}: {said}"
        );
        assert!(said.contains("`slotcast::local` takes"), "{case}: {said}");
        assert_eq!(said.matches("error[").count(), 1, "{case}: {said}");
    }
}
