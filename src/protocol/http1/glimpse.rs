//! A look at a request whose head is refused: enough to answer it in the form of the dialect that
//! serves its path.
//!
//! Nothing here decides how a request is framed or whether it is served; the connection ends behind
//! the answer.

use super::fields::is_tchar;
use super::target::is_target_byte;

/// A look at a request that is malformed or incomplete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glimpse<'b> {
    /// The path, still percent-encoded, or as much of it as is here.
    pub path: Option<&'b str>,
    /// The value of the only `Origin` field (RFC 6454 §7).
    pub origin: Option<&'b [u8]>,
    /// Whether the method is `HEAD`: the answer has no body.
    pub head_only: bool,
}

impl<'b> Glimpse<'b> {
    /// Looks at the bytes of a request that are here.
    pub fn of(bytes: &'b [u8]) -> Self {
        let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
        let mut lines = bytes[begin.unwrap_or(bytes.len())..]
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut words = lines.next().unwrap_or(&[]).split(|&byte| byte == b' ');
        let method = words.next().unwrap_or(&[]);
        if method.is_empty() || !method.iter().all(|&byte| is_tchar(byte)) {
            return Self::default();
        }
        let mut origins = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                let (name, value) = line.split_at_checked(b"origin:".len())?;
                let is_origin = name.eq_ignore_ascii_case(b"origin:");
                is_origin.then(|| value.trim_ascii())
            });
        let origin = origins.next();
        Self {
            path: words.next().and_then(path),
            origin: origin.filter(|_| origins.next().is_none()),
            head_only: method == b"HEAD",
        }
    }
}

/// The path of a target in origin or absolute form.
fn path(target: &[u8]) -> Option<&str> {
    let begin = if target.starts_with(b"/") {
        0
    } else {
        let authority = memchr::memmem::find(target, b"://")? + b"://".len();
        authority + memchr::memchr(b'/', &target[authority..])?
    };
    let target = &target[begin..];
    let end = target
        .iter()
        .position(|&byte| byte == b'?' || !is_target_byte(byte));
    std::str::from_utf8(&target[..end.unwrap_or(target.len())]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_told() {
        let path = |text: &'static str| Glimpse::of(text.as_bytes()).path;
        assert_eq!(path("GET /a/b?c HTTP/1.1\r\n"), Some("/a/b"));
        assert_eq!(path("\r\nBREW /a HTTP/7"), Some("/a"));
        assert_eq!(path("GET /a{b}"), Some("/a"));
        assert_eq!(path("GET http://h/a#b"), Some("/a"));
        for unknown in ["", "GET", "GET ", "GET a", "GET http://h", "\x16\x03 /a"] {
            assert_eq!(path(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn the_only_origin() {
        let origin = |lines: &str| {
            let text = format!("HEAD /a HTTP/1.1\r\n{lines}\r\n");
            let glimpse = Glimpse::of(text.as_bytes());
            assert!(glimpse.head_only);
            glimpse.origin.map(<[u8]>::to_vec)
        };
        assert_eq!(
            origin("X: y\r\noRIGIN:\thttp://o \r\n"),
            Some(b"http://o".to_vec())
        );
        assert_eq!(origin("Origin: a\r\nOrigin: b\r\n"), None);
        assert_eq!(origin("X-Origin: a\r\n"), None);
        assert_eq!(origin("\r\nOrigin: a\r\n"), None, "that is a body");
    }
}
