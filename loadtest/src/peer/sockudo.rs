//! sockudo: a public channel of the Pusher protocol over WebSocket, published to by signed HTTP
//! requests.
//!
//! Settings: everything on one node in memory, no rate limits, no bound on how many messages wait
//! for a subscriber (it is cut off beyond 1,000 by default), no metrics, one thread of tokio. It
//! needs neither Redis nor a database so. The protocol:
//! <https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/> and
//! <https://pusher.com/docs/channels/library_auth_reference/rest-api/>.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde::Deserialize;
use sha2::Sha256;

use super::decoder::{EventDecoder, Message};
use super::process::{Process, folder, version};
use super::server::{Peer, Running, Subscribing};
use crate::failure::Failure;
use crate::publisher::{Answers, Publishing, bodies, count_answers};
use crate::target::free_address;
use crate::websocket::encode_text;

/// Its name, and that of its program.
const NAME: &str = "sockudo";
/// The application's id, key and secret.
const APP: &str = "probe";
/// What a subscriber says.
const SUBSCRIBE: &str = r#"{"event":"pusher:subscribe","data":{"channel":"probe"}}"#;
/// What is before an event's number: its payload is a JSON text that was put into a JSON string.
const QUOTED_MARKER: &[u8] = br#"\"probe\":\""#;
/// What answers a ping.
const PONG: &str = r#"{"event":"pusher:pong","data":{}}"#;

/// What its environment says, beside where it listens.
const SETTINGS: [(&str, &str); 20] = [
    ("ADAPTER_DRIVER", "local"),
    ("CACHE_DRIVER", "memory"),
    ("QUEUE_DRIVER", "memory"),
    ("APP_MANAGER_DRIVER", "memory"),
    ("RATE_LIMITER_DRIVER", "memory"),
    ("RATE_LIMITER_ENABLED", "false"),
    ("METRICS_ENABLED", "false"),
    ("HTTP_API_USAGE_ENABLED", "false"),
    ("WEBSOCKET_MAX_MESSAGES", "none"),
    ("WEBSOCKET_MAX_BYTES", "none"),
    ("WEBSOCKET_MAX_BACKPRESSURE", "1073741824"),
    ("WEBSOCKET_COMPRESSION", "disabled"),
    ("SHUTDOWN_GRACE_PERIOD", "0"),
    ("TOKIO_WORKER_THREADS", "1"),
    ("RUST_LOG", "error"),
    ("SOCKUDO_DEFAULT_APP_ID", APP),
    ("SOCKUDO_DEFAULT_APP_KEY", APP),
    ("SOCKUDO_DEFAULT_APP_SECRET", APP),
    ("SOCKUDO_DEFAULT_APP_MAX_CONNECTIONS", "0"),
    (
        "SOCKUDO_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SECOND",
        "100000000",
    ),
];

/// Subscribers over WebSocket.
pub(crate) const PEER: Peer = Peer {
    name: NAME,
    missing: || installed().err(),
    start,
};

fn installed() -> Result<PathBuf, String> {
    let by = "cargo install sockudo --locked --no-default-features --features local";
    super::installed(NAME, by)
}

fn start(core: usize) -> Result<Running, Failure> {
    let sockudo = installed().map_err(Failure::new)?;
    let address = free_address()?;
    let mut command = Command::new(&sockudo);
    command.envs(SETTINGS).env("HOST", address.ip().to_string());
    command.env("PORT", address.port().to_string());
    let process = Process::start(command, folder()?, core, &[address])?;
    let version = version(&sockudo, "--version");
    let path = format!("/app/{APP}?protocol=7&client=fanfare-loadtest&version=1.0");
    let mut hello = Vec::new();
    encode_text(SUBSCRIBE, &mut hello);
    Ok(Running {
        pids: vec![process.pid],
        banner: format!("{NAME} is {version}, WebSockets on {address}, 1 thread, local adapter"),
        subscribing: Subscribing {
            address,
            handshake: Some((path, String::new())),
            hello,
            is_confirmed: true,
        },
        decoder,
        publisher: (address, |address| Box::new(Publisher { address })),
        process: Box::new(process),
    })
}

/// Reads a message that is no event of ours.
fn read(message: &[u8]) -> Result<Option<(Message<'_>, usize)>, String> {
    #[derive(Deserialize)]
    struct Named<'t> {
        event: &'t str,
    }
    let named: Result<Named<'_>, _> = serde_json::from_slice(message);
    let said = match named.map(|named| named.event) {
        Ok("pusher:connection_established") => Message::Other,
        Ok("pusher_internal:subscription_succeeded") => Message::Subscribed,
        Ok("pusher:ping") => Message::Ping,
        _ => return Err(format!("said {}", String::from_utf8_lossy(message))),
    };
    Ok(Some((said, message.len())))
}

fn decoder() -> EventDecoder {
    let mut pong = Vec::new();
    encode_text(PONG, &mut pong);
    EventDecoder::of_messages(read, QUOTED_MARKER, pong)
}

/// One signed request for each event.
#[derive(Debug)]
struct Publisher {
    address: SocketAddr,
}

impl Publishing for Publisher {
    fn encode(&mut self, sequences: &[u64], padding: usize, requests: &mut Vec<u8>) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = now.unwrap_or_default().as_secs();
        for body in bodies(sequences, padding) {
            // A string's text is all that is needed of JSON.
            let data = serde_json::Value::from(body.as_str());
            let body = format!(r#"{{"name":"probe","channel":"probe","data":{data}}}"#);
            let (target, host, length) = (target(timestamp, &body), self.address, body.len());
            // Writing to a `Vec` cannot fail.
            let _ = write!(
                requests,
                "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            );
        }
        sequences.len() as u64
    }

    fn take(&mut self, received: &[u8], _: &mut Vec<u8>) -> Result<Answers, String> {
        count_answers(received)
    }
}

/// The path and query of a request to publish, with its signature.
fn target(timestamp: u64, body: &str) -> String {
    let path = format!("/apps/{APP}/events");
    let md5 = hex(&Md5::digest(body));
    let query =
        format!("auth_key={APP}&auth_timestamp={timestamp}&auth_version=1.0&body_md5={md5}");
    let signature = sign(APP.as_bytes(), &format!("POST\n{path}\n{query}"));
    format!("{path}?{query}&auth_signature={signature}")
}

fn sign(secret: &[u8], text: &str) -> String {
    // A key of any length will do (RFC 2104, section 3).
    let mac = Hmac::<Sha256>::new_from_slice(secret);
    mac.map_or_else(
        |_| String::new(),
        |mac| hex(&mac.chain_update(text).finalize().into_bytes()),
    )
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_field;
    use crate::peer::decoder::{assert_told, told};
    use crate::peer::server::tests::hears_every_event;
    use crate::websocket::server::frame;

    fn event(number: u64) -> String {
        let payload = format!(
            r#"{{"type":"probe","data":{{{}}}}}"#,
            sequence_field(number)
        );
        let data = serde_json::Value::from(payload);
        format!(r#"{{"event":"probe","channel":"probe","data":{data}}}"#)
    }

    #[test]
    fn events_are_counted_however_they_are_cut() {
        let texts = [
            r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\"}"}"#,
            r#"{"event":"pusher_internal:subscription_succeeded","channel":"probe","data":"{}"}"#,
            &event(0),
            r#"{"event":"pusher:ping","data":{}}"#,
            &event(1),
            &event(2),
        ];
        let frames = texts.map(|text| frame(0x81, text.as_bytes()));
        let bytes = event(0).len();
        let told = |number| Some((number, bytes));
        let mut pong = Vec::new();
        encode_text(PONG, &mut pong);
        let expected = (vec![None, told(0), told(1), told(2)], pong);
        assert_told(decoder, &frames.concat(), &expected);
    }

    #[test]
    fn what_is_refused_is_said() {
        let texts = [
            r#"{"event":"pusher:error","data":{"code":4009}}"#,
            r#"{"event":"probe","data":"{}"}"#,
            "no JSON",
        ];
        for text in texts {
            let frame = frame(0x81, text.as_bytes());
            let why = told(decoder(), [&*frame]).expect_err(text);
            assert!(why.contains(text), "{why}");
        }
    }

    /// The example of Pusher's documentation of signatures.
    #[test]
    fn requests_are_signed_as_documented() {
        let text = "POST\n/apps/3/events\nauth_key=278d425bdf160c739803&\
                    auth_timestamp=1353088179&auth_version=1.0&\
                    body_md5=ec365a775a4cd0599faeb73354201b6f";
        let signature = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
        assert_eq!(sign(b"7ad3773142a6692b25b8", text), signature);
        let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        assert_eq!(hex(&Md5::digest(body)), "ec365a775a4cd0599faeb73354201b6f");
    }

    #[test]
    fn each_event_is_a_request() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let mut requests = Vec::new();
        assert_eq!(Publisher { address }.encode(&[7, 8], 1, &mut requests), 2);
        let text = String::from_utf8(requests).expect("text");
        let field = sequence_field(7).replace('"', "\\\"");
        let data = format!(r#"{{\"type\":\"probe\",\"data\":{{{field},\"padding\":\"x\"}}}}"#);
        let first = format!(r#"{{"name":"probe","channel":"probe","data":"{data}"}}"#);
        assert!(text.contains(&format!(
            "Content-Length: {}\r\n\r\n{first}POST",
            first.len()
        )));
    }

    #[test]
    fn the_peer_starts_and_is_heard() {
        hears_every_event(PEER);
    }
}
