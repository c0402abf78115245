//! The bookkeeping against a server that refuses, forgets to answer, and goes; and a reader at its stream.

use std::collections::HashMap;

use super::*;
use crate::nats::memory::{Memory, Verdict};

fn entry(topic: &str, number: u64) -> Entry {
    let payload = Bytes::from(number.to_string());
    Entry::new(topic.into(), payload, Arc::default(), None)
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

fn refused() -> Answer {
    Answer::Refused("too large".to_owned())
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
    assert!(send_all(&mut window).is_empty(), "one is under way");
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
    let left = window.answered(0, 0, &refused());
    assert!(left.len() == 1 && left[0].refused.is_some());
    assert!(window.answered(1, 0, &stored(1)).is_empty());
    assert!(send_all(&mut window).is_empty(), "one is under way");
    window.answered(2, 0, &refused());
    assert_eq!(send_all(&mut window), [(1, 1, None)]);
    assert_eq!(window.answered(1, 1, &stored(2)).len(), 2);
}

#[test]
fn what_is_under_way_behind_a_refusal_when_the_connection_ends_goes_as_another() {
    let mut window = window(8, 2);
    send_all(&mut window);
    window.answered(0, 0, &refused());
    // It may be stored, and names the one that is not.
    window.restart();
    assert_eq!(send_all(&mut window), [(1, 1, None)]);
}

#[test]
fn events_go_twice_at_most_however_many_are_refused() {
    let (mut window, mut sequence, mut sent) = (window(64, 1_000), 0, 0);
    while window.len() > 0 {
        for (position, run, _) in send_all(&mut window) {
            sent += 1;
            let answer = if position % 2 == 1 {
                refused()
            } else {
                sequence += 1;
                stored(sequence)
            };
            window.answered(position, run, &answer);
        }
    }
    assert!(sent <= 2_000, "{sent}");
}

#[test]
fn a_stream_that_was_made_again_is_taken_as_it_is() {
    let mut window = window(8, 2);
    window.push(entry("a", 2));
    send_all(&mut window);
    window.answered(0, 0, &stored(1000));
    // Not alone, and before the last: it goes again, alone, and that is right wherever it is.
    window.answered(1, 0, &stored(1));
    window.answered(2, 0, &stored(2));
    assert_eq!(send_all(&mut window), [(1, 1, None)]);
    assert_eq!(window.answered(1, 1, &stored(3)).len(), 1);
    send_all(&mut window);
    assert_eq!(window.answered(2, 1, &stored(4)).len(), 1);
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
    // The first of each, before anything else of it.
    assert_eq!(sent, [(0, None), (0, None)]);
    (0..2).for_each(|it| drop(window.answered(it, 0, &stored(it + 1))));
    let sent = send_all(&mut window);
    assert_eq!(sent, [(2, 0, None), (3, 0, None), (4, 0, Some(1))]);
    (2..5).for_each(|it| drop(window.answered(it, 0, &stored(it + 1))));
    assert_eq!(window.len(), 0);
}

#[test]
fn a_topic_beyond_the_limit_has_numbers_above_all_it_can_have_had() {
    let mut numbers = Numbers::new(true);
    let first: Arc<str> = "first".into();
    for number in 0..3 {
        assert_eq!(numbers.next(&first, number, 0), number);
    }
    let most = MOST_TOPICS as u64;
    for topic in 0..most {
        // The last ten are under way.
        let base = topic.saturating_sub(10);
        numbers.next(&topic.to_string().into(), topic, base);
    }
    assert!(
        numbers
            .of
            .as_ref()
            .is_some_and(|it| it.len() <= MOST_TOPICS)
    );
    assert!(numbers.next(&first, most, most) >= 3);
    let last: Arc<str> = (most - 2).to_string().into();
    assert_eq!(numbers.last(&last), Some(most - 2));
}

#[test]
fn what_is_forbidden_leaves_and_the_rest_goes_on() {
    let mut window = Window::new(8, true);
    for topic in ["a", "b", "a", "b", "a", "b"] {
        window.push(entry(topic, 0));
    }
    send_all(&mut window);
    (0..2).for_each(|it| drop(window.answered(it, 0, &stored(it + 1))));
    send_all(&mut window);
    let left = window.refuse(|it| &*it.topic == "a", "no");
    assert_eq!(
        left.iter()
            .filter(|it| it.refused.as_deref() == Some("no"))
            .count(),
        1,
        "the second is behind one that waits"
    );
    let (mut gone, mut sequence) = (0, 0);
    window.answered(3, 0, &stored(7));
    window.answered(5, 0, &stored(8));
    while window.len() > 0 {
        for (position, run, _) in send_all(&mut window) {
            sequence += 1;
            gone += window.answered(position, run, &stored(10 + sequence)).len();
        }
    }
    assert_eq!((gone, sequence), (3, 2));
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
struct Stream {
    events: Vec<(Arc<str>, u64, Option<u64>, String)>,
    known: HashMap<(Arc<str>, u64, u32), u64>,
    refuses: bool,
    /// Of each event, whether it is refused for good.
    is_bad: fn(u64) -> bool,
}

impl Stream {
    fn store(&mut self, sending: &Sending) -> Answer {
        let id = (sending.topic.clone(), sending.number, sending.run);
        if let Some(sequence) = self.known.get(&id) {
            return Answer::Stored {
                sequence: *sequence,
                duplicate: true,
            };
        }
        let event = std::str::from_utf8(&sending.payload).map(str::parse);
        if matches!(event, Ok(Ok(event)) if (self.is_bad)(event)) {
            return refused();
        }
        if self.refuses {
            return hold();
        }
        let text = String::from_utf8_lossy(&sending.payload).into_owned();
        let (topic, number) = (sending.topic.clone(), sending.number);
        self.events.push((topic, number, sending.after, text));
        let sequence = self.events.len() as u64;
        self.known.insert(id, sequence);
        stored(sequence)
    }

    /// What a reader handles of a topic that sees everything.
    fn read(&self, topic: &str) -> Vec<u64> {
        let mut memory = Memory::new(false);
        let mut all = Vec::new();
        for (of, number, after, text) in &self.events {
            let verdict = memory.judge(("origin", of), *number, *after, 0);
            if &**of == topic && matches!(verdict, Verdict::New(_)) {
                all.extend(text.parse::<u64>());
            }
        }
        all
    }
}

/// What is refused for good: nothing, now and then one, every second one.
const BAD: [fn(u64) -> bool; 3] = [|_| false, |it| it % 9 == 4, |it| it % 2 == 1];

#[test]
fn a_reader_has_every_event_once_and_in_order_whatever_the_server_does() {
    for seed in 0..1000 {
        let mut random = Random(seed);
        let (mut window, mut stream) = (
            Window::new(1 + random.below(16) as usize, seed % 2 == 0),
            Stream {
                events: Vec::new(),
                known: HashMap::new(),
                refuses: false,
                is_bad: BAD[seed as usize % BAD.len()],
            },
        );
        let events = 60;
        // Of a pattern, some topics.
        let topic = |event: u64| match seed % 2 {
            0 => ["a", "b", "c"][(event * event / 7) as usize % 3],
            _ => "a",
        };
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
                    window.push(entry(topic(pushed), pushed));
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
        for of in ["a", "b", "c"] {
            let all = (0..events).filter(|it| topic(*it) == of && !(stream.is_bad)(*it));
            assert!(
                stream.read(of).into_iter().eq(all),
                "{seed}: {:?}",
                stream.events
            );
        }
    }
}
