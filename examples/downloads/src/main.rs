//! Downloads many files concurrently, and never blocks: each is a job with callbacks on the main thread,
//! which owns the state, draws the progress, and stays responsive.
//!
//! ```text
//! cargo run --release --example downloads                     from a built-in server
//! cargo run --release --example downloads -- http://..  ..    into the current folder
//! ```
//!
//! Without URLs it shows the possible outcomes: eight files arrive and are verified, one does not
//! exist, and one breaks off in the middle. With URLs, the SHA-256 of each file is printed as
//! `sha256sum` does. Ctrl-C cancels what is running, and removes incomplete files. The exit status is
//! 0 if all expected files arrived, and 130 after Ctrl-C.

mod app;
mod download;
mod screen;
mod server;

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use slotcast::{Jobs, Queue};

use crate::app::{App, File, State};
use crate::download::{Download, Failure};
use crate::server::{BROKEN, FILES, MISSING, Server};

const HELP: &str = "\
Downloads files concurrently, with progress.

usage: downloads [URL]...

  URL     http:// only: where to download from, into the current folder
  --help  print this

Without a URL: ten files from a built-in server, into a folder that is removed at the end.
Ctrl-C cancels what is running; a second one ends the program at once.";

/// The exit status after Ctrl-C, as shells expect it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = env::args_os().skip(1);
    let urls: Vec<_> = arguments
        .map(|url| url.to_string_lossy().into_owned())
        .collect();
    if urls.iter().any(|url| url == "--help" || url == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if let Some(option) = urls.iter().find(|url| url.starts_with('-')) {
        eprintln!("downloads: unknown option {option:?}\n\n{HELP}");
        return ExitCode::FAILURE;
    }
    let outcome = if urls.is_empty() {
        try_out()
    } else {
        fetch(&urls)
    };
    match outcome {
        Ok(End::Complete) => ExitCode::SUCCESS,
        Ok(End::Incomplete) => ExitCode::FAILURE,
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("downloads: {error}");
            ExitCode::FAILURE
        }
    }
}

enum End {
    /// All expected files arrived.
    Complete,
    Incomplete,
    /// By Ctrl-C.
    Interrupted,
}

impl End {
    fn new(app: &App, is_complete: bool) -> End {
        match is_complete {
            _ if app.is_interrupted() => End::Interrupted,
            true => End::Complete,
            false => End::Incomplete,
        }
    }
}

/// Downloads all files concurrently into `folder`; returns the outcome of each.
fn download_all(urls: &[String], folder: &Path, agent: &ureq::Agent) -> Result<App, ctrlc::Error> {
    let ui = Queue::<App>::with_context();
    handle_interrupts(ui.clone())?;
    // Capacity 1: a second pending wake-up would be redundant.
    let (wake, woken) = mpsc::sync_channel(1);
    ui.on_ready(move || _ = wake.try_send(()));

    let mut app = App::new(urls);
    let jobs = Jobs::new(urls.len().max(1));
    for (id, url) in urls.iter().enumerate() {
        let download = Download {
            url: url.clone(),
            folder: folder.to_owned(),
            agent: agent.clone(),
        };
        let job = jobs.submit(move |cx| download.run(cx));
        // Called on this thread, where `ui` is drained, with `&mut App`.
        job.on_progress_in(&ui, move |app: &mut App, progress| {
            app.progress(id, progress)
        });
        let handle = job.on_done_in(&ui, move |app: &mut App, outcome| app.ended(id, outcome));
        app.add(handle);
    }
    while app.is_busy() {
        // Woken by the jobs, or when the next heartbeat is due.
        _ = woken.recv_timeout(app.until_next_beat());
        ui.drain_with(&mut app);
        app.turn();
    }
    // A cancelled download ends when it notices, and removes its file then.
    jobs.shutdown();
    Ok(app)
}

/// Cancels all downloads at the first Ctrl-C, on the thread that drains `ui`. The second ends the program.
fn handle_interrupts(ui: Queue<App>) -> Result<(), ctrlc::Error> {
    let mut is_first = true;
    ctrlc::set_handler(move || {
        if !std::mem::take(&mut is_first) || ui.post_with(App::interrupt).is_err() {
            std::process::exit(INTERRUPTED.into());
        }
    })
}

/// Downloads from the built-in server, into a folder that is removed at the end.
fn try_out() -> Result<End, Box<dyn Error>> {
    let server = Server::start()?;
    let folder = tempfile::Builder::new()
        .prefix("slotcast-downloads-")
        .tempdir()?;
    // Ignores proxy settings of the environment: the server is on this machine.
    let app = download_all(&server.urls(), folder.path(), &agent(None))?;
    app.print_table();

    let exists = |file: &File| folder.path().join(&file.name).exists();
    let is_verified = |file: &&File| match file.state {
        State::Finished { verified, .. } => verified && exists(file),
        _ => false,
    };
    let failed_as_expected = |file: &&File| match file.state {
        State::Failed(Failure::Status(404)) => file.name == MISSING && !exists(file),
        State::Failed(Failure::Short { .. }) => file.name == BROKEN && !exists(file),
        _ => false,
    };
    let verified = app.files.iter().filter(is_verified).count();
    let failed = app.files.iter().filter(failed_as_expected).count();
    let all = FILES.len();
    println!("verified {verified} of {all}, {failed} failed as expected");
    println!("the files were in {}, now removed", folder.path().display());
    folder.close()?;
    Ok(End::new(&app, verified == all && failed == 2))
}

/// Downloads the given URLs into the current folder.
fn fetch(urls: &[String]) -> Result<End, Box<dyn Error>> {
    let folder = env::current_dir()?;
    let app = download_all(urls, &folder, &agent(ureq::Proxy::try_from_env()))?;
    app.print_table();

    let mut finished = 0;
    for file in &app.files {
        if let State::Finished { sha256, .. } = &file.state {
            println!("{sha256}  {}", file.name);
            finished += 1;
        }
    }
    let all = urls.len();
    println!("downloaded {finished} of {all}, into {}", folder.display());
    Ok(End::new(&app, finished == all))
}

fn agent(proxy: Option<ureq::Proxy>) -> ureq::Agent {
    let patience = Some(Duration::from_secs(30));
    ureq::Agent::config_builder()
        .proxy(proxy)
        .timeout_connect(patience)
        .timeout_recv_response(patience)
        .timeout_per_read(patience)
        .build()
        .into()
}
