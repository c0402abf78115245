//! The page of the inspector, its trace, and the pictures of a wiring, as a browser sees them.
//!
//! ```sh
//! CARGO_TARGET_DIR=target/browser cargo run --manifest-path tests/browser/Cargo.toml
//! ```
//!
//! Needs Chromium and its driver, `chromium` and `chromedriver`; and `npm` for Mermaid, which is fetched below
//! `target/`. What is not installed is said: `skipped: reason`. CHROMIUM and CHROMEDRIVER name other ones. It exits
//! with 0 if all was as it should be, and says what was not otherwise.
//!
//! The program that is looked at is this one, started once more (`shop.rs`), so that it can be killed.

mod driver;
mod mermaid;
mod page;
mod shop;
mod trace;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use driver::Browser;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Whatever is waited for comes much sooner, or does not come.
const LIMIT: Duration = Duration::from_secs(60);

/// An error with this text, unless that is so.
fn ensure(is_so: bool, text: impl FnOnce() -> String) -> Result {
    if is_so { Ok(()) } else { Err(text().into()) }
}

/// Asks until there is an answer.
fn until<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        ensure(began.elapsed() < LIMIT, || {
            format!("this does not happen: {what}")
        })?;
        sleep(Duration::from_millis(50));
    }
}

/// A program that is installed, by its name or the one that the environment has.
fn installed(name: &str) -> Option<OsString> {
    let path = std::env::var_os(name.to_uppercase()).unwrap_or_else(|| name.into());
    let said = std::process::Command::new(&path).arg("--version").output();
    said.is_ok_and(|it| it.status.success()).then_some(path)
}

fn run() -> Result {
    trace::check()?;
    let (Some(chromium), Some(driver)) = (installed("chromium"), installed("chromedriver")) else {
        println!("skipped: Chromium or its driver is not installed");
        return Ok(());
    };
    let browser = Browser::start(&chromium, &driver)?;
    page::check(&browser)?;
    match installed("npm") {
        Some(npm) => mermaid::check(&browser, &npm)?,
        None => println!("skipped: npm is not installed, which fetches Mermaid"),
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("shop") => shop::run(&arguments.next().unwrap_or_default()),
        _ => run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
