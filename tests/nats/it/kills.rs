//! Processes that are killed, or looked at from outside: nothing that was said to be done is lost, and nothing stays.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use slotcast::{Bus, Follow, nats::Bridge};
use slotcast_nats::{Seen, until};

use crate::common::{LONG, TICK, emit, ids, sending, stored, with_stream};

/// Another process, and the lines that it has written. Killed when this is dropped.
struct Peer {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    _input: Option<ChildStdin>,
    reading: Option<thread::JoinHandle<()>>,
}

impl Peer {
    fn start(arguments: &[&str]) -> Peer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_slotcast-nats-peer"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let out = BufReader::new(child.stdout.take().unwrap());
        let reading = thread::spawn({
            let lines = lines.clone();
            move || {
                out.lines()
                    .map_while(Result::ok)
                    .for_each(|line| lines.lock().unwrap().push(line))
            }
        });
        Peer {
            _input: child.stdin.take(),
            child,
            lines,
            reading: Some(reading),
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    #[track_caller]
    fn wait(&mut self, count: usize) {
        until("lines of the other process", || {
            if !matches!(self.child.try_wait(), Ok(None)) {
                // What it has written may not be read yet.
                let _ = self.reading.take().map(thread::JoinHandle::join);
                let lines = self.lines();
                assert!(lines.len() >= count, "it has ended: {lines:?}");
            }
            self.lines().len() >= count
        });
    }

    /// Kills it, and returns the numbers that it has written.
    fn kill(mut self) -> Vec<u64> {
        self.end();
        // The last line may be half of one, which is no number of the test either way.
        self.lines()
            .iter()
            .map(|line| line.parse().unwrap())
            .collect()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.reading.take().map(thread::JoinHandle::join);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn what_an_awaited_emission_has_stored_outlives_its_process() {
    let (server, raw) = with_stream();
    for _ in 0..3 {
        let mut peer = Peer::start(&["send", &server.url()]);
        peer.wait(300);
        let said = peer.kill();
        let stored = ids(&raw.read("S"));
        assert!(stored.iter().copied().eq(0..stored.len() as u64));
        assert!(
            stored.len() >= said.len() && stored.len() <= said.len() + 1,
            "{} {}",
            stored.len(),
            said.len()
        );
        raw.purge("S");
    }
}

#[test]
fn a_reader_that_is_killed_goes_on_at_its_cursor() {
    let (server, _raw) = with_stream();
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..20_000);
    sender.flush(LONG).unwrap();
    let mut next = 0;
    for _ in 0..3 {
        let mut peer = Peer::start(&["reader", &server.url()]);
        peer.wait(3_000);
        let got = peer.kill();
        // In order, without gaps, and from no more than a thousand before.
        let first = got[0];
        assert!(
            got.iter().copied().eq(first..first + got.len() as u64),
            "from {first}"
        );
        assert!(
            first <= next && next <= first + 1_000,
            "{first} after {next}"
        );
        next = first + got.len() as u64;
    }
    let (there, seen) = crate::common::listening();
    let _reader = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    until("the last one has come", || {
        seen.all().last() == Some(&19_999)
    });
    let all = seen.all();
    assert!(all.iter().copied().eq(all[0]..20_000));
    assert!(
        all[0] <= next && next <= all[0] + 1_000,
        "{} after {next}",
        all[0]
    );
}

#[test]
fn what_a_killed_member_had_goes_to_the_others() {
    let (server, _raw) = with_stream();
    let (here, sender) = sending(&server, stored());
    let seen = Seen::new();
    let mut peers: Vec<_> = (0..3)
        .map(|_| Peer::start(&["group", &server.url(), "g"]))
        .collect();
    emit(&here, 0..3_000);
    sender.flush(LONG).unwrap();
    peers[0].wait(50);
    let killed = peers.remove(0).kill();
    emit(&here, 3_000..6_000);
    peers.push(Peer::start(&["group", &server.url(), "g"]));
    let all = |peers: &[Peer]| {
        let mut all = killed.clone();
        all.extend(
            peers
                .iter()
                .flat_map(Peer::lines)
                .map(|line| line.parse::<u64>().unwrap()),
        );
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        (count - all.len(), all)
    };
    until("each has come", || all(&peers).1.len() == 6_000);
    let (again, ids) = all(&peers);
    assert!(ids.into_iter().eq(0..6_000));
    // No more than it had at a time, and had not said that it has handled: acknowledgements are on their way.
    assert!(again <= 16, "{again} came again");
    let _ = seen;
}

#[test]
fn bridges_leave_no_thread_and_no_descriptor() {
    let (server, _raw) = with_stream();
    let mut peer = Peer::start(&["leave", &server.url()]);
    peer.wait(2);
    assert_eq!(peer.lines()[0], "true true", "{}", peer.lines()[1]);
}

#[test]
fn an_outbox_that_drops_its_oldest_does_not_grow() {
    let (mut server, _raw) = with_stream();
    let seconds = if std::env::var_os("NATS_LONG").is_some() {
        "600"
    } else {
        "3"
    };
    let mut peer = Peer::start(&["grow", &server.url(), seconds]);
    peer.wait(1);
    server.kill();
    // As long as it writes nothing.
    let limit = std::time::Duration::from_secs(700);
    slotcast_nats::within(limit, || (peer.lines().len() == 2).then_some(())).unwrap();
    let line = peer.lines().remove(1);
    let (full, most) = line.split_once(' ').unwrap();
    let (full, most): (i64, i64) = (full.parse().unwrap(), most.parse().unwrap());
    // A try to connect has buffers of its own.
    assert!(
        most <= full + 200_000,
        "{full} bytes with a full outbox, {most} later"
    );
}

#[test]
fn a_trail_names_the_line_in_the_other_process() {
    let (server, _raw) = with_stream();
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let causes = Arc::new(Mutex::new(Vec::new()));
    let keep = causes.clone();
    bus.on(&TICK, move |_| {
        keep.lock().unwrap().push(slotcast::cause().unwrap())
    })
    .detach();
    let _reader = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    let mut peer = Peer::start(&["cause", &server.url()]);
    peer.wait(1);
    until("it has come", || !causes.lock().unwrap().is_empty());
    let cause = causes.lock().unwrap()[0];
    let trail = following.trail(cause).unwrap().to_string();
    let place = peer.lines().remove(0);
    assert!(trail.contains(&place), "{place} is not in {trail}");
}
