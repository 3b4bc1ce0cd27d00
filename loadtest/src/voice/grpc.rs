//! gRPC streams, many on one connection: every stream's every event is looked at, since its
//! sequence is always at the same place.

use std::net::SocketAddr;

use super::{Event, Heard, Voice};
use crate::fault::Fault;
use crate::frames::sequence_after;
use crate::rpc::STREAM;
use crate::rpc::connection::{Brought, Connection};
use crate::rpc::message::{self, MessageReader, SEQUENCE_MARKER, Told};

/// A stream, as far as its messages have come.
#[derive(Debug, Default)]
struct Stream {
    reader: MessageReader,
    is_subscribed: bool,
}

/// The connection: its first stream is 1, the second 3 and so on.
#[derive(Debug)]
pub(crate) struct GrpcVoice {
    host: String,
    connection: Connection,
    streams: Vec<Stream>,
    /// Where in an event its sequence was last.
    at: usize,
}

impl GrpcVoice {
    /// So many streams, each a subscriber.
    pub(crate) fn new(address: SocketAddr, streams: usize) -> Self {
        let host = address.to_string();
        Self {
            connection: Connection::new(STREAM, &host),
            host,
            streams: (0..streams).map(|_| Stream::default()).collect(),
            at: 0,
        }
    }
}

impl Voice for GrpcVoice {
    fn subscribers(&self) -> usize {
        self.streams.len()
    }

    fn hello(&mut self, request: &mut Vec<u8>) {
        self.connection = Connection::new(STREAM, &self.host);
        let subscribe = message::subscribe();
        for stream in &mut self.streams {
            *stream = Stream::default();
            let id = self.connection.call();
            self.connection.say(id, &subscribe, false);
        }
        request.append(self.connection.unsent());
    }

    fn feed<F>(&mut self, bytes: &[u8], replies: &mut Vec<u8>, each: &mut F) -> Result<(), Fault>
    where
        F: FnMut(usize, Heard<'_>) -> Result<(), String>,
    {
        let (streams, at) = (&mut self.streams, &mut self.at);
        self.connection.feed(bytes, |id, brought| {
            let place = (id / 2) as usize;
            let stream = streams.get_mut(place).ok_or("is not ours");
            let heard = stream
                .map_err(str::to_owned)
                .and_then(|stream| stream.feed(brought, at, &mut |heard| each(place, heard)));
            heard.map_err(|why| format!("stream {id}: {why}"))
        })?;
        replies.append(self.connection.unsent());
        Ok(())
    }
}

impl Stream {
    fn feed(
        &mut self,
        brought: Brought<'_>,
        at: &mut usize,
        each: &mut impl FnMut(Heard<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let bytes = brought.data()?;
        let is_subscribed = &mut self.is_subscribed;
        self.reader
            .feed(bytes, |message| match Told::read(message)? {
                Told::Subscribed if std::mem::replace(is_subscribed, true) => {
                    Err("is subscribed twice".to_owned())
                }
                Told::Subscribed => each(Heard::Opened),
                Told::Event(event) => {
                    let sequence = sequence_after(SEQUENCE_MARKER, event, at);
                    each(Heard::Event(Event {
                        sequence: Some(sequence.ok_or("an event without a sequence number")?),
                        bytes: message.len(),
                        ..Event::default()
                    }))
                }
                other => Err(format!("heard {other:?}")),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::http2::encode_data;
    use crate::rpc::message::{Template, told_event, told_subscribed};
    use crate::voice::{told, told_however_cut};

    fn voice() -> GrpcVoice {
        GrpcVoice::new(SocketAddr::from(([127, 0, 0, 1], 1)), 2)
    }

    /// What a server says on a stream.
    fn said(stream: u32, message: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        encode_data(stream, message, false, &mut frame);
        frame
    }

    #[test]
    fn each_stream_is_a_subscriber() {
        assert_eq!(voice().subscribers(), 2);
        let mut template = Template::new(128, false);
        let transcript = [
            said(3, &told_subscribed()),
            said(3, &told_event(template.numbered(7))),
            said(1, &told_subscribed()),
            said(1, &told_event(template.numbered(8))),
        ];
        let (told, _, fed) = told_however_cut(voice, &transcript.concat());
        assert_eq!((told.len(), fed), (4, Ok(())));
        assert_eq!((&*told[0], &*told[2]), ("1 Opened", "0 Opened"));
        assert!(told[1].starts_with("1 Event") && told[1].contains("Some(7)"));
        assert!(told[3].starts_with("0 Event") && told[3].contains("Some(8)"));
    }

    #[test]
    fn what_is_not_as_asked_is_noticed() {
        let twice = [said(1, &told_subscribed()), said(1, &told_subscribed())].concat();
        let mut end = Vec::new();
        encode_data(1, b"", true, &mut end);
        for (bytes, word) in [
            (twice, "twice"),
            (said(5, &told_subscribed()), "not ours"),
            (end, "ended"),
        ] {
            let why = told(voice(), [&*bytes]).2.expect_err("refused").to_string();
            assert!(why.contains(word), "{why}");
        }
    }
}
