//! The program that is looked at: a followed bus with hostile names, where orders come in all the time.
//!
//! It serves the page at the address that it is given, prints its URL, and does what it is told by lines of its
//! input: `add LABEL` subscribes one more handler, `end` drops the guard that follows while the page stays. It ends with
//! its input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use slotcast::{Bus, Follow, Jobs, Queue, Topic};

use crate::Result;

/// What would be an image, and change the title of the page, if it were markup.
pub const EVIL: &str = "<img src=x onerror=\"document.title = 1\">";
/// The same, as far as the name of a topic can have it.
pub const EVIL_NAME: &str = "<img/id=evil/src=x/onerror=document.title=1";

const PLACED: Topic<u64> = Topic::new("order.placed");
const BILLED: Topic<u64> = Topic::new("order.billed");
const SENT: Topic<u64> = Topic::new("mail.sent");
const NAMED: Topic<u64> = Topic::new(EVIL_NAME);

/// Runs it. The trail of `mail.sent` leads through a queue and a job to `order.placed`.
pub fn run(address: &str) -> Result {
    let bus = Bus::new();
    bus.set_error_hook(|_| ());
    let follow = Follow::new().tail(512).show(&NAMED, |_| EVIL.to_owned());
    let following = bus.follow(follow.show(&PLACED, |id| format!("order {id}")));
    let page = following.serve_at(address)?;
    println!("{}", page.url());

    let (desk, pool) = (
        Queue::new(),
        Jobs::builder().workers(1).name("pool").build(),
    );
    let billing = bus.subscribe(&PLACED).label("billing").on_queue(&desk, {
        let bus = bus.clone();
        move |(), id| _ = bus.emit(&BILLED, id)
    });
    let mail = bus.subscribe(&BILLED).label("mail").on({
        let bus = bus.clone();
        move |id| {
            let (bus, id) = (bus.clone(), *id);
            drop(pool.submit(move |_| _ = bus.emit(&SENT, &id)));
        }
    });
    let named = bus.subscribe(&NAMED).label(EVIL).on(|_| Err::<(), _>(EVIL));
    thread::spawn(move || desk.run());
    thread::spawn({
        let bus = bus.clone();
        move || {
            for id in 1.. {
                bus.emit(&PLACED, &id);
                bus.emit(&NAMED, &id);
                thread::sleep(Duration::from_millis(5));
            }
        }
    });

    let (mut following, mut added) = (Some(following), Vec::new());
    for line in std::io::stdin().lines() {
        match line?.split_once(' ') {
            Some(("add", label)) => added.push(bus.subscribe(&PLACED).label(label).on(|_| ())),
            _ => following = None,
        }
    }
    drop((billing, mail, named, added, following, page));
    Ok(())
}

/// That program, in a process of its own. Killed with this.
pub struct Shop {
    process: Child,
    _said: BufReader<ChildStdout>,
    pub url: String,
}

impl Shop {
    pub fn open(address: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let command = command.args(["shop", address]);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut url = String::new();
        said.read_line(&mut url)?;
        url.truncate(url.trim_end().len());
        let shop = Shop {
            process,
            _said: said,
            url,
        };
        crate::ensure(shop.url.contains('#'), || {
            "the shop serves no page".to_owned()
        })?;
        Ok(shop)
    }

    /// Where it is, without `http://`, and what a client has to show.
    pub fn address_and_token(&self) -> (&str, &str) {
        let (address, token) = self.url.split_once("/#").unwrap_or_default();
        (address.trim_start_matches("http://"), token)
    }

    pub fn number(&self) -> u32 {
        self.process.id()
    }

    pub fn tell(&mut self, line: &str) -> Result {
        let input = self.process.stdin.as_mut().ok_or("no input")?;
        writeln!(input, "{line}")?;
        Ok(input.flush()?)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
