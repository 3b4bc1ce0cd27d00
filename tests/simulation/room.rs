//! Clients of rooms: they follow a session's log by names, publish to it, drop off and come back
//! with their cursor.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::hearing::{Hearing, Moment};
use crate::oracle::Oracle;
use crate::publisher::NAMES;
use crate::random::Random;
use crate::support::http::take_response;
use crate::support::node::TestNode;
use crate::support::web_socket::{Client, Message, upgrade};
use crate::world::GROUP;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The handshake is not answered.
    Asked,
    /// It is, and nobody was welcomed yet.
    Open,
    /// The first message after the welcome is to be sent.
    Welcomed,
    /// It was.
    Subscribing,
    /// And is answered.
    Subscribed,
    /// The server said goodbye.
    Leaving,
}

/// A part of one life of one log that somebody followed.
#[derive(Clone, Debug)]
struct Span {
    epoch: String,
    from: u64,
    heard: BTreeSet<u64>,
    gaps: Vec<(u64, u64)>,
    /// Whether everything until the end of the log was shown.
    is_whole: bool,
}

/// One client, on one connection after the other.
pub(crate) struct Room {
    index: usize,
    token: String,
    wanted: Vec<&'static str>,
    /// Epoch and next number, as far as is known.
    cursor: Option<(String, u64)>,
    peer: Option<usize>,
    stage: Stage,
    socket: Client,
    /// The cursor is from another life, and the news of it have not come.
    reset_due: bool,
    span: Option<Span>,
    spans: Vec<Span>,
    /// Which of its connections; each counts anew.
    life: u64,
    count: u64,
    /// Publishes without an answer.
    asked: VecDeque<String>,
}

impl Room {
    pub(crate) fn new(index: usize, token: &str) -> Self {
        Self {
            index,
            token: token.to_owned(),
            wanted: NAMES[index % 3..][..2].to_vec(),
            cursor: None,
            peer: None,
            stage: Stage::Asked,
            socket: Client::new(),
            reset_due: false,
            span: None,
            spans: Vec::new(),
            life: 0,
            count: 0,
            asked: VecDeque::new(),
        }
    }

    pub(crate) const fn peer(&self) -> Option<usize> {
        self.peer
    }

    /// Connects, subscribes, or says something.
    pub(crate) fn act(
        &mut self,
        node: &mut TestNode,
        random: &mut Random,
        hearing: &mut Hearing,
        oracle: &mut Oracle,
        at: Moment,
    ) {
        let Some(peer) = self.peer.filter(|&peer| !node.peers[peer].is_over()) else {
            self.lose();
            self.connect(node, random, oracle);
            return;
        };
        match self.stage {
            Stage::Asked | Stage::Open | Stage::Subscribing | Stage::Leaving => {}
            Stage::Welcomed => {
                let data = json!({ "eventNames": self.wanted });
                if random.once_in(3) {
                    // What is not carried out is no first request.
                    self.say(&json!({"action": "dance", "ref": 7}));
                    self.say(&json!({"action": "subscribe-event", "data": data}));
                }
                self.say(&json!({"action": "subscribe-event", "data": data, "ref": "first"}));
                self.stage = Stage::Subscribing;
            }
            Stage::Subscribed => match random.below(6) {
                0 => self.say(&json!({"action": "dance", "ref": 7})),
                1 => self.socket.write(Message::Ping(Vec::new().into())),
                2 => {
                    // What it never heard of makes no difference.
                    let data = json!({"eventName": "elsewhere"});
                    self.say(&json!({"action": "unsubscribe-event", "data": data, "ref": null}));
                    self.say(&json!({"action": "unsubscribe-event", "data": data, "ref": 8}));
                }
                _ if self.asked.len() < 4 => self.publish(random, hearing, at),
                _ => {}
            },
        }
        node.send(peer, self.socket.output());
    }

    fn say(&mut self, message: &Value) {
        self.socket.write(Message::text(message.to_string()));
    }

    fn connect(&mut self, node: &mut TestNode, random: &mut Random, oracle: &mut Oracle) {
        let peer = node.connect(random.below(node.shards.len()));
        if random.once_in(4) {
            node.open_window(peer, random.below(300));
        }
        let resume = self.cursor.as_ref().map(|(epoch, next)| {
            oracle.facts.resumed += 1;
            format!("&epoch={epoch}&last_event={}", i128::from(*next) - 1)
        });
        let token = &self.token;
        let resume = resume.unwrap_or_default();
        let path = format!("/pubsub/ws?event_id={GROUP}&session_id={token}{resume}");
        node.send(peer, upgrade(&path));
        self.peer = Some(peer);
        self.stage = Stage::Asked;
        self.socket = Client::new();
        self.life += 1;
    }

    fn publish(&mut self, random: &mut Random, hearing: &mut Hearing, at: Moment) {
        self.count += 1;
        let (index, life, count) = (self.index, self.life, self.count);
        let name = random.pick(&NAMES);
        let payload = format!("{{\"by\":\"room {index}.{life}\",\"n\":{count}}}");
        hearing.tell(name, Some(&self.token), &payload, at);
        let message = format!(
            r#"{{"action":"publish-event","ref":"{count}","data":{{"eventName":"{name}","data":{payload}}}}}"#
        );
        self.socket.write(Message::text(message));
        self.asked.push_back(payload);
    }

    /// Reads what has come.
    pub(crate) fn read(
        &mut self,
        node: &mut TestNode,
        hearing: &mut Hearing,
        oracle: &mut Oracle,
        at: Moment,
    ) {
        let Some(peer) = self.peer else {
            return;
        };
        let received = &mut node.peers[peer].received;
        if self.stage == Stage::Asked {
            let Some(answer) = take_response(received, true) else {
                return;
            };
            if answer.status == 408 {
                // Its request was torn and the rest is late; the connection is closing.
                node.break_off(peer);
                self.lose();
                return;
            }
            assert_eq!(answer.status, 101, "{answer:?}");
            self.stage = Stage::Open;
        }
        for message in self.socket.read(received) {
            match message {
                Message::Text(text) => {
                    let said: Value = serde_json::from_str(&text).expect("JSON");
                    self.told(&said, hearing, oracle, at);
                }
                Message::Close(frame) => {
                    let code = frame.map(|frame| u16::from(frame.code));
                    oracle.facts.gone += u64::from(code == Some(4_410));
                    self.stage = Stage::Leaving;
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Frame(_)) => panic!("{other:?}"),
            }
        }
        let output = self.socket.output();
        node.send(peer, output);
    }

    fn told(&mut self, said: &Value, hearing: &mut Hearing, oracle: &mut Oracle, at: Moment) {
        let data = &said["data"];
        match said["action"].as_str() {
            None => self.heard(said, oracle),
            Some("welcome") => self.welcomed(data, oracle),
            Some("gap") => self.told_gap(data, oracle),
            Some("subscribed") => {
                assert_eq!(said["ref"], "first");
                assert!(!self.reset_due, "subscribed before the news of the reset");
                self.stage = Stage::Subscribed;
            }
            Some("published") => {
                let payload = self.asked.pop_front().expect("a publish");
                let (epoch, _) = self.cursor.as_ref().expect("a welcome");
                let number = data["number"].as_u64().expect("a number");
                oracle.saw(&self.token, epoch, number, &payload);
                oracle.facts.accepted += 1;
                hearing.accept(&payload, at);
            }
            Some("error") => match data["code"].as_str() {
                Some("unknown_action") => assert_eq!(said["ref"], 7),
                Some("missing_ref") => assert!(said.get("ref").is_none()),
                Some("busy") if self.stage >= Stage::Welcomed => {
                    let payload = self.asked.pop_front().expect("a publish");
                    oracle.refuse(&payload);
                    hearing.refuse(&payload);
                }
                // The session was deleted just as somebody was to be let in.
                Some("not_found" | "busy") => assert_eq!(self.stage, Stage::Open),
                _ => panic!("{said}"),
            },
            Some("unsubscribed") => assert_eq!(said["ref"], 8),
            Some("heartbeat") => {
                // It may move the cursor, past what is not wanted.
                let shown = data["next"].as_u64().expect("a number");
                let (_, next) = self.cursor.as_mut().expect("a welcome");
                if !self.reset_due {
                    assert!(*next <= shown, "{said} at {next}");
                    *next = shown;
                }
            }
            Some("reconnect") => {}
            Some(_) => panic!("{said}"),
        }
    }

    fn welcomed(&mut self, data: &Value, oracle: &mut Oracle) {
        assert_eq!(self.stage, Stage::Open, "welcomed twice");
        self.stage = Stage::Welcomed;
        let epoch = data["epoch"].as_str().expect("an epoch").to_owned();
        let next = data["next"].as_u64().expect("a number");
        let from = match &self.cursor {
            Some((known, from)) if *known == epoch => *from,
            Some(_) => {
                self.reset_due = true;
                oracle.facts.resets += 1;
                // What is retained comes besides.
                next
            }
            None => next,
        };
        assert!(from <= next, "it was shown {from}, and the next is {next}");
        self.cursor = Some((epoch.clone(), if self.reset_due { 0 } else { from }));
        self.span = Some(Span {
            epoch,
            from,
            heard: BTreeSet::new(),
            gaps: Vec::new(),
            is_whole: false,
        });
    }

    fn told_gap(&mut self, gap: &Value, oracle: &mut Oracle) {
        if gap["reset"] == true {
            let due = std::mem::take(&mut self.reset_due);
            assert!(due, "a reset that the welcome did not announce");
            return;
        }
        let number = |key: &str| gap[key].as_u64().expect("a number");
        let (first, last) = (number("from"), number("to"));
        let (_, next) = self.cursor.as_mut().expect("a welcome");
        assert!(*next <= first && first <= last, "{gap} at {next}");
        *next = last + 1;
        let span = self.span.as_mut().expect("a welcome");
        span.gaps.push((first, last));
        oracle.facts.gaps += 1;
    }

    fn heard(&mut self, event: &Value, oracle: &mut Oracle) {
        assert!(self.stage >= Stage::Subscribing, "{event} unasked");
        let name = event["eventName"].as_str().expect("a name");
        assert!(self.wanted.contains(&name), "{name} was not wanted");
        let payload = event["data"].to_string();
        assert!(!self.asked.contains(&payload), "{event} before `published`");
        let number = event["number"].as_u64().expect("a number");
        let (epoch, next) = self.cursor.as_mut().expect("a welcome");
        assert!(*next <= number, "{number} where {next} is the next");
        *next = number + 1;
        oracle.saw(&self.token, epoch, number, &payload);
        oracle.facts.in_rooms += 1;
        self.span.as_mut().expect("a welcome").heard.insert(number);
    }

    /// The connection is no more: nothing is known of what was under way.
    fn lose(&mut self) {
        self.peer = None;
        self.reset_due = false;
        self.asked.clear();
        self.spans.extend(self.span.take());
    }

    /// The connection ends, one way or another.
    pub(crate) fn break_off(
        &mut self,
        node: &mut TestNode,
        random: &mut Random,
        hearing: &mut Hearing,
        oracle: &mut Oracle,
        at: Moment,
    ) {
        self.read(node, hearing, oracle, at);
        if let Some(peer) = self.peer.filter(|&peer| !node.peers[peer].is_over()) {
            if random.once_in(2) {
                node.break_off(peer);
            } else {
                node.close_half(peer);
            }
        }
        self.lose();
    }

    /// Everything has arrived: who is still there was shown all there is.
    pub(crate) fn finish(&mut self, node: &TestNode) {
        let is_there = self.peer.is_some_and(|peer| !node.peers[peer].is_over());
        if let Some(span) = &mut self.span {
            span.is_whole = is_there && self.stage == Stage::Subscribed;
        }
    }

    /// Nothing that was wanted is missing between what was heard, unless a gap was told.
    pub(crate) fn check(mut self, hearing: &Hearing, oracle: &Oracle) {
        self.spans.extend(self.span.take());
        for span in &self.spans {
            let end = match (span.is_whole, span.heard.last()) {
                (true, _) => u64::MAX,
                (false, Some(last)) => *last,
                (false, None) => continue,
            };
            let followed = oracle.log(&self.token, &span.epoch);
            for (number, payload) in followed.range(span.from..end.max(span.from)) {
                let wanted = self.wanted.contains(&hearing.name_of(payload));
                let told = |&(first, last): &(u64, u64)| (first..=last).contains(number);
                assert!(
                    !wanted || span.heard.contains(number) || span.gaps.iter().any(told),
                    "{payload} at {number} of {} was missed silently: {span:?}",
                    self.token
                );
            }
        }
    }
}
