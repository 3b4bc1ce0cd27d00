//! WHATWG HTML §9.2: event streams, read back by a naive parser written from the standard.

use bytes::BytesMut;
use fanfare::protocol::sse::{encode_comment, encode_event, encode_retry};
use proptest::prelude::*;

/// What a reader dispatches.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dispatched {
    id: String,
    event: String,
    data: String,
}

/// §9.2.6, "interpreting an event stream": the events, and the reconnection time.
fn interpret(stream: &[u8]) -> (Vec<Dispatched>, Option<u64>) {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut retry) = (Vec::new(), None);
    let (mut id, mut event, mut data) = (String::new(), String::new(), String::new());
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    for line in complete.split('\n') {
        if line.is_empty() {
            let event = std::mem::take(&mut event);
            let mut data = std::mem::take(&mut data);
            if data.pop().is_some() {
                events.push(Dispatched {
                    id: id.clone(),
                    event,
                    data,
                });
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event),
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => retry = value.parse().ok(),
            _ => {}
        }
    }
    (events, retry)
}

fn stream(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

fn dispatched(id: &str, event: &str, data: &str) -> Dispatched {
    Dispatched {
        id: id.into(),
        event: event.into(),
        data: data.into(),
    }
}

#[test]
fn section_9_2_6_data_of_any_lines_is_one_event() {
    let cases = [
        ("", ""),
        ("{}", "{}"),
        (" leading", " leading"),
        ("a\nb", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("a\n\rb", "a\n\nb"),
        ("a\n", "a\n"),
        ("\n", "\n"),
        ("data: x\n\nevent: y", "data: x\n\nevent: y"),
    ];
    for (data, expected) in cases {
        let bytes = stream(|out| encode_event(out, Some("1"), Some("e"), data.as_bytes()));
        let (events, _) = interpret(&bytes);
        assert_eq!(events, [dispatched("1", "e", expected)], "{data:?}");
        assert!(!bytes.contains(&b'\r'));
    }
}

#[test]
fn section_9_2_6_ids_and_names_stay_on_their_line() {
    let bytes = stream(|out| {
        encode_event(
            out,
            Some("1\n\ndata: forged"),
            Some("a\r\nid: 2\0"),
            b"real",
        );
        encode_event(out, None::<u64>, None, b"next");
    });
    let (events, _) = interpret(&bytes);
    let id = "1\u{fffd}\u{fffd}data: forged";
    let expected = [
        dispatched(id, "a\u{fffd}\u{fffd}id: 2\u{fffd}", "real"),
        dispatched(id, "", "next"),
    ];
    assert_eq!(events, expected);
}

#[test]
fn section_9_2_6_comments_dispatch_nothing() {
    let bytes = stream(|out| {
        encode_comment(out, "");
        encode_comment(out, "a\ndata: forged\r\rb");
        encode_retry(out, 2_500);
        encode_event(out, Some(1), None, b"x");
    });
    assert_eq!(
        interpret(&bytes),
        (vec![dispatched("1", "", "x")], Some(2_500))
    );
}

proptest! {
    #[test]
    fn any_event_comes_back(
        events in proptest::collection::vec(("[ -~\r\n\0]{0,8}", "[ -~\r\n\0\u{e9}]{0,8}", "(?s).{0,40}"), 0..5),
    ) {
        let bytes = stream(|out| {
            for (id, event, data) in &events {
                encode_comment(out, event);
                encode_event(out, Some(id), Some(event), data.as_bytes());
            }
        });
        let line = |text: &str| text.replace(['\r', '\n', '\0'], "\u{fffd}");
        let expected: Vec<_> = events
            .iter()
            .map(|(id, event, data)| {
                let data = data.replace("\r\n", "\n").replace('\r', "\n");
                dispatched(&line(id), &line(event), &data)
            })
            .collect();
        prop_assert_eq!(interpret(&bytes).0, expected);
    }
}
