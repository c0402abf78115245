//! Topics over many machines: a [`Bridge`] carries them between a bus and a NATS server, at most once by core NATS, or
//! at least once and in order by JetStream.
//!
//! ```no_run
//! use slotcast::nats::{Backoff, Bridge, DeadLetter, Stored};
//! use slotcast::{Bus, Topic};
//! use std::time::Duration;
//!
//! const PLACED: Topic<u64> = Topic::new("order.placed");
//! const PAID: Topic<u64> = Topic::new("order.paid");
//! const RESIZE: Topic<String> = Topic::new("image.resize");
//! const DEAD: Topic<DeadLetter> = Topic::new("image.dead");
//!
//! let bus = Bus::new();
//! let bridge = Bridge::to("nats://10.0.0.5:4222,nats://10.0.0.6:4222")
//!     .name("shop-1")
//!     .credentials_file("shop.creds")
//!     // The subject of `order.placed` is `shop.order.placed`.
//!     .prefix("shop")
//!     // At most once.
//!     .send(&PLACED)
//!     // Every event, in order.
//!     .receive(Stored::in_stream("ORDERS").topic(&PAID).reader("billing"))
//!     // Each event to one of the group.
//!     .receive(
//!         Stored::in_stream("WORK")
//!             .topic(&RESIZE)
//!             .shared("resizers")
//!             .retry(Backoff::exponential(
//!                 Duration::from_millis(100),
//!                 Duration::from_secs(30),
//!                 5,
//!             ))
//!             .dead_letters(&DEAD),
//!     )
//!     // An error names what is wrong.
//!     .start(&bus)?;
//!
//! // Encoded in the emission, and put into the outbox of the topic.
//! bus.emit(&PLACED, &7);
//! // The server has it.
//! bridge.flush(Duration::from_secs(5))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Names are the topics': `order.*` and `order.>` mean the same on both sides. A bus knows nothing of it: what is sent
//! is a handler, and what arrives is emitted. Only the flavour for any number of threads has bridges.
//!
//! # Which way
//!
//! | | promises | costs the emitter | needs |
//! |---|---|---|---|
//! | [`Route::topic`], or the topic alone | at most once: lost if nobody is there, counted as [`lost`](Stats::lost) | encoding | a NATS server |
//! | [`Stored`] to send | at least once and in order, as long as this process lives | encoding; [`emit_async`](crate::flavour::Bus::emit_async) waits until it is stored | JetStream, and a stream |
//! | [`reader`](Route::reader) | every event, in order, from where it has stopped | | the same |
//! | [`shared`](Route::shared) | each event to one member of the group; no order | | the same |
//!
//! # Promises
//!
//! *Sending*
//!
//! 1. Subjects are topics, behind the prefix if there is one. A topic whose subject would be one of the server's own
//!    (it begins with `$` or `_INBOX`) is refused by [`start`](BridgeBuilder::start), or by the emission if the route
//!    is a pattern.
//! 2. An event is encoded in its emission. What cannot be sent (it is not encodable, larger than the server takes, the
//!    outbox is full, or the server does not let us) is a failure of that emission.
//! 3. An emission into a stream whose handler has not failed is stored at least once, through restarts and kills of the
//!    server, as long as this process lives until then. [`Bridge::flush`] and an awaited emission say when. There is no
//!    outbox on the disk: await the emission, or run a leaf node of NATS beside the program.
//! 4. The events of one topic stand in the stream in the order of their emissions; those of two bridges have no order
//!    between them. Where the server has refused an event and stored some behind it that were under way, as a stream
//!    does that is full and gets room meanwhile, these are stored once more behind it, and readers leave the first ones
//!    out.
//! 5. While there is no server the emitter goes on until the outbox is full. The bridge tries to connect for ever, to
//!    each address in turn: after 5 ms, then twice as long each time, up to 250 ms in the first ten seconds, and later
//!    up to 5 s.
//!
//! *Receiving*
//!
//! 6. A handled event is one whose emission has ended without a failure, its async handlers included. One that fails is
//!    tried again, after the [`Backoff`] of its route; a panic is a failure. A reader waits meanwhile, a group gives
//!    the event back. After the last try it goes to the [dead letters](Route::dead_letters), and is told to the error
//!    hook. Events by core NATS have one try. An event that no handler is there for counts as handled, and is one for
//!    [`set_unhandled_hook`](crate::flavour::Bus::set_unhandled_hook); so does one that all filters leave out.
//! 7. A reader handles the events of one topic and one bridge in the order of their emissions, each once, as long as
//!    its process lives. After a crash it begins behind what was [noted](Route::note_every): at most 1,000 events, or
//!    those of 200 ms, come again, in order. After [`stop`](Bridge::stop) none does, or as many as that
//!    [says](Stopped::unnoted).
//! 8. A member of a group handles each event once, as long as its process lives; those that a member had when it
//!    crashed go to others. A handler that takes longer than the ack wait keeps its event. The group as a whole has
//!    each event at least once: a server that was killed may have forgotten what was acknowledged last, and give it to
//!    another member.
//! 9. What is subscribed by `on_queue` has *accepted* an event when it is in its queue. Put
//!    [`on_queue`](Route::on_queue) on the route if its acknowledgement has to wait for the handler.
//! 10. What has come in does not go out again by the same bridge, whatever topics that sends. What a handler emits
//!     because of it does. Another bridge of the same bus sends it on, to another server or under another prefix, with
//!     the bridges that it has passed: none of these sends it again. It passes at most sixteen; beyond that it is not
//!     sent on, which is [told](BridgeError::TooFar). What a bridge has sent or passed on itself is dropped where it
//!     arrives, as an [echo](Stats::echoes). So nothing goes in circles; where there are two ways to a bus, it has
//!     each event by both.
//! 11. While a topic or its bus is [paused](crate::flavour::Signal::pause), stored events wait, and no try is counted:
//!     a reader holds the line, with all its topics; a member of a group keeps what it has, and goes on when the pause
//!     has ended. [`stop`](Bridge::stop) does not wait for that. An event counts as handled if any handler has had it:
//!     also one that pauses its topic meanwhile. So it does where all handlers are paused by themselves or by their
//!     scopes. An event by core NATS is missed by handlers that are paused, as one that is emitted here.
//! 12. Where a topic is closed, or its bus, or the queue of its route, stored routes end, and tell so
//!     [once](BridgeError::Closed). A member of a group gives back what it has, and asks for nothing more. A reader
//!     passes the events of a closed topic, which count as [dead](Stats::dead), and goes on with its other topics; where
//!     none of them is open any more, it stops where it is, and passes nothing. To have all of them later, stop the
//!     bridge before you close what it emits on.
//!
//! *Both*
//!
//! 13. Nothing grows without bound, whatever is down: an outbox, what is under way, what has arrived and waits, and
//!     what is remembered of others (the last 16,384 sequences of numbers, the newest 65,536 events of a group).
//! 14. Codecs, closures for headers and handlers never run on the thread that talks to the server, nor under a lock.
//! 15. No credentials are in a `Debug`, an error or a log.
//! 16. The cause crosses. Where both buses are [followed](crate::flavour::Bus::follow), the trail of a handler begins
//!     with the bridge that has received the event, and names the emission on the other machine and its line:
//!     `Step::remote`. `Step::received` says which bridge has sent it, how old it was when its handling began, and how
//!     many events waited behind it: see [below](#origin-and-lag).
//! 17. What is dropped is counted in [`Stats`], and what somebody should know of is told to the error hook of the bus,
//!     as a [`BridgeError`].
//!
//! # What the server keeps, and what it does not
//!
//! - A server writes to its disk at once, and has the disk keep it every two minutes: an acknowledged event survives a
//!   server that is killed, and not a machine that loses its power. Servers since 2.10 have `jetstream { sync_interval:
//!   always }` for that, which makes storing some thirty times slower. Or use more than one replica.
//! - A stream drops repeated messages within its duplicate window, of two minutes where nothing else is set. A bridge
//!   that was cut off for longer may store some twice. Readers handle them once all the same.
//! - A server that was started again reads all events of that window before it stores the next one: some three seconds
//!   for a million of them. Where that is too long, the window can be [shorter](StreamLimits::duplicates).
//! - A stream that refuses new events while it is full, and meanwhile removes others that stand between the last event
//!   of a topic that a reader has read and the next one, can have that reader handle an event before the one that was
//!   refused. None is lost by it.
//! - The stream `slotcast_readers` has one message for each reader: the position in its stream that it has handled.
//!
//! # On the wire
//!
//! The payload is what the codec makes of an event, JSON unless the route has another, and the headers say the rest:
//! `Slotcast-Origin`, which is 16 random bytes of each bridge; `Slotcast-Seq`, which counts the events of a topic from
//! 0, without gaps (where one pattern has sent more than 65,536 topics, each goes on above the highest number);
//! `Slotcast-After`, for stored events that were sent while one before them was not stored yet, the number of that one;
//! `Slotcast-Cause`, of a bus that is followed, what has emitted the event, and where; `Slotcast-Sent`, of the same, when
//! that was, in nanoseconds since 1970, and behind a space the [name](BridgeBuilder::name) of the bridge;
//! `Slotcast-Via`, only of an event that one bridge has received and another one sends on, the origins that it has had
//! before, the first at first, with commas in between; `Slotcast-Schema`, `Content-Type`, and `Nats-Msg-Id`. So any
//! client of NATS reads them: `nats sub 'shop.>'`.
//!
//! Messages of other programs, without these headers, are taken as well: of them no gaps are counted, and a reader
//! cannot tell a repeated one. A program that reads a stream itself may find an event of ours twice there, with the same
//! `Slotcast-Origin`, subject and `Slotcast-Seq` and another `Nats-Msg-Id`: what was under way when the server refused an
//! event before it is sent again.
//!
//! # Origin and lag
//!
//! Where the receiving bus is followed, each event that came in says from which bridge, and its *lag*: its age when its
//! handling began here, that is what it has waited, on the way, in the stream, and for its turn. Two clocks measure it.
//!
//! - Of a stream, it is the time since the server has stored the event, by the clock of the server, whoever has sent it.
//!   What an event has waited in the outbox of its sender before is not in it.
//! - By core NATS, it is the time since the emission, by the clock of the sender, which only a bus that is followed says.
//! - It is wrong by as much as the other clock differs from the one here. Where that is ahead by more than the lag, the lag
//!   is less than nothing: then [`Received::ahead`](crate::Received::ahead) says by how much, and the lag counts as 0.
//! - Headers say what their sender likes. A time that is not true is shown, and does nothing else.
//!
//! [`pending`](crate::Received::pending) needs no clock: it is how many events stood behind it when its turn came, here
//! and in the stream, of all topics of the reader or the group.
//!
//! # Threads
//!
//! A bridge has a thread that talks to the server (`slotcast nats`; a [runtime](BridgeBuilder::runtime) of yours can do
//! that), one that calls the error hook and the handlers of [`Bridge::states`] (`slotcast nats tell`), one that wakes
//! whoever awaits an emission (`slotcast nats wake`, from the first one on), and one for each reader and for each other
//! receiving route, which emits. An emission can be awaited, and a [`flush`](Bridge::flush) waited for, on all of them
//! but the one that wakes: in hooks and handlers too.
//!
//! Needs Rust 1.89, which the client that it uses needs.

// *Owns*: the public types (`builder`, `bridge`, `route`, `codec`, `headers`, `error`, `state`, `stats`); what waits to
// be sent (`sending`, `outgoing`, `window`) and what sends it (`sender`); what asks for events (`listener`, `reader`
// with `missing` and `noting`, `group`, by `pull`) and what delivers them (`incoming`, `worker`, `deliver`);
// connections (`supervisor`, `connection`, `api`, `wire`, `given`); what tells of it, and wakes (`teller`, `waking`).
//
// *Does not know*: signals from the inside. It stands on the public face of a bus, but for a handler that an awaited
// emission waits for although it is not async (`core::waiting::confirmed`), the depth of an emission, by which one that
// came in is told from those inside of it, and the error hook.
//
// *Decisions* stand at the top of the files: order in `window`, connections in `connection`, readers in `reader`.

mod api;
mod backoff;
mod bridge;
mod builder;
mod causes;
mod codec;
mod connection;
mod credentials;
mod dead_letter;
mod deliver;
mod error;
mod given;
mod group;
mod headers;
mod hub;
mod incoming;
mod into_route;
mod limits;
mod listener;
mod memory;
mod missing;
mod noting;
mod outgoing;
mod pull;
mod reader;
mod retry;
mod route;
mod sender;
mod sending;
mod starting;
mod state;
mod stats;
mod subject;
mod supervisor;
mod teller;
mod waking;
mod window;
mod wire;
mod worker;

pub use self::backoff::Backoff;
pub use self::bridge::{Bridge, Stopped};
pub use self::builder::BridgeBuilder;
pub use self::codec::{Codec, Decode, Encode, Json, Own};
pub use self::dead_letter::DeadLetter;
pub use self::error::{BridgeError, FlushError, StartError};
pub use self::headers::{Headers, headers};
pub use self::into_route::{IntoReceive, IntoSend};
pub use self::limits::StreamLimits;
pub use self::route::{Core, Group, Reader, Receives, Retries, Route, Sends, Stored};
pub use self::state::State;
pub use self::stats::Stats;
