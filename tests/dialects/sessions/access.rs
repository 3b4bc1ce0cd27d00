//! Contract: who may do what, with organizations and without.

use std::time::Duration;

use fanfare::dialect::Config;

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::http::{Response, request};
use crate::support::organizations::{bearer, organization, organized, user};
use crate::support::web_socket::{Client, Message, upgrade};

const EVENT: &str = r#"{"type":1,"data":1}"#;
/// A UUID that no session has.
const UNUSED: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
/// "mikey:swordfish" as RFC 7617 writes it.
const BASIC: &str = "Authorization: Basic bWlrZXk6c3dvcmRmaXNo\r\n";

fn config() -> Config {
    let tokens = [
        ("all", "publish,subscribe,admin"),
        ("both", "publish,subscribe"),
        ("publisher", "publish"),
        ("subscriber", "subscribe"),
        ("admin", "admin"),
    ];
    let mut one = organization("one", &tokens);
    // Never checked here: names and passwords are refused whatever they are.
    one.users.push(user("mikey", "", "publish,subscribe,admin"));
    organized([one])
}

fn create(stage: &mut Stage, token: &str) -> String {
    let created = stage.ask("x", "POST /api/sessions", &bearer(token), "");
    assert_eq!(created.status, 200, "{created:?}");
    let body: serde_json::Value = serde_json::from_str(&created.body).expect("JSON");
    body["token"].as_str().expect("a token").to_owned()
}

fn assert_unauthorized(refused: &Response) {
    let code = refused.error_code();
    assert_eq!(
        (refused.status, &*code),
        (401, "unauthorized"),
        "{refused:?}"
    );
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    for hidden in ["fanfare-epoch", "fanfare-next", "fanfare-oldest"] {
        assert_eq!(refused.header(hidden), None, "{hidden}");
    }
}

fn assert_forbidden(refused: &Response, grant: &str) {
    let code = refused.error_code();
    assert_eq!((refused.status, &*code), (403, "forbidden"), "{refused:?}");
    assert!(refused.body.contains(grant), "{refused:?}");
    assert_eq!(refused.header("www-authenticate"), None);
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
}

/// Every call of the dialect: method, what follows the session's path, body.
const CHANGES: [(&str, &str, &str); 9] = [
    ("POST", "/events", EVENT),
    ("POST", "/start", ""),
    ("POST", "/pause", ""),
    ("POST", "/stop", ""),
    ("PUT", "/labels", "[\"a\"]"),
    ("PUT", "", "{}"),
    ("POST", "/resume", "{\"resume_token\":1}"),
    ("DELETE", "", ""),
    ("POST", "", ""),
];
const READS: [(&str, &str, &str); 5] = [
    ("GET", "/events?last_event=-1&timeout=0", ""),
    ("GET", "", ""),
    ("HEAD", "", ""),
    ("GET", "/status", ""),
    ("GET", "/events?timeout=0", ""),
];

fn call(
    stage: &mut Stage,
    token: &str,
    (method, function, body): (&str, &str, &str),
    headers: &str,
) -> Response {
    // A session is created at the collection, all else is its own.
    let path = match (method, function) {
        ("POST", "") => String::new(),
        _ => format!("/{token}{function}"),
    };
    let line = format!("{method} /api/sessions{path}");
    if method == "HEAD" {
        let peer = stage.connect(token);
        stage.node.send(peer, request(&line, headers, body));
        stage.node.settle();
        let received = &mut stage.node.peers[peer].received;
        return crate::support::http::take_response(received, true).expect("an answer");
    }
    stage.ask(token, &line, headers, body)
}

#[test]
fn without_organizations_credentials_are_not_looked_at() {
    everywhere(|stage| {
        for headers in [
            "",
            BASIC,
            &bearer("x"),
            "Authorization: ?\r\n",
            &bearer("x").repeat(2),
        ] {
            // Also a session that is named by a UUID comes to be when it is listened to.
            for token in ["t", UNUSED] {
                let line = format!("POST /api/sessions/{token}/events");
                assert_eq!(stage.ask(token, &line, headers, EVENT).status, 200);
                let line = format!("GET /api/sessions/{token}/events?last_event=-1");
                assert_eq!(stage.ask(token, &line, headers, "").status, 200);
                let line = format!("DELETE /api/sessions/{token}");
                assert_eq!(stage.ask(token, &line, headers, "").status, 200);
            }
            for token in ["u", "6ba7b810-9dad-11d1-80b4-00c04fd430c9"] {
                let line = format!("GET /api/sessions/{token}/events?timeout=0");
                assert_eq!(stage.ask(token, &line, headers, "").status, 200);
            }
        }
        let options = stage.ask("t", "OPTIONS /api/sessions/t", "", "");
        assert_eq!(options.header("access-control-allow-headers"), Some("*"));
    });
}

#[test]
fn changing_needs_publish_and_reading_needs_subscribe() {
    everywhere_with(&config(), |stage| {
        let session = create(stage, "all");
        for (calls, grant, able, unable) in [
            (&READS[..], "subscribe", "subscriber", "publisher"),
            (&CHANGES[..], "publish", "publisher", "subscriber"),
        ] {
            for &one in calls {
                let refuse_quietly = one.0 == "HEAD";
                for token in [unable, "admin"] {
                    let refused = call(stage, &session, one, &bearer(token));
                    assert_eq!(refused.status, 403, "{one:?} {token}");
                    if !refuse_quietly {
                        assert_forbidden(&refused, grant);
                    }
                }
                for headers in [&bearer("unknown"), BASIC, "Authorization: Bearer\r\n"] {
                    let refused = call(stage, &session, one, headers);
                    assert_eq!(refused.status, 401, "{one:?} {headers}");
                    if !refuse_quietly {
                        assert_unauthorized(&refused);
                    }
                }
                let allowed = call(stage, &session, one, &bearer(able));
                // The session's status or its end may stand in the way, but nobody does.
                assert!(
                    [200, 404, 409].contains(&allowed.status),
                    "{one:?}: {allowed:?}"
                );
            }
            for &one in calls {
                // No credentials, and a name that people can guess.
                let refused = call(stage, "demo", one, "");
                assert_eq!(refused.status, 401, "{one:?}");
                if one.0 != "HEAD" {
                    assert_unauthorized(&refused);
                }
            }
        }
        // Nothing of what was refused has happened.
        let other = create(stage, "both");
        let line = format!("GET /api/sessions/{other}/events?last_event=-1&timeout=0");
        let events = stage.ask(&other, &line, &bearer("both"), "");
        assert_eq!((events.status, events.body.as_str()), (200, "[]"));
        let demo = stage.ask("demo", "GET /api/sessions/demo", &bearer("both"), "");
        assert_eq!(demo.status, 404);
    });
}

#[test]
fn a_refused_publish_is_refused_before_its_body_is_read() {
    everywhere_with(&config(), |stage| {
        for (headers, status) in [("", 401), (&*bearer("subscriber"), 403)] {
            let peer = stage.connect("t");
            let head = format!(
                "POST /api/sessions/t/events HTTP/1.1\r\nHost: x\r\n{headers}\
                 Content-Length: 19\r\nExpect: 100-continue\r\n\r\n"
            );
            let refused = stage.node.ask(peer, head);
            assert_eq!(refused.status, status);
            assert_eq!(refused.header("connection"), Some("close"));
            assert!(stage.node.peers[peer].is_over());
        }
        let peer = stage.connect("t");
        let chunked = "POST /api/sessions/t/events HTTP/1.1\r\nHost: x\r\n\
                       Transfer-Encoding: chunked\r\n\r\n";
        assert_unauthorized(&stage.node.ask(peer, chunked));
        // A refusal without a body to come leaves the connection as it was.
        let peer = stage.connect("t");
        for _ in 0..2 {
            let line = "GET /api/sessions/t/status";
            assert_unauthorized(&stage.node.ask(peer, request(line, "", "")));
        }
    });
}

#[test]
fn a_browser_may_ask_without_credentials() {
    everywhere_with(&config(), |stage| {
        for path in ["", "/t", "/t/events", "/t/labels"] {
            let line = format!("OPTIONS /api/sessions{path}");
            let answer = stage.ask("t", &line, "", "");
            assert_eq!((answer.status, answer.body.as_str()), (200, ""));
            // Fetch §3.3.4: the asterisk is not enough for this field.
            let allowed = answer.header("access-control-allow-headers");
            assert_eq!(allowed, Some("*, Authorization"));
        }
    });
    let mut config = config();
    config.sessions.cors.allow_headers = "X-A".to_owned();
    everywhere_with(&config, |stage| {
        let answer = stage.ask("t", "OPTIONS /api/sessions/t", "", "");
        let allowed = answer.header("access-control-allow-headers");
        assert_eq!(allowed, Some("X-A"), "what the operator says is said");
    });
}

#[test]
fn a_sessions_token_is_enough_to_read_it() {
    everywhere_with(&config(), |stage| {
        let session = create(stage, "both");
        let path = format!("/api/sessions/{session}");
        let peer = stage.park(&session, "");
        let publish = format!("POST {path}/events");
        let sent = stage.ask(&session, &publish, &bearer("publisher"), EVENT);
        assert_eq!(sent.status, 200);
        let body = r#"[{"type":1,"data":1,"number":0}]"#;
        assert_eq!(stage.answer(peer).body, body);
        let read = stage.get(&session, "?last_event=-1");
        assert_eq!((read.status, read.body.as_str()), (200, body));
        for function in ["", "/status"] {
            let described = stage.ask(&session, &format!("GET {path}{function}"), "", "");
            assert!(described.body.contains(&session), "{described:?}");
        }
        let feed = stage.connect(&session);
        let line = format!("GET {path}/events?last_event=-1");
        let text = request(&line, "Accept: text/event-stream\r\n", "");
        stage.node.send(feed, text);
        stage.node.settle();
        let head = stage.answer(feed);
        assert_eq!(head.status, 200);
        assert!(head.body.contains("data: 1"), "{head:?}");
        let socket = stage.connect(&session);
        stage
            .node
            .send(socket, upgrade(&format!("{path}/events?last_event=-1")));
        stage.node.settle();
        assert_eq!(stage.node.response(socket).expect("a head").status, 101);
        let messages = Client::new().read(&mut stage.node.peers[socket].received);
        assert_eq!(messages, [Message::text(&body[1..body.len() - 1])]);

        // To read it only.
        assert_unauthorized(&stage.post(&session, EVENT));
        assert_unauthorized(&stage.ask(&session, &format!("DELETE {path}"), "", ""));
        // Whoever shows credentials is judged by them.
        for headers in [&bearer("unknown"), BASIC, "Authorization: \r\n"] {
            let refused = stage.ask(&session, &format!("GET {path}"), headers, "");
            assert_unauthorized(&refused);
        }
        let refused = stage.ask(&session, &format!("GET {path}"), &bearer("publisher"), "");
        assert_forbidden(&refused, "subscribe");
    });
}

#[test]
fn what_is_read_by_its_token_alone_must_exist() {
    let mut config = config();
    config.hub.session_ttl = Duration::from_secs(60);
    everywhere_with(&config, |stage| {
        let get = |stage: &mut Stage, function: &str, headers: &str| {
            let line = format!("GET /api/sessions/{UNUSED}{function}");
            stage.ask(UNUSED, &line, headers, "")
        };
        for function in ["/events", "/events?last_event=-1", "", "/status"] {
            let absent = get(stage, function, "");
            assert_eq!((absent.status, &*absent.error_code()), (404, "not_found"));
        }
        let stream = get(stage, "/events", "Accept: text/event-stream\r\n");
        assert_eq!(stream.status, 404);
        let socket = stage.connect(UNUSED);
        let handshake = upgrade(&format!("/api/sessions/{UNUSED}/events"));
        assert_eq!(stage.node.ask(socket, handshake).status, 404);
        assert_eq!(stage.node.sum("sessions"), 0);
        let subscriber = bearer("subscriber");
        assert_eq!(
            get(stage, "", &subscriber).status,
            404,
            "nothing was created"
        );
        // A member's listening creates it, as in open mode, but for members: nobody was given this
        // token.
        assert_eq!(get(stage, "/events?timeout=0", &subscriber).status, 200);
        assert_eq!(get(stage, "", &subscriber).status, 200);
        for function in ["/events?timeout=0", "", "/status"] {
            assert_eq!(get(stage, function, "").status, 404);
        }
        // One that was created is there for its readers, until it expires.
        let session = create(stage, "both");
        assert_eq!(stage.get(&session, "?timeout=0").status, 200);
        stage.node.pass(Duration::from_secs(62));
        assert_eq!(stage.get(&session, "?timeout=0").status, 404);
        // A token that people can guess is not a permission.
        assert_unauthorized(&stage.get("demo", ""));
        let odd = UNUSED.replace('-', "0");
        assert_unauthorized(&stage.get(&odd, ""));
    });
}

#[test]
fn an_operator_may_ask_everyone_for_credentials() {
    let mut config = config();
    config.sessions.token_reads = false;
    everywhere_with(&config, |stage| {
        let session = create(stage, "both");
        for function in ["", "/status", "/events", "/events?last_event=-1"] {
            let line = format!("GET /api/sessions/{session}{function}");
            assert_unauthorized(&stage.ask(&session, &line, "", ""));
        }
        let line = format!("GET /api/sessions/{session}");
        assert_eq!(stage.ask(&session, &line, &bearer("both"), "").status, 200);
    });
}

#[test]
fn the_search_for_a_fragment_needs_admin() {
    everywhere_with(&config(), |stage| {
        let session = create(stage, "both");
        let line = format!("GET /api/sessions/{}", &session[..8]);
        let found = stage.ask("x", &line, &bearer("all"), "");
        assert_eq!(found.body, format!("{{\"token\":\"{session}\"}}"));
        for token in ["both", "subscriber"] {
            let absent = stage.ask("x", &line, &bearer(token), "");
            assert_eq!((absent.status, &*absent.error_code()), (404, "not_found"));
        }
        assert_forbidden(&stage.ask("x", &line, &bearer("admin"), ""), "subscribe");
        assert_unauthorized(&stage.ask("x", &line, "", ""));
    });
}
