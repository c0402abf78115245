//! What the user sees while the downloads run: bars on a terminal, plain lines elsewhere.

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressStyle};

pub(crate) enum Screen {
    Bars { all: MultiProgress, bars: Vec<ProgressBar>, status: ProgressBar },
    Lines,
}

const MOST_NAME: usize = 30;

impl Screen {
    /// Bars if standard error is a terminal.
    pub(crate) fn new(names: &[String]) -> Self {
        let all = MultiProgress::new();
        if all.is_hidden() {
            return Screen::Lines;
        }
        let width = names.iter().map(String::len).max().unwrap_or(0).min(MOST_NAME);
        let bars = names.iter().map(|name| {
            let bar = all.add(ProgressBar::no_length().with_prefix(name.clone()));
            bar.with_style(bar_style(width, "cyan")).with_message("waits")
        });
        let bars = bars.collect();
        let style = ProgressStyle::with_template("{spinner:.green} {msg}").expect("a template");
        let status = all.add(ProgressBar::new_spinner().with_style(style));
        Screen::Bars { all, bars, status }
    }

    pub(crate) fn started(&self, id: usize, total: Option<u64>) {
        if let Screen::Bars { bars, .. } = self {
            if let Some(total) = total {
                bars[id].set_length(total);
            }
            bars[id].set_message("");
        }
    }

    /// Lines are printed for each quarter only.
    pub(crate) fn progress(&self, id: usize, name: &str, before: u64, now: u64, total: Option<u64>) {
        match (self, total) {
            (Screen::Bars { bars, .. }, _) => bars[id].set_position(now),
            (Screen::Lines, Some(total)) if total > 0 => {
                let quarter = |bytes: u64| bytes * 4 / total;
                if quarter(now) > quarter(before) && now < total {
                    eprintln!("{:>3} %  {name} ({})", quarter(now) * 25, BinaryBytes(total));
                }
            }
            (Screen::Lines, _) => {}
        }
    }

    pub(crate) fn ended(&self, id: usize, name: &str, result: &str, is_success: bool) {
        match self {
            Screen::Bars { bars, .. } => {
                let width = name.len();
                _ = width;
                bars[id].abandon_with_message(result.to_owned());
                _ = is_success;
            }
            Screen::Lines => eprintln!("  end  {name}: {result}"),
        }
    }

    /// The loop of the main thread is alive. Every 20th time is a line.
    pub(crate) fn beat(&self, beats: u32, status: &str) {
        match self {
            Screen::Bars { status: line, .. } => {
                line.set_message(format!("heartbeat {beats}: {status}"));
                line.tick();
            }
            Screen::Lines if beats % 20 == 0 => eprintln!("alive  heartbeat {beats}: {status}"),
            Screen::Lines => {}
        }
    }

    /// Makes room for what is printed at the end.
    pub(crate) fn clear(&self) {
        if let Screen::Bars { all, .. } = self {
            // A terminal that does not clear still gets its table.
            _ = all.clear();
        }
    }
}
