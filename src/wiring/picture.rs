//! What a picture of a wiring shows: boxes and arrows, without a language.

use std::collections::BTreeMap;

use crate::wiring::handler::{HandlerInfo, HandlerKind};
use crate::wiring::text::{
    conditions, fill, kind, label_of, line_of, queue_name, replaced, short, visible,
};
use crate::wiring::{QueueInfo, TopicWiring, Wiring};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Topic,
    Pattern,
    Handler,
    Queue,
    /// A line that emits.
    #[cfg(feature = "follow")]
    Emitter,
}

/// One box.
pub(crate) struct Node {
    /// A letter and a number.
    pub(crate) id: String,
    pub(crate) shape: Shape,
    /// Without control characters.
    pub(crate) lines: Vec<String>,
    /// Whether it is to be looked at.
    pub(crate) is_marked: bool,
}

/// One arrow, from box to box.
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The place of a handler in the order of calls, or how often it was gone.
    pub(crate) number: Option<u64>,
}

/// The boxes and arrows, in the order of the wiring. A handler of a pattern has one box, with arrows from all
/// topics that call it.
pub(crate) struct Picture {
    pub(crate) nodes: Vec<Node>,
    pub(crate) arrows: Vec<Arrow>,
}

impl Picture {
    pub(crate) fn of(wiring: &Wiring) -> Self {
        let mut picture = Picture {
            nodes: Vec::new(),
            arrows: Vec::new(),
        };
        let targets = Targets::of(wiring);
        for (at, topic) in wiring.topics.iter().enumerate() {
            let mut lines = vec![
                visible(topic.name()).into_owned(),
                short(topic.type_name),
                line_of(topic.place),
            ];
            if topic.retained > 0 {
                lines.push(format!("{} retained", topic.retained));
            }
            picture.add(topic_id(at), Shape::Topic, lines);
        }
        for (at, pattern) in wiring.patterns.iter().enumerate() {
            let lines = vec![
                visible(pattern.name()).into_owned(),
                "pattern".to_owned(),
                line_of(pattern.place),
            ];
            picture.add(format!("p{at}"), Shape::Pattern, lines);
        }
        for (at, queue) in wiring.queues.iter().enumerate() {
            picture.add(queue_id(at), Shape::Queue, queue_lines(at, queue));
        }
        let mut ids = BTreeMap::new();
        let topics = wiring.topics.iter().enumerate();
        let topics = topics.map(|(at, it)| (topic_id(at), &it.handlers));
        let patterns = wiring.patterns.iter().enumerate();
        let patterns = patterns.map(|(at, it)| (format!("p{at}"), &it.handlers));
        for (from, handlers) in topics.chain(patterns) {
            for (at, handler) in handlers.iter().enumerate() {
                let next = ids.len();
                let number = *ids.entry(handler.id).or_insert(next);
                let to = format!("h{number}");
                if number == next {
                    picture.add_handler(&to, handler, &targets);
                }
                let number = Some(at as u64 + 1);
                let from = from.clone();
                picture.arrows.push(Arrow { from, to, number });
            }
        }
        picture
    }

    fn add(&mut self, id: String, shape: Shape, lines: Vec<String>) {
        self.nodes.push(Node {
            id,
            shape,
            lines,
            is_marked: false,
        });
    }

    fn add_handler(&mut self, id: &str, handler: &HandlerInfo, targets: &Targets) {
        let mut lines = vec![
            label_of(handler.label()).into_owned(),
            line_of(handler.place),
        ];
        lines.extend(conditions(handler));
        lines.extend(kind(handler));
        lines.extend(replaced(handler));
        self.add(id.to_owned(), Shape::Handler, lines);
        if let Some(to) = targets.find(handler) {
            let (from, to) = (id.to_owned(), to.clone());
            let number = None;
            self.arrows.push(Arrow { from, to, number });
        }
    }
}

/// What the box of the queue says that is listed there.
pub(crate) fn queue_lines(at: usize, queue: &QueueInfo) -> Vec<String> {
    vec![queue_name(at).to_owned(), line_of(queue.place), fill(queue)]
}

fn topic_id(at: usize) -> String {
    format!("t{at}")
}

fn queue_id(at: usize) -> String {
    format!("q{at}")
}

/// The boxes that handlers may lead to, by their addresses.
pub(crate) struct Targets {
    pub(crate) topics: BTreeMap<usize, String>,
    pub(crate) queues: BTreeMap<usize, String>,
}

impl Targets {
    fn of(wiring: &Wiring) -> Self {
        let topic = |(at, it): (usize, &TopicWiring)| (it.signal, topic_id(at));
        let queue = |(at, it): (usize, &QueueInfo)| (it.queue, queue_id(at));
        Targets {
            topics: wiring.topics.iter().enumerate().map(topic).collect(),
            queues: wiring.queues.iter().enumerate().map(queue).collect(),
        }
    }

    pub(crate) fn find(&self, handler: &HandlerInfo) -> Option<&String> {
        match handler.kind {
            HandlerKind::Queue { .. } => self.queues.get(&handler.target),
            HandlerKind::Forward { .. } => self.topics.get(&handler.target),
            _ => None,
        }
    }
}
