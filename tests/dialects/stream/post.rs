//! Contract: `POST /event/v2/publish` — one event by one request, and what browsers ask before.

use fanfare::dialect::Config;

use super::{PATH, PUBLISH, body, http_error_of, names, normalized, post, subscribe};
use crate::stage::{everywhere, everywhere_with};
use crate::support::http::request;
use crate::support::organizations::{bearer, organization, organized};

#[test]
fn the_answer_is_the_event_with_its_id() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            subscribe(stage, socket, "*", "");
        }
        let sent = r#"{"target":{"projectId":"p"},"name":"n","payload":{ "a" : 1.50 },"requestMetadata":"why","x":1}"#;
        let answer = post(stage, "", sent);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let event = r#"{"id":"<uuid>","name":"n","payload":{ "a" : 1.50 },"target":{"projectId":"p"},"requestMetadata":"why"}"#;
        assert_eq!(normalized(&answer.body), event);
        for socket in &mut sockets {
            let texts = stage.texts(socket);
            assert_eq!(
                texts,
                [format!(r#"{{"result":{{"event":{}}}}}"#, answer.body)]
            );
        }
    });
}

#[test]
fn what_cannot_be_published_is_400_and_says_why() {
    everywhere(|stage| {
        let long = body(&"x".repeat(129), "{}", "");
        let deep = body(
            "n",
            &format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000)),
            "",
        );
        for (sent, why) in [
            ("", "the body is empty"),
            ("{", "the body is not JSON"),
            ("[]", "the body is not a JSON object"),
            ("{} {}", "the body is not JSON"),
            (r#"{"payload":{}}"#, "\"name\" is missing"),
            (r#"{"name":"n"}"#, "\"payload\" is missing"),
            (r#"{"name":"n","payload":null}"#, "\"payload\" is missing"),
            (
                r#"{"name":"n","payload":[]}"#,
                "\"payload\" must be an object",
            ),
            (r#"{"name":7,"payload":{}}"#, "\"name\" must be a string"),
            (r#"{"name":"","payload":{}}"#, "\"name\" is empty"),
            (
                r#"{"name":"n","payload":{},"target":[]}"#,
                "\"target\" must be an object",
            ),
            (
                r#"{"name":"n","payload":{},"target":{"layoutId":1}}"#,
                "\"target.layoutId\" must be a string",
            ),
            (&long, "\"name\" is longer than 128 characters"),
            (&deep, "\"payload\" is nested deeper than 128"),
        ] {
            let answer = post(stage, "", sent);
            assert_eq!(answer.status, 400, "{sent}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let (code, message) = http_error_of(&answer.body);
            assert_eq!(code, 3, "{sent}");
            assert!(message.starts_with(why), "{sent}: {message}");
        }
        let invalid = [
            request(PUBLISH, "Content-Length: 1\r\n", "").as_bytes(),
            b"\xff",
        ]
        .concat();
        let peer = stage.connect("t");
        let answer = stage.node.ask(peer, invalid);
        assert_eq!(
            http_error_of(&answer.body).1,
            "the body is not UTF-8 at byte 0"
        );
    });
}

#[test]
fn a_body_that_is_too_long_is_413() {
    let mut config = Config::default();
    config.stream.publish_bytes_max = 1_000;
    everywhere_with(&config, |stage| {
        let fits = format!("{:<1000}", body("n", "{}", ""));
        assert_eq!(post(stage, "", &fits).status, 200);
        let answer = post(stage, "", &format!("{fits} "));
        assert_eq!(answer.status, 413);
        http_error_of(&answer.body);
        // Before its end is known, too.
        let chunked = "Transfer-Encoding: chunked\r\n";
        let text = request(PUBLISH, chunked, "") + "3e8\r\n" + &fits + "\r\n1\r\n \r\n0\r\n\r\n";
        let peer = stage.connect("t");
        let answer = stage.node.ask(peer, text);
        assert_eq!(answer.status, 413);
        http_error_of(&answer.body);
    });
}

#[test]
fn another_method_is_405_with_what_is_allowed() {
    everywhere(|stage| {
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let answer = stage.ask("t", &format!("{method} /event/v2/publish"), "", "");
            assert_eq!(answer.status, 405, "{method}");
            assert_eq!(answer.header("allow"), Some("POST, OPTIONS"), "{method}");
            http_error_of(&answer.body);
        }
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = stage.ask("t", &format!("{method} {PATH}"), "", "");
            assert_eq!(answer.status, 405, "{method}");
            assert_eq!(answer.header("allow"), Some("GET, OPTIONS"), "{method}");
            http_error_of(&answer.body);
        }
        for path in [
            "/event/v2",
            "/event/v2/publish/",
            "/event/v1/publish",
            "/event/v2/Stream",
        ] {
            assert_eq!(
                stage.ask("t", &format!("POST {path}"), "", "{}").status,
                404,
                "{path}"
            );
        }
    });
}

#[test]
fn a_repeated_idempotency_key_gets_the_first_answer_and_publishes_nothing() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "*", "");
        for target in [
            "",
            r#"{"layoutId":"l"}"#,
            r#"{"layoutId":"k","projectId":"p","collectionId":"c"}"#,
        ] {
            let key = format!("Idempotency-Key: key {}\r\n", target.len());
            let event = body("n", "{}", target);
            let first = post(stage, &key, &event);
            assert_eq!(first.status, 200, "{first:?}");
            for _ in 0..2 {
                let repeat = post(stage, &key, &event);
                assert_eq!((repeat.status, &repeat.body), (200, &first.body));
            }
            assert_eq!(names(stage, &mut socket), ["n"], "{target}");
            let other = post(stage, "Idempotency-Key: other\r\n", &event);
            assert_eq!(other.status, 200);
            let without = post(stage, "", &event);
            assert!(without.body != first.body);
            stage.pass(fanfare::limits::IDEMPOTENCY_TTL, &mut [&mut socket]);
            stage.texts(&mut socket);
            post(stage, &key, &event);
            assert_eq!(names(stage, &mut socket), ["n"], "five minutes later");
        }
        let long = format!("Idempotency-Key: {}\r\n", "x".repeat(256));
        let answer = post(stage, &long, &body("n", "{}", ""));
        assert_eq!((answer.status, http_error_of(&answer.body).0), (400, 3));
    });
}

#[test]
fn requests_of_one_connection_are_answered_in_order() {
    everywhere(|stage| {
        let peer = stage.connect("t");
        for name in ["a", "b", "c"] {
            let event = body(
                name,
                "{}",
                r#"{"layoutId":"l","projectId":"p","collectionId":"c"}"#,
            );
            stage.node.send(peer, request(PUBLISH, "", &event));
        }
        stage.node.settle();
        for name in ["a", "b", "c"] {
            let answer = stage.node.response(peer).expect("an answer");
            assert_eq!(answer.status, 200);
            assert!(
                answer.body.contains(&format!("\"name\":\"{name}\"")),
                "{answer:?}"
            );
        }
    });
}

#[test]
fn a_server_that_has_no_room_says_503_and_when_to_try_again() {
    let mut config = Config::default();
    config.hub.logs_bytes_max = 4_000;
    config.hub.retention.bytes = 4_000;
    everywhere_with(&config, |stage| {
        let payload = format!(r#"{{"fill":"{}"}}"#, "x".repeat(5_000));
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "*", "");
        let event = body("n", &payload, r#"{"layoutId":"l"}"#);
        let answer = post(stage, "", &event);
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("61"));
        assert_eq!(http_error_of(&answer.body).0, 14);
        // On a stream it is an error like any other.
        let text = format!(r#"{{"publish":{event},"correlationId":"c"}}"#);
        let error = socket.ask(&mut stage.node, &text);
        let (id, code, _) = super::error_of(&error);
        assert_eq!((id.as_deref(), code), (Some("c"), 8));
    });
}

#[test]
fn a_preflight_is_204_and_every_answer_has_the_lines_of_cors() {
    let closed = organized([organization("one", &[("token", "publish")])]);
    for (config, allowed) in [(Config::default(), "*"), (closed, "*, Authorization")] {
        everywhere_with(&config, |stage| {
            let preflight = "Origin: http://x\r\nAccess-Control-Request-Method: POST\r\n";
            let web = "Content-Type: application/grpc-web-text\r\n";
            let calls = "/grpcweb/event/v2/apis.event.v2.EventService";
            let token = bearer("token");
            for (line, headers, sent, status) in [
                ("OPTIONS /event/v2/publish", preflight, "", 204),
                ("OPTIONS /event/v2/stream", preflight, "", 204),
                (&format!("OPTIONS {calls}/Publish"), preflight, "", 204),
                (&format!("OPTIONS {calls}/Stream"), preflight, "", 204),
                (PUBLISH, &*token, r#"{"name":"n","payload":{}}"#, 200),
                (PUBLISH, &token, "{}", 400),
                ("GET /event/v2/publish", &token, "", 405),
                ("GET /event/v2/stream", &token, "", 400),
                (&format!("POST {calls}/Publish"), web, "", 200),
                (&format!("POST {calls}/Publish"), "", "", 415),
                (&format!("GET {calls}/Publish"), web, "", 405),
            ] {
                let answer = stage.ask("t", line, headers, sent);
                assert_eq!(answer.status, status, "{line}: {answer:?}");
                for (name, value) in [("origin", "*"), ("methods", "*"), ("headers", allowed)] {
                    let name = format!("access-control-allow-{name}");
                    assert_eq!(answer.header(&name), Some(value), "{line}");
                }
                let exposed = answer.header("access-control-expose-headers");
                assert_eq!(
                    exposed,
                    Some("Grpc-Status, Grpc-Message, Retry-After"),
                    "{line}"
                );
                if status == 204 {
                    assert_eq!((answer.header("content-length"), &*answer.body), (None, ""));
                }
            }
        });
    }
}
