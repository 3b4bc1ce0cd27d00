//! RFC 9110 on every path of every dialect: who may read an answer, what an empty body is, what
//! `Accept` and `Upgrade` ask for, and the server as a whole.

use fanfare::config::CorsConfig;
use fanfare::dialect::Config;

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::http::{Response, request};
use crate::support::node::TestNode;
use crate::support::organizations::{organization, organized};

/// A path of each route of each dialect.
const PATHS: [&str; 14] = [
    "/api/sessions",
    "/_wave/api/sessions/t",
    "/api/sessions/t/events",
    "/api/sessions/t/status",
    "/api/sessions/t/no/such/function",
    "/sysadm",
    "/sysadm/ws",
    "/live/ws",
    "/communication_manager/ws/event",
    "/event/v2/publish",
    "/apis.event.v2.EventService/Publish",
    "/grpcweb/event/v2/apis.event.v2.EventService/Stream",
    "/api/v1/pub_subs",
    "/pubsub/ws",
];

/// Requests that HTTP itself refuses, `{}` being the path.
fn refused() -> Vec<(String, u16)> {
    let host = "HTTP/1.1\r\nHost: x\r\n";
    let long = "a".repeat(70_000);
    let many = "X: y\r\n".repeat(100);
    let body = "Transfer-Encoding: chunked\r\n\r\n";
    [
        ("GET {} HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("GET {{}} {host}Host: y\r\n\r\n"), 400),
        (format!("GET {{}} {host}X y\r\n\r\n"), 400),
        (format!("GET {{}}?a|b {host}\r\n"), 400),
        (format!("GET {{}} {host}Content-Length: +5\r\n\r\n"), 400),
        ("GET {} HTTP/1.1\nHost: x\r\n\r\n".to_owned(), 400),
        (format!("GET {{}}?{long} {host}\r\n"), 414),
        (format!("GET {{}} {host}Expect: miracles\r\n\r\n"), 417),
        (format!("GET {{}} {host}X: {long}\r\n\r\n"), 431),
        (format!("GET {{}} {host}{many}\r\n"), 431),
        (format!("BREW {{}} {host}\r\n"), 501),
        (
            format!("GET {{}} {host}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            501,
        ),
        ("GET {} HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(), 505),
        (format!("OPTIONS {{}} {host}{body}5;bad[=x\r\n"), 400),
        (
            format!("OPTIONS {{}} {host}Content-Length: 1\r\n\r\nx"),
            400,
        ),
    ]
    .into()
}

fn ask(node: &mut TestNode, request: &str) -> Response {
    let peer = node.connect(0);
    node.ask(peer, request)
}

#[test]
fn pages_can_read_every_refusal_on_a_dialect_s_path() {
    let mut node = TestNode::new(1, 5, &Config::default());
    for path in PATHS {
        for (text, status) in refused() {
            let text = text.replace("{}", path);
            let refused = ask(&mut node, &text);
            let shown = &text[..text.len().min(120)];
            assert_eq!(refused.status, status, "{shown:?} {refused:?}");
            let allowed = refused.header("access-control-allow-origin");
            assert_eq!(allowed, Some("*"), "{shown:?}");
        }
    }
}

#[test]
fn pages_can_read_what_a_dialect_refuses_and_answers() {
    let mut node = TestNode::new(1, 5, &Config::default());
    for path in PATHS {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let text = request(&format!("{method} {path}"), "", "");
            let peer = node.connect(0);
            node.send(peer, text);
            node.settle();
            let bodiless = method == "HEAD";
            let received = &mut node.peers[peer].received;
            let Some(answer) = crate::support::http::take_response(received, bodiless) else {
                assert!(path.ends_with("/events"), "a poll waits, nobody else");
                continue;
            };
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed, Some("*"), "{method} {path} {answer:?}");
            if method == "OPTIONS" && answer.status < 300 {
                assert_eq!(
                    answer.header("access-control-max-age"),
                    Some("7200"),
                    "{path}"
                );
            }
        }
    }
}

#[test]
fn a_page_is_told_of_an_unreadable_request_only_where_everything_is_open() {
    let closed = organized([organization("one", &[("t", "publish")])]);
    for (config, allowed) in [(Config::default(), Some("*")), (closed, None)] {
        let mut node = TestNode::new(1, 5, &config);
        for text in [
            "\u{1}\r\n\r\n",
            "GET no HTTP/1.1\r\n\r\n",
            "GET /no HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            let refused = ask(&mut node, text);
            assert_eq!(
                refused.header("access-control-allow-origin"),
                allowed,
                "{text}"
            );
        }
    }
}

#[test]
fn the_origin_that_asks_is_named() {
    let mut config = Config::default();
    let cors = CorsConfig {
        allow_origin: ["https://a.example", "https://*.b.example"]
            .map(String::from)
            .to_vec(),
        ..CorsConfig::default()
    };
    config.sessions.cors = cors.clone();
    config.sysadm.cors = cors.clone();
    config.live.cors = cors.clone();
    config.stream.cors = cors.clone();
    config.pubsub.cors = cors;
    let mut node = TestNode::new(1, 5, &config);
    for path in PATHS {
        for (origin, named) in [
            ("https://a.example", true),
            ("https://x.y.b.example", true),
            ("https://b.example", false),
            ("https://evil.example", false),
            ("null", false),
        ] {
            let line = format!("Origin: {origin}\r\n");
            let mut texts = vec![request(&format!("PATCH {path}"), &line, "")];
            texts.push(request(&format!("OPTIONS {path}"), &line, ""));
            texts.push(request(&format!("BREW {path}"), &line, ""));
            texts.push(request(&format!("OPTIONS {path}"), &line, "body"));
            for text in texts {
                let answer = ask(&mut node, &text);
                let allowed = answer.header("access-control-allow-origin");
                assert_eq!(allowed, named.then_some(origin), "{text:?} {answer:?}");
                assert_eq!(answer.header("vary"), Some("Origin"), "{text:?}");
            }
        }
    }
    let file = ask(
        &mut node,
        &request("GET /pubsub/client.js", "Origin: https://a.example\r\n", ""),
    );
    assert_eq!(file.header("access-control-allow-origin"), Some("*"));
}

/// Polls of pages of several origins stand at the same place of a log, and each is answered in its
/// own name.
#[test]
fn polls_and_feeds_that_waited_name_their_own_origin() {
    let mut config = Config::default();
    config.sessions.cors.allow_origin = vec!["https://*.example".to_owned()];
    everywhere_with(&config, |stage| {
        let park = |stage: &mut Stage, headers: &str| {
            let peer = stage.connect("t");
            let line = "GET /api/sessions/t/events";
            stage.node.send(peer, request(line, headers, ""));
            stage.node.settle();
            peer
        };
        let origins = [
            "https://a.example",
            "https://b.example",
            "https://a.example",
            "https://evil",
        ];
        let polls = origins.map(|origin| park(stage, &format!("Origin: {origin}\r\n")));
        let silent = park(stage, "");
        let posted = stage.ask(
            "t",
            "POST /api/sessions/t/events",
            "Origin: https://c.example\r\n",
            r#"{"type":"a","data":1}"#,
        );
        let allowed = |answer: &Response| {
            let allowed = answer.header("access-control-allow-origin");
            allowed.map(str::to_owned)
        };
        assert_eq!(allowed(&posted).as_deref(), Some("https://c.example"));
        for (peer, origin) in polls.into_iter().zip(origins) {
            let answer = stage.answer(peer);
            let expected = (origin != "https://evil").then_some(origin);
            assert_eq!(allowed(&answer).as_deref(), expected);
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
        assert_eq!(allowed(&stage.answer(silent)), None);
        let feed = park(
            stage,
            "Origin: https://f.example\r\nAccept: text/event-stream\r\n",
        );
        let head = stage.node.response(feed).expect("a head");
        assert_eq!(allowed(&head).as_deref(), Some("https://f.example"));
    });
}

#[test]
fn an_empty_body_is_no_body() {
    const EMPTY: [&str; 3] = [
        "Content-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n000;a=\"b\"\r\nX: y\r\n\r\n",
    ];
    let lines = [
        "GET /healthz",
        "HEAD /metrics",
        "GET /pubsub/client.js",
        "GET /api/sessions/t",
        "GET /api/sessions/t/status",
        "GET /api/sessions/t/events?last_event=-1&timeout=0",
        "DELETE /api/sessions/none",
        "POST /api/sessions",
        "POST /api/sessions/t/events",
        "POST /api/sessions/t/start",
        "PUT /api/sessions/t/labels",
        "OPTIONS /api/sessions/t/events",
        "OPTIONS /event/v2/publish",
        "OPTIONS /api/v1/publish",
        "OPTIONS *",
        "POST /event/v2/publish",
        "POST /api/v1/publish",
        "GET /sysadm",
        "GET /live/ws",
        "GET /pubsub/ws",
    ];
    everywhere(|stage| {
        stage.publish("t", "\"a\"", "1");
        for line in lines {
            let mut statuses = Vec::new();
            for fields in ["\r\n"].into_iter().chain(EMPTY) {
                let text = format!("{line} HTTP/1.1\r\nHost: x\r\n{fields}");
                // All at once, and with every byte by itself, so that the request is looked at
                // again and again.
                for pieces in [1, text.len()] {
                    let peer = stage.connect("t");
                    let size = text.len().div_ceil(pieces);
                    for piece in text.as_bytes().chunks(size) {
                        stage.node.send(peer, piece);
                        stage.node.settle();
                    }
                    // The connection goes on, so the next request is where it should be.
                    stage.node.send(peer, request("GET /healthz", "", ""));
                    stage.node.settle();
                    let received = &mut stage.node.peers[peer].received;
                    let bodiless = line.starts_with("HEAD") || line.starts_with("OPTIONS");
                    let first = crate::support::http::take_response(received, bodiless);
                    let first = first.unwrap_or_else(|| panic!("{text:?} is not answered"));
                    let second = stage.node.response(peer);
                    let second = second.unwrap_or_else(|| panic!("after {text:?} nothing"));
                    assert_eq!((second.status, &*second.body), (200, "ok\n"), "{text:?}");
                    statuses.push(first.status);
                    stage.node.break_off(peer);
                }
            }
            let first = statuses[0];
            assert!(
                statuses.iter().all(|&status| status == first),
                "{line} {statuses:?}"
            );
        }
    });
}

#[test]
fn a_reader_that_waits_may_have_sent_an_empty_body() {
    for accept in ["", "Accept: text/event-stream\r\n"] {
        everywhere(|stage| {
            let peer = stage.connect("t");
            let line = "GET /api/sessions/t/events HTTP/1.1\r\nHost: x\r\n";
            let text = format!("{line}{accept}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
            for piece in text.as_bytes().chunks(7) {
                stage.node.send(peer, piece);
                stage.node.settle();
            }
            stage.publish("t", "\"a\"", "1");
            let received = String::from_utf8_lossy(&stage.node.peers[peer].received).into_owned();
            assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
            assert!(received.contains(if accept.is_empty() {
                "\"data\":1"
            } else {
                "data: 1"
            }));
        });
    }
}

#[test]
fn a_reader_with_a_body_is_refused() {
    let mut node = TestNode::new(1, 5, &Config::default());
    for framed in [
        "Content-Length: 1\r\n\r\nx",
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ] {
        let text = format!("GET /api/sessions/t/events HTTP/1.1\r\nHost: x\r\n{framed}");
        let refused = ask(&mut node, &text);
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (400, "unexpected_body")
        );
    }
}

/// RFC 9110 §12.5.1: the first line, or a part of a word, is not the field.
#[test]
fn accept_is_read_as_a_whole() {
    everywhere(|stage| {
        for (lines, is_feed) in [
            (
                "Accept: application/json\r\nAccept: text/event-stream\r\n",
                true,
            ),
            ("Accept: TEXT/EVENT-STREAM\r\n", true),
            ("Accept: text/*;q=0.5, */*;q=0.1\r\n", true),
            (
                "Accept: text/event-stream;q=0.1, application/json\r\n",
                false,
            ),
            ("Accept: text/event-stream;q=0\r\n", false),
            ("Accept: text/event-streams\r\n", false),
            ("Accept: */*\r\n", false),
            ("", false),
        ] {
            let answer = stage.ask("t", "GET /api/sessions/t/events?timeout=0", lines, "");
            let content_type = answer.header("content-type");
            let expected = if is_feed {
                "text/event-stream"
            } else {
                "application/json"
            };
            assert_eq!(content_type, Some(expected), "{lines:?}");
        }
    });
}

/// RFC 9110 §7.8: in HTTP/1.0, `Upgrade` is ignored.
#[test]
fn nothing_is_upgraded_in_http_1_0() {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut config = Config::default();
    config.server.echo = true;
    let mut node = TestNode::new(1, 5, &config);
    for path in [
        "/api/sessions/t/events?timeout=0",
        "/event/v2/stream?subscribe.name=a",
        "/sysadm",
        "/live/ws",
        "/pubsub/ws?event_id=e&session_id=t",
        "/echo",
    ] {
        let [plain, upgraded] = ["", upgrade].map(|fields| {
            let peer = node.connect(0);
            let request = format!("GET {path} HTTP/1.0\r\n{fields}\r\n");
            node.send(peer, request);
            node.settle();
            node.peers[peer].received.clone()
        });
        assert!(!plain.is_empty(), "{path}");
        assert_eq!(plain, upgraded, "{path}");
    }
    // In the version that has it, it is not.
    let peer = node.connect(0);
    node.send(peer, request("GET /echo", upgrade, ""));
    node.settle();
    assert!(node.peers[peer].received.starts_with(b"HTTP/1.1 101"));
}

/// RFC 9110 §9.3.7, and what haproxy asks.
#[test]
fn the_server_as_a_whole_says_that_it_is_there() {
    let mut node = TestNode::new(1, 5, &Config::default());
    for text in [
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\n",
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let answer = ask(&mut node, text);
        assert_eq!((answer.status, &*answer.body), (200, ""), "{text:?}");
        assert!(answer.header("allow").expect("methods").contains("OPTIONS"));
    }
    assert_eq!(ask(&mut node, "OPTIONS /x HTTP/1.0\r\n\r\n").status, 404);
}

/// RFC 6455 §4.1: the version is said once; what is said twice may be read in two ways.
#[test]
fn a_handshake_says_its_version_once() {
    let mut node = TestNode::new(1, 5, &Config::default());
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    for path in [
        "/api/sessions/t/events",
        "/sysadm",
        "/live/ws",
        "/pubsub/ws",
    ] {
        for other in ["8", "13", ""] {
            let fields = format!("{upgrade}Sec-WebSocket-Version: {other}\r\n");
            let refused = ask(&mut node, &request(&format!("GET {path}"), &fields, ""));
            assert_eq!(refused.status, 426, "{path} {other:?}");
            assert_eq!(refused.header("sec-websocket-version"), Some("13"));
        }
    }
}
