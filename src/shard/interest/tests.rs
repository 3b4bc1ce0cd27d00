//! Who subscribes at a session of another shard, and what is learned about it meanwhile.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::auth::{Directory, Network};
use crate::connection::Then;
use crate::dialect::{
    AllMetrics, Call, Change, Config, Exchange, Operation, Pending, Subscribe, Undo,
};
use crate::hub::{
    Address, Answer, Command, Draft, EventName, Names, OrganizationId, Parents, Placement, Scope,
    ScopeName, ShardId, Subscription,
};
use crate::limits::INTEREST_IDLE_MAX;
use crate::metrics::Metrics;
use crate::shard::carry_on::Next;
use crate::shard::{ConnectionId, Flushed, Mail, ReplyTo, Shard, ShardSettings, Slices};
use crate::time::{Instant, Now};

const SHARDS: u16 = 3;
const ORGANIZATION: OrganizationId = OrganizationId(0);

/// Three shards; mail goes when a test says so.
struct Three {
    shards: Vec<Shard>,
    placement: Placement,
    now: Now,
}

/// What a connection of shard 0 wants to know.
struct Client {
    id: ConnectionId,
    session: Scope,
}

impl Three {
    fn new() -> Self {
        let mut config = Config::default();
        config.sysadm.state_interval = None;
        let config = Arc::new(config);
        let metrics: AllMetrics = (0..SHARDS).map(|_| Metrics::default()).collect();
        let placement = Placement::new(7, SHARDS);
        let shard = |shard| {
            Shard::new(ShardSettings {
                shard: ShardId(shard),
                placement: placement.clone(),
                config: Arc::clone(&config),
                directory: Arc::new(Directory::from_config(&config.hub, &config.organizations)),
                metrics: Arc::clone(&metrics),
                hostname: "host".into(),
                seed: [shard as u8; 32],
                slices: Slices::default(),
            })
        };
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            placement: placement.clone(),
            now: Now {
                instant: Instant::from_millis(1_000_000),
                unix_ms: 1_700_000_000_000,
            },
        }
    }

    /// A session whose home is shard 1, and a client of shard 0 that hears nothing.
    fn client(&mut self) -> Client {
        let scope = |number: u32| Scope {
            organization: ORGANIZATION,
            address: Address::Session(ScopeName::new(&format!("s{number}"))),
        };
        let mut all = (0..).map(scope);
        let session = all.find(|scope| self.placement.home(scope) == ShardId(1));
        let id = self.shards[0]
            .accept(self.now, Network::LOOPBACK)
            .expect("a connection");
        let mut handshake = *b"GET /sysadm/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        self.shards[0].receive(self.now, id, &mut handshake);
        assert!(self.written(0).contains("HTTP/1.1 101"));
        Client {
            id,
            session: session.expect("some session lives there"),
        }
    }

    /// Asks where the client's session stands. No if that has to be waited for.
    fn ask(&mut self, client: &Client) -> bool {
        let call = Call {
            operation: Operation::Command(Command::Place {
                scope: client.session.clone(),
                parents: Parents::default(),
            }),
            idempotency_key: None,
            correlation_id: None,
            // Nobody's here, so that nothing follows from the answer by itself.
            pending: Pending::foreign(),
        };
        matches!(
            self.shards[0].call(self.now, client.id.index, call, Exchange::upgraded()),
            Next::Ready
        )
    }

    /// Subscribes with the answer.
    fn subscribe(&mut self, client: &Client, parents: Parents) {
        let change = Subscribe {
            change: Change::Replace(vec![Subscription {
                scope: client.session.clone(),
                parents,
                names: Names::Every,
                properties: Vec::new(),
            }]),
            retained: Vec::new(),
            reply: b"in-force".to_vec(),
            undo: Undo::Nothing,
        };
        let then = Then::Subscribe(Box::new(change));
        assert!(self.shards[0].carry_on(self.now, client.id.index, then));
    }

    /// One letter arrives; what it was.
    fn deliver(&mut self, from: usize, to: usize) -> Option<&'static str> {
        let mail = self.shards[from].outbox(ShardId(to as u16)).pop_front()?;
        let kind = kind(&mail);
        self.shards[to].mail(self.now, ShardId(from as u16), mail);
        Some(kind)
    }

    fn settle(&mut self) {
        let all = 0..usize::from(SHARDS);
        while all
            .clone()
            .any(|from| all.clone().any(|to| self.deliver(from, to).is_some()))
        {}
    }

    /// Somebody on shard 2 tells a scope something.
    fn publish(&mut self, scope: &Scope, project: Option<&str>, name: &str) {
        let home = self.placement.home(scope).index();
        let command = Command::Publish {
            scope: scope.clone(),
            parents: Parents {
                group: None,
                project: project.map(ScopeName::new),
            },
            drafts: vec![Draft {
                name: EventName::from_text(name),
                payload: Bytes::from_static(b"{}"),
                metadata: None,
                origin: None,
                correlation: None,
            }],
        };
        let reply = ReplyTo::Nobody;
        let hash = self.placement.hash_of(&command);
        let mail = Mail::Command {
            reply,
            command,
            hash,
        };
        self.shards[home].mail(self.now, ShardId(2), mail);
    }

    fn written(&mut self, shard: usize) -> String {
        let mut bytes = Vec::new();
        self.shards[shard].end_tick(self.now);
        self.shards[shard].flush(self.now, |_, queue| {
            bytes.extend(queue.chunks().flatten());
            Flushed::Sent(queue.len())
        });
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn kinds(&mut self, from: usize, to: usize) -> Vec<&'static str> {
        let outbox = self.shards[from].outbox(ShardId(to as u16));
        outbox.iter().map(kind).collect()
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant = self.now.instant + time;
        self.shards[0].advance(self.now);
    }
}

fn kind(mail: &Mail) -> &'static str {
    match mail {
        Mail::Command { .. } | Mail::Keyed { .. } => "command",
        Mail::Operation(_) => "operation",
        Mail::Answer { answer, .. } => match answer {
            Answer::Parents(parents) if parents.is_empty() => "nothing above",
            _ => "answer",
        },
        Mail::Append(_) | Mail::Hear(_) => "event",
        Mail::Interest { listens, .. } => {
            if *listens {
                "listens"
            } else {
                "listens no more"
            }
        }
        Mail::InterestKnown { .. } => "known",
        Mail::Scope { .. } => "scope",
        Mail::Learn { session, .. } => match session {
            Some(_) => "session",
            None => "project",
        },
        Mail::Relay(_) => "relay",
        Mail::Asked { .. } | Mail::Told { .. } | Mail::Unasked { .. } => "question",
        Mail::Sealed => "sealed",
    }
}

#[test]
fn a_question_waits_until_all_shards_know_who_listens() {
    let mut three = Three::new();
    let client = three.client();
    assert!(!three.ask(&client));
    assert_eq!(three.kinds(0, 1), ["listens"]);
    assert_eq!(three.deliver(0, 1), Some("listens"));
    assert_eq!(three.deliver(1, 0), Some("known"));
    assert!(three.kinds(0, 1).is_empty(), "the third does not know");
    assert_eq!(three.deliver(0, 2), Some("listens"));
    assert_eq!(three.deliver(2, 0), Some("known"));
    assert_eq!(three.deliver(0, 1), Some("command"));
    assert_eq!(three.deliver(1, 0), Some("nothing above"));
    // From now on nobody has to be waited for.
    assert!(!three.ask(&client));
    assert_eq!(three.kinds(0, 1), ["command"]);
}

#[test]
fn what_a_home_learns_after_its_answer_reaches_the_subscriber() {
    let mut three = Three::new();
    let client = three.client();
    three.ask(&client);
    while three.kinds(0, 1) != ["command"] {
        let moved = [(0, 1), (0, 2), (1, 0), (2, 0)].map(|(from, to)| three.deliver(from, to));
        assert_ne!(moved, [None; 4]);
    }
    assert_eq!(three.deliver(0, 1), Some("command"));
    // The answer is under way when somebody says in which project the session is.
    three.publish(&client.session, Some("p"), "first");
    assert_eq!(
        three.kinds(1, 0),
        ["nothing above", "project", "session", "event"]
    );
    three.deliver(1, 0);
    three.subscribe(&client, Parents::default());
    three.settle();
    let project = Scope {
        organization: ORGANIZATION,
        address: Address::Project(ScopeName::new("p")),
    };
    three.publish(&project, None, "second");
    let elsewhere = Scope {
        organization: ORGANIZATION,
        address: Address::Project(ScopeName::new("q")),
    };
    three.publish(&elsewhere, None, "third");
    three.settle();
    let written = three.written(0);
    let place = |text: &str| written.find(text);
    let places = ["in-force", "first", "second"].map(place);
    assert!(places.is_sorted() && places[0].is_some(), "{written}");
    assert_eq!(place("third"), None, "{written}");
}

#[test]
fn while_an_answer_is_missing_the_asker_still_listens() {
    let mut three = Three::new();
    let client = three.client();
    three.ask(&client);
    while three.kinds(0, 1) != ["command"] {
        let moved = [(0, 1), (0, 2), (1, 0), (2, 0)].map(|(from, to)| three.deliver(from, to));
        assert_ne!(moved, [None; 4]);
    }
    for _ in 0..3 {
        three.pass(INTEREST_IDLE_MAX);
        assert_eq!(three.kinds(0, 2), [""; 0]);
    }
    three.settle();
    three.pass(Duration::from_millis(1));
    three.pass(INTEREST_IDLE_MAX);
    assert_eq!(three.kinds(0, 2), ["listens no more"]);
    assert_eq!(three.kinds(0, 1), ["listens no more"]);
}

#[test]
fn who_left_while_it_waited_asks_nothing() {
    let mut three = Three::new();
    let client = three.client();
    three.ask(&client);
    three.shards[0].broken(three.now, client.id);
    for (from, to) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
        three.deliver(from, to);
    }
    assert_eq!(three.kinds(0, 1), [""; 0]);
}
