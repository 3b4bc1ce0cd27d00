//! mosquitto: a topic of MQTT 3.1.1 at `QoS` 0, over WebSocket, or over plain TCP as its own
//! clients have it.
//!
//! Settings: what a subscriber has not taken may wait without a bound (`max_queued_messages 0`:
//! beyond it messages are dropped silently), no delay of small packets, no persistence, nothing
//! logged or counted under `$SYS`. The publisher is a client on plain TCP, which its loop serves
//! better than a WebSocket. The protocol:
//! <https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html>.

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
const PROGRAM: &str = "mosquitto";
/// Over WebSocket.
const NAME: &str = "mosquitto";
/// Over plain TCP.
const NAME_TCP: &str = "mosquitto-tcp";
/// The topic.
const TOPIC: &[u8] = b"probe";
/// CONNECT (§3.1): a clean session without a name, a will or a time to keep alive. CONNACK is not
/// waited for: §3.1.4 lets a client go on at once.
const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
/// SUBSCRIBE (§3.8) to the topic at `QoS` 0.
const SUBSCRIBE: &[u8] = b"\x82\x0a\x00\x01\x00\x05probe\x00";

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
    super::installed(PROGRAM, "apt-get install mosquitto")
}

fn start(core: usize, has_websockets: bool) -> Result<Running, Failure> {
    let mosquitto = installed().map_err(Failure::new)?;
    let folder = folder()?;
    let plain = free_address()?;
    let websocket = has_websockets.then(free_address).transpose()?;
    let file = folder.path().join("mosquitto.conf");
    fs::write(&file, configuration(plain, websocket)).during("mosquitto's configuration")?;
    let mut command = Command::new(&mosquitto);
    command.arg("-c").arg(&file);
    let addresses: Vec<SocketAddr> = [plain].into_iter().chain(websocket).collect();
    let process = Process::start(command, folder, core, &addresses)?;
    let version = version(&mosquitto, "-h");
    let fields = "Sec-WebSocket-Protocol: mqtt\r\n";
    Ok(Running {
        pids: vec![process.pid],
        banner: match websocket {
            Some(websocket) => format!("{NAME} is {version}, WebSockets on {websocket}, QoS 0"),
            None => format!("{NAME_TCP} is {version}, plain TCP on {plain}, QoS 0"),
        },
        subscribing: Subscribing {
            address: websocket.unwrap_or(plain),
            handshake: websocket.map(|_| ("/".to_owned(), fields.to_owned())),
            hello: wire(has_websockets, &[CONNECT, SUBSCRIBE].concat()),
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

fn configuration(plain: SocketAddr, websocket: Option<SocketAddr>) -> String {
    let websocket = websocket.map_or_else(String::new, |address| {
        let (port, ip) = (address.port(), address.ip());
        // Without the domain it would listen on every address, whatever was asked for.
        format!("listener {port} {ip}\nprotocol websockets\nsocket_domain ipv4\n")
    });
    let (port, ip) = (plain.port(), plain.ip());
    format!(
        "allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
max_queued_bytes 0
sys_interval 0
connection_messages false
log_type error
listener {port} {ip}
{websocket}"
    )
}

fn decoder(is_websocket: bool) -> EventDecoder {
    // Nobody asks for a pong: it is clients that ping.
    EventDecoder::new(read, is_websocket, b"")
}

/// Reads a control packet (§2.2).
fn read(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, String> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let Some((length, length_bytes)) = remaining_length(rest)? else {
        return Ok(None);
    };
    let end = 1 + length_bytes + length;
    let Some(body) = bytes.get(1 + length_bytes..end) else {
        return Ok(None);
    };
    let message = match (first, body) {
        // PUBLISH at QoS 0, perhaps retained (§3.3): the topic with its length, then the payload.
        (0x30 | 0x31, [high, low, topic_and_payload @ ..]) => {
            let topic_bytes = u16::from_be_bytes([*high, *low]).into();
            let payload = topic_and_payload.get(topic_bytes..);
            Message::Event(payload.ok_or("a topic longer than its packet")?)
        }
        // CONNACK (§3.2) and SUBACK (§3.9), which grants QoS 0.
        (0x20, [_, 0]) => Message::Other,
        (0x90, [_, _, 0]) => Message::Subscribed,
        (first, body) => return Err(format!("packet {first:#x} {body:x?}")),
    };
    Ok(Some((message, end)))
}

/// Seven bits a byte, the lowest first, at most four bytes (§2.2.3); and how many they were.
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut length = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err("a length of more than four bytes".to_owned());
    }
    Ok(None)
}

/// Appends a PUBLISH at `QoS` 0.
fn publish(payload: &[u8], packets: &mut Vec<u8>) {
    packets.push(0x30);
    let mut left = 2 + TOPIC.len() + payload.len();
    loop {
        let bits = u8::try_from(left & 0x7f).unwrap_or_default();
        left >>= 7;
        packets.push(if left > 0 { bits | 0x80 } else { bits });
        if left == 0 {
            break;
        }
    }
    packets.extend_from_slice(&[0, 5]);
    packets.extend_from_slice(TOPIC);
    packets.extend_from_slice(payload);
}

/// A client whose messages nobody acknowledges.
struct Publisher;

impl Publishing for Publisher {
    fn hello(&self) -> Vec<u8> {
        CONNECT.to_vec()
    }

    fn encode(&mut self, sequences: &[u64], padding: usize, requests: &mut Vec<u8>) -> u64 {
        for body in bodies(sequences, padding) {
            publish(body.as_bytes(), requests);
        }
        0
    }

    fn take(&mut self, received: &[u8], _: &mut Vec<u8>) -> Result<Answers, String> {
        let mut answers = Answers::default();
        while let Some((_, taken)) = read(&received[answers.bytes..])? {
            answers.bytes += taken;
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

    /// An event of so many bytes more than its number.
    fn packet(number: u64, padding: usize) -> Vec<u8> {
        let mut packet = Vec::new();
        let payload = format!("{{{}}}{}", sequence_field(number), "x".repeat(padding));
        publish(payload.as_bytes(), &mut packet);
        packet
    }

    #[test]
    fn packets_are_counted_however_they_are_cut() {
        // Lengths of one byte and of two.
        let events = [packet(0, 0), packet(1, 200), packet(2, 16_500)];
        let lengths = events.each_ref().map(Vec::len);
        assert_eq!(lengths, [31, 232, 16_533]);
        let parts: Vec<&[u8]> = [&b"\x20\x02\x00\x00"[..], b"\x90\x03\x00\x01\x00"]
            .into_iter()
            .chain(events[..2].iter().map(Vec::as_slice))
            .collect();
        let event = |number: usize| Some((number as u64, lengths[number]));
        let expected = (vec![None, event(0), event(1)], Vec::new());
        assert_told(|| decoder(false), &parts.concat(), &expected);
        let each: Vec<Vec<u8>> = parts.iter().map(|part| frame(0x82, part)).collect();
        assert_told(|| decoder(true), &each.concat(), &expected);
        let one = frame(0x82, &parts.concat());
        assert_told(|| decoder(true), &one, &expected);
        let long = told(decoder(false), events[2].chunks(1_000));
        assert_eq!(long, Ok((vec![event(2)], Vec::new())));
    }

    #[test]
    fn what_is_refused_is_said() {
        let cases: [&[u8]; 5] = [
            b"\x20\x02\x00\x05",
            b"\x90\x03\x00\x01\x80",
            b"\x30\x03\x00\x05p",
            b"\xd0\x00",
            b"\x30\xff\xff\xff\xff",
        ];
        for bytes in cases {
            assert!(told(decoder(false), [bytes]).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn the_peers_start_and_are_heard() {
        hears_every_event(PEER);
        hears_every_event(PEER_TCP);
    }
}
