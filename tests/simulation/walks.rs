//! Walks of sets, step by step, while what is in them comes and goes: beside them a naive list of
//! what was there when.
//!
//! A request is out from when it is sent until it is answered, and only before and after that it is
//! certain what there is. What is there from before a walk until after it is seen exactly once;
//! nothing is seen twice; what was gone before the walk began is not seen.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::random::Random;
use crate::support::http::{Response, request};
use crate::support::node::TestNode;
use crate::support::web_socket::upgrade;

const STEPS: usize = 1_500;
/// The sets that are walked.
const SETS: [&str; 3] = ["sessions", "connections", "subscriptions"];

/// How long something was there, in steps.
#[derive(Clone, Debug)]
struct Life {
    /// It may be there from the first on, and is from the second on.
    begun: (usize, usize),
    /// The same of its end.
    ended: (usize, usize),
}

const NEVER: usize = usize::MAX;

/// Everything of one kind, by what a walk shows of it.
#[derive(Debug, Default)]
struct Lives(BTreeMap<String, Life>);

/// Somebody who walks.
struct Walker {
    peer: usize,
    set: usize,
    limit: usize,
    began: usize,
    seen: Vec<String>,
}

/// A request that is not answered.
struct Asked {
    peer: usize,
    token: String,
    creates: bool,
    at: usize,
}

struct Scene {
    node: TestNode,
    random: Random,
    now: usize,
    sessions: Lives,
    /// Sockets of the live API, by their addresses.
    sockets: Lives,
    opening: Vec<(usize, usize)>,
    open: Vec<usize>,
    asked: Vec<Asked>,
    walkers: Vec<Walker>,
    walks: usize,
}

fn address(peer: usize) -> String {
    format!("192.0.2.1:{}", 10_000 + peer)
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let shards = 1 + random.below(3) as u16;
        let node = TestNode::new(shards, random.next(), &fanfare::dialect::Config::default());
        Self {
            node,
            random,
            now: 0,
            sessions: Lives::default(),
            sockets: Lives::default(),
            opening: Vec::new(),
            open: Vec::new(),
            asked: Vec::new(),
            walkers: Vec::new(),
            walks: 0,
        }
    }

    fn run(mut self) -> usize {
        for _ in 0..STEPS {
            self.now += 1;
            self.step();
            self.hear();
        }
        self.now += 1;
        self.node.settle();
        self.hear();
        self.walks
    }

    fn connect(&mut self) -> usize {
        let shard = self.random.below(self.node.shards.len());
        self.node.connect(shard)
    }

    fn step(&mut self) {
        let shards = self.node.shards.len();
        match self.random.below(20) {
            0..6 => {
                let (from, to) = (self.random.below(shards), self.random.below(shards));
                self.node.deliver(from, to);
            }
            6..12 => {
                let shard = self.random.below(shards);
                self.node.turn(shard);
            }
            12..14 => {
                for peer in 0..self.node.peers.len() {
                    self.node.receive(peer, usize::MAX);
                }
            }
            14 => self.change_session(),
            15 => self.change_socket(),
            16 if self.walkers.len() < 6 => self.begin_walk(),
            17 if !self.walkers.is_empty() => {
                // Somebody gives up.
                let index = self.random.below(self.walkers.len());
                if self.random.once_in(4) {
                    let walker = self.walkers.swap_remove(index);
                    self.node.break_off(walker.peer);
                }
            }
            18 => {
                let millis = self.random.below(30) as u64;
                self.node.jump(millis);
            }
            _ => {}
        }
    }

    fn change_session(&mut self) {
        let token = format!("session-{}", self.random.below(40));
        if self.asked.iter().any(|asked| asked.token == token) {
            return;
        }
        let life = self.sessions.0.get(&token);
        let creates = life.is_none_or(|life| life.ended.1 != NEVER);
        if creates && life.is_some() {
            // A name has one life here.
            return;
        }
        let peer = self.connect();
        let text = if creates {
            let body = r#"{"type":"n","data":1}"#;
            request(&format!("POST /api/sessions/{token}/events"), "", body)
        } else if self.random.once_in(2) {
            request(&format!("DELETE /api/sessions/{token}"), "", "")
        } else {
            request(
                &format!("POST /live/sessions/getByName/{token}/close"),
                "",
                "",
            )
        };
        self.node.send(peer, text);
        let at = self.now;
        if creates {
            let life = Life {
                begun: (at, NEVER),
                ended: (NEVER, NEVER),
            };
            self.sessions.0.insert(token.clone(), life);
        } else if let Some(life) = self.sessions.0.get_mut(&token) {
            life.ended.0 = at;
        }
        self.asked.push(Asked {
            peer,
            token,
            creates,
            at,
        });
    }

    fn change_socket(&mut self) {
        if self.open.len() > 4 && self.random.once_in(2) {
            let index = self.random.below(self.open.len());
            let peer = self.open.swap_remove(index);
            self.node.break_off(peer);
            if let Some(life) = self.sockets.0.get_mut(&address(peer)) {
                life.ended = (self.now, self.now);
            }
            return;
        }
        let peer = self.connect();
        self.node.send(peer, upgrade("/live/ws"));
        let life = Life {
            begun: (self.now, NEVER),
            ended: (NEVER, NEVER),
        };
        self.sockets.0.insert(address(peer), life);
        self.opening.push((peer, self.now));
    }

    fn begin_walk(&mut self) {
        let peer = self.connect();
        let set = self.random.below(SETS.len());
        let limit = 1 + self.random.below(7);
        self.walkers.push(Walker {
            peer,
            set,
            limit,
            began: self.now,
            seen: Vec::new(),
        });
        let line = format!("GET /live/{}?limit={limit}", SETS[set]);
        self.node.send(peer, request(&line, "", ""));
    }

    /// Takes what has been answered.
    fn hear(&mut self) {
        let now = self.now;
        let (node, sessions) = (&mut self.node, &mut self.sessions);
        self.asked.retain(|asked| {
            if node.response_is_absent(asked.peer) {
                return true;
            }
            let response = node.response(asked.peer).expect("it is there");
            let life = sessions.0.get_mut(&asked.token).expect("it was begun");
            assert!(
                response.status < 300,
                "{} at {}: {response:?}",
                asked.token,
                asked.at
            );
            if asked.creates {
                life.begun.1 = now;
            } else {
                life.ended.1 = now;
            }
            node.break_off(asked.peer);
            false
        });
        let (sockets, open) = (&mut self.sockets, &mut self.open);
        self.opening.retain(|&(peer, _)| {
            let is_open = node.peers[peer].received.starts_with(b"HTTP/1.1 101 ");
            if is_open {
                sockets
                    .0
                    .get_mut(&address(peer))
                    .expect("it was begun")
                    .begun
                    .1 = now;
                open.push(peer);
            }
            !is_open
        });
        for walker in std::mem::take(&mut self.walkers) {
            if self.node.response_is_absent(walker.peer) {
                self.walkers.push(walker);
                continue;
            }
            let response = self.node.response(walker.peer).expect("it is there");
            self.go_on(walker, &response);
        }
    }

    fn go_on(&mut self, mut walker: Walker, response: &Response) {
        assert_eq!(response.status, 200, "{response:?}");
        let page: Value = serde_json::from_str(&response.body).expect("JSON");
        let field = ["name", "address", "connectionId"][walker.set];
        for item in page["items"].as_array().expect("items") {
            walker
                .seen
                .push(item[field].as_str().expect("text").to_owned());
        }
        if let Some(next) = page["next"].as_str() {
            let line = format!(
                "GET /live/{}?limit={}&after={next}",
                SETS[walker.set], walker.limit
            );
            self.node.send(walker.peer, request(&line, "", ""));
            self.walkers.push(walker);
            return;
        }
        self.node.break_off(walker.peer);
        self.walks += 1;
        match walker.set {
            0 => self.sessions.check(&walker, self.now),
            1 => self.sockets.check(&walker, self.now),
            _ => {
                // Each socket has one; whose, its connection's id says, which nobody here knows.
                let mut distinct = walker.seen.clone();
                distinct.sort();
                distinct.dedup();
                assert_eq!(distinct.len(), walker.seen.len());
                let (least, most) = self.sockets.bounds(walker.began, self.now);
                assert!((least..=most).contains(&distinct.len()));
            }
        }
    }
}

impl Lives {
    /// What a walk saw, from when it began until now, against what was there.
    fn check(&self, walker: &Walker, now: usize) {
        for (name, life) in &self.0 {
            let count = walker.seen.iter().filter(|seen| *seen == name).count();
            let stayed = life.begun.1 < walker.began && life.ended.0 > now;
            let was_gone = life.ended.1 < walker.began;
            assert!(count <= 1, "{name} is seen {count} times");
            assert!(
                count == 1 || !stayed,
                "{name} is missed: {life:?}, since {}",
                walker.began
            );
            assert!(
                count == 0 || !was_gone,
                "{name} was gone: {life:?}, since {}",
                walker.began
            );
        }
        let is_known = |seen: &String| self.0.contains_key(seen);
        assert!(walker.seen.iter().all(is_known), "{:?}", walker.seen);
    }

    /// How many a walk must see at least, and may see at most.
    fn bounds(&self, began: usize, now: usize) -> (usize, usize) {
        let lives = || self.0.values();
        let stayed = lives().filter(|life| life.begun.1 < began && life.ended.0 > now);
        let may = lives().filter(|life| life.begun.0 <= now && life.ended.1 >= began);
        (stayed.count(), may.count())
    }
}

#[test]
fn a_walk_misses_nothing_that_stays_and_shows_nothing_twice() {
    let seeds = match crate::number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..crate::number("FANFARE_SEEDS").unwrap_or(crate::SEEDS),
    };
    let mut walks = 0;
    for seed in seeds.clone() {
        let announce = crate::Announce(seed);
        walks += Scene::new(seed).run();
        drop(announce);
    }
    let count = (seeds.end - seeds.start) as usize;
    assert!(walks >= 3 * count, "{walks} walks of {count} scenes ended");
}
