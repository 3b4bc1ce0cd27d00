//! Whatever an independent client sends comes out, and whatever comes in does no harm.

use std::io::{Cursor, ErrorKind, Read, Result, Write};

use bytes::{Bytes, BytesMut};
use fanfare::protocol::websocket::{
    CloseCode, encode_binary, encode_close, encode_ping, encode_pong, encode_text,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tungstenite::protocol::Role;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode as ClientCloseCode, Data, OpCode};
use tungstenite::{Message, WebSocket};

use super::*;

/// Both directions of a connection that has no peer.
#[derive(Debug, Default)]
struct Memory {
    sent: Vec<u8>,
    incoming: Cursor<Vec<u8>>,
}

impl Read for Memory {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        match self.incoming.read(buf)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Memory {
    fn write(&mut self, buf: &[u8]) -> Result<usize> {
        self.sent.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A data message with the places where it is cut into fragments; before each fragment but the
/// first, a ping may come.
#[derive(Clone, Debug)]
struct Sent {
    message: Heard,
    cuts: Vec<(Index, Option<Vec<u8>>)>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let payload = prop_oneof![4 => vec(any::<u8>(), 0..300), 1 => vec(any::<u8>(), 60_000..70_000)];
    let message = prop_oneof![
        any::<String>().prop_map(Heard::Text),
        payload.prop_map(Heard::Binary),
    ];
    let ping = prop::option::of(vec(any::<u8>(), 0..=125));
    (message, vec((any::<Index>(), ping), 0..4)).prop_map(|(message, cuts)| Sent { message, cuts })
}

/// Sends with the client and notes what a server should hear.
fn send(client: &mut WebSocket<Memory>, sent: &Sent, expected: &mut Vec<Heard>) {
    let (payload, first) = match &sent.message {
        Heard::Text(text) => (text.as_bytes(), Data::Text),
        Heard::Binary(payload) => (&payload[..], Data::Binary),
        other => panic!("not a data message: {other:?}"),
    };
    let mut cuts: Vec<(usize, Option<Vec<u8>>)> = sent
        .cuts
        .iter()
        .map(|(cut, ping)| (cut.index(payload.len() + 1), ping.clone()))
        .collect();
    cuts.sort();
    cuts.push((payload.len(), None));
    let mut start = 0;
    let last = cuts.len() - 1;
    for (i, (end, ping)) in cuts.into_iter().enumerate() {
        let opcode = OpCode::Data(if i == 0 { first } else { Data::Continue });
        let fragment = Bytes::copy_from_slice(&payload[start..end]);
        let frame = Frame::message(fragment, opcode, i == last);
        client.send(Message::Frame(frame)).expect("sent");
        if let Some(ping) = ping {
            client
                .send(Message::Ping(ping.clone().into()))
                .expect("sent");
            expected.push(Heard::Ping(ping));
        }
        start = end;
    }
    expected.push(sent.message.clone());
}

/// Bytes that get far: mostly masked frames with plausible first bytes, whose lengths may lie.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => select(vec![0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x89, 0x8a]),
        1 => any::<u8>(),
    ];
    let second = prop_oneof![6 => 0x80u8..0x90, 2 => 0xfcu8..=0xff, 1 => any::<u8>()];
    let chunk = (first, second, vec(any::<u8>(), 0..40));
    vec(chunk, 0..12).prop_map(|chunks| {
        let mut bytes = Vec::new();
        for (first, second, rest) in chunks {
            bytes.extend([first, second]);
            let honest = usize::from(second & 0x7f) + 4;
            bytes.extend(
                rest.iter()
                    .cycle()
                    .take(if rest.is_empty() { 0 } else { honest }),
            );
        }
        bytes
    })
}

fn sorted(cuts: &[Index], length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn what_a_client_sends_is_heard(
        messages in vec(sent(), 0..5),
        bye in prop::option::of((3000u16..5000, "[a-zé]{0,40}")),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let mut client = WebSocket::from_raw_socket(Memory::default(), Role::Client, None);
        let mut expected = Vec::new();
        for message in &messages {
            send(&mut client, message, &mut expected);
        }
        let frame = bye.as_ref().map(|(code, reason)| CloseFrame {
            code: ClientCloseCode::from(*code),
            reason: reason.as_str().into(),
        });
        client.close(frame).expect("closed");
        expected.push(Heard::Close(bye));
        let bytes = &client.get_ref().sent;
        let heard = hear(bytes, sorted(&cuts, bytes.len()), MESSAGE_BYTES_MAX);
        prop_assert_eq!(heard, expected);
    }

    #[test]
    fn what_a_server_sends_is_heard(
        messages in vec(sent(), 0..5),
        control in vec(any::<u8>(), 0..=125),
        reason in "[a-z🎺]{0,60}",
    ) {
        let mut out = BytesMut::new();
        for Sent { message, .. } in &messages {
            match message {
                Heard::Text(text) => encode_text(&mut out, text.as_bytes()),
                Heard::Binary(payload) => encode_binary(&mut out, payload),
                other => panic!("not a data message: {other:?}"),
            }
        }
        encode_ping(&mut out, &control);
        encode_pong(&mut out, &control);
        encode_close(&mut out, CloseCode::TRY_AGAIN_LATER, &reason);

        let incoming = Cursor::new(out.to_vec());
        let memory = Memory { incoming, ..Memory::default() };
        let mut client = WebSocket::from_raw_socket(memory, Role::Client, None);
        for Sent { message, .. } in messages {
            let expected = match message {
                Heard::Text(text) => Message::text(text),
                Heard::Binary(payload) => Message::binary(payload),
                other => panic!("not a data message: {other:?}"),
            };
            prop_assert_eq!(client.read().expect("a message"), expected);
        }
        prop_assert_eq!(client.read().expect("a ping"), Message::Ping(control.clone().into()));
        prop_assert_eq!(client.read().expect("a pong"), Message::Pong(control.into()));
        let Message::Close(Some(bye)) = client.read().expect("a close") else {
            panic!("not a close frame");
        };
        prop_assert_eq!(u16::from(bye.code), 1013);
        prop_assert!(reason.starts_with(bye.reason.as_str()));
        prop_assert!(bye.reason.len() == reason.len() || bye.reason.len() > 119);
    }

    /// The listener asserts that memory follows what was received.
    #[test]
    fn whatever_comes_in_does_no_harm(
        bytes in prop_oneof![hostile(), vec(any::<u8>(), 0..400)],
        cuts in vec(any::<Index>(), 0..12),
        message_bytes_max in select(vec![0, 1, 50, MESSAGE_BYTES_MAX]),
    ) {
        let whole = hear(&bytes, [], message_bytes_max);
        let cut = hear(&bytes, sorted(&cuts, bytes.len()), message_bytes_max);
        let byte_by_byte = hear(&bytes, 1..bytes.len().max(1), message_bytes_max);
        prop_assert_eq!(&cut, &whole);
        prop_assert_eq!(&byte_by_byte, &whole);
        let failures = whole.iter().filter(|heard| matches!(heard, Heard::Failed(_)));
        prop_assert!(failures.count() <= 1, "nothing is heard after a failure");
    }
}
