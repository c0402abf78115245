//! The network fails, and the server does not: what was under way arrives late, twice, or never.

use std::{thread, time::Duration};

use slotcast::{Bus, nats::Bridge};
use slotcast_nats::{Random, Relay, until};

use crate::common::{LONG, emit, listening, sending, stored, stored_in_order, with_stream};

/// What is done to the connections.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Both directions end at once.
    Off,
    /// Nothing is forwarded any more; then the client is told the end, and what it had sent arrives later, behind
    /// what it has sent by its next connection.
    Late,
    /// Nothing is forwarded for a while, and then all of it.
    Pause,
}

/// Emits through a relay which fails again and again, and looks at what arrives.
fn through(cut: Cut) {
    let (server, raw) = with_stream();
    let relay = Relay::before(server.port());
    let (there, seen) = listening();
    let reader = Bridge::to(relay.url())
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    let here = Bus::new();
    let sender = Bridge::to(relay.url()).send(stored()).start(&here).unwrap();
    let count = 6_000;
    let mut random = Random::new(u64::from(std::process::id()));
    thread::scope(|scope| {
        scope.spawn(|| {
            for part in 0..count / 50 {
                emit(&here, part * 50..part * 50 + 50);
                thread::sleep(Duration::from_millis(10));
            }
        });
        for _ in 0..8 {
            thread::sleep(Duration::from_millis(30 + random.below(100)));
            let before = relay.accepted();
            match cut {
                Cut::Off => {
                    relay.cut();
                    until("both are back", || relay.accepted() >= before + 2);
                }
                Cut::Late => {
                    relay.hold();
                    thread::sleep(Duration::from_millis(random.below(40)));
                    relay.half_close();
                    until("both are back", || relay.accepted() >= before + 2);
                    thread::sleep(Duration::from_millis(random.below(40)));
                    relay.release();
                }
                Cut::Pause => {
                    relay.hold();
                    thread::sleep(Duration::from_millis(random.below(100)));
                    relay.release();
                }
            }
        }
    });
    sender.flush(slotcast_nats::limit()).unwrap();
    seen.wait_in_order(count);
    stored_in_order(&raw, count);
    assert_eq!(
        (sender.stats().acked, reader.stats().delivered),
        (count, count)
    );
    // No connection of before is kept.
    until("two connections are left", || relay.open() <= 2);
}

#[test]
fn a_connection_that_ends() {
    through(Cut::Off);
}

#[test]
fn a_connection_whose_bytes_come_late() {
    through(Cut::Late);
}

#[test]
fn a_connection_that_stands_still_for_a_while() {
    through(Cut::Pause);
}

#[test]
fn a_connection_that_stands_still_for_ever_is_given_up() {
    let (server, raw) = with_stream();
    let relay = Relay::before(server.port());
    let (there, seen) = listening();
    let _reader = Bridge::to(relay.url())
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    let here = Bus::new();
    let sender = Bridge::to(relay.url()).send(stored()).start(&here).unwrap();
    emit(&here, 0..10);
    seen.wait_in_order(10);
    // No end is ever told: only silence.
    relay.hold();
    emit(&here, 10..20);
    sender.flush(LONG).unwrap();
    seen.wait_in_order(20);
    stored_in_order(&raw, 20);
}

#[test]
fn what_is_under_way_when_it_is_cut_is_sent_again() {
    let (server, raw) = with_stream();
    let relay = Relay::before(server.port());
    let here = Bus::new();
    let sender = Bridge::to(relay.url()).send(stored()).start(&here).unwrap();
    // The first one of a connection goes alone.
    emit(&here, 0..1);
    sender.flush(LONG).unwrap();
    // The server has them, and nobody here hears of it.
    relay.hold_down();
    emit(&here, 1..11);
    until("they are stored", || raw.count("S") == 11);
    assert_eq!((sender.stats().acked, sender.stats().waiting), (1, 10));
    relay.cut();
    sender.flush(LONG).unwrap();
    assert_eq!((sender.stats().acked, sender.stats().resent), (11, 10));
    stored_in_order(&raw, 11);
    assert_eq!(raw.count("S"), 11);
    // The server does not have them, and never will by this connection.
    relay.hold_up();
    emit(&here, 11..21);
    until("they are under way", || sender.stats().sent == 21);
    relay.cut();
    sender.flush(LONG).unwrap();
    assert_eq!((sender.stats().acked, sender.stats().resent), (21, 20));
    stored_in_order(&raw, 21);
}

#[test]
fn a_group_loses_nothing_by_it() {
    let (server, _raw) = with_stream();
    let relay = Relay::before(server.port());
    let (there, seen) = listening();
    let route = stored().shared("g").ack_wait(Duration::from_secs(1));
    let _member = Bridge::to(relay.url())
        .receive(route)
        .start(&there)
        .unwrap();
    let (here, sender) = sending(&server, stored());
    thread::scope(|scope| {
        scope.spawn(|| {
            for part in 0..40 {
                emit(&here, part * 50..part * 50 + 50);
                thread::sleep(Duration::from_millis(10));
            }
        });
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(70));
            relay.cut();
        }
    });
    sender.flush(LONG).unwrap();
    seen.wait(2_000);
    // What it has handled and could not acknowledge comes again, and it knows that.
    seen.check_each_once(2_000);
}
