//! A relay on loopback that breaks as networks do: it stops forwarding, ends one direction, cuts, and delivers late
//! what it has held back.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use crate::server::free_port;

/// How often threads look up from what they wait for.
const LOOK: Duration = Duration::from_millis(5);

/// Stands before a server. Each connection is on its own: what is done to the present ones leaves later ones alone.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    all: Arc<All>,
    accepting: Option<thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct All {
    pipes: Mutex<Vec<Arc<Pipe>>>,
    accepted: AtomicUsize,
    refusing: AtomicBool,
    over: AtomicBool,
}

/// A connection: its two ends, and what is wrong with it.
#[derive(Debug)]
struct Pipe {
    client: TcpStream,
    server: TcpStream,
    /// What comes is kept back.
    held: AtomicBool,
    /// What comes from the client is kept back.
    held_up: AtomicBool,
    /// What comes from the server is kept back.
    held_down: AtomicBool,
    /// The two directions that have not ended.
    open: AtomicUsize,
}

impl Relay {
    /// Starts one before the server at this port.
    pub fn before(server: u16) -> Relay {
        let (listener, port) = (0..10)
            .find_map(|_| {
                let port = free_port();
                TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                    .ok()
                    .map(|listener| (listener, port))
            })
            .expect("a port for the relay");
        listener
            .set_nonblocking(true)
            .expect("a listener that does not block");
        let all = Arc::new(All::default());
        let accepting = thread::spawn({
            let all = all.clone();
            move || accept(&listener, server, &all)
        });
        Relay {
            port,
            all,
            accepting: Some(accepting),
        }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// How many connections have come so far.
    pub fn accepted(&self) -> usize {
        self.all.accepted.load(SeqCst)
    }

    /// The connections that are open in at least one direction.
    pub fn open(&self) -> usize {
        self.pipes().len()
    }

    fn pipes(&self) -> Vec<Arc<Pipe>> {
        let mut pipes = self
            .all
            .pipes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pipes.retain(|pipe| pipe.open.load(SeqCst) > 0);
        pipes.clone()
    }

    /// Forwards nothing more of the present connections, in either direction, and does not end them.
    pub fn hold(&self) {
        self.pipes()
            .iter()
            .for_each(|pipe| pipe.held.store(true, SeqCst));
    }

    /// Forwards nothing more of what the clients of the present connections send.
    pub fn hold_up(&self) {
        self.pipes()
            .iter()
            .for_each(|pipe| pipe.held_up.store(true, SeqCst));
    }

    /// Forwards nothing more of what the server sends by the present connections.
    pub fn hold_down(&self) {
        self.pipes()
            .iter()
            .for_each(|pipe| pipe.held_down.store(true, SeqCst));
    }

    /// Delivers what was held back, and forwards again what is not ended.
    pub fn release(&self) {
        self.pipes().iter().for_each(|pipe| {
            pipe.held.store(false, SeqCst);
            pipe.held_up.store(false, SeqCst);
            pipe.held_down.store(false, SeqCst);
        });
    }

    /// Tells the clients of the present connections that the server has ended its direction.
    pub fn half_close(&self) {
        for pipe in self.pipes() {
            let _ = pipe.client.shutdown(Shutdown::Write);
        }
    }

    /// Ends the present connections in both directions.
    pub fn cut(&self) {
        for pipe in self.pipes() {
            let _ = pipe.client.shutdown(Shutdown::Both);
            let _ = pipe.server.shutdown(Shutdown::Both);
        }
    }

    /// Whether new connections are ended at once.
    pub fn refuse(&self, refuse: bool) {
        self.all.refusing.store(refuse, SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.all.over.store(true, SeqCst);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.cut();
    }
}

fn accept(listener: &TcpListener, server: u16, all: &Arc<All>) {
    while !all.over.load(SeqCst) {
        let client = match listener.accept() {
            Ok((client, _)) => client,
            Err(_) => {
                thread::sleep(LOOK);
                continue;
            }
        };
        all.accepted.fetch_add(1, SeqCst);
        if all.refusing.load(SeqCst) {
            continue;
        }
        // A server that is down is a connection that ends at once.
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
            continue;
        };
        for stream in [&client, &server] {
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_nodelay(true);
            let _ = stream.set_read_timeout(Some(LOOK));
        }
        let pipe = Arc::new(Pipe {
            client,
            server,
            held: AtomicBool::new(false),
            held_up: AtomicBool::new(false),
            held_down: AtomicBool::new(false),
            open: AtomicUsize::new(2),
        });
        all.pipes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pipe.clone());
        for up in [true, false] {
            let (pipe, all) = (pipe.clone(), all.clone());
            thread::spawn(move || {
                let (from, to) = if up {
                    (&pipe.client, &pipe.server)
                } else {
                    (&pipe.server, &pipe.client)
                };
                let own = if up { &pipe.held_up } else { &pipe.held_down };
                let is_held = || pipe.held.load(SeqCst) || own.load(SeqCst);
                let _ = forward(from, to, &is_held, &all.over);
                let _ = to.shutdown(Shutdown::Write);
                pipe.open.fetch_sub(1, SeqCst);
            });
        }
    }
}

/// Forwards until `from` has ended and all of it is delivered, or it cannot be.
fn forward(
    mut from: &TcpStream,
    mut to: &TcpStream,
    is_held: &dyn Fn() -> bool,
    over: &AtomicBool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    let mut late = Vec::new();
    let mut ended = false;
    while !over.load(SeqCst) {
        let read = if ended {
            thread::sleep(LOOK);
            0
        } else {
            match from.read(&mut buffer) {
                Ok(0) => {
                    ended = true;
                    0
                }
                Ok(read) => read,
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) =>
                {
                    0
                }
                Err(_) => {
                    ended = true;
                    0
                }
            }
        };
        late.extend_from_slice(&buffer[..read]);
        if !is_held() {
            to.write_all(&late)?;
            late.clear();
            if ended {
                return Ok(());
            }
        }
    }
    Ok(())
}
