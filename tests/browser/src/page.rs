//! What somebody sees who looks at the page.

use crate::driver::Browser;
use crate::shop::{EVIL, EVIL_NAME, Shop};
use crate::{Result, ensure, until};

pub fn check(browser: &Browser) -> Result {
    let mut shop = Shop::open("127.0.0.1:0")?;
    let address = shop.address_and_token().0.to_owned();
    browser.open(&shop.url)?;
    wait_for_status(browser, "live")?;
    rates_move(browser)?;
    a_new_handler_appears(browser, &mut shop)?;
    a_click_on_an_event_shows_its_trail(browser)?;
    what_comes_from_elsewhere_has_its_origin_and_its_lag(browser)?;
    names_are_text_whatever_they_hold(browser)?;

    shop.tell("end")?;
    wait_for_status(browser, "ended")?;
    drop(shop);
    wait_for_status(browser, "not connected")?;
    println!("the page says what has ended");

    // The next program, at the same address, in the same tab.
    let next = Shop::open(&address)?;
    browser.open(&next.url)?;
    wait_for_status(browser, "live")?;
    until("the page shows the next program", || {
        let is_it = browser
            .text("#process")?
            .contains(&format!("process {} ", next.number()));
        Ok(is_it.then_some(()))
    })?;
    rates_move(browser)?;
    drop(next);
    // Without a word of farewell.
    wait_for_status(browser, "not connected")?;
    println!("the page comes back with the next program");
    Ok(())
}

fn wait_for_status(browser: &Browser, wanted: &str) -> Result {
    let what = format!("the page says {wanted:?}");
    until(&what, || {
        Ok((browser.text("#status")? == wanted).then_some(()))
    })
}

fn show(browser: &Browser, tab: &str) -> Result {
    let number = [
        "Handlers", "Topics", "Events", "Wiring", "Queues", "Warnings",
    ];
    let at = number
        .iter()
        .position(|it| *it == tab)
        .ok_or("there is no such tab")?;
    browser.click(&format!("#tabs button:nth-child({})", at + 1))
}

fn rates_move(browser: &Browser) -> Result {
    show(browser, "Handlers")?;
    let number = |text: String| text.replace(',', "").parse::<f64>().unwrap_or(0.0);
    until("there is a rate of events", || {
        Ok((number(browser.text("#figures div:nth-child(1) dd")?) > 1.0).then_some(()))
    })?;
    let calls = || {
        let script = "return [...document.querySelectorAll('.handlers .space .row')]\
            .find((it) => it.children[0].textContent.startsWith('billing'))?.children[5].textContent ?? ''";
        let text = browser.script(script, &[])?;
        Ok::<_, Box<dyn std::error::Error>>(number(text.as_str().unwrap_or_default().to_owned()))
    };
    let before = calls()?;
    until("there are more calls", || {
        Ok((calls()? > before).then_some(()))
    })?;
    println!("rates move");
    Ok(())
}

fn a_new_handler_appears(browser: &Browser, shop: &mut Shop) -> Result {
    let label = "added later";
    let is_there = || Ok(browser.text(".handlers .space .row")?.contains(label));
    let is_early = is_there()?;
    ensure(!is_early, || {
        "a handler is there that was not added".to_owned()
    })?;
    shop.tell(&format!("add {label}"))?;
    until("a handler that is added appears", || {
        is_there().map(|it| it.then_some(()))
    })?;
    println!("a handler that is added appears");
    Ok(())
}

fn a_click_on_an_event_shows_its_trail(browser: &Browser) -> Result {
    show(browser, "Events")?;
    browser.write("#filter", "mail.sent")?;
    until("there are events", || {
        Ok(browser
            .text(".events .space .row:not([hidden])")?
            .contains("mail.sent")
            .then_some(()))
    })?;
    browser.click(".events .space .row:not([hidden])")?;
    let steps = until("the details of an event have its trail", || {
        let steps = browser.text("#detail .step .what")?;
        Ok(steps.contains("mail.sent").then_some(steps))
    })?;
    // From the order, by the queue and the job, on three threads, with the lines.
    let mut rest = &steps[..];
    for part in [
        "order.placed",
        "billing",
        "order.billed",
        "mail",
        "job",
        "on pool-0",
        "mail.sent",
    ] {
        let at = rest
            .find(part)
            .ok_or_else(|| format!("{part} is not in the trail: {steps}"))?;
        rest = &rest[at + part.len()..];
    }
    ensure(steps.matches("src/shop.rs:").count() >= 5, || {
        format!("the lines are missing: {steps}")
    })?;
    let asked = browser.text("#detail .step.is-asked b")?;
    ensure(asked == "mail.sent", || {
        format!("{asked} is marked as the one that was clicked")
    })?;
    browser.click("#detail .detail-head button")?;
    browser.write("#filter", " ")?;
    println!("a click on an event shows its trail");
    Ok(())
}

/// Has the page be told that a bridge has received `mail.sent`, each time a second later than before, from one with this
/// name: what a program without a server cannot do.
const RECEIVE: &str = r#"
    const bridge = arguments[0], asked = window.fetch;
    let lag = 1e9;
    window.fetch = async (path, options) => {
      const answer = await asked(path, options);
      if (!answer.ok) return answer;
      const body = await answer.json();
      const last = { origin: 'cafe0123456789abcafe0123456789ab', bridge, number: 39, lag, stored: true, pending: 12 };
      for (const it of body.topics ?? []) {
        if (it.name === 'mail.sent') it.received = { count: 40, handling: 0, at: body.at, last: { ...last, lag: lag += 1e9 } };
      }
      for (const it of body.tail ?? body.steps.map(({ step }) => step)) {
        if (it.topic === 'mail.sent') Object.assign(it, { kind: 'received', received: last, remote: `${last.origin}/a3-7`, remote_place: `${bridge}.rs:41` });
      }
      return new Response(JSON.stringify(body));
    };
    window.receiveNoMore = () => { window.fetch = asked; };
"#;

fn what_comes_from_elsewhere_has_its_origin_and_its_lag(browser: &Browser) -> Result {
    let nothing = browser.text("#main")?;
    ensure(!nothing.contains("shop-1"), || {
        "something has come already".to_owned()
    })?;
    let is_shown = "return [...document.querySelectorAll('.card, .topics .head .lag')]\
        .filter((it) => /behind|lag/.test(it.textContent) && getComputedStyle(it).display !== 'none').length";
    let shown = browser.script(is_shown, &[])?;
    ensure(shown == 0, || {
        "a lag is shown where nothing has come from elsewhere".to_owned()
    })?;
    let bridge = format!("shop-1 {EVIL}");
    browser.script(RECEIVE, &[&bridge])?;

    show(browser, "Handlers")?;
    let card = until("a lag that grows stands out", || {
        let card = browser.text(".card.is-warn")?;
        Ok(card.contains(", grows").then_some(card))
    })?;
    ensure(card.contains(&format!("mail.sentfrom {bridge}")), || {
        format!("it is not said of what: {card}")
    })?;

    show(browser, "Topics")?;
    browser.write("#filter", "mail.sent")?;
    until("the topic has a lag", || {
        let lag = browser.text(".topics .space .row:not([hidden]) .lag.warn")?;
        Ok(lag
            .ends_with(" s")
            .then_some(())
            .or(lag.ends_with(" min").then_some(())))
    })?;
    browser.click(".topics .space .row:not([hidden])")?;
    until("the details of the topic have what has come", || {
        let text = browser.text("#detail")?;
        let has = |it: &str| text.contains(it);
        Ok((has(&bridge) && has("cafe0123456789ab") && has("12 events")).then_some(()))
    })?;
    browser.click("#detail .detail-head button")?;

    // Events are found by where they come from, too.
    show(browser, "Events")?;
    browser.write("#filter", "shop-1")?;
    until("there are events of the other bridge", || {
        let text = browser.text(".events .space .row:not([hidden])")?;
        Ok((text.contains("received") && text.contains(&format!("from {bridge}"))).then_some(()))
    })?;
    browser.click(".events .space .row:not([hidden])")?;
    let come = until("the trail has the other machine", || {
        let text = browser.text("#detail .step .come")?;
        Ok((!text.is_empty()).then_some(text))
    })?;
    for part in [
        format!("from {bridge}"),
        "number 39".to_owned(),
        "stored ".to_owned(),
        " before".to_owned(),
        "12 behind it".to_owned(),
        format!("emitted there at{bridge}.rs:41a3-7"),
    ] {
        ensure(come.contains(&part), || format!("{part} is not in {come}"))?;
    }
    browser.click("#detail .detail-head button")?;
    browser.write("#filter", " ")?;
    browser.script("window.receiveNoMore()", &[])?;
    println!("what comes from elsewhere has its origin and its lag");
    Ok(())
}

fn names_are_text_whatever_they_hold(browser: &Browser) -> Result {
    // Where the label is shown, or the failure; and only the name.
    for (tab, wanted) in [
        ("Handlers", EVIL),
        ("Topics", EVIL_NAME),
        ("Events", EVIL),
        ("Wiring", EVIL),
    ] {
        show(browser, tab)?;
        until(&format!("the name is shown below {tab}"), || {
            let text = browser.text("#main")?;
            Ok((text.contains(wanted) && text.contains(EVIL_NAME)).then_some(()))
        })?;
        if tab != "Wiring" {
            browser.write("#filter", EVIL_NAME)?;
            browser.click(&format!(
                ".{} .space .row:not([hidden])",
                tab.to_lowercase()
            ))?;
            until("the details have the name", || {
                let text = browser.text("#detail")?;
                Ok((text.contains(EVIL) && text.contains(EVIL_NAME)).then_some(()))
            })?;
            browser.click("#detail .detail-head button")?;
            browser.write("#filter", " ")?;
        }
    }
    let title = browser.script("return document.title", &[])?;
    ensure(title == "slotcast", || format!("the title is {title}"))?;
    let images = browser.script("return document.images.length", &[])?;
    ensure(images == 0, || format!("there are {images} images"))?;
    println!("names are text whatever they hold");
    Ok(())
}
