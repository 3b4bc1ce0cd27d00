//! Paths of the sessions dialect, under either base path. Nothing is decoded or allocated here.

use crate::protocol::http1::Method;

/// The paths below which everything is this dialect's: ours, and the default web root of the
/// original.
const BASES: [&str; 2] = ["/api/sessions", "/_wave/api/sessions"];

/// What a path of this dialect names. Tokens are as they stand in the target, not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'b> {
    /// The base path itself.
    Collection,
    /// `/<token>`.
    Session(&'b str),
    /// `/<token>/<function>`.
    Function(&'b str, Function),
    /// Below the base path, but nothing.
    Nothing,
}

/// What follows the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Listen and publish.
    Events,
    /// The status in short.
    Status,
    /// pending or paused → running.
    Start,
    /// running → paused.
    Pause,
    /// → aborted.
    Stop,
    /// A pending session gives way to another.
    Resume,
    /// Replace the labels.
    Labels,
}

impl<'b> Route<'b> {
    /// The route that a path names; `None` when the path is not below a base path.
    pub fn parse(path: &'b str) -> Option<Self> {
        let rest = BASES.iter().find_map(|base| path.strip_prefix(base))?;
        let rest = match rest.strip_prefix('/') {
            None if rest.is_empty() => return Some(Self::Collection),
            None => return None,
            // A slash at the end means the same.
            Some("") => return Some(Self::Collection),
            Some(rest) => rest,
        };
        let Some((token, function)) = rest.split_once('/') else {
            return Some(Self::Session(rest));
        };
        let function = match function.strip_suffix('/').unwrap_or(function) {
            "" => return Some(Self::Session(token)),
            "events" => Function::Events,
            "status" => Function::Status,
            "start" => Function::Start,
            "pause" => Function::Pause,
            "stop" => Function::Stop,
            "resume" => Function::Resume,
            "labels" => Function::Labels,
            _ => return Some(Self::Nothing),
        };
        Some(Self::Function(token, function))
    }

    /// The methods that this route serves, as an `Allow` value; `None` where nothing is.
    pub const fn allow(self) -> Option<&'static str> {
        Some(match self {
            Self::Session(_) => "GET, HEAD, PUT, DELETE, OPTIONS",
            Self::Function(_, Function::Events) => "GET, POST, OPTIONS",
            Self::Function(_, Function::Status) => "GET, HEAD, OPTIONS",
            Self::Function(_, Function::Labels) => "PUT, OPTIONS",
            Self::Collection | Self::Function(_, _) => "POST, OPTIONS",
            Self::Nothing => return None,
        })
    }

    /// Whether this route serves a method.
    pub fn allows(self, method: Method) -> bool {
        self.allow().is_some_and(|allow| method.is_among(allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_base_paths_name_the_same() {
        for base in BASES {
            let path = |rest: &str| format!("{base}{rest}");
            assert_eq!(Route::parse(&path("")), Some(Route::Collection));
            assert_eq!(Route::parse(&path("/")), Some(Route::Collection));
            assert_eq!(Route::parse(&path("/t")), Some(Route::Session("t")));
            assert_eq!(
                Route::parse(&path("/t/events")),
                Some(Route::Function("t", Function::Events))
            );
            assert_eq!(Route::parse(&path("/t/nothing")), Some(Route::Nothing));
            assert_eq!(Route::parse(&path("/t/events/more")), Some(Route::Nothing));
            assert_eq!(Route::parse(&path("x")), None);
        }
        assert_eq!(Route::parse("/api/sess"), None);
        assert_eq!(Route::parse("/"), None);
    }

    #[test]
    fn methods() {
        let events = Route::Function("t", Function::Events);
        assert!(events.allows(Method::Get) && events.allows(Method::Post));
        assert!(!events.allows(Method::Put) && !events.allows(Method::Head));
        assert!(!Route::Nothing.allows(Method::Options));
    }
}
