//! Orders cross from one bus to another, over a NATS server that is killed and started again meanwhile: each arrives
//! once, and in order.
//!
//! Needs a program `nats-server`, as the Debian package of that name has it; without one it says so and ends.
//!
//! ```sh
//! cargo run --example two_machines --features nats
//! ```

use std::error::Error;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::sleep;
use std::time::Duration;

use slotcast::nats::{Bridge, State, Stored, StreamLimits};
use slotcast::{Bus, Topic};

const PAID: Topic<u64> = Topic::new("order.paid");
const ORDERS: u64 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let folder = std::env::temp_dir().join(format!("two_machines-{port}"));
    let Some(mut server) = Server::start(port, folder.clone())? else {
        println!("skipped: there is no program `nats-server` here");
        return Ok(());
    };
    let address = format!("nats://127.0.0.1:{port}");

    // One machine: the shop.
    let shop = Bus::new();
    let to_billing = Bridge::to(&address)
        .name("shop")
        .create_streams(StreamLimits::bytes(16 << 20))
        .send(Stored::in_stream("ORDERS").topic(&PAID))
        .start(&shop)?;
    let _shown = to_billing.states().on(|state| match state {
        State::Disconnected { error, .. } => println!("shop: offline, {error}"),
        other => println!("shop: {other:?}"),
    });

    // Another one: billing, which knows the topic and the name of the stream.
    let billing = Bus::new();
    let (bill, bills) = mpsc::channel();
    let _bill = billing.on(&PAID, move |order| bill.send(*order));
    let from_shop = Bridge::to(&address)
        .name("billing")
        .receive(Stored::in_stream("ORDERS").topic(&PAID).reader("billing"))
        .start(&billing)?;

    for order in 0..ORDERS {
        if order == ORDERS / 2 {
            server.kill_and_start()?;
        }
        let done = shop.emit(&PAID, &order);
        assert!(
            done.errors().is_empty(),
            "the outbox has room for all of them"
        );
    }
    to_billing.flush(Duration::from_secs(30))?;
    for order in 0..ORDERS {
        assert_eq!(bills.recv_timeout(Duration::from_secs(30))?, order);
    }
    println!("{ORDERS} orders were billed, each once and in order");
    println!("shop: {} events were sent again", to_billing.stats().resent);

    assert_eq!(to_billing.stop(Duration::from_secs(5)).unsent, 0);
    assert_eq!(from_shop.stop(Duration::from_secs(5)).unhandled, 0);
    Ok(())
}

/// The server, with a folder for its streams.
struct Server {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Server {
    /// `None` if there is no such program.
    fn start(port: u16, folder: PathBuf) -> Result<Option<Self>, Box<dyn Error>> {
        match spawn(port, &folder) {
            Ok(process) => Ok(Some(Server {
                process,
                port,
                folder,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn kill_and_start(&mut self) -> Result<(), Box<dyn Error>> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = spawn(self.port, &self.folder)?;
        Ok(())
    }
}

/// Starts the program, and waits until it listens.
fn spawn(port: u16, folder: &Path) -> std::io::Result<Child> {
    let process = Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        sleep(Duration::from_millis(10));
    }
    Ok(process)
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}
