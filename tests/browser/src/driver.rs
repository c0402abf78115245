//! A browser without a window, by the protocol WebDriver.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use ureq::Agent;

use crate::Result;

/// One session of a browser with one page. Ends with this.
pub struct Browser {
    agent: Agent,
    /// `http://127.0.0.1:PORT/session/ID`.
    session: String,
    driver: Started,
}

/// A process that ends with this, and the folder that it writes to.
struct Started {
    process: Child,
    profile: PathBuf,
}

impl Drop for Started {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        _ = std::fs::remove_dir_all(&self.profile);
    }
}

impl Browser {
    pub fn start(chromium: &OsStr, driver: &OsStr) -> Result<Self> {
        let profile = format!("slotcast-browser-{}", std::process::id());
        let mut driver = Started {
            process: Command::new(driver)
                .arg("--port=0")
                .stdout(Stdio::piped())
                .spawn()?,
            profile: std::env::temp_dir().join(profile),
        };
        let mut said = BufReader::new(driver.process.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        let port = loop {
            line.clear();
            if said.read_line(&mut line)? == 0 {
                return Err("the driver of the browser does not start".into());
            }
            if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
                break port.trim_end().trim_end_matches('.').to_owned();
            }
        };
        // Errors of the protocol have a text, which is more than their status says.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut browser = Browser {
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
            driver,
        };
        let folder = format!("--user-data-dir={}", browser.driver.profile.display());
        // Without the sandbox, which root cannot have. Nothing but what is served here is opened.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1280,800",
        ];
        let arguments: Vec<_> = arguments.into_iter().chain([folder.as_str()]).collect();
        let binary = chromium.to_string_lossy();
        // A name without a folder is not looked for by the driver.
        let binary = if binary.contains('/') {
            binary.into_owned()
        } else {
            which(&binary)?
        };
        let options = json!({"binary": binary, "args": arguments});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let begun = browser.send("", &wanted)?;
        let id = begun["sessionId"].as_str().ok_or("there is no session")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    fn send(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.session);
        let mut answer = self
            .agent
            .post(&url)
            .content_type("application/json")
            .send(body.to_string())?;
        let mut answer: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        let value = answer["value"].take();
        match value.get("error") {
            Some(error) => Err(format!("{path}: {error}: {}", value["message"]).into()),
            None => Ok(value),
        }
    }

    pub fn open(&self, url: &str) -> Result {
        self.send("/url", &json!({ "url": url })).map(drop)
    }

    /// The result of a script: what it returns, or what a promise that it returns becomes.
    pub fn script(&self, script: &str, arguments: &[&str]) -> Result<Value> {
        self.send(
            "/execute/sync",
            &json!({"script": script, "args": arguments}),
        )
    }

    /// The text of the elements that a selector of CSS finds, each as a line.
    pub fn text(&self, selector: &str) -> Result<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((it) => it.textContent).join('\\n')";
        let text = self.script(script, &[selector])?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    fn element(&self, selector: &str) -> Result<String> {
        let found = self.send(
            "/element",
            &json!({"using": "css selector", "value": selector}),
        )?;
        let id = found
            .as_object()
            .and_then(|it| it.values().next()?.as_str());
        Ok(id.ok_or("the driver has found no element")?.to_owned())
    }

    /// Clicks an element, as a pointer does.
    pub fn click(&self, selector: &str) -> Result {
        let path = format!("/element/{}/click", self.element(selector)?);
        self.send(&path, &json!({})).map(drop)
    }

    /// Types a text instead of what is there.
    pub fn write(&self, selector: &str, text: &str) -> Result {
        let element = self.element(selector)?;
        self.send(&format!("/element/{element}/clear"), &json!({}))?;
        self.send(
            &format!("/element/{element}/value"),
            &json!({ "text": text }),
        )
        .map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, the driver after it.
        _ = self.agent.delete(&self.session).call();
    }
}

fn which(name: &str) -> Result<String> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut all = std::env::split_paths(&paths).map(|it| it.join(name));
    let found = all
        .find(|it| it.is_file())
        .ok_or_else(|| format!("where is {name}?"))?;
    Ok(found.to_string_lossy().into_owned())
}
