//! The state of the main thread, changed by the callbacks of the downloads. Needs no lock: it is lent
//! to the callbacks while the queue is drained, and no other thread accesses it.

use std::time::{Duration, Instant};

use indicatif::BinaryBytes;

use slotcast::JobError;
use slotcast::jobs::{JobHandle, Outcome, Progress};

use crate::download::{Failure, Finished, file_name};
use crate::screen::Screen;

pub(crate) struct App {
    pub(crate) files: Vec<File>,
    handles: Vec<JobHandle>,
    interrupted: bool,
    ended: usize,
    screen: Screen,
    heart: Heart,
}

pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) state: State,
    bytes: u64,
    began: Instant,
    took: Duration,
}

pub(crate) enum State {
    Waiting,
    Running,
    Finished { sha256: String, verified: bool },
    Failed(Failure),
    Cancelled,
}

impl App {
    pub(crate) fn new(urls: &[String]) -> Self {
        let began = Instant::now();
        let file = |url: &String| File {
            name: file_name(url),
            state: State::Waiting,
            bytes: 0,
            began,
            took: Duration::ZERO,
        };
        let files: Vec<_> = urls.iter().map(file).collect();
        let screen = Screen::new(files.iter().map(|file| &*file.name));
        App {
            files,
            handles: Vec::new(),
            interrupted: false,
            ended: 0,
            screen,
            heart: Heart::new(),
        }
    }

    /// Adds the handle of a download, by which it can be cancelled.
    pub(crate) fn add(&mut self, handle: JobHandle) {
        self.handles.push(handle);
    }

    /// Cancels what has not ended.
    pub(crate) fn interrupt(&mut self) {
        self.interrupted = true;
        for handle in &self.handles {
            handle.cancel();
        }
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    pub(crate) fn progress(&mut self, id: usize, progress: Progress) {
        let file = &mut self.files[id];
        if matches!(file.state, State::Waiting) {
            file.state = State::Running;
            file.began = Instant::now();
            self.screen.started(id);
        }
        let total = (progress.total > 0).then_some(progress.total);
        self.screen
            .progress(id, &file.name, file.bytes, progress.done, total);
        file.bytes = progress.done;
    }

    pub(crate) fn ended(&mut self, id: usize, outcome: Outcome<Result<Finished, Failure>>) {
        self.ended += 1;
        let file = &mut self.files[id];
        file.took = file.began.elapsed();
        let outcome = match outcome {
            Err(JobError::Cancelled) => Err(Failure::Cancelled),
            // A download that panicked has failed like any other.
            Err(error) => Err(Failure::Other(error.to_string())),
            Ok(outcome) => outcome,
        };
        match outcome {
            Ok(finished) => {
                // A download without a known length has one now.
                let bytes = finished.bytes;
                self.screen
                    .progress(id, &file.name, file.bytes, bytes, Some(bytes));
                file.bytes = bytes;
                // The name may differ, if a file of that name existed.
                if let Some(name) = finished.path.file_name() {
                    file.name = name.to_string_lossy().into_owned();
                }
                let result = if finished.verified {
                    "verified"
                } else {
                    "done"
                };
                let details = format!(" ({})", BinaryBytes(bytes));
                self.screen.ended(id, &file.name, result, &details);
                file.state = State::Finished {
                    sha256: finished.sha256,
                    verified: finished.verified,
                };
            }
            Err(Failure::Cancelled) => {
                self.screen.ended(id, &file.name, "cancelled", "");
                file.state = State::Cancelled;
            }
            Err(why) => {
                self.screen
                    .ended(id, &file.name, "failed", &format!(": {why}"));
                file.state = State::Failed(why);
            }
        }
    }

    /// Returns whether downloads are running.
    pub(crate) fn is_busy(&self) -> bool {
        self.ended < self.files.len()
    }

    /// The time until the next heartbeat, for which the loop may sleep.
    pub(crate) fn until_next_beat(&self) -> Duration {
        self.heart.due.saturating_duration_since(Instant::now())
    }

    /// Records one iteration of the loop.
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

    /// Removes the bars and prints one line for each file.
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
                State::Cancelled => print_row(width, name, [""; 3], "cancelled"),
                State::Waiting | State::Running => {}
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

/// Shows that the loop never blocks for long.
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

    /// Returns whether it is time for a heartbeat.
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
