//! A game loop with a fixed time step: the loop owns the clock, and events are delivered in steps only.
//!
//! Input comes from another thread; of a hundred mouse moves in a frame only the last is kept. Delayed
//! events (a bomb, a spawn) are due by the game's own clock, so that a run can be repeated, paused or
//! accelerated. Expensive work runs within the time left in the frame.
//!
//! Run it with `cargo run --example game_loop`.

use std::time::{Duration, Instant};

use slotcast::{Bus, Queue, Topic};

/// The mouse, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moved {
    x: u32,
    y: u32,
}

const MOVED: Topic<Moved> = Topic::new("mouse.moved");
const SHOT: Topic<u32> = Topic::new("player.shot");
const EXPLODED: Topic<u32> = Topic::new("bomb.exploded");
const CHUNK: Topic<u32> = Topic::new("world.chunk");

const STEP: Duration = Duration::from_millis(16);

/// The state that handlers change. Owned by the loop, which lends it to each drain.
#[derive(Debug, Default)]
struct Game {
    aim: Option<Moved>,
    moves: usize,
    shots: usize,
    exploded: Vec<(u32, u32)>,
    frame: u32,
    chunks: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::<Game>::with_context();
    let _aim = bus.on_with(&MOVED, |game, at| {
        game.aim = Some(*at);
        game.moves += 1;
    });
    let _shot = bus.on_with(&SHOT, |game, _| game.shots += 1);
    let _boom = bus.on_with(&EXPLODED, |game, bomb| {
        game.exploded.push((*bomb, game.frame))
    });

    // Low-priority work: has its own queue, which is drained in the time left in a frame.
    let background = Queue::<Game>::with_context();
    let _chunks = bus
        .subscribe(&CHUNK)
        .on_queue(&background, |game: &mut Game, _| game.chunks += 1);

    // The simulated clock advances by one step for each frame, independent of the real time.
    let mut clock = Instant::now();
    // Two bombs, with deadlines in simulated time. The second one is defused.
    let bombs = bus.signal(&EXPLODED);
    let _first = bus.queue().defer_at(clock + 2 * STEP, &bombs, 1)?;
    let second = bus.queue().defer_at(clock + 3 * STEP, &bombs, 2)?;

    let mut game = Game::default();
    for frame in 0..6 {
        game.frame = frame;
        std::thread::scope(|scope| {
            // An input device that is faster than the frame rate.
            scope.spawn(|| -> Result<(), slotcast::DeferErrorKind> {
                for x in 0..100 {
                    let at = Moved { x, y: 10 * frame };
                    bus.defer_latest(&MOVED, at)
                        .map_err(|refused| refused.kind())?;
                }
                bus.defer(&SHOT, frame).map_err(|refused| refused.kind())
            });
        });
        if frame == 2 {
            assert!(second.cancel());
        }
        (0..50).for_each(|chunk| {
            bus.emit_with(&mut game, &CHUNK, &chunk);
        });

        // Delivers everything that is due by the game's clock.
        bus.queue().drain_at_with(&mut game, clock);
        // Delivers as much low-priority work as fits; the rest stays queued, in order.
        background.drain_for_with(&mut game, Duration::from_millis(2));
        println!(
            "frame {frame}: {} moves, aim {:?}, {} chunks",
            game.moves, game.aim, game.chunks
        );
        clock += STEP;
    }
    background.drain_with(&mut game);

    assert_eq!(game.aim, Some(Moved { x: 99, y: 50 }));
    // 600 were deferred, one was delivered in each frame.
    assert_eq!((game.moves, game.shots, game.chunks), (6, 6, 300));
    assert_eq!(game.exploded, [(1, 2)]);
    println!("bomb 1 exploded in frame 2");
    Ok(())
}
