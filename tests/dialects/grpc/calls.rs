//! gRPC over HTTP/2 (PROTOCOL-HTTP2): calls that are wrong, that take too long, and how their end
//! is told.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use fanfare_tonic::event::{
    events_stream_request::Message as Ask, events_stream_response::Message as Say,
};
use fanfare_tonic::prost::Message as _;
use http::Request;

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::grpc::{PUBLISH, STREAM, ask, event, framed, head, subscription};
use crate::support::http2::{Client, End};
use crate::support::organizations::organization;

/// A call's status, and whether it came with the head ("Trailers-Only").
fn status(stage: &mut Stage, client: &mut Client, call: usize) -> (u16, bool) {
    client.settle(&mut stage.node);
    let call = &client.calls[call];
    assert_eq!(call.end, Some(End::Complete), "{:?}", call.head);
    assert_eq!(call.status(), Some(200));
    assert_eq!(call.field("content-type"), Some("application/grpc"));
    let (code, message) = call.grpc_status().expect("a status");
    assert!(code == 0 || !message.is_empty(), "{code}");
    (code, call.trailers.is_none())
}

#[test]
fn a_call_that_is_over_with_its_head_gets_trailers_only() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        for (path, fields, code) in [
            ("/apis.event.v2.EventService/No", &[][..], 12),
            ("/no.Such/Method", &[], 12),
            ("/no/such/path", &[], 12),
            ("/healthz", &[], 12),
            (STREAM, &[("grpc-timeout", "1")], 13),
            (STREAM, &[("grpc-timeout", "soon")], 13),
            (STREAM, &[("grpc-encoding", "deflate")], 12),
            (STREAM, &[("grpc-encoding", "x-gzip")], 12),
        ] {
            let call = client.open(head(path, fields), false);
            assert_eq!(
                status(stage, &mut client, call),
                (code, true),
                "{path} {fields:?}"
            );
        }
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(stage.node.sum("http2_streams"), 0);
    });
}

#[test]
fn messages_that_are_wrong_end_the_call() {
    let long = (WEBSOCKET_MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes();
    let long = [&[0][..], &long, b"x"].concat();
    for (what, bytes, code) in [
        ("compressed", &b"\x01\0\0\0\x01x"[..], 13),
        ("no such flag", b"\x07\0\0\0\x01x", 13),
        ("too long", &long, 8),
    ] {
        everywhere(|stage| {
            let mut client = Client::connect(&mut stage.node, 0);
            for path in [STREAM, PUBLISH] {
                let call = client.call(path);
                client.send(call, bytes);
                assert_eq!(status(stage, &mut client, call).0, code, "{what}");
            }
        });
    }
}

#[test]
fn what_was_answered_before_comes_before_the_end() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.call(STREAM);
        for n in 0..3 {
            client.send_message(call, &ask("", Ask::Ping(n.to_string())));
        }
        // The stream ends within a message.
        client.send(call, &framed(b"0123456789")[..9]);
        client.half_close(call);
        assert_eq!(status(stage, &mut client, call), (13, false));
        let pongs: Vec<Say> = (0..3).map(|n| Say::Pong(n.to_string())).collect();
        assert_eq!(client.calls[call].take_said(), pongs);
    });
}

#[test]
fn publish_takes_one_message() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.call(PUBLISH);
        client.half_close(call);
        let (code, _) = status(stage, &mut client, call);
        assert_ne!(code, 0, "without a message");
        let call = client.unary(&mut stage.node, PUBLISH, &event("", 0, ""));
        assert_eq!(status(stage, &mut client, call).0, 3, "without a name");
        let call = client.call(PUBLISH);
        client.send(call, &framed(b"\xff\xff"));
        client.half_close(call);
        let (code, _) = status(stage, &mut client, call);
        assert!(matches!(code, 3 | 13), "unreadable: {code}");
    });
}

#[test]
fn a_unary_call_with_two_messages_publishes_nothing() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let hearing = client.subscribe(&mut stage.node, "*");
        let one = framed(&event("n", 1, "").encode_to_vec());
        let two = [&one[..], &one].concat();
        let half = [&one[..], &one[..3]].concat();
        for (at_once, later) in [(&two, &one[..0]), (&one, &one), (&half, &one[..0])] {
            let call = client.call(PUBLISH);
            client.send(call, at_once);
            client.settle(&mut stage.node);
            if !later.is_empty() {
                assert_eq!(client.calls[call].end, None, "its end is waited for");
                client.send(call, later);
            }
            client.half_close(call);
            assert_eq!(status(stage, &mut client, call).0, 12);
        }
        assert!(client.calls[hearing].take_said().is_empty());
        // The one message counts when it is known to be the only one.
        let call = client.call(PUBLISH);
        client.send(call, &one);
        client.settle(&mut stage.node);
        assert!(client.calls[hearing].take_said().is_empty());
        client.half_close(call);
        assert_eq!(status(stage, &mut client, call).0, 0);
        assert_eq!(client.calls[hearing].take_numbers(), [1]);
    });
}

#[test]
fn a_deadline_passes() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.open(head(STREAM, &[("grpc-timeout", "5S")]), false);
        client.send_message(call, &ask("", Ask::Subscribe(subscription("e", None))));
        let silent = client.open(head(PUBLISH, &[("grpc-timeout", "1500m")]), false);
        client.settle(&mut stage.node);
        stage.node.pass(Duration::from_secs(1));
        client.settle(&mut stage.node);
        assert_eq!(client.calls[silent].end, None);
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(status(stage, &mut client, silent).0, 4);
        stage.node.pass(Duration::from_secs(2));
        client.settle(&mut stage.node);
        assert_eq!(client.calls[call].end, None);
        stage.node.pass(Duration::from_secs(2));
        assert_eq!(status(stage, &mut client, call).0, 4);
        assert_eq!(client.calls[call].take_said().len(), 1);
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(stage.node.sum("subscriptions"), 0);
        assert_eq!(stage.node.sum("http2_streams"), 0);
    });
}

#[test]
fn a_deadline_that_is_past_ends_the_call_at_once() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.open(head(STREAM, &[("grpc-timeout", "0n")]), false);
        client.settle(&mut stage.node);
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(status(stage, &mut client, call).0, 4);
    });
}

/// A stream has no end of its own: days pass, as long as the connection lives.
#[test]
fn a_stream_without_a_deadline_stays() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let silent = client.call(STREAM);
        let hears = client.subscribe(&mut stage.node, "e");
        for _ in 0..600 {
            stage.node.pass(Duration::from_secs(1));
            client.settle(&mut stage.node);
        }
        assert_eq!(client.calls[silent].end, None);
        let mut publisher = Client::connect(&mut stage.node, 0);
        super::publish(stage, &mut publisher, 0..1, "", &mut [&mut client]);
        assert_eq!(client.calls[hears].take_numbers(), [0]);
        client.send_message(silent, &ask("", Ask::Ping("x".into())));
        client.settle(&mut stage.node);
        assert_eq!(client.calls[silent].take_said().len(), 1);
    });
}

#[test]
fn the_head_comes_before_the_first_message() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.call(STREAM);
        client.settle(&mut stage.node);
        assert_eq!(client.calls[call].status(), Some(200));
        assert_eq!(client.calls[call].end, None);
    });
}

#[test]
fn who_may_not_is_told_by_the_status() {
    let grants = [
        ("publisher-token-0000", "publish"),
        ("listener-token-00000", "subscribe"),
    ];
    let config = Config {
        organizations: vec![organization("o", &grants)],
        ..Config::default()
    };
    everywhere_with(&config, |stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let bearer = |token: &str| format!("Bearer {token}");
        for (token, code) in [
            (None, 16),
            (Some("no-such-token-000000"), 16),
            (Some("listener-token-00000"), 7),
            (Some("publisher-token-0000"), 0),
        ] {
            let token = token.map(bearer);
            let fields: Vec<_> = token
                .iter()
                .map(|t| ("authorization", t.as_str()))
                .collect();
            let call = client.open(head(PUBLISH, &fields), false);
            client.send_message(call, &event("a", 1, ""));
            client.half_close(call);
            assert_eq!(status(stage, &mut client, call).0, code, "{token:?}");
        }
    });
}

#[test]
fn grpc_web_is_served_over_http_2_too() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let message = framed(&fanfare_tonic::prost::Message::encode_to_vec(&event(
            "a", 1, "",
        )));
        for prefix in ["", "/grpcweb/event/v2"] {
            let request = Request::post(format!("http://x{prefix}{PUBLISH}"))
                .header("content-type", "application/grpc-web+proto")
                .header("x-grpc-web", "1");
            let call = client.open(request.body(()).expect("a request"), false);
            client.send(call, &message);
            client.half_close(call);
            client.settle(&mut stage.node);
            let call = &client.calls[call];
            assert_eq!(call.end, Some(End::Complete));
            assert!(call.trailers.is_none(), "they are in the body");
            let length = u32::from_be_bytes(call.body[1..5].try_into().expect("four")) as usize;
            let (reply, trailers) = call.body.split_at(5 + length);
            assert_eq!((reply[0], trailers[0]), (0, 0x80));
            let trailers = String::from_utf8_lossy(&trailers[5..]).into_owned();
            assert!(trailers.contains("grpc-status:"), "{trailers}");
        }
    });
}

/// Many calls at once, and one after the other, on one connection.
#[test]
fn calls_do_not_mind_each_other() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let hears = client.subscribe(&mut stage.node, "e");
        let mut expected = Vec::new();
        for round in 0..20 {
            let calls: Vec<usize> = (0..50)
                .map(|n| {
                    let call = client.call(PUBLISH);
                    client.send_message(call, &event("e", round * 50 + n, ""));
                    client.half_close(call);
                    call
                })
                .collect();
            client.settle(&mut stage.node);
            for call in calls {
                assert_eq!(status(stage, &mut client, call).0, 0);
            }
            expected.extend(round * 50..(round + 1) * 50);
        }
        let mut numbers = client.calls[hears].take_numbers();
        numbers.sort_unstable();
        assert_eq!(numbers, expected);
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(stage.node.sum("http2_streams"), 1);
    });
}
