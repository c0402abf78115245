//! The built-in server, used if no URLs are given: some files of generated data at a limited rate, a
//! URL without a file, and one that breaks off in the middle.
//!
//! Does not know the downloads.

use std::io::{self, Read};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tiny_http::{Header, Request, Response};

const MIB: usize = 1 << 20;

/// Names and sizes of the files: 65 MiB together.
pub(crate) const FILES: [(&str, usize); 8] = [
    ("album.flac", 9 * MIB),
    ("backup.img", 13 * MIB),
    ("fonts.zip", 5 * MIB),
    ("film.mkv", 12 * MIB),
    ("maps.tar", 8 * MIB),
    ("manual.pdf", 4 * MIB),
    ("photos.zip", 10 * MIB),
    ("words.txt", 4 * MIB),
];
/// A file that does not exist.
pub(crate) const MISSING: &str = "missing.iso";
/// Announces [`BROKEN_LEN`] bytes, and sends 40 percent of them.
pub(crate) const BROKEN: &str = "broken.iso";
const BROKEN_LEN: usize = 6 * MIB;

/// Bytes per second, for each download.
const RATE: usize = 2 * MIB;

/// The response header with the SHA-256 of the body, in hexadecimal digits.
pub(crate) const CHECKSUM_HEADER: &str = "X-Checksum-Sha256";

/// Serves until it is dropped.
pub(crate) struct Server {
    http: Arc<tiny_http::Server>,
    address: String,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to serve, on a free port of the loopback address.
    pub(crate) fn start() -> io::Result<Self> {
        let http = Arc::new(tiny_http::Server::http("127.0.0.1:0").map_err(io::Error::other)?);
        let address = http.server_addr().to_string();
        let thread = thread::spawn({
            let http = http.clone();
            move || {
                thread::scope(|answers| {
                    for request in http.incoming_requests() {
                        // An error here means that the client disconnected early.
                        answers.spawn(|| _ = answer(request));
                    }
                });
            }
        });
        Ok(Server {
            http,
            address,
            thread: Some(thread),
        })
    }

    /// The URLs of all files, and of the two that fail.
    pub(crate) fn urls(&self) -> Vec<String> {
        let names = FILES.iter().map(|(name, _)| *name).chain([MISSING, BROKEN]);
        names
            .map(|name| format!("http://{}/{name}", self.address))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.http.unblock();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn answer(request: Request) -> io::Result<()> {
    let name = request.url().trim_start_matches('/').to_owned();
    if name == BROKEN {
        let sent = Generated::new(&name, BROKEN_LEN * 2 / 5);
        return send(request, Paced::new(sent), BROKEN_LEN, None);
    }
    match FILES.iter().find(|(known, _)| *known == name) {
        Some(&(_, len)) => {
            let checksum = checksum(Generated::new(&name, len))?;
            send(
                request,
                Paced::new(Generated::new(&name, len)),
                len,
                Some(&checksum),
            )
        }
        None => request.respond(Response::from_string("no such file").with_status_code(404)),
    }
}

fn send(request: Request, body: impl Read, len: usize, checksum: Option<&str>) -> io::Result<()> {
    let response = Response::new(200.into(), Vec::new(), body, Some(len), None)
        // Sends the length, however large it is.
        .with_chunked_threshold(usize::MAX);
    let checksum = checksum.and_then(|sum| Header::from_bytes(CHECKSUM_HEADER, sum).ok());
    request.respond(match checksum {
        Some(header) => response.with_header(header),
        None => response,
    })
}

fn checksum(mut data: impl Read) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match data.read(&mut buffer)? {
            0 => return Ok(format!("{:x}", digest.finalize())),
            len => digest.update(&buffer[..len]),
        }
    }
}

/// Pseudorandom data, deterministic for each name.
struct Generated {
    state: u64,
    word: [u8; 8],
    made: usize,
    len: usize,
}

impl Generated {
    fn new(name: &str, len: usize) -> Self {
        let state = name
            .bytes()
            .fold(0, |seed: u64, byte| seed.rotate_left(8) ^ u64::from(byte));
        Generated {
            state,
            word: [0; 8],
            made: 0,
            len,
        }
    }

    /// The next number of SplitMix64. Source: Steele, Lea and Flood, "Fast Splittable
    /// Pseudorandom Number Generators", 2014.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.len - self.made);
        for byte in &mut buffer[..len] {
            // Depends on the position in the file only, not on the sizes of the reads.
            let at = self.made % 8;
            if at == 0 {
                self.word = self.next().to_le_bytes();
            }
            *byte = self.word[at];
            self.made += 1;
        }
        Ok(len)
    }
}

/// Reads no faster than [`RATE`].
struct Paced<R> {
    inner: R,
    began: Instant,
    passed: usize,
}

impl<R> Paced<R> {
    fn new(inner: R) -> Self {
        Paced {
            inner,
            began: Instant::now(),
            passed: 0,
        }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let due = self.began + Duration::from_secs_f64(self.passed as f64 / RATE as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let len = self.inner.read(buffer)?;
        self.passed += len;
        Ok(len)
    }
}
