//! Contract: the end of a session is an end: reading does not bring it back, publishing may.

use std::time::Duration;

use fanfare::config::Scopes;
use fanfare::dialect::Config;

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::http::request;
use crate::support::organizations::{bearer, organization, organized};
use crate::support::socket::Socket;
use crate::support::web_socket::upgrade;

fn delete(stage: &mut Stage, token: &str, headers: &str) {
    let line = format!("DELETE /api/sessions/{token}");
    assert_eq!(stage.ask(token, &line, headers, "").status, 200);
}

/// Reads in every way that this interface has; the status of each answer.
fn read_in_every_way(stage: &mut Stage, token: &str, headers: &str) -> Vec<u16> {
    let events = format!("GET /api/sessions/{token}/events");
    let stream = format!("Accept: text/event-stream\r\n{headers}");
    let mut statuses = Vec::new();
    for (query, fields) in [
        ("", headers),
        ("?last_event=-1", headers),
        ("?last_event=0&epoch=0000000000000000&timeout=0", headers),
        ("", &*stream),
        ("?lastEventId=0000000000000000:1", &stream),
    ] {
        let peer = stage.connect(token);
        let text = request(&format!("{events}{query}"), fields, "");
        let answer = stage.node.ask(peer, text);
        statuses.push(answer.status);
        if answer.status == 410 {
            assert_eq!(answer.error_code(), "gone");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        }
        stage.node.break_off(peer);
    }
    let peer = stage.connect(token);
    let handshake = upgrade(&format!("/api/sessions/{token}/events"));
    let handshake = handshake.replacen("\r\n", &format!("\r\n{headers}"), 1);
    statuses.push(stage.node.ask(peer, handshake).status);
    stage.node.break_off(peer);
    statuses
}

#[test]
fn a_deleted_session_stays_so_whoever_reads() {
    everywhere(|stage| {
        stage.publish("t", "1", "1");
        delete(stage, "t", "");
        for _ in 0..3 {
            assert_eq!(read_in_every_way(stage, "t", ""), [410; 6]);
            stage.node.pass(Duration::from_secs(1));
        }
        assert_eq!(stage.node.sum("sessions"), 0);
        for line in ["GET /api/sessions/t", "GET /api/sessions/t/status"] {
            assert_eq!(stage.ask("t", line, "", "").status, 404);
        }
        delete_is_not_found(stage);
        // Who publishes begins another life.
        assert_eq!(stage.publish("t", "1", "2"), 0);
        let answer = stage.get("t", "?last_event=-1");
        assert_eq!(answer.body, r#"[{"type":1,"data":2,"number":0}]"#);
        // And that ends like the first.
        delete(stage, "t", "");
        assert_eq!(read_in_every_way(stage, "t", ""), [410; 6]);
    });
}

fn delete_is_not_found(stage: &mut Stage) {
    let again = stage.ask("t", "DELETE /api/sessions/t", "", "");
    assert_eq!((again.status, &*again.error_code()), (404, "not_found"));
}

#[test]
fn one_that_gave_way_or_came_to_its_date_stays_so() {
    everywhere(|stage| {
        let resumed = stage.create("");
        let line = format!("POST /api/sessions/{resumed}/resume");
        let body = r#"{"resume_token":"x"}"#;
        assert_eq!(stage.ask(&resumed, &line, "", body).status, 200);
        assert_eq!(read_in_every_way(stage, &resumed, ""), [410; 6]);
        // The same with somebody there, who is shown the last event first.
        let heard = stage.create("");
        let peer = stage.park(&heard, "");
        let line = format!("POST /api/sessions/{heard}/resume");
        assert_eq!(stage.ask(&heard, &line, "", body).status, 200);
        assert!(stage.answer(peer).body.contains("resume"));
        assert_eq!(read_in_every_way(stage, &heard, ""), [410; 6]);
        let dated = [(); 2].map(|()| stage.create(r#"{"expiration_date":1700000060000}"#));
        stage.node.pass(Duration::from_secs(59));
        assert_eq!(stage.get(&dated[0], "?timeout=0").status, 200);
        let peer = stage.park(&dated[1], "");
        stage.node.pass(Duration::from_secs(2));
        assert_eq!(stage.answer(peer).status, 410);
        for token in &dated {
            assert_eq!(read_in_every_way(stage, token, ""), [410; 6]);
        }
        assert_eq!(stage.node.sum("sessions"), 0);
    });
}

#[test]
fn one_that_nobody_used_comes_to_be_again() {
    let mut config = Config::default();
    config.hub.session_ttl = Duration::from_secs(60);
    everywhere_with(&config, |stage| {
        stage.publish("t", "1", "1");
        // A date that comes after that changes nothing.
        let dated = stage.create(r#"{"expiration_date":1700000090000}"#);
        stage.node.pass(Duration::from_secs(100));
        assert_eq!(stage.node.sum("sessions"), 0);
        for token in ["t", &dated] {
            assert_eq!(stage.get(token, "?timeout=0").status, 200, "{token}");
        }
    });
}

#[test]
fn it_is_forgotten_when_nobody_asked_for_as_long_as_a_session_lives() {
    let mut config = Config::default();
    config.hub.session_ttl = Duration::from_secs(60);
    everywhere_with(&config, |stage| {
        stage.publish("t", "1", "1");
        delete(stage, "t", "");
        for _ in 0..5 {
            stage.node.pass(Duration::from_secs(50));
            assert_eq!(stage.get("t", "?timeout=0").status, 410, "somebody asks");
        }
        stage.node.pass(Duration::from_secs(62));
        assert_eq!(stage.get("t", "?timeout=0").status, 200);
    });
}

#[test]
fn declared_scopes_say_the_same() {
    let mut config = Config::default();
    config.hub.scopes = Scopes::Declared;
    everywhere_with(&config, |stage| {
        let token = stage.create("");
        delete(stage, &token, "");
        assert_eq!(read_in_every_way(stage, &token, ""), [410; 6]);
        let refused = stage.post(&token, r#"{"type":1,"data":1}"#);
        assert_eq!((refused.status, &*refused.error_code()), (404, "not_found"));
        assert_eq!(read_in_every_way(stage, &token, ""), [410; 6]);
        assert_eq!(read_in_every_way(stage, "never-created", ""), [404; 6]);
    });
}

#[test]
fn each_organization_ends_its_own() {
    let all = "publish,subscribe,admin";
    let config = organized([
        organization("one", &[("one", all)]),
        organization("two", &[("two", all)]),
    ]);
    everywhere_with(&config, |stage| {
        for who in ["one", "two"] {
            let line = "POST /api/sessions/t/events";
            let body = r#"{"type":1,"data":1}"#;
            assert_eq!(stage.ask("t", line, &bearer(who), body).status, 200);
        }
        delete(stage, "t", &bearer("one"));
        assert_eq!(read_in_every_way(stage, "t", &bearer("one")), [410; 6]);
        let read = "GET /api/sessions/t/events?last_event=-1";
        assert_eq!(stage.ask("t", read, &bearer("two"), "").status, 200);
        // Nor does the other's publish lift what the first ended.
        let line = "POST /api/sessions/t/events";
        let body = r#"{"type":1,"data":2}"#;
        assert_eq!(stage.ask("t", line, &bearer("two"), body).status, 200);
        assert_eq!(read_in_every_way(stage, "t", &bearer("one")), [410; 6]);
    });
}

/// The last text that a socket got.
fn last_text(stage: &mut Stage, socket: &mut Socket) -> String {
    stage.texts(socket).pop().expect("a text")
}

#[test]
fn rooms_and_streams_do_not_bring_it_back_either() {
    everywhere(|stage| {
        const ROOM: &str = "/pubsub/ws?event_id=e&session_id=t";
        const SUBSCRIBE: &str = r#"{"subscribe":{"name":"n","target":{"layoutId":"t"}}}"#;
        let mut member = stage.open(ROOM, "");
        assert!(last_text(stage, &mut member).contains("welcome"));
        delete(stage, "t", "");
        assert_eq!(member.close_code(&mut stage.node), 4_410);
        for rest in ["", "&last_event=0&epoch=0000000000000000"] {
            let mut again = stage.open(&format!("{ROOM}{rest}"), "");
            let text = last_text(stage, &mut again);
            assert!(text.contains(r#""code":"not_found""#), "{text}");
            assert_eq!(again.close_code(&mut stage.node), 4_404);
        }
        let mut socket = stage.open("/event/v2/stream", "");
        socket.say(&mut stage.node, SUBSCRIBE);
        let text = last_text(stage, &mut socket);
        assert!(text.contains("Layout not found"), "{text}");
        assert_eq!(stage.node.sum("sessions"), 0);
        // Publishing by any of these does, and then they all may listen.
        let body = r#"{"scope":{"type":"session","event_id":"e","session_id":"t"},"payload":{"event":{"eventName":"n"}}}"#;
        assert_eq!(
            stage.ask("t", "POST /api/v1/pub_subs", "", body).status,
            201
        );
        socket.say(&mut stage.node, SUBSCRIBE);
        let text = last_text(stage, &mut socket);
        assert!(text.contains("subscribed"), "{text}");
        let mut again = stage.open(ROOM, "");
        assert!(last_text(stage, &mut again).contains("welcome"));
        assert_eq!(stage.get("t", "?last_event=-1").status, 200);
    });
}
