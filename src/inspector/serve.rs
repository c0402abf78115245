//! The address of the page, its thread, and the connections.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use crate::inspector::Source;
use crate::inspector::answer::{Answer, Gate, HEADERS, Request, answer, remote};
use crate::wiring::warning::Warning;

/// How many connections are served at once. The others wait.
const CONNECTIONS: usize = 16;
/// How long a client may take for the head of its request.
pub(super) const HEAD: Duration = Duration::from_secs(5);
/// How many bytes that head may have.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a client may take for the rest, so as to read the answer.
pub(super) const REST: Duration = Duration::from_secs(30);
/// How long what is sent beyond the answer is read, so that it does not take the answer away.
const LINGER: Duration = Duration::from_millis(500);

/// A page for a browser about a bus that is followed, as long as this exists.
///
/// It is read-only, and nothing is told without the token, which is in the [`url`](Self::url). Served by a thread of
/// its own, which does nothing as long as nobody asks. When this is dropped, the address is free and the thread has
/// ended, whatever connections there are.
///
/// # Requests
///
/// Other programs can ask, too. Only GET is answered, to the hosts `127.0.0.1`, `localhost` and `[::1]` with the port
/// of the page, and only with the token. An error is one line of text: 410, once the following has ended. Sixteen
/// connections are served at once, each for one request; others wait. A client has five seconds for the head of its
/// request, of 16 KiB at most, and half a minute for the answer.
///
/// - `/v1/state`: the [`Report`](crate::Report) as JSON, and `process`. With `?after=` and what `next` was, the tail
///   has only what is new since then; all else is always there as a whole. Fields are left out that have their usual
///   values: those that are `null`, `false` or 0; of handlers, the `count` 1, the `kind` `plain`, a `p99` as `p50`, a
///   `total_ns` as `own_ns`, the `place` of the topic or pattern that they are listed with, and as many `calls` as the
///   topic has `emissions`, so that 0 of them stands there if it has some; of emitters, the `emissions` of their topic;
///   of steps, the `kind` `emitted`. Steps are without their `calls`, which their cascade has.
/// - `/v1/trail?of=a3-7`: what led to this [`Cause`](crate::Cause); `/v1/cascade?of=a3-7`: all that its root led to.
/// - `/v1/wiring.dot` and `/v1/wiring.mmd`: who listens to what, for Graphviz and Mermaid.
/// - `/v1/trace.json`: the tail for <https://ui.perfetto.dev>.
/// - `/metrics`: the counts, for Prometheus.
///
/// ```sh
/// curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9321/v1/state | jq '.topics[].name'
/// ```
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Follow};
///
/// let bus = Bus::new();
/// let following = bus.follow(Follow::new());
/// let page = following.serve()?;
/// println!("see {}", page.url());
/// assert!(page.address().ip().is_loopback());
/// # Ok::<(), slotcast::ServeError>(())
/// ```
#[must_use = "dropping the page ends it at once"]
pub struct Page {
    address: SocketAddr,
    token: String,
    /// Dropped to end the thread. `Some` until then.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    /// A page at an address that is to be chosen: by default a free port of `127.0.0.1`.
    pub fn builder() -> PageBuilder {
        PageBuilder {
            addresses: Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()]),
            allow_remote: false,
        }
    }

    /// Where a browser finds it: `http://127.0.0.1:9321/#` and the token. Whoever has this can see all that is followed,
    /// as long as the page exists; the token is new each time.
    ///
    /// For a page at all addresses of this machine (`0.0.0.0`) it names the one that is this machine itself.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}/#{}", self.token)
    }

    /// That other machines can reach it, if they can.
    pub(crate) fn warning(&self) -> Option<Warning> {
        remote(self.address)
    }

    /// The address that it is served at, with its port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // What it may have panicked with was reported there.
            _ = thread.join();
        }
    }
}

impl fmt::Debug for Page {
    /// Without the token, so that it is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Where a [`Page`] is to be served.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Follow, Page, ServeError};
///
/// let bus = Bus::new();
/// let following = bus.follow(Follow::new());
/// let refused = following.serve_with(Page::builder().address("0.0.0.0:0"));
/// assert!(matches!(refused, Err(ServeError::Remote { .. })));
/// let page = following.serve_with(Page::builder().address("0.0.0.0:0").allow_remote(true))?;
/// assert!(page.address().ip().is_unspecified());
/// # Ok::<(), ServeError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct PageBuilder {
    addresses: io::Result<Vec<SocketAddr>>,
    allow_remote: bool,
}

impl PageBuilder {
    /// Serves it at this address: the first that is free, if there are several. Port 0 takes a free port.
    pub fn address(mut self, address: impl ToSocketAddrs) -> Self {
        self.addresses = address.to_socket_addrs().map(Iterator::collect);
        self
    }

    /// Whether addresses that other machines can reach are allowed, so that everybody who has the token can see what
    /// is followed, and everybody on the way can see the token: the connection is not encrypted. Without it, there is
    /// an error for them. That it can be reached from elsewhere is a [`Warning::RemotePage`]: the warning hook of the
    /// bus is told, and the page shows it.
    pub fn allow_remote(mut self, allow: bool) -> Self {
        self.allow_remote = allow;
        self
    }

    /// Serves it.
    ///
    /// # Errors
    ///
    /// If there is no such address, if it is in use, or not allowed; if there is no thread, or no token.
    pub(crate) fn serve(self, source: Arc<dyn Source>) -> Result<Page, ServeError> {
        let addresses = self.addresses.map_err(ServeError::Address)?;
        let Some(&address) = addresses.first() else {
            return Err(ServeError::Address(io::ErrorKind::NotFound.into()));
        };
        let remote = addresses.iter().find(|it| !it.ip().is_loopback());
        if let Some(&address) = remote.filter(|_| !self.allow_remote) {
            return Err(ServeError::Remote { address });
        }
        let listener = TcpListener::bind(&addresses[..])
            .map_err(|source| ServeError::Listen { address, source })?;
        let address = listener.local_addr().map_err(ServeError::Start)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| ServeError::Start(io::Error::other(error.to_string())))?;
        let token: String = random.iter().map(|it| format!("{it:02x}")).collect();
        let gate = Gate {
            address,
            token: token.clone(),
            allow_remote: self.allow_remote,
        };
        let (stop, stopped) = oneshot::channel();
        let (source, gate) = (source, Arc::new(gate));
        let thread = start(listener, source, gate, stopped).map_err(ServeError::Start)?;
        Ok(Page {
            address,
            token,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// Why there is no [`Page`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be read, or its name is not known.
    #[error("the address of the page is no address: write it as in 127.0.0.1:9321")]
    Address(#[source] io::Error),
    /// Other machines can reach the address, which was not allowed.
    #[error("other machines can reach {address}: take an address as 127.0.0.1:{}, or allow it by `Page::builder().allow_remote(true)`", address.port())]
    #[non_exhaustive]
    Remote {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened at: it is in use, or not one of this machine.
    #[error(
        "the page cannot be served at {address}: it is in use, or not an address of this machine; port 0 \
         takes a free one"
    )]
    #[non_exhaustive]
    Listen {
        /// The address: the first, if there are several.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no thread, or no random bits.
    #[error("the page cannot be started")]
    Start(#[source] io::Error),
}

/// Starts the thread. It ends as soon as the other end of `stopped` is dropped.
fn start(
    listener: TcpListener,
    source: Arc<dyn Source>,
    gate: Arc<Gate>,
    stopped: oneshot::Receiver<Infallible>,
) -> io::Result<JoinHandle<()>> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let name = "slotcast-inspector".to_owned();
    thread::Builder::new().name(name).spawn(move || {
        runtime.spawn(accept(listener, source, gate));
        _ = runtime.block_on(stopped);
        // What is under way is dropped with the runtime.
    })
}

async fn accept(listener: tokio::net::TcpListener, source: Arc<dyn Source>, gate: Arc<Gate>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = places.clone().acquire_owned().await {
        let (source, gate) = (source.clone(), gate.clone());
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(async move {
                    serve(stream, &*source, &gate).await;
                    drop(place);
                });
            }
            // That connection has gone, or the process has too many open files: others may come.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Serves one connection: one request.
async fn serve(mut stream: TcpStream, source: &dyn Source, gate: &Gate) {
    let is_asked = AtomicBool::new(false);
    {
        let service = service_fn(|request| {
            is_asked.store(true, Ordering::Relaxed);
            let answer = answer_to(&request, source, gate);
            async { Ok::<_, Infallible>(response(answer)) }
        });
        let connection = http1::Builder::new()
            .keep_alive(false)
            .half_close(true)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(Io(&mut stream), service);
        let mut connection = pin!(connection);
        // An error is told to the client, if it can be.
        if timeout(HEAD, connection.as_mut()).await.is_err() {
            if !is_asked.load(Ordering::Relaxed) {
                return;
            }
            _ = timeout(REST, connection).await;
        }
    }
    let rest = async {
        _ = stream.shutdown().await;
        let mut space = [0; 16 * 1024];
        while stream.read(&mut space).await.is_ok_and(|n| n > 0) {}
    };
    _ = timeout(LINGER, rest).await;
}

fn answer_to(request: &hyper::Request<Incoming>, source: &dyn Source, gate: &Gate) -> Answer {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => "",
    };
    let uri = request.uri();
    let asked = Request {
        method: request.method().as_str(),
        target: uri.path_and_query().map_or("", |it| it.as_str()),
        // Of a request to a proxy, the URI counts.
        host: uri.authority().map_or(host, |it| it.as_str()),
        authorization: request
            .headers()
            .get(AUTHORIZATION)
            .map(HeaderValue::as_bytes),
    };
    answer(&asked, gate, source)
}

fn response(answer: Answer) -> Response<Once> {
    let body = match answer.body {
        std::borrow::Cow::Borrowed(body) => Bytes::from_static(body),
        std::borrow::Cow::Owned(body) => body.into(),
    };
    let mut response = Response::new(Once(Some(body)));
    let status = StatusCode::from_u16(answer.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for &(name, value) in HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    match answer.status {
        401 => _ = headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        405 => _ = headers.insert(ALLOW, HeaderValue::from_static("GET")),
        _ => {}
    }
    response
}

/// A body in one piece.
struct Once(Option<Bytes>);

impl Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|it| Ok(Frame::data(it))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |it| it.len() as u64))
    }
}

/// A stream of tokio, as hyper wants it.
struct Io<'s>(&'s mut TcpStream);

impl Read for Io<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [0; 4096];
        let most = to.remaining().min(space.len());
        let mut read = ReadBuf::new(&mut space[..most]);
        let result = Pin::new(&mut *self.0).poll_read(cx, &mut read);
        to.put_slice(read.filled());
        result
    }
}

impl Write for Io<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
