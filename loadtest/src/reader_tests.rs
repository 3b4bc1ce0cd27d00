//! Readers against transcripts, cut at every byte.

use super::*;

const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn event(number: u64) -> String {
    format!(r#"{{"type":"probe","data":{{"number":99}},"number":{number}}}"#)
}

/// A text frame of at most 125 bytes.
fn text(payload: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, u8::try_from(payload.len()).expect("short")];
    bytes.extend_from_slice(payload.as_bytes());
    bytes
}

/// Feeds a transcript in two pieces, cut everywhere; the results must agree.
fn feed(kind: Kind, bytes: &[u8]) -> (Result<Progress, ReaderError>, Vec<u8>) {
    let whole = feed_pieces(kind, &[bytes]);
    for cut in 1..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(feed_pieces(kind, &[head, tail]), whole, "cut at {cut}");
    }
    whole
}

fn feed_pieces(kind: Kind, pieces: &[&[u8]]) -> (Result<Progress, ReaderError>, Vec<u8>) {
    let mut reader = Reader::new(kind, "s");
    let mut replies = Vec::new();
    let mut total = Progress::default();
    for piece in pieces {
        match reader.feed(piece, &mut replies) {
            Ok(progress) => total += progress,
            Err(error) => return (Err(error), replies),
        }
    }
    (Ok(total), replies)
}

#[test]
fn polls_count_answers_and_events() {
    let two = answer(&format!("[{},{}]", event(5), event(6)));
    let bytes = format!(
        "{two}{}{}",
        answer("[]"),
        answer(&format!("[{}]", event(7)))
    );
    let expected = Progress {
        opened: 0,
        answers: 3,
        events: 3,
        bytes: bytes.len() as u64,
    };
    assert_eq!(feed(Kind::Poll, bytes.as_bytes()).0, Ok(expected));
}

#[test]
fn lost_repeated_and_reordered_events_are_found() {
    for found in [4, 5, 7] {
        let bytes = [text(&event(5)), text(&event(found))].concat();
        let bytes = [UPGRADE.as_bytes(), &bytes].concat();
        let error = ReaderError::Order { expected: 6, found };
        assert_eq!(feed(Kind::Websocket, &bytes).0, Err(error));
    }
}

#[test]
fn gaps_and_refusals_are_errors() {
    let gap = answer("[]").replacen("\r\n", "\r\nFanfare-Gap: 3-4\r\n", 1);
    assert_eq!(feed(Kind::Poll, gap.as_bytes()).0, Err(ReaderError::Gap));
    let refused = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    for kind in [Kind::Poll, Kind::Websocket, Kind::Sse] {
        assert_eq!(
            feed(kind, refused.as_bytes()).0,
            Err(ReaderError::Status(503))
        );
    }
    assert_eq!(
        feed(Kind::Poll, answer("[{}]").as_bytes()).0,
        Err(ReaderError::Event)
    );
    let plain = answer("");
    assert_eq!(
        feed(Kind::Sse, plain.as_bytes()).0,
        Err(ReaderError::NotAccepted)
    );
    let closed = [UPGRADE.as_bytes(), &[0x88, 2, 0x03, 0xe9]].concat();
    assert_eq!(
        feed(Kind::Websocket, &closed).0,
        Err(ReaderError::Closed(1001))
    );
}

#[test]
fn websockets_answer_pings() {
    let bytes = [UPGRADE.as_bytes(), &[0x89, 1, b'p'], &text(&event(0))].concat();
    let (progress, replies) = feed(Kind::Websocket, &bytes);
    let expected = Progress {
        opened: 1,
        answers: 0,
        events: 1,
        bytes: bytes.len() as u64,
    };
    assert_eq!(progress, Ok(expected));
    assert_eq!(replies.len(), 2 + 4 + 1);
}

#[test]
fn event_streams_are_read_chunked_or_not() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    let stream = ":hello\n\nid: 9:0\ndata: 1\n\nid: 9:1\nevent: probe\ndata: 2\n\n";
    let plain = format!("{head}\r\n{stream}");
    let (first, second) = stream.split_at(17);
    let chunks = format!(
        "{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n",
        first.len(),
        second.len()
    );
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    for bytes in [plain, chunked] {
        let expected = Progress {
            opened: 1,
            answers: 0,
            events: 2,
            bytes: bytes.len() as u64,
        };
        assert_eq!(feed(Kind::Sse, bytes.as_bytes()).0, Ok(expected));
    }
    let gap = format!("{head}\r\nevent: fanfare:gap\ndata: {{\"reset\":true}}\n\n");
    assert_eq!(feed(Kind::Sse, gap.as_bytes()).0, Err(ReaderError::Gap));
}

#[test]
fn the_last_number_is_known() {
    let mut reader = Reader::new(Kind::Poll, "s");
    assert_eq!(reader.last(), None);
    let bytes = answer(&format!("[{}]", event(0)));
    reader
        .feed(bytes.as_bytes(), &mut Vec::new())
        .expect("sound");
    assert_eq!(reader.last(), Some(0));
}

#[test]
fn a_room_is_open_once_it_is_subscribed() {
    let mut bytes = UPGRADE.as_bytes().to_vec();
    bytes.extend(text(r#"{"action":"welcome","data":{"next":4}}"#));
    let (total, replies) = feed(Kind::Room, &bytes);
    assert_eq!(total.map(|progress| progress.opened), Ok(0));
    assert!(!replies.is_empty());
    bytes.extend(text(r#"{"action":"subscribed","ref":1}"#));
    bytes.extend(text(
        r#"{"eventName":"probe","data":1,"id":"x","number":4}"#,
    ));
    bytes.extend(text(r#"{"action":"heartbeat"}"#));
    bytes.extend(text(
        r#"{"eventName":"probe","data":1,"id":"x","number":5}"#,
    ));
    let (total, _) = feed(Kind::Room, &bytes);
    assert_eq!(total.map(|heard| (heard.opened, heard.events)), Ok((1, 2)));
    bytes.extend(text(r#"{"action":"gap","data":{"from":6,"to":7}}"#));
    assert_eq!(feed(Kind::Room, &bytes).0, Err(ReaderError::Gap));
}
