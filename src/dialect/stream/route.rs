//! Which paths are this dialect's. Those of gRPC are in `rpc`.

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A WebSocket, or a response that does not end.
    Stream,
    /// To publish one event.
    Publish,
}

impl Route {
    /// Reads a path; `None` if it is not this dialect's.
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "/event/v2/stream" => Some(Self::Stream),
            "/event/v2/publish" => Some(Self::Publish),
            _ => None,
        }
    }
}
