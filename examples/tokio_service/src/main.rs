//! A service on tokio: requests are events, async handlers serve them, and a graceful shutdown loses
//! none.
//!
//! Four clients send 25 requests each. An async handler takes each request, awaits I/O, runs the
//! blocking part as a job on tokio's blocking threads, and emits the response. It has three receivers:
//! the client; a ledger, which owns its state and drains a queue; and a slow dashboard, which reads a
//! stream that drops the oldest events on overflow. The service is shut down while it is busy: it accepts
//! no new requests, and finishes those that it has begun.
//!
//! Run it with `cargo run --example tokio_service`.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join_all;
use slotcast::{Bus, EventStream, JobError, Jobs, Next, Overflow, Queue, Topic};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

#[derive(Clone)]
struct Request {
    client: u32,
    number: u32,
}

#[derive(Clone)]
struct Served {
    client: u32,
    number: u32,
    answer: u64,
}

const REQUEST: Topic<Request> = Topic::new("request");
const SERVED: Topic<Served> = Topic::new("request.served");
const SHUTDOWN: Topic<()> = Topic::new("service.shutdown");

const CLIENTS: u32 = 4;
const REQUESTS: u32 = 25;

/// For operations that take less than a second.
const TIMEOUT: Duration = Duration::from_secs(30);

// -- The components, which know the topics but not each other ---------------------------------

/// Serves one request. `jobs` runs the part that would block the runtime.
async fn serve(jobs: Jobs, request: Arc<Request>) -> Result<Served, JobError> {
    let Request { client, number } = *request;
    sleep(Duration::from_millis(20)).await; // a database query, say
    let work = jobs.submit(move |_| {
        thread::sleep(Duration::from_millis(2)); // a blocking call, say
        answer(client, number)
    });
    let answer = work.await?;
    Ok(Served {
        client,
        number,
        answer,
    })
}

fn answer(client: u32, number: u32) -> u64 {
    (0..1000).map(|n| n * u64::from(client + number)).sum()
}

/// Sends requests one after the other, without waiting for the responses.
async fn ask(bus: Bus, client: u32) -> Vec<Next<Served>> {
    let mut answers = Vec::new();
    for number in 0..REQUESTS {
        // Subscribed before the request is sent.
        answers.push(bus.next_where(&SERVED, move |served| {
            (served.client, served.number) == (client, number)
        }));
        bus.emit(&REQUEST, &Request { client, number });
        sleep(Duration::from_millis(1)).await;
    }
    answers
}

/// The state of the ledger, owned by its task.
#[derive(Default)]
struct Ledger {
    served: BTreeMap<u32, u32>,
}

/// Drains `queue` whenever it is not empty, until it is closed.
async fn keep_books(queue: Queue<Ledger>) -> Ledger {
    let mut ledger = Ledger::default();
    while queue.ready().await {
        queue.drain_with(&mut ledger);
    }
    ledger
}

/// Returns how many events it showed, and how many it missed.
async fn show(mut served: EventStream<Served>) -> (usize, usize) {
    let (mut shown, mut missed) = (0, 0);
    while let Some(item) = served.next().await {
        match item {
            Ok(_) => shown += 1,
            Err(lagged) => missed += lagged.lost(),
        }
        sleep(Duration::from_millis(10)).await;
    }
    (shown, missed)
}

// -- The service ------------------------------------------------------------------------------

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Ends in any case.
    timeout(TIMEOUT, run()).await?
}

async fn run() -> Result<(), Box<dyn Error>> {
    let runtime = Handle::current();
    let bus = Bus::builder()
        .executor(move |task: Box<dyn FnOnce() + Send>| drop(runtime.spawn(async { task() })))
        .build();
    let runtime = Handle::current();
    let jobs = Jobs::with_executor(move |task| drop(runtime.spawn_blocking(task)));

    let failures = Arc::new(AtomicUsize::new(0));
    let failed = failures.clone();
    bus.set_error_hook(move |error| {
        failed.fetch_add(1, Ordering::Relaxed);
        eprintln!("{error}");
    });

    // Requests are accepted while this is subscribed.
    let intake = bus.subscribe(&REQUEST).label("intake").on_async({
        // Not the bus: a handler that captures its bus is a reference cycle.
        let (jobs, served) = (jobs.clone(), bus.signal(&SERVED));
        move |request| {
            let (jobs, served) = (jobs.clone(), served.clone());
            async move {
                served.emit(&serve(jobs, request).await?);
                Ok::<(), JobError>(())
            }
        }
    });

    let books = Queue::<Ledger>::with_context();
    let booked = bus
        .subscribe(&SERVED)
        .on_queue(&books, |ledger: &mut Ledger, served| {
            *ledger.served.entry(served.client).or_default() += 1;
        });
    let count = Arc::new(AtomicUsize::new(0));
    let _counts = bus.on(&SERVED, {
        let count = count.clone();
        move |_| _ = count.fetch_add(1, Ordering::Relaxed)
    });
    let ledger = tokio::spawn(keep_books(books.clone()));
    let dashboard = tokio::spawn(show(bus.stream(&SERVED, 8, Overflow::DropOldest)));

    // Shut down after the last request was sent, before the last responses.
    let shutdown = bus.next(&SHUTDOWN);
    let clients = tokio::spawn({
        let bus = bus.clone();
        async move {
            let clients = (0..CLIENTS).map(|client| tokio::spawn(ask(bus.clone(), client)));
            let answers = try_join_all(clients).await;
            bus.emit(&SHUTDOWN, &());
            answers
        }
    });
    shutdown.await?;

    let served = count.load(Ordering::Relaxed);
    println!("shutting down after {served} requests were served");

    // 1. No new requests; those accepted are finished. Waiting for that parks a thread, which must not
    //    be one that has to poll the futures.
    let end = move || intake.cancel_and_wait_timeout(TIMEOUT);
    tokio::task::spawn_blocking(end).await??;
    let late = Request {
        client: 0,
        number: REQUESTS,
    };
    let refused = bus.emit(&REQUEST, &late).ran() == 0;
    // 2. The ledger books what is queued, and ends.
    books.close();
    let ledger = ledger.await?;
    booked.cancel();
    // 3. Streams end after they have yielded what they buffer.
    bus.close();
    let (shown, missed) = dashboard.await?;
    // 4. No job is left, so this does not wait.
    let running = jobs.shutdown_timeout(TIMEOUT);

    // All responses were emitted before the bus was closed.
    let answers = clients.await??.into_iter().flatten();
    let answers = try_join_all(answers).await?;
    let right = |it: &&Served| it.answer == answer(it.client, it.number);
    let answered = answers.iter().filter(right).count();

    let all = (CLIENTS * REQUESTS) as usize;
    println!("the dashboard showed {shown}, and missed {missed}");
    assert!(refused);
    assert_eq!(shown + missed, all);
    assert_eq!(
        ledger.served,
        (0..CLIENTS).map(|client| (client, REQUESTS)).collect()
    );
    assert_eq!((running, failures.load(Ordering::Relaxed)), (0, 0));
    assert_eq!((answered, count.load(Ordering::Relaxed)), (all, all));
    println!("served {answered} of {all}, nothing lost");
    Ok(())
}
