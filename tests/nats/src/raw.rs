//! Access to a server by the client library alone, from outside of async code: what a third party does and sees.

use std::time::Duration;

use async_nats::{
    Client, ConnectOptions, HeaderMap,
    jetstream::{
        self,
        consumer::{AckPolicy, pull},
        stream::{Config, Info, Stream},
    },
};
use futures_util::StreamExt;
use tokio::runtime::Runtime;

use crate::eventually;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a message consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub subject: String,
    pub headers: Vec<(String, String)>,
    pub payload: Vec<u8>,
}

impl Message {
    fn new(subject: &str, headers: Option<&HeaderMap>, payload: &[u8]) -> Message {
        let headers = headers
            .into_iter()
            .flat_map(HeaderMap::iter)
            .flat_map(|(name, values)| {
                values
                    .iter()
                    .map(move |value| (name.to_string(), value.to_string()))
            });
        Message {
            subject: subject.to_owned(),
            headers: headers.collect(),
            payload: payload.to_vec(),
        }
    }

    /// The value of the header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| &**value)
    }

    /// The payload, which is JSON.
    #[track_caller]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.payload).expect("a payload of JSON")
    }
}

/// A connection by the client library, and the thread that drives it.
#[derive(Debug)]
pub struct Raw {
    client: Client,
    runtime: Runtime,
}

/// A subscription of a [`Raw`], which has to live as long.
#[derive(Debug)]
pub struct Subscribed<'a> {
    raw: &'a Raw,
    subscriber: async_nats::Subscriber,
}

impl Raw {
    /// Connects to a server without users.
    pub fn connect(url: &str) -> Raw {
        Raw::connect_with(url, ConnectOptions::new())
    }

    /// Connects as this user.
    pub fn connect_as(url: &str, user: &str, password: &str) -> Raw {
        Raw::connect_with(
            url,
            ConnectOptions::with_user_and_password(user.into(), password.into()),
        )
    }

    fn connect_with(url: &str, options: ConnectOptions) -> Raw {
        // With a thread, so that it answers the server's pings when nobody waits here.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("raw")
            .enable_all()
            .build()
            .expect("a runtime");
        let options = options
            .reconnect_delay_callback(|_| Duration::from_millis(5))
            .connection_timeout(LIMIT)
            .request_timeout(Some(LIMIT));
        let client = runtime
            .block_on(options.connect(url))
            .expect("a connection by the client library");
        Raw { client, runtime }
    }

    /// For what has no method here.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn jetstream(&self) -> jetstream::Context {
        // It starts a task.
        let _entered = self.runtime.enter();
        let mut context = jetstream::new(self.client.clone());
        context.set_timeout(Duration::from_secs(5));
        context
    }

    /// Publishes, without headers, and waits until the server has it.
    pub fn publish(&self, subject: &str, payload: impl Into<Vec<u8>>) {
        self.publish_with(subject, &[], payload);
    }

    /// The same with headers.
    pub fn publish_with(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: impl Into<Vec<u8>>,
    ) {
        let (subject, payload) = (subject.to_owned(), payload.into().into());
        let headers: HeaderMap = headers
            .iter()
            .map(|(n, v)| (n.parse().expect("a name"), v.parse().expect("a value")))
            .collect();
        self.block_on(async {
            match headers.is_empty() {
                true => self
                    .client
                    .publish(subject, payload)
                    .await
                    .expect("a connection"),
                false => self
                    .client
                    .publish_with_headers(subject, headers, payload)
                    .await
                    .expect("a connection"),
            }
            // Answered by the server after what was sent before.
            self.client.flush().await.expect("a connection");
        });
    }

    /// Subscribes, and waits until the server knows.
    pub fn subscribe(&self, subject: &str) -> Subscribed<'_> {
        let subscriber = self.block_on(async {
            let subscriber = self
                .client
                .subscribe(subject.to_owned())
                .await
                .expect("a connection");
            self.client.flush().await.expect("a connection");
            subscriber
        });
        // A flush is a write; the server has read it when it has answered something that was written later.
        let probe = self.client.new_inbox();
        self.block_on(async {
            let mut answer = self
                .client
                .subscribe(probe.clone())
                .await
                .expect("a connection");
            self.client
                .publish(probe, "".into())
                .await
                .expect("a connection");
            answer.next().await
        });
        Subscribed {
            raw: self,
            subscriber,
        }
    }

    /// Makes a stream of these subjects, on the disk, without limits.
    pub fn stream(&self, name: &str, subjects: &[&str]) {
        self.stream_with(name, subjects, |_| ());
    }

    /// Makes a stream of these subjects, with what `change` makes of its configuration.
    pub fn stream_with(&self, name: &str, subjects: &[&str], change: impl FnOnce(&mut Config)) {
        let mut config = Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(|s| (*s).to_owned()).collect(),
            ..Config::default()
        };
        change(&mut config);
        // A JetStream that is starting refuses.
        let made = eventually(|| {
            self.block_on(self.jetstream().create_stream(config.clone()))
                .ok()
        });
        assert!(
            made.is_some(),
            "no stream {name}: {:?}",
            self.block_on(self.jetstream().create_stream(config)).err()
        );
    }

    fn find(&self, name: &str) -> Stream {
        eventually(|| self.block_on(self.jetstream().get_stream(name)).ok())
            .expect("the stream exists")
    }

    /// What the server says of a stream.
    pub fn info(&self, name: &str) -> Info {
        self.find(name).cached_info().clone()
    }

    /// How many messages are in a stream.
    pub fn count(&self, name: &str) -> u64 {
        self.info(name).state.messages
    }

    /// Whether there is such a stream.
    pub fn has_stream(&self, name: &str) -> bool {
        self.block_on(self.jetstream().get_stream(name)).is_ok()
    }

    /// Removes the messages of a stream.
    pub fn purge(&self, name: &str) {
        let stream = self.find(name);
        eventually(|| self.block_on(async { stream.purge().await.ok() })).expect("a purged stream");
    }

    /// Removes the messages of a stream up to this one.
    pub fn purge_to(&self, name: &str, last: u64) {
        let stream = self.find(name);
        eventually(|| self.block_on(async { stream.purge().sequence(last + 1).await.ok() }))
            .expect("a purged stream");
    }

    pub fn delete_stream(&self, name: &str) {
        self.block_on(self.jetstream().delete_stream(name))
            .expect("a deleted stream");
    }

    /// The names of the consumers of a stream.
    pub fn consumers(&self, stream: &str) -> Vec<String> {
        let stream = self.find(stream);
        self.block_on(async {
            stream
                .consumer_names()
                .filter_map(|name| async { name.ok() })
                .collect()
                .await
        })
    }

    /// What the server says of a consumer.
    pub fn consumer(&self, stream: &str, name: &str) -> jetstream::consumer::Info {
        let stream = self.find(stream);
        eventually(|| self.block_on(stream.consumer_info(name)).ok()).expect("a consumer")
    }

    /// Makes a consumer that acknowledges each event, or changes it, with what `change` makes of its configuration.
    pub fn make_consumer(&self, stream: &str, name: &str, change: impl FnOnce(&mut pull::Config)) {
        let stream = self.find(stream);
        let mut config = pull::Config {
            durable_name: Some(name.to_owned()),
            ..pull::Config::default()
        };
        change(&mut config);
        self.block_on(stream.create_consumer(config))
            .expect("a consumer");
    }

    /// Removes all consumers of a stream, and says how many there were.
    pub fn delete_consumers(&self, stream: &str) -> usize {
        let names = self.consumers(stream);
        let stream = self.find(stream);
        names
            .iter()
            .for_each(|name| drop(self.block_on(stream.delete_consumer(name))));
        names.len()
    }

    /// The messages of a stream, from the first.
    pub fn read(&self, name: &str) -> Vec<Message> {
        let stream = self.find(name);
        let count = self.count(name);
        let mut all = Vec::new();
        self.block_on(async {
            let config = pull::Config {
                ack_policy: AckPolicy::None,
                ..pull::Config::default()
            };
            let consumer = stream.create_consumer(config).await.expect("a consumer");
            while (all.len() as u64) < count {
                let batch = consumer
                    .fetch()
                    .max_messages(1_000)
                    .messages()
                    .await
                    .expect("messages");
                tokio::time::timeout(
                    LIMIT,
                    batch.for_each(|message| {
                        let message = message.expect("a message").message;
                        all.push(Message::new(
                            &message.subject,
                            message.headers.as_ref(),
                            &message.payload,
                        ));
                        async {}
                    }),
                )
                .await
                .expect("messages in time");
            }
        });
        all
    }

    /// The newest message of a subject in a stream.
    pub fn last(&self, stream: &str, subject: &str) -> Option<Message> {
        let stream = self.find(stream);
        let found = self
            .block_on(stream.get_last_raw_message_by_subject(subject))
            .ok()?;
        Some(Message::new(
            &found.subject,
            Some(&found.headers),
            &found.payload,
        ))
    }
}

impl Subscribed<'_> {
    /// The next message. Panics if none comes.
    #[track_caller]
    pub fn take(&mut self) -> Message {
        self.take_within(LIMIT).expect("a message")
    }

    /// The next message, or nothing if none comes in this time.
    pub fn take_within(&mut self, limit: Duration) -> Option<Message> {
        let next = async { tokio::time::timeout(limit, self.subscriber.next()).await };
        let message = self.raw.runtime.block_on(next).ok()??;
        Some(Message::new(
            &message.subject,
            message.headers.as_ref(),
            &message.payload,
        ))
    }
}
