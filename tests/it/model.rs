//! Random programs, run on a bus and on a plain `Vec`: both have to tell the same story.
//!
//! Every handler has a script: steps that it performs when it is called, and how it ends. A story
//! is the complete sequence of calls, answers, emissions, failures and drains, and what can be asked
//! between the steps. `PROPTEST_CASES` sets how many programs there are.

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
const CASES: u32 = if cfg!(miri) { 4 } else { 1000 };

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
        if let Some(at) = (0..told.len().max(expected.log.len()))
            .find(|&at| told.get(at) != expected.log.get(at))
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
    if cases >= 100 {
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
    let depth = prop_oneof![6 => Just(128), 6 => 1..5_usize, 1 => Just(0)];
    let top = (vec(plan().prop_map(Step::On), 2..6), vec(step(), 6..24))
        .prop_map(|(first, rest)| first.into_iter().chain(rest).collect());
    (vec(script(), SCRIPTS), top, depth, any::<bool>())
        .prop_map(|(scripts, top, max_depth, contain)| Program { scripts, top, max_depth, contain })
}

fn script() -> impl Strategy<Value = Script> {
    let end = prop_oneof![
        8 => Just(End::Continue),
        1 => Just(End::Stop),
        2 => Just(End::Fail),
        2 => Just(End::Panic),
    ];
    (vec(step(), 0..4), end).prop_map(|(steps, end)| Script { steps, end })
}

fn step() -> impl Strategy<Value = Step> {
    let topic = || 0..script::TOPICS.len();
    // The last one has no handle of its own, so that closing it would only make it go.
    let closable = 0..script::TOPICS.len() - 1;
    let how = prop_oneof![Just(How::All), Just(How::One), (0..5_usize).prop_map(How::UntilIdle)];
    let common = prop_oneof![
        8 => plan().prop_map(Step::On),
        4 => who().prop_map(Step::Cancel),
        2 => who().prop_map(Step::CancelById),
        2 => who().prop_map(Step::Drop),
        1 => who().prop_map(Step::Detach),
        4 => who().prop_map(Step::Pause),
        4 => who().prop_map(Step::Unpause),
        16 => topic().prop_map(Step::Emit),
        3 => topic().prop_map(Step::EmitLazy),
        3 => topic().prop_map(Step::EmitAndCatch),
        1 => topic().prop_map(Step::Clear),
        8 => topic().prop_map(Step::Defer),
        5 => how.prop_map(Step::Drain),
        2 => Just(Step::ClearQueue),
    ];
    // What ends most of a program comes seldom.
    prop_oneof![120 => common, 2 => closable.prop_map(Step::Close), 1 => Just(Step::CloseBus)]
}

fn plan() -> impl Strategy<Value = Plan> {
    let calls = prop_oneof![
        6 => Just(Calls::Any),
        2 => Just(Calls::Once),
        2 => (0..4_usize).prop_map(Calls::Limit),
    ];
    let priority = prop_oneof![3 => Just(0), 2 => -2..3_i32, 1 => Just(i32::MIN), 1 => Just(i32::MAX)];
    let filter = prop_oneof![3 => Just(None), 1 => (0..SCRIPTS).prop_map(Some)];
    (0..script::TOPICS.len(), priority, calls, 0..SCRIPTS, filter)
        .prop_map(|(topic, priority, calls, script, filter)| Plan { topic, priority, calls, script, filter })
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        3 => Just(Who::Me),
        2 => (0..6_usize).prop_map(Who::First),
        3 => (0..6_usize).prop_map(Who::Last),
    ]
}
