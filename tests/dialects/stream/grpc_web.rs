//! Contract: "gRPC-web" — one publish over HTTP/1.1, binary and text, by messages that tonic
//! generated.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanfare::dialect::Config;
use fanfare_tonic::event::{EventTarget, PublishEventRequest, PublishEventResponse};
use fanfare_tonic::prost::Message as _;
use fanfare_tonic::prost_types::{Struct, Value, value};

use super::{PATH, publish, subscribe, texts};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::http::{Response, request, take_response};
use crate::support::organizations::{bearer, organization, organized};

pub(super) const BINARY: &str = "Content-Type: application/grpc-web+proto\r\n";
pub(super) const TEXT: &str = "Content-Type: application/grpc-web-text\r\n";
const METHOD: &str = "/apis.event.v2.EventService/Publish";

/// A message as gRPC frames it.
pub(super) fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

/// The frames that bytes are, to the last one: flags and contents.
#[track_caller]
pub(super) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((&[flag, a, b, c, d], rest)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let (message, rest) = rest.split_at(length);
        frames.push((flag, message.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:?}");
    frames
}

/// What padded pieces of base64 are.
#[track_caller]
pub(super) fn from_base64(text: &[u8]) -> Vec<u8> {
    let groups = text.chunks(4);
    let decoded = groups.map(|group| STANDARD.decode(group).expect("base64"));
    decoded.flatten().collect()
}

/// A payload with one text.
pub(super) fn payload(key: &str, text: &str) -> Struct {
    let kind = Some(value::Kind::StringValue(text.to_owned()));
    Struct {
        fields: [(key.to_owned(), Value { kind })].into(),
    }
}

fn event(name: &str, target: Option<EventTarget>) -> PublishEventRequest {
    PublishEventRequest {
        name: name.to_owned(),
        payload: Some(payload("a", "é")),
        target,
        request_metadata: Some(Value {
            kind: Some(value::Kind::BoolValue(true)),
        }),
    }
}

/// The request of a call, as bytes.
fn call(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("{headers}Content-Length: {}\r\n", body.len());
    [
        request(&format!("POST {path}"), &length, "").as_bytes(),
        body,
    ]
    .concat()
}

/// The answer to a call: its head, and its body as it is.
#[track_caller]
fn ask(stage: &mut Stage, request: &[u8]) -> (Response, Vec<u8>) {
    let peer = stage.connect("t");
    stage.node.send(peer, request);
    stage.node.settle();
    let received = &mut stage.node.peers[peer].received;
    let end = received.windows(4).position(|four| four == b"\r\n\r\n");
    let body = received.split_off(end.expect("a head") + 4);
    let head = take_response(received, true).expect("a head");
    let length = body.len().to_string();
    assert_eq!(head.header("content-length"), Some(&*length), "{head:?}");
    stage.node.break_off(peer);
    (head, body)
}

/// The status that a call without a message in its answer ends with.
#[track_caller]
fn failed(stage: &mut Stage, headers: &str, body: &[u8]) -> (u32, String) {
    let (head, body) = ask(stage, &call(METHOD, headers, body));
    assert_eq!(head.status, 200, "{head:?}");
    let body = match head.header("content-type") {
        Some("application/grpc-web+proto") => body,
        Some("application/grpc-web-text+proto") => from_base64(&body),
        other => panic!("{other:?}"),
    };
    let frames = frames(&body);
    assert_eq!(frames.len(), 1, "{frames:?}");
    trailers(&frames[0])
}

/// Status and message, as encoded, of a frame of trailers.
#[track_caller]
pub(super) fn trailers((flag, lines): &(u8, Vec<u8>)) -> (u32, String) {
    assert_eq!(*flag, 0x80);
    let lines = std::str::from_utf8(lines).expect("ASCII");
    let lines = lines.strip_suffix("\r\n").expect("a whole line");
    let (mut status, mut message) = (None, String::new());
    for line in lines.split("\r\n") {
        match line.split_once(':').expect("a field") {
            ("grpc-status", value) => status = Some(value.parse().expect("a number")),
            ("grpc-message", value) => value.clone_into(&mut message),
            other => panic!("{other:?}"),
        }
    }
    (status.expect("a status"), message)
}

#[test]
fn a_publish_is_answered_by_the_event_and_trailers_in_the_requests_form() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "*", "");
        let target = EventTarget {
            project_id: Some("p".to_owned()),
            ..EventTarget::default()
        };
        let sent = event("n", Some(target));
        let binary = framed(0, &sent.encode_to_vec());
        let text = STANDARD.encode(&binary);
        // In pieces that are each padded by themselves.
        let pieces: String = binary
            .chunks(7)
            .map(|piece| STANDARD.encode(piece))
            .collect();
        let as_text = "Accept: application/grpc-web-text\r\n";
        for (headers, body, is_text) in [
            (BINARY.to_owned(), &binary[..], false),
            (
                "Content-Type: application/grpc-web\r\n".to_owned(),
                &binary,
                false,
            ),
            (TEXT.to_owned(), text.as_bytes(), true),
            (TEXT.to_owned(), pieces.as_bytes(), true),
            (BINARY.to_owned() + as_text, &binary, true),
        ] {
            for path in [METHOD, &format!("/grpcweb/event/v2{METHOD}")] {
                let headers = format!("{headers}SessionId: s\r\nX-Grpc-Web: 1\r\n");
                let (head, answer) = ask(stage, &call(path, &headers, body));
                assert_eq!(head.status, 200);
                let (media_type, answer) = if is_text {
                    ("application/grpc-web-text+proto", from_base64(&answer))
                } else {
                    ("application/grpc-web+proto", answer)
                };
                assert_eq!(head.header("content-type"), Some(media_type));
                let frames = frames(&answer);
                assert_eq!(frames.len(), 2, "{frames:?}");
                assert_eq!(frames[0].0, 0);
                assert_eq!(frames[1], (0x80, b"grpc-status:0\r\n".to_vec()));
                let published = PublishEventResponse::decode(&frames[0].1[..]).expect("a message");
                let expected = PublishEventResponse {
                    name: sent.name.clone(),
                    payload: sent.payload.clone(),
                    target: sent.target.clone(),
                    request_metadata: sent.request_metadata.clone(),
                    id: published.id.clone(),
                };
                assert_eq!(published, expected);
                let message = format!(
                    r#"{{"result":{{"sessionId":"s","event":{{"id":"{}","name":"n","payload":{{"a":"é"}},"target":{{"projectId":"p"}},"requestMetadata":true}}}}}}"#,
                    published.id
                );
                assert_eq!(stage.texts(&mut socket), [message]);
            }
        }
    });
}

#[test]
fn a_call_that_fails_is_200_with_its_status_in_the_trailers() {
    let config = organized([organization(
        "one",
        &[("all", "publish"), ("listen", "subscribe")],
    )]);
    everywhere_with(&config, |stage| {
        let good = framed(0, &event("n", None).encode_to_vec());
        let place = |layout: &str, project: &str| EventTarget {
            layout_id: Some(layout.to_owned()),
            project_id: Some(project.to_owned()),
            collection_id: None,
        };
        let all = bearer("all");
        let known = framed(0, &event("n", Some(place("l", "p"))).encode_to_vec());
        ask(stage, &call(METHOD, &(BINARY.to_owned() + &all), &known));
        let contradiction = event("n", Some(place("l", "q"))).encode_to_vec();
        let without_payload = PublishEventRequest {
            payload: None,
            ..event("n", None)
        };
        let without_payload = without_payload.encode_to_vec();
        let (nameless, long) = (event("", None), event(&"x".repeat(129), None));
        for (headers, body, status) in [
            (String::new(), good.clone(), 16),
            (bearer("nobody"), good.clone(), 16),
            (bearer("listen"), good.clone(), 7),
            (all.clone(), framed(0, &contradiction), 3),
            (all.clone(), framed(0, &without_payload), 3),
            (all.clone(), framed(0, &nameless.encode_to_vec()), 3),
            (all.clone(), framed(0, &long.encode_to_vec()), 3),
            (all.clone(), framed(0, b"\xff"), 3),
            (all.clone(), framed(0, b""), 3),
            (all.clone() + "grpc-encoding: deflate\r\n", good.clone(), 12),
            (all.clone() + "grpc-timeout: x\r\n", good.clone(), 13),
        ] {
            for kind in [BINARY, TEXT] {
                let body = if kind == TEXT {
                    STANDARD.encode(&body).into_bytes()
                } else {
                    body.clone()
                };
                let headers = format!("{kind}{headers}");
                let (code, message) = failed(stage, &headers, &body);
                assert_eq!(code, status, "{headers}: {message}");
                assert!(!message.is_empty());
            }
        }
    });
}

#[test]
fn a_layout_that_is_not_declared_is_not_found() {
    let mut config = Config::default();
    config.hub.scopes = fanfare::config::Scopes::Declared;
    everywhere_with(&config, |stage| {
        let target = EventTarget {
            layout_id: Some("l".to_owned()),
            ..EventTarget::default()
        };
        let body = framed(0, &event("n", Some(target)).encode_to_vec());
        let expected = (5, "Layout not found".to_owned());
        assert_eq!(failed(stage, BINARY, &body), expected);
    });
}

#[test]
fn a_body_is_exactly_one_whole_plain_message() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "*", "");
        let message = event("n", None).encode_to_vec();
        let good = framed(0, &message);
        let too_long = [&[0][..], &(1_048_577u32).to_be_bytes(), b"x"].concat();
        for (body, status) in [
            (Vec::new(), 12),
            ([&good[..], &good].concat(), 12),
            ([&good[..], b"\0"].concat(), 12),
            (good[..3].to_vec(), 13),
            (good[..good.len() - 1].to_vec(), 13),
            (framed(1, &message), 13),
            (framed(2, &message), 13),
            (framed(0x80, b"grpc-status:0\r\n"), 13),
            (too_long, 8),
        ] {
            let (code, _) = failed(stage, BINARY, &body);
            assert_eq!(code, status, "{body:?}");
            let (code, _) = failed(stage, TEXT, STANDARD.encode(&body).as_bytes());
            assert_eq!(code, status, "{body:?} as text");
        }
        let text = STANDARD.encode(&good);
        for body in [&good[..], &text.as_bytes()[1..], b"====", b"!!!!", b"AAA"] {
            let (code, message) = failed(stage, TEXT, body);
            assert_eq!(code, 13, "{body:?}");
            assert!(message.contains("base64"), "{message}");
        }
        // Nothing of it was published.
        assert_eq!(texts(stage, &mut socket), [""; 0]);
        publish(stage, "n", "");
        assert_eq!(texts(stage, &mut socket).len(), 1);
    });
}

#[test]
fn what_is_no_call_of_grpc_web_is_refused_by_http() {
    everywhere(|stage| {
        let body = framed(0, &event("n", None).encode_to_vec());
        for (media_type, status) in [
            ("Content-Type: application/grpc\r\n", 505),
            ("Content-Type: application/grpc+proto\r\n", 505),
            ("Content-Type: application/json\r\n", 415),
            ("Content-Type: application/grpc-web+json\r\n", 415),
            ("Content-Type: application/grpc-webx\r\n", 415),
            ("", 415),
        ] {
            for method in ["Publish", "Stream"] {
                let path = format!("/apis.event.v2.EventService/{method}");
                let (head, _) = ask(stage, &call(&path, media_type, &body));
                assert_eq!(head.status, status, "{media_type}");
            }
        }
        let get = format!("GET {METHOD}");
        let answer = stage.ask("t", &get, BINARY, "");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST, OPTIONS"))
        );
        let long = format!("{BINARY}Content-Length: 1398116\r\n");
        let answer = stage.ask("t", &format!("POST {METHOD}"), &long, "");
        assert_eq!(trailers_only(&answer), Some("8"), "{answer:?}");
    });
}

/// The status of an answer that is nothing else.
#[track_caller]
fn trailers_only(answer: &Response) -> Option<&str> {
    let media_type = Some("application/grpc-web+proto");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), media_type);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.body, "");
    assert!(
        answer
            .header("grpc-message")
            .is_some_and(|message| !message.is_empty())
    );
    answer.header("grpc-status")
}

#[test]
fn a_method_that_is_not_there_is_unimplemented_to_a_call_and_404_to_others() {
    everywhere(|stage| {
        let event = "/apis.event.v2.EventService/No";
        let web = format!("/grpcweb/event/v2{event}");
        for path in [
            event,
            &web,
            "/grpc.health.v1.Health/No",
            "/no.Such/Method",
            "/x",
        ] {
            for kind in [BINARY, TEXT] {
                let answer = stage.ask("t", &format!("POST {path}"), kind, "");
                assert_eq!(trailers_only(&answer), Some("12"), "{path}");
                let message = format!("no such method: {path}");
                assert_eq!(answer.header("grpc-message"), Some(&*message));
            }
            let answer = stage.ask("t", &format!("POST {path}"), "", "");
            assert_eq!(answer.status, 404, "{path}");
            let answer = stage.ask("t", &format!("GET {path}"), BINARY, "");
            assert_eq!(answer.status, 404, "{path}");
        }
        // A page asks before.
        let asks = "Origin: https://x\r\nAccess-Control-Request-Method: POST\r\n";
        let answer = stage.ask("t", &format!("OPTIONS {web}"), asks, "");
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-headers"), Some("*"));
    });
}

#[test]
fn compressed_requests_are_read_and_others_told_what_is() {
    everywhere(|stage| {
        let message = event("n", None).encode_to_vec();
        let gzip = crate::support::grpc::gzip(&message);
        let headers = format!("{BINARY}grpc-encoding: gzip\r\ngrpc-accept-encoding: gzip\r\n");
        let (head, body) = ask(stage, &call(METHOD, &headers, &framed(1, &gzip)));
        assert_eq!(
            head.header("grpc-encoding"),
            None,
            "the answer is not compressed"
        );
        let frames = frames(&body);
        assert_eq!(
            (frames.len(), frames[0].0, trailers(&frames[1]).0),
            (2, 0, 0)
        );
        for (headers, body, code) in [
            (headers.as_str(), framed(1, b"no gzip"), 13),
            (
                headers.as_str(),
                framed(1, &crate::support::grpc::gzip(&vec![0; 8 << 20])),
                8,
            ),
            (BINARY, framed(1, &gzip), 13),
        ] {
            let headers = headers.strip_prefix(BINARY).unwrap_or_default();
            let (found, message) = failed(stage, &format!("{BINARY}{headers}"), &body);
            assert_eq!(found, code, "{message}");
        }
        let headers = format!("{BINARY}grpc-encoding: br\r\n");
        let (head, _) = ask(stage, &call(METHOD, &headers, &framed(0, &message)));
        assert_eq!(head.header("grpc-accept-encoding"), Some("identity,gzip"));
    });
}

#[test]
fn a_repeated_idempotency_key_gets_the_first_id() {
    everywhere(|stage| {
        let body = framed(0, &event("n", None).encode_to_vec());
        let headers = format!("{BINARY}Idempotency-Key: k\r\n");
        let (_, first) = ask(stage, &call(METHOD, &headers, &body));
        let (_, second) = ask(stage, &call(METHOD, &headers, &body));
        let (_, other) = ask(stage, &call(METHOD, BINARY, &body));
        assert_eq!(first, second);
        assert!(first != other);
    });
}

#[test]
fn who_may_not_publish_is_told_before_the_body() {
    let config = organized([organization("one", &[("listen-1", "subscribe")])]);
    everywhere_with(&config, |stage| {
        let peer = stage.connect("t");
        let headers = format!("{}{BINARY}Content-Length: 1000\r\n", bearer("listen-1"));
        let head = request(&format!("POST {METHOD}"), &headers, "");
        stage.node.send(peer, head);
        stage.node.settle();
        let answer = String::from_utf8_lossy(&stage.node.peers[peer].received);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("grpc-status:7\r\n"), "{answer}");
    });
}
