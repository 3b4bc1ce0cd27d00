//! The floor: what the kernel alone takes to hand the same bytes to the same number of sockets.
//!
//! Two helper processes of this program (each may open as many descriptors as the probe): a sender
//! on the server's core that does nothing but `send()` in a loop, and a reader on the probe's core,
//! which polls it with the very code that polls the server: a reader that is faster or slower would
//! have to be woken more or less often, and the sender would pay. The sender measures its own
//! thread's cpu, while it sends only. Helpers are told what to do in lines on standard input
//! and answer in lines on standard output; they end when their input does.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::failure::{During, Failure};
use crate::fleet::kinds::readers;
use crate::fleet::kinds::subscribers;
use crate::kind::Kind;
use crate::load::Subscribed;
use crate::machine::{pin, reserve_descriptors, thread_cpu};
use crate::pump::Pump;
use crate::voice::frame::Opening;

/// Where requests are received, to be forgotten.
const SCRATCH_BYTES: usize = 4 * 1024;

/// How many sockets, on which core.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct HelperArgs {
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    core: usize,
    /// Where the sender listens; only for the reader.
    #[arg(long)]
    address: Option<SocketAddr>,
    /// Read WebSocket frames, at most so many from each socket at a time, instead of answers.
    #[arg(long)]
    frames: Option<usize>,
}

/// Sender and reader, connected to each other.
#[derive(Debug)]
pub(crate) struct Floor {
    sender: Helper,
    reader: Helper,
    connections: u64,
}

impl Floor {
    /// Starts both and connects them `connections` times. The reader reads answers to polls, or at
    /// most so many WebSocket frames from each socket at a time.
    pub(crate) fn open(
        connections: usize,
        sender_core: usize,
        reader_core: usize,
        frames: Option<usize>,
    ) -> Result<Self, Failure> {
        let mut sender = Helper::start("floor-sender", connections, sender_core, &[])?;
        let mut options = vec!["--address".to_owned(), sender.hear()?];
        options.extend(frames.map(|frames| format!("--frames={frames}")));
        let mut reader = Helper::start("floor-reader", connections, reader_core, &options)?;
        // The reader first: without it the sender would wait for ever.
        for helper in [&mut reader, &mut sender] {
            helper.expect("ready")?;
        }
        Ok(Self {
            sender,
            reader,
            connections: connections as u64,
        })
    }

    /// Lets the reader ask on every socket, and the sender take the requests in. The sockets are
    /// then as warm as those of a server that has just parked its polls.
    pub(crate) fn ask(&mut self) -> Result<(), Failure> {
        self.reader.say("ask")?;
        self.reader.expect("asked")?;
        self.sender.say("")?;
        self.sender.expect("taken")
    }

    /// Sends an answer on every socket, and returns the sender's cpu for each once all are
    /// received.
    pub(crate) fn answer(&mut self, answer: &[u8]) -> Result<Duration, Failure> {
        self.send(answer, 1)
    }

    /// Sends `bytes`, which are so many answers or frames, in one write on every socket, and
    /// returns the sender's cpu for each write once all are received.
    pub(crate) fn send(&mut self, bytes: &[u8], count: u64) -> Result<Duration, Failure> {
        self.reader.say(&format!("receive {count}"))?;
        self.sender.say(&encode_hex(bytes))?;
        let nanos: f64 = self.sender.hear()?.parse().during("the floor's sender")?;
        self.reader.expect("received")?;
        Ok(Duration::from_secs_f64(
            nanos / 1e9 / self.connections as f64,
        ))
    }
}

#[derive(Debug)]
struct Helper {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Helper {
    fn start(
        role: &str,
        connections: usize,
        core: usize,
        options: &[String],
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe().during("finding this program")?;
        let mut command = Command::new(program);
        command.args([role, "--connections", &connections.to_string()]);
        command.args(["--core", &core.to_string()]);
        command.args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().during(role)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(Self {
                child,
                stdin,
                stdout: BufReader::new(stdout),
            }),
            _ => Err(Failure::new("a helper without pipes")),
        }
    }

    fn say(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.stdin, "{line}").during("telling a helper")
    }

    fn hear(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .during("listening to a helper")?;
        if line.is_empty() {
            return Err(Failure::new("a helper of the floor has failed"));
        }
        Ok(line.trim().to_owned())
    }

    fn expect(&mut self, word: &str) -> Result<(), Failure> {
        let found = self.hear()?;
        if found == word {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "a helper said {found} instead of {word}"
            )))
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It has nothing to lose, and may be waiting for a peer that never came.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sender's process: for an empty line on standard input it takes one request from every
/// socket, for an answer it sends it to every socket.
pub(crate) fn send(args: HelperArgs) -> Result<(), Failure> {
    pin(args.core)?;
    reserve_descriptors(args.connections)?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).during("the floor's sender")?;
    say(listener.local_addr().during("the floor's sender")?)?;
    let mut streams = Vec::with_capacity(args.connections);
    while streams.len() < args.connections {
        let (stream, _) = listener.accept().during("the floor's sender")?;
        stream.set_nodelay(true).during("the floor's sender")?;
        streams.push(stream);
    }
    take_requests(&mut streams)?;
    say("ready")?;
    for line in io::stdin().lines() {
        let line = line.during("standard input")?;
        if line.is_empty() {
            take_requests(&mut streams)?;
            say("taken")?;
            continue;
        }
        let answer =
            decode_hex(&line).ok_or_else(|| Failure::new("the floor's sender: not hexadecimal"))?;
        let before = thread_cpu()?;
        for stream in &mut streams {
            stream.write_all(&answer).during("the floor's sender")?;
        }
        say(thread_cpu()?.saturating_sub(before).as_nanos())?;
    }
    Ok(())
}

/// One request from each, to be forgotten.
fn take_requests(streams: &mut [TcpStream]) -> Result<(), Failure> {
    let mut scratch = [0; SCRATCH_BYTES];
    for stream in streams {
        if stream.read(&mut scratch).during("the floor's sender")? == 0 {
            return Err(Failure::new("the floor's sender: the reader has gone"));
        }
    }
    Ok(())
}

/// The reader's process: told to `ask` it sends all requests, told to `receive` it waits until all
/// are answered.
pub(crate) fn receive(args: HelperArgs) -> Result<(), Failure> {
    pin(args.core)?;
    reserve_descriptors(args.connections)?;
    let address = args
        .address
        .ok_or_else(|| Failure::new("the floor's reader: --address"))?;
    match args.frames {
        None => receive_answers(address, args.connections),
        Some(frames) => receive_frames(address, args.connections, frames),
    }
}

fn receive_answers(address: SocketAddr, connections: usize) -> Result<(), Failure> {
    let mut fleet = readers(address, Kind::Poll, connections, |_| "floor".to_owned())?;
    say("ready")?;
    for line in io::stdin().lines() {
        let line = line.during("standard input")?;
        if line == "ask" {
            fleet.ask_again()?;
            say("asked")?;
            continue;
        }
        let wanted = fleet.check().totals().answers + parse_count(&line)? * fleet.count();
        fleet.pump_until("the floor's sender has sent", |fleet| {
            fleet.check().totals().answers >= wanted
        })?;
        say("received")?;
    }
    Ok(())
}

fn receive_frames(
    address: SocketAddr,
    connections: usize,
    frames_max: usize,
) -> Result<(), Failure> {
    let mut fleet = subscribers(address, Opening::default(), connections, frames_max)?;
    say("ready")?;
    for line in io::stdin().lines() {
        fleet.start(parse_count(&line.during("standard input")?)?)?;
        fleet.hear()?;
        say("received")?;
    }
    Ok(())
}

/// How many answers or frames from each socket `receive <count>` asks for.
fn parse_count(line: &str) -> Result<u64, Failure> {
    let count = line
        .strip_prefix("receive ")
        .and_then(|count| count.parse().ok());
    count.ok_or_else(|| Failure::new(format!("the floor's reader was told {line}")))
}

fn say(word: impl std::fmt::Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{word}")
        .and_then(|()| stdout.flush())
        .during("answering the probe")
}

fn encode_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_the_pipe() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode_hex(&encode_hex(&bytes)), Some(bytes));
        assert_eq!(decode_hex("0d0A"), Some(vec![13, 10]));
        for text in ["0", "0g", "+1", "\u{fe}"] {
            assert_eq!(decode_hex(text), None, "{text}");
        }
    }
}
