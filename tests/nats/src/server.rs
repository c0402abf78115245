//! A server of its own for each test, on loopback, that can be killed and comes back at its port with its store.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use crate::{eventually, until};

/// The program: `NATS_SERVER`, or one in `PATH`, or where Debian puts it.
pub fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os("NATS_SERVER").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("nats-server"))
        .find(|program| program.is_file())
}

/// The program, or the end of this process: a run without a server must not look as if it had tested something.
pub fn need_server() -> PathBuf {
    find().unwrap_or_else(|| {
        // Not by `println`, which a test harness keeps for itself.
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "\nskipped: no nats-server");
        process::exit(0)
    })
}

/// A port that nobody listens at. None of those that the system gives to outgoing connections: a client that looks
/// for a stopped server at one of them can meet itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Relaxed);
        // Other processes that look for one begin elsewhere.
        let port = FIRST + process::id().wrapping_mul(97).wrapping_add(step) % COUNT;
        let port = u16::try_from(port).expect("below 30,000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free")
}

/// A new folder for this process, which whoever made it removes.
pub fn scratch() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "slotcast-nats-{}-{}",
        process::id(),
        NEXT.fetch_add(1, Relaxed)
    );
    let folder = env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    folder
}

/// How a server is to be started.
#[derive(Debug, Default)]
pub struct ServerBuilder {
    config: String,
    jetstream: String,
    without_jetstream: bool,
}

impl ServerBuilder {
    /// Lines for the configuration file.
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    /// Lines for the section `jetstream` of the configuration file.
    pub fn jetstream(mut self, lines: &str) -> Self {
        self.jetstream.push_str(lines);
        self.jetstream.push('\n');
        self
    }

    pub fn without_jetstream(mut self) -> Self {
        self.without_jetstream = true;
        self
    }

    /// Starts it and waits until it answers.
    pub fn start(self) -> Server {
        let program = need_server();
        let folder = scratch();
        for _ in 0..10 {
            let port = free_port();
            let jetstream = match self.without_jetstream {
                true => String::new(),
                false => format!(
                    "jetstream {{\n  store_dir: {:?}\n{}}}\n",
                    folder.join("store"),
                    self.jetstream
                ),
            };
            let lines = format!("listen: 127.0.0.1:{port}\n{jetstream}{}", self.config);
            fs::write(folder.join("server.conf"), lines).expect("a configuration file");
            let mut server = Server {
                child: None,
                program: program.clone(),
                folder: folder.clone(),
                port,
            };
            if server.try_up() {
                return server;
            }
            // Somebody else was faster at that port. What it said is in the folder, which must not go.
            std::mem::forget(server);
        }
        panic!("the server does not start: {}", said(&folder))
    }
}

/// A running, or stopped, server. Killed when this is dropped, and its store removed.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    program: PathBuf,
    folder: PathBuf,
    port: u16,
}

fn said(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

impl Server {
    /// Starts one with JetStream.
    pub fn start() -> Server {
        Server::builder().start()
    }

    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its process id. It has to run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        said(&self.folder)
    }

    /// Its version, as the program says it.
    pub fn version(&self) -> String {
        version(&self.program)
    }

    /// Whether it has a setting that came with a later version than 2.9.
    pub fn is_newer_than(&self, major: u32, minor: u32) -> bool {
        let said = self.version();
        let mut numbers = said.split('.').map(|n| n.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) > (major, minor)
    }

    /// Ends it as a loss of power does, but for what the system has to write to the disk.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal("TERM", child.id());
            let _ = child.wait();
        }
    }

    /// Asks it to send its clients away and to end then (lame duck mode). Returns at once.
    pub fn lame_duck(&self) {
        signal("USR2", self.pid());
    }

    /// Lets it stand still, as a machine does that has too much to do.
    pub fn freeze(&self) {
        signal("STOP", self.pid());
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal("CONT", self.pid());
    }

    /// Lets it read its configuration file again, with these lines in place of the former.
    pub fn reload(&self, from: &str, to: &str) {
        let file = self.folder.join("server.conf");
        let lines = fs::read_to_string(&file).expect("a configuration file");
        assert!(lines.contains(from), "{from} is not in {lines}");
        fs::write(&file, lines.replace(from, to)).expect("a configuration file");
        if self.child.is_some() {
            signal("HUP", self.pid());
        }
    }

    /// Starts it again at its port, with its store, and waits until it answers.
    pub fn up(&mut self) {
        assert!(self.child.is_none(), "the server runs");
        // The port can be held for a moment by who connects to it: not here, but on a loaded machine one never knows.
        until("the server is up again", || self.try_up());
    }

    /// Whether it is up. If not, it has ended.
    fn try_up(&mut self) -> bool {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .expect("a log");
        let mut child = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.join("server.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program can be started");
        let up = eventually(|| {
            if !matches!(child.try_wait(), Ok(None)) {
                return Some(false);
            }
            answers(self.port).then_some(true)
        });
        if up != Some(true) {
            let _ = child.kill();
            let _ = child.wait();
            return false;
        }
        self.child = Some(child);
        true
    }
}

/// Whether somebody speaks NATS at this port.
fn answers(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO ")
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status();
    assert!(sent.is_ok_and(|s| s.success()), "a signal to {pid}");
}

/// The version of a program, as it says it.
fn version(program: &Path) -> String {
    let said = Command::new(program)
        .arg("--version")
        .output()
        .expect("the program can be started")
        .stdout;
    String::from_utf8_lossy(&said)
        .trim()
        .trim_start_matches("nats-server: v")
        .to_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
