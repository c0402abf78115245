//! What a bridge over NATS costs beside the bare client library, on a server of this machine.
//!
//! ```text
//! cargo run --release --manifest-path benches/nats/Cargo.toml -- [--test] [--write]
//! ```

mod bare;
mod kills;
mod measure;
mod ours;
mod report;

use std::{env, process};

use measure::{Sample, Work, median};
use slotcast_nats::{Raw, Server};

/// An event of about a hundred bytes of JSON.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Event {
    id: u64,
    text: String,
}

impl Event {
    fn new(id: u64) -> Event {
        Event {
            id,
            text: "an order of nine lamps, which are to be sent to the other house.".into(),
        }
    }
}

/// How much is done of each.
struct Amount {
    rounds: usize,
    /// Divides the numbers of events.
    less: u64,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some(unknown) = arguments
        .iter()
        .find(|argument| !["--test", "--write"].contains(&&***argument))
    {
        eprintln!("{unknown}? Known are --test and --write");
        process::exit(2);
    }
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let amount = if has("--test") {
        Amount {
            rounds: 1,
            less: 200,
        }
    } else {
        Amount { rounds: 5, less: 1 }
    };

    let mut rows = Vec::new();
    for work in Work::ALL {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..amount.rounds {
            // In turn, so that no slow minute falls on one of them alone; each with a server of its own, whose store
            // is empty.
            ours.push(round(work, &amount, ours::run));
            bare.push(round(work, &amount, bare::run));
        }
        let row = report::Row {
            work,
            ours: median(ours),
            bare: median(bare),
        };
        println!("{row}");
        rows.push(row);
    }
    let kills = kills::run(if has("--test") { 1 } else { 20 });
    println!("{kills}");
    if has("--write") {
        report::write(&rows, &kills);
    }
}

fn round(work: Work, amount: &Amount, run: fn(Work, &Server, u64) -> Sample) -> Sample {
    let server = Server::start();
    Raw::connect(&server.url()).stream("BENCH", &["bench"]);
    run(work, &server, (work.events() / amount.less).max(1))
}
