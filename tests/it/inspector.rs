//! The page about a followed bus, as a client sees it over sockets. What a browser shows, `tests/browser` asks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use slotcast::{Bus, Cause, Follow, Following, Page, ServeError, Subscription, Topic, Warning};

const EVIL: &str = "<img/id=evil/src=x/onerror=document.title=1";
const NAMED: Topic<u32> = Topic::new(EVIL);
/// How long a client may take for the head of its request, as the documentation of `Page` says.
const HEAD: Duration = Duration::from_secs(5);

/// A bus that is followed, with one topic, one handler and one event, all of which have a hostile name.
struct Followed {
    bus: Bus,
    _subscription: Subscription,
    following: Following,
    cause: Cause,
}

fn followed(follow: Follow, text: impl Fn(&u32) -> String + Send + Sync + 'static) -> Followed {
    let bus = Bus::new();
    bus.set_error_hook(|_| ());
    let following = bus.follow(follow.show(&NAMED, text));
    let on = bus.subscribe(&NAMED).label(EVIL);
    let _subscription = on.on(|_| Err::<(), _>(EVIL));
    let cause = bus.emit(&NAMED, &7).cause().unwrap();
    Followed {
        bus,
        _subscription,
        following,
        cause,
    }
}

fn served() -> (Page, Followed) {
    let followed = followed(Follow::new(), |_| EVIL.to_owned());
    (followed.following.serve().unwrap(), followed)
}

fn token(page: &Page) -> String {
    let url = page.url();
    url.split_once('#').unwrap().1.to_owned()
}

fn connect(page: &Page) -> TcpStream {
    let stream = TcpStream::connect(page.address()).unwrap();
    let most = Some(Duration::from_secs(20));
    stream.set_read_timeout(most).unwrap();
    stream
}

/// All that comes until the connection ends.
fn rest(mut stream: TcpStream) -> io::Result<String> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    Ok(String::from_utf8_lossy(&all).into_owned())
}

fn ask(page: &Page, head: &str) -> String {
    let mut stream = connect(page);
    stream.write_all(head.as_bytes()).unwrap();
    rest(stream).unwrap()
}

fn get(page: &Page, path: &str) -> String {
    let (address, token) = (page.address(), token(page));
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
    ask(page, &head)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[test]
fn a_page_is_at_a_free_port_of_this_machine_with_a_new_token() {
    let ((one, _one), (two, _two)) = (served(), served());
    assert!(one.address().ip().is_loopback() && one.address() != two.address());
    assert!(
        one.url()
            .starts_with(&format!("http://{}/#", one.address()))
    );
    assert_eq!(token(&one).len(), 32);
    assert_ne!(token(&one), token(&two));
    assert!(!format!("{one:?}").contains(&token(&one)));
}

#[test]
fn the_page_needs_no_token_and_what_is_followed_does() {
    let (page, followed) = served();
    let address = page.address();
    let cause = followed.cause;
    let plain = |path: &str| {
        ask(
            &page,
            &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        )
    };
    for path in ["/", "/page.js", "/page.css", "/icon.svg"] {
        assert_eq!(status(&plain(path)), "200", "{path}");
    }
    for path in [
        "/v1/state".to_owned(),
        format!("/v1/trail?of={cause}"),
        "/v1/wiring.dot".to_owned(),
        "/metrics".to_owned(),
        "/other".to_owned(),
    ] {
        let answer = plain(&path);
        assert_eq!(status(&answer), "401", "{path}");
        assert!(answer.contains("www-authenticate: Bearer\r\n") && !answer.contains(EVIL));
    }
    let state = get(&page, "/v1/state?after=0");
    assert_eq!(status(&state), "200");
    assert!(state.contains(EVIL));
    assert_eq!(
        status(&get(&page, &format!("/v1/cascade?of={cause}"))),
        "200"
    );
}

#[test]
fn once_the_following_has_ended_what_was_followed_is_gone() {
    let (page, followed) = served();
    let cause = followed.cause;
    let paths = [
        "/v1/state?after=0".to_owned(),
        format!("/v1/trail?of={cause}"),
        format!("/v1/cascade?of={cause}"),
        "/v1/wiring.dot".to_owned(),
        "/v1/wiring.mmd".to_owned(),
        "/v1/trace.json".to_owned(),
        "/metrics".to_owned(),
    ];
    for path in &paths {
        assert_eq!(status(&get(&page, path)), "200", "{path}");
    }
    // Followed anew, by which the one of this page ends.
    let anew = followed.bus.follow(Follow::new());
    let gone = |path: &String| {
        let answer = get(&page, path);
        assert_eq!(status(&answer), "410", "{path}");
        let (_, line) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            line.starts_with("the bus is not followed any more: "),
            "{line}"
        );
        assert_eq!(line.find('\n'), Some(line.len() - 1));
    };
    paths.iter().for_each(gone);
    drop((anew, followed.following));
    paths.iter().for_each(gone);
    // The page is still there, to say so; but not for everybody.
    assert_eq!(status(&get(&page, "/")), "200");
    let head = format!("GET /v1/state HTTP/1.1\r\nHost: {}\r\n\r\n", page.address());
    assert_eq!(status(&ask(&page, &head)), "401");
}

#[test]
fn each_answer_forbids_what_the_page_does_not_need() {
    let (page, _followed) = served();
    for answer in [
        get(&page, "/"),
        get(&page, "/v1/state"),
        get(&page, "/other"),
        ask(&page, "POST / HTTP/1.1\r\n\r\n"),
    ] {
        let answer = answer.to_lowercase();
        for header in [
            "content-security-policy: default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
            "x-content-type-options: nosniff\r\n",
            "cache-control: no-store\r\n",
            "referrer-policy: no-referrer\r\n",
        ] {
            assert!(answer.contains(header), "{header} in {answer}");
        }
        assert!(!answer.contains("access-control"));
    }
}

#[test]
fn other_hosts_and_methods_are_refused() {
    let (page, _followed) = served();
    let (address, port, token) = (page.address(), page.address().port(), token(&page));
    let with = |method: &str, host: &str| {
        let head =
            format!("{method} /v1/state HTTP/1.1\r\n{host}Authorization: Bearer {token}\r\n\r\n");
        status(&ask(&page, &head)).to_owned()
    };
    for host in [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
    ] {
        assert_eq!(with("GET", &format!("Host: {host}\r\n")), "200", "{host}");
    }
    for host in [
        String::new(),
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: localhost.evil.example:{port}\r\n"),
        "Host: localhost\r\n".to_owned(),
        format!("Host: 10.0.0.1:{port}\r\n"),
        format!("Host: {address}\r\nHost: {address}\r\n"),
    ] {
        assert_eq!(with("GET", &host), "421", "{host}");
    }
    for method in ["POST", "HEAD", "OPTIONS", "PUT", "DELETE", "BREW"] {
        assert_eq!(
            with(method, &format!("Host: {address}\r\n")),
            "405",
            "{method}"
        );
    }
    // As to a proxy.
    let head = format!(
        "GET http://evil.example/v1/state HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    assert_eq!(status(&ask(&page, &head)), "421");
}

#[test]
fn the_token_is_known_as_a_whole() {
    let (page, _followed) = served();
    let (address, token) = (page.address(), token(&page));
    let with = |sent: &str| {
        let head = format!(
            "GET /v1/state HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {sent}\r\n\r\n"
        );
        status(&ask(&page, &head)).to_owned()
    };
    assert_eq!(with(&token), "200");
    let longer = format!("{token}0");
    for sent in ["", &token[..1], &token[..31], &token[1..], &longer] {
        assert_eq!(with(sent), "401", "{sent}");
    }
}

#[test]
fn a_body_does_not_take_the_answer_away() {
    let (page, _followed) = served();
    let (address, body) = (page.address(), "x".repeat(8 << 20));
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(status(&ask(&page, &head)), "405");
}

#[test]
fn a_head_of_more_than_is_said_is_too_large() {
    let (page, _followed) = served();
    let with = |bytes| {
        let (address, more) = (page.address(), "x".repeat(bytes));
        let answer = ask(
            &page,
            &format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {more}\r\n\r\n"),
        );
        status(&answer).to_owned()
    };
    assert_eq!(with(15 * 1024), "200");
    assert_eq!(with(32 * 1024), "431");
    assert_eq!(with(1 << 20), "431");
}

#[test]
fn half_a_head_is_waited_for_as_long_as_is_said() {
    let (page, _followed) = served();
    let mut stream = connect(&page);
    let began = Instant::now();
    stream.write_all(b"GET / HT").unwrap();
    assert_eq!(rest(stream).unwrap_or_default(), "");
    assert!(began.elapsed() >= HEAD - Duration::from_millis(100) && began.elapsed() < HEAD * 2);
}

#[test]
fn of_a_hundred_connections_none_is_refused_for_ever() {
    let (page, _followed) = served();
    // Sixteen that say nothing take all places.
    let silent: Vec<TcpStream> = (0..16).map(|_| connect(&page)).collect();
    let head = format!("GET /page.css HTTP/1.1\r\nHost: {}\r\n\r\n", page.address());
    let waiting: Vec<TcpStream> = (0..84)
        .map(|_| {
            let mut stream = connect(&page);
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    waiting[0].set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let kind = (&waiting[0]).read(&mut [0]).map_err(|it| it.kind());
    assert_eq!(kind, Err(io::ErrorKind::WouldBlock));
    waiting[0].set_nonblocking(false).unwrap();
    for stream in waiting {
        assert_eq!(status(&rest(stream).unwrap()), "200");
    }
    drop(silent);
}

#[test]
fn a_page_ends_at_once_whatever_connections_there_are() {
    let kept = Arc::new(());
    let text = {
        let kept = kept.clone();
        move |_: &u32| format!("{kept:?}")
    };
    // In another thread, since one that has emitted keeps what it was followed by until it ends.
    let followed = std::thread::spawn(|| followed(Follow::new(), text));
    let followed = followed.join().unwrap();
    let page = followed.following.serve().unwrap();
    let address = page.address();
    let open: Vec<TcpStream> = (0..30).map(|_| connect(&page)).collect();
    let mut half = connect(&page);
    half.write_all(b"GET /v1/state HTTP/1.1\r\nHo").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let began = Instant::now();
    drop(page);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert!(TcpStream::connect(address).is_err());
    // What it was about is not kept.
    drop(followed);
    assert_eq!(Arc::strong_count(&kept), 1);
    drop(open);
    TcpListener::bind(address).unwrap();
}

/// A page whose state takes some mebibytes, and a client that has asked for it.
fn asked_for_much() -> (Page, TcpStream, Followed) {
    let text = |_: &u32| "x".repeat(256);
    let followed = followed(Follow::new().tail(20_000), text);
    for n in 0..20_000 {
        followed.bus.emit(&NAMED, &n);
    }
    let page = followed.following.serve().unwrap();
    let mut stream = connect(&page);
    let (address, token) = (page.address(), token(&page));
    let head = format!(
        "GET /v1/state HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    (page, stream, followed)
}

#[test]
fn a_client_may_end_its_side_after_its_request_and_read_late() {
    let (page, stream, _followed) = asked_for_much();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(status(&get(&page, "/")), "200");
    let answer = rest(stream).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.len() > 5 << 20);
    assert!(head.contains(&format!("content-length: {}", body.len())));
}

#[test]
fn a_page_ends_at_once_in_the_middle_of_an_answer() {
    let (page, mut stream, _followed) = asked_for_much();
    stream.read_exact(&mut [0; 12]).unwrap();
    let began = Instant::now();
    drop(page);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert!(rest(stream).map_or(0, |it| it.len()) < 5 << 20);
}

#[test]
fn a_client_that_goes_away_or_says_nonsense_disturbs_no_other() {
    let (page, _followed) = served();
    for text in [
        "",
        "\r\n\r\n",
        "GET",
        "\u{0}\u{1}",
        "GET / HTTP/9.9\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost\r\n\r\n",
    ] {
        let mut stream = connect(&page);
        stream.write_all(text.as_bytes()).unwrap();
    }
    assert_eq!(status(&get(&page, "/v1/state")), "200");
}

#[test]
fn other_machines_are_let_in_only_if_that_is_said() {
    let (_page, followed) = served();
    let any: SocketAddr = ([0, 0, 0, 0], 0).into();
    let refused = followed.following.serve_at(any).map(drop);
    let error = refused.unwrap_err();
    assert!(matches!(error, ServeError::Remote { address, .. } if address == any));
    assert_eq!(
        error.to_string(),
        "other machines can reach 0.0.0.0:0: take an address as 127.0.0.1:0, or allow it by `Page::builder().allow_remote(true)`"
    );
    let told = Arc::new(Mutex::new(Vec::new()));
    followed.bus.set_warning_hook({
        let told = told.clone();
        move |it| told.lock().unwrap().push(it.clone())
    });
    // Nothing to be told of this one.
    drop(followed.following.serve().unwrap());
    let page = Page::builder().address(any).allow_remote(true);
    let page = followed.following.serve_with(page).unwrap();
    let port = page.address().port();
    let told = told.lock().unwrap();
    let [Warning::RemotePage { address, .. }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(*address, page.address());
    let warning = format!(
        "the page of the inspector can be reached from other machines, at {address}, by a connection that is not encrypted"
    );
    assert_eq!(told[0].to_string(), warning);
    assert!(
        page.url()
            .starts_with(&format!("http://127.0.0.1:{port}/#"))
    );
    let token = token(&page);
    let ask = |host: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = format!(
            "GET /v1/state HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        rest(stream).unwrap()
    };
    let state = ask("10.0.0.1");
    assert!(state.contains(&format!("\"remote\":\"0.0.0.0:{port}\"")));
    assert!(state.contains(&format!("\"warnings\":[\"{warning}\"]")));
    assert_eq!(status(&ask("evil.example")), "421");
}

#[test]
fn an_address_that_is_none_or_in_use_is_an_error() {
    let (page, followed) = served();
    let taken = followed.following.serve_at(page.address());
    assert!(matches!(taken.map(drop), Err(ServeError::Listen { .. })));
    let none = followed.following.serve_at("127.0.0.1");
    assert!(matches!(none.map(drop), Err(ServeError::Address(_))));
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere_and_sets_no_markup() {
    let (page, _followed) = served();
    for path in ["/", "/page.css", "/page.js"] {
        let answer = get(&page, path);
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for it in [
            "://",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "style=",
            "onclick=",
        ] {
            assert!(!text.contains(it), "{it} in {path}");
        }
    }
}
