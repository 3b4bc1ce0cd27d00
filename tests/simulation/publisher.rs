//! Publishers: one connection each, several requests at once, some with a key and tried again.

use std::collections::VecDeque;

use crate::hearing::{Hearing, Moment};
use crate::oracle::Oracle;
use crate::random::Random;
use crate::support::http::request;
use crate::support::node::{Place, TestNode};

/// What events are called.
pub(crate) const NAMES: [&str; 5] = ["t", "u", "dispatcher", "life-preserver", "system-state"];

/// A request whose answer has not come.
#[derive(Clone)]
struct Asked {
    token: String,
    name: &'static str,
    payloads: Vec<String>,
    key: Option<String>,
}

/// What payloads say besides: nothing, or a property that filters ask for.
pub(crate) const P: [&str; 7] = [
    "",
    ",\"p\":\"a\"",
    ",\"p\":\"b\"",
    ",\"p\":null",
    ",\"p\":7",
    ",\"p\":true",
    ",\"p\":[\"a\"]",
];
/// And one to look into.
pub(crate) const Q: [&str; 3] = ["", ",\"q\":{\"r\":\"a\"}", ",\"q\":{\"r\":\"b\"}"];

/// One who publishes.
pub(crate) struct Publisher {
    index: usize,
    /// Which of this publisher's connections; each counts anew.
    life: u64,
    count: u64,
    peer: Option<usize>,
    asked: VecDeque<Asked>,
    /// Keyed requests whose connection broke.
    again: Vec<Asked>,
}

impl Publisher {
    pub(crate) const fn new(index: usize) -> Self {
        Self {
            index,
            life: 0,
            count: 0,
            peer: None,
            asked: VecDeque::new(),
            again: Vec::new(),
        }
    }

    /// Sends something, on a new connection if need be.
    pub(crate) fn act(
        &mut self,
        node: &mut TestNode,
        random: &mut Random,
        token: &str,
        hearing: &mut Hearing,
        at: Moment,
    ) {
        let peer = match self.peer {
            Some(peer) if node.peers[peer].place != Place::Gone => peer,
            _ => {
                self.lose();
                let peer = node.connect(random.below(node.shards.len()));
                self.life += 1;
                self.peer = Some(peer);
                peer
            }
        };
        if self.asked.len() >= 4 {
            return;
        }
        let asked = match self.again.pop() {
            Some(again) => again,
            None => self.invent(random, token),
        };
        let events = asked
            .payloads
            .iter()
            .map(|p| format!("{{\"type\":\"{}\",\"data\":{p}}}", asked.name));
        let events: Vec<String> = events.collect();
        let body = match &events[..] {
            [one] => one.clone(),
            many => format!("[{}]", many.join(",")),
        };
        let headers = asked
            .key
            .as_ref()
            .map(|key| format!("Idempotency-Key: {key}\r\n"));
        for payload in &asked.payloads {
            hearing.tell(asked.name, Some(&asked.token), payload, at);
        }
        let line = format!("POST /api/sessions/{}/events", asked.token);
        node.send(peer, request(&line, &headers.unwrap_or_default(), &body));
        self.asked.push_back(asked);
    }

    fn invent(&mut self, random: &mut Random, token: &str) -> Asked {
        let many = if random.once_in(4) {
            1 + random.below(4)
        } else {
            1
        };
        let keyed = random.once_in(4);
        let padding = if random.once_in(20) {
            30_000
        } else {
            random.below(20)
        };
        let name = random.pick(&NAMES);
        let (p, q) = (random.pick(&P), random.pick(&Q));
        let mut payload = || {
            self.count += 1;
            let (index, life, count) = (self.index, self.life, self.count);
            // What is tried again may come late: it is in no order.
            let order = if keyed { "k" } else { "n" };
            format!(
                "{{\"by\":\"{index}.{life}\",\"{order}\":{count}{p}{q},\"x\":\"{}\"}}",
                "x".repeat(padding)
            )
        };
        let payloads: Vec<String> = (0..many).map(|_| payload()).collect();
        let key = keyed.then(|| format!("{}.{}.{}", self.index, self.life, self.count));
        Asked {
            token: token.to_owned(),
            name,
            payloads,
            key,
        }
    }

    /// Reads the answers that have come.
    pub(crate) fn read(
        &mut self,
        node: &mut TestNode,
        oracle: &mut Oracle,
        hearing: &mut Hearing,
        at: Moment,
    ) {
        let Some(peer) = self.peer else {
            return;
        };
        while let Some(answer) = node.response(peer) {
            let asked = self.asked.pop_front().expect("an answer to a request");
            match answer.status {
                200 => {
                    let number = answer.header("fanfare-number").expect("a number");
                    let number: u64 = number.parse().expect("a number");
                    let epoch = answer.header("fanfare-epoch").expect("an epoch");
                    for (number, payload) in (number..).zip(&asked.payloads) {
                        oracle.saw(&asked.token, epoch, number, payload);
                        hearing.accept(payload, at);
                        oracle.facts.accepted += 1;
                    }
                }
                503 if asked.key.is_none() => {
                    for payload in &asked.payloads {
                        oracle.refuse(payload);
                        hearing.refuse(payload);
                    }
                }
                503 => self.again.push(asked),
                // It was torn and the rest is late; the connection is closing.
                408 => {
                    self.asked.push_front(asked);
                    self.lose();
                    return;
                }
                status => panic!("{status} to {:?}: {answer:?}", asked.payloads),
            }
        }
    }

    /// The connection breaks.
    pub(crate) fn break_off(
        &mut self,
        node: &mut TestNode,
        oracle: &mut Oracle,
        hearing: &mut Hearing,
        at: Moment,
    ) {
        self.read(node, oracle, hearing, at);
        if let Some(peer) = self.peer {
            node.break_off(peer);
        }
        oracle.facts.repeats += self.lose();
    }

    fn lose(&mut self) -> u64 {
        self.peer = None;
        let lost = std::mem::take(&mut self.asked);
        let keyed: Vec<Asked> = lost
            .into_iter()
            .filter(|asked| asked.key.is_some())
            .collect();
        let count = keyed.len() as u64;
        self.again.extend(keyed);
        count
    }

    pub(crate) const fn peer(&self) -> Option<usize> {
        self.peer
    }
}
