//! How the workloads measure: minima and medians over many short samples, the contestants in turn.
//!
//! Each sample of a contestant stands right behind a sample of the bare one, its own neighbourhood: so a slow
//! minute of the machine falls on both, and their ratio survives it.

use std::time::{Duration, Instant};

use crate::handlers::calls;

/// How long one sample takes, about.
const SAMPLE: Duration = Duration::from_micros(60);
/// How long all samples of one contestant take, about, without those of the bare one.
const BUDGET: Duration = Duration::from_millis(24);
/// But so many at least.
const FEWEST: u32 = 5;

/// Does its work as many times as it is told, or a little more: how long that took, and how often it was.
pub type Work<'w> = Box<dyn FnMut(u64) -> (Duration, u64) + 'w>;

pub struct Contestant<'w> {
    name: &'static str,
    work: Work<'w>,
    /// The handlers that one piece of work calls.
    calls: u64,
    /// The pieces that were done, and the calls that were counted: it is checked that they fit.
    done: u64,
    counted: u64,
    sample: Duration,
    budget: Duration,
}

impl<'w> Contestant<'w> {
    pub fn new(name: &'static str, calls: usize, work: Work<'w>) -> Self {
        Contestant {
            name,
            work,
            calls: calls as u64,
            done: 0,
            counted: 0,
            sample: SAMPLE,
            budget: BUDGET,
        }
    }

    /// One that does `piece` once for each time.
    pub fn each(name: &'static str, calls: usize, mut piece: impl FnMut() + 'w) -> Self {
        Self::batches(name, calls, 1, move |_| piece())
    }

    /// One that does `size` pieces at once. The closure is told how many.
    pub fn batches(
        name: &'static str,
        calls: usize,
        size: u64,
        mut batch: impl FnMut(u64) + 'w,
    ) -> Self {
        let work = move |times: u64| {
            let batches = times.div_ceil(size);
            let start = Instant::now();
            for _ in 0..batches {
                batch(size);
            }
            (start.elapsed(), batches * size)
        };
        Self::new(name, calls, Box::new(work))
    }

    /// For threads, which take some time to begin.
    pub fn long_samples(mut self) -> Self {
        self.sample = Duration::from_millis(4);
        self.budget = Duration::from_millis(120);
        self
    }

    /// How many pieces make a sample, and how many samples there are.
    fn plan(&mut self, is_test: bool) -> (u64, u32) {
        if is_test {
            return (1, 1);
        }
        let mut times = 1;
        loop {
            // The shortest of three: whoever is interrupted seems to be slow.
            let time = (0..3).map(|_| self.work(times).0).min().unwrap_or_default();
            if time >= self.sample {
                let samples = self.budget.as_nanos() / time.as_nanos();
                return (times, (samples as u32).max(FEWEST));
            }
            times *= 2;
        }
    }

    /// The cost of a piece, in nanoseconds.
    fn sample(&mut self, times: u64) -> f64 {
        if times > 1 {
            // What the others have put out of the caches comes back.
            self.work(1);
        }
        let (time, pieces) = self.work(times);
        time.as_nanos() as f64 / pieces as f64
    }

    fn work(&mut self, times: u64) -> (Duration, u64) {
        let (time, pieces) = (self.work)(times);
        self.done += pieces;
        // Of handlers that were cancelled.
        self.counted += calls();
        (time, pieces)
    }

    /// Drops what it has, and checks that its handlers were called.
    fn end(self) {
        drop(self.work);
        let counted = self.counted + calls();
        let right = self.done * self.calls;
        assert_eq!(counted, right, "calls of the handlers of {}", self.name);
    }
}

/// One line of the results. All figures are costs: less is better.
#[derive(Clone)]
pub struct Row {
    /// `release`, `lto`, or `layout-1` and so on.
    pub build: String,
    pub table: String,
    pub case: String,
    pub contestant: String,
    pub unit: String,
    pub minimum: f64,
    pub median: f64,
    /// The same of the bare contestant beside it.
    pub bare_minimum: f64,
    pub bare_median: f64,
}

impl Row {
    pub fn ratio(&self) -> f64 {
        self.minimum / self.bare_minimum
    }
}

/// What was asked for, and what was found so far.
pub struct Run {
    /// Everything once, to see that it works.
    pub is_test: bool,
    /// Only the contestants that another layout is measured for.
    pub few: bool,
    pub build: String,
    pub rows: Vec<Row>,
}

impl Run {
    /// Measures the bare contestant and the others in turn.
    pub fn compare<'w>(
        &mut self,
        table: &str,
        case: &str,
        mut bare: Contestant<'w>,
        mut others: Vec<Contestant<'w>>,
    ) {
        let _unmeasured = calls();
        let bare_plan = bare.plan(self.is_test);
        let mut plans = vec![bare_plan];
        plans.extend(others.iter_mut().map(|it| it.plan(self.is_test)));
        // Pairs: the bare one, and who stands beside it. The bare one stands beside itself, too.
        let mut samples = vec![Vec::new(); plans.len()];
        for round in 0..plans.iter().map(|plan| plan.1).max().unwrap_or(0) {
            for (at, (times, rounds)) in plans.iter().enumerate() {
                if round < *rounds {
                    let beside = bare.sample(bare_plan.0);
                    let own = match at {
                        0 => bare.sample(*times),
                        _ => others[at - 1].sample(*times),
                    };
                    samples[at].push([own, beside]);
                }
            }
        }
        let names: Vec<_> = [&bare]
            .into_iter()
            .chain(&others)
            .map(|it| it.name)
            .collect();
        for (name, pairs) in names.iter().zip(samples) {
            let [[minimum, median], [bare_minimum, bare_median]] =
                [0, 1].map(|which| minimum_and_median(pairs.iter().map(|pair| pair[which])));
            self.add(Row {
                build: self.build.clone(),
                table: table.into(),
                case: case.into(),
                contestant: (*name).into(),
                unit: "ns".into(),
                minimum,
                median,
                bare_minimum,
                bare_median,
            });
        }
        [bare].into_iter().chain(others).for_each(Contestant::end);
    }

    /// What was found without samples, beside what the bare one has.
    pub fn record(&mut self, place: [&str; 3], unit: &str, value: f64, bare: f64) {
        let [table, case, contestant] = place.map(String::from);
        self.add(Row {
            build: self.build.clone(),
            table,
            case,
            contestant,
            unit: unit.into(),
            minimum: value,
            median: value,
            bare_minimum: bare,
            bare_median: bare,
        });
    }

    fn add(&mut self, row: Row) {
        println!(
            "{}; {}; {}: {:.2} {}, median {:.2} ({:.2})",
            row.table,
            row.case,
            row.contestant,
            row.minimum,
            row.unit,
            row.median,
            row.ratio()
        );
        self.rows.push(row);
    }
}

fn minimum_and_median(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2]]
}
