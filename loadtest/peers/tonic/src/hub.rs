//! Who is subscribed to what, and handing each event to those who are.
//!
//! One registry for all streams. A scan over its subscribers is cheap beside what a delivery costs,
//! and nobody can be told twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fanfare_tonic::event::{
    EventsStreamResponse, PublishEventResponse, SubscribePayload, events_stream_response,
};
use fanfare_tonic::tonic::Status;
use tokio::sync::{mpsc, oneshot};

/// What a stream's task sends to its client.
pub(crate) type Outgoing = Result<EventsStreamResponse, Status>;

/// A stream of a client.
pub(crate) type StreamId = u64;

/// The registry.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    next: AtomicU64,
    streams: RwLock<BTreeMap<StreamId, Subscriber>>,
}

#[derive(Debug)]
struct Subscriber {
    subscriptions: Vec<Subscription>,
    sender: mpsc::Sender<Outgoing>,
    /// Dropped with the entry, which tells the stream's task that it was too slow.
    _present: oneshot::Sender<()>,
}

/// One subscription, as it was asked for.
#[derive(Debug)]
struct Subscription {
    asked: SubscribePayload,
    patterns: Vec<Pattern>,
}

/// A name, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// This name.
    Exact(String),
    /// Names that begin so.
    Prefix(String),
}

impl Pattern {
    /// Those of a subscription; says what is wrong with one.
    pub(crate) fn all(asked: &SubscribePayload) -> Result<Vec<Self>, &'static str> {
        let names = std::iter::once(&asked.name).chain(&asked.events);
        let names = names.filter(|name| !name.is_empty());
        let patterns: Vec<Self> = names
            .flat_map(|name| name.split('|'))
            .map(Self::parse)
            .collect::<Result<_, _>>()?;
        if patterns.is_empty() {
            return Err("a subscription needs a name");
        }
        Ok(patterns)
    }

    fn parse(name: &str) -> Result<Self, &'static str> {
        match name.strip_suffix('*') {
            Some(prefix) if !prefix.contains('*') => Ok(Self::Prefix(prefix.to_owned())),
            None if name.is_empty() => Err("a name is empty"),
            None if !name.contains('*') => Ok(Self::Exact(name.to_owned())),
            _ => Err("a star may only end a name"),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

/// Who publishes: repeated to those who hear it.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// The client's own name for itself.
    pub(crate) session: Option<String>,
    /// The stream that publishes and what it calls the request, which only its own copy repeats.
    pub(crate) stream: Option<(StreamId, Option<String>)>,
}

impl Hub {
    /// Enters a stream. The receiver fails when the stream is too slow and was removed.
    pub(crate) fn enter(
        &self,
        sender: mpsc::Sender<Outgoing>,
    ) -> (StreamId, oneshot::Receiver<()>) {
        let (present, removed) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let subscriber = Subscriber {
            subscriptions: Vec::new(),
            sender,
            _present: present,
        };
        self.write().insert(id, subscriber);
        (id, removed)
    }

    /// Forgets a stream.
    pub(crate) fn leave(&self, id: StreamId) {
        self.write().remove(&id);
    }

    /// Subscribes a stream; the same once more is nothing new.
    pub(crate) fn subscribe(&self, id: StreamId, asked: &SubscribePayload, patterns: Vec<Pattern>) {
        if let Some(subscriber) = self.write().get_mut(&id) {
            let subscriptions = &mut subscriber.subscriptions;
            if subscriptions.iter().all(|known| known.asked != *asked) {
                subscriptions.push(Subscription {
                    asked: asked.clone(),
                    patterns,
                });
            }
        }
    }

    /// Takes back a subscription, if there is such a one.
    pub(crate) fn unsubscribe(&self, id: StreamId, asked: &SubscribePayload) {
        if let Some(subscriber) = self.write().get_mut(&id) {
            subscriber
                .subscriptions
                .retain(|known| known.asked != *asked);
        }
    }

    /// Hands an event to every stream that wants it, once. Those whose channel is full are removed.
    pub(crate) fn publish(&self, event: &PublishEventResponse, origin: &Origin) {
        let mut slow = Vec::new();
        for (&id, subscriber) in &*self.read() {
            if !subscriber.wants(&event.name) {
                continue;
            }
            let own = origin.stream.as_ref().filter(|(stream, _)| *stream == id);
            let message = EventsStreamResponse {
                correlation_id: own.and_then(|(_, correlation)| correlation.clone()),
                session_id: origin.session.clone(),
                message: Some(events_stream_response::Message::Event(event.clone())),
            };
            if subscriber.sender.try_send(Ok(message)).is_err() {
                slow.push(id);
            }
        }
        for id in slow {
            self.leave(id);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<StreamId, Subscriber>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<StreamId, Subscriber>> {
        self.streams.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    fn wants(&self, name: &str) -> bool {
        let mut patterns = self.subscriptions.iter().flat_map(|known| &known.patterns);
        patterns.any(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str) -> SubscribePayload {
        SubscribePayload {
            name: name.to_owned(),
            ..SubscribePayload::default()
        }
    }

    fn event(name: &str) -> PublishEventResponse {
        PublishEventResponse {
            name: name.to_owned(),
            ..PublishEventResponse::default()
        }
    }

    fn subscribe(hub: &Hub, id: StreamId, name: &str) {
        let asked = asked(name);
        let patterns = Pattern::all(&asked).expect("sound");
        hub.subscribe(id, &asked, patterns);
    }

    #[test]
    fn an_event_is_told_once_to_those_who_want_it() {
        let hub = Hub::default();
        let (sender, mut heard) = mpsc::channel(8);
        let (id, _present) = hub.enter(sender);
        for name in ["a:b", "a:*", "a:*", "c|d"] {
            subscribe(&hub, id, name);
        }
        for name in ["a:b", "a:c", "b", "d"] {
            hub.publish(&event(name), &Origin::default());
        }
        hub.unsubscribe(id, &asked("a:*"));
        hub.publish(&event("a:c"), &Origin::default());
        let mut names = Vec::new();
        while let Ok(Ok(message)) = heard.try_recv() {
            match message.message {
                Some(events_stream_response::Message::Event(event)) => names.push(event.name),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(names, ["a:b", "a:c", "d"]);
    }

    #[test]
    fn a_stream_that_does_not_read_is_removed() {
        let hub = Hub::default();
        let (sender, _heard) = mpsc::channel(1);
        let (id, mut removed) = hub.enter(sender);
        subscribe(&hub, id, "*");
        hub.publish(&event("a"), &Origin::default());
        assert_eq!(removed.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        hub.publish(&event("a"), &Origin::default());
        assert_eq!(
            removed.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
    }

    #[test]
    fn a_name_that_cannot_be_matched_is_refused() {
        for name in ["", "a*b", "a||b", "**"] {
            assert!(Pattern::all(&asked(name)).is_err(), "{name}");
        }
        let all = Pattern::all(&asked("*")).expect("sound");
        assert_eq!(all, [Pattern::Prefix(String::new())]);
    }
}
