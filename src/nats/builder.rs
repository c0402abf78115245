//! What a bridge is made of, before it is started.

use std::fmt;
use std::panic::Location;
use std::path::PathBuf;
use std::time::Duration;

use crate::nats::credentials::Credentials;
#[cfg(feature = "nats-tls")]
use crate::nats::credentials::Tls;
use crate::nats::into_route::{IntoReceive, IntoSend, ReceiveRoute, SendRoute};
use crate::nats::limits::StreamLimits;

/// A bridge that is being put together: where the server is, who we are, and what crosses.
///
/// Nothing is connected and nothing fails until [`start`](Self::start).
#[must_use = "it does nothing until it is started"]
pub struct BridgeBuilder<C: 'static = ()> {
    pub(super) addresses: String,
    pub(super) name: Option<String>,
    pub(super) credentials: Credentials,
    #[cfg(feature = "nats-tls")]
    pub(super) tls: Tls,
    pub(super) prefix: Option<String>,
    pub(super) sends: Vec<SendRoute<C>>,
    pub(super) receives: Vec<ReceiveRoute<C>>,
    pub(super) create_streams: Option<StreamLimits>,
    pub(super) connect_timeout: Duration,
    pub(super) wait_for_server: bool,
    pub(super) runtime: Option<tokio::runtime::Handle>,
}

impl<C: 'static> BridgeBuilder<C> {
    pub(super) fn new(addresses: String) -> Self {
        BridgeBuilder {
            addresses,
            name: None,
            credentials: Credentials::None,
            #[cfg(feature = "nats-tls")]
            tls: Tls::default(),
            prefix: None,
            sends: Vec::new(),
            receives: Vec::new(),
            create_streams: None,
            connect_timeout: Duration::from_secs(5),
            wait_for_server: true,
            runtime: None,
        }
    }

    /// The name that the server shows for its connections. If the bus is followed, its events bring it to those who
    /// receive them: [`Received::bridge`](crate::Received::bridge).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The token of the server. This replaces other credentials, as each of these methods does.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.credentials = Credentials::Token(token.into());
        self
    }

    /// A user of the server.
    pub fn user_and_password(
        mut self,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.credentials = Credentials::UserAndPassword(user.into(), password.into());
        self
    }

    /// The seed of an nkey, which stays here: the server sees a signature.
    pub fn nkey(mut self, seed: impl Into<String>) -> Self {
        self.credentials = Credentials::Nkey(seed.into());
        self
    }

    /// A file with a JWT and the seed of an nkey, as `nsc` writes it. It is read by [`start`](Self::start), and again
    /// before each connection.
    pub fn credentials_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.credentials = Credentials::File(path.into());
        self
    }

    /// The content of such a file.
    pub fn credentials(mut self, content: impl Into<String>) -> Self {
        self.credentials = Credentials::Text(content.into());
        self
    }

    /// A file with certificates, in PEM, that the server's is signed by, beside those of the system. The connection has
    /// to be encrypted from then on.
    #[cfg(feature = "nats-tls")]
    pub fn root_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.roots.push(path.into());
        self.tls.required = true;
        self
    }

    /// The certificate and the key of this side, each a file in PEM. The connection has to be encrypted from then on.
    #[cfg(feature = "nats-tls")]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.tls.own = Some((certificate.into(), key.into()));
        self.tls.required = true;
        self
    }

    /// Puts this, and a dot, before the topics: the subject of `order.placed` with the prefix `shop` is
    /// `shop.order.placed`. Without one, subjects are topics.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Sends the events of a topic (`&PLACED`) or of a [`Route`](crate::nats::Route): from the start on, each emission
    /// of it is encoded in the emission, and put into the route's outbox.
    ///
    /// It is a handler as any other, with the label `nats` and this line: it counts in
    /// [`Emission::ran`](crate::Emission::ran), and is not called if one before it [stops](crate::Flow::Stop) the
    /// emission. An awaited emission waits until the server has stored the event; by core NATS, until it is written to
    /// the connection.
    #[track_caller]
    pub fn send(mut self, route: impl IntoSend<C>) -> Self {
        self.sends.push(route.into_send(Location::caller()));
        self
    }

    /// Receives the events of a topic or of a [`Route`](crate::nats::Route), and emits them on the bus: subscribe their
    /// handlers before [`start`](Self::start), or the first events have none.
    #[track_caller]
    pub fn receive(mut self, route: impl IntoReceive<C>) -> Self {
        self.receives.push(route.into_receive(Location::caller()));
        self
    }

    /// Makes the streams that do not exist, of the subjects of the routes that are stored there, and adds no subject to
    /// those that do.
    pub fn create_streams(mut self, limits: StreamLimits) -> Self {
        self.create_streams = Some(limits);
        self
    }

    /// How long [`start`](Self::start) waits for the server, all addresses together, and later each try to connect to
    /// one: 5 s, unless this is called.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Whether [`start`](Self::start) fails if no server answers, which it does unless this is called with `false`.
    /// Then the bridge begins disconnected, and what is wrong with what `start` would have asked the server (credentials,
    /// streams) is told to the error hook of the bus when it has one. It is asked again, less and less often, up to every
    /// 5 s; told is only what is new. Nothing is sent into a stream before it is there with its subjects, or read from
    /// it; the other routes go on.
    pub fn wait_for_server(mut self, wait: bool) -> Self {
        self.wait_for_server = wait;
        self
    }

    /// Runs what talks to the server on this runtime of `tokio`, instead of on a thread of its own. It needs its I/O and
    /// its clock, and has to outlive the bridge: if it ends before, the bridge is
    /// [stopped](crate::nats::State::Stopped). Handlers, hooks and wakers have threads of the bridge all the same.
    ///
    /// The methods of a bridge wait, and what they wait for runs there. So it matters which of its threads calls them:
    ///
    /// | | in a task, where there are several threads | on the only thread |
    /// |---|---|---|
    /// | [`start`](Self::start) | waits | fails when the [connect timeout](Self::connect_timeout) is over |
    /// | an emission into a full outbox that [blocks](crate::Overflow::Block) | waits | fails: [`Full`](crate::nats::BridgeError::Full) |
    /// | [`flush`](crate::nats::Bridge::flush) | waits | does not wait, and says what is left |
    /// | [`stop`](crate::nats::Bridge::stop), and dropping it | waits | waits for handlers only |
    /// | [`emit_async`](crate::flavour::Bus::emit_async) | to be awaited | to be awaited |
    ///
    /// Where it waits in a task, that is in a [place](tokio::task::block_in_place) that lets the other tasks of that
    /// thread go on, but for those that are joined into the same task. The only thread is the one that runs a runtime of
    /// [one thread](tokio::runtime::Builder::new_current_thread), or has done so last, in a task of it or not. Threads of
    /// yours, and those of [`spawn_blocking`](tokio::task::spawn_blocking), wait as they do for a bridge with a thread of
    /// its own.
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }
}

impl<C: 'static> fmt::Debug for BridgeBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeBuilder")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field(
                "sends",
                &self
                    .sends
                    .iter()
                    .map(|it| it.names.as_str())
                    .collect::<Vec<_>>(),
            )
            .field(
                "receives",
                &self
                    .receives
                    .iter()
                    .map(|it| it.names.as_str())
                    .collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}
