//! The figures, as a page.

use std::{fmt, fs, path::Path, process::Command, thread};

use crate::{
    kills::Kills,
    measure::{Sample, Work},
};

/// A piece of work, by both.
pub struct Row {
    pub work: Work,
    pub ours: Sample,
    pub bare: Sample,
}

impl Row {
    fn cells(&self, sample: &Sample) -> String {
        match self.work {
            Work::Core | Work::Stored(_) => {
                format!(
                    "{:.0}/s | {:.1} + {:.1} us",
                    sample.rate, sample.cpu, sample.server
                )
            }
            Work::CoreLatency | Work::StoredLatency => {
                format!("p50 {:.0} us | p99 {:.0} us", sample.half, sample.most)
            }
            Work::CoreShare | Work::StoredShare => format!("{:.2} us |", sample.share),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| {} | {} | {} |",
            self.work.name(),
            self.cells(&self.ours),
            self.cells(&self.bare)
        )
    }
}

/// Writes `RESULTS.md`.
pub fn write(rows: &[Row], kills: &Kills) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown");
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let page = format!(
        "# What a bridge over NATS costs\n\n\
         Made by the command below; `benches/README.md` says what is measured. Both buses, both bridges, or both clients, \
         and the server on one machine. Medians of five rounds in one run, the two in turn.\n\n\
         - date: {}\n- machine: {}, {} cores, load {} at the end\n- compiler: {}, default release settings\n\
         - server: nats-server {}, its store on a disk, default settings\n- slotcast: {}\n\
         - command: `cargo run --release --manifest-path benches/nats/Cargo.toml --locked -- --write`\n\n\
         CPU is the time that both ends of an event take together, and behind the plus what the server takes.\n\n\
         | | slotcast | CPU an event | bare client | CPU an event |\n|---|---:|---:|---:|---:|\n{rows}\n{kills}\n",
        said("date", &["-I"]),
        model.trim_start_matches(['\t', ' ', ':']),
        thread::available_parallelism().map_or(0, usize::from),
        load.split(' ').next().unwrap_or_default(),
        said("rustc", &["--version"]),
        said_by_server(),
        said("git", &["rev-parse", "--short", "HEAD"]),
    );
    fs::write(folder.join("RESULTS.md"), page).expect("a page");
}

fn said(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program)
        .args(arguments)
        .output()
        .map(|out| out.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&out).trim().to_owned()
}

fn said_by_server() -> String {
    let program = slotcast_nats::need_server();
    said(&program.to_string_lossy(), &["--version"]).replace("nats-server: v", "")
}
