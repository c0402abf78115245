//! A shop of three processes over one NATS server: `front` takes orders, `stock` reserves the goods, `mail` writes to
//! the customers. The server is killed while they work, twice, and nothing is lost or done twice.
//!
//! Run it with `cargo run --release --example shop --features nats`. It needs the program `nats-server`: from a package
//! (`apt install nats-server`, `brew install nats-server`), or named by the variable `NATS_SERVER`. The server is
//! started on this machine for the time of the example, with its files in a temporary folder.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use slotcast::nats::{Backoff, Bridge, BridgeBuilder, Route, State, Stored, StreamLimits};
use slotcast::{Bus, Topic};

/// The number of an order.
const PLACED: Topic<u64> = Topic::new("order.placed");
const RESERVED: Topic<u64> = Topic::new("order.reserved");

const ORDERS: u64 = 4_000;
/// How long the front desk needs for one.
const PACE: Duration = Duration::from_millis(1);
/// How long a part of the shop waits for what it has to do.
const PATIENCE: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["front", url] => front(url),
        ["stock", url] => stock(url),
        ["mail", url] => mail(url),
        [] => shop(),
        _ => Err("it takes no arguments".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

// ---- The three processes. All that they know of NATS is how their bridge is made.

/// What all bridges of the shop have in common: the server, and the stream that keeps the events.
fn bridge(url: &str, name: &str) -> BridgeBuilder {
    Bridge::to(url)
        .name(name)
        .prefix("shop")
        .create_streams(StreamLimits::bytes(64 << 20))
}

fn placed() -> Route<u64, Stored> {
    Stored::in_stream("PLACED").topic(&PLACED)
}

fn reserved() -> Route<u64, Stored> {
    Stored::in_stream("RESERVED").topic(&RESERVED)
}

/// Takes orders, one after another, whether there is a server or not.
fn front(url: &str) -> Result<()> {
    let bus = Bus::new();
    let bridge = bridge(url, "front").send(placed()).start(&bus)?;
    let was_connected = AtomicBool::new(false);
    let _watched = bridge.states().on(move |state: &State| {
        let before = was_connected.swap(state.is_connected(), Ordering::Relaxed);
        match (before, state.is_connected()) {
            (true, false) if *state != State::Stopped => {
                println!("the server is gone; orders go on, and wait here")
            }
            (false, true) => println!("connected"),
            _ => {}
        }
    });
    for order in 1..=ORDERS {
        bus.emit(&PLACED, &order);
        thread::sleep(PACE);
    }
    // All of them are on the disk of the server when this returns.
    bridge.flush(PATIENCE)?;
    let stats = bridge.stats();
    println!("{} orders were sent a second time", stats.resent);
    tell("emitted", ORDERS);
    tell("stored", stats.acked);
    bridge.stop(PATIENCE);
    Ok(())
}

/// Handles every order, in order, and goes on where it has stopped if it is started again.
fn stock(url: &str) -> Result<()> {
    let bus = Bus::new();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let _reserve = bus.subscribe(&PLACED).label("reserve").on({
        let (bus, seen) = (bus.clone(), seen.clone());
        move |&order| {
            seen.lock().expect("no handler panics").add(order);
            bus.emit(&RESERVED, &order);
        }
    });
    let bridge = bridge(url, "stock")
        .send(reserved())
        .receive(placed().reader("stock"))
        .start(&bus)?;
    wait_for(&seen)?;
    bridge.flush(PATIENCE)?;
    bridge.stop(PATIENCE);
    let seen = seen.lock().expect("no handler panics");
    tell("reserved once", seen.once());
    tell("out of order", seen.out_of_order);
    Ok(())
}

/// Shares the mails with whoever else is in the group. One of a hundred fails at first, and is tried again.
fn mail(url: &str) -> Result<()> {
    let bus = Bus::new();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let failed = Arc::new(Mutex::new(HashSet::new()));
    let _write = bus.subscribe(&RESERVED).label("write").on({
        let (seen, failed) = (seen.clone(), failed.clone());
        move |&order| {
            if order % 100 == 0 && failed.lock().expect("no handler panics").insert(order) {
                return Err("the mail server is busy");
            }
            seen.lock().expect("no handler panics").add(order);
            Ok(())
        }
    });
    // What fails is told here; it comes again.
    bus.set_error_hook(|_| ());
    let retry = Backoff::fixed(Duration::from_millis(50), 10);
    let bridge = bridge(url, "mail")
        .receive(reserved().shared("mailers").retry(retry))
        .start(&bus)?;
    wait_for(&seen)?;
    bridge.stop(PATIENCE);
    tell(
        "failed at first",
        failed.lock().expect("no handler panics").len() as u64,
    );
    tell(
        "mailed once",
        seen.lock().expect("no handler panics").once(),
    );
    Ok(())
}

/// How often each order has come.
#[derive(Default)]
struct Seen {
    times: HashMap<u64, u32>,
    last: u64,
    out_of_order: u64,
}

impl Seen {
    fn add(&mut self, order: u64) {
        *self.times.entry(order).or_default() += 1;
        self.out_of_order += u64::from(order < self.last);
        self.last = order;
    }

    fn once(&self) -> u64 {
        self.times.values().filter(|&&times| times == 1).count() as u64
    }
}

/// Returns when all orders have come, and nothing more for a moment.
fn wait_for(seen: &Mutex<Seen>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while (seen.lock().expect("no handler panics").times.len() as u64) < ORDERS {
        if Instant::now() > end {
            let came = seen.lock().expect("no handler panics").times.len();
            return Err(format!("{came} of {ORDERS} orders came within {PATIENCE:?}").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(300));
    Ok(())
}

/// A line of the balance, for the process that has started this one.
fn tell(what: &str, number: u64) {
    println!("balance: {what}: {number}");
}

// ---- What starts them, and kills the server.

fn shop() -> Result<()> {
    let program = find_server()?;
    let folder = std::env::temp_dir().join(format!("slotcast-shop-{}", std::process::id()));
    let mut server = Server::new(program, folder)?;
    println!("{} listens at {}", server.program.display(), server.url());

    let (lines, all) = channel();
    let mut parts = Vec::new();
    for name in ["mail", "stock", "front"] {
        parts.push((name, start(name, &server.url(), lines.clone())?));
    }
    drop(lines);
    let read = thread::spawn(move || read(&all));

    for _ in 0..2 {
        thread::sleep(Duration::from_millis(1_200));
        server.kill()?;
        println!("-- the server is killed");
        thread::sleep(Duration::from_millis(700));
        server.start()?;
        println!("-- the server is started again");
    }
    let balance = read.join().map_err(|_| "the balance was not read")?;
    for (name, mut part) in parts {
        if !part.wait()?.success() {
            return Err(format!("{name} has failed").into());
        }
    }
    drop(server);

    println!();
    for (what, number) in &balance {
        println!("{what:>16}: {number:>5}");
    }
    let is = |what: &str, number| balance.iter().any(|it| it.0 == what && it.1 == number);
    let all = ["emitted", "stored", "reserved once", "mailed once"];
    if all.iter().all(|what| is(what, ORDERS)) && is("out of order", 0) {
        println!(
            "\nThe balance is even: the server was killed twice, nothing is lost, and nothing was done twice."
        );
        Ok(())
    } else {
        Err("the balance is not even".into())
    }
}

/// Prints what the parts of the shop say, and returns their balance, when all of them have ended.
fn read(all: &Receiver<(&'static str, String)>) -> Vec<(String, u64)> {
    let mut balance = Vec::new();
    for (name, line) in all {
        let found = line
            .strip_prefix("balance: ")
            .and_then(|it| it.split_once(": "));
        match found.and_then(|(what, number)| Some((what.to_owned(), number.parse().ok()?))) {
            Some(entry) => balance.push(entry),
            None => println!("{name:>6}: {line}"),
        }
    }
    balance
}

/// Starts this program once more, as one of the three.
fn start(name: &'static str, url: &str, lines: Sender<(&'static str, String)>) -> Result<Child> {
    let mut part = Command::new(std::env::current_exe()?)
        .args([name, url])
        .stdout(Stdio::piped())
        .spawn()?;
    let out = part.stdout.take().ok_or("it has an output")?;
    thread::spawn(move || {
        for line in BufReader::new(out)
            .lines()
            .map_while(std::result::Result::ok)
        {
            _ = lines.send((name, line));
        }
    });
    Ok(part)
}

fn find_server() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("NATS_SERVER") {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian puts it where the path of a user does not lead.
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let name = format!("nats-server{}", std::env::consts::EXE_SUFFIX);
    let mut found = folders.map(|it| it.join(&name)).filter(|it| it.is_file());
    found.next().ok_or_else(|| {
        "There is no `nats-server` here. Install it (apt install nats-server, brew install nats-server, or \
         https://docs.nats.io/running-a-nats-service), or name one by the variable NATS_SERVER."
            .into()
    })
}

/// A server of this example. Dropping it kills it, and removes its files.
struct Server {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    fn new(program: PathBuf, folder: PathBuf) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let child = spawn(&program, &folder, port)?;
        let server = Server {
            program,
            folder,
            port,
            child,
        };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// As a failure of the machine would: without a word.
    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        self.child = spawn(&self.program, &self.folder, self.port)?;
        self.wait_until_it_answers()
    }

    fn wait_until_it_answers(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
            if Instant::now() > end {
                return Err(error.into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.kill();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(program: &Path, folder: &Path, port: u16) -> Result<Child> {
    let started = Command::new(program)
        .args([
            "--jetstream",
            "--addr",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--store_dir",
        ])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.map_err(|error| format!("{} cannot be started: {error}", program.display()).into())
}
