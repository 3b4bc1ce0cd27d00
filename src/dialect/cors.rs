//! Pages of other origins: what browsers are told about them (Fetch §3.3), and which may act with
//! what a browser remembers.
//!
//! Every answer on a dialect's path carries the dialect's lines. Where one of several origins is
//! named, the line that names it is written by whoever begins the response
//! ([`Responder::begin`](super::Responder::begin)): all else is the same for everyone, and is
//! prepared once.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::CorsConfig;
use crate::protocol::http1::{Head, is_same_host};

/// What a dialect tells browsers. As bytes: the header lines for every answer.
#[derive(Debug)]
pub struct Cors {
    lines: Bytes,
    /// What the answer to a question beforehand says besides.
    max_age: Box<[u8]>,
    origins: Origins,
}

#[derive(Debug)]
enum Origins {
    Any,
    /// The only one, which every answer names.
    One(Box<str>),
    /// The one that asks is named, if it is among these.
    Listed(Vec<Box<str>>),
}

/// The origin of a request, if it is one of several that are allowed: the answer names it.
#[derive(Clone, PartialEq, Eq)]
pub struct AllowedOrigin(Arc<Text>);

#[derive(PartialEq, Eq)]
struct Text(Box<[u8]>);

impl fmt::Debug for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl AllowedOrigin {
    /// As the request has it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

impl Deref for Cors {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.lines
    }
}

impl Cors {
    /// What is configured. `closed` is whether tokens are asked for; `exposed` names the fields
    /// that pages may read.
    pub fn new(config: &CorsConfig, closed: bool, exposed: &str) -> Self {
        let allow_headers = match config.allow_headers.as_str() {
            // Fetch §3.3.4: of all fields, the asterisk leaves this one out.
            "*" if closed => "*, Authorization",
            configured => configured,
        };
        let origins = match &config.allow_origin[..] {
            [one] if one == "*" => Origins::Any,
            [one] if !one.contains('*') => Origins::One(one.as_str().into()),
            several => Origins::Listed(several.iter().map(|one| one.as_str().into()).collect()),
        };
        let origin = match &origins {
            Origins::Any => "Access-Control-Allow-Origin: *".to_owned(),
            Origins::One(origin) => format!("Access-Control-Allow-Origin: {origin}"),
            // Fetch §3.3.5: or a cache gives one origin's answer to another.
            Origins::Listed(_) => "Vary: Origin".to_owned(),
        };
        let lines = format!(
            "{origin}\r\n\
             Access-Control-Allow-Headers: {allow_headers}\r\n\
             Access-Control-Allow-Methods: {}\r\n\
             Access-Control-Expose-Headers: {exposed}\r\n",
            config.allow_methods,
        );
        let seconds = config.max_age.as_secs();
        let max_age = format!("Access-Control-Max-Age: {seconds}\r\n");
        Self {
            lines: lines.into(),
            max_age: max_age.into_bytes().into(),
            origins,
        }
    }

    /// The header line that an answer to `OPTIONS` has besides.
    pub fn max_age(&self) -> &[u8] {
        &self.max_age
    }

    /// The origin that the answer is to name, if it depends on the request.
    pub fn allowed(&self, origin: Option<&[u8]>) -> Option<AllowedOrigin> {
        let (origin, Origins::Listed(_)) = (origin?, &self.origins) else {
            return None;
        };
        let text = || AllowedOrigin(Arc::new(Text(origin.into())));
        self.lists(origin).then(text)
    }

    /// Whether the page that sends a request, if one does, may use what its browser remembers and
    /// adds by itself, such as a password: it comes from the server's own host, or from an origin
    /// that is listed. `*` lists none (Fetch §3.3.5: it does not go with credentials).
    pub fn trusts(&self, head: &Head<'_, '_>) -> bool {
        let mut origins = head.header_values("origin");
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            // No page, but a program; or a field that no browser sends twice.
            return head.header("origin").is_none();
        };
        self.lists(origin) || is_own(origin, head)
    }

    fn lists(&self, origin: &[u8]) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else {
            return false;
        };
        match &self.origins {
            Origins::Any => false,
            Origins::One(one) => one.eq_ignore_ascii_case(origin),
            Origins::Listed(listed) => listed.iter().any(|pattern| matches(pattern, origin)),
        }
    }
}

/// Whether an origin's host is the one that the request is for. Its scheme is not compared: behind
/// a proxy that ends TLS it is another.
fn is_own(origin: &[u8], head: &Head<'_, '_>) -> bool {
    let origin = std::str::from_utf8(origin).ok();
    let Some((scheme, authority)) = origin.and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let default_port = match scheme {
        "https" => "443",
        _ => "80",
    };
    let host = head.host().filter(|host| !host.is_empty());
    host.is_some_and(|host| is_same_host(authority.as_bytes(), host.as_bytes(), default_port))
}

/// Whether an origin is what is listed: the same in any case, or, if that begins with `*.`, one of
/// the hosts beneath, at the same port.
fn matches(listed: &str, origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let wanted = match listed.split_once("://") {
        Some((other, wanted)) if scheme.eq_ignore_ascii_case(other) => wanted,
        Some(_) => return false,
        None => listed,
    };
    // With its dot, so that the label before it ends there.
    let Some(suffix) = wanted.strip_prefix('*') else {
        return wanted.eq_ignore_ascii_case(authority);
    };
    let at = authority.len().checked_sub(suffix.len());
    at.filter(|&at| at > 0)
        .and_then(|at| authority.split_at_checked(at))
        .is_some_and(|(labels, rest)| {
            let is_label = |label: &str| {
                let mut bytes = label.bytes();
                !label.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            };
            rest.eq_ignore_ascii_case(suffix) && labels.split('.').all(is_label)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Parsed;
    use crate::protocol::http1::{Scratch, parse_head};

    fn cors(origins: &[&str]) -> Cors {
        let config = CorsConfig {
            allow_origin: origins.iter().map(|&origin| origin.to_owned()).collect(),
            ..CorsConfig::default()
        };
        Cors::new(&config, false, "X")
    }

    #[test]
    fn the_origin_that_asks_is_named_if_it_is_listed() {
        let cors = cors(&[
            "https://a.example",
            "https://*.b.example",
            "*.c.example:8080",
        ]);
        for origin in [
            "https://a.example",
            "https://x.b.example",
            "https://x.y.b.example",
            "http://x.c.example:8080",
        ] {
            let allowed = cors.allowed(Some(origin.as_bytes())).expect(origin);
            assert_eq!(allowed.as_bytes(), origin.as_bytes());
        }
        for origin in [
            "http://a.example",
            "https://a.example:444",
            "https://a.example.evil",
            "https://b.example",
            "https://.b.example",
            "https://evilb.example",
            "http://x.b.example",
            "https://x@y.b.example",
            "https://x/y.b.example",
            "http://x.c.example",
            "null",
            "",
            "*",
        ]
        .map(str::as_bytes)
        .into_iter()
        .chain([&b"https://\xff.b.example"[..]])
        {
            assert_eq!(cors.allowed(Some(origin)), None);
        }
        assert_eq!(cors.allowed(None), None);
        let lines = std::str::from_utf8(&cors).expect("text");
        assert!(lines.starts_with("Vary: Origin\r\n"), "{lines}");
        assert!(!lines.contains("Allow-Origin"), "{lines}");
    }

    #[test]
    fn one_origin_is_named_to_everyone() {
        for one in ["*", "https://a.example"] {
            let cors = cors(&[one]);
            let lines = std::str::from_utf8(&cors).expect("text");
            let line = format!("Access-Control-Allow-Origin: {one}\r\n");
            assert!(lines.starts_with(&line), "{lines}");
            assert!(!lines.contains("Vary"), "{lines}");
            assert_eq!(cors.allowed(Some(b"https://a.example")), None);
        }
    }

    #[test]
    fn pages_of_the_host_and_of_what_is_listed_are_trusted() {
        let trusted = |origins: &[&str], lines: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: a.example:7400\r\n{lines}\r\n");
            let mut scratch = Scratch::new();
            let Ok(Parsed::Complete(head, _)) = parse_head(text.as_bytes(), &mut scratch) else {
                panic!("no head: {text}");
            };
            cors(origins).trusts(&head)
        };
        for lines in [
            "",
            "Origin: http://a.example:7400\r\n",
            "Origin: https://A.example:7400\r\n",
        ] {
            assert!(trusted(&["*"], lines), "{lines}");
        }
        for lines in [
            "Origin: http://a.example\r\n",
            "Origin: https://evil.example\r\n",
            "Origin: null\r\n",
            "Origin:\r\n",
            "Origin: *\r\n",
            "Origin: a.example:7400\r\n",
            "Origin: http://a.example:7400\r\nOrigin: http://a.example:7400\r\n",
        ] {
            assert!(!trusted(&["*"], lines), "{lines}");
        }
        let page = "Origin: https://b.example\r\n";
        assert!(trusted(&["https://b.example"], page));
        assert!(trusted(&["https://*.example", "https://c"], page));
        assert!(!trusted(&["https://c.example"], page));
    }
}
