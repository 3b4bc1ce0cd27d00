//! The HTTP client side of `publish` and `tail`: one base address, sessions below it, and the
//! reading of a server's refusal.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use super::trust::trust;
use crate::auth::{Credentials, Secret};
use crate::limits;

/// The characters that are escaped in a session's path segment: all but those of RFC 3986 §2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The server's base address, without a slash at its end.
#[derive(Clone, Debug)]
pub(super) struct BaseUrl(String);

impl BaseUrl {
    /// Reads `http://host[:port][/path]` or the same with `https`. Errors with the reason for
    /// anything else.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => return Err("expected http://host:port or https://host".to_owned()),
        }
        if uri.query().is_some() {
            return Err("expected no query".to_owned());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// Whether TLS is spoken.
    fn is_secure(&self) -> bool {
        self.0
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    /// Returns the address of a session's events.
    pub(super) fn events(&self, session: &str) -> String {
        let session = utf8_percent_encode(session, SEGMENT);
        format!("{}/api/sessions/{session}/events", self.0)
    }
}

/// The server, and the client's credentials.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:7400", value_parser = BaseUrl::parse)]
    pub(super) url: BaseUrl,
    /// The API token, where the server asks for one; better in the environment than on the command
    /// line, which others on this machine can see.
    #[arg(long, env = "FANFARE_TOKEN", hide_env_values = true)]
    token: Option<Secret>,
    /// Trust the certificate authorities in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl ServerArgs {
    /// Returns the `Authorization` field of a request (RFC 6750 §2.1), if any.
    ///
    /// A token is checked here and not while the command line is parsed: clap would show a refused
    /// one, which may be nearly a token.
    pub(super) fn authorization(&self) -> Result<Option<String>, &'static str> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let field = format!("Bearer {}", token.reveal());
        // The same rule that a server goes by.
        match Credentials::from_header(Some(&field)) {
            Credentials::Bearer(read) if read == token.reveal() => Ok(Some(field)),
            _ => Err("--token: a token has letters, digits and - . _ ~ + / only"),
        }
    }

    /// Returns an agent that reports every status as an answer; silence for `silence_max` is an
    /// error.
    ///
    /// # Errors
    ///
    /// TLS is to be used, and there is no certificate authority to trust.
    pub(super) fn agent(&self, silence_max: Duration) -> Result<Agent, String> {
        let config = Agent::config_builder();
        // A URL over https never falls back to plain HTTP, where its password or token could be
        // read.
        let config = if self.url.is_secure() {
            config
                .https_only(true)
                .tls_config(trust(self.ca.as_deref())?)
        } else {
            config
        };
        let config = config
            .http_status_as_error(false)
            .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(limits::CLIENT_CONNECT_TIMEOUT))
            .timeout_recv_response(Some(limits::CLIENT_ANSWER_TIMEOUT))
            .timeout_per_read(Some(silence_max))
            .timeout_per_write(Some(limits::WRITE_TIMEOUT))
            .build();
        Ok(config.new_agent())
    }
}

/// A field of the answer as text; `None` when it is absent or not ASCII.
pub(super) fn field<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// Returns a server's refusal in one line: the status, and its own words as far as they are bounded
/// text.
pub(super) fn refusal(answer: Response<Body>) -> String {
    let status = answer.status();
    let mut body = Vec::new();
    let bytes_max = limits::CLIENT_ERROR_BYTES_MAX as u64;
    // Text that arrived before a failure is still the best explanation there is.
    let _ = answer
        .into_body()
        .into_reader()
        .take(bytes_max)
        .read_to_end(&mut body);
    let words = explanation(&body);
    if words.is_empty() {
        format!("the server answered {status}")
    } else {
        format!("the server answered {status}: {words}")
    }
}

/// `{"error":{"code","message"}}`, `{"error":"…"}`, or the body as it is.
fn explanation(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let error = json.as_ref().and_then(|json| json.get("error"));
    let text = |key| error?.get(key)?.as_str();
    let words = match (text("code"), text("message")) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        (None, Some(message)) => message.to_owned(),
        _ => match error.and_then(|error| error.as_str()) {
            Some(error) => error.to_owned(),
            None => String::from_utf8_lossy(body).trim().to_owned(),
        },
    };
    super::output::visible(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_addresses() {
        let events = |base, session| BaseUrl::parse(base).map(|base| base.events(session));
        let address = "http://127.0.0.1:7400/api/sessions/a-b._~/events";
        assert_eq!(
            events("http://127.0.0.1:7400", "a-b._~"),
            Ok(address.to_owned())
        );
        assert_eq!(
            events("http://127.0.0.1:7400/", "a-b._~"),
            Ok(address.to_owned())
        );
        let secure = BaseUrl::parse("https://h:7443/hub/").expect("valid");
        assert!(
            secure.is_secure() && secure.events("a") == "https://h:7443/hub/api/sessions/a/events"
        );
        let escaped = "http://h/hub/api/sessions/a%20%2F%C3%A9%25/events";
        assert_eq!(events("http://h/hub/", "a /é%"), Ok(escaped.to_owned()));
        for bad in [
            "h:1",
            "127.0.0.1:7400",
            "",
            "http://",
            "ftp://h",
            "http://h/?a",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tokens() {
        let field = |token: &str| {
            let url = BaseUrl::parse("http://h").expect("valid");
            let token = Some(Secret::new(token));
            ServerArgs {
                url,
                token,
                ca: None,
            }
            .authorization()
        };
        assert_eq!(field("ff_a-Z0"), Ok(Some("Bearer ff_a-Z0".to_owned())));
        for bad in ["", " ", "a b", "a ", " a", "é", "a\r\nX: y", "="] {
            assert!(field(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn explanations() {
        let told = |body: &str| explanation(body.as_bytes());
        let body = r#"{"error":{"code":"invalid_json","message":"no value at byte 17"}}"#;
        assert_eq!(told(body), "no value at byte 17 (invalid_json)");
        assert_eq!(
            told(r#"{"error":"Invalid input data!"}"#),
            "Invalid input data!"
        );
        assert_eq!(told(" plain\n"), "plain");
        assert_eq!(told("\u{1b}[31m"), r"\u{1b}[31m");
        assert_eq!(told(""), "");
    }
}
