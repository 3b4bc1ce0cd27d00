//! Readers in three forms, that drop off and come back with their cursor.

use serde_json::Value;

use crate::oracle::Oracle;
use crate::random::Random;
use crate::support::http::{request, take_response, take_stream};
use crate::support::node::{Place, TestNode};
use crate::support::web_socket::{Client, Message, upgrade};

/// How a reader listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Poll,
    EventStream,
    WebSocket,
}

/// One who reads one session.
pub(crate) struct Reader {
    form: Form,
    token: String,
    /// Epoch and next number, once known.
    cursor: Option<(String, u64)>,
    peer: Option<usize>,
    /// The request is out and its head has not come.
    waiting: bool,
    /// The head said that the cursor is from another life, and the news of it have not come.
    reset_due: bool,
    web_socket: Client,
}

impl Reader {
    pub(crate) fn new(form: Form, token: &str) -> Self {
        Self {
            form,
            token: token.to_owned(),
            cursor: None,
            peer: None,
            waiting: false,
            reset_due: false,
            web_socket: Client::new(),
        }
    }

    pub(crate) const fn peer(&self) -> Option<usize> {
        self.peer
    }

    /// Asks for what comes after the cursor, if nothing is asked yet.
    pub(crate) fn act(&mut self, node: &mut TestNode, random: &mut Random, oracle: &mut Oracle) {
        let peer = match self.peer {
            Some(peer) if !node.peers[peer].is_over() => peer,
            _ => {
                self.peer = None;
                self.waiting = false;
                self.web_socket = Client::new();
                let peer = node.connect(random.below(node.shards.len()));
                if random.once_in(4) {
                    node.open_window(peer, random.below(300));
                }
                self.peer = Some(peer);
                oracle.facts.resumed += u64::from(self.cursor.is_some());
                self.ask(node, random, peer);
                return;
            }
        };
        if self.form == Form::Poll && !self.waiting {
            self.ask(node, random, peer);
        }
    }

    fn ask(&mut self, node: &mut TestNode, random: &mut Random, peer: usize) {
        self.waiting = true;
        let (mut query, mut headers) = (String::from("?last_event=-1"), String::new());
        if let Some((epoch, next)) = &self.cursor {
            let last = i128::from(*next) - 1;
            query = format!("?last_event={last}&epoch={epoch}");
            if self.form == Form::EventStream && last >= 0 {
                headers = format!("Last-Event-ID: {epoch}:{last}\r\n");
            }
        }
        let path = format!("/api/sessions/{}/events{query}", self.token);
        let text = match self.form {
            Form::Poll => {
                let timeout = random.pick(&["", "&timeout=0", "&timeout=1", "&timeout=20"]);
                request(&format!("GET {path}{timeout}"), "", "")
            }
            Form::EventStream => {
                headers += "Accept: text/event-stream\r\n";
                request(&format!("GET {path}"), &headers, "")
            }
            Form::WebSocket => upgrade(&path),
        };
        node.send(peer, text);
    }

    /// The number that must come next, given what the answer says of its log.
    fn judge(&mut self, epoch: &str, gap: Option<&str>, oracle: &mut Oracle) -> Option<u64> {
        let expected = match &self.cursor {
            Some((known, next)) if known == epoch => *next,
            Some(_) => {
                assert_eq!(gap, Some("reset"), "another life, and nobody said so");
                oracle.facts.resets += 1;
                return None;
            }
            None => 0,
        };
        let Some(gap) = gap else {
            return Some(expected);
        };
        let (first, last) = gap
            .split_once('-')
            .unwrap_or_else(|| panic!("the gap {gap:?}"));
        assert_eq!(
            first.parse(),
            Ok(expected),
            "a gap begins where the reader stands"
        );
        oracle.facts.gaps += 1;
        Some(last.parse::<u64>().expect("a number") + 1)
    }

    /// Reads what has come.
    pub(crate) fn read(&mut self, node: &mut TestNode, oracle: &mut Oracle) {
        let Some(peer) = self.peer else {
            return;
        };
        let received = &mut node.peers[peer].received;
        if self.waiting {
            let head_ends = received
                .windows(4)
                .position(|w| w == b"\r\n\r\n")
                .map(|at| at + 4);
            let Some(head_ends) = head_ends else {
                return;
            };
            // An answer without a length is only its head; what follows is the feed.
            let feeds = received.starts_with(b"HTTP/1.1 101")
                || received[..head_ends]
                    .windows(17)
                    .any(|w| w == b"text/event-stream");
            let answer = if feeds {
                let feed = received.split_off(head_ends);
                let head = take_response(received, true);
                *received = feed;
                head
            } else {
                take_response(received, false)
            };
            let Some(answer) = answer else {
                return;
            };
            self.waiting = false;
            if answer.status == 410 {
                oracle.facts.gone += 1;
                if self.form != Form::Poll {
                    node.break_off(peer);
                    self.peer = None;
                }
                return;
            }
            if answer.status == 408 {
                // Its request was torn and the rest is late; the connection is closing.
                return;
            }
            assert!(matches!(answer.status, 200 | 101), "{answer:?}");
            let epoch = answer.header("fanfare-epoch").expect("an epoch").to_owned();
            let gap = answer.header("fanfare-gap");
            let next: u64 = answer.header("fanfare-next").unwrap().parse().unwrap();
            let from = self.judge(&epoch, gap, oracle);
            if self.form == Form::Poll {
                let more = answer.header("fanfare-more").is_some();
                self.take_array(&answer.body, &epoch, from, (next, more), oracle);
                return;
            }
            // The gap is told again in the feed.
            self.reset_due = from.is_none();
            if self.reset_due {
                let oldest = answer.header("fanfare-oldest").expect("the oldest number");
                self.cursor = Some((epoch, oldest.parse().expect("a number")));
            } else if self.cursor.is_none() {
                self.cursor = Some((epoch, 0));
            }
        }
        self.read_feed(node, peer, oracle);
    }

    fn take_array(
        &mut self,
        body: &str,
        epoch: &str,
        from: Option<u64>,
        (next, more): (u64, bool),
        oracle: &mut Oracle,
    ) {
        let events: Vec<Value> = serde_json::from_str(body).expect("an array");
        let mut expected = from;
        for event in &events {
            let number = event["number"].as_u64().expect("a number");
            assert_eq!(number, expected.unwrap_or(number), "in {body:.200}");
            oracle.saw(&self.token, epoch, number, &data_of(event));
            oracle.facts.seen += 1;
            expected = Some(number + 1);
        }
        let seen = expected.unwrap_or(next);
        if more {
            assert!(
                !events.is_empty() && seen < next,
                "no part of more: {body:.200}"
            );
            oracle.facts.parts += 1;
        } else {
            assert_eq!(seen, next, "not all that is newer: {body:.200}");
        }
        self.cursor = Some((epoch.to_owned(), seen));
    }

    fn read_feed(&mut self, node: &mut TestNode, peer: usize, oracle: &mut Oracle) {
        let received = &mut node.peers[peer].received;
        match self.form {
            Form::Poll => {}
            Form::EventStream => {
                for event in take_stream(received).events {
                    let data: Value = serde_json::from_str(&event.data).expect("JSON");
                    match event.id {
                        None => self.told_gap(&data, oracle),
                        Some(id) => {
                            let (epoch, number) = id.split_once(':').expect("an id");
                            assert_eq!(epoch, self.cursor.as_ref().unwrap().0);
                            self.told(number.parse().unwrap(), &event.data, oracle);
                        }
                    }
                }
            }
            Form::WebSocket => {
                for message in self.web_socket.read(received) {
                    match message {
                        Message::Text(text) => {
                            let event: Value = serde_json::from_str(&text).expect("JSON");
                            match event["number"].as_u64() {
                                None => self.told_gap(&event["data"], oracle),
                                Some(number) => self.told(number, &data_of(&event), oracle),
                            }
                        }
                        Message::Close(Some(frame)) if u16::from(frame.code) == 4_410 => {
                            oracle.facts.gone += 1;
                        }
                        Message::Ping(_) | Message::Close(_) => {}
                        other => panic!("{other:?}"),
                    }
                }
                let output = self.web_socket.output();
                node.send(peer, output);
            }
        }
    }

    fn told(&mut self, number: u64, payload: &str, oracle: &mut Oracle) {
        let (epoch, next) = self.cursor.as_mut().expect("a head came first");
        assert!(
            !self.reset_due,
            "{number} came before the news of the reset"
        );
        assert_eq!(number, *next, "a number is missing, or came twice");
        *next = number + 1;
        oracle.saw(&self.token, epoch, number, payload);
        oracle.facts.seen += 1;
    }

    fn told_gap(&mut self, gap: &Value, oracle: &mut Oracle) {
        let (_, next) = self.cursor.as_mut().expect("a head came first");
        if gap["reset"] == true {
            let announced = std::mem::take(&mut self.reset_due);
            assert!(announced, "a reset that the head did not announce");
            return;
        }
        assert_eq!(
            gap["from"].as_u64(),
            Some(*next),
            "a gap begins where the reader stands"
        );
        *next = gap["to"].as_u64().expect("a number") + 1;
        oracle.facts.gaps += 1;
    }

    /// The connection ends, one way or another.
    pub(crate) fn break_off(
        &mut self,
        node: &mut TestNode,
        random: &mut Random,
        oracle: &mut Oracle,
    ) {
        self.read(node, oracle);
        if let Some(peer) = self.peer.take() {
            match (node.peers[peer].place, random.once_in(2)) {
                (Place::Gone, _) => {}
                (_, true) => node.break_off(peer),
                (_, false) => node.close_half(peer),
            }
        }
        self.waiting = false;
    }
}

/// An event's data as it was published; the payloads here have no white space.
fn data_of(event: &Value) -> String {
    event["data"].to_string()
}
