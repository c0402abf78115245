//! Who listens to what: what is listed, in which order, and what is told of it.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use slotcast::{AnyEvent, HandlerInfo, HandlerKind, Overflow, Topic, Warning};

use super::{Bus, Ptr, Queue, Signal};
use crate::log::{Log, OnDrop, boom};

const PLACED: Topic<u32> = Topic::new("order.placed");
const PAID: Topic<u32> = Topic::new("order.paid");

fn labels(handlers: &[HandlerInfo]) -> Vec<&str> {
    let labels = handlers.iter().map(|it| it.label().unwrap_or("-"));
    labels.collect()
}

#[test]
fn handlers_are_listed_in_the_order_of_their_calls() {
    let (bus, log) = (Bus::new(), Log::default());
    let called = |name: &'static str| {
        let log = log.clone();
        move || log.add(name)
    };
    let orders = bus.signal(&PLACED);
    let (a, b, c, d) = (called("a"), called("b"), called("c"), called("d"));
    let _subs = [
        orders.subscribe().label("a").on(move |_| a()),
        bus.subscribe_pattern("order.*").label("b").on(move |_| b()),
        orders.subscribe().label("c").priority(2).on(move |_| c()),
        bus.subscribe_pattern(">")
            .label("d")
            .priority(2)
            .on(move |_| d()),
    ];
    orders.emit(&1);
    let called = log.take();
    assert_eq!(called, ["c", "d", "a", "b"]);
    assert_eq!(labels(&orders.handlers()), called);
    let wiring = bus.wiring();
    let [topic] = wiring.topics() else {
        panic!("{wiring:?}")
    };
    assert_eq!(labels(topic.handlers()), called);
    let patterns = topic.handlers().iter().map(|it| it.pattern());
    let expected = [None, Some(">"), None, Some("order.*")];
    assert_eq!(patterns.collect::<Vec<_>>(), expected);
    assert!(
        topic
            .handlers()
            .iter()
            .all(|it| it.topic() == "order.placed")
    );
    let patterns = wiring.patterns();
    assert_eq!((patterns[0].name(), patterns[1].name()), (">", "order.*"));
    assert_eq!(labels(patterns[0].handlers()), ["d"]);
    assert_eq!(patterns[1].handlers()[0].topic(), "order.*");
}

#[test]
fn what_has_ended_is_not_listed() {
    let (bus, queue) = (Bus::new(), Queue::new());
    let orders = bus.signal(&PLACED);
    let (target, owner) = (Ptr::new(1), Ptr::new(2));
    orders.subscribe().on_weak(&target, |_, _| ()).detach();
    orders.subscribe().owner(&owner).on(|_| ()).detach();
    orders.once(|_| ()).detach();
    let next = orders.next();
    let cancelled = orders.on(|_| ());
    bus.on_pattern("order.*", |_| ()).detach();
    let queued = orders.subscribe().on_queue(&queue, |(), _| ());
    assert_eq!(orders.handlers().len(), 7);
    drop((target, owner, cancelled, next));
    assert_eq!(orders.handlers().len(), 3);
    orders.emit(&1);
    assert_eq!(orders.handlers().len(), 2);
    assert_eq!(bus.wiring().topics()[0].handlers().len(), 2);
    assert_eq!(bus.wiring().queues().len(), 2);
    drop(queued);
    assert_eq!(bus.wiring().queues().len(), 1);
    orders.on(|_| ()).detach();
    orders.clear();
    assert_eq!(orders.handlers().len(), 1);
    bus.close();
    assert!(orders.handlers().is_empty() && bus.wiring().patterns().is_empty());
    let names = |topics: &[slotcast::TopicWiring]| topics.len();
    assert_eq!(names(bus.wiring().topics()), 1);
    drop(orders);
    assert_eq!(names(bus.wiring().topics()), 0);
}

#[test]
fn accepted_events_do_not_keep_closed_handlers_listed() {
    let bus = Bus::new();
    let orders = bus.signal(&PLACED);
    let _sub = orders.on(|_| ());
    bus.on_pattern("order.*", |_| ()).detach();
    bus.defer(&PLACED, 1).unwrap();
    bus.close();
    let wiring = bus.wiring();
    assert!(orders.handlers().is_empty() && wiring.topics()[0].handlers().is_empty());
    assert!(wiring.patterns().iter().all(|it| it.handlers().is_empty()));
    assert_eq!(wiring.queues()[0].len(), 1);
    assert_eq!(bus.drain().delivered(), 1);
}

#[test]
fn handlers_are_described() {
    let (bus, queue) = (Bus::new(), Queue::new().bounded(5, Overflow::Reject));
    let orders = bus.signal(&PLACED);
    let sub = orders.subscribe().label("a").limit(3).on(|_| ());
    let _pauses = (sub.pause(), sub.pause(), orders.pause(), bus.pause());
    let pattern = bus.subscribe_pattern("order.*").filter(|_| true).on(|_| ());
    let _queued = orders.subscribe().on_queue(&queue, |(), _| ());
    let [a, of_pattern, queued] = &orders.handlers()[..] else {
        panic!("{:?}", orders.handlers())
    };
    assert_eq!((a.id(), of_pattern.id()), (sub.id(), pattern.id()));
    assert_eq!((a.paused(), of_pattern.paused()), (4, 1));
    assert_eq!((a.left(), of_pattern.left()), (Some(3), None));
    assert_eq!((a.has_filter(), of_pattern.has_filter()), (false, true));
    let HandlerKind::Queue { place, .. } = queued.kind() else {
        panic!("{queued:?}")
    };
    let wiring = bus.wiring();
    let [_, other] = wiring.queues() else {
        panic!("{wiring:?}")
    };
    assert_eq!(other.place(), place);
    assert_eq!((other.len(), other.capacity()), (0, Some(5)));
    drop(_pauses);
    orders.emit(&1);
    assert_eq!(bus.wiring().queues()[1].len(), 1);
    assert_eq!(orders.handlers()[0].left(), Some(2));
    assert_eq!(orders.handlers()[0].replaced_at(), None);
    sub.replace(|_: &u32| ()).unwrap();
    let line = line!() - 1;
    let handler = &orders.handlers()[0];
    assert_eq!(handler.replaced_at().unwrap().line(), line);
    assert!(handler.place().line() < line);
    assert_eq!((handler.id(), handler.label()), (sub.id(), Some("a")));
    assert_eq!(handler.left(), Some(2));
}

#[test]
fn retained_events_and_streams_are_counted() {
    let bus = Bus::new();
    let orders = bus.signal(&PLACED);
    orders.retain(2);
    let stream = orders.stream(4, Overflow::DropOldest);
    (1..=3).for_each(|n| _ = orders.emit(&n));
    assert_eq!(bus.wiring().topics()[0].retained(), 2);
    let kind = orders.handlers()[0].kind();
    let (len, capacity) = (3, 4);
    assert!(
        matches!(kind, HandlerKind::Stream { len: l, capacity: c, .. } if (l, c) == (len, capacity))
    );
    drop(stream);
}

#[test]
fn the_hook_for_unhandled_events_is_listed_where_it_is_called() {
    let bus = Bus::new();
    let (orders, paid) = (bus.signal(&PLACED), bus.signal(&PAID));
    let _sub = paid.on(|_| ());
    assert!(orders.handlers().is_empty());
    bus.set_unhandled_hook(|_| ());
    let kinds = |wiring: slotcast::Wiring| {
        let topics = wiring.topics().iter();
        let kinds = topics.flat_map(|it| it.handlers().iter().map(|it| it.kind()));
        kinds.collect::<Vec<_>>()
    };
    let expected = [HandlerKind::Plain, HandlerKind::Hook];
    assert_eq!(kinds(bus.wiring()), expected);
    assert_eq!(orders.handlers()[0].kind(), HandlerKind::Hook);
    assert_eq!(orders.handlers()[0].pattern(), None);
    assert_eq!(orders.handlers()[0].topic(), "order.placed");
    assert_eq!(orders.len(), 0);
    orders.close();
    assert!(orders.handlers().is_empty());
    assert_eq!(kinds(bus.wiring()), expected[..1]);
    bus.close();
    assert_eq!(kinds(bus.wiring()), []);
}

#[test]
fn looking_calls_no_user_code_and_is_allowed_everywhere() {
    let (bus, calls) = (Bus::new(), Arc::new(AtomicUsize::new(0)));
    let count = || {
        let calls = calls.clone();
        move || _ = calls.fetch_add(1, Relaxed)
    };
    let orders = bus.signal(&PLACED);
    let look = {
        let (bus, orders) = (bus.downgrade(), orders.downgrade());
        move || {
            if let (Some(bus), Some(orders)) = (bus.upgrade(), orders.upgrade()) {
                let wiring = bus.wiring();
                assert!(wiring.to_string().contains("order.placed"));
                drop((wiring.to_dot(), wiring.warnings(), orders.handlers()));
            }
        }
    };
    let (one, two, three) = (count(), count(), count());
    let filter = move |_: &u32| {
        one();
        true
    };
    let _sub = orders.subscribe().filter(filter).on(move |_| two());
    let mapped = move |_: &u32| {
        three();
        Some(1)
    };
    let _stream = orders
        .subscribe()
        .stream_map(2, Overflow::DropOldest, mapped);
    bus.set_unhandled_hook({
        let four = count();
        move |_| four()
    });
    look();
    assert_eq!(calls.load(Relaxed), 0);
    let (in_handler, in_filter, in_drop) = (look.clone(), look.clone(), look.clone());
    let (in_watch, in_mut) = (look.clone(), look.clone());
    let captured = OnDrop(in_drop);
    let sub = orders
        .subscribe()
        .filter(move |_| {
            in_filter();
            true
        })
        .on(move |_| {
            _ = &captured;
            in_handler();
        });
    let _demand = orders.on_demand(move |_| in_watch());
    let _mut = orders.on_mut(move |_| in_mut());
    bus.queue().post(look).unwrap();
    assert_eq!(orders.emit(&1).ran(), 4);
    drop(sub);
    assert_eq!(bus.drain().delivered(), 1);
}

/// One of each, as `Display` writes it. The lines are asked for with a line number of three digits, so that
/// all places are equally long.
#[test]
fn every_kind_of_handler_is_written_letter_by_letter() {
    let at = |line: u32| {
        assert!((100..1000).contains(&line));
        format!("{}:{line}", file!())
    };
    let (bus, l0) = (Bus::new(), line!());
    let (ui, l1) = (Queue::<u32>::with_context(), line!());
    let (house, _) = (bus.signal(&Topic::<u32>::new("house")), ());
    let l2 = line!() - 1;
    let (orders, l3) = (bus.signal(&PLACED), line!());
    let (level, l5) = (Topic::new("level"), line!() + 1);
    bus.retain_last(&level);
    bus.emit(&level, &42);
    let (target, dead) = (Ptr::new(1), Ptr::new(2));
    let _l = (orders.subscribe().label("plain").on(|_| ()), line!());
    let _m = (orders.on_mut(|_| ()), line!());
    let _w = (orders.on_weak(&target, |_, _| ()), line!());
    let _d = orders.subscribe().label("dead").on_weak(&dead, |_, _| ());
    let _q = (orders.subscribe().on_queue(&ui, |_, _| ()), line!());
    let _a = (
        orders.subscribe().label("later").on_async(async |_| ()),
        line!() - 1,
    );
    let _n = (orders.next(), line!());
    let _s = (orders.stream(8, Overflow::Reject), line!());
    let _f = (orders.forward_to(&house), line!());
    let _o = (
        orders.subscribe().filter(|_| true).once(|_| ()),
        line!() - 1,
    );
    let _r = (orders.subscribe().label("new").on(|_| ()), line!());
    let replaced = (_r.0.replace(|_: &u32| ()).unwrap(), line!()).1;
    let _p = (orders.subscribe().limit(3).on(|_| ()), line!());
    let _pauses = (_p.0.pause(), _p.0.pause());
    let guard = bus.subscribe_pattern("order.>").label("gu\nard");
    let (_g, l4) = (guard.priority(10).on(|_: &AnyEvent| ()), line!() - 1);
    drop(dead);

    // The columns: "  12", the widest label, the widest conditions, and the places, two spaces after each.
    let place = at(100).len();
    let before = 4 + 2 + 10 + 2 + 22 + 2 + place;
    let head = |name: &str, before: usize| format!("{name:before$}  first used at ");
    let row = |n: u32, label: &str, conditions: &str, line: u32, ways: &str| {
        let line = format!(
            "  {n:>2}  {label:10}  {conditions:22}  {}  {ways}",
            at(line)
        );
        line.trim_end().to_owned()
    };
    let no = "(no label)";
    let expected = [
        format!("house  u32  first used at {}", at(l2)),
        format!("level  i32  1 retained  first used at {}", at(l5)),
        head("order.placed  u32", before) + &at(l3),
        row(1, r"gu\nard", "priority 10", l4, "pattern order.>"),
        row(2, "plain", "", _l.1, ""),
        row(3, no, "", _m.1, "mut"),
        row(4, no, "", _w.1, "weak"),
        row(5, no, "", _q.1, &format!("queued to {}", at(l1))),
        row(6, "later", "", _a.1, "async"),
        row(7, no, "", _n.1, "next"),
        row(8, no, "", _s.1, "stream, 0 of 8"),
        row(9, no, "", _f.1, "forwards to house"),
        row(10, no, "1 left, filter", _o.1, ""),
        row(
            11,
            "new",
            "",
            _r.1,
            &format!("replaced at {}", at(replaced)),
        ),
        row(12, no, "3 left, paused 2 times", _p.1, ""),
        head("order.>  pattern", 3 + 2 + 7 + 2 + 11 + 2 + place) + &at(l4),
        format!(r"  1  gu\nard  priority 10  {}", at(l4)),
        format!("queue of the bus  0 waiting  made at {}", at(l0)),
        format!("queue             0 waiting  made at {}", at(l1)),
    ];
    let text = bus.wiring().to_string();
    for (written, expected) in text.lines().zip(&expected) {
        assert_eq!(written, expected);
    }
    assert_eq!(text, expected.join("\n"));
}

#[test]
fn a_column_of_long_cells_and_empty_ones_is_written() {
    let bus = Bus::new();
    let orders = bus.signal(&PLACED);
    let audit = bus.signal(&Topic::new("an.audit.of.everything.that.was.ever.ordered"));
    orders.on(|_| ()).detach();
    orders.forward_to(&audit).detach();
    let text = bus.wiring().to_string();
    let [plain, forwards] = [2, 3].map(|at| text.lines().nth(at).unwrap());
    let (before, way) = forwards.split_once("  forwards to ").unwrap();
    assert_eq!(
        way, "an.audit.of.everything.that.was.ever.ordered",
        "{text}"
    );
    assert_eq!(plain.len(), before.len(), "{text}");
}

#[test]
fn a_queue_that_was_dropped_is_not_listed() {
    let (bus, queue) = (Bus::new(), Queue::new());
    let orders = bus.signal(&PLACED);
    orders.subscribe().on_queue(&queue, |(), _| ()).detach();
    orders.emit(&1);
    assert_eq!(bus.wiring().queues()[1].len(), 1);
    drop(queue);
    assert_eq!(bus.wiring().queues().len(), 1);
    assert_eq!(orders.handlers().len(), 1);
}

/// Names and labels that would break out of a language that does not escape them.
const HOSTILE: [&str; 8] = [
    "\"quotes\" 'and' \\backslashes\\ \\n \\",
    "`backticks` **bold** __init__ ~x~",
    "--> x --- y -.- z |pipe| ]) }} \"];",
    "new\nlines\r\n\ttabs\0",
    "<b>html</b> &lt;&amp;&#60; #quot; #35; <br/>",
    "1. a list\n- of things",
    "https://example.com www.example.com a@example.com $$x$$ fa:fa-ban",
    "größe 寸法 \u{202e}desrever\u{2028} end",
];

/// A bus with such names, and the labels that there are.
fn hostile() -> (Bus, Vec<String>) {
    let bus = Bus::new();
    let topic =
        Topic::<u32>::named("<img/id=evil/src=x/onerror=document.title=1".to_owned()).unwrap();
    let orders = bus.signal(&topic);
    let quotes = Topic::<Vec<Option<u32>>>::named("\"a\".`b`.--x\\".to_owned()).unwrap();
    let mut labels: Vec<String> = HOSTILE.iter().map(|it| (*it).to_owned()).collect();
    labels.push("\"<x>`\n".repeat(171)[..1024].to_owned());
    labels.push(String::new());
    for label in &labels {
        orders.subscribe().label(&**label).on(|_| ()).detach();
        let pattern = bus.subscribe_pattern(">").label(&**label);
        pattern.on(|_| ()).detach();
    }
    let quotes = bus.signal(&quotes);
    orders.forward_to(&orders).detach();
    quotes
        .subscribe()
        .on_queue(&bus.queue(), |(), _| ())
        .detach();
    (bus, labels)
}

/// The text of a label on one line, as all languages have it.
fn on_one_line(label: &str) -> String {
    let hidden = |it: char| it == '\\' || it.is_control() || "\u{202e}\u{2028}".contains(it);
    let letters = |it: char| match hidden(it) {
        true => it.escape_default().to_string(),
        false => it.to_string(),
    };
    label.chars().map(letters).collect()
}

#[test]
fn pictures_are_the_same_for_the_same_wiring() {
    let (bus, _) = hostile();
    let (one, two) = (bus.wiring(), bus.wiring());
    assert_eq!(one.to_dot(), two.to_dot());
    assert_eq!(one.to_mermaid(), two.to_mermaid());
    assert_eq!(one.to_string(), two.to_string());
    assert_eq!(one.clone().to_dot(), one.to_dot());
}

#[test]
fn text_has_one_line_for_each_handler() {
    let (bus, labels) = hostile();
    let text = bus.wiring().to_string();
    assert!(!text.contains(|it: char| it.is_control() && it != '\n'));
    // Two topics and a pattern have those of the pattern, and one topic as many of its own; two handlers more,
    // and the heads, and the queue.
    assert_eq!(text.lines().count(), labels.len() * 4 + 2 + 3 + 1);
    for label in &labels {
        assert!(text.contains(&on_one_line(label)), "{label:?}");
    }
}

#[test]
fn dot_names_every_handler_and_stays_inside_of_its_strings() {
    let (bus, labels) = hostile();
    let dot = bus.wiring().to_dot();
    let mut found = Vec::new();
    let inside = dot.strip_prefix("digraph wiring {\n  rankdir=LR;\n  node [shape=box];\n");
    let inside = inside.unwrap().strip_suffix("}\n").unwrap();
    for line in inside.lines() {
        let (id, rest) = line.trim_start().split_once(' ').unwrap();
        assert!(id.chars().all(|it| it.is_ascii_alphanumeric()), "{line}");
        let Some(rest) = rest.strip_prefix("[label=\"") else {
            assert!(rest.starts_with("-> "), "{line}");
            continue;
        };
        // To the first quote without a backslash, which has to end the label.
        let (mut text, mut chars) = (String::new(), rest.chars());
        loop {
            match chars.next().unwrap() {
                '"' => break,
                '\\' => match chars.next().unwrap() {
                    'n' => text.push('\n'),
                    it @ ('\\' | '"') => text.push(it),
                    it => panic!("escape {it:?} in {line}"),
                },
                it => text.push(it),
            }
        }
        let rest = chars.as_str();
        assert!(
            [
                "];",
                ", style=rounded];",
                ", style=dashed];",
                ", shape=cds];"
            ]
            .contains(&rest)
        );
        assert!(!text.replace("&amp;", "").contains('&'), "{line}");
        found.push(text.replace("&amp;", "&"));
    }
    assert_named(&found, &labels);
}

#[test]
fn mermaid_names_every_handler_and_stays_inside_of_its_strings() {
    let (bus, labels) = hostile();
    let mermaid = bus.wiring().to_mermaid();
    let mut found = Vec::new();
    for line in mermaid.strip_prefix("flowchart LR\n").unwrap().lines() {
        let Some((_, rest)) = line.split_once('"') else {
            assert!(line.contains(" -->"), "{line}");
            continue;
        };
        let (text, rest) = rest.split_once('"').unwrap();
        assert!(["]", "}}", "])", ")]"].contains(&rest), "{line}");
        let decoded = |line: &str| {
            let mut parts = line.split('#');
            let mut text = parts.next().unwrap().to_owned();
            for part in parts {
                let (code, rest) = part.split_once(';').unwrap();
                text.push(char::from_u32(code.parse().unwrap()).unwrap());
                text.push_str(rest);
            }
            text
        };
        let lines: Vec<_> = text.split("<br/>").map(decoded).collect();
        found.push(lines.join("\n"));
    }
    assert_named(&found, &labels);
}

/// Each label stands with a place in two boxes: that of the topic's handler, and that of the pattern's.
fn assert_named(boxes: &[String], labels: &[String]) {
    for label in labels {
        let begin = format!("{}\n{}:", on_one_line(label), file!());
        let named = boxes.iter().filter(|it| it.starts_with(&begin)).count();
        assert_eq!(named, 2, "{label:?} in {boxes:#?}");
    }
    let topic = "<img/id=evil/src=x/onerror=document.title=1\nu32\n";
    assert!(boxes.iter().any(|it| it.starts_with(topic)));
    let topic = "\"a\".`b`.--x\\\\\nVec<Option<u32>>\n";
    assert!(boxes.iter().any(|it| it.starts_with(topic)), "{boxes:#?}");
}

#[test]
#[ignore = "needs `dot` of Graphviz: .ci/run runs it where that is"]
fn dot_of_graphviz_accepts_hostile_names() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let (bus, labels) = hostile();
    let mut dot = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = dot.stdin.take().unwrap();
    input.write_all(bus.wiring().to_dot().as_bytes()).unwrap();
    drop(input);
    let done = dot.wait_with_output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && said.is_empty(), "{said}");
    let svg = String::from_utf8(done.stdout).unwrap();
    let svg = svg.replace("&#45;", "-").replace("&quot;", "\"");
    let svg = svg.replace("&#39;", "'").replace("&lt;", "<");
    let svg = svg.replace("&gt;", ">").replace("&#160;", " ");
    let svg = svg.replace("&amp;", "&");
    for label in &labels {
        let text = format!(">{}<", on_one_line(label));
        assert!(label.is_empty() || svg.contains(&text), "{text} in {svg}");
    }
}

/// A bus that writes its warnings down.
fn warned(bus: Bus) -> (Bus, Arc<Mutex<Vec<Warning>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let own = told.clone();
    bus.set_warning_hook(move |warning| own.lock().unwrap().push(warning.clone()));
    (bus, told)
}

fn counts(told: &Mutex<Vec<Warning>>) -> Vec<(u32, usize)> {
    let told = std::mem::take(&mut *told.lock().unwrap());
    let count = |warning: &Warning| match warning {
        Warning::ManyHandlers { place, count, .. } => (place.line(), *count),
        other => panic!("{other}"),
    };
    told.iter().map(count).collect()
}

#[test]
fn a_topic_that_grows_by_one_line_is_told_three_times() {
    let (bus, told) = warned(Bus::new());
    let orders = bus.signal(&PLACED);
    let line = line!() + 2;
    let grow = |_| {
        orders.on(|_| ()).detach();
    };
    (0..3000).for_each(grow);
    let text = told.lock().unwrap()[0].to_string();
    assert!(text.contains("\"order.placed\" has 64 handlers"), "{text}");
    assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
    assert_eq!(counts(&told), [(line, 64), (line, 256), (line, 1024)]);
    // What has been told is not told again when they come back.
    orders.clear();
    (0..1000).for_each(grow);
    assert_eq!(counts(&told), []);
}

#[test]
fn each_line_of_a_topic_or_a_pattern_is_told_by_itself() {
    let (bus, told) = warned(Bus::<()>::builder().warn_handlers(10).build());
    let line = line!() + 2;
    for _ in 0..40 {
        bus.on_pattern("order.*", |_| ()).detach();
        bus.on_pattern("order.*", |_| ()).detach();
    }
    // Each once, with a tenth more at most.
    let found = counts(&told);
    let lines: Vec<u32> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [line, line + 1], "{found:?}");
    assert!(
        found.iter().all(|(_, count)| (10..=11).contains(count)),
        "{found:?}"
    );
}

#[test]
fn what_accumulates_is_told_at_the_number_itself() {
    for (from, others) in [(64, 1), (64, 7), (64, 100), (100, 0), (100, 3), (1, 2)] {
        let (bus, told) = warned(Bus::<()>::builder().warn_handlers(from).build());
        let orders = bus.signal(&PLACED);
        let other = orders.subscribe().on(|_| ());
        let mut labels = (0..others).map(|_| orders.next()).collect::<Vec<_>>();
        _ = counts(&told);
        let line = line!() + 2;
        for _ in 0..from * 17 {
            orders.on(|_| ()).detach();
        }
        let mut found = counts(&told);
        found.retain(|(of, _)| *of == line);
        let expected = [from, from * 4, from * 16].map(|count| (line, count));
        assert_eq!(found, expected, "{from} with {others} others");
        labels.clear();
        drop(other);
    }
}

#[test]
fn a_topic_that_comes_and_goes_is_told_once() {
    let (bus, told) = warned(Bus::new());
    let line = line!() + 2;
    let open = || {
        let subs = (0..64).map(|_| bus.on(&PLACED, |_| ()));
        subs.collect::<Vec<_>>()
    };
    for _ in 0..10 {
        drop(open());
        assert!(bus.topics().is_empty());
    }
    assert_eq!(counts(&told), [(line, 64)]);
}

#[test]
fn a_crowd_that_has_gone_does_not_hide_what_accumulates() {
    let (bus, told) = warned(Bus::new());
    let orders = bus.signal(&PLACED);
    // One that stays, and none.
    for kept in [Some(orders.on(|_| ())), None] {
        let crowd: Vec<_> = (0..10_000).map(|_| orders.on(|_| ())).collect();
        drop(crowd);
        _ = counts(&told);
        let name = if kept.is_some() { "one" } else { "none" };
        let again = |count| {
            let subs = (0..count).map(|_| orders.on(|_| ()));
            subs.collect::<Vec<_>>()
        };
        // The second time it is known.
        let subs = again(200);
        let found = counts(&told).len();
        assert_eq!(found, usize::from(kept.is_some()), "beside {name}");
        drop(subs);
    }
}

#[test]
fn the_hook_for_unhandled_events_does_not_accumulate() {
    let (bus, told) = warned(Bus::<()>::builder().warn_handlers(1).build());
    let _silent = bus.signal(&PLACED);
    bus.set_unhandled_hook(|_| ());
    assert_eq!(counts(&told), []);
    assert_eq!(bus.wiring().topics()[0].handlers().len(), 1);
    assert_eq!(bus.wiring().warnings(), []);
}

#[test]
fn handlers_that_go_again_are_not_told() {
    let (bus, told) = warned(Bus::<()>::builder().warn_handlers(4).build());
    let orders = bus.signal(&PLACED);
    for _ in 0..1000 {
        let target = Ptr::new(1);
        let _subs = [orders.on(|_| ()), orders.on(|_| ()), orders.on(|_| ())];
        orders.on_weak(&target, |_, _| ()).detach();
    }
    assert_eq!(counts(&told), []);
    let (quiet, told) = warned(Bus::<()>::builder().warn_handlers(0).build());
    for _ in 0..1000 {
        quiet.on(&PLACED, |_| ()).detach();
    }
    assert_eq!(counts(&told), []);
    assert!(quiet.wiring().warnings().is_empty());
    assert!(quiet.clear_warning_hook() && !quiet.clear_warning_hook());
    // Signals without a bus have no hook, and are not looked at.
    let alone = Signal::<u32>::new();
    (0..1000).for_each(|_| alone.on(|_| ()).detach());
}

#[test]
fn handlers_whose_target_has_died_do_not_accumulate() {
    let (bus, told) = warned(Bus::<()>::builder().warn_handlers(8).build());
    let (orders, target) = (bus.signal(&PLACED), Ptr::new(1));
    let weak = |target: &Ptr<i32>| orders.on_weak(target, |_, _| ()).detach();
    let other = |_| orders.on(|_| ()).detach();
    (0..3).for_each(other);
    (0..7).for_each(|_| weak(&target));
    drop(target);
    // The eighth of its line, which is looked at.
    let target = Ptr::new(1);
    weak(&target);
    assert_eq!(counts(&told), []);
    assert!(bus.wiring().warnings().is_empty());
}

#[test]
fn the_hook_for_warnings_may_use_the_bus_and_its_panics_are_contained() {
    let bus = Bus::<()>::builder().warn_handlers(2).build();
    let log = Log::default();
    bus.set_warning_hook({
        let (bus, log) = (bus.downgrade(), log.clone());
        move |warning| {
            let bus = bus.upgrade().unwrap();
            assert!(matches!(warning, Warning::ManyHandlers { .. }));
            log.add(format!("{} are called", bus.emit(&PLACED, &1).ran()));
            // Told to the log: this is inside of the hook.
            (0..9).for_each(|_| bus.on(&PLACED, |_| ()).detach());
            assert_eq!(bus.wiring().warnings().len(), 2);
            bus.clear_warning_hook();
            boom("in the hook");
        }
    });
    for _ in 0..2 {
        bus.on(&PLACED, |_| ()).detach();
    }
    assert_eq!(log.take(), ["2 are called"]);
    assert_eq!(bus.emit(&PLACED, &1).ran(), 11);
}

#[test]
fn the_same_line_and_label_twice_is_a_warning() {
    let bus = Bus::new();
    let line = line!() + 2;
    for label in ["audit", "audit", "other", ""] {
        let subscribe = bus.subscribe(&PLACED).label(label);
        subscribe.on(|_| ()).detach();
        bus.subscribe(&PAID).on(|_| ()).detach();
    }
    bus.subscribe(&PLACED).label("other").on(|_| ()).detach();
    let warnings = bus.wiring().warnings();
    let [
        Warning::SameLabel {
            topic,
            label,
            place,
            count,
            ..
        },
    ] = &warnings[..]
    else {
        panic!("{warnings:?}")
    };
    assert_eq!((&**topic, &**label, *count), ("order.placed", "audit", 2));
    assert_eq!(place.line(), line);
    assert!(warnings[0].to_string().contains(&place.to_string()));
}

#[test]
fn a_topic_without_handlers_beside_a_similar_one_with_some_is_a_warning() {
    let bus = Bus::new();
    let (emitted, line) = (bus.signal(&Topic::<u32>::new("order.plcaed")), line!());
    let _other = bus.signal(&Topic::<u32>::new("order.sent"));
    // Similar, but of another payload type.
    let _typed = bus.signal(&Topic::<u64>::new("order.place"));
    let warnings = || bus.wiring().warnings();
    assert!(warnings().is_empty());
    let _log = bus.on_pattern(">", |_| ());
    let _sub = bus.on(&PLACED, |_| ());
    let found = warnings();
    let [
        Warning::SimilarName {
            topic,
            place,
            similar,
            ..
        },
    ] = &found[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!((&**topic, &**similar), ("order.plcaed", "order.placed"));
    assert_eq!(place.line(), line);
    assert!(found[0].to_string().contains(&place.to_string()));
    let _heard = emitted.on(|_| ());
    assert!(warnings().is_empty());
}

#[test]
fn names_that_differ_by_a_number_are_a_series() {
    let bus = Bus::new();
    let rooms = ["room1.joined", "room2.joined", "room12.joined"];
    let rooms = rooms.map(|name| bus.signal(&Topic::<u32>::new(name)));
    let _sub = rooms[0].on(|_| ());
    assert_eq!(bus.wiring().warnings(), []);
}

#[test]
fn many_handlers_of_one_line_are_listed_as_one_warning() {
    let bus = Bus::new();
    for _ in 0..64 {
        let subscribe = bus.subscribe(&PLACED).label("again");
        subscribe.on(|_| ()).detach();
    }
    let warnings = bus.wiring().warnings();
    let [Warning::ManyHandlers { topic, count, .. }] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert_eq!((&**topic, *count), ("order.placed", 64));
}

#[test]
fn a_subscription_shows_where_it_belongs() {
    let bus = Bus::new();
    let sub = bus.subscribe(&PLACED).label("audit").on(|_| ());
    let line = line!() - 1;
    let shown = format!("{sub:?}");
    assert!(shown.contains("order.placed") && shown.contains("audit"));
    assert!(shown.contains(&format!("{}:{line}:", file!())), "{shown}");
}

#[test]
fn a_wiring_keeps_nothing_alive() {
    let (bus, dropped) = (Bus::new(), Ptr::new(Cell::new(false)));
    let target = Ptr::new(1);
    let own = Ptr::downgrade(&target);
    bus.on(&PLACED, move |_| _ = &target).detach();
    let (wiring, handlers) = (bus.wiring(), bus.signal(&PLACED).handlers());
    drop(bus);
    dropped.set(own.upgrade().is_none());
    assert!(dropped.get());
    assert_eq!((wiring.topics().len(), handlers.len()), (1, 1));
}
