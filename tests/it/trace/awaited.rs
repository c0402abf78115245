//! Awaited emissions, and what async handlers start: the spans cover what comes after an `.await`.

use std::sync::mpsc::channel;

use super::*;
use crate::gate::{Gate, block_on, poll};

/// A bus with an async handler that waits for the gate and emits, one that stops, and a plain one.
fn awaited(bus: &Bus, gate: &Gate) -> [slotcast::Subscription; 4] {
    let (own, gate) = (bus.downgrade(), gate.clone());
    [
        bus.subscribe(&PLACED).label("ships").on_async(move |n| {
            let (own, gate) = (own.clone(), gate.clone());
            async move {
                gate.await;
                own.upgrade().unwrap().emit(&SHIPPED, &n);
            }
        }),
        bus.on(&PLACED, |_| ()),
        bus.subscribe(&PLACED)
            .label("stops")
            .on_async(async |_| Flow::Stop),
        bus.on(&SHIPPED, |_| ()),
    ]
}

#[test]
fn an_awaited_emission_has_one_span_and_each_future_one_inside_of_it() {
    let told = told(|| {
        let (bus, gate) = (Bus::new(), Gate::default());
        let _subs = awaited(&bus, &gate);
        let mut emission = bus.emit_async(&PLACED, 1);
        assert!(poll(&mut emission).is_pending());
        bus.emit(&SHIPPED, &2);
        gate.open();
        assert!(poll(&mut emission).is_ready());
        bus.emit(&SHIPPED, &3);
    });
    assert_eq!(
        told,
        [
            "1: emission topic=\"order.placed\"",
            "2: call in 1 topic=\"order.placed\" label=\"ships\"",
            "3: call in 1 topic=\"order.placed\" label=\"stops\"",
            "3: closed",
            "4: emission topic=\"order.shipped\"",
            "4: ran=1",
            "4: closed",
            "5: emission in 2 topic=\"order.shipped\"",
            "5: ran=1",
            "5: closed",
            "2: closed",
            "1: ran=3",
            "1: stopped=true",
            "1: closed",
            "6: emission topic=\"order.shipped\"",
            "6: ran=1",
            "6: closed",
        ]
    );
}

#[test]
fn an_emission_that_is_awaited_in_order_has_one_span_too() {
    let told = told(|| {
        let (bus, gate) = (Bus::new(), Gate::default());
        let _subs = awaited(&bus, &gate);
        let mut emission = bus.emit_async(&PLACED, 1).in_order();
        assert!(poll(&mut emission).is_pending());
        bus.emit(&SHIPPED, &2);
        gate.open();
        assert!(poll(&mut emission).is_ready());
    });
    assert_eq!(
        told,
        [
            "1: emission topic=\"order.placed\"",
            "2: call in 1 topic=\"order.placed\" label=\"ships\"",
            "3: emission topic=\"order.shipped\"",
            "3: ran=1",
            "3: closed",
            "4: emission in 2 topic=\"order.shipped\"",
            "4: ran=1",
            "4: closed",
            "2: closed",
            "5: call in 1 topic=\"order.placed\" label=\"stops\"",
            "5: closed",
            "1: ran=3",
            "1: stopped=true",
            "1: closed",
        ]
    );
}

#[test]
fn what_an_executor_polls_is_in_the_span_of_its_handler() {
    let told = told(|| {
        let (sender, tasks) = channel::<Box<dyn FnOnce() + Send>>();
        let executor = move |task| sender.send(task).unwrap();
        let (bus, gate) = (Bus::builder().executor(executor).build(), Gate::default());
        let [_ships, _, _stops, _shipped] = awaited(&bus, &gate);
        drop(_stops);
        bus.emit(&PLACED, &1);
        tasks.try_iter().for_each(|task| task());
        gate.open();
        tasks.try_iter().for_each(|task| task());
    });
    assert_eq!(
        told,
        [
            "1: emission topic=\"order.placed\"",
            "2: call in 1 topic=\"order.placed\" label=\"ships\"",
            "1: ran=1",
            "1: closed",
            "3: emission in 2 topic=\"order.shipped\"",
            "3: ran=1",
            "3: closed",
            "2: closed",
        ]
    );
}

#[test]
fn an_awaited_emission_without_handlers_has_no_span() {
    let told = told(|| {
        let signal = Signal::<u32>::new();
        block_on(signal.emit_async(1));
        block_on(signal.emit_async(1).in_order());
    });
    assert!(told.is_empty(), "{told:?}");
}

/// At each of its calls.
#[test]
fn a_subscriber_that_panics_keeps_no_awaited_emission_from_completing() {
    for n in 0.. {
        let (log, calls) = (Log::default(), Arc::new(AtomicUsize::new(0)));
        let meddle = {
            let calls = calls.clone();
            move || {
                if calls.fetch_add(1, Relaxed) == n {
                    boom("subscriber");
                }
            }
        };
        with_default(Teller::meddling(&log, meddle), || {
            let (bus, gate) = (Bus::new(), Gate::default());
            let _subs = awaited(&bus, &gate);
            gate.open();
            for emission in [
                bus.emit_async(&PLACED, 1),
                bus.emit_async(&PLACED, 1).in_order(),
            ] {
                assert_eq!(block_on(emission).ran(), 3);
            }
        });
        if calls.load(Relaxed) <= n {
            assert!(n > 20, "{n}");
            break;
        }
    }
}
