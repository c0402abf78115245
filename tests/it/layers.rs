//! The layers of the crate: which folder may know which, read from the sources.
//!
//! Each file of `src` imports from its own layer and from those before it in [`LAYERS`], and no
//! files import each other in a circle. A new file has to be given its place here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up: a file imports from its own folder and from the layers before its own in this
/// list. What stands side by side in one layer does not import each other. Files that stand in `src`
/// itself are given by name, folders with all that is in them.
const LAYERS: &[&[&str]] = &[
    // What everything speaks. Knows nothing of the core.
    &[
        "cause.rs",
        "error.rs",
        "executor.rs",
        "outcome.rs",
        "policy.rs",
        "subscription_id.rs",
    ],
    &["failure.rs", "topic"],
    &["wiring"],
    &["follow"],
    &["inspector"],
    // The private core.
    &["core/primitives"],
    &["core/follow"],
    &["core/failure"],
    &["core/reclaim"],
    &["core/settings"],
    &["core/handler"],
    &["core/signal"],
    &["core/emission"],
    // These three do not know each other.
    &["core/registry", "core/queue", "core/waiting"],
    &["core/flavour.rs"],
    &["core/bus.rs"],
    // The public types.
    &["signal"],
    &["queue"],
    &["futures"],
    &["bus"],
    &["flavour.rs"],
    &["local.rs", "shared.rs"],
    // On top of them.
    &["jobs"],
    &["signal_ext"],
    &["nats"],
    &["testing"],
    &["cookbook"],
];
/// The files that may hold `unsafe` code.
const UNSAFE: &[&str] = &[
    "core/emission/call.rs",
    "core/handler/erased.rs",
    "core/queue/lanes.rs",
    "core/reclaim/counted.rs",
    "core/reclaim/hazard.rs",
    "core/reclaim/publication.rs",
    "topic/any_event.rs",
];
/// How many lines of code, without comments and unit tests, a file may have.
const MOST_LINES_OF_CODE: usize = 500;

/// The code of each file, by its path in `src`. Without unit tests, in files of their own too.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &mut found);
    let name = |it: &PathBuf| {
        let inside = it.strip_prefix(&root).expect("it was found there");
        inside.to_string_lossy().replace('\\', "/")
    };
    let text = |it: &PathBuf| fs::read_to_string(it).expect("sources are readable");
    found.iter().map(|it| (name(it), code(&text(it)))).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The lines with code on them, without comments and the unit tests at the end of a file.
fn code(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let text = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let without_comment = |line: &str| match line.find("//") {
        Some(at) if !line[..at].contains('"') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    let lines = text.lines().map(without_comment);
    let lines: Vec<_> = lines.filter(|line| !line.trim().is_empty()).collect();
    lines.join("\n")
}

/// The position of a file's layer, and of its folder in there.
fn place(file: &str) -> (usize, usize) {
    let holds = |it: &&str| file == *it || file.starts_with(&format!("{it}/"));
    let in_layer = |layer: &[&str]| layer.iter().position(holds);
    LAYERS
        .iter()
        .enumerate()
        .find_map(|(at, layer)| Some((at, in_layer(layer)?)))
        .unwrap_or_else(|| panic!("{file} has no place in LAYERS of tests/it/layers.rs"))
}

/// The paths that begin after `prefix`, `{a, b}` taken apart.
fn paths(code: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split(prefix).skip(1) {
        let end = rest.find(|it: char| !(it.is_alphanumeric() || it == '_' || it == ':'));
        let path = &rest[..end.unwrap_or(rest.len())];
        match rest[path.len()..].strip_prefix('{') {
            Some(list) if path.is_empty() || path.ends_with("::") => {
                let list = list.split('}').next().unwrap_or_default();
                found.extend(list.split(',').map(|it| format!("{path}{}", it.trim())));
            }
            _ => found.push(path.to_owned()),
        }
    }
    found
}

/// The file that a path leads into, from this folder.
fn target(folder: &[&str], path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let path = path.split("::").take_while(|it| !it.is_empty());
    let names: Vec<&str> = folder.iter().copied().chain(path).collect();
    (folder.len() + 1..=names.len()).rev().find_map(|n| {
        let at = names[..n].join("/");
        [format!("{at}.rs"), format!("{at}/mod.rs")]
            .into_iter()
            .find(|it| files.contains_key(it))
    })
}

/// The files that a file imports, by `crate::` or by `super::`. A `mod.rs` that only lists what is
/// in its folder, and `lib.rs`, are imported by nobody and import nothing.
fn imports(files: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let is_list = |file: &str| {
        let code = &files[file];
        let holds = |word: &str| code.lines().any(|line| line.trim_start().starts_with(word));
        let is_empty = !["use ", "impl", "pub struct", "pub trait"]
            .into_iter()
            .any(holds);
        file == "lib.rs" || (file.ends_with("mod.rs") && is_empty)
    };
    let of = |file: &String, code: &String| {
        let mut here: Vec<&str> = file.split('/').collect();
        here.pop();
        if file.ends_with("mod.rs") {
            here.pop();
        }
        let mut found = BTreeSet::new();
        for (prefix, folder) in [("crate::", &[][..]), ("super::", &here[..])] {
            let paths = paths(code, prefix);
            found.extend(paths.iter().filter_map(|path| target(folder, path, files)));
        }
        found.retain(|it| it != file && !is_list(it));
        (file.clone(), found)
    };
    let asked = files.iter().filter(|(file, _)| !is_list(file));
    asked.map(|(file, code)| of(file, code)).collect()
}

#[test]
fn each_layer_imports_only_what_is_below_it() {
    let mut wrong = Vec::new();
    for (file, used) in imports(&sources()) {
        let own = place(&file);
        let may = |it: &&String| place(it).0 < own.0 || place(it) == own;
        let others = used.iter().filter(|it| !may(it));
        wrong.extend(others.map(|it| format!("{file} imports {it}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = imports(&sources());
    let mut circles = BTreeSet::new();
    for start in imports.keys() {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(file) = next.pop() {
            let used = imports.get(file).into_iter().flatten();
            next.extend(used.filter(|it| seen.insert(*it)));
        }
        if seen.contains(start) {
            circles.insert(start);
        }
    }
    assert!(circles.is_empty(), "in a circle: {circles:#?}");
}

/// What `lib.rs` re-exports is for users: a file inside names the folder that has it.
#[test]
fn nothing_is_imported_from_the_front_page() {
    for (file, code) in sources().iter().filter(|(file, _)| *file != "lib.rs") {
        let from_root = paths(code, "crate::");
        let item = from_root
            .iter()
            .find(|it| it.starts_with(char::is_uppercase));
        assert!(item.is_none(), "{file} imports {item:?} from lib.rs");
    }
}

#[test]
fn no_file_is_long() {
    for (file, code) in sources() {
        let lines = code.lines().count();
        assert!(
            lines <= MOST_LINES_OF_CODE,
            "{file} has {lines} lines of code"
        );
    }
}

#[test]
fn unsafe_code_stays_behind_its_walls() {
    for (file, code) in sources() {
        let has = code.contains("unsafe ") || code.contains("unsafe{");
        assert_eq!(
            has,
            UNSAFE.contains(&&*file),
            "{file}: unsafe code, and the list of files with it"
        );
    }
}
