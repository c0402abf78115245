//! The progress display: bars on a terminal, plain lines elsewhere. Both are written to standard error;
//! standard output is for the results.

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressStyle};

pub(crate) enum Screen {
    Bars {
        all: MultiProgress,
        bars: Vec<ProgressBar>,
        /// The width of the column of names.
        width: usize,
        status: ProgressBar,
    },
    Lines,
}

/// Longer names are truncated.
const MOST_NAME: usize = 24;

impl Screen {
    /// Bars if standard error is a terminal.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let all = MultiProgress::new();
        if all.is_hidden() {
            return Screen::Lines;
        }
        let width = names.clone().map(str::len).max().unwrap_or(0);
        let width = width.min(MOST_NAME);
        let bar = |name: &str| {
            let bar = ProgressBar::no_length().with_style(bar_style(width, "dim"));
            all.add(bar.with_prefix(name.to_owned()).with_message("waiting"))
        };
        let bars = names.map(bar).collect();
        let spinner = ProgressBar::new_spinner().with_style(style("{spinner:.green} {msg}"));
        let status = all.add(spinner);
        Screen::Bars {
            all,
            bars,
            width,
            status,
        }
    }

    pub(crate) fn started(&self, id: usize) {
        if let Screen::Bars { bars, .. } = self {
            bars[id].reset_elapsed();
            bars[id].reset_eta();
            bars[id].set_message("running");
        }
    }

    /// Bars move; lines are printed for each quarter.
    pub(crate) fn progress(
        &self,
        id: usize,
        name: &str,
        before: u64,
        now: u64,
        total: Option<u64>,
    ) {
        match (self, total) {
            (Screen::Bars { bars, .. }, total) => {
                bars[id].set_position(now);
                if let Some(total) = total {
                    bars[id].set_length(total);
                }
            }
            (Screen::Lines, Some(total)) if now < total => {
                let quarter = now * 4 / total;
                if quarter > before * 4 / total {
                    eprintln!("{:>3} % of {name} ({})", quarter * 25, BinaryBytes(total));
                }
            }
            (Screen::Lines, _) => {}
        }
    }

    /// `result` is one short word; `details` are shown in lines only.
    pub(crate) fn ended(&self, id: usize, name: &str, result: &'static str, details: &str) {
        match self {
            Screen::Bars { bars, width, .. } => {
                let color = match result {
                    "failed" => "red",
                    "cancelled" => "yellow",
                    _ => "green",
                };
                bars[id].set_style(bar_style(*width, color));
                bars[id].abandon_with_message(result);
            }
            Screen::Lines => eprintln!("{result}: {name}{details}"),
        }
    }

    /// Shows that the loop is alive. As lines, only every 20th heartbeat is printed.
    pub(crate) fn beat(&self, beats: u32, status: &str) {
        match self {
            Screen::Bars { status: line, .. } => {
                line.set_message(format!("heartbeat {beats}: {status}"));
                line.tick();
            }
            Screen::Lines if beats % 20 == 0 => eprintln!("heartbeat {beats}: {status}"),
            Screen::Lines => {}
        }
    }

    /// Clears the bars before the results are printed.
    pub(crate) fn clear(&self) {
        if let Screen::Bars { all, .. } = self {
            // If the terminal is closed, there is nothing to clear.
            _ = all.clear();
        }
    }
}

/// `color` is that of the message.
fn bar_style(width: usize, color: &str) -> ProgressStyle {
    style(&format!(
        "{{prefix:{width}!}} {{wide_bar:.cyan/dim}} {{binary_bytes:>10}} of \
         {{binary_total_bytes:<10}} {{binary_bytes_per_sec:>12}} {{msg:9.{color}}}"
    ))
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("a bad template");
    style.progress_chars("━━─").tick_chars(r"|/-\-")
}
