//! The trace of the tail, against what is documented of the trace event format of Chrome.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::shop::Shop;
use crate::{Result, ensure};

pub fn check() -> Result {
    let shop = Shop::open("127.0.0.1:0")?;
    let (address, token) = shop.address_and_token();
    let ask = || -> Result<Value> {
        let request = ureq::get(format!("http://{address}/v1/trace.json"));
        let mut answer = request
            .header("authorization", format!("Bearer {token}"))
            .call()?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    };
    let trace = crate::until("the trace has a job", || {
        sleep(Duration::from_millis(100));
        let trace = ask()?;
        let has_job = list(&trace)?.iter().any(|it| it["cat"] == "job");
        Ok(has_job.then_some(trace))
    })?;
    look_at(list(&trace)?)
}

fn list(trace: &Value) -> Result<&Vec<Value>> {
    Ok(trace.as_array().ok_or("the trace is no list")?)
}

/// A slice of a track: its beginning and its end, in nanoseconds.
type Slice = (u64, u64);

fn look_at(events: &[Value]) -> Result {
    let mut tracks: BTreeMap<u64, Vec<Slice>> = BTreeMap::new();
    let mut open: BTreeMap<(String, String), u64> = BTreeMap::new();
    let (mut begun, mut ended) = (BTreeMap::new(), BTreeMap::new());
    let mut named = Vec::new();
    for event in events {
        let wrong = |what: &str| format!("{what}: {event}");
        let number = |field: &str| event[field].as_u64().ok_or_else(|| wrong(field));
        let text = |field: &str| event[field].as_str().ok_or_else(|| wrong(field));
        // Microseconds with a fraction.
        let nanos = |field: &str| {
            let micros = event[field].as_f64().ok_or_else(|| wrong(field));
            micros.map(|it| (it * 1000.0).round() as u64)
        };
        let key = || -> Result<_> { Ok((text("cat")?.to_owned(), text("id")?.to_owned())) };
        number("pid")?;
        let track = number("tid")?;
        text("name")?;
        match text("ph")? {
            "M" => {
                ensure(event["name"] == "thread_name", || wrong("name"))?;
                ensure(event["args"]["name"].is_string(), || wrong("args"))?;
                named.push(track);
            }
            "X" => {
                let (from, took) = (nanos("ts")?, nanos("dur")?);
                tracks.entry(track).or_default().push((from, from + took));
            }
            // What is not of one thread begins and ends with one id of one category.
            "b" => {
                let before = open.insert(key()?, nanos("ts")?);
                ensure(before.is_none(), || wrong("begun twice"))?;
            }
            "e" => {
                let from = open.remove(&key()?).ok_or_else(|| wrong("not begun"))?;
                ensure(from <= nanos("ts")?, || wrong("ends before it begins"))?;
            }
            "s" => {
                let before = begun.insert(key()?, (track, nanos("ts")?));
                ensure(before.is_none(), || wrong("an arrow begins twice"))?;
            }
            "f" => {
                // Otherwise it leads to the next slice.
                ensure(event["bp"] == "e", || wrong("bp"))?;
                let before = ended.insert(key()?, (track, nanos("ts")?));
                ensure(before.is_none(), || wrong("an arrow ends twice"))?;
            }
            _ => return Err(wrong("an unknown phase").into()),
        }
    }
    ensure(open.is_empty(), || format!("not ended: {open:?}"))?;
    for (track, slices) in &mut tracks {
        ensure(named.contains(track), || {
            format!("track {track} has no name")
        })?;
        // Of two that begin at once, the longer one is around the other one.
        slices.sort_by_key(|(from, to)| (*from, std::cmp::Reverse(*to)));
        let mut around: Vec<Slice> = Vec::new();
        for &(from, to) in &*slices {
            while around.last().is_some_and(|it| it.1 <= from) {
                around.pop();
            }
            let is_inside = around.last().is_none_or(|it| to <= it.1);
            ensure(is_inside, || {
                format!("slices of track {track} overlap at {from} ns")
            })?;
            around.push((from, to));
        }
    }
    ensure(begun.keys().eq(ended.keys()), || {
        "arrows have one end only".to_owned()
    })?;
    ensure(!begun.is_empty(), || "there are no arrows".to_owned())?;
    for (key, start) in &begun {
        let end = &ended[key];
        for (track, at) in [start, end] {
            let slices = tracks.get(track).map_or(&[][..], |it| it);
            let holds = slices
                .iter()
                .any(|(from, to)| from <= at && (at < to || from == to));
            ensure(holds, || {
                format!("arrow {key:?} has an end outside of slices")
            })?;
        }
        ensure(start.1 <= end.1, || {
            format!("arrow {key:?} leads back in time")
        })?;
    }
    let slices: usize = tracks.values().map(Vec::len).sum();
    println!(
        "a trace of {} tracks, {slices} slices and {} arrows",
        tracks.len(),
        begun.len()
    );
    Ok(())
}
