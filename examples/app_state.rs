//! Handlers that change the application's state, vote, veto and answer, all through the context:
//! the `&mut` that the emitter lends to the handlers. No `Rc<RefCell<..>>`, no lock.
//!
//! Run it with `cargo run --example app_state`.

use slotcast::{Bus, Flow, Signal, Topic};

/// The state of a small text editor. Its owner is `main`; handlers borrow it for one emission.
#[derive(Default)]
struct App {
    open: Vec<String>,
    unsaved: Vec<String>,
    status: String,
}

const OPENED: Topic<String> = Topic::new("file.opened");
const EDITED: Topic<String> = Topic::new("file.edited");

/// The user wants to quit.
struct Quit {
    unsaved: Vec<String>,
    on_battery: bool,
}

/// What the handlers of [`Quit`] answer into.
#[derive(Default)]
struct Votes {
    objections: Vec<String>,
    asked: usize,
}

/// A key that was pressed. The first handler that knows it decides what it means.
struct Key(char);

#[derive(Debug, PartialEq)]
enum Command {
    Insert(char),
    Save,
}

fn main() {
    change_the_state();
    collect_votes();
    take_the_first_answer();
}

fn change_the_state() {
    let bus = Bus::<App>::with_context();
    let _files = bus.on_with(&OPENED, |app, name| app.open.push(name.clone()));
    let _dirty = bus.on_with(&EDITED, |app, name| {
        if !app.unsaved.contains(name) {
            app.unsaved.push(name.clone());
        }
    });
    // A low priority: this one runs last, and sees what the others have done.
    let _status = bus.subscribe(&EDITED).priority(-10).on_with(|app, _| {
        app.status = format!("{} open, {} unsaved", app.open.len(), app.unsaved.len());
    });

    let mut app = App::default();
    for name in ["notes.txt", "plan.txt"] {
        bus.emit_with(&mut app, &OPENED, &name.to_owned());
    }
    for _ in 0..3 {
        bus.emit_with(&mut app, &EDITED, &"plan.txt".to_owned());
    }
    println!("state:  {}", app.status);
    assert_eq!(app.status, "2 open, 1 unsaved");
}

fn collect_votes() {
    let quit = Signal::<Quit, Votes>::with_context();
    // A veto: of a higher priority than the others, and nobody is asked after it.
    let _battery = quit.subscribe().priority(10).on_with(|votes, quit| {
        votes.asked += 1;
        if quit.on_battery && !quit.unsaved.is_empty() {
            votes
                .objections
                .push("the battery is low: save first".to_owned());
            return Flow::Stop;
        }
        Flow::Continue
    });
    let _unsaved = quit.on_with(|votes, quit| {
        votes.asked += 1;
        votes.objections.extend(
            quit.unsaved
                .iter()
                .map(|name| format!("{name} is not saved")),
        );
    });
    let _upload = quit.on_with(|votes, _| {
        votes.asked += 1;
        votes.objections.push("an upload is running".to_owned());
    });

    let mut votes = Votes::default();
    let unsaved = vec!["plan.txt".to_owned()];
    let done = quit.emit_with(
        &mut votes,
        &Quit {
            unsaved: unsaved.clone(),
            on_battery: false,
        },
    );
    println!("votes:  {:?}", votes.objections);
    assert_eq!(
        votes.objections,
        ["plan.txt is not saved", "an upload is running"]
    );
    assert!(votes.asked == 3 && !done.stopped());

    let mut votes = Votes::default();
    let done = quit.emit_with(
        &mut votes,
        &Quit {
            unsaved,
            on_battery: true,
        },
    );
    println!("veto:   {:?}", votes.objections);
    assert_eq!(votes.objections, ["the battery is low: save first"]);
    assert!(votes.asked == 1 && done.stopped());
}

fn take_the_first_answer() {
    let pressed = Signal::<Key, Option<Command>>::with_context();
    let _text = pressed.on_with(|answer, key| {
        *answer = Some(Command::Insert(key.0));
        Flow::Stop
    });
    // Subscribed later, asked earlier.
    let _menu = pressed
        .subscribe()
        .priority(1)
        .on_with(|answer, key| match key.0 {
            '\u{13}' => {
                *answer = Some(Command::Save);
                Flow::Stop
            }
            _ => Flow::Continue,
        });

    let mut answer = None;
    let done = pressed.emit_with(&mut answer, &Key('\u{13}'));
    println!("answer: {answer:?}, after asking {}", done.ran());
    assert_eq!((answer, done.ran()), (Some(Command::Save), 1));

    let mut answer = None;
    let done = pressed.emit_with(&mut answer, &Key('x'));
    println!("answer: {answer:?}, after asking {}", done.ran());
    assert_eq!((answer, done.ran()), (Some(Command::Insert('x')), 2));
}
