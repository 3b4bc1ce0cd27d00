//! How each form tells of holes, epochs and openings; events and heads are the reader's tests.

use super::*;
use crate::websocket::encode_text;

const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nFanfare-Epoch: e1\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A text frame of at most 125 bytes.
fn text(payload: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, u8::try_from(payload.len()).expect("short")];
    bytes.extend_from_slice(payload.as_bytes());
    bytes
}

/// What is heard, fed byte by byte and as a whole, which must agree; and what is said.
fn hear(kind: Kind, bytes: &[u8]) -> (Vec<String>, Vec<u8>) {
    let outcome = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut listener, mut replies) = (Listener::new(kind, "s"), Vec::new());
        let mut all = Vec::new();
        for piece in pieces {
            let fed = listener.feed(piece, &mut replies, |heard| {
                all.push(match heard {
                    Heard::Event { number, .. } => format!("{number:?}"),
                    Heard::Epoch(epoch) => epoch.to_owned(),
                    other => format!("{other:?}"),
                });
                Ok(())
            });
            fed.expect("sound");
        }
        (all, replies)
    };
    let whole = outcome(&mut std::iter::once(bytes));
    assert_eq!(outcome(&mut bytes.chunks(1)), whole);
    whole
}

fn gap(first: u64, last: u64) -> String {
    format!("{:?}", Heard::Hole(Hole::Range { first, last }))
}

fn reset() -> String {
    format!("{:?}", Heard::Hole(Hole::Reset))
}

#[test]
fn polls_tell_in_fields() {
    let answer = |gap: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nFanfare-Epoch: e1\r\n{gap}Content-Length: 33\r\n\r\n{}",
            r#"[{"type":1,"data":1,"number":12}]"#
        )
    };
    let heard = |text: &str| hear(Kind::Poll, text.as_bytes()).0;
    let event = "Some(12)";
    assert_eq!(heard(&answer("")), ["e1", event, "Answered"]);
    let ranged = answer("Fanfare-Gap: 3-11\r\n");
    assert_eq!(heard(&ranged), ["e1", &*gap(3, 11), event, "Answered"]);
    let again = answer("Fanfare-Gap: reset\r\n");
    assert_eq!(heard(&again), ["e1", &*reset(), event, "Answered"]);
    assert_eq!(parse_gap("9-3"), None);
    assert_eq!(parse_gap("9"), None);
}

#[test]
fn streams_tell_in_events() {
    let bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nFanfare-Epoch: e1\r\n\r\n\
        event: fanfare:gap\ndata: {\"from\":0,\"to\":1}\n\nid: e1:2\ndata: 1\n\n: still here\n\n\
        event: fanfare:gap\ndata: {\"reset\":true}\n\n";
    let (heard, _) = hear(Kind::Sse, bytes.as_bytes());
    assert_eq!(heard, ["e1", "Opened", &*gap(0, 1), "Some(2)", &*reset()]);
}

#[test]
fn sockets_tell_in_messages() {
    let mut bytes = UPGRADE.as_bytes().to_vec();
    bytes.extend(text(r#"{"type":"fanfare:gap","data":{"from":3,"to":4}}"#));
    bytes.extend(text(r#"{"type":"x","data":{"number":9},"number":5}"#));
    let (heard, _) = hear(Kind::Websocket, &bytes);
    assert_eq!(heard, ["e1", "Opened", &*gap(3, 4), "Some(5)"]);
    let mut bytes = UPGRADE.replace("Fanfare-Epoch: e1\r\n", "").into_bytes();
    bytes.extend(text(
        r#"{"action":"welcome","data":{"epoch":"e2","next":4}}"#,
    ));
    bytes.extend(text(r#"{"action":"gap","data":{"reset":true}}"#));
    bytes.extend(text(r#"{"action":"subscribed","ref":1}"#));
    let (heard, replies) = hear(Kind::Room, &bytes);
    assert_eq!(heard, ["e2", &*reset(), "Opened"]);
    assert!(!replies.is_empty());
}

#[test]
fn who_filters_is_open_once_that_is_answered() {
    let mut bytes = UPGRADE.replace("Fanfare-Epoch: e1\r\n", "").into_bytes();
    let mut expected = Vec::new();
    encode_text(&Kind::Live.hello("s").expect("a filter"), &mut expected);
    bytes.extend(text(r#"{"type":"probe","time":1}"#));
    assert_eq!(hear(Kind::Live, &bytes), (Vec::new(), expected));
    bytes.extend(text(
        r#"{"type":"filterResponse","success":true,"filters":1}"#,
    ));
    bytes.extend(text(r#"{"type":"probe","time":1,"number":7}"#));
    bytes.extend(text(r#"{"type":"fanfare:dropped","count":3}"#));
    let (heard, _) = hear(Kind::Live, &bytes);
    let dropped = format!("{:?}", Heard::Hole(Hole::Dropped(3)));
    assert_eq!(heard, ["Opened", "None", &*dropped]);
    let mut listener = Listener::new(Kind::Live, "s");
    let refused = [
        UPGRADE.as_bytes(),
        &text(r#"{"type":"filterResponse","success":false}"#),
    ];
    let fed = listener.feed(&refused.concat(), &mut Vec::new(), |_| Ok(()));
    assert_eq!(fed, Err(ReaderError::Event));
}
