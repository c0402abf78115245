//! What one more closure costs to compile, in CPU seconds and in bytes of code.
//!
//! Generates a program for each contestant that subscribes 201 different closures, and the same with one, so that
//! their difference is 200 closures and nothing that is used by all. Builds them with default release settings.
//! On Linux only, which tells the time of child processes and has ELF files.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::measure::Run;

/// A name, what stands in `main` before the closures, and what subscribes one.
const CONTESTANTS: [(&str, &str, &str); 5] = [
    (
        "`Vec<Box<dyn Fn>>`",
        "let mut list: Vec<Box<dyn Fn(&Event) + Send + Sync>> = Vec::new();",
        "list.push(Box::new(CLOSURE));",
    ),
    (
        "slotcast, `bus.on`",
        "const TOPIC: slotcast::Topic<Event> = slotcast::Topic::new(\"a.b\");
         let bus = slotcast::Bus::new();
         let mut list = Vec::new();",
        "list.push(bus.on(&TOPIC, CLOSURE));",
    ),
    (
        "slotcast, `signal.on`",
        "let signal = slotcast::Signal::<Event>::new();
         let mut list = Vec::new();",
        "list.push(signal.on(CLOSURE));",
    ),
    (
        "slotcast, local, `bus.on`",
        "const TOPIC: slotcast::Topic<Event> = slotcast::Topic::new(\"a.b\");
         let bus = slotcast::local::Bus::new();
         let mut list = Vec::new();",
        "list.push(bus.on(&TOPIC, CLOSURE));",
    ),
    (
        "signals2",
        "use signals2::Connect1;
         let signal = signals2::Signal::<(Event,)>::new();
         let mut list = Vec::new();",
        "list.push({ let f = CLOSURE; signal.connect(move |event| f(&event)) });",
    ),
];

const CLOSURES: usize = 200;

pub fn run(run: &mut Run) {
    if !cfg!(target_os = "linux") {
        println!("size: skipped, this is not Linux");
        return;
    }
    let more = if run.is_test { 2 } else { CLOSURES };
    let table = "One more closure, compiled";
    let folder = folder();
    write_package(&folder, more);
    // All dependencies, and the start of the machine.
    build(&folder, "none", run.is_test);
    let mut bare = [f64::NAN; 2];
    let mut found = Vec::new();
    for (at, (name, ..)) in CONTESTANTS.iter().enumerate() {
        let [one, all] = ["one", "many"].map(|kind| {
            let program = format!("{kind}{at}");
            let seconds = build(&folder, &program, run.is_test);
            let binary = folder
                .join("target")
                .join(profile(run.is_test))
                .join(program);
            [seconds, code_bytes(&binary)]
        });
        let cost = [0, 1].map(|what| (all[what] - one[what]) / more as f64);
        if at == 0 {
            bare = cost;
        }
        found.push((*name, cost));
    }
    for (what, case, unit, scale) in [(0, "CPU time", "ms", 1000.0), (1, "code", "bytes", 1.0)] {
        for (name, cost) in &found {
            let [value, bare] = [cost, &bare].map(|it| it[what] * scale);
            run.record([table, case, name], unit, value, bare);
        }
    }
}

/// Beside the program that runs, so that `cargo clean` removes it.
fn folder() -> PathBuf {
    let program = env::current_exe().expect("this program has a path");
    program.with_file_name("closures")
}

fn profile(is_test: bool) -> &'static str {
    if is_test { "debug" } else { "release" }
}

fn write_package(folder: &Path, more: usize) {
    let programs = folder.join("src/bin");
    fs::create_dir_all(&programs).unwrap();
    let here = env!("CARGO_MANIFEST_DIR");
    let manifest = format!(
        "[package]\nname = \"closures\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         slotcast = {{ path = {:?} }}\nsignals2 = \"0.3\"\n",
        Path::new(here).join("../..")
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // With the same versions.
    fs::copy(
        Path::new(here).join("Cargo.lock"),
        folder.join("Cargo.lock"),
    )
    .unwrap();
    fs::write(programs.join("none.rs"), "fn main() {}\n").unwrap();
    for (at, (_, before, subscribe)) in CONTESTANTS.iter().enumerate() {
        for (kind, count) in [("one", 1), ("many", 1 + more)] {
            let text = program(before, subscribe, count);
            fs::write(programs.join(format!("{kind}{at}.rs")), text).unwrap();
        }
    }
}

/// Closures that capture a counter, all of different types and with different code.
fn program(before: &str, subscribe: &str, count: usize) -> String {
    let mut text = String::from(
        "use std::sync::atomic::{AtomicU64, Ordering::Relaxed};\n\
         #[derive(Clone)]\npub struct Event { pub amount: u64, pub other: u64 }\n\
         fn main() {\n",
    );
    _ = writeln!(text, "{before}");
    for n in 0..count {
        let closure = format!(
            "{{ let sum = AtomicU64::new({n}); move |event: &Event| \
             sum.store(sum.load(Relaxed).wrapping_add(event.amount ^ {n} ^ event.other), Relaxed) }}"
        );
        _ = writeln!(text, "{}", subscribe.replace("CLOSURE", &closure));
    }
    text += "std::hint::black_box(&list);\n}\n";
    text
}

/// Builds one program, anew if there was one, and returns the CPU seconds.
fn build(folder: &Path, program: &str, is_test: bool) -> f64 {
    // Another time is another program to cargo.
    let source = folder.join(format!("src/bin/{program}.rs"));
    let text = fs::read(&source).unwrap();
    fs::write(&source, text).unwrap();
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["build", "--quiet", "--bin", program]);
    if !is_test {
        command.arg("--release");
    }
    // The settings that everybody has.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_PROFILE_RELEASE_LTO",
    ] {
        command.env_remove(name);
    }
    command
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .current_dir(folder);
    let before = children_seconds();
    let status = command.status().expect("cargo can be started");
    assert!(status.success(), "{program} does not build");
    children_seconds() - before
}

/// The CPU time of all child processes that have ended, user and system.
fn children_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which may contain anything. In ticks, a hundred a second on Linux.
    let (_, fields) = text.rsplit_once(')').unwrap();
    let fields = fields.split_whitespace().skip(13).take(2);
    fields.map(|it| it.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// The bytes of the section `.text` of a 64-bit ELF file.
fn code_bytes(binary: &Path) -> f64 {
    let file = fs::read(binary).unwrap();
    assert_eq!(file[..5], *b"\x7fELF\x02", "a 64-bit ELF file");
    let number = |at: usize, bytes: usize| {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(&file[at..at + bytes]);
        u64::from_le_bytes(number) as usize
    };
    let (sections, size) = (number(0x28, 8), number(0x3a, 2));
    let (count, names) = (number(0x3c, 2), number(0x3e, 2));
    let section = |n| sections + n * size;
    let names = number(section(names) + 0x18, 8);
    let is_text = |&at: &usize| file[names + number(at, 4)..].starts_with(b".text\0");
    let text = (0..count).map(section).find(is_text);
    number(text.expect("a section .text") + 0x20, 8) as f64
}
