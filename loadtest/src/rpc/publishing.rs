//! Publishing over gRPC: on one stream that stays open, or by unary calls, each on a stream of its
//! own.
//!
//! A call is good when it brings one message with an id and then ends: an error has no message.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::connection::{Brought, Connection};
use super::message::{self, MessageReader, Template, Told};
use super::{PUBLISH, STREAM};
use crate::publisher::{Answers, Publishing};

/// Events on one stream.
#[derive(Debug)]
pub(crate) struct StreamPublishing {
    connection: Connection,
    template: Template,
    reader: MessageReader,
    stream: u32,
}

impl StreamPublishing {
    /// Publishes payloads of so many bytes as compact JSON.
    pub(crate) fn new(address: SocketAddr, payload_bytes: usize) -> Self {
        let mut connection = Connection::new(STREAM, &address.to_string());
        let stream = connection.call();
        Self {
            connection,
            template: Template::new(payload_bytes, true),
            reader: MessageReader::default(),
            stream,
        }
    }
}

impl Publishing for StreamPublishing {
    fn encode(&mut self, sequences: &[u64], _: usize, requests: &mut Vec<u8>) -> u64 {
        for &sequence in sequences {
            let message = self.template.numbered(sequence);
            self.connection.say(self.stream, message, false);
        }
        requests.append(self.connection.unsent());
        sequences.len() as u64
    }

    fn take(&mut self, received: &[u8], replies: &mut Vec<u8>) -> Result<Answers, String> {
        let (reader, mut count) = (&mut self.reader, 0);
        self.connection.feed(received, |_, brought| {
            reader.feed(brought.data()?, |message| match Told::read(message)? {
                Told::Published => {
                    count += 1;
                    Ok(())
                }
                other => Err(format!("heard {other:?}")),
            })
        })?;
        replies.append(self.connection.unsent());
        let bytes = received.len();
        Ok(Answers { count, bytes })
    }
}

/// A call that is not over.
#[derive(Debug)]
struct Call {
    start: Instant,
    reader: MessageReader,
    answers: u32,
}

/// Each event by a call of its own.
#[derive(Debug)]
pub(crate) struct UnaryPublishing {
    connection: Connection,
    template: Template,
    calls: HashMap<u32, Call>,
    /// Microseconds of every call that is over.
    micros: Vec<u32>,
}

impl UnaryPublishing {
    /// Publishes payloads of so many bytes as compact JSON.
    pub(crate) fn new(address: SocketAddr, payload_bytes: usize) -> Self {
        Self {
            connection: Connection::new(PUBLISH, &address.to_string()),
            template: Template::new(payload_bytes, false),
            calls: HashMap::new(),
            micros: Vec::new(),
        }
    }

    /// The microseconds of every call since this was asked last.
    pub(crate) fn take_micros(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.micros)
    }
}

impl Publishing for UnaryPublishing {
    fn encode(&mut self, sequences: &[u64], _: usize, requests: &mut Vec<u8>) -> u64 {
        for &sequence in sequences {
            let call = Call {
                start: Instant::now(),
                reader: MessageReader::default(),
                answers: 0,
            };
            let stream = self.connection.call();
            let message = self.template.numbered(sequence);
            self.connection.say(stream, message, true);
            self.calls.insert(stream, call);
        }
        requests.append(self.connection.unsent());
        sequences.len() as u64
    }

    fn take(&mut self, received: &[u8], replies: &mut Vec<u8>) -> Result<Answers, String> {
        let (calls, micros) = (&mut self.calls, &mut self.micros);
        let before = micros.len();
        self.connection.feed(received, |stream, brought| {
            let answered = answer(calls, micros, stream, brought);
            answered.map_err(|why| format!("stream {stream}: {why}"))
        })?;
        replies.append(self.connection.unsent());
        let (count, bytes) = ((micros.len() - before) as u64, received.len());
        Ok(Answers { count, bytes })
    }
}

fn answer(
    calls: &mut HashMap<u32, Call>,
    micros: &mut Vec<u32>,
    stream: u32,
    brought: Brought<'_>,
) -> Result<(), String> {
    if brought != Brought::Ended {
        let call = calls.get_mut(&stream).ok_or("is not ours")?;
        let answers = &mut call.answers;
        return call.reader.feed(brought.data()?, |message| {
            *answers += 1;
            let is_sound = message::has_id(message);
            is_sound
                .then_some(())
                .ok_or_else(|| "an answer has no id".to_owned())
        });
    }
    let call = calls.remove(&stream).ok_or("is not ours")?;
    if call.answers != 1 {
        return Err(format!("brought {} answers", call.answers));
    }
    let taken = call.start.elapsed().as_micros();
    micros.push(u32::try_from(taken).unwrap_or(u32::MAX));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::http2::encode_data;
    use crate::rpc::message::told_published;

    const ADDRESS: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    /// What a server brings on a stream.
    fn brought(stream: u32, message: &[u8], ends: bool) -> Vec<u8> {
        let mut frame = Vec::new();
        encode_data(stream, message, ends, &mut frame);
        frame
    }

    #[test]
    fn a_stream_is_answered_event_by_event() {
        let mut publishing = StreamPublishing::new(ADDRESS, 128);
        let mut requests = Vec::new();
        assert_eq!(publishing.encode(&[1, 2], 0, &mut requests), 2);
        assert!(requests.starts_with(b"PRI * HTTP/2.0"));
        let two = brought(1, &told_published(true).repeat(2), false);
        let (head, tail) = two.split_at(20);
        let mut take = |bytes: &[u8]| publishing.take(bytes, &mut Vec::new());
        let counts = [head, tail].map(|bytes| take(bytes).map(|answers| answers.count));
        let sum: Result<u64, String> = counts.into_iter().sum();
        assert_eq!(sum, Ok(2));
        assert!(take(&brought(1, b"", true)).is_err(), "it is over");
    }

    #[test]
    fn a_call_is_good_when_it_brings_an_id_and_ends() {
        let publishing = || {
            let mut publishing = UnaryPublishing::new(ADDRESS, 128);
            publishing.encode(&[1], 0, &mut Vec::new());
            publishing
        };
        let answer = told_published(false);
        let mut sound = publishing();
        let taken = sound.take(&brought(1, &answer, true), &mut Vec::new());
        assert_eq!(taken.map(|answers| answers.count), Ok(1));
        assert_eq!(sound.take_micros().len(), 1);
        for wrong in [brought(1, b"", true), brought(3, &answer, true)] {
            assert!(publishing().take(&wrong, &mut Vec::new()).is_err());
        }
    }
}
