//! Where a transcript is played: on one shard, and on three with the connection landing at home and
//! elsewhere, so that forwarding and moving must not be seen.

use std::time::Duration;

use fanfare::dialect::Config;

use super::support::http::{Response, request};
use super::support::node::TestNode;
use super::support::socket::Socket;

/// A node, and where connections land on it.
pub(crate) struct Stage {
    pub(crate) node: TestNode,
    away: bool,
}

/// Plays a scene on every stage, with the default configuration.
pub(crate) fn everywhere(scene: impl Fn(&mut Stage)) {
    everywhere_with(&Config::default(), scene);
}

/// Plays a scene on every stage.
#[expect(
    clippy::print_stdout,
    reason = "whoever reads a failure needs the stage"
)]
pub(crate) fn everywhere_with(config: &Config, scene: impl Fn(&mut Stage)) {
    for (shards, away) in [(1, false), (3, false), (3, true)] {
        println!("{shards} shards, landing away from home: {away}");
        let node = TestNode::new(shards, 11, config);
        scene(&mut Stage { node, away });
    }
}

impl Stage {
    /// A connection for a session.
    pub(crate) fn connect(&mut self, token: &str) -> usize {
        let home = self.node.home(token);
        let shard = (home + usize::from(self.away)) % self.node.shards.len();
        self.node.connect(shard)
    }

    /// One request of its own connection, on a session's behalf.
    pub(crate) fn ask(&mut self, token: &str, line: &str, headers: &str, body: &str) -> Response {
        let peer = self.connect(token);
        let response = self.node.ask(peer, request(line, headers, body));
        self.node.break_off(peer);
        response
    }

    /// `POST …/events`.
    pub(crate) fn post(&mut self, token: &str, body: &str) -> Response {
        self.ask(
            token,
            &format!("POST /api/sessions/{token}/events"),
            "",
            body,
        )
    }

    /// Publishes one event, successfully, and returns its number.
    pub(crate) fn publish(&mut self, token: &str, name: &str, data: &str) -> u64 {
        let response = self.post(token, &format!("{{\"type\":{name},\"data\":{data}}}"));
        assert_eq!(
            (response.status, response.body.as_str()),
            (200, ""),
            "{response:?}"
        );
        response
            .header("fanfare-number")
            .expect("a number")
            .parse()
            .expect("a number")
    }

    /// `GET …/events` that is answered at once.
    pub(crate) fn get(&mut self, token: &str, query: &str) -> Response {
        self.ask(
            token,
            &format!("GET /api/sessions/{token}/events{query}"),
            "",
            "",
        )
    }

    /// A poll that waits.
    pub(crate) fn park(&mut self, token: &str, query: &str) -> usize {
        let peer = self.connect(token);
        let line = format!("GET /api/sessions/{token}/events{query}");
        self.node.send(peer, request(&line, "", ""));
        self.node.settle();
        let received = String::from_utf8_lossy(&self.node.peers[peer].received).into_owned();
        assert_eq!(received, "", "the poll does not wait");
        peer
    }

    /// The answer to a poll that waited.
    pub(crate) fn answer(&mut self, peer: usize) -> Response {
        self.node.response(peer).expect("the poll was answered")
    }

    /// Creates a session and returns its token.
    pub(crate) fn create(&mut self, body: &str) -> String {
        let response = self.ask("x", "POST /api/sessions", "", body);
        assert_eq!(response.status, 200, "{response:?}");
        let created: serde_json::Value = serde_json::from_str(&response.body).expect("JSON");
        created["token"].as_str().expect("a token").to_owned()
    }
}

/// Sockets.
impl Stage {
    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.node.shards.len()
    }

    /// Opens a socket, landing where the stage lands those of the session `t`.
    #[track_caller]
    pub(crate) fn open(&mut self, path: &str, headers: &str) -> Socket {
        let shard = (self.node.home("t") + usize::from(self.away)) % self.shards();
        self.open_on(shard, path, headers)
    }

    /// Opens a socket on one shard.
    #[track_caller]
    pub(crate) fn open_on(&mut self, shard: usize, path: &str, headers: &str) -> Socket {
        let opened = Socket::open(&mut self.node, shard, path, headers);
        opened.unwrap_or_else(|refused| panic!("not opened: {refused:?}"))
    }

    /// Opens a socket on each shard.
    pub(crate) fn open_everywhere(&mut self, path: &str) -> Vec<Socket> {
        (0..self.shards())
            .map(|shard| self.open_on(shard, path, ""))
            .collect()
    }

    /// The answer to a handshake that is refused.
    #[track_caller]
    pub(crate) fn refused(&mut self, path: &str, headers: &str) -> Response {
        let opened = Socket::open(&mut self.node, 0, path, headers);
        opened.err().expect("the handshake is refused")
    }

    /// The texts that a socket got since the last look.
    pub(crate) fn texts(&mut self, socket: &mut Socket) -> Vec<String> {
        socket.texts(&mut self.node)
    }

    /// Lets time pass while sockets answer their pings.
    pub(crate) fn pass(&mut self, time: Duration, sockets: &mut [&mut Socket]) {
        let step = Duration::from_secs(10);
        let mut rest = time;
        while !rest.is_zero() {
            let now = rest.min(step);
            rest -= now;
            self.node.pass(now);
            for socket in &mut *sockets {
                socket.keep_alive(&mut self.node);
            }
            self.node.settle();
        }
    }
}
