//! HTTP around the dialect: CORS, preflight, pipelining, persistence, torn input, drain.

use std::time::Duration;

use fanfare::limits::HTTP_LAST_REQUEST_TIMEOUT;

use crate::stage::everywhere;
use crate::support::http::{request, take_response};

const EVENT: &str = r#"{"type":1,"data":1}"#;

#[test]
fn every_answer_carries_cors() {
    everywhere(|stage| {
        let calls = [
            ("POST /api/sessions", "{}", 200),
            ("POST /api/sessions", "{", 400),
            ("GET /api/sessions", "", 405),
            ("POST /api/sessions/t/events", EVENT, 200),
            ("POST /api/sessions/t/events", "", 400),
            ("GET /api/sessions/t/events?last_event=-1", "", 200),
            ("PUT /api/sessions/t/events", "{}", 405),
            ("PATCH /api/sessions/t", "", 405),
            ("GET /api/sessions/t", "", 200),
            ("GET /api/sessions/t/status", "", 200),
            ("GET /api/sessions/u/status", "", 404),
            ("POST /api/sessions/t/pause", "", 409),
            ("POST /api/sessions/t/start", "", 200),
            ("GET /api/sessions/t/start", "", 405),
            ("GET /api/sessions/t/nothing", "", 404),
            ("GET /_wave/api/sessions/t/nothing", "", 404),
            ("GET /api/sessions/!/events", "", 400),
        ];
        for (line, body, status) in calls {
            let answer = stage.ask("t", line, "", body);
            assert_eq!(answer.status, status, "{line}");
            for part in ["origin", "headers", "methods"] {
                let name = format!("access-control-allow-{part}");
                assert_eq!(answer.header(&name), Some("*"), "{line}");
            }
            let exposed = answer
                .header("access-control-expose-headers")
                .expect("exposed");
            for name in ["Epoch", "Oldest", "Next", "Gap", "More", "Number", "Id"] {
                let name = format!("Fanfare-{name}");
                assert!(exposed.split(", ").any(|one| one == name), "{exposed}");
            }
            assert!(answer.header("date").is_some());
        }
    });
}

#[test]
fn options_is_200_and_empty() {
    everywhere(|stage| {
        for path in [
            "",
            "/t",
            "/t/events",
            "/t/status",
            "/t/start",
            "/t/labels",
            "/t/resume",
        ] {
            for base in ["/api/sessions", "/_wave/api/sessions"] {
                let preflight = "Origin: http://x\r\nAccess-Control-Request-Method: POST\r\n";
                let answer = stage.ask("t", &format!("OPTIONS {base}{path}"), preflight, "");
                assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
                assert_eq!(answer.header("content-length"), Some("0"));
                assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            }
        }
    });
}

#[test]
fn a_head_has_the_length_and_no_body() {
    everywhere(|stage| {
        let token = stage.create("");
        for rest in ["", "/status", "/events"] {
            let peer = stage.connect(&token);
            let path = format!("/api/sessions/{token}{rest}");
            stage
                .node
                .send(peer, request(&format!("HEAD {path}"), "", ""));
            stage.node.settle();
            let head = take_response(&mut stage.node.peers[peer].received, true).expect("a head");
            assert!(
                stage.node.peers[peer].received.is_empty(),
                "a body after HEAD {rest}"
            );
            if rest != "/events" {
                let get = stage
                    .node
                    .ask(peer, request(&format!("GET {path}"), "", ""));
                assert_eq!(head.status, get.status);
                assert_eq!(
                    head.header("content-length"),
                    Some(&*get.body.len().to_string())
                );
            }
        }
    });
}

#[test]
fn the_body_is_invited_when_it_will_be_read() {
    everywhere(|stage| {
        for framing in ["Content-Length: 19", "Transfer-Encoding: chunked"] {
            let peer = stage.connect("t");
            let head = format!(
                "POST /api/sessions/t/events HTTP/1.1\r\nHost: x\r\n{framing}\r\n\
                 Expect: 100-continue\r\n\r\n"
            );
            assert_eq!(stage.node.ask(peer, head).status, 100);
            let body = match framing {
                "Content-Length: 19" => EVENT.to_owned(),
                _ => format!(
                    "5\r\n{}\r\ne;x=y\r\n{}\r\n0\r\n\r\n",
                    &EVENT[..5],
                    &EVENT[5..]
                ),
            };
            assert_eq!(stage.node.ask(peer, body).status, 200);
        }
        assert_eq!(
            stage.get("t", "?last_event=-1").header("fanfare-next"),
            Some("2")
        );
    });
}

#[test]
fn requests_behind_a_waiting_poll_wait_their_turn() {
    everywhere(|stage| {
        let peer = stage.park("t", "");
        let mut behind = request("POST /api/sessions/t/events", "", r#"{"type":2,"data":2}"#);
        behind += &request("GET /api/sessions/t/events?last_event=-1", "", "");
        behind += &request("GET /api/sessions/u/events?last_event=-1", "", "");
        stage.node.send(peer, behind);
        stage.node.settle();
        assert!(stage.node.response_is_absent(peer));
        stage.publish("t", "1", "1");
        assert_eq!(
            stage.answer(peer).body,
            r#"[{"type":1,"data":1,"number":0}]"#
        );
        assert_eq!(stage.answer(peer).header("fanfare-number"), Some("1"));
        let all = stage.answer(peer).body;
        assert_eq!(
            all,
            r#"[{"type":1,"data":1,"number":0},{"type":2,"data":2,"number":1}]"#
        );
        assert!(stage.node.response_is_absent(peer), "the last one waits");
        stage.publish("u", "3", "3");
        assert_eq!(
            stage.answer(peer).body,
            r#"[{"type":3,"data":3,"number":0}]"#
        );
    });
}

#[test]
fn a_poll_that_is_gone_lets_the_requests_behind_it_go_on() {
    everywhere(|stage| {
        let peer = stage.park("t", "");
        stage
            .node
            .send(peer, request("GET /api/sessions/t", "", ""));
        stage.node.settle();
        assert_eq!(stage.ask("t", "DELETE /api/sessions/t", "", "").status, 200);
        assert_eq!(stage.answer(peer).status, 410);
        assert_eq!(stage.answer(peer).status, 404);
    });
}

#[test]
fn pipelined_publishes_keep_their_order() {
    everywhere(|stage| {
        let peer = stage.connect("t");
        let bodies = (0..50).map(|i| format!("{{\"type\":1,\"data\":{i}}}"));
        let texts = bodies.map(|body| request("POST /api/sessions/t/events", "", &body));
        stage.node.send(peer, texts.collect::<String>());
        stage.node.settle();
        for number in 0..50 {
            let answer = stage.answer(peer);
            assert_eq!(answer.header("fanfare-number"), Some(&*number.to_string()));
        }
        let all = stage.get("t", "?last_event=-1").body;
        assert!(
            (0..50).all(|i| all.contains(&format!("\"data\":{i},\"number\":{i}}}"))),
            "{all}"
        );
    });
}

#[test]
fn input_may_come_byte_by_byte_and_output_leave_so() {
    everywhere(|stage| {
        let peer = stage.connect("t");
        stage.node.open_window(peer, 1);
        let chunked = "POST /api/sessions/t/events HTTP/1.1\r\nHost: x\r\n\
                       Transfer-Encoding: chunked\r\n\r\n13\r\n";
        let mut text = format!("{chunked}{EVENT}\r\n0\r\n\r\n");
        text += &request("POST /api/sessions/t/events", "", EVENT);
        text += &request("GET /api/sessions/t/events?last_event=-1", "", "");
        stage.node.send(peer, &text);
        for _ in 0..text.len() * 20 {
            stage.node.receive(peer, 1);
            for shard in 0..stage.node.shards.len() {
                stage.node.turn(shard);
                for to in 0..stage.node.shards.len() {
                    stage.node.deliver(shard, to);
                }
            }
            stage.node.open_window(peer, 1);
        }
        assert_eq!(stage.answer(peer).header("fanfare-number"), Some("0"));
        assert_eq!(stage.answer(peer).header("fanfare-number"), Some("1"));
        let both = r#"[{"type":1,"data":1,"number":0},{"type":1,"data":1,"number":1}]"#;
        assert_eq!(stage.answer(peer).body, both);
    });
}

#[test]
fn persistence_follows_the_version() {
    everywhere(|stage| {
        let path = "/api/sessions/t/events";
        let length = format!("Content-Length: {}", EVENT.len());
        let cases = [
            (
                format!("POST {path} HTTP/1.0\r\n{length}\r\n\r\n{EVENT}"),
                false,
            ),
            (
                format!(
                    "POST {path} HTTP/1.0\r\nConnection: keep-alive\r\n{length}\r\n\r\n{EVENT}"
                ),
                true,
            ),
            (
                format!("POST {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n{EVENT}"),
                true,
            ),
            (
                format!(
                    "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n\r\n{EVENT}"
                ),
                false,
            ),
            (format!("GET {path}?last_event=-1 HTTP/1.0\r\n\r\n"), false),
            (
                format!("GET {path}?last_event=-1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
                true,
            ),
            (
                format!(
                    "GET {path}?last_event=-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                ),
                false,
            ),
        ];
        for (text, kept) in cases {
            let peer = stage.connect("t");
            assert_eq!(stage.node.ask(peer, &text).status, 200, "{text}");
            assert_eq!(stage.node.peers[peer].is_over(), !kept, "{text}");
        }
        // A poll that had to wait, too.
        let peer = stage.connect("t");
        stage
            .node
            .send(peer, format!("GET {path} HTTP/1.0\r\n\r\n"));
        stage.node.settle();
        stage.publish("t", "1", "1");
        assert_eq!(stage.answer(peer).header("connection"), Some("close"));
        assert!(stage.node.peers[peer].is_over());
        stage.node.pass(Duration::from_secs(80));
        assert_eq!(
            stage.node.sum("connections"),
            0,
            "idle connections are closed"
        );
    });
}

#[test]
fn late_requests_time_out() {
    everywhere(|stage| {
        let head = stage.connect("t");
        stage.node.send(head, "POST /api/se");
        let body = stage.connect("t");
        stage.node.send(
            body,
            format!("{}x", request("POST /api/sessions/t/events", "", EVENT)).replace(EVENT, "{"),
        );
        stage.node.settle();
        stage.node.pass(Duration::from_secs(11));
        assert_eq!(stage.answer(head).status, 408);
        stage.node.pass(Duration::from_secs(11));
        let answer = stage.answer(body);
        assert_eq!(answer.status, 408);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(stage.node.peers[head].is_over() && stage.node.peers[body].is_over());
    });
}

#[test]
fn draining_answers_what_waits_and_closes() {
    everywhere(|stage| {
        stage.publish("t", "1", "1");
        let poll = stage.park("t", "?last_event=0");
        let idle = stage.connect("t");
        let partial = stage.connect("t");
        stage.node.send(
            partial,
            "GET /api/sessions/t/events?last_event=-1 HTTP/1.1\r\n",
        );
        stage.node.settle();
        let unsent = stage.connect("t");
        stage.node.open_window(unsent, 3);
        stage
            .node
            .send(unsent, request("GET /api/sessions/t/status", "", ""));
        stage.node.settle();
        let now = stage.node.now;
        for shard in &mut stage.node.shards {
            shard.drain(now);
        }
        stage.node.settle();
        let answer = stage.answer(poll);
        assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(stage.node.peers[poll].is_over());
        // A request may be on its way.
        assert!(!stage.node.peers[idle].is_over());
        stage.node.pass(2 * HTTP_LAST_REQUEST_TIMEOUT);
        assert!(stage.node.peers[idle].is_over());
        let answer = stage.node.ask(partial, "Host: x\r\n\r\n");
        assert_eq!(answer.body, r#"[{"type":1,"data":1,"number":0}]"#);
        assert!(stage.node.peers[partial].is_over());
        stage.node.open_window(unsent, usize::MAX);
        stage.node.settle();
        assert_eq!(stage.answer(unsent).status, 200);
        assert!(
            stage.node.peers[unsent].is_over(),
            "it is not kept once it has its answer"
        );
        assert!(stage.node.try_connect(0).is_none());
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(stage.node.sum("connections"), 0);
        assert_eq!(stage.node.sum("buffered_bytes"), 0);
    });
}

#[test]
fn a_stream_asked_for_while_draining_ends_at_once() {
    everywhere(|stage| {
        let accept = "Accept: text/event-stream\r\n";
        let text = request("GET /api/sessions/t/events?last_event=-1", accept, "");
        let peer = stage.connect("t");
        stage.node.send(peer, &text[..20]);
        stage.node.settle();
        let now = stage.node.now;
        for shard in &mut stage.node.shards {
            shard.drain(now);
        }
        stage.node.settle();
        stage.node.send(peer, &text[20..]);
        stage.node.settle();
        assert!(stage.node.peers[peer].is_over());
        assert_eq!(stage.node.sum("connections"), 0);
    });
}

#[test]
fn a_request_before_the_peer_closes_its_half_is_answered() {
    everywhere(|stage| {
        stage.publish("t", "1", "1");
        for text in [
            request("GET /api/sessions/t/events?last_event=-1", "", ""),
            request("GET /api/sessions/t/events?timeout=0", "", ""),
            request("POST /api/sessions/t/events", "", EVENT),
            request("GET /api/sessions/t/status", "", ""),
        ] {
            let peer = stage.connect("t");
            stage.node.send(peer, &text);
            stage.node.close_half(peer);
            stage.node.settle();
            assert_eq!(stage.answer(peer).status, 200, "{text}");
            assert!(stage.node.peers[peer].is_over());
        }
        // A poll that stopped listening is not kept.
        let peer = stage.park("t", "");
        stage.node.close_half(peer);
        stage.node.settle();
        assert_eq!(stage.node.sum("connections"), 0);
        stage.node.pass(Duration::from_millis(500));
        assert_eq!(stage.node.sum("readers"), 0);
    });
}

#[test]
fn pipelined_requests_before_the_peer_closes_its_half_are_answered() {
    everywhere(|stage| {
        let peer = stage.connect("t");
        let post = request("POST /api/sessions/t/events", "", EVENT);
        stage.node.send(peer, post.repeat(3));
        stage.node.close_half(peer);
        stage.node.settle();
        for number in ["0", "1", "2"] {
            assert_eq!(stage.answer(peer).header("fanfare-number"), Some(number));
        }
        assert!(stage.node.peers[peer].is_over());
    });
}
