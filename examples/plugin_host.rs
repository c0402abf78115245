//! A host that loads and unloads plugins at run time.
//!
//! A plugin adds its subscriptions to a scope that the host owns. To unload the plugin, the host cancels
//! the scope and waits: then no thread is inside a handler of the plugin, and all captures are dropped,
//! so that the code could be unmapped. A plugin may veto with `Stop`, and a failing plugin does not
//! affect the others.
//!
//! Run it with `cargo run --example plugin_host`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use slotcast::{AnyEvent, Bus, Flow, Scope, Topic};

const OPEN: Topic<String> = Topic::new("document.open");
const SAVE: Topic<String> = Topic::new("document.save");
const TICK: Topic<u64> = Topic::new("host.tick");

/// The interface of a plugin.
trait Plugin {
    fn name(&self) -> &'static str;
    /// Subscribes the plugin's handlers. Those not added to the scope stay after unloading.
    fn register(self: Box<Self>, bus: &Bus, scope: &mut Scope);
}

/// Counts all events of documents.
struct Statistics(Arc<AtomicUsize>);

impl Plugin for Statistics {
    fn name(&self) -> &'static str {
        "statistics"
    }
    fn register(self: Box<Self>, bus: &Bus, scope: &mut Scope) {
        scope.add(bus.on_pattern("document.*", move |_: &AnyEvent| {
            _ = self.0.fetch_add(1, Relaxed)
        }));
    }
}

/// Refuses to save read-only documents.
struct ReadOnly;

impl Plugin for ReadOnly {
    fn name(&self) -> &'static str {
        "read-only"
    }
    fn register(self: Box<Self>, bus: &Bus, scope: &mut Scope) {
        let veto = bus.subscribe(&SAVE).priority(100).label("read-only");
        scope.add(veto.on(|path| {
            if path.starts_with("/readonly") {
                Flow::Stop
            } else {
                Flow::Continue
            }
        }));
    }
}

/// A slow plugin, busy when the host unloads it. Records when it is dropped.
struct Slow {
    busy: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.gone.store(true, Relaxed);
    }
}

impl Plugin for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }
    fn register(self: Box<Self>, bus: &Bus, scope: &mut Scope) {
        scope.add(bus.subscribe(&TICK).label("slow").on(move |_| {
            self.busy.store(true, Relaxed);
            std::thread::sleep(Duration::from_millis(50));
            self.busy.store(false, Relaxed);
        }));
    }
}

/// Always fails.
struct Broken;

impl Plugin for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn register(self: Box<Self>, bus: &Bus, scope: &mut Scope) {
        scope.add(
            bus.subscribe(&OPEN)
                .label("broken")
                .on(|path| Err::<(), _>(format!("cannot read {path}"))),
        );
    }
}

/// The loaded plugins, each with its subscriptions.
struct Host {
    bus: Bus,
    loaded: BTreeMap<&'static str, Scope>,
}

impl Host {
    fn load(&mut self, plugin: Box<dyn Plugin>) {
        let name = plugin.name();
        let mut scope = Scope::new();
        plugin.register(&self.bus, &mut scope);
        println!("loaded   {name}, {} handlers", scope.len());
        self.loaded.insert(name, scope);
    }

    /// When this returns, none of the plugin's handlers runs, and their captures are dropped.
    fn unload(&mut self, name: &str) -> Result<(), slotcast::WaitError> {
        if let Some(mut scope) = self.loaded.remove(name) {
            scope.cancel_and_wait()?;
            println!("unloaded {name}");
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let saved = Arc::new(AtomicUsize::new(0));
    let _save = bus.on(&SAVE, {
        let saved = saved.clone();
        move |path: &String| {
            println!("saved    {path}");
            saved.fetch_add(1, Relaxed);
        }
    });

    let counted = Arc::new(AtomicUsize::new(0));
    let (busy, gone) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut host = Host {
        bus: bus.clone(),
        loaded: BTreeMap::new(),
    };
    host.load(Box::new(Statistics(counted.clone())));
    host.load(Box::new(ReadOnly));
    host.load(Box::new(Slow {
        busy: busy.clone(),
        gone: gone.clone(),
    }));
    host.load(Box::new(Broken));

    // A failing plugin: the error names it, and the others still run.
    let opened = bus.emit(&OPEN, &"notes.txt".to_owned());
    for error in opened.errors() {
        println!("failed   {error}");
    }
    assert_eq!((opened.ran(), opened.errors().len()), (2, 1));
    assert_eq!(opened.errors()[0].label(), Some("broken"));

    // A plugin with a veto.
    assert!(bus.emit(&SAVE, &"/readonly/notes.txt".to_owned()).stopped());
    assert!(!bus.emit(&SAVE, &"notes.txt".to_owned()).stopped());

    // A plugin that is unloaded while its handler runs.
    let ticking = std::thread::spawn({
        let bus = bus.clone();
        move || _ = bus.emit(&TICK, &1)
    });
    while !busy.load(Relaxed) {
        std::thread::yield_now();
    }
    host.unload("slow")?;
    assert!(gone.load(Relaxed) && !busy.load(Relaxed));
    if ticking.join().is_err() {
        return Err("the ticking thread failed".into());
    }

    // Without the plugin nothing is read-only.
    host.unload("read-only")?;
    assert!(!bus.emit(&SAVE, &"/readonly/notes.txt".to_owned()).stopped());
    host.unload("statistics")?;
    bus.emit(&OPEN, &"again.txt".to_owned());

    // The vetoed save did not reach the statistics.
    assert_eq!((saved.load(Relaxed), counted.load(Relaxed)), (2, 3));
    println!(
        "{} saved, {} counted",
        saved.load(Relaxed),
        counted.load(Relaxed)
    );
    Ok(())
}
