//! Which paths are this dialect's.

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To publish one event.
    Publish,
    /// A room, over a WebSocket.
    Socket,
    /// The client for browsers and Node.
    Client,
    /// Two windows that talk.
    Demo,
}

impl Route {
    /// Reads a path; `None` if it is not this dialect's.
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "/api/v1/pub_subs" | "/api/v1/publish" => Some(Self::Publish),
            "/pubsub/ws" => Some(Self::Socket),
            "/pubsub/client.js" => Some(Self::Client),
            "/pubsub/demo" => Some(Self::Demo),
            _ => None,
        }
    }
}
