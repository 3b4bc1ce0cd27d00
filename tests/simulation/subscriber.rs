//! Live subscribers of two dialects: they change what they hear while events flow, and come and go.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::hearing::{Change, End, Filter, Hearing, Life, Moment};
use crate::oracle::Facts;
use crate::publisher::NAMES;
use crate::random::Random;
use crate::support::http::take_response;
use crate::support::node::TestNode;
use crate::support::web_socket::{Client, Message, upgrade};

/// Which of the names are kept for newcomers.
const RETAINED: [&str; 2] = ["life-preserver", "system-state"];
/// What belongs to the event itself in the live dialect.
const BASE: [&str; 6] = [
    "type",
    "time",
    "coreServerId",
    "groupId",
    "projectId",
    "sessionId",
];

/// Which dialect a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Live,
    Sysadm,
}

/// An answer that is to come.
enum Expected {
    /// To a change, and the retained names that it asked for.
    Change(usize, Vec<&'static str>),
    /// To nonsense.
    Error,
}

/// One client, on one connection after the other.
pub(crate) struct Subscriber {
    dialect: Dialect,
    peer: Option<usize>,
    socket: Client,
    is_open: bool,
    /// When it said goodbye.
    left: Option<Moment>,
    expected: VecDeque<Expected>,
    life: Option<Life>,
    classes: BTreeSet<String>,
}

impl Subscriber {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            peer: None,
            socket: Client::new(),
            is_open: false,
            left: None,
            expected: VecDeque::new(),
            life: None,
            classes: BTreeSet::new(),
        }
    }

    pub(crate) const fn peer(&self) -> Option<usize> {
        self.peer
    }

    /// Connects, or says something. Who wants to `stay` does not leave.
    pub(crate) fn act(
        &mut self,
        node: &mut TestNode,
        random: &mut Random,
        tokens: &[String],
        stay: bool,
        at: Moment,
    ) {
        let Some(peer) = self.peer.filter(|_| self.life.is_some()) else {
            self.connect(node, random, at);
            return;
        };
        if !self.is_open || self.left.is_some() {
            return;
        }
        match random.below(16) {
            0 if !stay => {
                self.left = Some(at);
                self.socket.write(Message::Close(None));
            }
            1 => {
                let nonsense = random.pick(&["{", "{\"type\":\"no\"}", "[]", "\"*\""]);
                self.socket.write(Message::text(nonsense));
                self.expected.push_back(Expected::Error);
            }
            2 => self.socket.write(Message::Ping(Vec::new().into())),
            _ => match self.dialect {
                Dialect::Live => self.set_filters(random, tokens, at),
                Dialect::Sysadm => self.change_classes(random, at),
            },
        }
        node.send(peer, self.socket.output());
    }

    fn connect(&mut self, node: &mut TestNode, random: &mut Random, at: Moment) {
        let peer = node.connect(random.below(node.shards.len()));
        if random.once_in(6) {
            node.open_window(peer, random.below(300));
        }
        let (path, filter) = match self.dialect {
            Dialect::Live => ("/live/ws", Filter::Properties(Vec::new())),
            Dialect::Sysadm => ("/sysadm", Filter::Nothing),
        };
        node.send(peer, upgrade(path));
        *self = Self {
            peer: Some(peer),
            life: Some(Life::new(filter, at)),
            ..Self::new(self.dialect)
        };
    }

    fn set_filters(&mut self, random: &mut Random, tokens: &[String], at: Moment) {
        let some =
            |random: &mut Random, values: &[Value]| values[random.below(values.len())].clone();
        let filters = (0..random.below(4)).map(|_| match random.below(12) {
            0..6 => {
                let name = random.pick(&NAMES);
                let name = if random.once_in(8) { "*" } else { name };
                ("type", json!(name))
            }
            6..9 => {
                let values = [json!("a"), json!("b"), json!(null), json!(7), json!("true")];
                ("p", some(random, &values))
            }
            9 => ("sessionId", json!(tokens[random.below(tokens.len())])),
            10 => {
                let property = random.pick(&["p", "q.r", "q", "groupId", "missing"]);
                (property, json!("*"))
            }
            _ => ("q.r", some(random, &[json!("a"), json!("b"), json!(["a"])])),
        });
        let filters: Vec<(String, Value)> = filters.map(|(p, v)| (p.to_owned(), v)).collect();
        let list: Vec<Value> = filters
            .iter()
            .map(|(property, value)| json!({"property": property, "value": value}))
            .collect();
        let text = json!({"type": "filter", "filters": list}).to_string();
        self.socket.write(Message::text(text));
        if filters.iter().any(|(_, value)| value.is_array()) {
            self.expected.push_back(Expected::Error);
        } else {
            self.expect(Filter::Properties(filters), Vec::new(), at);
        }
    }

    fn change_classes(&mut self, random: &mut Random, at: Moment) {
        let named: Vec<&'static str> = (0..=random.below(2)).map(|_| random.pick(&NAMES)).collect();
        let known = named
            .iter()
            .filter(|name| ["dispatcher", RETAINED[0], RETAINED[1]].contains(name));
        let mut retained: Vec<&'static str> = Vec::new();
        let name = if random.once_in(3) {
            known.for_each(|&name| {
                self.classes.remove(name);
            });
            "unsubscribe"
        } else {
            for &name in known {
                self.classes.insert(name.to_owned());
                if RETAINED.contains(&name) && !retained.contains(&name) {
                    retained.push(name);
                }
            }
            "subscribe"
        };
        let text = json!({"namespace": "events", "name": name, "id": "i", "args": named});
        self.socket.write(Message::text(text.to_string()));
        self.expect(Filter::Classes(self.classes.clone()), retained, at);
    }

    fn expect(&mut self, filter: Filter, retained: Vec<&'static str>, at: Moment) {
        let changes = &mut self.life.as_mut().expect("a life").changes;
        self.expected
            .push_back(Expected::Change(changes.len(), retained));
        changes.push(Change {
            filter,
            sent: at,
            answered: None,
        });
    }

    /// Reads what has come.
    pub(crate) fn read(
        &mut self,
        node: &mut TestNode,
        hearing: &mut Hearing,
        facts: &mut Facts,
        at: Moment,
    ) {
        let Some(peer) = self.peer else {
            return;
        };
        self.open(node, peer, at);
        if self.is_open {
            let messages = self.socket.read(&mut node.peers[peer].received);
            for message in messages {
                self.take(message, hearing, facts, at);
            }
            node.send(peer, self.socket.output());
        }
        if node.peers[peer].is_over() {
            self.end(hearing, End::Broken);
            self.peer = None;
        }
    }

    fn open(&mut self, node: &mut TestNode, peer: usize, at: Moment) {
        let received = &mut node.peers[peer].received;
        let Some(end) = received.windows(4).position(|w| w == b"\r\n\r\n") else {
            return;
        };
        if self.is_open {
            return;
        }
        let rest = received.split_off(end + 4);
        // Without its request in time it is a 408, and the end.
        let head = take_response(received, true).expect("a head");
        *received = rest;
        assert!(matches!(head.status, 101 | 408), "{head:?}");
        if head.status == 101 {
            self.is_open = true;
            let life = self.life.as_mut().expect("a life");
            life.changes[1].answered = Some(at);
        }
    }

    fn take(&mut self, message: Message, hearing: &mut Hearing, facts: &mut Facts, at: Moment) {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(frame) => {
                let code = frame.map(|frame| u16::from(frame.code));
                let end = match (code, self.left) {
                    (Some(1013), _) => End::Slow,
                    (None | Some(1000 | 1005), Some(left)) => End::Polite(left),
                    _ => End::Broken,
                };
                facts.slow += u64::from(end == End::Slow);
                facts.polite += u64::from(matches!(end, End::Polite(_)));
                self.end(hearing, end);
                return;
            }
            Message::Ping(_) | Message::Pong(_) => return,
            other => panic!("{other:?}"),
        };
        let value: Value = serde_json::from_str(&text).expect("JSON");
        match self.dialect {
            Dialect::Live => self.take_live(value, facts, at),
            Dialect::Sysadm => self.take_sysadm(&value, hearing, facts, at),
        }
    }

    fn take_live(&mut self, mut value: Value, facts: &mut Facts, at: Moment) {
        match value["type"].as_str().expect("a type") {
            "fanfare:dropped" => {
                self.life().missed += value["count"].as_u64().expect("a number");
            }
            "filterResponse" if value["success"] == true => {
                let Some(Expected::Change(index, _)) = self.expected.pop_front() else {
                    panic!("nothing was changed: {value}");
                };
                let change = &mut self.life().changes[index];
                if let Filter::Properties(filters) = &change.filter {
                    assert_eq!(value["filters"].as_u64(), Some(filters.len() as u64));
                }
                change.answered = Some(at);
                facts.changes += 1;
            }
            "filterResponse" | "error" => {
                let expected = self.expected.pop_front();
                assert!(matches!(expected, Some(Expected::Error)), "{value}");
            }
            _ => {
                let fields = value.as_object_mut().expect("an object");
                assert!(fields.contains_key("coreServerId") && fields.contains_key("time"));
                fields.retain(|name, _| !BASE.contains(&&**name));
                self.life().received.push(value.to_string());
            }
        }
    }

    fn take_sysadm(&mut self, value: &Value, hearing: &Hearing, facts: &mut Facts, at: Moment) {
        let (namespace, name) = (value["namespace"].as_str(), value["name"].as_str());
        match (namespace.expect("text"), name.expect("text")) {
            ("fanfare", "dropped") => {
                let count = value["args"]["count"].as_str().expect("text");
                self.life().missed += count.parse::<u64>().expect("a number");
            }
            ("error", "error") => {
                let expected = self.expected.pop_front();
                assert!(matches!(expected, Some(Expected::Error)), "{value}");
            }
            ("events", "response") => {
                assert_eq!(value["id"], "i");
                let Some(Expected::Change(index, retained)) = self.expected.pop_front() else {
                    panic!("nothing was changed: {value}");
                };
                let asked = self.life().changes[index].sent;
                for name in retained.into_iter().rev() {
                    self.take_retained(name, asked, hearing, facts);
                }
                self.life().changes[index].answered = Some(at);
                facts.changes += 1;
            }
            ("events", name) => {
                let payload = value["args"].to_string();
                assert_eq!(name, hearing.name_of(&payload));
                self.life().received.push(payload);
            }
            other => panic!("{other:?}"),
        }
    }

    /// What stands directly before the answer is what was kept.
    fn take_retained(&mut self, name: &str, asked: Moment, hearing: &Hearing, facts: &mut Facts) {
        let life = self.life.as_mut().expect("a life");
        let last = life.received.last().map(String::as_str);
        let last = last.filter(|payload| hearing.name_of(payload) == name);
        hearing.check_retained(name, last, asked);
        if last.is_some() {
            life.received.pop();
            life.retained += 1;
            facts.retained += 1;
        }
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("a life")
    }

    fn end(&mut self, hearing: &mut Hearing, end: End) {
        if let Some(mut life) = self.life.take() {
            life.end = end;
            // What was kept may have come without the answer.
            if let Some(Expected::Change(_, retained)) = self.expected.front() {
                for name in retained.iter().rev() {
                    let last = life.received.last();
                    if last.is_some_and(|payload| hearing.name_of(payload) == *name) {
                        life.received.pop();
                        life.retained += 1;
                    }
                }
            }
            hearing.lives.push(life);
        }
    }

    /// The scene is over, and everything has arrived.
    pub(crate) fn finish(&mut self, hearing: &mut Hearing) {
        assert!(
            !self.is_open || self.left.is_some() || self.expected.is_empty() || self.life.is_none(),
            "an answer is missing"
        );
        self.end(hearing, End::Open);
    }

    /// The connection breaks.
    pub(crate) fn break_off(
        &mut self,
        node: &mut TestNode,
        hearing: &mut Hearing,
        facts: &mut Facts,
        at: Moment,
    ) {
        self.read(node, hearing, facts, at);
        if let Some(peer) = self.peer.take() {
            node.break_off(peer);
        }
        self.end(hearing, End::Broken);
    }
}
