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
//! `sha256sum` does. The exit status is 0 if all expected files arrived.

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

fn main() -> ExitCode {
    let arguments = env::args_os().skip(1);
    let urls: Vec<_> = arguments
        .map(|url| url.to_string_lossy().into_owned())
        .collect();
    let outcome = if urls.is_empty() {
        try_out()
    } else {
        fetch(&urls)
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("downloads: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Downloads all files concurrently into `folder`; returns the outcome of each.
fn download_all(urls: &[String], folder: &Path, agent: &ureq::Agent) -> App {
    let ui = Queue::<App>::with_context();
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
        job.on_done_in(&ui, move |app: &mut App, outcome| app.ended(id, outcome));
    }
    while app.is_busy() {
        // Woken by the jobs, or when the next heartbeat is due.
        _ = woken.recv_timeout(app.until_next_beat());
        ui.drain_with(&mut app);
        app.turn();
    }
    app
}

/// Downloads from the built-in server, into a folder that is removed at the end.
fn try_out() -> Result<bool, Box<dyn Error>> {
    let server = Server::start()?;
    let folder = tempfile::Builder::new()
        .prefix("slotcast-downloads-")
        .tempdir()?;
    // Ignores proxy settings of the environment: the server is on this machine.
    let app = download_all(&server.urls(), folder.path(), &agent(None));
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
    folder.close()?;
    let all = FILES.len();
    println!("verified {verified} of {all}, {failed} failed as expected");
    Ok(verified == all && failed == 2)
}

/// Downloads the given URLs into the current folder.
fn fetch(urls: &[String]) -> Result<bool, Box<dyn Error>> {
    let app = download_all(
        urls,
        &env::current_dir()?,
        &agent(ureq::Proxy::try_from_env()),
    );
    app.print_table();

    let mut finished = 0;
    for file in &app.files {
        if let State::Finished { sha256, .. } = &file.state {
            println!("{sha256}  {}", file.name);
            finished += 1;
        }
    }
    println!("downloaded {finished} of {}", urls.len());
    Ok(finished == urls.len())
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
