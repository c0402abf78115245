//! Pictures of a wiring, drawn by Mermaid itself.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use slotcast::{Bus, Follow, Queue, Topic};

use crate::driver::Browser;
use crate::shop::{EVIL, EVIL_NAME};
use crate::{Result, ensure};

/// One version, so that it is the same each time. To be raised by hand.
const VERSION: &str = "12.3.0";

/// What ends a string, a node, a line or a block there, or means something in Markdown.
const HOSTILE: &[&str] = &[
    "say \"it\" with `ticks` and 'quotes'",
    "--> x; end\nsubgraph y]) }} %% comment",
    "two\r\nlines\u{2028}and\ttabs \\n \\",
    "#quot; &lt;b&gt; &amp; #35;",
    "<script>document.title = 2</script>",
    "**bold** _it_ ~~no~~ [link](https://example.org) - list 1. list",
    "click A call alert(1) href style linkStyle classDef class end",
    "größe é \u{202e}right to left\u{202c} \u{7f} \u{1b}[31m 事件",
    "",
];

pub fn check(browser: &Browser, npm: &OsStr) -> Result {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/mermaid");
    let script = folder.join("node_modules/mermaid/dist/mermaid.min.js");
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let wanted = format!("mermaid@{VERSION}");
    let installed = std::fs::read_to_string(folder.join("node_modules/mermaid/package.json"));
    if !installed.is_ok_and(|it| it.contains(&format!("\"version\": \"{VERSION}\""))) {
        let mut fetch = Command::new(npm);
        // Nothing outside of `target/`.
        fetch.env("npm_config_cache", folder.join("cache"));
        fetch.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]);
        let fetched = fetch.arg("--prefix").arg(&folder).arg(&wanted).output()?;
        if !fetched.status.success() {
            println!("skipped: npm cannot fetch {wanted}");
            return Ok(());
        }
    }
    ensure(script.is_file(), || {
        format!("{} is missing", script.display())
    })?;
    let page = folder.join("page.html");
    let text = "<!doctype html><meta charset=utf-8><title>picture</title>\
        <script src=\"node_modules/mermaid/dist/mermaid.min.js\"></script><body></body>";
    std::fs::write(&page, text)?;
    browser.open(&format!("file://{}", page.display()))?;

    // An error that Mermaid notices is seen at all.
    let broken = draw(browser, "flowchart LR\n  a[\"x\"] -->\n");
    ensure(broken.is_err(), || {
        "Mermaid draws what is no picture".to_owned()
    })?;

    let (wiring, report) = pictures();
    for (what, picture) in [("wiring", &wiring), ("report", &report)] {
        let shown = draw(browser, picture).map_err(|it| format!("{what}: {it}\n{picture}"))?;
        // As text, whatever becomes of what cannot be seen.
        for part in [
            EVIL,
            EVIL_NAME,
            "document.title = 2",
            "größe é",
            "--> x; end",
            "say \"it\" with `ticks`",
        ] {
            ensure(shown.contains(part), || {
                format!("{what}: {part:?} is not in\n{shown}")
            })?;
        }
    }
    let seen = browser.script("return document.title + document.images.length", &[])?;
    ensure(seen == "picture0", || {
        format!("the title and the number of images are {seen}")
    })?;
    println!("Mermaid draws pictures of a wiring whatever names hold");
    Ok(())
}

/// The text that is in the picture.
fn draw(browser: &Browser, picture: &str) -> Result<String> {
    let script = "mermaid.initialize({ startOnLoad: false });\
        return mermaid.parse(arguments[0]).then(() => mermaid.render('picture', arguments[0])).then(({ svg }) => {\
            document.body.innerHTML = svg; return document.body.textContent; });";
    let text = browser.script(script, &[picture])?;
    Ok(text.as_str().ok_or("there is no picture")?.to_owned())
}

/// Those of a wiring and of a report in which all that users name is hostile.
fn pictures() -> (String, String) {
    let (bus, queue) = (Bus::new(), Queue::new());
    let following = bus.follow(Follow::new());
    bus.set_error_hook(|_| ());
    let evil = Topic::<u32>::new(EVIL_NAME);
    let long = "long ".repeat(200);
    let labels = HOSTILE.iter().copied().chain([EVIL, &long]);
    for label in labels.clone() {
        bus.subscribe(&evil)
            .label(label)
            .on(|_| Err::<(), _>("x"))
            .detach();
        bus.subscribe(&evil)
            .label(label)
            .on_queue(&queue, |(), _| ())
            .detach();
        bus.subscribe_pattern(">").label(label).on(|_| ()).detach();
        // Names of topics may hold whatever a segment may.
        if let Ok(topic) = Topic::<u32>::named(label) {
            bus.subscribe(&topic).label(label).on(|_| ()).detach();
            bus.signal(&topic).forward_to(&bus.signal(&evil)).detach();
            bus.emit(&topic, &1);
        }
    }
    bus.emit(&evil, &1);
    queue.drain();
    (bus.wiring().to_mermaid(), following.report().to_mermaid())
}
