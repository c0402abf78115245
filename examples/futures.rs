//! The same downloads written three ways: with callbacks, with futures, and with async functions.
//!
//! Each way fetches four files concurrently and waits for all of them; requests one file from three
//! mirrors, takes the first result and cancels the others; and cancels a download from a server that is
//! too slow. The downloads are jobs of a thread pool. They sleep where real ones would read from a
//! network, report progress, and end early when they are cancelled.
//!
//! Run it with `cargo run --example futures`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{Either, join_all, select, select_ok};
use slotcast::jobs::{Cancelled, JobContext, JobHandle};
use slotcast::{Bus, Job, JobError, Jobs, Overflow, Queue, Signal, Topic, promise};

// -- The downloads ----------------------------------------------------------------------------

/// A file on a server: it arrives in chunks, with a pause before each.
#[derive(Clone, Copy)]
struct Source {
    server: &'static str,
    name: &'static str,
    chunks: u64,
    pause: Duration,
}

const fn source(server: &'static str, name: &'static str, chunks: u64, millis: u64) -> Source {
    Source {
        server,
        name,
        chunks,
        pause: Duration::from_millis(millis),
    }
}

const FILES: [Source; 4] = [
    source("home", "film.mkv", 16, 5),
    source("home", "fonts.zip", 3, 5),
    source("home", "manual.pdf", 6, 5),
    source("home", "maps.tar", 12, 5),
];
/// The same file on three servers: one does not have it, and one would take half an hour.
const MIRRORS: [Source; 3] = [
    source("near", "photos.zip", 0, 1),
    source("middle", "photos.zip", 10, 5),
    source("far", "photos.zip", 10, 180_000),
];
const SLOW: Source = source("slow", "backup.img", 10_000, 40);
const TIMEOUT: Duration = Duration::from_millis(150);

const CHUNK: u64 = 64 * 1024;

#[derive(Clone, Debug, PartialEq)]
struct File {
    name: &'static str,
    server: &'static str,
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Failure {
    #[error("no such file")]
    Missing,
    #[error("was cancelled")]
    Stopped,
    #[error("took too long")]
    Late,
    #[error(transparent)]
    Job(#[from] JobError),
}

impl From<Cancelled> for Failure {
    fn from(_: Cancelled) -> Self {
        Failure::Stopped
    }
}

/// The result of a download.
type Fetched = Result<File, Failure>;

/// The number of running downloads.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// The work of one job.
fn fetch(cx: &JobContext, source: &Source) -> Fetched {
    RUNNING.fetch_add(1, Ordering::Relaxed);
    let fetched = receive(cx, source);
    RUNNING.fetch_sub(1, Ordering::Relaxed);
    fetched
}

fn receive(cx: &JobContext, source: &Source) -> Fetched {
    if source.chunks == 0 {
        return Err(Failure::Missing);
    }
    for chunk in 1..=source.chunks {
        pause(cx, source.pause)?;
        cx.progress(chunk * CHUNK, source.chunks * CHUNK);
    }
    Ok(File {
        name: source.name,
        server: source.server,
        bytes: source.chunks * CHUNK,
    })
}

/// Sleeps in short intervals, to notice a cancellation soon.
fn pause(cx: &JobContext, mut time: Duration) -> Result<(), Cancelled> {
    while !time.is_zero() {
        cx.check()?;
        let piece = time.min(Duration::from_millis(5));
        thread::sleep(piece);
        time -= piece;
    }
    Ok(())
}

fn start(jobs: &Jobs, source: Source) -> Job<Fetched> {
    jobs.submit(move |cx| fetch(cx, &source))
}

/// The results of each of the three ways.
#[derive(Debug, PartialEq)]
struct Report {
    /// In the order of [`FILES`].
    all: Vec<File>,
    first: Fetched,
    in_time: Fetched,
}

// -- With callbacks ---------------------------------------------------------------------------

/// The state of the main thread, lent to the callbacks: no lock is needed.
#[derive(Default)]
struct App {
    /// The number of pending callbacks.
    pending: usize,
    files: [Option<File>; FILES.len()],
    updates: usize,
    mirrors: Vec<JobHandle>,
    first: Option<File>,
    slow: Option<JobHandle>,
    is_late: bool,
    in_time: Option<Fetched>,
}

impl App {
    /// The main loop: sleeps until the queue is not empty, and drains it.
    fn run(&mut self, ui: &Queue<App>) {
        while self.pending > 0 && ui.wait_timeout(Duration::from_secs(60)) {
            ui.drain_with(self);
        }
    }
}

fn with_callbacks(jobs: &Jobs) -> Result<Report, Failure> {
    let ui = Queue::<App>::with_context();
    let mut app = App::default();

    // Wait for all: until no callback is pending.
    for (id, source) in FILES.into_iter().enumerate() {
        let job = start(jobs, source);
        job.on_progress_in(&ui, |app, _| app.updates += 1);
        job.on_done_in(&ui, move |app, outcome| {
            app.pending -= 1;
            app.files[id] = Some(outcome??);
            Ok::<(), Failure>(())
        });
        app.pending += 1;
    }
    app.run(&ui);
    println!(
        "  {} files, progress shown {} times",
        FILES.len(),
        app.updates
    );

    // Wait for the first: its callback cancels the others, whose callbacks run as well.
    for source in MIRRORS {
        let mirror = start(jobs, source).on_done_in(&ui, |app, outcome| {
            app.pending -= 1;
            if let (Ok(Ok(file)), None) = (outcome, &app.first) {
                println!("  {} from {}", file.name, file.server);
                app.first = Some(file);
                app.mirrors.iter().for_each(|mirror| _ = mirror.cancel());
            }
        });
        app.mirrors.push(mirror);
        app.pending += 1;
    }
    app.run(&ui);

    // With a timeout: a delayed event. The callback of the download runs in any case.
    let late = Signal::<(), App>::with_context();
    let _late = late.on_with(|app, ()| {
        app.is_late = true;
        app.slow.iter().for_each(|job| _ = job.cancel());
    });
    let timeout = ui
        .defer_after(TIMEOUT, &late, ())
        .expect("the queue is open");
    let slow = start(jobs, SLOW).on_done_in(&ui, move |app, outcome| {
        app.pending -= 1;
        timeout.cancel();
        app.in_time = Some(if app.is_late {
            Err(Failure::Late)
        } else {
            outcome.unwrap_or_else(|error| Err(error.into()))
        });
    });
    app.slow = Some(slow);
    app.pending += 1;
    app.run(&ui);
    println!("  {}: given up", SLOW.name);

    Ok(Report {
        all: app.files.into_iter().flatten().collect(),
        first: app.first.ok_or(Failure::Missing),
        in_time: app.in_time.unwrap_or(Err(Failure::Late)),
    })
}

// -- With futures -----------------------------------------------------------------------------

/// Completes when the time is up. A job without a pool: its promise is completed by a thread.
fn timer(time: Duration) -> Job<()> {
    let (promise, job) = promise();
    thread::spawn(move || {
        thread::sleep(time);
        promise.complete(());
    });
    job
}

fn with_futures(jobs: &Jobs) -> Result<Report, Failure> {
    // Wait for all: a job is a future. The jobs are running already; this only waits.
    let all = FILES.map(|source| start(jobs, source));
    let all = block_on(join_all(all));
    let all: Vec<File> = all
        .into_iter()
        .map(|outcome| outcome?)
        .collect::<Result<_, _>>()?;
    println!("  {} files", all.len());

    // Wait for the first: dropping the other futures cancels their jobs, by `abort_on_drop`.
    let mirrors = MIRRORS.map(|source| {
        let job = start(jobs, source).abort_on_drop();
        Box::pin(async { job.await? })
    });
    let (first, others): (File, _) = block_on(select_ok(mirrors))?;
    println!("  {} from {}", first.name, first.server);
    drop(others);

    // With a timeout: the timer is one more future.
    let slow = start(jobs, SLOW).abort_on_drop();
    let in_time = match block_on(select(slow, timer(TIMEOUT))) {
        Either::Left((outcome, _)) => outcome?,
        Either::Right((_, slow)) => {
            let chunks = slow.progress().map_or(0, |progress| progress.done / CHUNK);
            println!("  {}: given up after {chunks} chunks", SLOW.name);
            Err(Failure::Late)
        }
    };
    Ok(Report {
        all,
        first: Ok(first),
        in_time,
    })
}

// -- With async functions ---------------------------------------------------------------------

const WANTED: Topic<Source> = Topic::new("file.wanted");
const SEARCHED: Topic<&str> = Topic::new("file.searched");
const ARRIVED: Topic<File> = Topic::new("file.arrived");

/// A download that is cancelled when the future is dropped.
async fn download(jobs: Jobs, source: Source) -> Fetched {
    start(&jobs, source).abort_on_drop().await?
}

/// Decoupled by events: one requests a file, another reports its arrival.
async fn with_await(jobs: &Jobs) -> Result<Report, Failure> {
    let bus = Bus::new();
    let arrived = bus.signal(&ARRIVED);
    let _downloads = bus.subscribe(&WANTED).on_async({
        let (jobs, arrived) = (jobs.clone(), arrived.clone());
        move |source: Arc<Source>| {
            let (jobs, arrived) = (jobs.clone(), arrived.clone());
            async move {
                arrived.emit(&download(jobs, *source).await?);
                Ok::<(), Failure>(())
            }
        }
    });

    // Wait for all: an awaited emission completes when its handlers have completed.
    let mut files = bus.stream(&ARRIVED, FILES.len(), Overflow::Reject);
    let wanted = FILES.map(|source| bus.emit_async(&WANTED, source));
    let failed: usize = join_all(wanted)
        .await
        .iter()
        .map(|done| done.errors().len())
        .sum();
    let mut all: Vec<File> = std::iter::from_fn(|| files.try_take()).flatten().collect();
    println!("  {} files, {failed} failed", all.len());
    all.sort_by_key(|file| FILES.iter().position(|source| source.name == file.name));

    // Wait for the first: each mirror is a handler of the same event. Dropping the emission cancels the
    // downloads that are still running.
    let _mirrors = MIRRORS.map(|source| {
        let (jobs, arrived) = (jobs.clone(), arrived.clone());
        bus.subscribe(&SEARCHED).on_async(move |_| {
            let (jobs, arrived) = (jobs.clone(), arrived.clone());
            async move {
                if let Ok(file) = download(jobs, source).await {
                    arrived.emit(&file);
                }
            }
        })
    });
    // Subscribed before the request is emitted.
    let first = bus.next(&ARRIVED);
    let search = bus.emit_async(&SEARCHED, MIRRORS[0].name);
    let first = match select(first, search).await {
        Either::Left((file, _search)) => file.map_err(|_| Failure::Missing),
        Either::Right(_) => Err(Failure::Missing),
    };
    if let Ok(file) = &first {
        println!("  {} from {}", file.name, file.server);
    }

    // With a timeout: dropping the emission cancels it.
    let next = bus.next(&ARRIVED);
    let wanted = bus.emit_async(&WANTED, SLOW);
    let in_time = match select(wanted, timer(TIMEOUT)).await {
        Either::Left(_) => next.await.map_err(|_| Failure::Missing),
        Either::Right(_) => Err(Failure::Late),
    };
    println!("  {}: given up", SLOW.name);

    Ok(Report {
        all,
        first,
        in_time,
    })
}

// -- All three --------------------------------------------------------------------------------

fn main() -> Result<(), Failure> {
    let jobs = Jobs::new(4);
    println!("with callbacks:");
    let callbacks = with_callbacks(&jobs)?;
    println!("with futures:");
    let futures = with_futures(&jobs)?;
    println!("with async functions:");
    let functions = block_on(with_await(&jobs))?;

    // Does not cancel jobs, so it would find any that was not cancelled.
    assert_eq!(jobs.shutdown_timeout(Duration::from_secs(10)), 0);
    assert_eq!(RUNNING.load(Ordering::Relaxed), 0);

    let names = callbacks.all.iter().map(|file| file.name);
    assert!(names.eq(FILES.map(|source| source.name)));
    assert!(
        callbacks
            .first
            .as_ref()
            .is_ok_and(|it| it.server == "middle")
    );
    assert_eq!(callbacks.in_time, Err(Failure::Late));
    assert_eq!(callbacks, futures);
    assert_eq!(callbacks, functions);
    println!("three ways, same result");
    Ok(())
}
