//! Waiting for a condition, and checking what has arrived.

use std::{
    collections::BTreeMap,
    env, fs,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before it has failed. Far off, for machines that are busy with something else: a minute,
/// or as many seconds as `NATS_LIMIT` says.
pub fn limit() -> Duration {
    let said = env::var("NATS_LIMIT")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(said.unwrap_or(60))
}

/// What `ask` finds at last, or nothing when it has found nothing for that [`limit`].
pub fn eventually<T>(ask: impl FnMut() -> Option<T>) -> Option<T> {
    within(limit(), ask)
}

/// The same with a limit of one's own.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = ask() {
            return Some(found);
        }
        if Instant::now() > end {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until this is so.
#[track_caller]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    assert!(
        eventually(|| is().then_some(())).is_some(),
        "not within {:?}: {what}",
        limit()
    );
}

/// The numbers of the events that a handler has got, in the order in which it got them.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<u64>>>);

impl Seen {
    pub fn new() -> Seen {
        Seen::default()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Vec<u64>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn push(&self, id: u64) {
        self.with(|all| all.push(id));
    }

    pub fn len(&self) -> usize {
        self.with(|all| all.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn all(&self) -> Vec<u64> {
        self.with(|all| all.clone())
    }

    /// Waits until so many have come.
    #[track_caller]
    pub fn wait(&self, count: usize) {
        // As long as something comes, it is waited for.
        loop {
            let before = self.len();
            if before >= count {
                return;
            }
            let more = eventually(|| (self.len() > before).then_some(()));
            assert!(
                more.is_some(),
                "{before} of {count} have come, and no more for {:?}: {}",
                limit(),
                self.tell(count as u64)
            );
        }
    }

    /// Waits until so many have come, and checks that they are those from 0, each once, in order.
    #[track_caller]
    pub fn wait_in_order(&self, count: u64) {
        self.wait(count as usize);
        self.check_in_order(count);
    }

    /// Those from 0, each once, in order.
    #[track_caller]
    pub fn check_in_order(&self, count: u64) {
        let right = self.with(|all| all.iter().copied().eq(0..count));
        assert!(right, "not each once and in order: {}", self.tell(count));
    }

    /// Those from 0, each once, in any order.
    #[track_caller]
    pub fn check_each_once(&self, count: u64) {
        let mut all = self.all();
        all.sort_unstable();
        assert!(
            all.iter().copied().eq(0..count),
            "not each once: {}",
            self.tell(count)
        );
    }

    /// What is wrong with them, in a line.
    pub fn tell(&self, count: u64) -> String {
        let all = self.all();
        let mut times = BTreeMap::new();
        let (mut behind, mut newest) = (0, None);
        for id in &all {
            *times.entry(*id).or_insert(0_u64) += 1;
            if newest > Some(*id) {
                behind += 1;
            }
            newest = newest.max(Some(*id));
        }
        let missing: Vec<u64> = (0..count).filter(|id| !times.contains_key(id)).collect();
        let twice: Vec<u64> = times
            .iter()
            .filter(|(_, n)| **n > 1)
            .map(|(id, _)| *id)
            .collect();
        format!(
            "{} came of {count}; {} are missing, as {:?}; {} came more than once, as {:?}; {behind} came behind a later one",
            all.len(),
            missing.len(),
            &missing[..missing.len().min(5)],
            twice.len(),
            &twice[..twice.len().min(5)],
        )
    }
}

/// The names of the threads of this process.
pub fn threads() -> Vec<String> {
    entries("/proc/self/task", |path| {
        fs::read_to_string(path.join("comm"))
            .ok()
            .map(|name| name.trim().to_owned())
    })
}

/// The open files and sockets of this process.
pub fn descriptors() -> Vec<String> {
    entries("/proc/self/fd", |path| {
        fs::read_link(path).ok().map(|to| to.display().to_string())
    })
}

fn entries(folder: &str, what: impl Fn(std::path::PathBuf) -> Option<String>) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| what(entry.path()))
        .collect();
    all.sort_unstable();
    all
}

/// Runs a future to its end on this thread, which sleeps meanwhile.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
