//! What is done, and what of it is measured.

use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// As many as go, by core NATS.
    Core,
    /// Stored, with so many under way at a time; and read.
    Stored(usize),
    /// One event at a time, by core NATS, from the emission to the handler.
    CoreLatency,
    /// The same, stored.
    StoredLatency,
    /// What an emission takes on the emitter's thread, by core NATS.
    CoreShare,
    /// The same, stored.
    StoredShare,
}

impl Work {
    pub const ALL: [Work; 8] = [
        Work::Core,
        Work::Stored(1),
        Work::Stored(64),
        Work::Stored(1_024),
        Work::CoreLatency,
        Work::StoredLatency,
        Work::CoreShare,
        Work::StoredShare,
    ];

    /// How many events are sent in a round.
    pub fn events(self) -> u64 {
        match self {
            Work::Core => 200_000,
            Work::Stored(1) => 10_000,
            Work::Stored(_) => 60_000,
            Work::CoreLatency | Work::StoredLatency => 3_000,
            // Less than an outbox holds.
            Work::CoreShare | Work::StoredShare => 6_000,
        }
    }

    pub fn is_stored(self) -> bool {
        matches!(
            self,
            Work::Stored(_) | Work::StoredLatency | Work::StoredShare
        )
    }

    /// How many are under way at a time.
    pub fn window(self) -> usize {
        match self {
            Work::Stored(window) => window,
            // More than that, and the client library drops what it has received.
            Work::Core => 30_000,
            _ => 1_024,
        }
    }

    pub fn name(self) -> String {
        match self {
            Work::Core => "core".into(),
            Work::Stored(1) => "stored, one by one".into(),
            Work::Stored(window) => format!("stored, window {window}"),
            Work::CoreLatency => "core, single events".into(),
            Work::StoredLatency => "stored, single events".into(),
            Work::CoreShare => "core, the emitter's share".into(),
            Work::StoredShare => "stored, the emitter's share".into(),
        }
    }
}

/// What was measured of a round. What does not apply is 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Events a second, from the first emission to the last handler.
    pub rate: f64,
    /// CPU time of this process and of the server, in us an event.
    pub cpu: f64,
    pub server: f64,
    /// In us.
    pub half: f64,
    pub most: f64,
    /// On the emitter's thread, in us an event.
    pub share: f64,
}

/// The middle of each figure on its own.
pub fn median(samples: Vec<Sample>) -> Sample {
    let middle = |figure: fn(&Sample) -> f64| {
        let mut all: Vec<f64> = samples.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Sample {
        rate: middle(|s| s.rate),
        cpu: middle(|s| s.cpu),
        server: middle(|s| s.server),
        half: middle(|s| s.half),
        most: middle(|s| s.most),
        share: middle(|s| s.share),
    }
}

/// From the beginning of a piece of work to its end.
pub struct Watch {
    server: u32,
    begin: Instant,
    cpu: (Duration, Duration),
}

impl Watch {
    pub fn start(server: u32) -> Watch {
        Watch {
            server,
            cpu: (cpu("self"), cpu(&server.to_string())),
            begin: Instant::now(),
        }
    }

    pub fn stop(self, events: u64) -> Sample {
        let took = self.begin.elapsed();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / events as f64;
        Sample {
            rate: events as f64 / took.as_secs_f64(),
            cpu: each(cpu("self") - self.cpu.0),
            server: each(cpu(&self.server.to_string()) - self.cpu.1),
            ..Sample::default()
        }
    }
}

/// The CPU time of a process so far.
fn cpu(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may have spaces: the fields from the third on.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // A hundredth of a second each, on Linux.
    Duration::from_millis(ticks * 10)
}

/// The CPU time of this thread so far.
pub fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The sample of latencies.
pub fn latencies(mut all: Vec<Duration>) -> Sample {
    all.sort_unstable();
    let at = |part: usize| all[(all.len() - 1) * part / 100].as_secs_f64() * 1e6;
    Sample {
        half: at(50),
        most: at(99),
        ..Sample::default()
    }
}
