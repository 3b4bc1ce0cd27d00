//! Which paths are this dialect's, and the methods they take.

use super::assets::Asset;
use crate::protocol::http1::Method;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To publish one event.
    Publish,
    /// A room, over a WebSocket.
    Socket,
    /// A file that is part of the program.
    Asset(Asset),
    /// Where people look first; leads to the demo.
    Index,
}

impl Route {
    /// Reads a path; `None` if it is not this dialect's.
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "/api/v1/pub_subs" | "/api/v1/publish" => Some(Self::Publish),
            "/pubsub/ws" => Some(Self::Socket),
            "/pubsub/client.js" => Some(Self::Asset(Asset::Client)),
            "/pubsub/client.d.ts" => Some(Self::Asset(Asset::Types)),
            "/pubsub/demo" => Some(Self::Asset(Asset::Demo)),
            "/pubsub" | "/pubsub/" => Some(Self::Index),
            _ => None,
        }
    }

    /// The methods that this route serves, as an `Allow` value. What is wrong with a handshake is
    /// said by whoever reads it.
    pub(super) const fn allow(self) -> &'static str {
        match self {
            Self::Publish => "POST, OPTIONS",
            Self::Socket => "GET",
            Self::Asset(_) | Self::Index => "GET, HEAD",
        }
    }

    /// Whether this route serves a method.
    pub(super) fn allows(self, method: Method) -> bool {
        method.is_among(self.allow())
    }
}
