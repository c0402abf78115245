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
