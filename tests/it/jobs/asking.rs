//! Questions: the first answer counts, silence and a timeout are told apart, in both flavours.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use slotcast::{AnyEvent, Bus, Flow, Job, JobError, Question, Queue, Signal, Topic, local};

use super::LONG;
use crate::log::{boom, panic_of};

type Ask = Question<u32, u32>;
const ASK: Topic<Ask> = Topic::new("ask.number");

fn soon(job: Job<u32>) -> Result<u32, JobError> {
    job.wait_timeout(LONG).expect("it completes")
}

#[test]
fn the_first_answer_counts_and_later_ones_are_dropped() {
    let bus = Bus::new();
    let (told, tells) = mpsc::channel();
    let _second = bus.on(&ASK, move |question| {
        assert!(!question.is_open());
        told.send(question.answer(2)).unwrap();
    });
    let _first = bus.subscribe(&ASK).priority(1).on(|question| {
        assert!(question.is_open() && question.answer(**question + 1));
    });
    assert_eq!(soon(bus.ask(&ASK, 0)), Ok(1));
    assert_eq!(tells.recv(), Ok(false));
    let stop = bus.subscribe(&ASK).priority(2).on(|question| {
        question.answer(7);
        Flow::Stop
    });
    assert_eq!(soon(bus.ask(&ASK, 0)), Ok(7));
    assert!(tells.try_recv().is_err());
    drop(stop);
}

#[test]
fn a_question_that_nobody_answers_ends_at_once_and_one_that_somebody_has_does_not() {
    let bus = Bus::new();
    assert_eq!(
        bus.ask(&ASK, 1).try_take().unwrap(),
        Err(JobError::Abandoned)
    );
    let _silent = bus.on(&ASK, |_| ());
    assert_eq!(
        bus.ask(&ASK, 1).try_take().unwrap(),
        Err(JobError::Abandoned)
    );
    let ui = Queue::new();
    let sub = bus
        .subscribe(&ASK)
        .on_queue(&ui, |(), question| _ = question.answer(**question));
    let job = bus.ask(&ASK, 1);
    let job = job
        .wait_timeout(Duration::ZERO)
        .expect_err("it waits in the queue");
    ui.drain();
    assert_eq!(soon(job), Ok(1));
    // Whoever has it goes.
    let job = bus.ask(&ASK, 1);
    drop(sub);
    ui.drain();
    assert_eq!(soon(job), Err(JobError::Abandoned));
    let _sub = bus
        .subscribe(&ASK)
        .on_queue(&ui, |(), question| _ = question.answer(**question));
    let job = bus.ask(&ASK, 1);
    drop(ui);
    assert_eq!(soon(job), Err(JobError::Abandoned));
}

#[test]
fn a_question_can_be_answered_later_on_another_thread_by_a_pattern_and_with_a_context() {
    let bus = Bus::<u32>::with_context();
    let _sub = bus.on_with(&ASK, |calls, question| {
        *calls += 1;
        let question = question.clone();
        thread::spawn(move || question.answer(*question * 2));
    });
    let mut calls = 0;
    assert_eq!(soon(bus.ask_with(&mut calls, &ASK, 4)), Ok(8));
    assert_eq!(calls, 1);
    let bus = Bus::new();
    let _sub = bus.on_pattern("ask.*", |any: &AnyEvent| {
        if let Some(question) = any.payload::<Ask>() {
            question.answer(5);
        }
    });
    assert_eq!(soon(bus.ask(&ASK, 1)), Ok(5));
    let signal = Signal::<Ask, Vec<u32>>::with_context();
    let _sub = signal.on_with(|seen, question| {
        seen.push(**question);
        question.answer(6);
    });
    let mut seen = Vec::new();
    assert_eq!(soon(signal.ask_with(&mut seen, 3)), Ok(6));
    assert_eq!(seen, [3]);
    assert_eq!(soon(Signal::<Ask>::new().ask(1)), Err(JobError::Abandoned));
}

#[test]
fn an_asker_that_gives_up_is_seen_by_whoever_would_answer() {
    let bus = Bus::new();
    let (keep, kept) = mpsc::channel();
    let _sub = bus.on(&ASK, move |question| keep.send(question.clone()).unwrap());
    let job = bus.ask(&ASK, 1);
    let question = kept.recv().unwrap();
    let (told, tells) = mpsc::channel();
    question.on_cancel(move || told.send(()).unwrap());
    assert!(question.is_open() && job.cancel());
    assert_eq!(tells.recv(), Ok(()));
    assert!(!question.is_open() && !question.answer(1));
    assert_eq!(soon(job), Err(JobError::Cancelled));
    // One that has gone without a cancel is still answered.
    drop(bus.ask(&ASK, 1));
    assert!(kept.recv().unwrap().answer(1));
}

#[test]
fn a_handler_that_fails_does_not_end_a_question() {
    let bus = Bus::builder().panics(slotcast::Panics::Contain).build();
    bus.set_error_hook(|_| ());
    let _fails = bus.on(&ASK, |_| boom("no answer"));
    let _knows = bus.on(&ASK, |question| _ = question.answer(1));
    assert_eq!(soon(bus.ask(&ASK, 1)), Ok(1));
    let bus = Bus::new();
    let _fails = bus.on(&ASK, |_| boom("no answer"));
    assert_eq!(panic_of(|| drop(bus.ask(&ASK, 1))), "no answer");
}

#[test]
fn the_local_flavour_asks_too() {
    let bus = local::Bus::new();
    // What is asked about need not be `Send`.
    let topic: Topic<Question<std::rc::Rc<str>, usize>> = Topic::new("ask.length");
    let _sub = bus.on(&topic, |text| _ = text.answer(text.len()));
    assert_eq!(bus.ask(&topic, "four".into()).wait(), Ok(4));
    let signal = local::Signal::<Ask>::new();
    assert_eq!(soon(signal.ask(1)), Err(JobError::Abandoned));
    let _sub = signal.on(|question| _ = question.answer(2));
    assert_eq!(soon(signal.ask(1)), Ok(2));
}
