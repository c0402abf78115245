//! A terminal program: keys, resizes, a clock and the progress of worker threads, all as events in
//! one queue that the main thread drains with its own `&mut App`.
//!
//! Run it with `cargo run --example terminal` and press `q` to quit, `+` to start one more worker.
//! Without a terminal it plays a short script, and prints the last frame.

use std::io::IsTerminal as _;
use std::thread;
use std::time::{Duration, Instant};

use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind};
use ratatui::layout::{Constraint, Layout};
use ratatui::widgets::{Block, Gauge, Paragraph};
use ratatui::{Frame, Terminal};
use slotcast::{Bus, DeferErrorKind, Topic};

const KEY: Topic<char> = Topic::new("input.key");
const RESIZED: Topic<(u16, u16)> = Topic::new("input.resized");
const SECOND: Topic<()> = Topic::new("clock.second");
const PROGRESS: Topic<Progress> = Topic::new("work.progress");

#[derive(Clone, Copy)]
struct Progress {
    worker: usize,
    percent: u16,
}

/// The state. Only the main thread has it: handlers change it, `draw` shows it.
#[derive(Default)]
struct App {
    typed: String,
    size: (u16, u16),
    seconds: u32,
    workers: Vec<u16>,
    quit: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::<App>::with_context();
    subscribe(&bus);
    let mut app = App::default();
    start_worker(&bus, &mut app);
    tick(&bus, &mut app);
    if std::io::stdout().is_terminal() {
        let input = bus.clone();
        // Reading blocks, so it has a thread of its own, which ends with the program.
        thread::spawn(move || read_input(&input));
        let mut terminal = ratatui::try_init()?;
        bus.defer_latest(&RESIZED, ratatui::crossterm::terminal::size()?)?;
        let result = run(&bus, &mut app, |app| {
            terminal.draw(|frame| draw(frame, app)).map(drop)
        });
        ratatui::restore();
        // Drops the delayed event of the clock.
        bus.queue().clear();
        return Ok(result?);
    }
    let mut terminal = Terminal::new(TestBackend::new(60, 11))?;
    play(&bus)?;
    run(&bus, &mut app, |app| {
        terminal.draw(|frame| draw(frame, app)).map(drop)
    })?;
    println!("{}", terminal.backend());
    bus.queue().clear();
    assert_eq!((app.typed.as_str(), app.size), ("hi+q", (60, 11)));
    assert_eq!(app.workers, [100, 100]);
    Ok(())
}

/// Subscribes all handlers.
fn subscribe(bus: &Bus<App>) {
    bus.on_with(&RESIZED, |app, size| app.size = *size).detach();
    bus.on_with(&PROGRESS, |app, at| app.workers[at.worker] = at.percent)
        .detach();
    bus.on_with(&SECOND, {
        // A weak handle: a strong one would be a reference cycle.
        let bus = bus.downgrade();
        move |app, ()| bus.upgrade().into_iter().for_each(|bus| tick(&bus, app))
    })
    .detach();
    bus.on_with(&KEY, {
        let bus = bus.downgrade();
        move |app, key| {
            app.typed.push(*key);
            match (key, bus.upgrade()) {
                ('q', _) => app.quit = true,
                ('+', Some(bus)) => start_worker(&bus, app),
                _ => {}
            }
        }
    })
    .detach();
}

/// Counts a second, and defers the next one.
fn tick(bus: &Bus<App>, app: &mut App) {
    app.seconds += 1;
    // Refused if the program ends; then the clock is not needed any more.
    _ = bus.defer_after(Duration::from_secs(1), &SECOND, ());
}

fn start_worker(bus: &Bus<App>, app: &mut App) {
    let worker = app.workers.len();
    app.workers.push(0);
    let bus = bus.clone();
    thread::spawn(move || -> Result<(), DeferErrorKind> {
        for percent in 1..=100 {
            thread::sleep(Duration::from_millis(3));
            let progress = Progress { worker, percent };
            // Not `defer_latest`: one worker's progress would replace that of the others.
            bus.defer(&PROGRESS, progress)
                .map_err(|refused| refused.kind())?;
        }
        Ok(())
    });
}

/// Sleeps until an event arrives, drains the queue, draws.
fn run<E>(
    bus: &Bus<App>,
    app: &mut App,
    mut show: impl FnMut(&App) -> Result<(), E>,
) -> Result<(), E> {
    let queue = bus.queue();
    while !app.quit || app.workers.iter().any(|percent| *percent < 100) {
        show(app)?;
        // A delayed event that is due ends the wait, too. At most thirty frames per second.
        let drawn = Instant::now();
        _ = queue.wait_timeout(Duration::from_secs(60));
        queue.drain_with(app);
        thread::sleep(Duration::from_millis(33).saturating_sub(drawn.elapsed()));
    }
    show(app)
}

/// Converts terminal input into events.
fn read_input(bus: &Bus<App>) {
    while let Ok(event) = event::read() {
        let sent = match event {
            Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
                KeyCode::Char(key) => bus.defer(&KEY, key).is_ok(),
                _ => true,
            },
            // Resizing a window produces hundreds of events; only the last one matters.
            Event::Resize(width, height) => bus.defer_latest(&RESIZED, (width, height)).is_ok(),
            _ => true,
        };
        if !sent {
            return;
        }
    }
}

/// Simulates user input.
fn play(bus: &Bus<App>) -> Result<(), DeferErrorKind> {
    for width in 1..=60 {
        bus.defer_latest(&RESIZED, (width, 11))
            .map_err(|refused| refused.kind())?;
    }
    for key in "hi+q".chars() {
        bus.defer(&KEY, key).map_err(|refused| refused.kind())?;
    }
    Ok(())
}

fn draw(frame: &mut Frame<'_>, app: &App) {
    let workers = app.workers.iter().map(|_| Constraint::Length(3));
    let rows =
        Layout::vertical([Constraint::Length(3)].into_iter().chain(workers)).split(frame.area());
    let (width, height) = app.size;
    let line = format!(
        "{} s, {width} x {height}, typed: {}",
        app.seconds, app.typed
    );
    let title = Block::bordered().title("slotcast: + starts a worker, q quits");
    frame.render_widget(Paragraph::new(line).block(title), rows[0]);
    for (worker, percent) in app.workers.iter().enumerate() {
        let gauge = Gauge::default()
            .block(Block::bordered().title(format!("worker {worker}")))
            .percent(*percent);
        frame.render_widget(gauge, rows[worker + 1]);
    }
}
