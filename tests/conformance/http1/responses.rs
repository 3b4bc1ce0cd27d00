//! RFC 9112 §4, §6, §9: responses, as a client would read them.

use bytes::BytesMut;
use fanfare::protocol::http1::{CONTINUE, DateCache, Response, Version, status_text};

const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

fn date() -> DateCache {
    DateCache::new(784_111_777_000)
}

fn written(version: Version, status: u16, write: impl FnOnce(Response<'_>)) -> String {
    let mut out = BytesMut::new();
    write(Response::begin(&mut out, version, status, &date()));
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn section_4_a_response() {
    let text = written(Version::Http11, 200, |response| {
        response
            .header("Fanfare-Epoch", b"0f")
            .header_number("Fanfare-Next", 12)
            .raw(b"Cache-Control: no-store\r\n")
            .body(Some("application/json"), b"[]", true, false);
    });
    let expected = format!(
        "HTTP/1.1 200 OK\r\n{DATE}Fanfare-Epoch: 0f\r\nFanfare-Next: 12\r\nCache-Control: no-store\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
    );
    assert_eq!(text, expected);
}

#[test]
fn section_4_every_known_status_has_a_phrase() {
    for status in 100..=599 {
        let text = written(Version::Http11, status, |response| response.empty(true));
        let line = format!("HTTP/1.1 {status} {}\r\n", status_text(status));
        assert!(text.starts_with(&line), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }
    assert_eq!(
        (status_text(431), status_text(299)),
        ("Request Header Fields Too Large", "")
    );
    assert_eq!(CONTINUE, b"HTTP/1.1 100 Continue\r\n\r\n");
}

#[test]
fn section_6_3_no_length_where_there_is_no_content() {
    for status in [101, 204, 304] {
        let text = written(Version::Http11, status, |response| response.empty(true));
        assert!(!text.contains("Content-"), "{text}");
        let text = written(Version::Http11, status, |response| {
            response.body(Some("text/plain"), b"", true, false);
        });
        assert!(!text.contains("Content-"), "{text}");
    }
    let text = written(Version::Http11, 200, |response| response.empty(true));
    assert!(text.ends_with("Content-Length: 0\r\n\r\n"), "{text}");
}

#[test]
fn section_6_3_head_has_the_head_of_get() {
    let get = written(Version::Http11, 200, |response| {
        response.body(None, b"12345", true, false);
    });
    let head = written(Version::Http11, 200, |response| {
        response.body(None, b"12345", true, true);
    });
    let shared = written(Version::Http11, 200, |response| {
        response.content_head(None, 5, true);
    });
    assert!(head.contains("Content-Length: 5\r\n"));
    assert_eq!(get, format!("{head}12345"));
    assert_eq!(shared, head);
}

#[test]
fn section_9_3_persistence_is_announced() {
    let end = |version, keep_alive| {
        let text = written(version, 404, |response| response.empty(keep_alive));
        text.split_once("Content-Length: 0\r\n")
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(end(Version::Http11, true), "\r\n");
    assert_eq!(end(Version::Http11, false), "Connection: close\r\n\r\n");
    assert_eq!(end(Version::Http10, true), "Connection: keep-alive\r\n\r\n");
    assert_eq!(end(Version::Http10, false), "Connection: close\r\n\r\n");
}

#[test]
fn section_9_6_a_stream_ends_with_its_connection() {
    let text = written(Version::Http11, 200, |response| {
        response
            .header("Content-Type", b"text/event-stream")
            .finish_streaming();
    });
    assert!(text.ends_with("Content-Type: text/event-stream\r\nConnection: close\r\n\r\n"));
    assert!(!text.contains("Content-Length"));
}

#[test]
fn section_11_1_values_cannot_split_a_response() {
    let text = written(Version::Http11, 200, |response| {
        response
            .header("A", b"x\r\nSet-Cookie: a\0")
            .header("B", b"y\r\n\r\nHTTP/1.1 200 OK")
            .body(Some("text/plain\r\nX: y"), b"", true, false);
    });
    assert!(text.contains("A: x  Set-Cookie: a \r\n"), "{text}");
    assert!(text.contains("B: y    HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(
        text.contains("Content-Type: text/plain  X: y\r\n"),
        "{text}"
    );
    assert_eq!(text.matches("\r\n").count(), 7, "{text}");
}

#[test]
fn responses_are_appended() {
    let mut out = BytesMut::from("before");
    Response::begin(&mut out, Version::Http11, 204, &date()).empty(true);
    Response::begin(&mut out, Version::Http11, 204, &date()).empty(true);
    let one = format!("HTTP/1.1 204 No Content\r\n{DATE}\r\n");
    assert_eq!(out, format!("before{one}{one}"));
}
