//! The state of the main thread, changed by the events of the downloads. Needs no lock: it is lent
//! to the handlers while the queue is drained, and no other thread ever sees it.

use std::time::{Duration, Instant};

use indicatif::BinaryBytes;

use crate::download::{Failed, Failure, Finished, Progress, Started, file_name};
use crate::screen::Screen;

pub(crate) struct App {
    pub(crate) files: Vec<File>,
    screen: Screen,
    heart: Heart,
}

pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) state: State,
    bytes: u64,
    total: Option<u64>,
    began: Instant,
    took: Duration,
}

pub(crate) enum State {
    Waiting,
    Running,
    Finished { sha256: String, verified: bool },
    Failed(Failure),
}

impl App {
    pub(crate) fn new(urls: &[String]) -> Self {
        let began = Instant::now();
        let file = |url: &String| File {
            name: file_name(url),
            state: State::Waiting,
            bytes: 0,
            total: None,
            began,
            took: Duration::ZERO,
        };
        let files: Vec<_> = urls.iter().map(file).collect();
        let screen = Screen::new(files.iter().map(|file| &*file.name));
        App {
            files,
            screen,
            heart: Heart::new(),
        }
    }

    pub(crate) fn started(&mut self, event: &Started) {
        let file = &mut self.files[event.id];
        file.state = State::Running;
        file.total = event.total;
        file.began = Instant::now();
        self.screen.started(event.id);
    }

    pub(crate) fn progress(&mut self, event: &Progress) {
        let file = &mut self.files[event.id];
        self.screen
            .progress(event.id, &file.name, file.bytes, event.bytes, file.total);
        file.bytes = event.bytes;
    }

    pub(crate) fn finished(&mut self, event: &Finished) {
        let file = &mut self.files[event.id];
        file.took = file.began.elapsed();
        // Those that came without a length have one now.
        file.total = Some(event.bytes);
        self.screen
            .progress(event.id, &file.name, file.bytes, event.bytes, file.total);
        file.bytes = event.bytes;
        // The name may be another one: there may have been such a file.
        if let Some(name) = event.path.file_name() {
            file.name = name.to_string_lossy().into_owned();
        }
        let result = if event.verified { "verified" } else { "done" };
        let details = format!(" ({})", BinaryBytes(file.bytes));
        self.screen.ended(event.id, &file.name, result, &details);
        file.state = State::Finished {
            sha256: event.sha256.clone(),
            verified: event.verified,
        };
    }

    pub(crate) fn failed(&mut self, event: &Failed) {
        let file = &mut self.files[event.id];
        file.took = file.began.elapsed();
        let details = format!(": {}", event.why);
        self.screen.ended(event.id, &file.name, "failed", &details);
        file.state = State::Failed(event.why.clone());
    }

    /// How long the loop may sleep.
    pub(crate) fn until_next_beat(&self) -> Duration {
        self.heart.due.saturating_duration_since(Instant::now())
    }

    /// One turn of the loop is done.
    pub(crate) fn turn(&mut self) {
        if !self.heart.turn() {
            return;
        }
        let running = self
            .files
            .iter()
            .filter(|file| matches!(file.state, State::Running));
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        let status = format!("{} running, {}", running.count(), BinaryBytes(bytes));
        self.screen.beat(self.heart.beats, &status);
    }

    /// Takes the bars away and prints one line for each file.
    pub(crate) fn print_table(&self) {
        self.screen.clear();
        let width = self.files.iter().map(|file| file.name.len()).max();
        let width = width.unwrap_or(0);
        print_row(width, "file", ["size", "time", "rate"], "result");
        for file in &self.files {
            let name = &file.name;
            match &file.state {
                State::Finished { verified, .. } => {
                    let result = if *verified { "verified" } else { "done" };
                    print_row(width, name, file.numbers().each_ref().map(|s| &**s), result);
                }
                State::Failed(why) => {
                    print_row(width, name, [""; 3], &format!("failed: {why}"));
                }
                State::Waiting | State::Running => {
                    print_row(width, name, [""; 3], "failed: the worker panicked");
                }
            }
        }
        let (beats, gap) = (self.heart.beats, self.heart.longest_gap.as_millis());
        println!("{beats} heartbeats, at most {gap} ms between two turns of the loop");
    }
}

impl File {
    /// Size, time and rate.
    fn numbers(&self) -> [String; 3] {
        let seconds = self.took.as_secs_f64();
        let rate = self.bytes as f64 / seconds.max(0.001);
        [
            BinaryBytes(self.bytes).to_string(),
            format!("{seconds:.1} s"),
            format!("{}/s", BinaryBytes(rate as u64)),
        ]
    }
}

fn print_row(width: usize, name: &str, numbers: [&str; 3], result: &str) {
    let [size, time, rate] = numbers;
    println!("{name:width$} {size:>12} {time:>8} {rate:>14}  {result}");
}

/// Shows that the loop never waits for long.
struct Heart {
    beats: u32,
    due: Instant,
    last_turn: Instant,
    longest_gap: Duration,
}

impl Heart {
    const BEAT: Duration = Duration::from_millis(100);

    fn new() -> Self {
        let now = Instant::now();
        Heart {
            beats: 0,
            due: now + Self::BEAT,
            last_turn: now,
            longest_gap: Duration::ZERO,
        }
    }

    /// Whether it is time for a heartbeat.
    fn turn(&mut self) -> bool {
        let now = Instant::now();
        self.longest_gap = self.longest_gap.max(now - self.last_turn);
        self.last_turn = now;
        if now < self.due {
            return false;
        }
        self.beats += 1;
        self.due = now + Self::BEAT;
        true
    }
}
