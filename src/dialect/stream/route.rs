//! Which paths are this dialect's: its own, and the methods of its service, which gRPC calls and
//! gRPC-web posts to.

/// The full name of the service.
const SERVICE: &str = "apis.event.v2.EventService";

/// Where the original serves gRPC-web.
const WEB_PREFIX: &str = "/grpcweb/event/v2";

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A WebSocket, or a response that does not end.
    Stream,
    /// To publish one event.
    Publish,
    /// A call.
    Call(Method),
    /// No method of the service.
    NoMethod,
}

/// A method of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `EventService.Stream`.
    Stream,
    /// `EventService.Publish`.
    Publish,
}

impl Route {
    /// Reads a path without query; `None` if it is not this dialect's. That the second address of a
    /// method is used for nothing but gRPC-web is not checked.
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "/event/v2/stream" => return Some(Self::Stream),
            "/event/v2/publish" => return Some(Self::Publish),
            _ => {}
        }
        let method = path.strip_prefix(WEB_PREFIX).unwrap_or(path);
        let method = method.strip_prefix('/')?.strip_prefix(SERVICE)?;
        Some(match method.strip_prefix('/')? {
            "Stream" => Self::Call(Method::Stream),
            "Publish" => Self::Call(Method::Publish),
            _ => Self::NoMethod,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_addresses_of_a_method() {
        for base in ["", WEB_PREFIX] {
            let parse = |method: &str| Route::parse(&format!("{base}/{SERVICE}{method}"));
            assert_eq!(parse("/Stream"), Some(Route::Call(Method::Stream)));
            assert_eq!(parse("/Publish"), Some(Route::Call(Method::Publish)));
            for none in ["/", "/stream", "/Stream/", "/Check"] {
                assert_eq!(parse(none), Some(Route::NoMethod), "{none}");
            }
            assert_eq!(parse(""), None);
        }
    }

    #[test]
    fn paths_are_exact() {
        for path in [
            "",
            "/",
            "//",
            "apis.event.v2.EventService/Stream",
            "/apis.event.v2.eventservice/Stream",
            "/grpcweb/event/v2apis.event.v2.EventService/Stream",
            "/grpcweb/event/v2/grpcweb/event/v2/apis.event.v2.EventService/Stream",
            "/grpcweb/event/v2/grpc.health.v1.Health/Check",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
