//! What ends together with something else, what is called in turns, and what takes another's place.

use std::sync::{Arc, Mutex};

use slotcast::{AnyEvent, FailureKind, Flow, HandlerError, ReplaceErrorKind, Topic};

use super::{Bus, Ptr, Queue, Scope, Signal, Subscription, WeakSignal};
use crate::log::{Dropped, Log, OnDrop, boom, panic_of};

/// A target that writes down what it is shown.
struct Dialog(Log, &'static str);

impl Dialog {
    fn new(log: &Log, name: &'static str) -> Ptr<Dialog> {
        Ptr::new(Dialog(log.clone(), name))
    }
    fn show(&self, n: u32) {
        self.0.add(format!("{} {n}", self.1));
    }
}

/// Any target that can be shown a name.
trait Show: Send + Sync {
    fn show_name(&self, name: &str);
}

impl Show for Dialog {
    fn show_name(&self, name: &str) {
        self.0.add(name);
    }
}

impl Drop for Dialog {
    fn drop(&mut self) {
        self.0.add(format!("drop {}", self.1));
    }
}

#[test]
fn a_weak_handler_is_called_while_its_target_lives() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let dialog = Dialog::new(&log, "dialog");
    let captured = Dropped(log.clone(), "captures");
    let sub = signal.on_weak(&dialog, move |dialog, n| {
        let _captured = &captured;
        dialog.show(*n);
    });
    assert_eq!(signal.emit(&1).ran(), 1);
    assert!(sub.is_active() && signal.len() == 1);
    assert_eq!(log.take(), ["dialog 1"]);
    drop(dialog);
    assert_eq!(log.take(), ["drop dialog"]);
    // Inactive at once, and met by nobody yet.
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(signal.emit(&2).ran(), 0);
    assert_eq!(
        log.take(),
        ["drop captures"],
        "removed by the emission that met it"
    );
    assert!(!sub.cancel());
}

#[test]
fn a_weak_handler_has_its_place_and_all_that_others_have() {
    let signal = Signal::<u32, Vec<String>>::with_context();
    let target = Ptr::new("target");
    let say = |target: &&'static str, said: &mut Vec<String>, n: &u32| {
        said.push(format!("{target} {n}"));
        Flow::Stop
    };
    let _first = signal.on_with(|said, _| said.push("first".to_owned()));
    let weak = signal
        .subscribe()
        .label("weak")
        .limit(2)
        .filter(|n| n % 2 == 0)
        .on_weak_with(&target, say);
    let _last = signal.on_with(|said, _| said.push("last".to_owned()));
    let mut said = Vec::new();
    (0..=4).for_each(|n| _ = signal.emit_with(&mut said, &n));
    assert_eq!(
        said,
        [
            "first", "target 0", "first", "last", "first", "target 2", "first", "last", "first",
            "last"
        ]
    );
    assert!(!weak.is_active());
}

#[test]
fn a_weak_target_may_be_unsized_and_a_pattern_may_have_one() {
    let (bus, log) = (Bus::new(), Log::default());
    let dialog: Ptr<dyn Show> = Dialog::new(&log, "dialog");
    let sub = bus
        .subscribe_pattern("order.*")
        .on_weak(&dialog, |dialog, event| dialog.show_name(event.topic()));
    let held = bus.signal(&Topic::<u32>::new("order.placed"));
    assert_eq!(held.emit(&1).ran(), 1);
    assert_eq!(bus.emit(&Topic::new("order.paid"), &"cash").ran(), 1);
    assert_eq!(log.take(), ["order.placed", "order.paid"]);
    drop(dialog);
    assert!(!sub.is_active());
    log.take();
    assert_eq!(bus.emit(&Topic::new("order.paid"), &"cash").ran(), 0);
    assert_eq!(held.emit(&1).ran(), 0);
    // Gone for good, for the topics that exist too.
    assert!(!sub.cancel());
}

#[test]
fn a_target_that_dies_during_its_call_is_seen_to_the_end() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let dialog = Dialog::new(&log, "dialog");
    let shelf = Arc::new(Mutex::new(Some(dialog.clone())));
    let captured = Dropped(log.clone(), "captures");
    let _sub = signal.on_weak(&dialog, {
        let shelf = shelf.clone();
        move |dialog, n| {
            let _captured = &captured;
            drop(shelf.lock().unwrap().take());
            dialog.show(*n);
        }
    });
    drop(dialog);
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["dialog 1", "drop dialog"]);
    assert_eq!(signal.emit(&2).ran(), 0);
    assert_eq!(log.take(), ["drop captures"]);
}

#[test]
fn the_drop_of_a_target_may_use_the_signal_and_may_fail() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    for handler_panics in [false, true] {
        let own: WeakSignal<u32> = signal.downgrade();
        let dies = Ptr::new(OnDrop({
            let log = log.clone();
            move || {
                let signal = own.upgrade().unwrap();
                let _late = signal.on(|_| ());
                log.add(format!("{} left", signal.len()));
                boom("in the drop")
            }
        }));
        let shelf = Arc::new(Mutex::new(Some(dies.clone())));
        let _sub = signal.on_weak(&dies, move |_, _| {
            drop(shelf.lock().unwrap().take());
            if handler_panics {
                boom("in the handler");
            }
        });
        let _after = signal.on({
            let log = log.clone();
            move |_| log.add("after")
        });
        drop(dies);
        let first = panic_of(|| signal.emit(&1));
        assert_eq!(
            first, "in the drop",
            "which came first, when the call unwound"
        );
        assert_eq!(log.take(), ["2 left", "after"]);
        signal.clear();
    }
}

#[test]
fn a_dead_target_is_asked_for_before_pauses_and_filters() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let dialog = Dialog::new(&log, "dialog");
    let sub = signal
        .subscribe()
        .filter({
            let log = log.clone();
            move |_| {
                log.add("filter");
                true
            }
        })
        .on_weak(&dialog, |dialog, n| dialog.show(*n));
    let pause = sub.pause();
    drop(dialog);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(log.take(), ["drop dialog"]);
    drop(pause);
    assert!(!sub.cancel(), "removed although it was paused");
}

#[test]
fn a_target_that_its_own_filter_ends_is_not_called() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let dialog = Dialog::new(&log, "dialog");
    let shelf = Arc::new(Mutex::new(Some(dialog.clone())));
    let sub = signal
        .subscribe()
        .filter(move |_| {
            drop(shelf.lock().unwrap().take());
            true
        })
        .on_weak(&dialog, |dialog, n| dialog.show(*n));
    drop(dialog);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(log.take(), ["drop dialog"]);
    assert!(!sub.is_active() && !sub.cancel());
}

#[test]
fn dead_targets_do_not_keep_their_topic() {
    let bus = Bus::new();
    let target = Ptr::new(0);
    let topic = Topic::<u32>::new("tick");
    bus.on_weak(&topic, &target, |_, _| ()).detach();
    drop(target);
    assert_eq!(bus.emit(&topic, &1).ran(), 0);
    assert!(bus.topics().is_empty());
}

#[test]
fn a_scope_cancels_what_it_has_in_order() {
    let (bus, log) = (Bus::new(), Log::default());
    let (a, b) = (Topic::<u32>::new("a"), Topic::<String>::new("b"));
    let mut scope = Scope::new();
    assert!(scope.is_empty());
    for name in ["one", "two", "three"] {
        let captured = Dropped(log.clone(), name);
        scope.add(bus.on(&a, move |_| _ = &captured));
    }
    let captured = Dropped(log.clone(), "four");
    scope.extend([bus.once(&b, move |_| drop(captured))]);
    assert_eq!((scope.len(), bus.emit(&a, &1).ran()), (4, 3));
    bus.emit(&b, &String::new());
    assert_eq!(log.take(), ["drop four"]);
    assert_eq!(scope.len(), 3, "the spent one is not counted");
    assert_eq!(scope.clear(), 3);
    assert_eq!(log.take(), ["drop one", "drop two", "drop three"]);
    assert!(scope.is_empty() && bus.topics().is_empty());
    scope.add(bus.on(&a, |_| ()));
    drop(scope);
    assert_eq!(bus.emit(&a, &1).ran(), 0);
}

#[test]
fn a_panic_in_a_drop_keeps_no_other_from_being_cancelled() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let mut scope = Scope::default();
    let captured = OnDrop(|| boom("captures"));
    scope.add(signal.on(move |_| _ = &captured));
    let captured = Dropped(log.clone(), "second");
    scope.add(signal.on(move |_| _ = &captured));
    drop(scope);
    assert_eq!(log.take(), ["drop second"]);
    assert!(signal.is_empty());
}

#[test]
fn a_scope_may_be_dropped_by_a_handler_of_its_own() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(Scope::new()));
    for name in ["one", "two"] {
        let sub = signal.on({
            let (shelf, log) = (Arc::downgrade(&shelf), log.clone());
            move |_| {
                log.add(name);
                let shelf = shelf.upgrade().unwrap();
                let scope = std::mem::take(&mut *shelf.lock().unwrap());
                drop(scope);
            }
        });
        shelf.lock().unwrap().add(sub);
    }
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["one"]);
}

#[test]
fn pruning_leaves_queued_calls_alone() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let mut scope = Scope::new();
    let sub = signal.subscribe().limit(1).on_queue(&queue, {
        let log = log.clone();
        move |(), n| log.add(n)
    });
    scope.add(sub);
    signal.emit(&7);
    // Spent, and its call waits: more subscriptions come, and make room.
    scope.extend((0..100).map(|_| signal.on(|_| ())));
    queue.drain();
    assert_eq!(log.take(), ["7"]);
}

#[test]
fn on_mut_changes_what_it_captured() {
    let signal = Signal::<u32, Vec<u32>>::with_context();
    let (mut total, mut calls) = (0, 0);
    let _sum = signal.on_mut_with(move |sums, n| {
        total += n;
        sums.push(total);
    });
    let _third = signal.on_mut(move |_| {
        calls += 1;
        if calls == 3 {
            Err("the third call")
        } else {
            Ok(())
        }
    });
    let mut sums = Vec::new();
    let errors = [1, 2, 3].map(|n| signal.emit_with(&mut sums, &n).errors().len());
    assert_eq!((sums, errors), (vec![1, 3, 6], [0, 0, 1]));
}

#[test]
fn on_mut_entered_from_its_own_call_is_a_failure_and_no_deadlock() {
    const A: Topic<u32> = Topic::new("a");
    const B: Topic<u32> = Topic::new("b");
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error: &HandlerError| log.add(format!("{:?} {}", error.kind(), error.topic()))
    });
    let (weak, mut calls) = (bus.downgrade(), 0);
    let sub = bus.subscribe(&A).label("counter").on_mut({
        let log = log.clone();
        move |n| {
            calls += 1;
            log.add(format!("call {calls} begins"));
            if *n > 0 {
                weak.upgrade().unwrap().emit(&B, n);
            }
            log.add(format!("call {calls} ends"));
        }
    });
    let weak = bus.downgrade();
    let _echo = bus.on(&B, {
        let log = log.clone();
        move |n| {
            let done = weak.upgrade().unwrap().emit(&A, n);
            let error = &done.errors()[0];
            assert_eq!((done.ran(), error.kind()), (0, FailureKind::Reentered));
            assert_eq!(error.label(), Some("counter"));
            assert!(
                error
                    .to_string()
                    .contains("entered again from its own call"),
                "{error}"
            );
            log.add("refused");
        }
    });
    let done = bus.emit(&A, &1);
    assert_eq!(
        (done.ran(), done.errors().len()),
        (1, 0),
        "told once, by the inner one"
    );
    let all = ["call 1 begins", "Reentered a", "refused", "call 1 ends"];
    assert_eq!(log.take(), all);
    assert_eq!(bus.emit(&A, &0).ran(), 1);
    assert_eq!(log.take(), ["call 2 begins", "call 2 ends"]);
    drop(sub);
}

#[test]
fn a_panic_ends_the_turn_and_poisons_nothing() {
    let signal = Signal::<u32>::new();
    let mut calls = 0;
    let log = Log::default();
    let _sub = signal.on_mut({
        let log = log.clone();
        move |n| {
            calls += 1;
            if *n == 0 {
                boom("zero");
            }
            log.add(calls);
        }
    });
    assert_eq!(panic_of(|| signal.emit(&0)), "zero");
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["2"]);
}

#[test]
fn on_mut_may_cancel_itself_and_spends_its_limit() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let captured = Dropped(log.clone(), "captures");
    let sub = signal.subscribe().limit(3).on_mut({
        let shelf = shelf.clone();
        let mut calls = 0;
        move |n| {
            let _captured = &captured;
            calls += n;
            assert_eq!(calls, 1);
            drop(shelf.lock().unwrap().take());
        }
    });
    *shelf.lock().unwrap() = Some(sub);
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["drop captures"]);
    let sub = signal.subscribe().limit(1).on_mut(|_| ());
    assert_eq!((signal.emit(&1).ran(), signal.emit(&1).ran()), (1, 0));
    assert!(!sub.is_active());
}

#[test]
fn forwarding_ends_when_either_end_goes() {
    let log = Log::default();
    let made = |name: &'static str| {
        let signal = Signal::<u32>::new();
        let log = log.clone();
        signal.on(move |n| log.add(format!("{name} {n}"))).detach();
        signal
    };
    for end in [
        "source",
        "target",
        "source closed",
        "target closed",
        "cancel",
    ] {
        let (source, target) = (made("source"), made("target"));
        let sub = source.forward_to(&target);
        assert_eq!(source.emit(&1).ran(), 2);
        assert_eq!(log.take(), ["source 1", "target 1"]);
        assert_eq!((source.len(), target.len()), (2, 1));
        match end {
            "source" => drop(source),
            "target" => {
                drop(target);
                assert_eq!((source.emit(&2).ran(), source.len()), (1, 1));
            }
            "source closed" => source.close(),
            "target closed" => {
                target.close();
                assert_eq!(source.len(), 1);
                assert_eq!(source.emit(&2).ran(), 1);
            }
            _ => assert!(sub.cancel()),
        }
        assert!(!sub.is_active(), "{end}");
        log.take();
    }
}

#[test]
fn what_is_forwarded_is_an_emission_of_its_own() {
    let (log, source) = (Log::default(), Signal::<u32, u32>::with_context());
    let bus = Bus::<u32>::with_context();
    let target = bus.signal(&Topic::<u32>::new("target"));
    bus.set_error_hook({
        let log = log.clone();
        move |error: &HandlerError| log.add(error.topic())
    });
    let _sub = source.subscribe().filter(|n| *n > 0).forward_to(&target);
    let _after = source.on_with(|calls, _| *calls += 100);
    let _fails = target.on_with(|calls, _| {
        *calls += 1;
        Err::<(), _>("disk full")
    });
    let _stops = target.on_with(|calls, _| {
        *calls += 10;
        Flow::Stop
    });
    let mut calls = 0;
    let done = source.emit_with(&mut calls, &1);
    assert_eq!(
        (done.ran(), done.stopped(), done.errors().len()),
        (2, false, 0)
    );
    assert_eq!((calls, log.take()), (111, vec!["target".to_owned()]));
    source.emit_with(&mut calls, &0);
    assert_eq!(calls, 211, "filtered");
    let _panics = target.subscribe().priority(1).on(|_| boom("inside"));
    assert_eq!(panic_of(|| source.emit_with(&mut calls, &1)), "inside");
    assert_eq!(
        log.take(),
        ["target", "target"],
        "each told once, by the inner emission"
    );
}

#[test]
fn forwarding_in_a_circle_meets_the_limit_of_nesting() {
    let (bus, log) = (Bus::builder().max_depth(8).build(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error: &HandlerError| log.add(format!("{:?}", error.kind()))
    });
    let (a, b) = (Topic::<u32>::new("a"), Topic::<u32>::new("b"));
    let (a, b) = (bus.signal(&a), bus.signal(&b));
    let _there = a.forward_to(&b);
    let _back = b.forward_to(&a);
    assert_eq!(a.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["TooDeep"]);
    let _itself = a.forward_to(&a);
    drop(_there);
    assert_eq!(a.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["TooDeep"]);
}

/// A handler that writes its name down, and when it is dropped.
fn saying(log: &Log, name: &'static str) -> impl Fn(&u32) + Send + Sync + 'static {
    let captured = Dropped(log.clone(), name);
    move |n| captured.0.add(format!("{} {n}", captured.1))
}

#[test]
fn a_replaced_handler_keeps_its_place_and_its_subscription() {
    const TICK: Topic<u32> = Topic::new("tick");
    let (bus, log) = (Bus::new(), Log::default());
    let _first = bus.on(&TICK, saying(&log, "first"));
    let sub = bus
        .subscribe(&TICK)
        .label("second")
        .priority(0)
        .on(saying(&log, "old"));
    let _third = bus.on(&TICK, saying(&log, "third"));
    let (id, before) = (sub.id(), format!("{sub:?}"));
    bus.emit(&TICK, &1);
    assert_eq!(log.take(), ["first 1", "old 1", "third 1"]);
    sub.replace(saying(&log, "new")).unwrap();
    assert_eq!(log.take(), ["drop old"], "at once, when nothing runs");
    assert_eq!(bus.emit(&TICK, &2).ran(), 3);
    assert_eq!(log.take(), ["first 2", "new 2", "third 2"]);
    assert_eq!((sub.id(), format!("{sub:?}")), (id, before));
    assert_eq!(bus.signal(&TICK).len(), 3);
    // Again, and again.
    sub.replace(saying(&log, "newer")).unwrap();
    let line = line!() + 1;
    sub.replace(|_: &u32| Err::<(), _>("failed")).unwrap();
    assert_eq!(log.take(), ["drop new", "drop newer"]);
    let done = bus.emit(&TICK, &3);
    let error = &done.errors()[0];
    assert_eq!(
        (error.label(), error.place().line()),
        (Some("second"), line)
    );
    assert_eq!(log.take(), ["first 3", "third 3"]);
    // The id leads to it.
    sub.replace(saying(&log, "last")).unwrap();
    assert!(bus.cancel(id) && !sub.is_active());
    assert_eq!(log.take(), ["drop last"]);
    let error = sub.replace(saying(&log, "late")).unwrap_err();
    assert_eq!(error.kind(), ReplaceErrorKind::Inactive);
    error.into_handler()(&7);
    assert_eq!(log.take(), ["late 7", "drop late"]);
}

#[test]
fn a_replaced_handler_keeps_filter_limit_and_pauses() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let in_filter = Dropped(log.clone(), "filter");
    let sub = signal
        .subscribe()
        .limit(3)
        .filter(move |n| {
            let _in_filter = &in_filter;
            n % 2 == 0
        })
        .on(saying(&log, "old"));
    let pause = sub.pause();
    sub.replace(saying(&log, "new")).unwrap();
    assert_eq!(log.take(), ["drop old"], "and not the filter");
    assert!(sub.is_paused());
    assert_eq!(signal.emit(&2).ran(), 0);
    drop(pause);
    let second = sub.pause();
    assert_eq!(signal.emit(&2).ran(), 0);
    drop(second);
    assert_eq!((signal.emit(&3).ran(), signal.emit(&4).ran()), (0, 1));
    sub.replace(saying(&log, "newer")).unwrap();
    assert_eq!(log.take(), ["new 4", "drop new"]);
    assert_eq!((signal.emit(&6).ran(), sub.is_active()), (1, true));
    sub.replace(saying(&log, "newest")).unwrap();
    log.take();
    assert_eq!(
        (signal.emit(&8).ran(), sub.is_active()),
        (1, false),
        "the third of three"
    );
    assert_eq!(log.take(), ["newest 8", "drop newest", "drop filter"]);
    assert_eq!(signal.emit(&10).ran(), 0);
}

#[test]
fn a_handler_may_replace_itself_and_others_during_an_emission() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(Vec::<Subscription>::new()));
    let own = signal.on({
        let (shelf, log, own) = (shelf.clone(), log.clone(), signal.downgrade());
        let captured = Dropped(log.clone(), "old");
        move |n| {
            let captured = &captured;
            let subs = shelf.lock().unwrap();
            subs[0].replace(saying(&log, "new")).unwrap();
            subs[1].replace(saying(&log, "neighbour")).unwrap();
            drop(subs);
            log.add(format!("{} {n}", captured.1));
            if *n == 1 {
                own.upgrade().unwrap().emit(&2);
            }
        }
    });
    let neighbour = signal.on(|_| unreachable!("replaced before its turn"));
    shelf.lock().unwrap().extend([own, neighbour]);
    assert_eq!(signal.emit(&1).ran(), 2);
    assert_eq!(
        log.take(),
        ["old 1", "new 2", "neighbour 2", "neighbour 1", "drop old"],
        "nested ones and the rest of this one call the new"
    );
    shelf.lock().unwrap().clear();
    assert_eq!(log.take(), ["drop new", "drop neighbour"]);
}

#[test]
fn a_handler_replaced_and_removed_during_an_emission_is_not_called() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let _first = signal.on({
        let (shelf, log) = (shelf.clone(), log.clone());
        move |_| {
            if let Some(sub) = shelf.lock().unwrap().take() {
                sub.replace(saying(&log, "new")).unwrap();
            }
        }
    });
    *shelf.lock().unwrap() = Some(signal.on(saying(&log, "old")));
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["drop new", "drop old"]);
    // Closed: the emission sees that, too.
    let weak = signal.downgrade();
    *shelf.lock().unwrap() = Some(signal.on(saying(&log, "old")));
    let _closes = signal.subscribe().priority(1).on({
        let (shelf, log) = (shelf.clone(), log.clone());
        move |_| {
            let shelf = shelf.lock().unwrap();
            shelf
                .as_ref()
                .unwrap()
                .replace(saying(&log, "new"))
                .unwrap();
            weak.upgrade().unwrap().close();
        }
    });
    assert!(signal.emit(&1).is_closed());
    assert!(!shelf.lock().unwrap().as_ref().unwrap().is_active());
    assert_eq!(log.take(), ["drop new", "drop old"]);
}

#[test]
fn a_handler_that_its_own_filter_replaces_is_not_called() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let sub = signal
        .subscribe()
        .limit(3)
        .filter({
            let (shelf, log) = (shelf.clone(), log.clone());
            move |n| {
                log.add("filter");
                if *n < 3 {
                    let name = ["one", "two", "three"][*n as usize];
                    let sub = shelf.lock().unwrap();
                    sub.as_ref().unwrap().replace(saying(&log, name)).unwrap();
                }
                true
            }
        })
        .on(saying(&log, "none"));
    *shelf.lock().unwrap() = Some(sub);
    for (n, last) in [(0, "drop none"), (1, "drop one")] {
        assert_eq!(signal.emit(&n).ran(), 1);
        let called = format!("{} {n}", ["one", "two"][n as usize]);
        assert_eq!(log.take(), ["filter", &called, last]);
    }
    // The last of the limit is made as well.
    assert_eq!(signal.emit(&2).ran(), 1);
    let said = log.take();
    assert_eq!(said[..2], ["filter", "three 2"]);
    assert!(
        said[2..].contains(&"drop two".to_owned()) && said[2..].contains(&"drop three".to_owned())
    );
    assert_eq!((signal.emit(&3).ran(), signal.len()), (0, 0));
}

#[test]
fn every_kind_of_handler_may_be_replaced_but_a_queued_one() {
    let signal = Signal::<u32, Vec<u32>>::with_context();
    let (queue, target) = (Queue::<()>::with_context(), Ptr::new(()));
    let mut calls = 0;
    let mut subs: Vec<Subscription> = vec![
        signal.once(|_| ()),
        signal.once_with(|_, _| ()),
        signal.on_mut(move |n| {
            calls += n;
            assert_eq!(calls, 0, "replaced before its first call");
        }),
        signal.on_weak(&target, |(), _| ()),
        signal.forward_to(&Signal::with_context()),
    ];
    let forward = subs.pop().unwrap();
    assert!(!forward.is_active(), "its target has gone");
    for (n, sub) in (10..).zip(&subs) {
        sub.replace_with(move |seen: &mut Vec<u32>, _: &u32| seen.push(n))
            .unwrap();
    }
    drop(target);
    assert!(
        subs[3].is_active() && signal.len() == 4,
        "its target matters no more"
    );
    let mut seen = Vec::new();
    (0..2).for_each(|n| _ = signal.emit_with(&mut seen, &n));
    assert_eq!(
        seen,
        [10, 11, 12, 13, 12, 13],
        "those that were called once have one call"
    );
    let waits = signal.subscribe().on_queue(&queue, |(), _| ());
    let kinds = [
        forward.replace(|_: &u32| ()).unwrap_err().kind(),
        waits.replace(|_: &u32| ()).unwrap_err().kind(),
        subs[2].replace(|_: &i32| ()).unwrap_err().kind(),
        subs[2]
            .replace_with(|(): &mut (), _: &u32| ())
            .unwrap_err()
            .kind(),
    ];
    let wrong = ReplaceErrorKind::WrongType;
    let (inactive, queued) = (ReplaceErrorKind::Inactive, ReplaceErrorKind::Queued);
    assert_eq!(kinds, [inactive, queued, wrong, wrong]);
}

#[test]
fn a_handler_of_a_pattern_may_be_replaced() {
    let (bus, log) = (Bus::new(), Log::default());
    let held = bus.signal(&Topic::<u32>::new("order.placed"));
    let sub = bus.on_pattern("order.*", |_| ());
    let _last = held.on(saying(&log, "last"));
    held.emit(&1);
    sub.replace({
        let log = log.clone();
        move |event: &AnyEvent| log.add(event.topic())
    })
    .unwrap();
    assert_eq!(held.emit(&2).ran(), 2);
    assert_eq!(bus.emit(&Topic::new("order.paid"), &"cash").ran(), 1);
    assert_eq!(
        log.take(),
        ["last 1", "order.placed", "last 2", "order.paid"]
    );
    assert!(sub.cancel());
    assert_eq!(held.emit(&3).ran(), 1);
}

#[test]
fn the_drop_of_what_was_replaced_may_use_the_signal_and_may_fail() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let weak = signal.downgrade();
    let captured = OnDrop({
        let log = log.clone();
        move || {
            log.add(format!("ran {}", weak.upgrade().unwrap().emit(&1).ran()));
            boom("in the drop")
        }
    });
    let sub = signal.on(move |_| _ = &captured);
    sub.replace(saying(&log, "new")).unwrap();
    assert_eq!(log.take(), ["new 1", "ran 1"]);
    assert!(sub.cancel());
    assert_eq!(log.take(), ["drop new"]);
}
