//! Random programs, run on a bus and on a plain `Vec`: both have to tell the same story.
//!
//! Every handler has a script: steps that it performs when it is called, and how it ends. A story
//! is the complete sequence of calls, answers, emissions, failures and drains, and what can be asked
//! between the steps. `PROPTEST_CASES` sets how many programs there are.

mod found;
mod real;
mod reference;
mod script;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestError, TestRunner};
use slotcast::flavour::{Local, Shared};

use self::real::Either;
use self::reference::Reference;
use self::script::{Calls, End, How, Plan, Program, Script, Step, Who};

/// Few enough for every run of the tests, enough for every kind of step to be nested many times.
const CASES: u32 = if cfg!(miri) { 4 } else { 2500 };

const SCRIPTS: usize = 6;

#[test]
fn shared_bus_tells_the_story_of_the_reference() {
    compare_with_the_reference::<Shared>();
}

#[test]
fn local_bus_tells_the_story_of_the_reference() {
    compare_with_the_reference::<Local>();
}

fn compare_with_the_reference<M: Either>() {
    let mut config = Config {
        source_file: Some(file!()),
        failure_persistence: (!cfg!(miri))
            .then(|| Box::new(FileFailurePersistence::WithSource("regressions")) as _),
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let cases = config.cases;
    let seen = RefCell::new(BTreeMap::new());
    let result = TestRunner::new(config).run(&program(), |program| {
        let program = Rc::new(program);
        let expected = script::tell(&Reference::new(&program));
        let told = real::tell::<M>(&program);
        for (kind, times) in expected.seen {
            *seen.borrow_mut().entry(kind).or_insert(0) += times;
        }
        if let Some(at) =
            (0..told.len().max(expected.log.len())).find(|&at| told.get(at) != expected.log.get(at))
        {
            let same = &expected.log[at.saturating_sub(12)..at];
            return Err(TestCaseError::fail(format!(
                "after {same:#?}\nexpected {:?}\nbut saw  {:?}",
                expected.log.get(at),
                told.get(at)
            )));
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, program)) => panic!("{reason}\nin {program:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    if cases >= CASES {
        assert_nothing_is_stale(&seen.into_inner());
    }
}

/// A generator that never comes to something proves nothing about it.
fn assert_nothing_is_stale(seen: &BTreeMap<&'static str, usize>) {
    for kind in script::NESTED.iter().chain(reference::SITUATIONS) {
        let times = seen.get(kind).copied().unwrap_or(0);
        assert!(times > 0, "no program came to {kind:?}: {seen:#?}");
    }
}

fn program() -> impl Strategy<Value = Program> {
    let top = (vec(plan().prop_map(Step::On), 2..6), vec(step(), 6..24))
        .prop_map(|(first, rest)| first.into_iter().chain(rest).collect());
    (
        vec(script(), SCRIPTS),
        top,
        pick(&[(6, 128), (2, 4), (2, 3), (1, 2), (1, 1), (1, 0)]),
        any::<bool>(),
    )
        .prop_map(|(scripts, top, max_depth, contain)| Program {
            scripts,
            top,
            max_depth,
            contain,
        })
}

fn script() -> impl Strategy<Value = Script> {
    let end = pick(&[
        (8, End::Continue),
        (1, End::Stop),
        (2, End::Fail),
        (2, End::Panic),
    ]);
    (vec(step(), 0..4), end).prop_map(|(steps, end)| Script { steps, end })
}

/// One of these, by weight. What comes first is the simplest. A number under the hood: a union of
/// strategies would draw all of its members, and each from a generator of its own.
fn pick<T: Copy + std::fmt::Debug + 'static>(all: &'static [(u32, T)]) -> impl Strategy<Value = T> {
    let total = all.iter().map(|(weight, _)| weight).sum();
    (0..total).prop_map(move |mut at| {
        for (weight, one) in all {
            match at.checked_sub(*weight) {
                None => return *one,
                Some(rest) => at = rest,
            }
        }
        unreachable!("the number is below the sum of the weights")
    })
}

/// What a step is made of: a topic, a handler, a way to drain, and a handler to be.
type Parts = (usize, Who, How, Plan);
type Make = fn(Parts) -> Step;

/// What ends most of a program comes seldom.
const STEPS: &[(u32, Make)] = &[
    (1280, |it| Step::Emit(it.0)),
    (640, |it| Step::On(it.3)),
    (320, |it| Step::Cancel(it.1)),
    (160, |it| Step::CancelById(it.1)),
    (160, |it| Step::Drop(it.1)),
    (80, |it| Step::Detach(it.1)),
    (480, |it| Step::Pause(it.1)),
    (560, |it| Step::Unpause(it.1)),
    (240, |it| Step::EmitLazy(it.0)),
    (240, |it| Step::EmitAndCatch(it.0)),
    (80, |it| Step::Clear(it.0)),
    (640, |it| Step::Defer(it.0)),
    (640, |it| Step::Drain(it.2)),
    (240, |_| Step::ClearQueue),
    (240, |it| Step::ClearTopic(it.0)),
    // The last one has no handle of its own, so that closing it would only make it go.
    (144, |it| Step::Close(it.0.min(script::TOPICS.len() - 2))),
    (72, |_| Step::CloseBus),
    (72, |_| Step::CloseQueue),
];

fn step() -> impl Strategy<Value = Step> {
    let how = pick(&[
        (5, How::All),
        (5, How::One),
        (1, How::UntilIdle(0)),
        (4, How::UntilIdle(3)),
    ]);
    (pick(STEPS), topic(), who(), how, plan())
        .prop_map(|(make, topic, who, how, plan)| make((topic, who, how, plan)))
}

/// One more often than the others, so that handlers meet.
fn topic() -> impl Strategy<Value = usize> {
    pick(&[(3, 0), (2, 1), (1, 2)])
}

fn plan() -> impl Strategy<Value = Plan> {
    let priority = pick(&[(4, 0), (2, 1), (1, -1), (1, i32::MIN), (1, i32::MAX)]);
    let calls = pick(&[
        (6, Calls::Any),
        (2, Calls::Once),
        (1, Calls::Limit(0)),
        (1, Calls::Limit(1)),
        (1, Calls::Limit(2)),
    ]);
    let filter = (pick(&[(3, false), (2, true)]), 0..SCRIPTS);
    (
        topic(),
        priority,
        calls,
        0..SCRIPTS,
        filter,
        pick(&[(2, false), (1, true)]),
    )
        .prop_map(
            |(topic, priority, calls, script, (filters, filter), queued)| Plan {
                topic,
                priority,
                calls,
                script,
                filter: filters.then_some(filter),
                queued,
            },
        )
}

fn who() -> impl Strategy<Value = Who> {
    (
        pick::<fn(usize) -> Who>(&[
            (3, |_| Who::Me),
            (3, |_| Who::Next),
            (2, Who::First),
            (3, Who::Last),
        ]),
        0..6_usize,
    )
        .prop_map(|(make, n)| make(n))
}
