//! One download: fetches a URL into a folder, reports progress, and verifies the content.
//!
//! Runs as a job. Does not know its observers.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use slotcast::jobs::JobContext;

use crate::server::CHECKSUM_HEADER;

/// A completed download, in the file at `path`.
pub(crate) struct Finished {
    pub(crate) bytes: u64,
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
    /// Whether the server sent a SHA-256. If so, it matches: a different one is a [`Failure`].
    pub(crate) verified: bool,
}

#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("broke off after {got} of {promised} bytes")]
    Short { got: u64, promised: u64 },
    #[error("the SHA-256 is not the one that the server told")]
    Altered,
    #[error("cancelled")]
    Cancelled,
    #[error("{0}")]
    Other(String),
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::StatusCode(status) => Failure::Status(status),
            other => Failure::Other(other.to_string()),
        }
    }
}

/// Bytes between two reports of progress.
const STEP: u64 = 64 * 1024;

pub(crate) struct Download {
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
    pub(crate) agent: ureq::Agent,
}

impl Download {
    /// Reports progress when the server answers, and for each [`STEP`]; the total is 0 if the server
    /// does not send a length.
    pub(crate) fn run(&self, cx: &JobContext) -> Result<Finished, Failure> {
        let scheme = self.url.get(..7);
        if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")) {
            let why = format!("{:?} does not begin with http://", self.url);
            return Err(Failure::Other(why));
        }
        // One request per connection: the end of the response ends the connection.
        let response = self
            .agent
            .get(&self.url)
            .header("Connection", "close")
            .call()?;
        let told = response.headers().get(CHECKSUM_HEADER);
        let told = told
            .and_then(|sum| sum.to_str().ok())
            .map(str::to_ascii_lowercase);
        let body = response.into_body();
        let total = body.content_length();
        cx.progress(0, total.unwrap_or(0));

        let (path, mut file) = create(&self.folder, &file_name(&self.url))
            .map_err(|error| Failure::Other(format!("cannot create a file: {error}")))?;
        let result = receive(cx, body.into_reader(), total, &mut file);
        let result = result.and_then(|(bytes, sha256)| match told {
            Some(told) if told != sha256 => Err(Failure::Altered),
            told => Ok(Finished {
                bytes,
                path: path.clone(),
                sha256,
                verified: told.is_some(),
            }),
        });
        if result.is_err() {
            // Removes the incomplete file. If that fails, the original error matters more.
            drop(file);
            _ = fs::remove_file(&path);
        }
        result
    }
}

/// Writes the response into the file; returns the number of bytes, and their SHA-256.
fn receive(
    cx: &JobContext,
    mut body: impl Read,
    total: Option<u64>,
    file: &mut File,
) -> Result<(u64, String), Failure> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 16 * 1024];
    let (mut bytes, mut told) = (0, 0);
    loop {
        if cx.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let len = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => continue,
                // The connection is closed. The length shows whether that was too early.
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset if total.is_some() => {
                    break;
                }
                _ => {
                    let why = format!("broke off after {bytes} bytes: {error}");
                    return Err(Failure::Other(why));
                }
            },
        };
        digest.update(&buffer[..len]);
        file.write_all(&buffer[..len])
            .map_err(|error| Failure::Other(format!("cannot write: {error}")))?;
        bytes += len as u64;
        if bytes - told >= STEP {
            told = bytes;
            cx.progress(bytes, total.unwrap_or(0));
        }
    }
    match total {
        Some(promised) if promised != bytes => Err(Failure::Short {
            got: bytes,
            promised,
        }),
        _ => Ok((bytes, format!("{:x}", digest.finalize()))),
    }
}

/// The last part of a URL as a file name that is safe on every system: no separators, no hidden
/// files, no devices.
pub(crate) fn file_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let last = path.rsplit('/').next().unwrap_or_default();

    let is_harmless = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let mut name = last.replace(|c| !is_harmless(c), "_");
    name.truncate(100);
    let name = name.trim_start_matches(['.', '-']).trim_end_matches('.');

    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.to_ascii_uppercase();
    let is_device = matches!(&stem[..], "CON" | "PRN" | "AUX" | "NUL")
        || stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT"));
    match name {
        "" => "download".to_owned(),
        name if is_device => format!("_{name}"),
        name => name.to_owned(),
    }
}

/// Creates a new file of this name, with a number in it if the name is taken.
fn create(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    let (stem, end) = name.split_at(name.rfind('.').unwrap_or(name.len()));
    let numbered = (1..100).map(|number| format!("{stem}-{number}{end}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let path = folder.join(name);
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!(
        "{name:?} and 99 names like it are taken"
    )))
}
