//! One connection to a server: a client of its own, which does not reconnect.
//!
//! The library would connect again by itself, and send what is in its buffers before what has to be sent again: out of
//! order. It cannot be told not to, so it is given an address where nothing can listen once it has connected, and one
//! try. Its tasks end then, or with its last handle.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, Message, ServerAddr, Subscriber,
};
use futures_core::Stream;
use tokio::sync::{Notify, mpsc};

use crate::nats::credentials::Credentials;
use crate::nats::error::StartError;

/// Nothing listens at port 0.
const NOWHERE: &str = "nats://127.0.0.1:0";
/// How often the server is asked whether it is there; it is given up after the third time without an answer.
const PING: Duration = Duration::from_secs(2);
/// How many messages of a subscription wait for its task.
const SUBSCRIPTION: usize = 65_536;
/// How many notes of the server wait to be read.
const NOTES: usize = 64;

/// What it takes to connect.
pub(super) struct Target {
    pub(super) addresses: Vec<ServerAddr>,
    pub(super) name: Option<String>,
    pub(super) credentials: Credentials,
    #[cfg(feature = "nats-tls")]
    pub(super) tls: crate::nats::credentials::Tls,
    pub(super) timeout: Duration,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unconnected {
    /// The server does not take the credentials.
    Refused(String),
    /// The credentials are none.
    Credentials(String),
    Other(String),
}

impl std::fmt::Display for Unconnected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unconnected::Refused(_) => f.write_str("the server refuses the credentials"),
            Unconnected::Credentials(reason) => {
                write!(f, "the credentials cannot be used: {reason}")
            }
            Unconnected::Other(reason) => f.write_str(reason),
        }
    }
}

/// What a server tells about a connection.
#[derive(Debug)]
pub(super) enum Note {
    /// A subject that we may not send, or not receive.
    Forbidden {
        publish: bool,
        subject: String,
        text: String,
    },
    SlowConsumer,
    LameDuck,
    Other(String),
}

/// A connection.
pub(super) struct Link {
    pub(super) client: Client,
    ended: Arc<Ended>,
    notes: mpsc::Receiver<Note>,
}

/// Whether the connection is still there.
pub(super) struct Watch {
    client: Client,
    ended: Arc<Ended>,
}

#[derive(Default)]
struct Ended {
    is: AtomicBool,
    notify: Notify,
}

impl Link {
    pub(super) fn split(self) -> (Client, mpsc::Receiver<Note>, Watch) {
        let watch = Watch {
            client: self.client.clone(),
            ended: self.ended,
        };
        (self.client, self.notes, watch)
    }
}

impl Watch {
    /// Waits until the connection has ended.
    pub(super) async fn ended(&self) {
        while !self.ended.is.load(Ordering::Acquire) {
            // Also asked for now and then, because the library may leave the event out.
            _ = tokio::time::timeout(Duration::from_millis(250), self.ended.notify.notified())
                .await;
            if self.client.connection_state() == async_nats::connection::State::Disconnected {
                return;
            }
        }
    }
}

/// Reads the addresses.
pub(super) fn addresses(text: &str) -> Result<Vec<ServerAddr>, StartError> {
    // Before it is split: a password may have a `,`.
    if text.contains('@') {
        // They would be ignored, and logged by the library.
        return Err(StartError::Address {
            address: "(not shown)".to_owned(),
            reason: "credentials do not stand in it, but are given by methods of the builder"
                .to_owned(),
        });
    }
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let bad = |reason: &str| StartError::Address {
            address: part.to_owned(),
            reason: reason.to_owned(),
        };
        let address: ServerAddr = part.parse().map_err(|_| bad("it cannot be read"))?;
        match address.scheme() {
            "nats" => (),
            "tls" if cfg!(feature = "nats-tls") => (),
            "tls" => {
                let what = format!("the address {part:?}");
                return Err(StartError::TlsNotBuilt { what });
            }
            _ => return Err(bad("it does not begin with `nats://` or `tls://`")),
        }
        all.push(address);
    }
    if all.is_empty() {
        let reason = "there is none".to_owned();
        return Err(StartError::Address {
            address: String::new(),
            reason,
        });
    }
    Ok(all)
}

/// An address as it may be shown.
pub(super) fn shown(address: &ServerAddr) -> String {
    format!("{}:{}", address.host(), address.port())
}

/// Connects to one of the addresses.
pub(super) async fn connect(target: &Target, address: &ServerAddr) -> Result<Link, Unconnected> {
    let ended = Arc::<Ended>::default();
    let (sender, notes) = mpsc::channel(NOTES);
    let of_events = ended.clone();
    let mut options = with_credentials(ConnectOptions::new(), target)
        .await?
        .connection_timeout(target.timeout)
        .max_reconnects(1)
        .ping_interval(PING)
        .subscription_capacity(SUBSCRIPTION)
        .ignore_discovered_servers()
        .retain_servers_order()
        .request_timeout(Some(Duration::from_secs(5)))
        .event_callback(move |event| {
            match event {
                Event::Disconnected | Event::Closed => {
                    of_events.is.store(true, Ordering::Release);
                    of_events.notify.notify_one();
                }
                // Where there are too many, some are left out.
                other => _ = note(&other).map(|it| sender.try_send(it)),
            }
            std::future::ready(())
        });
    if let Some(name) = &target.name {
        options = options.name(name);
    }
    #[cfg(feature = "nats-tls")]
    {
        for path in &target.tls.roots {
            options = options.add_root_certificates(path.clone());
        }
        if let Some((certificate, key)) = &target.tls.own {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        options = options.require_tls(target.tls.required);
    }
    let connecting = tokio::time::timeout(target.timeout, options.connect(address.clone()));
    let client = match connecting.await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            let text = format!("{}: {}", shown(address), describe(&error));
            return Err(match error.kind() {
                ConnectErrorKind::AuthorizationViolation => Unconnected::Refused(shown(address)),
                ConnectErrorKind::Authentication => Unconnected::Credentials(text),
                _ => Unconnected::Other(text),
            });
        }
        Err(_) => {
            return Err(Unconnected::Other(format!(
                "{}: no answer in time",
                shown(address)
            )));
        }
    };
    if let Err(error) = client.set_server_pool([NOWHERE].as_slice()).await {
        return Err(Unconnected::Other(format!("{}: {error}", shown(address))));
    }
    Ok(Link {
        client,
        ended,
        notes,
    })
}

/// An error with what has led to it, which has no credentials in it.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

async fn with_credentials(
    options: ConnectOptions,
    target: &Target,
) -> Result<ConnectOptions, Unconnected> {
    let unusable = |error: std::io::Error| Unconnected::Credentials(format!("{}", error.kind()));
    Ok(match &target.credentials {
        Credentials::None => options,
        Credentials::Token(token) => options.token(token.clone()),
        Credentials::UserAndPassword(user, password) => {
            options.user_and_password(user.clone(), password.clone())
        }
        Credentials::Nkey(seed) => options.nkey(seed.clone()),
        Credentials::Text(content) => options.credentials(content).map_err(unusable)?,
        Credentials::File(path) => {
            // Elsewhere: it may be a pipe into which nobody writes.
            let path = path.clone();
            let reading = tokio::task::spawn_blocking(|| std::fs::read_to_string(path));
            let content = tokio::time::timeout(target.timeout, reading)
                .await
                .map_err(|_| unusable(std::io::ErrorKind::TimedOut.into()))?
                .map_err(|_| unusable(std::io::ErrorKind::Other.into()))?
                .map_err(unusable)?;
            options.credentials(&content).map_err(unusable)?
        }
    })
}

/// What an event of the library says, if it is of interest.
fn note(event: &Event) -> Option<Note> {
    let text = match event {
        Event::SlowConsumer(_) => return Some(Note::SlowConsumer),
        Event::LameDuckMode => return Some(Note::LameDuck),
        Event::ServerError(error) => error.to_string(),
        _ => return None,
    };
    Some(forbidden(&text).unwrap_or(Note::Other(text)))
}

/// Reads `Permissions Violation for Publish to "order.placed"`, in whichever case, and its twin for subscriptions.
fn forbidden(text: &str) -> Option<Note> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find("permissions violation for ")?;
    let rest = &lower[at + "permissions violation for ".len()..];
    let publish = rest.starts_with("publish");
    // The subject as it was written, which may have upper case.
    let mut quoted = text.split('"');
    let subject = quoted.nth(1)?.to_owned();
    (publish || rest.starts_with("subscription")).then(|| Note::Forbidden {
        publish,
        subject,
        text: text.to_owned(),
    })
}

/// The next message. `None` when the connection has ended.
pub(super) async fn next(subscriber: &mut Subscriber) -> Option<Message> {
    std::future::poll_fn(|cx| std::pin::Pin::new(&mut *subscriber).poll_next(cx)).await
}

/// The messages that have come, at most as many as wait for a subscription.
pub(super) fn ready(subscriber: &mut Subscriber) -> impl Iterator<Item = Message> {
    // Whoever waits for the next one asks again.
    let mut cx = Context::from_waker(Waker::noop());
    let come = std::iter::from_fn(
        move || match Pin::new(&mut *subscriber).poll_next(&mut cx) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        },
    );
    come.take(SUBSCRIPTION)
}

/// Returns when the server has taken all that was written on the connection before.
pub(super) async fn sync(client: &Client) {
    let inbox = client.new_inbox();
    let Ok(mut subscriber) = client.subscribe(inbox.clone()).await else {
        return;
    };
    if client.publish(inbox, "".into()).await.is_ok() {
        // Where there is no permission for that, the time has to do.
        _ = tokio::time::timeout(Duration::from_secs(1), next(&mut subscriber)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_their_credentials() {
        let read = addresses("nats://10.0.0.5:4222, 10.0.0.6").expect("addresses");
        let shown: Vec<String> = read.iter().map(shown).collect();
        assert_eq!(shown, ["10.0.0.5:4222", "10.0.0.6:4222"]);
        for bad in [
            "",
            ",",
            "ws://10.0.0.5",
            "nats://user:secret@:x",
            "nats://user:secret@10.0.0.5",
            "nats://secret@10.0.0.5",
            "nats://user:secret,x@10.0.0.5",
            "nats://user:secret@10.0.0.5,ws://10.0.0.6",
            "nats:user:secret@h",
            "nats://us er:secret/x@h",
            "tls://user:secret,x@10.0.0.5",
        ] {
            let error = addresses(bad).expect_err(bad);
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }

    #[test]
    #[cfg(not(feature = "nats-tls"))]
    fn encrypted_connections_need_their_feature() {
        let error = addresses("tls://10.0.0.5").expect_err("refused");
        assert!(matches!(&error, StartError::TlsNotBuilt { .. }));
    }

    #[test]
    fn what_is_forbidden_is_read_from_the_text_of_the_server() {
        let read = |text| match forbidden(text) {
            Some(Note::Forbidden {
                publish, subject, ..
            }) => Some((publish, subject)),
            _ => None,
        };
        assert_eq!(
            read("Permissions Violation for Publish to \"shop.Paid\""),
            Some((true, "shop.Paid".to_owned()))
        );
        assert_eq!(
            read("permissions violation for subscription to \"a.>\" using queue \"q\""),
            Some((false, "a.>".to_owned()))
        );
        assert_eq!(read("Unknown Protocol Operation"), None);
    }
}
