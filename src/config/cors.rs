//! What browsers are told about pages of other origins: `cors` in each dialect's section, the same
//! everywhere.

use std::time::Duration;

use toml::de::DeValue;

use super::kind::{Kind, any_text, duration_within, text, texts};
use super::section::section;
use super::value::format_duration;
use super::words::{quote, quote_all};
use crate::limits;

section! {
    /// `[sessions.cors]` and its like. Texts are field values, sent as they are: printable ASCII,
    /// never empty.
    ///
    /// One is helped out: where tokens are asked for, `allow_headers = "*"` is sent as `*,
    /// Authorization`, because to a browser the asterisk does not mean that field (Fetch §3.3.4).
    CorsConfig {
        /// Access-Control-Allow-Origin: "`*`" alone, or a list of origins, in which
        /// "`https://*.example.com`" is every host beneath; without a scheme such a pattern is good
        /// for any. If there are several, or a pattern, the one that asks is named.
        allow_origin: Vec<String> = vec!["*".to_owned()], origins();
        /// Access-Control-Allow-Headers. With organizations, "`*`" is sent as "`*, Authorization`",
        /// because to a browser the asterisk does not mean that field.
        allow_headers: String = "*".to_owned(), value();
        /// Access-Control-Allow-Methods.
        allow_methods: String = "*".to_owned(), value();
        /// Access-Control-Max-Age: how long a browser may remember the answer to a preflight.
        max_age: Duration = limits::CORS_MAX_AGE_DEFAULT, age();
    }
}

fn value() -> Kind<String> {
    text(limits::CORS_VALUE_BYTES_MAX)
}

/// Origins, of which an only one may be written as a text.
fn origins() -> Kind<Vec<String>> {
    let (one, list) = (value(), texts(1..=limits::CORS_ORIGINS_MAX, value()));
    let written = texts(0..=usize::MAX, any_text());
    let read = move |value: &DeValue<'_>, resolve| match one.read(value, resolve) {
        Some(one) => Some(vec![one]),
        None => written.read(value, resolve),
    };
    let write = |origins: &Vec<String>| match &origins[..] {
        [one] => quote(one),
        several => quote_all(several),
    };
    Kind::new("text in quotes, or a list of texts", read, write)
        .checked(move |origins| list.check(origins))
        .checked(|origins| {
            origins
                .iter()
                .try_for_each(|origin| check_origin(origin, origins.len()))
        })
}

fn check_origin(origin: &str, number: usize) -> Result<(), String> {
    match origin {
        "*" if number == 1 => Ok(()),
        "*" => Err("\"*\" is every origin, and stands alone".to_owned()),
        origin if is_origin(origin) => Ok(()),
        origin => Err(format!(
            "expected \"*\", or origins such as \"https://a.example\", \"http://localhost:3000\" \
             and \"https://*.example\", without a path; found \"{origin}\""
        )),
    }
}

/// How long a browser may be told to remember.
fn age() -> Kind<Duration> {
    let most = limits::CORS_MAX_AGE_MAX;
    let bounds = format!("at most {}", format_duration(most));
    duration_within(bounds, move |age| *age <= most)
}

/// `scheme "://" host [ ":" port ]` as browsers send it (RFC 6454 §6.2), or a pattern of it.
fn is_origin(text: &str) -> bool {
    let (scheme, authority) = match text.split_once("://") {
        Some((scheme, authority)) => (Some(scheme), authority),
        None => (None, text),
    };
    let plain = |text: &str, more: &[u8]| {
        let mut bytes = text.bytes();
        !text.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let host = authority.strip_prefix("*.").unwrap_or(authority);
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    };
    let is_literal = host.starts_with('[') && host.ends_with(']');
    scheme.map_or(authority.starts_with("*."), |scheme| plain(scheme, b"+-."))
        && port.is_none_or(|port| port.parse::<u16>().is_ok() && plain(port, b""))
        && (is_literal && plain(host, b"[]:.") || plain(host, b"-._"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for good in [
            "https://a.example",
            "http://localhost:3000",
            "http://[::1]:80",
            "https://*.example",
            "*.example.com",
            "*.localhost:5173",
            "chrome-extension://abc",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "https://a.example/",
            "https://",
            "https://*",
            "https://a*.example",
            "https://a.*.example",
            "https://a.example:x",
            "https://a.example:99999",
            "https://a, https://b",
            "*.",
            "**",
            "https://[::1",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
