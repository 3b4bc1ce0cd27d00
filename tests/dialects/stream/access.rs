//! Contract: "Auth" and "WebSocket handshake" — who may come in, who may do what, and how that is
//! told.

use fanfare::dialect::Config;

use super::body::Streaming;
use super::{
    PATH, PUBLISH, ask, assert_alive, body, error_of, fatal_of, http_error_of, names, post,
    subscribe,
};
use crate::stage::{everywhere, everywhere_with};
use crate::support::http::request;
use crate::support::organizations::{bearer, cheap_hash, organization, organized, user};
use crate::support::socket::{Socket, upgrade_with};
use crate::support::web_socket::{Client, Message};

fn config() -> Config {
    let mut one = organization(
        "one",
        &[
            ("all-1", "publish,subscribe"),
            ("listen-1", "subscribe"),
            ("publish-1", "publish"),
            ("admin-1", "admin"),
        ],
    );
    one.users
        .push(user("mikey", &cheap_hash("swordfish"), "publish,subscribe"));
    let two = organization("two", &[("all-2", "publish,subscribe")]);
    organized([one, two])
}

/// A WebSocket's way to present a token.
fn offered(token: &str) -> String {
    format!("Sec-WebSocket-Protocol: Bearer, {token}\r\n")
}

fn api_key(token: &str) -> String {
    format!("X-API-Key: {token}\r\n")
}

/// Header lines that present nothing that is known, and the message they are refused with.
fn strangers() -> Vec<(String, &'static str)> {
    let malformed = "Authorization must be Bearer and a token";
    let unknown = "the API token is not known";
    vec![
        (String::new(), "this needs an API token"),
        (bearer("nobody"), unknown),
        (api_key("nobody"), unknown),
        (
            "Authorization: Basic bWlrZXk6c3dvcmRmaXNo\r\n".to_owned(),
            malformed,
        ),
        ("Authorization: Digest x\r\n".to_owned(), malformed),
    ]
}

#[test]
fn a_token_comes_in_any_of_three_ways() {
    everywhere_with(&config(), |stage| {
        for headers in [
            bearer("all-1"),
            "authorization: bearer all-1\r\n".to_owned(),
            api_key("all-1"),
            offered("all-1"),
            "Sec-WebSocket-Protocol: bearer\r\nSec-WebSocket-Protocol: all-1\r\n".to_owned(),
            bearer("all-1") + &offered("all-1"),
        ] {
            let mut socket = stage.open(PATH, &headers);
            // RFC 6455 §4.1: what is chosen must be what was offered, to the letter.
            let mut names = ["Bearer", "bearer"].into_iter();
            let chosen = names.find(|name| headers.contains(&format!("Protocol: {name}")));
            assert_eq!(socket.protocol.as_deref(), chosen, "{headers}");
            subscribe(stage, &mut socket, "n", "");
            assert_alive(stage, &mut socket);
        }
        for headers in [bearer("all-1"), api_key("all-1")] {
            let answer = post(stage, &headers, &body("n", "{}", ""));
            assert_eq!(answer.status, 200, "{headers}");
            let get = request(&format!("GET {PATH}?subscribe.name=n"), &headers, "");
            let mut listener = Streaming::open(stage, get);
            assert_eq!(listener.lines(stage).len(), 1, "{headers}");
        }
    });
}

#[test]
fn a_web_socket_without_a_good_token_is_told_so_and_closed() {
    everywhere_with(&config(), |stage| {
        let mut cases = strangers();
        cases.push((offered("nobody"), "the API token is not known"));
        cases.push((
            "Sec-WebSocket-Protocol: Bearer\r\n".to_owned(),
            "this needs an API token",
        ));
        cases.push((
            "Sec-WebSocket-Protocol: all-1\r\n".to_owned(),
            "this needs an API token",
        ));
        for (headers, message) in cases {
            let mut socket = stage.open(PATH, &headers);
            let texts = stage.texts(&mut socket);
            let errors: Vec<_> = texts.iter().map(|text| fatal_of(text)).collect();
            assert_eq!(errors, [(16, message.to_owned())], "{headers}");
            let goodbye = socket.goodbye(&mut stage.node);
            assert_eq!(goodbye, Some((1_008, message.to_owned())), "{headers}");
            stage.node.settle();
            assert!(stage.node.peers[socket.peer].is_over());
        }
        assert_eq!(super::subscriptions(stage), 0);
    });
}

#[test]
fn what_a_stranger_says_is_not_carried_out() {
    everywhere_with(&config(), |stage| {
        let mut listener = stage.open(PATH, &bearer("all-1"));
        subscribe(stage, &mut listener, "*", "");
        // The handshake and the first messages in one piece.
        let peer = stage.connect("t");
        let mut client = Client::new();
        let event = format!(r#"{{"publish":{}}}"#, body("n", "{}", ""));
        client.write(Message::text(event));
        client.write(Message::text(r#"{"subscribe":{"name":"*"}}"#));
        let upgrade = upgrade_with(PATH, &bearer("nobody"));
        stage
            .node
            .send(peer, [upgrade.into_bytes(), client.output()].concat());
        stage.node.settle();
        let socket = Socket::opened(&mut stage.node, peer);
        let mut socket = socket.expect("it is opened");
        assert_eq!(stage.texts(&mut socket).len(), 1);
        assert_eq!(names(stage, &mut listener), [""; 0]);
        assert_eq!(super::subscriptions(stage), 1);
    });
}

#[test]
fn a_request_without_a_good_token_is_401() {
    everywhere_with(&config(), |stage| {
        let mut listener = stage.open(PATH, &bearer("all-1"));
        subscribe(stage, &mut listener, "*", "");
        for (headers, message) in strangers() {
            for (line, sent) in [
                (PUBLISH, &*body("n", "{}", "")),
                // Who it is comes first.
                (PUBLISH, "{"),
                ("GET /event/v2/stream?subscribe.name=n", ""),
            ] {
                let answer = stage.ask("t", line, &headers, sent);
                assert_eq!(answer.status, 401, "{line} {headers}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
                let expected = format!(r#"{{"code":16,"message":"{message}","details":[]}}"#);
                assert_eq!(answer.body, expected, "{line} {headers}");
            }
        }
        assert_eq!(names(stage, &mut listener), [""; 0]);
    });
}

#[test]
fn who_may_not_publish_is_refused_before_the_body() {
    everywhere_with(&config(), |stage| {
        for (headers, status) in [(bearer("listen-1"), 403), (bearer("nobody"), 401)] {
            let peer = stage.connect("t");
            let headers = format!("{headers}Content-Length: 1000\r\n");
            stage.node.send(peer, request(PUBLISH, &headers, ""));
            stage.node.settle();
            assert_eq!(stage.answer(peer).status, status, "{headers}");
        }
    });
}

#[test]
fn a_subprotocol_is_for_web_sockets_alone() {
    everywhere_with(&config(), |stage| {
        let answer = post(stage, &offered("all-1"), &body("n", "{}", ""));
        assert_eq!(answer.status, 401);
    });
}

#[test]
fn a_grant_that_is_missing_is_permission_denied_and_the_stream_goes_on() {
    everywhere_with(&config(), |stage| {
        let event = body("n", "{}", r#"{"layoutId":"l"}"#);
        let publish = format!(r#"{{"publish":{event},"correlationId":"c"}}"#);
        let wanted = r#"{"subscribe":{"name":"n"},"correlationId":"c"}"#;
        for (token, may_publish, may_subscribe) in [
            ("all-1", true, true),
            ("listen-1", false, true),
            ("publish-1", true, false),
            ("admin-1", false, false),
        ] {
            let mut socket = stage.open(PATH, &bearer(token));
            for (request, may, grant) in [
                (&*publish, may_publish, "publish"),
                (wanted, may_subscribe, "subscribe"),
            ] {
                let reply = ask(stage, &mut socket, request);
                if may {
                    assert!(!reply.contains("error"), "{token}: {reply}");
                } else {
                    let (id, code, message) = error_of(&reply);
                    assert_eq!((id.as_deref(), code), (Some("c"), 7), "{token}");
                    let said = format!("this API token does not have the grant \"{grant}\"");
                    assert_eq!(message, said);
                }
            }
            assert_alive(stage, &mut socket);
            let posted = post(stage, &bearer(token), &event);
            let get = "GET /event/v2/stream?subscribe.name=n";
            if may_publish {
                assert_eq!(posted.status, 200);
            } else {
                assert_eq!((posted.status, http_error_of(&posted.body).0), (403, 7));
            }
            if may_subscribe {
                let mut listener = Streaming::open(stage, request(get, &bearer(token), ""));
                assert_eq!(listener.lines(stage).len(), 1);
            } else {
                let answer = stage.ask("t", get, &bearer(token), "");
                assert_eq!((answer.status, http_error_of(&answer.body).0), (403, 7));
            }
            stage.texts(&mut socket);
        }
    });
}

#[test]
fn organizations_never_hear_each_other() {
    everywhere_with(&config(), |stage| {
        let mut ones = stage.open(PATH, &bearer("all-1"));
        let mut twos = stage.open(PATH, &offered("all-2"));
        for socket in [&mut ones, &mut twos] {
            for target in ["", r#"{"layoutId":"t"}"#, r#"{"projectId":"p"}"#] {
                subscribe(stage, socket, "*", target);
            }
        }
        for (token, name) in [("all-1", "first"), ("all-2", "second")] {
            for target in [
                "",
                r#"{"layoutId":"t","projectId":"p"}"#,
                r#"{"projectId":"p"}"#,
            ] {
                let answer = post(stage, &bearer(token), &body(name, "{}", target));
                assert_eq!(answer.status, 200);
            }
        }
        assert_eq!(names(stage, &mut ones), ["first"; 3]);
        assert_eq!(names(stage, &mut twos), ["second"; 3]);
        // The same idempotency key is another's.
        let keyed = |token: &str| bearer(token) + "Idempotency-Key: k\r\n";
        let first = post(stage, &keyed("all-1"), &body("a", "{}", ""));
        let second = post(stage, &keyed("all-2"), &body("b", "{}", ""));
        assert!(first.body != second.body);
        assert_eq!(names(stage, &mut ones), ["a"]);
        assert_eq!(names(stage, &mut twos), ["b"]);
    });
}

#[test]
fn in_open_mode_credentials_are_not_looked_at() {
    everywhere(|stage| {
        for (headers, _) in strangers() {
            let mut socket = stage.open(PATH, &headers);
            subscribe(stage, &mut socket, "n", "");
            let answer = post(stage, &headers, &body("n", "{}", ""));
            assert_eq!(answer.status, 200);
            assert_eq!(names(stage, &mut socket), ["n"]);
        }
        assert_eq!(
            stage.open(PATH, &offered("any")).protocol.as_deref(),
            Some("Bearer")
        );
        let other = "Sec-WebSocket-Protocol: chat, superchat\r\n";
        assert_eq!(stage.open(PATH, other).protocol, None);
    });
}
