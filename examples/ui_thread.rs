//! Worker threads emit events; one thread handles them, with state that only this thread accesses.
//!
//! The workers know the bus, but no user interface. The main thread owns a queue, parks until the queue
//! is not empty, and drains it with `&mut Gallery`. In a program with a window, `on_ready` would wake the
//! window's event loop instead of a parked thread.
//!
//! Run it with `cargo run --example ui_thread`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread;

use slotcast::{Bus, Queue, Topic};

/// A thumbnail was made. Cloned into the queue, once for each queued handler.
#[derive(Clone)]
struct Thumbnail {
    folder: &'static str,
    number: u32,
    bytes: usize,
}

const MADE: Topic<Thumbnail> = Topic::new("thumbnail.made");
const ALL_MADE: Topic<&'static str> = Topic::new("thumbnail.all-made");

/// The state of the main thread. Not `Send`, because of the `Rc`: it is lent, and never sent.
struct Gallery {
    title: Rc<str>,
    shown: BTreeMap<&'static str, Vec<u32>>,
    bytes: usize,
    finished: Vec<&'static str>,
}

impl Gallery {
    fn show(&mut self, image: &Thumbnail) {
        self.shown
            .entry(image.folder)
            .or_default()
            .push(image.number);
        self.bytes += image.bytes;
    }
}

const FOLDERS: [&str; 4] = ["family", "garden", "travel", "work"];
const IMAGES: u32 = 50;

/// Runs on a worker thread, and emits there. A real program would read and scale images.
fn make_thumbnails(bus: &Bus, folder: &'static str) {
    for number in 1..=IMAGES {
        let pixels = vec![number as u8; 100 * number as usize];
        bus.emit(
            &MADE,
            &Thumbnail {
                folder,
                number,
                bytes: pixels.len(),
            },
        );
    }
    bus.emit(&ALL_MADE, &folder);
}

fn main() {
    let bus = Bus::new();
    let ui = Queue::<Gallery>::with_context();
    let _made = bus
        .subscribe(&MADE)
        .on_queue(&ui, |gallery: &mut Gallery, image| {
            gallery.show(image);
        });
    let _all = bus
        .subscribe(&ALL_MADE)
        .on_queue(&ui, |gallery: &mut Gallery, folder| {
            println!("{}: {folder} is complete", gallery.title);
            gallery.finished.push(folder);
        });

    // Called on the emitting thread, when the queue becomes non-empty.
    let main_thread = thread::current();
    ui.on_ready(move || main_thread.unpark());

    let mut gallery = Gallery {
        title: "Photographs".into(),
        shown: BTreeMap::new(),
        bytes: 0,
        finished: Vec::new(),
    };
    let workers = FOLDERS.map(|folder| {
        let bus = bus.clone();
        thread::spawn(move || make_thumbnails(&bus, folder))
    });
    while gallery.finished.len() < FOLDERS.len() {
        // An `unpark` before the `park` is not lost: the `park` then returns at once.
        thread::park();
        ui.drain_with(&mut gallery);
    }
    for worker in workers {
        worker.join().expect("a worker panicked");
    }

    let images: usize = gallery.shown.values().map(Vec::len).sum();
    println!("{images} thumbnails, {} bytes", gallery.bytes);
    assert_eq!(
        gallery.bytes,
        FOLDERS.len() * 100 * (1..=IMAGES as usize).sum::<usize>()
    );
    // The order of the folders is arbitrary; the events of one worker arrive in emission order.
    for folder in FOLDERS {
        assert!(gallery.shown[folder].iter().copied().eq(1..=IMAGES));
    }
    assert!(ui.is_empty());
}
