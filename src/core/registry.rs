//! The topics of one bus, by name. Each name has one payload type as long as the topic exists.
//!
//! Holds topics weakly: a topic is kept by its handles, its handlers and its waiting events.

use std::any::{Any, type_name};
use std::collections::HashMap;

use slotmap::{Key as _, KeyData, SlotMap, new_key_type};

use super::entry::state;
use super::home::{Home, Name, Place, Settings};
use super::mode::Mode;
use super::signal::Signal;
use super::sync::Lock;
use crate::error::WrongType;

new_key_type! { struct TopicKey; }

/// A topic, whatever its type.
pub trait Listed {
    /// Removes the handler with this key and sequence number.
    fn cancel(&self, key: u64, sequence: u64) -> bool;
    fn close(&self);
    fn unlist(&self);
    fn as_any(&self) -> &dyn Any;
    /// Where the signal stands.
    fn address(&self) -> usize;
    /// It has handles, handlers or waiting events.
    fn exists(&self) -> bool;
}

/// A signal that the registry does not keep.
pub struct WeakSignal<M: Mode, E, C: 'static>(pub(crate) M::Weak<Signal<M, E, C>>);

impl<M: Mode, E: 'static, C: 'static> Listed for WeakSignal<M, E, C> {
    fn cancel(&self, key: u64, sequence: u64) -> bool {
        M::upgrade(&self.0).is_some_and(|signal| signal.remove(key, sequence, state::CANCELLED))
    }
    fn close(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.close();
        }
    }
    fn unlist(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.unlist();
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn address(&self) -> usize {
        M::address(&self.0).addr()
    }
    fn exists(&self) -> bool {
        M::exists(&self.0)
    }
}

/// A signal, if it is there.
type Found<M, E, C> = Result<Option<<M as Mode>::Ptr<Signal<M, E, C>>>, WrongType>;

struct Topic<M: Mode> {
    name: Name,
    type_name: &'static str,
    /// Where it was used first.
    place: Place,
    signal: M::Listed,
}

struct Topics<M: Mode> {
    /// Invariant: the same topics in both.
    topics: SlotMap<TopicKey, Topic<M>>,
    names: HashMap<Box<str>, TopicKey>,
    closed: bool,
}

pub(crate) struct Registry<M: Mode, C: 'static> {
    topics: M::Lock<Topics<M>>,
    pub(crate) settings: M::Ptr<Settings<M>>,
    context: std::marker::PhantomData<fn(&mut C)>,
}

impl<M: Mode, C: 'static> Registry<M, C> {
    pub(crate) fn new(settings: M::Ptr<Settings<M>>) -> Self {
        let topics = Topics {
            topics: SlotMap::with_key(),
            names: HashMap::new(),
            closed: false,
        };
        Registry {
            topics: M::Lock::new(topics),
            settings,
            context: std::marker::PhantomData,
        }
    }

    /// The signal of a topic, if the topic exists.
    pub(crate) fn find<E: 'static>(&self, name: &str) -> Found<M, E, C> {
        self.topics.with(|all| {
            let Some(&key) = all.names.get(name) else {
                return Ok(None);
            };
            signal_at(all, key)
        })
    }

    /// The signal of a topic, which exists from now on.
    pub(crate) fn signal<E: 'static>(
        this: &M::Ptr<Self>,
        name: &Name,
        place: Place,
    ) -> Result<M::Ptr<Signal<M, E, C>>, WrongType> {
        let (signal, closed) = this.topics.with(|all| {
            if let Some(&key) = all.names.get(name.as_str()) {
                if let Some(signal) = signal_at(all, key)? {
                    return Ok((signal, false));
                }
                // Its last handle is going at this moment, on another thread.
                all.topics.remove(key);
            }
            let mut made = None;
            let key = all.topics.insert_with_key(|key| {
                let topic = key.data().as_ffi();
                let home = Home {
                    name: name.clone(),
                    topic,
                    settings: this.settings.clone(),
                };
                let signal = M::ptr(Signal::new(home, Some(M::downgrade(this))));
                let listed = M::list(WeakSignal(M::downgrade(&signal)));
                made = Some(signal);
                let (name, type_name) = (name.clone(), type_name::<E>());
                Topic {
                    name,
                    type_name,
                    place,
                    signal: listed,
                }
            });
            all.names.insert(name.as_str().into(), key);
            let Some(signal) = made else {
                unreachable!("a slotmap calls the closure once")
            };
            Ok((signal, all.closed))
        })?;
        if closed {
            signal.close();
        }
        Ok(signal)
    }

    /// Forgets a topic, unless another signal has its place by now.
    pub(crate) fn sign_off(&self, topic: u64, address: usize) {
        let key = TopicKey::from(KeyData::from_ffi(topic));
        let gone = self.topics.with(|all| {
            if all.topics.get(key)?.signal.address() != address {
                return None;
            }
            let gone = all.topics.remove(key)?;
            if all.names.get(gone.name.as_str()) == Some(&key) {
                all.names.remove(gone.name.as_str());
            }
            if all.names.capacity() > 64 && all.names.len() < all.names.capacity() / 4 {
                all.names.shrink_to_fit();
            }
            if all.topics.is_empty() {
                all.topics = SlotMap::with_key();
            }
            Some(gone)
        });
        drop(gone);
    }

    /// Removes a handler of a topic; whether it was there.
    pub(crate) fn cancel(&self, topic: u64, key: u64, sequence: u64) -> bool {
        let topic = TopicKey::from(KeyData::from_ffi(topic));
        let listed = self
            .topics
            .with(|all| all.topics.get(topic).map(|it| it.signal.clone()));
        listed.is_some_and(|signal| signal.cancel(key, sequence))
    }

    /// The names of the topics that exist, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.topics.with(|all| {
            let there = all.topics.values().filter(|topic| topic.signal.exists());
            there.map(|topic| topic.name.as_str().to_owned()).collect()
        });
        names.sort_unstable();
        names
    }

    /// Closes all signals, and those that come later.
    pub(crate) fn close(&self) {
        let all = self.topics.with(|all| {
            all.closed = true;
            all.topics
                .values()
                .map(|topic| topic.signal.clone())
                .collect::<Vec<_>>()
        });
        all.iter().for_each(|signal| signal.close());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.topics.with(|all| all.closed)
    }

    /// From now on only handles keep the signals.
    pub(crate) fn unlist(&self) {
        let all = self.topics.with(|all| {
            all.topics
                .values()
                .map(|topic| topic.signal.clone())
                .collect::<Vec<_>>()
        });
        all.iter().for_each(|signal| signal.unlist());
    }
}

/// The signal with this key; `None` if it has gone.
fn signal_at<M: Mode, E: 'static, C: 'static>(all: &Topics<M>, key: TopicKey) -> Found<M, E, C> {
    let Some(topic) = all.topics.get(key) else {
        return Ok(None);
    };
    match topic.signal.as_any().downcast_ref::<WeakSignal<M, E, C>>() {
        Some(signal) => Ok(M::upgrade(&signal.0)),
        // A topic that has gone binds nobody.
        None if !topic.signal.exists() => Ok(None),
        None => Err(WrongType {
            topic: topic.name.as_str().to_owned(),
            registered: topic.type_name,
            requested: type_name::<E>(),
            place: topic.place,
        }),
    }
}
