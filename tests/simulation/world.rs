//! The scene: who acts when, what breaks, and what must hold when everybody has left.

use fanfare::config::SlowConsumer;
use fanfare::dialect::Config;
use fanfare::hub::{
    Address, Command, Draft, EventName, OrganizationId, Parents, Scope, ScopeName, ShardId,
};
use fanfare::metrics::Metric;
use fanfare::shard::{ConnectionId, Mail, ReplyTo, Slices};

use crate::caller::Caller;
use crate::hearing::{End, Hearing, Moment};
use crate::oracle::{Facts, Oracle};
use crate::publisher::Publisher;
use crate::random::Random;
use crate::reader::{Form, Reader};
use crate::room::Room;
use crate::subscriber::{Dialect, Subscriber};
use crate::support::http::{Response, request};
use crate::support::node::{Place, TestNode};

const STEPS: usize = 2_500;
/// Subscribers who are there from the beginning, and content with what they hear most of the time.
const STEADY: std::ops::Range<usize> = 6..8;
/// The group that some sessions are in.
pub(crate) const GROUP: &str = "the-group";
/// Nobody's: answers to what the scene itself asks of a shard go nowhere.
const NOBODY: ConnectionId = ConnectionId {
    index: u32::MAX,
    serial: 0,
};

/// One node and everyone around it.
pub(crate) struct World {
    node: TestNode,
    random: Random,
    oracle: Oracle,
    tokens: Vec<String>,
    /// Those beneath the group.
    beneath: Vec<String>,
    publishers: Vec<Publisher>,
    readers: Vec<Reader>,
    /// Beneath the group.
    rooms: Vec<Room>,
    hearing: Hearing,
    subscribers: Vec<Subscriber>,
    /// The same, by gRPC.
    callers: Vec<Caller>,
    /// Nobody but live subscribers listens, and nothing breaks: every delivery is seen.
    is_calm: bool,
    now: Moment,
    told: u64,
    passed_ms: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let shards = 1 + random.below(4) as u16;
        let mut config = Config::default();
        // The node's own events are nobody's to judge.
        config.sysadm.state_interval = None;
        if random.once_in(3) {
            config.hub.retention.events = 5;
        }
        // So little that whoever stops reading is soon too slow.
        config.hub.send_queue_bytes_max = random.pick(&[1_000, 10_000, 1 << 20]);
        if random.once_in(2) {
            config.hub.slow_consumer = SlowConsumer::DropOldest;
        }
        let is_calm = random.once_in(4);
        // Drawn apart: what happens does not depend on how much happens at a time.
        let mut apart = Random::new(!seed);
        let slices = Slices {
            appends: apart.pick(&[1, 2, Slices::default().appends]),
            woken: apart.pick(&[1, 3, Slices::default().woken]),
            writes: apart.pick(&[2, 5, Slices::default().writes]),
            steps: apart.pick(&[1, 3, Slices::default().steps]),
        };
        config.sessions.poll_bytes_max = apart.pick(&[1, 200, config.sessions.poll_bytes_max]);
        let mut node = TestNode::with_slices(shards, random.next(), &config, slices);
        let mut tokens: Vec<String> = (0..3).map(|i| format!("session-{i}")).collect();
        let mut beneath = Vec::new();
        for i in 0..3 {
            let body = format!(
                "{{\"event_id\":\"{GROUP}\",\"project_id\":\"project-{}\"}}",
                i % 2
            );
            let peer = node.connect(random.below(usize::from(shards)));
            let created = node.ask(peer, request("POST /api/sessions", "", &body));
            node.break_off(peer);
            let created: serde_json::Value = serde_json::from_str(&created.body).expect("JSON");
            beneath.push(created["token"].as_str().expect("a token").to_owned());
        }
        tokens.extend(beneath.iter().cloned());
        let forms = [Form::Poll, Form::EventStream, Form::WebSocket];
        let readers = if is_calm { 0 } else { 18 };
        let readers = (0..readers).map(|i| Reader::new(forms[i % 3], &tokens[i / 3]));
        let rooms = if is_calm { 0 } else { 2 * beneath.len() };
        let rooms = (0..rooms).map(|i| Room::new(i, &beneath[i / 2]));
        let dialects = [Dialect::Live, Dialect::Live, Dialect::Sysadm];
        // Where there are few, shards begin and cease to listen.
        let count = random.pick(&[2, 6, STEADY.end]);
        let mut subscribers: Vec<Subscriber> = (0..count)
            .map(|i| Subscriber::new(dialects[i % 3]))
            .collect();
        let mut hearing = Hearing::new(&beneath);
        for subscriber in subscribers.iter_mut().skip(STEADY.start) {
            subscriber.act(&mut node, &mut random, &tokens, true, 0);
            node.settle();
            subscriber.read(&mut node, &mut hearing, &mut Facts::default(), 0);
        }
        Self {
            readers: readers.collect(),
            rooms: rooms.collect(),
            publishers: (0..4).map(Publisher::new).collect(),
            node,
            oracle: Oracle::default(),
            hearing,
            subscribers,
            callers: (0..random.below(4)).map(Caller::new).collect(),
            is_calm,
            now: 0,
            tokens,
            beneath,
            told: 0,
            passed_ms: 0,
            random,
        }
    }

    /// Plays the scene to its end.
    pub(crate) fn run(mut self) -> Facts {
        for _ in 0..STEPS {
            self.now += 1;
            self.step();
        }
        self.come_to_rest();
        self.check_metrics();
        self.compare_logs();
        let oracle = &mut self.oracle;
        let mut facts = std::mem::take(&mut oracle.facts);
        self.hearing
            .check(|payload| oracle.place(payload), &mut facts);
        oracle.facts = facts;
        self.leave();
        for room in self.rooms {
            room.check(&self.hearing, &self.oracle);
        }
        self.oracle.check_order();
        self.oracle.facts
    }

    fn step(&mut self) {
        let shards = self.node.shards.len();
        let (node, random, oracle) = (&mut self.node, &mut self.random, &mut self.oracle);
        let (hearing, now) = (&mut self.hearing, self.now);
        match random.below(130) {
            0..25 => {
                let (from, to) = (random.below(shards), random.below(shards));
                for _ in 0..=random.below(4) {
                    node.deliver(from, to);
                }
            }
            25..50 => self.receive(),
            50..70 => {
                node.turn(random.below(shards));
            }
            70..78 if !self.readers.is_empty() => {
                let reader = random.below(self.readers.len());
                self.readers[reader].read(node, oracle);
                self.readers[reader].act(node, random, oracle);
            }
            78..86 => {
                let token = random.below(self.tokens.len());
                let publisher = random.below(self.publishers.len());
                let publisher = &mut self.publishers[publisher];
                publisher.read(node, oracle, hearing, now);
                publisher.act(node, random, &self.tokens[token], hearing, now);
            }
            86..90 => self.open_window(),
            90..93 if !self.readers.is_empty() => {
                let reader = random.below(self.readers.len());
                self.readers[reader].break_off(node, random, oracle);
            }
            93 => {
                if random.once_in(2) && !self.is_calm {
                    let publisher = random.below(self.publishers.len());
                    self.publishers[publisher].break_off(node, oracle, hearing, now);
                }
            }
            94 => self.control(),
            95 => self.tell_group(),
            96..100 => self.let_time_pass(),
            100..102 => {
                node.settle();
                hearing.rest(now);
            }
            102..110 if !self.callers.is_empty() => self.step_caller(),
            110..120 if !self.rooms.is_empty() => self.step_room(),
            _ => self.step_subscriber(),
        }
    }

    /// A client of a room reads what has come, and says something or breaks off.
    fn step_room(&mut self) {
        let (node, random, oracle) = (&mut self.node, &mut self.random, &mut self.oracle);
        let (hearing, now) = (&mut self.hearing, self.now);
        let index = random.below(self.rooms.len());
        let room = &mut self.rooms[index];
        if random.once_in(20) {
            room.break_off(node, random, hearing, oracle, now);
            return;
        }
        room.read(node, hearing, oracle, now);
        room.act(node, random, hearing, oracle, now);
    }

    /// A caller reads what has come, and says something or breaks off.
    fn step_caller(&mut self) {
        let (node, random, oracle) = (&mut self.node, &mut self.random, &mut self.oracle);
        let (hearing, now) = (&mut self.hearing, self.now);
        let index = random.below(self.callers.len());
        let caller = &mut self.callers[index];
        if random.once_in(25) && !self.is_calm {
            caller.break_off(node, oracle, hearing, now);
            return;
        }
        caller.read(node, oracle, hearing, now);
        if random.once_in(2) {
            caller.act(node, random, &self.tokens, hearing, now);
        }
    }

    /// A subscriber reads what has come, and connects, says something or breaks off.
    fn step_subscriber(&mut self) {
        let (node, random) = (&mut self.node, &mut self.random);
        let (hearing, facts, now) = (&mut self.hearing, &mut self.oracle.facts, self.now);
        let index = random.below(self.subscribers.len());
        let subscriber = &mut self.subscribers[index];
        if random.once_in(18) && !self.is_calm {
            subscriber.break_off(node, hearing, facts, now);
            return;
        }
        subscriber.read(node, hearing, facts, now);
        let is_steady = STEADY.contains(&index) && subscriber.peer().is_some();
        if random.once_in(if is_steady { 40 } else { 3 }) && !(is_steady && self.is_calm) {
            subscriber.act(node, random, &self.tokens, is_steady, now);
        }
    }

    /// A shard receives what some peer sent, or a part of it.
    fn receive(&mut self) {
        let (node, random) = (&mut self.node, &mut self.random);
        let peer = random.below(node.peers.len());
        // Of the many that were, most are gone: look around for one that is not.
        let most = random.pick(&[1, 10, 100, usize::MAX, usize::MAX]);
        let mut all = (0..node.peers.len()).map(|i| (peer + i) % node.peers.len());
        let busy = all.find(|&peer| !node.peers[peer].outgoing.is_empty());
        node.receive(busy.unwrap_or(peer), most);
    }

    /// Some client takes more from now on, or nothing.
    fn open_window(&mut self) {
        let peers = self.readers.iter().filter_map(Reader::peer);
        let peers: Vec<usize> = peers
            .chain(self.subscribers.iter().filter_map(Subscriber::peer))
            .chain(self.callers.iter().filter_map(Caller::peer))
            .chain(self.publishers.iter().filter_map(Publisher::peer))
            .chain(self.rooms.iter().filter_map(Room::peer))
            .collect();
        if !peers.is_empty() {
            let window = self.random.pick(&[0, 1, 50, 5_000, usize::MAX]);
            self.node.open_window(self.random.pick(&peers), window);
        }
    }

    fn let_time_pass(&mut self) {
        // A key is remembered for five minutes: a repeat must not come later than that.
        let may_jump = self.passed_ms < 200_000 && !self.is_calm;
        let millis = match self.random.below(60) {
            0 if may_jump => 61_000,
            1 if may_jump => 16_000,
            2 if may_jump => 31_000,
            _ => self.random.below(300) as u64,
        };
        self.node.jump(millis);
        self.passed_ms += millis;
        if millis > 0 {
            self.hearing.pass(self.now);
        }
    }

    /// Deletes a session, or reads one.
    fn control(&mut self) {
        let shard = self.random.below(self.node.shards.len());
        let peer = self.node.connect(shard);
        let token = self.random.below(self.tokens.len());
        let token = &self.tokens[token];
        let method = if self.random.once_in(3) {
            "DELETE"
        } else {
            "GET"
        };
        if method == "DELETE" {
            self.hearing.delete(token);
        }
        let text = request(&format!("{method} /api/sessions/{token}"), "", "");
        self.node.send(peer, text);
        self.node.close_half(peer);
    }

    /// Another dialect tells the group something: its command comes to the group's home by mail.
    fn tell_group(&mut self) {
        let scope = Scope {
            organization: OrganizationId(0),
            address: Address::Group(ScopeName::new(GROUP)),
        };
        let home = self.node.placement.home(&scope).index();
        let shards = self.node.shards.len();
        if shards == 1 {
            return;
        }
        let from = ShardId(((home + 1) % shards) as u16);
        self.told += 1;
        let payload = format!("{{\"by\":\"group\",\"n\":{}}}", self.told);
        self.hearing.tell("told", None, &payload, self.now);
        self.hearing.accept(&payload, self.now);
        let draft = Draft {
            name: EventName::from_json("\"told\"".into()),
            payload: payload.into(),
            metadata: None,
            origin: None,
            correlation: None,
        };
        let command = Command::Publish {
            scope,
            parents: Parents::default(),
            drafts: vec![draft],
        };
        let reply = ReplyTo::Connection(NOBODY);
        let now = self.node.now;
        let hash = self.node.placement.hash_of(&command);
        let mail = Mail::Command {
            reply,
            command,
            hash,
        };
        self.node.shards[home].mail(now, from, mail);
        self.oracle.facts.told_to_group += 1;
    }

    /// No more faults: everything that is under way arrives, everyone is shown what there is.
    fn come_to_rest(&mut self) {
        for peer in 0..self.node.peers.len() {
            self.node.open_window(peer, usize::MAX);
        }
        self.node.settle();
        for publisher in &mut self.publishers {
            publisher.read(
                &mut self.node,
                &mut self.oracle,
                &mut self.hearing,
                self.now,
            );
        }
        self.tell_group();
        self.node.settle();
        self.hearing.rest(self.now);
        for subscriber in &mut self.subscribers {
            let (node, facts) = (&mut self.node, &mut self.oracle.facts);
            // Who says something in between has its answer after that.
            for _ in 0..2 {
                subscriber.read(node, &mut self.hearing, facts, self.now);
                node.settle();
            }
            subscriber.read(node, &mut self.hearing, facts, self.now);
            subscriber.finish(&mut self.hearing);
        }
        for caller in &mut self.callers {
            caller.finish(
                &mut self.node,
                &mut self.oracle,
                &mut self.hearing,
                self.now,
            );
        }
        for room in &mut self.rooms {
            let (node, hearing) = (&mut self.node, &mut self.hearing);
            room.read(node, hearing, &mut self.oracle, self.now);
            node.settle();
            room.read(node, hearing, &mut self.oracle, self.now);
            room.finish(node);
        }
        for reader in &mut self.readers {
            // First what is there, then what a last request brings.
            for _ in 0..3 {
                reader.read(&mut self.node, &mut self.oracle);
                reader.act(&mut self.node, &mut self.random, &mut self.oracle);
                if let Some(peer) = reader.peer() {
                    self.node.open_window(peer, usize::MAX);
                }
                self.node.settle();
            }
            reader.read(&mut self.node, &mut self.oracle);
        }
    }

    /// What was counted as delivered was seen, unless it was counted as dropped or its connection
    /// broke.
    fn check_metrics(&mut self) {
        if !self.is_calm {
            return;
        }
        let lives = &self.hearing.lives;
        let seen = lives.iter().map(|l| l.received.len() as u64 + l.retained);
        let seen: u64 = seen.sum();
        let sent = self.node.sum("events_delivered") - self.node.sum("events_dropped");
        let cut = |life: &&crate::hearing::Life| matches!(life.end, End::Broken | End::Slow);
        if lives.iter().any(|life| cut(&life)) {
            assert!(seen <= sent, "{seen} events were seen, {sent} sent");
        } else {
            assert_eq!(seen, sent, "events that were seen, and sent");
            self.oracle.facts.balanced += 1;
        }
        let slow = lives.iter().filter(|life| life.end == End::Slow).count() as u64;
        assert!(slow <= self.node.sum("slow_consumers"));
    }

    /// What a newcomer reads is what everybody was told.
    fn compare_logs(&mut self) {
        for token in self.tokens.clone() {
            let path = format!("/api/sessions/{token}");
            let exists = self.ask(&format!("GET {path}")).status == 200;
            let all = self.ask(&format!("GET {path}/events?last_event=-1&timeout=0"));
            if all.status == 410 {
                assert!(!exists, "{path} was ended");
                self.oracle.facts.stayed_gone += 1;
                continue;
            }
            let epoch = all.header("fanfare-epoch").expect("an epoch").to_owned();
            let mut events: Vec<serde_json::Value> = serde_json::from_str(&all.body).expect("JSON");
            let oldest: u64 = all.header("fanfare-oldest").unwrap().parse().unwrap();
            let mut more = all.header("fanfare-more").is_some();
            while more {
                let last = events.last().expect("a part is not empty")["number"].clone();
                // Without a timeout: what there is more is told at once.
                let part = self.ask(&format!(
                    "GET {path}/events?last_event={last}&epoch={epoch}"
                ));
                let part_events: Vec<serde_json::Value> =
                    serde_json::from_str(&part.body).expect("JSON");
                events.extend(part_events);
                more = part.header("fanfare-more").is_some();
            }
            for (number, event) in (oldest..).zip(&events) {
                assert_eq!(event["number"].as_u64(), Some(number));
                self.oracle
                    .saw(&token, &epoch, number, &event["data"].to_string());
            }
            let last = serde_json::json!({"by": "group", "n": self.told});
            // A session that was deleted is used again by name only: the group does not know it.
            let parents = self.ask(&format!("GET {path}"));
            if exists && parents.body.contains(GROUP) && self.node.shards.len() > 1 {
                assert!(self.beneath.contains(&token));
                let count = events.iter().filter(|event| event["data"] == last).count();
                assert_eq!(count, 1, "the group's last event in {token}: {events:?}");
            }
        }
    }

    fn ask(&mut self, line: &str) -> Response {
        let shard = self.random.below(self.node.shards.len());
        let peer = self.node.connect(shard);
        let response = self.node.ask(peer, request(line, "", ""));
        self.node.break_off(peer);
        response
    }

    /// Everyone leaves, or the node does: nothing may stay behind.
    fn leave(&mut self) {
        if self.random.once_in(2) {
            // Some have only just asked to come in.
            for subscriber in &mut self.subscribers {
                if self.random.once_in(2) {
                    *subscriber = Subscriber::new(Dialect::Live);
                    subscriber.act(&mut self.node, &mut self.random, &[], true, self.now);
                }
                if let Some(peer) = subscriber.peer() {
                    self.node.receive(peer, usize::MAX);
                }
            }
            let now = self.node.now;
            for shard in &mut self.node.shards {
                shard.drain(now);
            }
            self.node.settle();
            for reader in &mut self.readers {
                reader.read(&mut self.node, &mut self.oracle);
            }
            for subscriber in &mut self.subscribers {
                let facts = &mut self.oracle.facts;
                subscriber.read(&mut self.node, &mut self.hearing, facts, self.now);
            }
        } else {
            for peer in 0..self.node.peers.len() {
                if self.random.once_in(2) {
                    self.node.break_off(peer);
                } else {
                    self.node.close_half(peer);
                }
            }
        }
        for _ in 0..20 {
            self.node.settle();
            for caller in &mut self.callers {
                caller.go(&mut self.node);
            }
            for room in &mut self.rooms {
                let (node, hearing) = (&mut self.node, &mut self.hearing);
                room.read(node, hearing, &mut self.oracle, self.now);
            }
            self.node.jump(500);
        }
        for (shard, metrics) in self.node.metrics.iter().enumerate() {
            let left = [
                &metrics.connections,
                &metrics.readers,
                &metrics.buffered_bytes,
                &metrics.subscriptions,
                &metrics.http2_streams,
            ];
            let left = left.map(Metric::value);
            let peers = self.node.peers.iter();
            let here = peers.filter(|peer| matches!(peer.place, Place::On(s, _) if s == shard));
            let here: Vec<_> = here.collect();
            let what = "connections, readers, bytes, subscriptions, streams left";
            assert_eq!(left, [0; 5], "{what} on shard {shard}: {here:?}");
        }
    }
}
