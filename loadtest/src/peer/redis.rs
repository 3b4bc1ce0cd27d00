//! Redis: a channel of its publish/subscribe, over plain TCP, which is all it has.
//!
//! Settings: nothing is saved, what a subscriber has not taken may wait without a bound, and one
//! thread does everything (`io-threads 1`): others would share its core. PUBLISH is pipelined, and
//! its answer says how many were sent the event. The protocol:
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>, RESP2.

use std::path::PathBuf;
use std::process::Command;

use super::decoder::{EventDecoder, Message};
use super::process::{Process, folder, version};
use super::server::{Peer, Running, Subscribing};
use crate::failure::Failure;
use crate::publisher::{Answers, Publishing, bodies};
use crate::target::free_address;

/// Its name.
const NAME: &str = "redis";
/// Its program.
const PROGRAM: &str = "redis-server";
/// Longest line that is read: errors are sentences.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// Subscribers on plain TCP.
pub(crate) const PEER: Peer = Peer {
    name: NAME,
    missing: || installed().err(),
    start,
};

fn installed() -> Result<PathBuf, String> {
    super::installed(PROGRAM, "apt-get install redis-server")
}

fn start(core: usize) -> Result<Running, Failure> {
    let redis = installed().map_err(Failure::new)?;
    let address = free_address()?;
    let mut command = Command::new(&redis);
    command.args(["--bind", &address.ip().to_string()]);
    command.args(["--port", &address.port().to_string()]);
    command.args(["--save", "", "--appendonly", "no", "--io-threads", "1"]);
    command.args(["--client-output-buffer-limit", "pubsub 0 0 0"]);
    command.args(["--maxclients", "18000"]);
    let process = Process::start(command, folder()?, core, &[address])?;
    // The rest is hashes of how it was built.
    let version = version(&redis, "--version");
    let version = version.split(" sha=").next().unwrap_or_default();
    Ok(Running {
        pids: vec![process.pid],
        banner: format!("{NAME} is {version}, plain TCP on {address}, io-threads 1"),
        subscribing: Subscribing {
            address,
            handshake: None,
            hello: b"*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\nprobe\r\n".to_vec(),
            is_confirmed: true,
        },
        decoder,
        publisher: (address, |_| Box::new(Publisher)),
        process: Box::new(process),
    })
}

fn decoder() -> EventDecoder {
    EventDecoder::new(read, false, b"")
}

/// Reads what is pushed to a subscriber: three elements, of which the first is a word and the last
/// a payload, or how many channels it is subscribed to.
fn read(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, String> {
    let mut rest = bytes;
    let mut next = || -> Result<Option<&[u8]>, String> {
        let Some((element, used)) = element(rest)? else {
            return Ok(None);
        };
        rest = &rest[used..];
        Ok(Some(element))
    };
    let Some(count) = next()? else {
        return Ok(None);
    };
    if count != b"*3" {
        return Err(format!("not a push: {}", count.escape_ascii()));
    }
    let (Some(word), Some(_channel), Some(last)) = (next()?, next()?, next()?) else {
        return Ok(None);
    };
    let message = match word {
        b"message" => Message::Event(last),
        b"subscribe" => Message::Subscribed,
        word => return Err(format!("pushed: {}", word.escape_ascii())),
    };
    Ok(Some((message, bytes.len() - rest.len())))
}

/// Reads a bulk string, or a line with the byte that says what it is; and how many bytes it took.
fn element(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, String> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        // Bulk strings begin with a short line, too.
        if bytes.len() > LINE_BYTES_MAX {
            return Err("an endless line".to_owned());
        }
        return Ok(None);
    };
    let (line, start) = (bytes[..end].trim_ascii_end(), end + 1);
    match line.split_first() {
        Some((b'$', digits)) => {
            let length = str::from_utf8(digits).ok();
            let length = length.and_then(|digits| digits.parse::<u32>().ok());
            let length = length.ok_or_else(|| format!("a string of {}", digits.escape_ascii()))?;
            let end = start + usize::try_from(length).map_err(|error| error.to_string())?;
            let whole = bytes.get(start..end + 2);
            Ok(whole.map(|whole| (&whole[..whole.len() - 2], end + 2)))
        }
        Some((b'-', why)) => Err(String::from_utf8_lossy(why).into_owned()),
        _ => Ok(Some((line, start))),
    }
}

/// A client whose commands are answered in order, each with the number of subscribers.
struct Publisher;

impl Publishing for Publisher {
    fn encode(&mut self, sequences: &[u64], padding: usize, requests: &mut Vec<u8>) -> u64 {
        for body in bodies(sequences, padding) {
            let head = format!(
                "*3\r\n$7\r\nPUBLISH\r\n$5\r\nprobe\r\n${}\r\n{body}\r\n",
                body.len()
            );
            requests.extend_from_slice(head.as_bytes());
        }
        sequences.len() as u64
    }

    fn take(&mut self, received: &[u8], _: &mut Vec<u8>) -> Result<Answers, String> {
        let mut answers = Answers::default();
        while let Some((answer, taken)) = element(&received[answers.bytes..])? {
            if !answer.starts_with(b":") {
                return Err(format!("not a number: {}", answer.escape_ascii()));
            }
            answers.count += 1;
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

    fn message(number: u64) -> String {
        // A payload may have line ends.
        let payload = format!("{{{}}}\r\n", sequence_field(number));
        let length = payload.len();
        format!("*3\r\n$7\r\nmessage\r\n$5\r\nprobe\r\n${length}\r\n{payload}\r\n")
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let transcript = format!(
            "*3\r\n$9\r\nsubscribe\r\n$5\r\nprobe\r\n:1\r\n{}{}{}",
            message(0),
            message(1),
            message(2)
        );
        let bytes = message(0).len();
        let told = |number| Some((number, bytes));
        let heard = vec![None, told(0), told(1), told(2)];
        assert_told(decoder, transcript.as_bytes(), &(heard, Vec::new()));
    }

    #[test]
    fn what_is_refused_is_said() {
        let cases = [
            "-ERR unknown command\r\n",
            "*2\r\n",
            "*3\r\n$-1\r\n",
            "*3\r\n$11\r\nunsubscribe\r\n$5\r\nprobe\r\n:0\r\n",
        ];
        for text in cases {
            assert!(told(decoder(), [text.as_bytes()]).is_err(), "{text}");
        }
    }

    #[test]
    fn answers_are_counted_whole() {
        let mut publisher = Publisher;
        let mut requests = Vec::new();
        assert_eq!(publisher.encode(&[7], 0, &mut requests), 1);
        assert!(requests.starts_with(b"*3\r\n$7\r\nPUBLISH\r\n$5\r\nprobe\r\n$"));
        let answers = |count, bytes| Ok(Answers { count, bytes });
        let mut take = |received: &[u8]| publisher.take(received, &mut Vec::new());
        assert_eq!(take(b":1\r\n:1000\r\n:1"), answers(2, 11));
        assert_eq!(take(b""), answers(0, 0));
        assert!(take(b"-NOAUTH\r\n").is_err());
        assert!(take(b"+OK\r\n").is_err());
    }

    #[test]
    fn the_peer_starts_and_is_heard() {
        hears_every_event(PEER);
    }
}
