//! Contract: "gRPC-web" — the responses of `Stream`, over HTTP/1.1: the body of the request is all
//! that the client says, and what it is told comes in chunks.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanfare::dialect::Config;
use fanfare_tonic::event::events_stream_request::Message as Asked;
use fanfare_tonic::event::events_stream_response::Message as Told;
use fanfare_tonic::event::{
    EventTarget, EventsStreamRequest, EventsStreamResponse, PublishEventRequest, SubscribePayload,
};
use fanfare_tonic::prost::Message as _;

use super::body::Streaming;
use super::grpc_web::{BINARY, TEXT, framed, frames, from_base64, payload, trailers};
use super::{body, post};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::http::request;

const PATH: &str = "/grpcweb/event/v2/apis.event.v2.EventService/Stream";

/// A client's end of a call.
struct Call {
    streaming: Streaming,
    is_text: bool,
}

impl Call {
    /// Begins a call with these bytes of messages.
    #[track_caller]
    fn begin(stage: &mut Stage, kind: &str, messages: &[u8]) -> Self {
        let is_text = kind == TEXT;
        let body = if is_text {
            STANDARD.encode(messages).into_bytes()
        } else {
            messages.to_vec()
        };
        let headers = format!("{kind}SessionId: s\r\nContent-Length: {}\r\n", body.len());
        let head = request(&format!("POST {PATH}"), &headers, "");
        let streaming = Streaming::open(stage, [head.as_bytes(), &body].concat());
        let media_type = if is_text {
            "application/grpc-web-text+proto"
        } else {
            "application/grpc-web+proto"
        };
        assert_eq!(streaming.head.header("content-type"), Some(media_type));
        let cached = streaming.head.header("cache-control");
        assert_eq!(cached, Some("no-store, no-transform"));
        assert_eq!(streaming.head.header("x-accel-buffering"), Some("no"));
        Self { streaming, is_text }
    }

    /// What has come since the last look: messages, and the status if the call is over.
    #[track_caller]
    fn read(&mut self, stage: &mut Stage) -> (Vec<EventsStreamResponse>, Option<(u32, String)>) {
        let (mut messages, mut status) = (Vec::new(), None);
        for chunk in self.streaming.chunks(stage) {
            let bytes = if self.is_text {
                from_base64(&chunk)
            } else {
                chunk
            };
            for frame in frames(&bytes) {
                assert_eq!(status, None, "{frame:?} after the trailers");
                if frame.0 == 0 {
                    messages.push(EventsStreamResponse::decode(&frame.1[..]).expect("a message"));
                } else {
                    status = Some(trailers(&frame));
                }
            }
        }
        assert_eq!(status.is_some(), self.streaming.ended);
        (messages, status)
    }
}

fn message(correlation_id: &str, asked: Option<Asked>) -> Vec<u8> {
    let message = EventsStreamRequest {
        correlation_id: Some(correlation_id.to_owned()),
        message: asked,
    };
    framed(0, &message.encode_to_vec())
}

fn wanted(name: &str) -> SubscribePayload {
    SubscribePayload {
        name: name.to_owned(),
        target: Some(EventTarget {
            project_id: Some("p".to_owned()),
            ..EventTarget::default()
        }),
        events: Vec::new(),
    }
}

/// Correlation ids and what was told, by kind.
fn kinds(messages: &[EventsStreamResponse]) -> Vec<(&str, String)> {
    let kinds = messages.iter().map(|message| {
        let kind = match message.message.as_ref().expect("a kind") {
            Told::Pong(text) => format!("pong {text}"),
            Told::Subscribed(wanted) => format!("subscribed {}", wanted.name),
            Told::Unsubscribed(wanted) => format!("unsubscribed {}", wanted.name),
            Told::Published(event) => format!("published {}", event.name),
            Told::Event(event) => format!("event {}", event.name),
            Told::Error(error) => format!("error {}", error.code),
            Told::ReconnectBefore(_) => "reconnect before".to_owned(),
        };
        (message.correlation_id.as_deref().unwrap_or("-"), kind)
    });
    kinds.collect()
}

fn told<'t>(list: &[(&'t str, &str)]) -> Vec<(&'t str, String)> {
    list.iter()
        .map(|&(id, kind)| (id, kind.to_owned()))
        .collect()
}

#[test]
fn the_messages_of_the_request_are_answered_and_events_follow() {
    for kind in [BINARY, TEXT] {
        everywhere(|stage| {
            let publish = PublishEventRequest {
                name: "n".to_owned(),
                payload: Some(payload("a", "b")),
                target: None,
                request_metadata: None,
            };
            let all = [
                message("1", Some(Asked::Ping("hello".to_owned()))),
                message("2", Some(Asked::Subscribe(wanted("n")))),
                message("3", Some(Asked::Subscribe(wanted("m")))),
                message("4", Some(Asked::Unsubscribe(wanted("m")))),
                message("5", None),
                message("6", Some(Asked::Ping(String::new()))),
                framed(0, b"\xff"),
                message("7", Some(Asked::Publish(publish.clone()))),
            ];
            let mut call = Call::begin(stage, kind, &all.concat());
            let (messages, status) = call.read(stage);
            assert_eq!(status, None);
            let expected = [
                ("1", "pong hello"),
                ("2", "subscribed n"),
                ("3", "subscribed m"),
                ("4", "unsubscribed m"),
                ("5", "error 3"),
                ("6", "error 3"),
                ("-", "error 3"),
                ("7", "published n"),
                ("7", "event n"),
            ];
            assert_eq!(kinds(&messages), told(&expected));
            assert_eq!(messages[0].session_id.as_deref(), Some("s"));
            assert_eq!(messages[1].message, Some(Told::Subscribed(wanted("n"))));
            let (Some(Told::Published(published)), Some(Told::Event(own))) =
                (&messages[7].message, &messages[8].message)
            else {
                panic!("{messages:?}");
            };
            assert_eq!(
                (&published.id, &published.payload),
                (&own.id, &publish.payload)
            );
            assert_eq!(messages[8].session_id.as_deref(), Some("s"));
            // What others publish, from then on.
            for name in ["n", "m", "n"] {
                let event = body(name, r#"{"a":"b"}"#, r#"{"projectId":"p"}"#);
                assert_eq!(post(stage, "", &event).status, 200);
            }
            let (messages, status) = call.read(stage);
            assert_eq!(
                kinds(&messages),
                told(&[("-", "event n"), ("-", "event n")])
            );
            let Some(Told::Event(event)) = &messages[0].message else {
                panic!("{messages:?}");
            };
            assert_eq!(
                (&event.payload, &event.target),
                (&publish.payload, &wanted("n").target)
            );
            assert_eq!((messages[0].session_id.as_deref(), status), (None, None));
        });
    }
}

#[test]
fn a_call_that_hears_nothing_ends_after_its_answers() {
    for kind in [BINARY, TEXT] {
        everywhere(|stage| {
            for (messages, expected) in [
                (Vec::new(), &[][..]),
                (
                    message("1", Some(Asked::Ping("a".to_owned()))),
                    &[("1", "pong a")],
                ),
                (
                    [
                        message("1", Some(Asked::Subscribe(wanted("n")))),
                        message("2", Some(Asked::Unsubscribe(wanted("n")))),
                    ]
                    .concat(),
                    &[("1", "subscribed n"), ("2", "unsubscribed n")],
                ),
            ] {
                let mut call = Call::begin(stage, kind, &messages);
                let (messages, status) = call.read(stage);
                assert_eq!(kinds(&messages), told(expected));
                assert_eq!(status, Some((0, String::new())));
                assert!(stage.node.peers[call.streaming.peer].is_over());
            }
        });
    }
}

#[test]
fn what_is_no_message_ends_the_call_after_the_answers_to_those_before() {
    for kind in [BINARY, TEXT] {
        everywhere(|stage| {
            let good = message("1", Some(Asked::Subscribe(wanted("n"))));
            for (bad, code) in [
                (good[..good.len() - 1].to_vec(), 13),
                (vec![0, 0], 13),
                (framed(1, b"x"), 13),
                (framed(0x80, b"grpc-status:0\r\n"), 13),
                (vec![0, 0xff, 0xff, 0xff, 0xff], 8),
            ] {
                let mut call = Call::begin(stage, kind, &[&good[..], &bad].concat());
                let (messages, status) = call.read(stage);
                assert_eq!(kinds(&messages), told(&[("1", "subscribed n")]));
                assert_eq!(status.map(|(code, _)| code), Some(code), "{bad:?}");
                stage.node.settle();
                assert_eq!(super::subscriptions(stage), 0);
            }
        });
    }
}

#[test]
fn a_slow_client_is_told_resource_exhausted() {
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = 16 * 1024;
    for kind in [BINARY, TEXT] {
        everywhere_with(&config, |stage| {
            let asked = message("1", Some(Asked::Subscribe(wanted("n"))));
            let mut call = Call::begin(stage, kind, &asked);
            stage.node.open_window(call.streaming.peer, 100);
            let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(2_000));
            for _ in 0..20 {
                assert_eq!(post(stage, "", &body("n", &large, "")).status, 200);
            }
            stage.node.open_window(call.streaming.peer, usize::MAX);
            stage.node.settle();
            let (messages, status) = call.read(stage);
            // The event that was begun is sent to its end.
            assert_eq!(
                kinds(&messages),
                told(&[("1", "subscribed n"), ("-", "event n")])
            );
            assert_eq!(status.map(|(code, _)| code), Some(8));
            assert!(stage.node.peers[call.streaming.peer].is_over());
        });
    }
}

#[test]
fn a_server_that_leaves_says_until_when_and_ends_the_call_as_unavailable() {
    for kind in [BINARY, TEXT] {
        everywhere(|stage| {
            let asked = message("1", Some(Asked::Subscribe(wanted("n"))));
            let mut call = Call::begin(stage, kind, &asked);
            call.read(stage);
            for shard in &mut stage.node.shards {
                shard.drain(stage.node.now);
            }
            stage.node.settle();
            let (messages, status) = call.read(stage);
            assert_eq!(status, None);
            let [
                EventsStreamResponse {
                    message: Some(Told::ReconnectBefore(advice)),
                    ..
                },
            ] = &messages[..]
            else {
                panic!("{messages:?}");
            };
            let before: u64 = advice.before_timestamp.parse().expect("milliseconds");
            let left = before - stage.node.now.unix_ms;
            assert!(
                !advice.reauthenticate && (1..=5_000).contains(&left),
                "{advice:?}"
            );
            stage.node.pass(Duration::from_millis(left + 100));
            let (messages, status) = call.read(stage);
            assert_eq!(messages, []);
            assert_eq!(status.map(|(code, _)| code), Some(14));
        });
    }
}
