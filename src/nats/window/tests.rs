//! The bookkeeping against a server that refuses, forgets to answer, and goes; and a reader at its stream.

use std::collections::HashMap;

use super::*;
use crate::nats::memory::{Memory, Verdict};

fn entry(topic: &str, number: u64) -> Entry {
    let payload = Bytes::from(number.to_string());
    Entry::new(topic.into(), payload, Headers::new(), None)
}

fn window(limit: usize, events: u64) -> Window {
    let mut window = Window::new(limit, false);
    (0..events).for_each(|it| window.push(entry("a", it)));
    window
}

fn stored(sequence: u64) -> Answer {
    Answer::Stored {
        sequence,
        duplicate: false,
    }
}

fn hold() -> Answer {
    Answer::Hold("full".to_owned())
}

/// Position, run, and what was not acknowledged, of all that may be sent.
fn send_all(window: &mut Window) -> Vec<(u64, u32, Option<u64>)> {
    std::iter::from_fn(|| window.send_next())
        .map(|it| (it.position, it.run, it.after))
        .collect()
}

#[test]
fn no_more_are_under_way_than_the_window_holds() {
    let mut window = window(3, 5);
    assert_eq!(
        send_all(&mut window),
        [(0, 0, None), (1, 0, Some(0)), (2, 0, Some(1))]
    );
    assert!(window.answered(1, 0, &stored(2)).is_empty());
    assert!(send_all(&mut window).is_empty());
    assert_eq!(window.answered(0, 0, &stored(1)).len(), 2);
    assert_eq!(send_all(&mut window), [(3, 0, Some(2)), (4, 0, Some(3))]);
}

#[test]
fn after_a_connection_the_first_goes_alone_until_it_is_stored() {
    let mut window = window(8, 4);
    assert_eq!(send_all(&mut window).len(), 4);
    window.restart();
    assert_eq!(send_all(&mut window), [(0, 0, None)]);
    assert!(send_all(&mut window).is_empty());
    window.answered(0, 0, &stored(1));
    assert_eq!(
        send_all(&mut window),
        [(1, 0, None), (2, 0, Some(1)), (3, 0, Some(2))]
    );
}

#[test]
fn what_was_stored_before_one_that_was_refused_is_sent_again_as_another() {
    let mut window = window(8, 3);
    send_all(&mut window);
    window.answered(0, 0, &stored(1));
    window.answered(1, 0, &hold());
    assert!(window.answered(2, 0, &stored(2)).is_empty());
    assert_eq!(send_all(&mut window), [(1, 0, None)]);
    assert_eq!(window.answered(1, 0, &stored(3)).len(), 1);
    assert_eq!(send_all(&mut window), [(2, 1, None)]);
    assert!(
        window.answered(2, 0, &stored(2)).is_empty(),
        "an answer to what was sent before"
    );
    assert_eq!(window.answered(2, 1, &stored(4)).len(), 1);
    assert_eq!(window.len(), 0);
}

#[test]
fn behind_one_that_is_refused_for_good_what_names_it_is_sent_again() {
    let mut window = window(8, 3);
    send_all(&mut window);
    let left = window.answered(0, 0, &Answer::Refused("too large".to_owned()));
    assert!(left.len() == 1 && left[0].refused.is_some());
    assert_eq!(send_all(&mut window), [(1, 1, None), (2, 1, Some(1))]);
}

#[test]
fn a_stream_that_was_made_again_is_taken_as_it_is() {
    let mut window = window(8, 2);
    window.push(entry("a", 2));
    send_all(&mut window);
    window.answered(0, 0, &stored(1000));
    // Not alone, and before the last: it goes again, alone, and that is right wherever it is.
    window.answered(1, 0, &stored(1));
    assert_eq!(send_all(&mut window), [(1, 1, None)]);
    assert_eq!(window.answered(1, 1, &stored(2)).len(), 1);
    send_all(&mut window);
    assert_eq!(window.answered(2, 1, &stored(3)).len(), 1);
}

#[test]
fn only_what_was_never_sent_is_dropped_for_room() {
    let mut window = window(2, 4);
    send_all(&mut window);
    assert_eq!(window.unsent(), 2);
    assert_eq!(window.drop_oldest().map(|it| it.order), Some(2));
    assert_eq!(window.left_of(2), 2);
    assert_eq!(window.left_of(4), 3);
    window.answered(0, 0, &stored(1));
    window.answered(1, 0, &stored(2));
    let next = window.send_next().map(|it| (it.position, it.number));
    assert_eq!(next, Some((2, 2)), "numbers have no gaps");
}

#[test]
fn topics_of_a_pattern_have_numbers_and_predecessors_of_their_own() {
    let mut window = Window::new(8, true);
    for topic in ["a", "b", "a", "b", "a"] {
        window.push(entry(topic, 0));
    }
    let sent: Vec<_> = std::iter::from_fn(|| window.send_next())
        .map(|it| (it.number, it.after))
        .collect();
    assert_eq!(
        sent,
        [
            (0, None),
            (0, None),
            (1, Some(0)),
            (1, Some(0)),
            (2, Some(1))
        ]
    );
    for position in 0..5 {
        window.answered(position, 0, &stored(position + 1));
    }
    assert!(window.latest.is_some_and(|it| it.is_empty()));
}

#[test]
fn a_topic_beyond_the_limit_has_numbers_above_all_it_can_have_had() {
    let mut numbers = Numbers::default();
    let first: Arc<str> = "first".into();
    for number in 0..3 {
        assert_eq!(numbers.next(&first, true), number);
    }
    for topic in 0..MOST_TOPICS {
        numbers.next(&topic.to_string().into(), true);
    }
    assert!(numbers.of.len() <= MOST_TOPICS);
    assert!(numbers.next(&first, true) >= 3);
}

#[test]
fn what_is_forbidden_leaves_and_the_rest_goes_on() {
    let mut window = Window::new(8, true);
    for topic in ["a", "b", "a", "b"] {
        window.push(entry(topic, 0));
    }
    send_all(&mut window);
    let left = window.refuse(|it| it == "a", "no");
    assert_eq!(
        left.iter()
            .filter(|it| it.refused.as_deref() == Some("no"))
            .count(),
        1,
        "the second is behind one that waits"
    );
    let again = send_all(&mut window);
    assert_eq!(again.len(), 2);
    let mut gone = 0;
    for (sequence, (position, run, _)) in (1..).zip(again) {
        gone += window.answered(position, run, &stored(sequence)).len();
    }
    assert_eq!((gone, window.len()), (3, 0));
}

/// Numbers that look random, and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A stream that drops repeated messages.
#[derive(Default)]
struct Stream {
    events: Vec<(u64, Option<u64>, String)>,
    known: HashMap<(u64, u32), u64>,
    refuses: bool,
}

impl Stream {
    fn store(&mut self, sending: &Sending) -> Answer {
        let id = (sending.number, sending.run);
        if let Some(sequence) = self.known.get(&id) {
            return Answer::Stored {
                sequence: *sequence,
                duplicate: true,
            };
        }
        if self.refuses {
            return hold();
        }
        let text = String::from_utf8_lossy(&sending.payload).into_owned();
        self.events.push((sending.number, sending.after, text));
        let sequence = self.events.len() as u64;
        self.known.insert(id, sequence);
        stored(sequence)
    }

    /// What a reader handles that sees everything.
    fn read(&self) -> Vec<u64> {
        let mut memory = Memory::new(false);
        let is_new = |it: &&(u64, Option<u64>, String)| {
            matches!(memory.judge("origin", "a", it.0, it.1), Verdict::New(_))
        };
        self.events
            .iter()
            .filter(is_new)
            .filter_map(|(_, _, text)| text.parse().ok())
            .collect()
    }
}

#[test]
fn a_reader_has_every_event_once_and_in_order_whatever_the_server_does() {
    for seed in 0..1000 {
        let mut random = Random(seed);
        let (mut window, mut stream) = (
            Window::new(1 + random.below(16) as usize, false),
            Stream::default(),
        );
        let events = 60;
        // As for each connection: so a reader has the first number first, whatever follows.
        window.restart();
        let (mut pushed, mut steps) = (0, 0);
        // What is written and has not reached the server; and answers that have not come back.
        let mut written = VecDeque::new();
        let mut answers = VecDeque::new();
        let mut gone = 0;
        while gone < events {
            steps += 1;
            assert!(steps < 200_000, "{seed}: {gone} of {events}");
            match random.below(12) {
                0 | 1 if pushed < events => {
                    window.push(entry("a", pushed));
                    pushed += 1;
                }
                2..=4 => written.extend(window.send_next()),
                5..=7 => {
                    if let Some(sending) = written.pop_front() {
                        let answer = stream.store(&sending);
                        answers.push_back((sending.position, sending.run, answer));
                    }
                }
                8 | 9 => {
                    if let Some((position, run, answer)) = answers.pop_front() {
                        gone += window.answered(position, run, &answer).len() as u64;
                    }
                }
                10 => stream.refuses = random.below(3) == 0,
                _ if random.below(8) == 0 => {
                    // The connection is lost: answers with it, and of what was written some arrives, late.
                    answers.clear();
                    let arrives = random.below(written.len() as u64 + 1) as usize;
                    for sending in written.drain(..).take(arrives) {
                        stream.store(&sending);
                    }
                    window.restart();
                }
                _ => (),
            }
        }
        let read = stream.read();
        let all: Vec<u64> = (0..events).collect();
        assert_eq!(read, all, "seed {seed}: {:?}", stream.events);
    }
}
