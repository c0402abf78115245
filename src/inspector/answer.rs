//! What is answered to a request.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::cause::Cause;
use crate::follow::json::State;
use crate::inspector::Source;
use crate::wiring::warning::Warning;

/// What an answer depends on in a request.
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    /// The path and what follows it.
    pub(super) target: &'r str,
    /// Empty for none, or for more than one.
    pub(super) host: &'r str,
    pub(super) authorization: Option<&'r [u8]>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Cow<'static, [u8]>,
}

/// Sent with each answer. The page may use what is served here, and nothing else.
pub(super) const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Who may ask.
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    pub(super) token: String,
    pub(super) allow_remote: bool,
}

/// Answers a request. Asks the source for one thing at most.
pub(super) fn answer(request: &Request<'_>, gate: &Gate, source: &dyn Source) -> Answer {
    if !gate.is_host(request.host) {
        return error(421, "this host is not served here");
    }
    if request.method != "GET" {
        return error(405, "only GET is answered");
    }
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((request.target, ""));
    match path {
        "/" => return text("text/html; charset=utf-8", include_str!("page.html")),
        "/page.css" => return text("text/css; charset=utf-8", include_str!("page.css")),
        "/page.js" => return text("text/javascript; charset=utf-8", include_str!("page.js")),
        "/icon.svg" => return text("image/svg+xml", include_str!("icon.svg")),
        _ => {}
    }
    if !gate.is_known(request.authorization) {
        return error(
            401,
            "the token is missing or wrong: send `Authorization: Bearer TOKEN`, with what follows # in the URL of the page",
        );
    }
    let answer = match path {
        "/v1/state" => match parameter(query, "after").unwrap_or("0").parse() {
            Ok(after) => state(source, after, gate),
            Err(_) => error(400, "`after` is a number: what `next` was before"),
        },
        "/v1/trail" => steps(query, |cause| source.trail(cause)),
        "/v1/cascade" => steps(query, |cause| source.cascade(cause)),
        "/v1/wiring.dot" => made(
            "text/vnd.graphviz; charset=utf-8",
            source.report().wiring().to_dot(),
        ),
        "/v1/wiring.mmd" => made(TEXT, source.report().wiring().to_mermaid()),
        "/v1/trace.json" => made(JSON, source.report().to_chrome_trace()),
        "/metrics" => made(
            "text/plain; version=0.0.4; charset=utf-8",
            source.report().to_prometheus(),
        ),
        _ => error(404, "there is nothing here"),
    };
    // Asked after the rest: what ended meanwhile was perhaps not there as a whole.
    if source.has_ended() {
        return error(
            410,
            "the bus is not followed any more: what `follow` returned was dropped, or the bus is followed anew",
        );
    }
    answer
}

/// The warning about a page at this address, if other machines can reach it.
pub(super) fn remote(address: SocketAddr) -> Option<Warning> {
    (!address.ip().is_loopback()).then_some(Warning::RemotePage { address })
}

impl Gate {
    /// Whether this page is meant, and not one of a name that was made to lead here.
    fn is_host(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port),
            _ => (host, "80"),
        };
        let address = match name.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            Some(inside) => inside.parse().ok().map(IpAddr::V6),
            None => name.parse().ok().map(IpAddr::V4),
        };
        let is_allowed = match address {
            Some(address) => {
                self.allow_remote
                    || ["127.0.0.1", "[::1]"].contains(&name)
                    || address == self.address.ip()
            }
            None => name.eq_ignore_ascii_case("localhost"),
        };
        is_allowed && port.parse() == Ok(self.address.port())
    }

    /// Whether the token is this one. Takes the same time wherever they differ.
    fn is_known(&self, authorization: Option<&[u8]>) -> bool {
        let sent = authorization.and_then(|it| it.strip_prefix(b"Bearer "));
        let token = self.token.as_bytes();
        sent.filter(|it| it.len() == token.len())
            .is_some_and(|sent| {
                let pairs = sent.iter().zip(token);
                let differences = pairs.fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
                differences == 0
            })
    }
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut all = query.split('&').filter_map(|it| it.split_once('='));
    all.find_map(|(key, value)| (key == name).then_some(value))
}

/// What is followed, behind what is known of the process.
fn state(source: &dyn Source, after: u64, gate: &Gate) -> Answer {
    let mut report = source.report();
    report.warnings.extend(remote(gate.address));
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(|it| it.file_name());
    let remote = (!gate.address.ip().is_loopback()).then(|| gate.address.to_string());
    let process = serde_json::json!({
        "id": std::process::id(),
        "name": program.map(|it| it.to_string_lossy()),
        "remote": remote,
    });
    let mut body = format!("{{\"process\":{process}").into_bytes();
    let end = body.len();
    let report = &report;
    if let Err(error_) = serde_json::to_writer(&mut body, &State { report, after }) {
        return error(500, error_.to_string());
    }
    // What begins there is another object: the rest of this one.
    body[end] = b',';
    Answer {
        status: 200,
        content_type: JSON,
        body: body.into(),
    }
}

fn steps<T: Serialize>(query: &str, find: impl FnOnce(Cause) -> Option<T>) -> Answer {
    let Some(Ok(cause)) = parameter(query, "of").map(str::parse) else {
        return error(
            400,
            "`of` is a cause: two numbers in base 16 with a dash in between, as in a3-7",
        );
    };
    match find(cause).as_ref().map(serde_json::to_string) {
        Some(Ok(steps)) => made(JSON, steps),
        Some(Err(error_)) => error(500, error_.to_string()),
        None => error(404, "this cause is not kept, or not any more"),
    }
}

fn text(content_type: &'static str, body: &'static str) -> Answer {
    Answer {
        status: 200,
        content_type,
        body: body.as_bytes().into(),
    }
}

fn made(content_type: &'static str, body: String) -> Answer {
    Answer {
        status: 200,
        content_type,
        body: body.into_bytes().into(),
    }
}

/// One line of text.
fn error(status: u16, line: impl Into<String>) -> Answer {
    let line = line.into() + "\n";
    Answer {
        status,
        content_type: TEXT,
        body: line.into_bytes().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspector::sample::Fake;

    fn gate() -> Gate {
        Gate {
            address: ([127, 0, 0, 1], 9321).into(),
            token: "0123456789abcdef0123456789abcdef".to_owned(),
            allow_remote: false,
        }
    }

    fn asked(target: &str) -> Answer {
        let request = Request {
            method: "GET",
            target,
            host: "127.0.0.1:9321",
            authorization: Some(b"Bearer 0123456789abcdef0123456789abcdef"),
        };
        answer(&request, &gate(), &Fake::new())
    }

    fn read(target: &str) -> serde_json::Value {
        let answer = asked(target);
        assert_eq!(
            (answer.status, answer.content_type),
            (200, JSON),
            "{target}"
        );
        serde_json::from_slice(&answer.body).expect("it is JSON")
    }

    #[test]
    fn hosts_are_this_machine_with_this_port() {
        let is_host = |host| gate().is_host(host);
        for host in [
            "127.0.0.1:9321",
            "localhost:9321",
            "LOCALHOST:9321",
            "[::1]:9321",
        ] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "",
            ":",
            ":9321",
            "localhost",
            "localhost:",
            "localhost:80",
            "localhost:09321x",
            "127.0.0.1:93210",
            "127.0.0.2:9321",
            "::1:9321",
            "[::1]",
            "[::1]9321",
            "[localhost]:9321",
            "localhost.:9321",
            "a.localhost:9321",
            "localhost:9321:9321",
            "x@localhost:9321",
            "[127.0.0.1]:9321",
        ] {
            assert!(!is_host(host), "{host}");
        }
    }

    #[test]
    fn remote_hosts_are_addresses_and_no_names() {
        let gate = Gate {
            address: ([0, 0, 0, 0], 80).into(),
            allow_remote: true,
            ..gate()
        };
        let is_host = |host| gate.is_host(host);
        assert!(
            is_host("10.0.0.1:80")
                && is_host("10.0.0.1")
                && is_host("[fe80::1]")
                && is_host("localhost")
        );
        assert!(
            !is_host("example.org")
                && !is_host("10.0.0.1:81")
                && !is_host("10.0.0.1.example.org:80")
        );
    }

    #[test]
    fn the_token_is_known_as_a_whole() {
        let gate = gate();
        let is_known = |it: &str| gate.is_known(Some(it.as_bytes()));
        assert!(is_known("Bearer 0123456789abcdef0123456789abcdef"));
        for it in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0",
            "Bearer 0123456789abcdef0123456789abcde",
            "Bearer 0123456789abcdef0123456789abcdee",
            "Bearer 1123456789abcdef0123456789abcdef",
            "Bearer 0123456789abcdef0123456789abcdef0",
            "Basic 0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert!(!is_known(it), "{it}");
        }
        assert!(!gate.is_known(None));
    }

    #[test]
    fn a_state_has_the_process_and_the_tail_from_there_on() {
        let state = read("/v1/state?after=0");
        assert_eq!(state["process"]["id"], std::process::id());
        assert!(state["process"]["remote"].is_null() && state["process"]["name"].is_string());
        assert_eq!(state["tail"].as_array().map(Vec::len), Some(2));
        assert_eq!(read("/v1/state")["tail"], state["tail"]);
        let next = state["next"].as_u64().expect("a number");
        let later = read(&format!("/v1/state?x=1&after={next}"));
        assert_eq!(later["tail"].as_array().map(Vec::len), Some(0));
        for query in [
            "after=",
            "after=x",
            "after=-1",
            "after=99999999999999999999",
        ] {
            assert_eq!(asked(&format!("/v1/state?{query}")).status, 400, "{query}");
        }
    }

    #[test]
    fn an_address_that_others_can_reach_is_a_warning() {
        let warnings = |address: [u8; 4]| {
            let gate = Gate {
                address: (address, 9321).into(),
                allow_remote: true,
                ..gate()
            };
            let answer = state(&Fake::new(), 0, &gate);
            let state: serde_json::Value =
                serde_json::from_slice(&answer.body).expect("it is JSON");
            state["warnings"].to_string()
        };
        assert_eq!(warnings([127, 0, 0, 1]), "[]");
        assert!(warnings([0, 0, 0, 0]).contains("from other machines, at 0.0.0.0:9321,"));
    }

    #[test]
    fn what_has_ended_is_gone() {
        let (gate, mut source) = (gate(), Fake::new());
        source.has_ended = true;
        let status = |target, authorization| {
            let request = Request {
                method: "GET",
                target,
                host: "127.0.0.1:9321",
                authorization,
            };
            answer(&request, &gate, &source).status
        };
        let token: Option<&[u8]> = Some(b"Bearer 0123456789abcdef0123456789abcdef");
        for target in [
            "/v1/state",
            "/v1/trail?of=a3-7",
            "/v1/cascade?of=a3-7",
            "/v1/wiring.dot",
            "/v1/wiring.mmd",
            "/v1/trace.json",
            "/metrics",
        ] {
            assert_eq!(status(target, token), 410, "{target}");
            assert_eq!(status(target, None), 401, "{target}");
        }
        // The page can still say so.
        assert_eq!(status("/", None), 200);
    }

    #[test]
    fn trails_and_cascades_are_found_by_a_cause() {
        assert_eq!(
            read("/v1/trail?of=a3-7")["steps"].as_array().map(Vec::len),
            Some(1)
        );
        assert_eq!(
            read("/v1/cascade?of=a3-7")["steps"]
                .as_array()
                .map(Vec::len),
            Some(2)
        );
        for (target, status) in [
            ("/v1/trail", 400),
            ("/v1/cascade?of=", 400),
            ("/v1/trail?of=7", 400),
            ("/v1/cascade?of=a3-99", 404),
        ] {
            let answer = asked(target);
            assert_eq!(
                (answer.status, answer.content_type),
                (status, TEXT),
                "{target}"
            );
            assert_eq!(answer.body.iter().filter(|it| **it == b'\n').count(), 1);
        }
    }

    #[test]
    fn what_is_wired_and_counted_is_there_in_other_languages() {
        let starts = |target, text: &str| {
            let answer = asked(target);
            assert_eq!(answer.status, 200, "{target}");
            assert!(answer.body.starts_with(text.as_bytes()), "{target}");
        };
        starts("/v1/wiring.dot", "digraph wiring {");
        starts("/v1/wiring.mmd", "flowchart LR\n");
        starts("/v1/trace.json", "[");
        starts("/metrics", "# HELP slotcast_");
        assert_eq!(asked("/v1").status, 404);
        assert_eq!(asked("//").status, 404);
    }
}
