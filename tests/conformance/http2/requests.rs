//! RFC 9113 §8 (HTTP semantics): a request means what it means over HTTP/1.1, and is answered
//! alike.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare::limits::{HTTP_BODY_TIMEOUT, HTTP2_RESET_DELAY, HTTP2_STREAMS_MAX, PUBLISH_BYTES_MAX};
use h2::Reason;
use http::Request;

use crate::support::http::{request as text, take_response};
use crate::support::http2::{Client, End, PREFACE, frame, frames};
use crate::support::node::TestNode;

/// Fields that say something of the connection (RFC 9113 §8.2.2), or differ from one moment to the
/// next.
const CONNECTION_FIELDS: [&str; 3] = ["connection", "keep-alive", "transfer-encoding"];

fn node() -> TestNode {
    TestNode::new(1, 5, &Config::default())
}

fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://x{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

/// Status, fields in order of their names, and body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

fn by_http2(
    node: &mut TestNode,
    line: (&str, &str),
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut client = Client::connect(node, 0);
    let call = client.open(request(line.0, line.1, fields), body.is_empty());
    if !body.is_empty() {
        client.send(call, body.as_bytes());
        client.half_close(call);
    }
    client.settle(node);
    let call = &client.calls[call];
    assert_eq!(call.end, Some(End::Complete), "{line:?}");
    let fields = call.head.as_ref().expect("a head").headers.iter();
    let mut fields: Vec<(String, String)> = fields
        .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
        .collect();
    for (name, _) in &fields {
        assert!(!CONNECTION_FIELDS.contains(&name.as_str()), "{name}");
    }
    fields.sort();
    (call.status().expect("a status"), fields, call.body.clone())
}

fn by_http1(
    node: &mut TestNode,
    line: (&str, &str),
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let fields = fields.iter();
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let fields = fields.concat();
    let peer = node.connect(0);
    node.send(peer, text(&format!("{} {}", line.0, line.1), &fields, body));
    node.settle();
    let mut received = std::mem::take(&mut node.peers[peer].received);
    let response = take_response(&mut received, line.0 == "HEAD").expect("a response");
    let mut fields: Vec<(String, String)> = response
        .headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !CONNECTION_FIELDS.contains(&name.as_str()))
        .collect();
    fields.sort();
    (response.status, fields, response.body.into_bytes())
}

#[test]
fn section_8_answers_are_those_of_http_1_1() {
    let publish = r#"{"type":"a","data":1}"#;
    let json = [("content-type", "application/json")];
    for (line, fields, body) in [
        (
            ("GET", "/api/sessions/t/events?last_event=-1&timeout=0"),
            &[][..],
            "",
        ),
        (("HEAD", "/api/sessions/t"), &[], ""),
        (("GET", "/api/sessions/none"), &[], ""),
        (("POST", "/api/sessions/t/events"), &json, publish),
        (("POST", "/api/sessions/t/events"), &[], "{"),
        (("POST", "/api/sessions/t/events"), &[], r#"{"data":1}"#),
        (("PUT", "/api/sessions/t/events"), &[], ""),
        (
            ("OPTIONS", "/api/sessions/t/events"),
            &[("origin", "http://o")],
            "",
        ),
        (("GET", "/healthz"), &[], ""),
        (("GET", "/readyz"), &[], ""),
        (("GET", "/"), &[], ""),
        (("GET", "/no/such/path"), &[], ""),
        (("GET", "/a%zz"), &[], ""),
        (("GET", "/echo"), &[], ""),
        (("GET", "/event/v2/publish"), &[], ""),
        (
            ("POST", "/event/v2/publish"),
            &json,
            r#"{"name":"a","payload":7}"#,
        ),
        (("DELETE", "/api/sessions/t"), &[], ""),
    ] {
        let (mut one, mut two) = (node(), node());
        for node in [&mut one, &mut two] {
            let peer = node.connect(0);
            let sent = node.ask(peer, text("POST /api/sessions/t/events", "", publish));
            assert_eq!(sent.status, 200);
        }
        let expected = by_http1(&mut one, line, fields, body);
        let answer = by_http2(&mut two, line, fields, body);
        assert_eq!(answer, expected, "{line:?} {body}");
    }
}

/// RFC 8441 is not offered: sockets are opened over HTTP/1.1, and who tries otherwise is told so.
#[test]
fn sockets_are_refused() {
    for path in ["/sysadm", "/live/ws", "/communication_manager/ws/event"] {
        let (status, _, body) = by_http2(&mut node(), ("GET", path), &[], "");
        let body = String::from_utf8(body).expect("UTF-8");
        assert_eq!(status, 400, "{path}");
        assert!(body.contains("HTTP/1.1"), "{body}");
    }
}

#[test]
fn metrics_are_served() {
    let (status, _, body) = by_http2(&mut node(), ("GET", "/metrics"), &[], "");
    let body = String::from_utf8(body).expect("UTF-8");
    assert_eq!(status, 200);
    assert!(body.contains("http2_streams"), "{body}");
}

#[test]
fn section_3_3_the_preface_may_come_in_pieces() {
    for cut in 1..PREFACE.len() {
        let mut node = node();
        let peer = node.connect(0);
        node.send(peer, &PREFACE[..cut]);
        node.settle();
        node.send(peer, [&PREFACE[cut..], &frame(4, 0, 0, &[])].concat());
        node.settle();
        let frames = frames(&node.peers[peer].received);
        assert_eq!(frames[0].kind, 4, "settings come first");
        assert!(!node.peers[peer].is_over());
    }
}

#[test]
fn section_8_1_a_body_needs_no_length() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    for length in [None, Some("21")] {
        let fields: Vec<_> = length
            .map(|length| ("content-length", length))
            .into_iter()
            .collect();
        let call = client.open(request("POST", "/api/sessions/t/events", &fields), false);
        for part in [&br#"{"type":"a","#[..], br#""data":1}"#] {
            client.send(call, part);
            client.settle(&mut node);
        }
        assert_eq!(client.calls[call].status(), None, "it has not ended");
        client.half_close(call);
        client.settle(&mut node);
        assert_eq!(client.calls[call].status(), Some(200));
    }
}

#[test]
fn section_8_1_1_a_length_that_is_wrong_breaks_the_stream() {
    for length in ["20", "22"] {
        let mut node = node();
        let mut client = Client::connect(&mut node, 0);
        let fields = [("content-length", length)];
        let call = client.open(request("POST", "/api/sessions/t/events", &fields), false);
        client.send(call, br#"{"type":"a","data":1}"#);
        client.half_close(call);
        client.settle(&mut node);
        let end = client.calls[call].end;
        assert_eq!(end, Some(End::Reset(Reason::PROTOCOL_ERROR)));
        node.pass(Duration::from_secs(1));
        assert_eq!(node.sum("http2_streams"), 0);
        assert_eq!(node.sum("events_published"), 0);
    }
}

#[test]
fn section_8_1_a_body_that_is_too_long_is_refused_early() {
    for with_length in [true, false] {
        let mut node = node();
        let mut client = Client::connect(&mut node, 0);
        let length = (2 * PUBLISH_BYTES_MAX).to_string();
        let fields = [("content-length", length.as_str())];
        let fields = if with_length { &fields[..] } else { &[] };
        let call = client.open(request("POST", "/api/sessions/t/events", fields), false);
        if !with_length {
            client.send(call, &vec![b' '; PUBLISH_BYTES_MAX + 1]);
        }
        client.settle(&mut node);
        // Though the request has not ended (§8.1).
        assert_eq!(client.calls[call].status(), Some(413));
        let next = client.open(request("GET", "/healthz", &[]), true);
        client.settle(&mut node);
        assert_eq!(client.calls[next].status(), Some(200));
        // The rest of the body is not waited for.
        node.pass(2 * HTTP2_RESET_DELAY);
        assert_eq!(node.sum("http2_streams"), 0);
    }
}

#[test]
fn section_10_5_1_too_many_fields_are_refused() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    let names: Vec<String> = (0..70).map(|n| format!("x-{n}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    for (count, status) in [(50, 200), (70, 431)] {
        let call = client.open(request("GET", "/healthz", &fields[..count]), true);
        client.settle(&mut node);
        assert_eq!(client.calls[call].status(), Some(status), "{count} fields");
    }
}

#[test]
fn section_5_1_2_streams_up_to_the_bound() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    client.settle(&mut node);
    let open =
        |client: &mut Client| client.open(request("GET", "/api/sessions/t/events", &[]), true);
    let calls: Vec<usize> = (0..=HTTP2_STREAMS_MAX).map(|_| open(&mut client)).collect();
    client.settle(&mut node);
    assert_eq!(node.sum("http2_streams"), u64::from(HTTP2_STREAMS_MAX));
    // The client knows the bound, and opens the last when one has ended.
    client.cancel(calls[3]);
    client.settle(&mut node);
    assert_eq!(node.sum("http2_streams"), u64::from(HTTP2_STREAMS_MAX));
    let peer = node.connect(0);
    node.ask(
        peer,
        text(
            "POST /api/sessions/t/events",
            "",
            r#"{"type":"a","data":1}"#,
        ),
    );
    client.settle(&mut node);
    for (place, &call) in calls.iter().enumerate() {
        let cancelled = End::Reset(Reason::CANCEL);
        let expected = if place == 3 { cancelled } else { End::Complete };
        assert_eq!(client.calls[call].end, Some(expected));
    }
    node.pass(Duration::from_secs(1));
    assert_eq!(node.sum("http2_streams"), 0);
}

/// §8.7: a stream that was not served may be asked for again.
#[test]
fn streams_count_as_connections_and_are_refused_beyond_their_bound() {
    let mut config = Config::default();
    config.server.connections_max = 4;
    let mut node = TestNode::new(1, 5, &config);
    let mut client = Client::connect(&mut node, 0);
    let calls = [(); 4].map(|()| client.open(request("GET", "/api/sessions/t/events", &[]), true));
    client.settle(&mut node);
    let ends = calls.map(|call| client.calls[call].end);
    let refused = Some(End::Reset(Reason::REFUSED_STREAM));
    assert_eq!(ends, [None, None, None, refused]);
    assert_eq!(node.sum("http2_streams"), 3);
    // It is told at once, though there is nothing else to be sent.
    let late = client.open(request("GET", "/api/sessions/t/events", &[]), true);
    client.settle(&mut node);
    assert_eq!(client.calls[late].end, refused);
}

#[test]
fn a_body_that_does_not_come_is_waited_for_so_long() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    let call = client.open(request("POST", "/api/sessions/t/events", &[]), false);
    client.send(call, b"{\"type\"");
    client.settle(&mut node);
    for _ in 0..=HTTP_BODY_TIMEOUT.as_secs() {
        node.pass(Duration::from_secs(1));
        client.settle(&mut node);
    }
    assert_eq!(client.calls[call].status(), Some(408));
    node.pass(Duration::from_secs(1));
    assert_eq!(node.sum("http2_streams"), 0);
}

/// More of them than `h2` remembers to have reset, with bytes for them under way.
#[test]
fn many_bodies_that_are_too_long_do_not_end_the_connection() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    let body = vec![b' '; 4 * PUBLISH_BYTES_MAX];
    let calls: Vec<usize> = (0..100)
        .map(|_| {
            let call = client.open(request("POST", "/api/sessions/t/events", &[]), false);
            client.send(call, &body);
            call
        })
        .collect();
    client.settle(&mut node);
    for call in calls {
        assert_eq!(client.calls[call].status(), Some(413));
    }
    let next = client.open(request("GET", "/healthz", &[]), true);
    client.settle(&mut node);
    assert_eq!(client.calls[next].status(), Some(200));
    // The rest of their bodies is not waited for.
    node.pass(2 * HTTP2_RESET_DELAY);
    assert_eq!(node.sum("http2_streams"), 0);
}

/// A connection that has thousands of requests behind it is as good as new.
#[test]
fn many_requests_one_after_the_other_leave_nothing() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    for _ in 0..2_000 {
        let call = client.open(request("POST", "/api/sessions/t/events", &[]), false);
        client.send(call, br#"{"type":"a","data":1}"#);
        client.half_close(call);
        client.settle(&mut node);
        assert_eq!(client.calls[call].status(), Some(200));
    }
    node.pass(Duration::from_secs(1));
    assert_eq!(node.sum("http2_streams"), 0);
    assert_eq!(node.shards[0].connections(), 1);
}
