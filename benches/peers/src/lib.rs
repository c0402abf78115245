//! What slotcast costs, beside other crates and beside what is written by hand: `../README.md` tells how to run
//! it, and how it measures.

mod changes;
mod chart;
mod emit;
mod growth;
mod handlers;
mod jobs;
mod measure;
mod memory;
mod names;
mod peers;
mod queue;
mod report;
mod results;
mod size;
mod threads;
mod waiting;

use std::env;
use std::path::Path;

use measure::Run;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

type Workload = (&'static str, fn(&mut Run));

const WORKLOADS: [Workload; 10] = [
    ("emit", emit::run),
    ("changes", changes::run),
    ("queue", queue::run),
    ("names", names::run),
    ("threads", threads::run),
    ("waiting", waiting::run),
    ("jobs", jobs::run),
    ("memory", memory::run),
    ("growth", growth::run),
    ("size", size::run),
];

const USAGE: &str =
    "usage: slotcast-peers [--test] [--few] [--build NAME] [--out FILE] [WORKLOAD]...
       slotcast-peers --report FILE";

/// Runs the workloads that were asked for, or all; or writes the report.
pub fn main() {
    let mut args = env::args().skip(1);
    let mut words = Vec::new();
    let mut out = None;
    let mut run = Run {
        is_test: false,
        few: false,
        build: "release".into(),
        rows: Vec::new(),
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect(USAGE);
        match &*arg {
            "--test" => run.is_test = true,
            "--few" => run.few = true,
            "--build" => run.build = value(),
            "--out" => out = Some(value()),
            "--report" => return report::write(Path::new(&value())),
            _ if WORKLOADS.iter().any(|(name, _)| *name == arg) => words.push(arg),
            _ => panic!("{USAGE}\nworkloads: {:?}", WORKLOADS.map(|(name, _)| name)),
        }
    }
    for (name, workload) in WORKLOADS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            workload(&mut run);
        }
    }
    if run.is_test {
        // The report of whatever there is has to work, too.
        let text = report::markdown("", &run.rows) + &chart::draw(&run.rows);
        assert!(text.contains("slotcast"));
    }
    if let Some(out) = out {
        results::append(Path::new(&out), &run.rows);
    }
}
