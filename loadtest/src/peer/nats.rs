//! nats-server: subjects over WebSocket, or over plain TCP as its own clients have it.
//!
//! Settings: no TLS and no compression, which its documentation offers where neither is needed; as
//! much pending for a subscriber as there is memory for, so that none is cut off as a slow one. On
//! one core Go runs one thread of its own choosing. The publisher is a client on plain TCP. The
//! protocol: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::decoder::{EventDecoder, Message, wire};
use super::process::{Process, folder, version};
use super::server::{Peer, Running, Subscribing};
use crate::failure::{During, Failure};
use crate::publisher::{Answers, Publishing, bodies};
use crate::target::free_address;

/// Its program.
const PROGRAM: &str = "nats-server";
/// Over WebSocket.
const NAME: &str = "nats";
/// Over plain TCP.
const NAME_TCP: &str = "nats-tcp";
/// What every client says first: nothing is acknowledged, nothing has headers.
const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
/// The longest line that is read: `INFO` has a few hundred bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Subscribers over WebSocket.
pub(crate) const PEER: Peer = Peer {
    name: NAME,
    missing: || installed().err(),
    start: |core| start(core, true),
};
/// Subscribers on plain TCP.
pub(crate) const PEER_TCP: Peer = Peer {
    name: NAME_TCP,
    missing: || installed().err(),
    start: |core| start(core, false),
};

fn installed() -> Result<PathBuf, String> {
    super::installed(PROGRAM, "apt-get install nats-server")
}

fn start(core: usize, has_websockets: bool) -> Result<Running, Failure> {
    let nats = installed().map_err(Failure::new)?;
    let folder = folder()?;
    let (plain, websocket) = (free_address()?, free_address()?);
    let file = folder.path().join("nats.conf");
    fs::write(&file, configuration(plain, websocket)).during("nats-server's configuration")?;
    let mut command = Command::new(&nats);
    command.arg("--config").arg(&file);
    let process = Process::start(command, folder, core, &[plain, websocket])?;
    let version = version(&nats, "--version");
    // Only the answer to a ping shows that what came before it was carried out.
    let hello = format!("{CONNECT}SUB probe 1\r\nPING\r\n");
    Ok(Running {
        pids: vec![process.pid],
        banner: if has_websockets {
            format!("{NAME} is {version}, WebSockets on {websocket}, no compression")
        } else {
            format!("{NAME_TCP} is {version}, plain TCP on {plain}")
        },
        subscribing: Subscribing {
            address: if has_websockets { websocket } else { plain },
            handshake: has_websockets.then(|| ("/".to_owned(), String::new())),
            hello: wire(has_websockets, hello.as_bytes()),
            is_confirmed: true,
        },
        decoder: if has_websockets {
            || decoder(true)
        } else {
            || decoder(false)
        },
        publisher: (plain, |_| Box::new(Publisher)),
        process: Box::new(process),
    })
}

fn configuration(plain: SocketAddr, websocket: SocketAddr) -> String {
    format!(
        "listen: \"{plain}\"
websocket {{
    listen: \"{websocket}\"
    no_tls: true
    compression: false
}}
max_pending: 1GB
write_deadline: \"60s\"
"
    )
}

fn decoder(is_websocket: bool) -> EventDecoder {
    EventDecoder::new(read, is_websocket, b"PONG\r\n")
}

/// Reads a line, and the payload that follows it if it is `MSG <subject> <sid> [reply-to] <bytes>`.
fn read(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, String> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        if bytes.len() > LINE_BYTES_MAX {
            return Err("an endless line".to_owned());
        }
        return Ok(None);
    };
    let (line, start) = (bytes[..end].trim_ascii_end(), end + 1);
    if let Some(arguments) = line.strip_prefix(b"MSG ") {
        let digits = arguments.rsplit(|&byte| byte == b' ').next();
        let length = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse::<u32>().ok());
        let length = length.ok_or("MSG without a length")?;
        let payload_end = start + usize::try_from(length).map_err(|error| error.to_string())?;
        let whole = bytes.get(start..payload_end + 2);
        return Ok(whole.map(|_| {
            let payload = &bytes[start..payload_end];
            (Message::Event(payload), payload_end + 2)
        }));
    }
    let message = match line {
        b"PONG" => Message::Subscribed,
        b"PING" => Message::Ping,
        b"+OK" => Message::Other,
        line if line.starts_with(b"INFO ") => Message::Other,
        line => return Err(String::from_utf8_lossy(line).into_owned()),
    };
    Ok(Some((message, start)))
}

/// A client that nothing is acknowledged to.
struct Publisher;

impl Publishing for Publisher {
    fn hello(&self) -> Vec<u8> {
        CONNECT.as_bytes().to_vec()
    }

    fn encode(&mut self, sequences: &[u64], padding: usize, requests: &mut Vec<u8>) -> u64 {
        for body in bodies(sequences, padding) {
            let head = format!("PUB probe {}\r\n", body.len());
            requests.extend_from_slice(head.as_bytes());
            requests.extend_from_slice(body.as_bytes());
            requests.extend_from_slice(b"\r\n");
        }
        0
    }

    fn take(&mut self, received: &[u8], replies: &mut Vec<u8>) -> Result<Answers, String> {
        let mut answers = Answers::default();
        while let Some((message, taken)) = read(&received[answers.bytes..])? {
            answers.bytes += taken;
            if message == Message::Ping {
                replies.extend_from_slice(b"PONG\r\n");
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_field;
    use crate::peer::decoder::{assert_told, told};
    use crate::peer::server::tests::hears_every_event;
    use crate::websocket::server::frame;

    fn message(number: u64) -> String {
        let payload = format!("{{{}}}", sequence_field(number));
        format!("MSG probe 1 {}\r\n{payload}\r\n", payload.len())
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let parts = [
            "INFO {\"version\":\"2.9.10\"} \r\n",
            "PONG\r\n",
            &message(0),
            "PING\r\n",
            "+OK\r\n",
            &message(1),
            &message(2),
        ];
        let bytes = message(0).len();
        let told = |number| Some((number, bytes));
        let heard = vec![None, told(0), told(1), told(2)];
        let expected = (heard.clone(), b"PONG\r\n".to_vec());
        assert_told(|| decoder(false), parts.concat().as_bytes(), &expected);
        let expected = (heard, wire(true, b"PONG\r\n"));
        let one = frame(0x82, parts.concat().as_bytes());
        assert_told(|| decoder(true), &one, &expected);
        let each = parts.map(|part| frame(0x82, part.as_bytes()));
        assert_told(|| decoder(true), &each.concat(), &expected);
    }

    #[test]
    fn what_is_refused_is_said() {
        for text in ["-ERR 'Slow Consumer'\r\n", "MSG probe 1 x\r\n"] {
            assert!(told(decoder(false), [text.as_bytes()]).is_err(), "{text}");
        }
        let mut publisher = Publisher;
        let mut replies = Vec::new();
        let bytes = "PING\r\n".len();
        let taken = publisher.take(b"PING\r\nPI", &mut replies);
        assert_eq!(taken, Ok(Answers { count: 0, bytes }));
        assert_eq!(replies, b"PONG\r\n");
        assert!(publisher.take(b"-ERR 'x'\r\n", &mut replies).is_err());
    }

    #[test]
    fn the_peers_start_and_are_heard() {
        hears_every_event(PEER);
        hears_every_event(PEER_TCP);
    }
}
