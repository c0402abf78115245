//! The same work, done by the client library alone: a client on a thread of its own at each end, JSON, and the headers
//! that a bridge sends.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use async_nats::{
    Client, HeaderMap,
    jetstream::{
        self,
        consumer::{AckPolicy, pull},
    },
};
use futures_util::StreamExt;
use slotcast_nats::{Server, until};
use tokio::runtime::Runtime;

use crate::{
    Event,
    measure::{Sample, Watch, Work, latencies, own_cpu},
};

const SUBJECT: &str = "bench";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// As many headers as those of a bridge.
fn headers(id: u64, stored: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Slotcast-Origin", "00112233445566778899aabbccddeeff");
    headers.insert("Slotcast-Seq", id.to_string());
    headers.insert("Content-Type", "application/json");
    if stored {
        headers.insert(
            "Nats-Msg-Id",
            format!("00112233445566778899aabbccddeeff-0-{id}"),
        );
    }
    headers
}

fn encoded(event: &Event) -> Vec<u8> {
    serde_json::to_vec(event).expect("JSON")
}

pub fn run(work: Work, server: &Server, events: u64) -> Sample {
    let heard = Arc::new(AtomicU64::new(0));
    let (tell, told) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let (url, count) = (server.url(), heard.clone());
    let receiving = thread::spawn(move || {
        runtime().block_on(receive(&url, work, events, &ready, |at| {
            count.fetch_add(1, SeqCst);
            if matches!(work, Work::CoreLatency | Work::StoredLatency) {
                let _ = tell.send(at);
            }
        }));
    });
    is_ready.recv().expect("it subscribes");
    let sample = runtime().block_on(send(work, server, events, &heard, &told));
    receiving.join().expect("no panic");
    sample
}

/// Receives so many, and tells when each was decoded.
async fn receive(
    url: &str,
    work: Work,
    events: u64,
    ready: &mpsc::Sender<()>,
    mut handle: impl FnMut(Instant),
) {
    let client = async_nats::connect(url).await.expect("a connection");
    let mut decode = |payload: &[u8]| {
        let event: Event = serde_json::from_slice(payload).expect("an event");
        let at = Instant::now();
        // The work of a handler.
        std::hint::black_box(event);
        handle(at);
    };
    if work.is_stored() {
        let stream = jetstream::new(client)
            .get_stream("BENCH")
            .await
            .expect("a stream");
        let config = pull::Config {
            ack_policy: AckPolicy::None,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let mut messages = consumer.messages().await.expect("messages");
        ready.send(()).expect("somebody waits");
        for _ in 0..events {
            decode(
                &messages
                    .next()
                    .await
                    .expect("a message")
                    .expect("a message")
                    .payload,
            );
        }
    } else {
        let mut messages = client.subscribe(SUBJECT).await.expect("a subscription");
        // The server has it when it has answered.
        let inbox = client.new_inbox();
        let mut answer = client
            .subscribe(inbox.clone())
            .await
            .expect("a subscription");
        client
            .publish(inbox, "".into())
            .await
            .expect("a connection");
        answer.next().await.expect("an answer");
        ready.send(()).expect("somebody waits");
        for _ in 0..events {
            decode(&messages.next().await.expect("a message").payload);
        }
    }
}

async fn send(
    work: Work,
    server: &Server,
    events: u64,
    heard: &AtomicU64,
    told: &mpsc::Receiver<Instant>,
) -> Sample {
    let client = async_nats::connect(server.url())
        .await
        .expect("a connection");
    let context = jetstream::new(client.clone());
    let all_heard = || until("all have come", || heard.load(SeqCst) == events);
    match work {
        Work::Core => {
            let watch = Watch::start(server.pid());
            for id in 0..events {
                publish(&client, &Event::new(id)).await;
                while id % 1_000 == 0 && id > heard.load(SeqCst) + work.window() as u64 {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            }
            client.flush().await.expect("a connection");
            all_heard();
            watch.stop(events)
        }
        Work::Stored(window) => {
            let watch = Watch::start(server.pid());
            let mut under_way = VecDeque::new();
            for id in 0..events {
                if under_way.len() == window {
                    let oldest: jetstream::context::PublishAckFuture =
                        under_way.pop_front().expect("a full window");
                    oldest.await.expect("it is stored");
                }
                let event = Event::new(id);
                let sent = context.publish_with_headers(
                    SUBJECT,
                    headers(id, true),
                    encoded(&event).into(),
                );
                under_way.push_back(sent.await.expect("a connection"));
            }
            for each in under_way {
                each.await.expect("it is stored");
            }
            all_heard();
            watch.stop(events)
        }
        Work::CoreLatency | Work::StoredLatency => {
            let mut all = Vec::new();
            for id in 0..events {
                let event = Event::new(id);
                let begin = Instant::now();
                if work.is_stored() {
                    let sent = context.publish_with_headers(
                        SUBJECT,
                        headers(id, true),
                        encoded(&event).into(),
                    );
                    sent.await
                        .expect("a connection")
                        .await
                        .expect("it is stored");
                } else {
                    publish(&client, &event).await;
                    client.flush().await.expect("a connection");
                }
                all.push(told.recv().expect("it comes") - begin);
            }
            latencies(all)
        }
        Work::CoreShare | Work::StoredShare => {
            // On a thread beside the one that writes, as an emitter is.
            let driver = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build();
            let driver = driver.expect("a runtime");
            let url = server.url();
            let share = thread::spawn(move || {
                let client = driver
                    .block_on(async_nats::connect(url))
                    .expect("a connection");
                let all: Vec<Event> = (0..events).map(Event::new).collect();
                let inbox = client.new_inbox();
                let _acks = driver
                    .block_on(client.subscribe(format!("{inbox}.*")))
                    .expect("a subscription");
                let begin = own_cpu();
                driver.block_on(async {
                    for event in &all {
                        if work.is_stored() {
                            let (headers, reply) =
                                (headers(event.id, true), format!("{inbox}.{}", event.id));
                            let sent = client.publish_with_reply_and_headers(
                                SUBJECT,
                                reply,
                                headers,
                                encoded(event).into(),
                            );
                            sent.await.expect("a connection");
                        } else {
                            publish(&client, event).await;
                        }
                    }
                });
                let share = (own_cpu() - begin).as_secs_f64() * 1e6 / events as f64;
                driver.block_on(client.flush()).expect("a connection");
                // The server reads the rest only as long as there is a connection.
                (share, client, driver)
            });
            let (share, _client, driver) = share.join().expect("no panic");
            all_heard();
            // This is async code, where a runtime cannot wait for its end.
            driver.shutdown_background();
            Sample {
                share,
                ..Sample::default()
            }
        }
    }
}

async fn publish(client: &Client, event: &Event) {
    let sent =
        client.publish_with_headers(SUBJECT, headers(event.id, false), encoded(event).into());
    sent.await.expect("a connection");
}
