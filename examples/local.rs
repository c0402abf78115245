//! The single-threaded flavour: handlers and events that are not `Send`, and handlers that
//! subscribe and cancel others, and themselves, while they run.
//!
//! A dungeon of three rooms. The hero finds a shield: a handler that runs before the one that hurts
//! the hero, and that is cancelled when the shield breaks. All state is in one plain struct, lent to
//! the handlers: no `RefCell`.
//!
//! Run it with `cargo run --example local`.

use std::rc::Rc;

use slotcast::local::{Bus, Subscription};
use slotcast::{DeferError, Flow, Topic};

/// A monster hits the hero. Not `Send`, because of the `Rc`.
struct Hit {
    by: Rc<str>,
    points: i32,
}

const ENTERED: Topic<u32> = Topic::new("room.entered");
const HIT: Topic<Hit> = Topic::new("hero.hit");

struct Game {
    health: i32,
    /// The state may own subscriptions: a handler cancels one by dropping it.
    shield: Option<Shield>,
    log: Vec<String>,
}

struct Shield {
    strength: i32,
    _handler: Subscription,
}

/// Subscribes the handler that blocks hits, ahead of the one that hurts.
fn take_shield(bus: &Bus<Game>, strength: i32) -> Shield {
    let _handler = bus
        .subscribe(&HIT)
        .priority(10)
        .on_with(|game: &mut Game, hit| {
            let Some(shield) = &mut game.shield else {
                return Flow::Continue;
            };
            shield.strength -= hit.points;
            if shield.strength <= 0 {
                // Cancels the running handler: this call completes, and there is no further one.
                game.shield = None;
            }
            game.log.push(format!("the shield stops {}", hit.by));
            Flow::Stop
        });
    Shield { strength, _handler }
}

fn main() -> Result<(), DeferError<Hit>> {
    let bus = Bus::<Game>::with_context();
    let hero: Rc<str> = "Ada".into();

    let _hurt = bus.on_with(&HIT, {
        let hero = hero.clone();
        move |game, hit| {
            game.health -= hit.points;
            game.log
                .push(format!("{} hurts {hero} by {}", hit.by, hit.points));
        }
    });
    // Captures a weak handle: a strong one would be a reference cycle.
    let own = bus.downgrade();
    let _shield = bus
        .subscribe(&ENTERED)
        .filter(|room| *room == 2)
        .on_with(move |game, _| {
            if let Some(bus) = own.upgrade() {
                game.log.push("found a shield".to_owned());
                game.shield = Some(take_shield(&bus, 5));
            }
        });

    let mut game = Game {
        health: 10,
        shield: None,
        log: Vec::new(),
    };
    let (rat, bat): (Rc<str>, Rc<str>) = ("a rat".into(), "a bat".into());
    for room in 1..=3 {
        bus.emit_with(&mut game, &ENTERED, &room);
        // Deferred, and delivered in this order once the hero has looked around.
        for (by, points) in [(rat.clone(), 2), (bat.clone(), 1)] {
            bus.defer(&HIT, Hit { by, points })?;
        }
        bus.drain_with(&mut game);
    }

    for line in &game.log {
        println!("{line}");
    }
    println!("{hero} leaves with a health of {}", game.health);
    assert_eq!(
        game.log,
        [
            "a rat hurts Ada by 2",
            "a bat hurts Ada by 1",
            "found a shield",
            "the shield stops a rat",
            "the shield stops a bat",
            "the shield stops a rat",
            "a bat hurts Ada by 1",
        ]
    );
    assert!(game.health == 6 && game.shield.is_none());
    assert_eq!(bus.signal(&HIT).len(), 1);
    Ok(())
}
