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

/// The user wants to quit; `battery` is in percent. Handlers add their objections to a list.
struct Quit {
    battery: u8,
}

/// A key that was pressed. The first handler that knows it returns the command.
struct Key(char);
const CTRL_S: char = '\x13';

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
    let _unsaved = bus.on_with(&EDITED, |app, name| {
        if !app.unsaved.contains(name) {
            app.unsaved.push(name.clone());
        }
    });
    // Runs last, because of its low priority, and sees the changes of the others.
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
    let quit = Signal::<Quit, Vec<&str>>::with_context();
    let _plan = quit.on_with(|objections, _| objections.push("plan.txt is not saved"));
    let _upload = quit.on_with(|objections, _| objections.push("an upload is running"));
    // A veto: runs before the others, which are then not called.
    let _battery = quit.subscribe().priority(10).on_with(|objections, quit| {
        if quit.battery < 5 {
            objections.push("the battery is low: save now");
            return Flow::Stop;
        }
        Flow::Continue
    });

    let mut objections = Vec::new();
    let event = Quit { battery: 80 };
    let done = quit.emit_with(&mut objections, &event);
    println!("votes:  {objections:?}");
    assert_eq!(
        objections,
        ["plan.txt is not saved", "an upload is running"]
    );
    assert!(done.ran() == 3 && !done.stopped());

    let mut objections = Vec::new();
    let event = Quit { battery: 3 };
    let done = quit.emit_with(&mut objections, &event);
    println!("veto:   {objections:?}");
    assert_eq!(objections, ["the battery is low: save now"]);
    assert!(done.ran() == 1 && done.stopped());
}

fn take_the_first_answer() {
    let pressed = Signal::<Key, Option<Command>>::with_context();
    let _text = pressed.on_with(|answer, key| {
        *answer = Some(Command::Insert(key.0));
        Flow::Stop
    });
    // Subscribed later, runs earlier. Handles one key only, and leaves the others to the next handler.
    let menu = pressed
        .subscribe()
        .priority(1)
        .filter(|key| key.0 == CTRL_S);
    let _menu = menu.on_with(|answer, _| {
        *answer = Some(Command::Save);
        Flow::Stop
    });

    for (key, expected) in [(CTRL_S, Command::Save), ('x', Command::Insert('x'))] {
        let mut answer = None;
        let done = pressed.emit_with(&mut answer, &Key(key));
        println!("answer: {answer:?}");
        assert_eq!((answer, done.ran()), (Some(expected), 1));
    }
}
