//! A peer that talks over a WebSocket: the upgrade, texts in and out, pings answered, the goodbye.

use std::collections::VecDeque;

use super::http::{Response, take_response};
use super::node::TestNode;
use super::web_socket::{Client, Message, upgrade};

/// One peer's end of a socket that was opened.
pub(crate) struct Socket {
    /// The peer, as the node knows it.
    pub(crate) peer: usize,
    /// The subprotocol that the server chose.
    pub(crate) protocol: Option<String>,
    client: Client,
    texts: VecDeque<String>,
    pings: usize,
    goodbye: Option<(u16, String)>,
}

/// The text of an upgrade with further header lines.
pub(crate) fn upgrade_with(path: &str, headers: &str) -> String {
    upgrade(path).replacen("Host:", &format!("{headers}Host:"), 1)
}

impl Socket {
    /// Opens a socket on that shard; or else the answer to the handshake.
    pub(crate) fn open(
        node: &mut TestNode,
        shard: usize,
        path: &str,
        headers: &str,
    ) -> Result<Self, Response> {
        let peer = node.connect(shard);
        node.send(peer, upgrade_with(path, headers));
        node.settle();
        let opened = Self::opened(node, peer);
        if let Ok(socket) = &opened
            && !headers.contains("Sec-WebSocket-Protocol")
        {
            // RFC 6455 §4.2.2: none is chosen that was not offered.
            assert_eq!(socket.protocol, None);
        }
        opened
    }

    /// The socket of a peer that sent its handshake and was answered.
    pub(crate) fn opened(node: &mut TestNode, peer: usize) -> Result<Self, Response> {
        let head = take_response(&mut node.peers[peer].received, false);
        let head = head.expect("the handshake is answered");
        if head.status != 101 {
            return Err(head);
        }
        let accept = head.header("sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head:?}");
        assert_eq!(head.header("sec-websocket-extensions"), None, "{head:?}");
        let protocol = head.header("sec-websocket-protocol").map(String::from);
        Ok(Self {
            peer,
            protocol,
            client: Client::new(),
            texts: VecDeque::new(),
            pings: 0,
            goodbye: None,
        })
    }

    /// Sends a text message; it arrives when the node moves.
    pub(crate) fn send(&mut self, node: &mut TestNode, text: &str) {
        self.send_message(node, Message::text(text));
    }

    /// Sends any message.
    pub(crate) fn send_message(&mut self, node: &mut TestNode, message: Message) {
        self.client.write(message);
        node.send(self.peer, self.client.output());
    }

    /// Sends a text message and lets the node come to rest.
    pub(crate) fn say(&mut self, node: &mut TestNode, text: &str) {
        self.send(node, text);
        node.settle();
    }

    /// Sends a text message and returns the one that comes back; nothing else may have come.
    #[track_caller]
    pub(crate) fn ask(&mut self, node: &mut TestNode, text: &str) -> String {
        self.say(node, text);
        let mut texts = self.texts(node);
        assert_eq!(texts.len(), 1, "answers to {text}: {texts:?}");
        texts.remove(0)
    }

    /// The texts that have come since the last look. Pings and the goodbye are answered on the way.
    pub(crate) fn texts(&mut self, node: &mut TestNode) -> Vec<String> {
        self.read(node);
        self.texts.drain(..).collect()
    }

    /// How many pings have come since the last look.
    pub(crate) fn pings(&mut self, node: &mut TestNode) -> usize {
        self.read(node);
        std::mem::take(&mut self.pings)
    }

    /// The code and reason of the server's goodbye, if it was said.
    pub(crate) fn goodbye(&mut self, node: &mut TestNode) -> Option<(u16, String)> {
        self.read(node);
        self.goodbye.clone()
    }

    /// The code of the server's goodbye, which must have been said.
    #[track_caller]
    pub(crate) fn close_code(&mut self, node: &mut TestNode) -> u16 {
        self.goodbye(node).expect("a goodbye").0
    }

    /// Answers pings, and keeps what else has come for the next look.
    pub(crate) fn keep_alive(&mut self, node: &mut TestNode) {
        self.read(node);
    }

    fn read(&mut self, node: &mut TestNode) {
        for message in self.client.read(&mut node.peers[self.peer].received) {
            assert!(self.goodbye.is_none(), "{message:?} after the goodbye");
            match message {
                Message::Text(text) => self.texts.push_back(text.to_string()),
                Message::Ping(_) => self.pings += 1,
                Message::Close(frame) => {
                    let frame = frame.expect("a reason to close");
                    self.goodbye = Some((frame.code.into(), frame.reason.to_string()));
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        node.send(self.peer, self.client.output());
    }
}
