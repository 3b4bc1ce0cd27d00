//! Live subscribers by gRPC, who publish on the same stream: the dialect `stream` over HTTP/2.
//!
//! One stream after the other, on one connection as long as that lasts. What they read at all, and
//! so the windows of their streams, varies like the kernel's room.

use std::collections::{BTreeSet, VecDeque};

use fanfare_tonic::event::{
    EventTarget, PublishEventRequest, events_stream_request::Message as Ask,
    events_stream_response::Message as Say,
};

use crate::hearing::{Change, End, Filter, Hearing, Life, Moment, Target};
use crate::oracle::Oracle;
use crate::publisher::{NAMES, P, Q};
use crate::random::Random;
use crate::support::grpc::{STREAM, ask, head, subscription, to_json, to_struct};
use crate::support::http2::Client;
use crate::support::node::TestNode;
use crate::world::GROUP;

/// Names that are subscribed to.
const PATTERNS: [&str; 6] = ["t", "u|dispatcher", "*", "d*", "life-*|t", "system-state"];

/// Names, and where.
type Wanted = (&'static str, Target);

/// An answer that is to come.
#[derive(Debug)]
enum Expected {
    /// To a change of subscriptions, and what it subscribes to.
    Change(usize, Option<Wanted>),
    /// To an event.
    Published(String),
    Pong,
    /// To nonsense.
    Error,
}

/// One client.
pub(crate) struct Caller {
    index: usize,
    /// Which of its streams; each counts anew.
    stream: u64,
    count: u64,
    client: Option<Client>,
    call: usize,
    expected: VecDeque<Expected>,
    wanted: BTreeSet<Wanted>,
    life: Option<Life>,
}

impl Caller {
    pub(crate) const fn new(index: usize) -> Self {
        Self {
            index,
            stream: 0,
            count: 0,
            client: None,
            call: 0,
            expected: VecDeque::new(),
            wanted: BTreeSet::new(),
            life: None,
        }
    }

    pub(crate) fn peer(&self) -> Option<usize> {
        self.client.as_ref().map(|client| client.peer)
    }

    /// Opens a stream, or says something.
    pub(crate) fn act(
        &mut self,
        node: &mut TestNode,
        random: &mut Random,
        tokens: &[String],
        hearing: &mut Hearing,
        at: Moment,
    ) {
        if self.life.is_none() {
            self.open(node, random, at);
        }
        let (Some(client), true) = (&mut self.client, self.expected.len() < 6) else {
            return;
        };
        let (message, expected) = match random.below(16) {
            0 => (Ask::Ping("x".into()), Expected::Pong),
            1 => (Ask::Subscribe(subscription("", None)), Expected::Error),
            2 | 3 => {
                client.calls[self.call].appetite = random.pick(&[0, 1, 500, usize::MAX]);
                return;
            }
            4..9 => self.publish(random, tokens, hearing, at),
            _ => self.change(random, tokens, at),
        };
        self.expected.push_back(expected);
        if let Some(client) = &mut self.client {
            client.send_message(self.call, &ask("c", message));
            client.turn(node);
        }
    }

    fn open(&mut self, node: &mut TestNode, random: &mut Random, at: Moment) {
        let opened = self.client.as_mut().and_then(|client| {
            let alive = client.ended.is_none() && !node.peers[client.peer].is_over();
            client.try_open(head(STREAM, &[]), false).filter(|_| alive)
        });
        self.call = opened.unwrap_or_else(|| {
            let window = random.pick(&[50, 3_000, 1 << 20]);
            let shard = random.below(node.shards.len());
            let client = Client::connect_with(node, shard, window);
            if random.once_in(6) {
                node.open_window(client.peer, random.below(300));
            }
            if let Some(old) = self.client.replace(client) {
                node.break_off(old.peer);
            }
            let client = self.client.as_mut().expect("it was just put there");
            client.open(head(STREAM, &[]), false)
        });
        let mut life = Life::new(Filter::Nothing, at);
        life.changes[1].answered = Some(at);
        self.life = Some(life);
        self.expected.clear();
        self.wanted.clear();
        self.stream += 1;
        self.count = 0;
    }

    fn publish(
        &mut self,
        random: &mut Random,
        tokens: &[String],
        hearing: &mut Hearing,
        at: Moment,
    ) -> (Ask, Expected) {
        let (name, token) = (random.pick(&NAMES), &tokens[random.below(tokens.len())]);
        let (p, q) = (random.pick(&P), random.pick(&Q));
        let padding = if random.once_in(10) { 20_000 } else { 9 };
        self.count += 1;
        let (index, stream, count) = (self.index, self.stream, self.count);
        let padding = "x".repeat(padding);
        let payload =
            format!("{{\"by\":\"g{index}.{stream}\",\"n\":{count}{p}{q},\"x\":\"{padding}\"}}");
        hearing.tell(name, Some(token), &payload, at);
        let json = serde_json::from_str(&payload).expect("JSON");
        let publish = PublishEventRequest {
            name: name.into(),
            payload: Some(to_struct(&json)),
            target: target(&Target::Layout(token.clone())),
            request_metadata: None,
        };
        (Ask::Publish(publish), Expected::Published(payload))
    }

    fn change(&mut self, random: &mut Random, tokens: &[String], at: Moment) -> (Ask, Expected) {
        let place = match random.below(4) {
            0 => Target::Organization,
            1 => Target::Collection,
            _ => Target::Layout(tokens[random.below(tokens.len())].clone()),
        };
        let mut wanted = (random.pick(&PATTERNS), place);
        let removes = random.once_in(3);
        if removes && let Some(known) = self.wanted.iter().nth(random.below(4)) {
            wanted = known.clone();
        }
        let asked = subscription(wanted.0, target(&wanted.1));
        if removes {
            self.wanted.remove(&wanted);
        } else {
            self.wanted.insert(wanted.clone());
        }
        let filter = Filter::Subscriptions(self.wanted.clone());
        let changes = &mut self.life.as_mut().expect("a life").changes;
        changes.push(Change {
            filter,
            sent: at,
            answered: None,
        });
        let expected = Expected::Change(changes.len() - 1, (!removes).then_some(wanted));
        let asked = if removes {
            Ask::Unsubscribe(asked)
        } else {
            Ask::Subscribe(asked)
        };
        (asked, expected)
    }

    /// Reads what has come.
    pub(crate) fn read(
        &mut self,
        node: &mut TestNode,
        oracle: &mut Oracle,
        hearing: &mut Hearing,
        at: Moment,
    ) {
        let Some(client) = &mut self.client else {
            return;
        };
        client.turn(node);
        let (said, peer) = (client.calls[self.call].take_said(), client.peer);
        let (end, status) = {
            let call = &client.calls[self.call];
            (call.end, call.grpc_status())
        };
        for said in said {
            self.take(said, oracle, hearing, at);
        }
        if end.is_some() || node.peers[peer].is_over() {
            let slow = status.is_some_and(|(code, _)| code == 8);
            oracle.facts.slow += u64::from(slow && self.life.is_some());
            self.end(hearing, if slow { End::Slow } else { End::Broken });
        }
    }

    fn take(&mut self, said: Say, oracle: &mut Oracle, hearing: &mut Hearing, at: Moment) {
        let Some(life) = &mut self.life else {
            return;
        };
        if let Say::Event(event) = said {
            let payload = to_json(&event.payload.expect("a payload")).to_string();
            assert_eq!(event.name, hearing.name_of(&payload));
            life.received.push(payload);
            oracle.facts.called += 1;
            return;
        }
        if let Say::Error(error) = &said
            && error.message.contains("events were dropped")
        {
            let count = error.message.split(' ').next().expect("a word");
            life.missed += count.parse::<u64>().expect("a number");
            return;
        }
        let expected = self.expected.pop_front();
        match (said, expected.expect("something was asked")) {
            (Say::Pong(_), Expected::Pong) | (Say::Error(_), Expected::Error) => {}
            (Say::Subscribed(_) | Say::Unsubscribed(_), Expected::Change(index, _)) => {
                life.changes[index].answered = Some(at);
                oracle.facts.changes += 1;
            }
            (Say::Error(error), Expected::Change(index, Some(wanted))) if error.code == 5 => {
                assert!(matches!(wanted.1, Target::Layout(_)), "{error:?}");
                life.changes[index].answered = Some(at);
                self.was_refused(index, &wanted);
                oracle.facts.stayed_gone += 1;
            }
            (Say::Published(_), Expected::Published(payload)) => {
                hearing.accept(&payload, at);
                oracle.facts.accepted += 1;
            }
            (Say::Error(error), Expected::Published(payload)) if error.code == 14 => {
                hearing.refuse(&payload);
                oracle.refuse(&payload);
            }
            (said, expected) => panic!("{said:?} to {expected:?}"),
        }
    }

    /// The layout of a subscription was ended: it is not in force, from there to where it is asked
    /// for again.
    fn was_refused(&mut self, index: usize, wanted: &Wanted) {
        let again = self.expected.iter().find_map(|expected| match expected {
            Expected::Change(later, Some(other)) if other == wanted => Some(*later),
            _ => None,
        });
        if again.is_none() {
            self.wanted.remove(wanted);
        }
        let changes = &mut self.life.as_mut().expect("a life").changes;
        let end = again.unwrap_or(changes.len());
        for change in &mut changes[index..end] {
            if let Filter::Subscriptions(all) = &mut change.filter {
                all.remove(wanted);
            }
        }
    }

    fn end(&mut self, hearing: &mut Hearing, end: End) {
        if let Some(mut life) = self.life.take() {
            life.end = end;
            hearing.lives.push(life);
        }
    }

    /// The connection breaks, or only the stream is given up.
    pub(crate) fn break_off(
        &mut self,
        node: &mut TestNode,
        oracle: &mut Oracle,
        hearing: &mut Hearing,
        at: Moment,
    ) {
        self.read(node, oracle, hearing, at);
        if at.is_multiple_of(2) {
            if let Some(client) = self.client.take() {
                node.break_off(client.peer);
            }
        } else if let Some(client) = &mut self.client {
            client.cancel(self.call);
            client.turn(node);
        }
        self.end(hearing, End::Broken);
    }

    /// The scene is over: reads all there is.
    pub(crate) fn finish(
        &mut self,
        node: &mut TestNode,
        oracle: &mut Oracle,
        hearing: &mut Hearing,
        at: Moment,
    ) {
        if let Some(client) = &mut self.client {
            client.calls[self.call].appetite = usize::MAX;
            client.settle(node);
        }
        self.read(node, oracle, hearing, at);
        assert!(
            self.expected.is_empty() || self.life.is_none(),
            "answers are missing: {:?}",
            self.expected
        );
        self.end(hearing, End::Open);
    }

    /// Keeps to the protocol while the server leaves.
    pub(crate) fn go(&mut self, node: &mut TestNode) {
        if let Some(client) = &mut self.client {
            client.turn(node);
        }
    }
}

fn target(target: &Target) -> Option<EventTarget> {
    let mut named = EventTarget::default();
    match target {
        Target::Organization => return None,
        Target::Collection => named.collection_id = Some(GROUP.into()),
        Target::Layout(token) => named.layout_id = Some(token.clone()),
    }
    Some(named)
}
