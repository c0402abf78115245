//! Kept events, emitted and subscribed to on several threads.

use std::sync::{Arc, Mutex};
use std::thread;

use slotcast::{Overflow, Queue, Signal};

/// How often each race is run.
const ROUNDS: usize = 200;

#[test]
fn no_late_comer_ends_with_an_old_value() {
    for _ in 0..ROUNDS {
        let signal = Signal::<u32>::new();
        signal.retain_last();
        let queue = Queue::new();
        let seen = Arc::new(Mutex::new(Vec::<Arc<Mutex<Vec<u32>>>>::new()));
        let place = || {
            let place = Arc::<Mutex<Vec<u32>>>::default();
            seen.lock().unwrap().push(place.clone());
            place
        };
        let mut streams = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                (1..=20).for_each(|n| _ = signal.emit(&n));
            });
            for _ in 0..8 {
                let own = place();
                signal.on(move |n| own.lock().unwrap().push(*n)).detach();
                let own = place();
                let queued = signal.subscribe();
                queued
                    .on_queue(&queue, move |(), n| own.lock().unwrap().push(*n))
                    .detach();
                streams.push(signal.stream(32, Overflow::Reject));
            }
        });
        queue.drain();
        for mut stream in streams {
            let own = place();
            while let Some(Ok(n)) = stream.try_take() {
                own.lock().unwrap().push(n);
            }
        }
        for seen in seen.lock().unwrap().iter() {
            let seen = seen.lock().unwrap();
            let first = seen.first().copied().unwrap_or(20);
            assert_eq!(*seen, (first..=20).collect::<Vec<_>>());
        }
    }
}

#[test]
fn handlers_see_what_several_threads_emit_in_one_order() {
    for _ in 0..ROUNDS {
        let signal = Signal::<(u32, u32)>::new();
        signal.retain_last();
        let seen = [(); 2].map(|()| Arc::new(Mutex::new(Vec::<(u32, u32)>::new())));
        for seen in &seen {
            let seen = seen.clone();
            signal.on(move |it| seen.lock().unwrap().push(*it)).detach();
        }
        thread::scope(|scope| {
            for thread in 0..2 {
                let signal = &signal;
                scope.spawn(move || (0..20).for_each(|n| _ = signal.emit(&(thread, n))));
            }
        });
        let [one, two] = seen.map(|seen| seen.lock().unwrap().clone());
        assert_eq!(one.len(), 40);
        assert_eq!(one, two);
        assert_eq!(one.last().copied(), signal.last());
    }
}
