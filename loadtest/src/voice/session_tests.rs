//! How each form tells of events, holes and openings: transcripts, cut at every byte.

use super::*;
use crate::voice::poll::parse_gap;
use crate::voice::{told, told_however_cut};
use crate::websocket::encode_text;
use crate::websocket::server::{ACCEPTED, text};

fn voice(kind: Kind) -> SessionVoice {
    SessionVoice::new(kind, &Arc::from("h"), "s")
}

fn resuming(kind: Kind) -> SessionVoice {
    SessionVoice::resuming(kind, &Arc::from("h"), "s")
}

fn answer(fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

fn event(number: u64) -> String {
    format!(r#"{{"type":"probe","data":{{"number":99}},"number":{number}}}"#)
}

/// What is heard, in short; what is said; and how it ended.
fn hear(
    voice: impl Fn() -> SessionVoice,
    bytes: &[u8],
) -> (Vec<String>, Vec<u8>, Result<(), Fault>) {
    let (told, replies, fed) = told_however_cut(voice, bytes);
    let short = |told: String| {
        let told = told.trim_start_matches("0 ").to_owned();
        match told.strip_prefix("Event(Event { number: ") {
            Some(rest) => rest
                .split(", sequence")
                .next()
                .unwrap_or_default()
                .to_owned(),
            None => told,
        }
    };
    (told.into_iter().map(short).collect(), replies, fed)
}

/// The first line of the request that a voice begins with after what it has heard.
fn next_request(mut voice: SessionVoice, bytes: &[u8]) -> String {
    let (mut request, mut replies) = (Vec::new(), Vec::new());
    voice.hello(&mut request);
    let fed = voice.feed(bytes, &mut replies, &mut |_, _| Ok(()));
    fed.expect("sound");
    request.clear();
    voice.hello(&mut request);
    String::from_utf8(request).expect("text")
}

fn gap(first: u64, last: u64) -> String {
    format!("{:?}", Heard::Hole(Hole::Range { first, last }))
}

fn reset() -> String {
    format!("{:?}", Heard::Hole(Hole::Reset))
}

#[test]
fn polls_tell_of_events_and_gaps() {
    let epoch = "Fanfare-Epoch: e1\r\n";
    let bytes = [
        answer(epoch, &format!("[{},{}]", event(5), event(6))),
        answer(
            &format!("{epoch}Fanfare-Gap: 7-11\r\n"),
            &format!("[{}]", event(12)),
        ),
        answer(&format!("{epoch}Fanfare-Gap: reset\r\n"), "[]"),
    ];
    let (heard, replies, fed) = hear(|| voice(Kind::Poll), bytes.concat().as_bytes());
    let (gap, reset) = (gap(7, 11), reset());
    let expected = [
        "Some(5)", "Some(6)", "Answered", &*gap, "Some(12)", "Answered", &*reset, "Answered",
    ];
    assert_eq!((fed, replies.len()), (Ok(()), 0));
    assert_eq!(heard, expected);
    assert_eq!((parse_gap("9-3"), parse_gap("9")), (None, None));
}

#[test]
fn a_poll_asks_for_what_comes_after_its_answer() {
    let numbered = || SessionVoice::by_sequence(Kind::Poll, &Arc::from("h"), "s");
    let asks =
        |after: &str| format!("GET /api/sessions/s/events?{after} HTTP/1.1\r\nHost: h\r\n\r\n");
    let fields = "Fanfare-Epoch: e1\r\nLast-Modified: Sat\r\nEtag: 3\r\n";
    let one = answer(fields, &format!("[{}]", event(41)));
    let nchan = || SessionVoice::of_nchan(&Arc::from("h"), "/x");
    let validators =
        "GET /x HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: Sat\r\nIf-None-Match: 3\r\n\r\n";
    let said = |replies: Vec<u8>| String::from_utf8(replies).expect("text");
    let (_, replies, _) = hear(numbered, one.repeat(2).as_bytes());
    assert_eq!(said(replies), asks("last_event=41").repeat(2));
    let (_, replies, _) = hear(|| resuming(Kind::Poll), one.as_bytes());
    assert_eq!(said(replies), asks("last_event=41&epoch=e1"));
    let (heard, replies, _) = hear(nchan, answer(fields, "event").repeat(2).as_bytes());
    assert_eq!((said(replies), heard.len()), (validators.repeat(2), 4));
    for body in ["[]", &format!("[{},{}]", event(1), event(2)), "x"] {
        let (_, _, fed) = told(numbered(), [answer("", body).as_bytes()]);
        fed.expect_err(body);
    }
}

#[test]
fn streams_tell_in_events_chunked_or_not() {
    let start = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nFanfare-Epoch: e1\r\n";
    let stream = ": hi\n\nevent: fanfare:gap\ndata: {\"from\":0,\"to\":1}\n\nid: e1:2\ndata: 1\n\n\
        event: fanfare:gap\ndata: {\"reset\":true}\n\nid: e1:0\nevent: probe\ndata: 2\n\n";
    let (first, second) = stream.split_at(17);
    let (a, b) = (first.len(), second.len());
    let chunks = format!("{a:x}\r\n{first}\r\n{b:x}\r\n{second}\r\n");
    let chunked = format!("{start}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    for bytes in [format!("{start}\r\n{stream}"), chunked] {
        let (heard, _, _) = hear(|| voice(Kind::Sse), bytes.as_bytes());
        let expected = ["Opened", &*gap(0, 1), "Some(2)", &*reset(), "Some(0)"];
        assert_eq!(heard, expected);
    }
    // Whoever knows events by their sequence needs no log.
    let bytes = format!("{start}\r\ndata: {{\"probe\":\"0000000007\"}}\n\n");
    let by_sequence = SessionVoice::by_sequence(Kind::Sse, &Arc::from("h"), "s");
    let (heard, _, fed) = told(by_sequence, [bytes.as_bytes()]);
    assert!(heard[1].contains("sequence: Some(7)") && fed == Ok(()));
    let (_, _, fed) = told(voice(Kind::Sse), [bytes.as_bytes()]);
    assert_eq!(fed, Err(NO_EVENT.into()));
}

#[test]
fn sockets_tell_in_messages_and_answer_pings() {
    let mut bytes = ACCEPTED.as_bytes().to_vec();
    bytes.extend(text(r#"{"type":"fanfare:gap","data":{"from":3,"to":4}}"#));
    bytes.extend([0x89, 1, b'p']);
    bytes.extend(text(&event(5)));
    let (heard, replies, _) = hear(|| voice(Kind::Websocket), &bytes);
    assert_eq!(heard, ["Opened", &*gap(3, 4), "Some(5)"]);
    assert_eq!(replies.len(), 2 + 4 + 1);
}

#[test]
fn a_room_is_open_once_it_is_subscribed() {
    let mut bytes = ACCEPTED.as_bytes().to_vec();
    bytes.extend(text(
        r#"{"action":"welcome","data":{"epoch":"e2","next":4}}"#,
    ));
    bytes.extend(text(r#"{"action":"gap","data":{"reset":true}}"#));
    let (heard, replies, _) = hear(|| voice(Kind::Room), &bytes);
    assert_eq!(heard, [reset()]);
    assert!(!replies.is_empty());
    for message in [
        r#"{"action":"subscribed","ref":1}"#,
        r#"{"eventName":"probe","data":1,"id":"x","number":4}"#,
        r#"{"action":"heartbeat"}"#,
    ] {
        bytes.extend(text(message));
    }
    let (heard, _, _) = hear(|| voice(Kind::Room), &bytes);
    assert_eq!(heard, [&*reset(), "Opened", "Some(4)"]);
    let request = next_request(resuming(Kind::Room), &bytes);
    assert!(request.contains("last_event=4&epoch=e2"), "{request}");
}

#[test]
fn who_filters_is_open_once_that_is_answered() {
    let mut bytes = ACCEPTED.as_bytes().to_vec();
    let mut expected = Vec::new();
    encode_text(&Kind::Live.hello("s").expect("a filter"), &mut expected);
    bytes.extend(text(r#"{"type":"probe","time":1}"#));
    let (heard, replies, _) = hear(|| voice(Kind::Live), &bytes);
    assert_eq!((heard.len(), replies), (0, expected));
    let refused = [
        &*bytes,
        &text(r#"{"type":"filterResponse","success":false}"#),
    ]
    .concat();
    for message in [
        r#"{"type":"filterResponse","success":true,"filters":1}"#,
        r#"{"type":"probe","time":1,"number":7}"#,
        r#"{"type":"fanfare:dropped","count":3}"#,
    ] {
        bytes.extend(text(message));
    }
    let dropped = format!("{:?}", Heard::Hole(Hole::Dropped(3)));
    for voice in [voice, resuming] {
        let (heard, _, _) = hear(|| voice(Kind::Live), &bytes);
        assert_eq!(heard, ["Opened", "None", &*dropped]);
    }
    let (_, _, fed) = told(voice(Kind::Live), [&*refused]);
    assert_eq!(fed, Err(NO_EVENT.into()));
    let other = voice(Kind::Live).saying("other".to_owned());
    let (_, replies, _) = told(other, [ACCEPTED.as_bytes()]);
    assert_eq!(replies.len(), 2 + 4 + 5);
}

#[test]
fn a_cursor_is_kept_from_one_connection_to_the_next() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nFanfare-Epoch: e1\r\n\r\n";
    let from = |text: &str| next_request(resuming(Kind::Sse), format!("{head}{text}").as_bytes());
    assert!(from("").starts_with("GET /api/sessions/s/events?last_event=-1 HTTP"));
    assert!(from("id: e1:2\ndata: 1\n\n").contains("Last-Event-ID: e1:2\r\n"));
    let gap = "event: fanfare:gap\ndata: {\"from\":0,\"to\":6}\n\n";
    assert!(from(gap).contains("Last-Event-ID: e1:6\r\n"));
    let reset = "event: fanfare:gap\ndata: {\"reset\":true}\n\n";
    assert!(
        from(&format!("id: e1:2\ndata: 1\n\n{reset}")).contains("?last_event=-1&epoch=e1 HTTP")
    );
    let once = next_request(voice(Kind::Sse), format!("{head}{gap}").as_bytes());
    assert!(
        once.starts_with("GET /api/sessions/s/events HTTP"),
        "{once}"
    );
}

#[test]
fn refusals_and_nonsense_are_faults() {
    let refused = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    for kind in [Kind::Poll, Kind::Websocket, Kind::Sse] {
        let (_, _, fed) = hear(|| voice(kind), refused.as_bytes());
        assert_eq!(fed, Err("answered with status 503".into()));
    }
    let (_, _, fed) = told(voice(Kind::Poll), [answer("", "[{}]").as_bytes()]);
    assert_eq!(fed, Err(NO_EVENT.into()));
    let (_, _, fed) = told(voice(Kind::Sse), [answer("", "").as_bytes()]);
    assert!(
        fed.expect_err("no stream")
            .to_string()
            .contains("not accepted")
    );
    let closed = [ACCEPTED.as_bytes(), &[0x88, 2, 0x03, 0xe9]].concat();
    let (_, _, fed) = hear(|| voice(Kind::Websocket), &closed);
    assert_eq!(fed, Err(Fault::Closed(1001)));
}
