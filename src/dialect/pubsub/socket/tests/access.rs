//! Contract: who may enter a room, where a token stands, and what is told to who may not stay.

use super::*;
use crate::auth::TokenDigest;
use crate::config::{OrganizationConfig, TokenConfig};
use crate::dialect::Config;

const AUTHENTICATE: &str = r#"{"action":"authenticate","data":{"token":"a-all"},"ref":5}"#;

fn authenticate(token: &str) -> String {
    format!(r#"{{"action":"authenticate","data":{{"token":"{token}"}}}}"#)
}

#[test]
fn what_is_no_handshake_is_an_http_error() {
    let dialect = Pubsub::new(&PubsubConfig::default(), Arc::new(Directory::open()));
    let request = "GET /pubsub/ws?event_id=e&session_id=s HTTP/1.1";
    let mut ground = Ground::new();
    let cors = crate::dialect::Dialect::cors(&dialect, None).expect("a dialect for pages");
    let (action, answer) = ground.request_with(cors, request, |head, tools, to| {
        dialect.open(head, tools, to)
    });
    assert!(matches!(action, Action::Done));
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("Access-Control-Allow-Origin"), "{answer}");
}

#[test]
fn a_bad_address_is_told_on_the_socket() {
    let long = "x".repeat(257);
    for query in [
        "",
        "?event_id=e",
        "?session_id=s",
        "?event_id=&session_id=s",
        "?event_id=e&session_id=",
        "?event_id=%ff&session_id=s",
        &format!("?event_id={long}&session_id=s"),
        &format!("?event_id=e&session_id={long}"),
        "?event_id=e&session_id=s&last_event=x",
        "?event_id=e&session_id=s&last_event=1.5",
    ] {
        let mut tester = Tester::connect(organizations(), query, "");
        assert_eq!(tester.home, None);
        assert_eq!(tester.client.due(), Instant::NEVER);
        let (last, code, _) = goodbye(tester.opened());
        assert_eq!((&*error_of(&last, ""), code), ("invalid", 4400), "{query}");
    }
    let longest = "x".repeat(256);
    let query = format!("?event_id={longest}&session_id={longest}&last_event=&epoch=");
    let mut tester = Tester::connect(Directory::open(), &query, "");
    execution(tester.opened());
}

#[test]
fn a_token_stands_in_one_of_three_places() {
    let offer = "Sec-WebSocket-Protocol: fanfare, a-all\r\n";
    let query = "?event_id=e&session_id=s";
    for (headers, subprotocol) in [
        (offer, Some("fanfare")),
        ("Authorization: a-all\r\n", None),
        ("Authorization: Bearer a-all\r\n", None),
        ("Authorization: bearer  a-all \r\n", None),
        // Several that are the same.
        ("Authorization: a-all\r\nAuthorization: a-all\r\n", None),
        (
            "Authorization: a-all\r\nSec-WebSocket-Protocol: fanfare, a-all\r\n",
            Some("fanfare"),
        ),
    ] {
        let mut tester = Tester::connect(organizations(), query, headers);
        assert_eq!(tester.subprotocol, subprotocol, "{headers}");
        execution(tester.opened());
    }
    let alone = "Sec-WebSocket-Protocol: fanfare\r\n";
    let mut tester = Tester::connect(organizations(), query, alone);
    assert_eq!(tester.subprotocol, Some("fanfare"));
    assert_eq!(reply(tester.opened()), "");
    let (command, pending) = execution(tester.say(AUTHENTICATE));
    assert!(matches!(command, Command::Place { .. }));
    assert_eq!(tester.client.due(), Instant::NEVER);
    let reaction = tester.answer(pending, Answer::Parents(Parents::default()));
    assert!(matches!(reaction, Reaction::Follow(_)));
}

#[test]
fn a_token_that_is_not_known_or_not_of_use_is_told_on_the_socket() {
    let query = "?event_id=e&session_id=s";
    for (headers, error, expected) in [
        ("Authorization: unknown\r\n", "unauthorized", 4401),
        ("Authorization: Basic a-all\r\n", "unauthorized", 4401),
        ("Authorization: a-all x\r\n", "unauthorized", 4401),
        ("Authorization:\r\n", "unauthorized", 4401),
        (
            "Authorization: a-all\r\nAuthorization: a-listens\r\n",
            "invalid",
            4400,
        ),
        (
            "Authorization: a-all\r\nSec-WebSocket-Protocol: fanfare, unknown\r\n",
            "invalid",
            4400,
        ),
        (
            "Sec-WebSocket-Protocol: fanfare, unknown\r\n",
            "unauthorized",
            4401,
        ),
        ("Authorization: a-nothing\r\n", "forbidden", 4403),
    ] {
        let mut tester = Tester::connect(organizations(), query, headers);
        let (last, code, _) = goodbye(tester.opened());
        assert_eq!(
            (&*error_of(&last, ""), code),
            (error, expected),
            "{headers}"
        );
    }
}

#[test]
fn a_stranger_has_ten_seconds_and_no_rights() {
    let mut tester = Tester::bearer("", "");
    let start = tester.ground.now.instant;
    assert_eq!(reply(tester.opened()), "");
    assert_eq!(tester.client.due(), start + Duration::from_secs(10));
    for (text, reference) in [
        (
            r#"{"action":"subscribe-event","data":{"eventName":"a"},"ref":1}"#,
            "1",
        ),
        (
            r#"{"action":"publish-event","data":{"eventName":"a"},"ref":"x"}"#,
            "\"x\"",
        ),
        (r#"{"action":"dance","ref":2}"#, "2"),
        (
            r#"{"action":"subscribe-event","data":{"eventName":"a"}}"#,
            "",
        ),
    ] {
        let refused = tester.ask(text);
        assert_eq!(error_of(&refused, reference), "unauthorized", "{text}");
    }
    // What is no token is no attempt.
    let refused = tester.ask(r#"{"action":"authenticate","data":{},"ref":3}"#);
    assert_eq!(error_of(&refused, "3"), "invalid");
    assert_eq!(tester.client.due(), start + Duration::from_secs(10));
    let (last, code, _) = goodbye(tester.expire());
    assert_eq!((&*error_of(&last, ""), code), ("unauthorized", 4408));
}

#[test]
fn a_first_message_with_a_bad_token_is_the_last() {
    for (token, error, expected) in [
        ("unknown", "unauthorized", 4401),
        ("", "unauthorized", 4401),
        ("a-nothing", "forbidden", 4403),
    ] {
        let mut tester = Tester::bearer("", "");
        tester.opened();
        let (last, code, _) = goodbye(tester.say(&authenticate(token)));
        assert_eq!((&*error_of(&last, ""), code), (error, expected), "{token}");
    }
}

#[test]
fn in_open_mode_nobody_needs_a_token() {
    let query = "?event_id=e&session_id=s";
    for headers in ["", "Authorization: Basic !\r\n"] {
        let mut tester = Tester::connect(Directory::open(), query, headers);
        execution(tester.opened());
    }
    let mut tester = Tester::welcomed();
    for text in [
        &authenticate("x"),
        r#"{"action":"authenticate"}"#,
        r#"{"action":"authenticate","data":7}"#,
    ] {
        assert_eq!(tester.ask(text), "", "{text}");
    }
    let answered = tester.ask(AUTHENTICATE);
    assert_eq!(answered, r#"{"action":"authenticated","ref":5}"#);
}

#[test]
fn a_later_token_of_the_same_organization_takes_the_place_of_the_former() {
    let mut tester = Tester::welcomed_as("a-listens");
    let publish = r#"{"action":"publish-event","data":{"eventName":"a"},"ref":1}"#;
    assert_eq!(error_of(&tester.ask(publish), "1"), "forbidden");
    assert_eq!(tester.ask(&authenticate("a-all")), "");
    execution(tester.say(publish));
    let answered = tester.ask(AUTHENTICATE);
    assert_eq!(answered, r#"{"action":"authenticated","ref":5}"#);
    // Another organization's changes nothing.
    let other = r#"{"action":"authenticate","data":{"token":"b-listens"},"ref":6}"#;
    assert_eq!(error_of(&tester.ask(other), "6"), "forbidden");
    execution(tester.say(publish));
    let bad = r#"{"action":"authenticate","data":{"token":"unknown"},"ref":7}"#;
    let (last, code, _) = goodbye(tester.say(bad));
    assert_eq!((&*error_of(&last, "7"), code), ("unauthorized", 4401));
}

#[test]
fn who_may_no_longer_listen_hears_nothing() {
    let mut organization = OrganizationConfig {
        name: "a".to_owned(),
        ..OrganizationConfig::default()
    };
    for token in ["publish", "subscribe"] {
        organization.tokens.push(TokenConfig {
            sha256: TokenDigest::of(token).to_string(),
            grants: vec![token.to_owned()],
        });
    }
    let query = "?event_id=e&session_id=s";
    let headers = "Authorization: subscribe\r\n";
    let mut config = Config::default();
    config.organizations.push(organization);
    let mut tester = Tester::connect(
        Directory::from_config(&config.hub, &config.organizations),
        query,
        headers,
    );
    tester.come_in();
    tester.change(r#"{"action":"subscribe-event","data":{"eventName":"a"},"ref":1}"#);
    assert!(tester.hears("a"));
    let text = r#"{"action":"authenticate","data":{"token":"publish"},"ref":2}"#;
    let answered = tester.change(text);
    assert_eq!(answered, r#"{"action":"authenticated","ref":2}"#);
    assert!(!tester.hears("a"));
    let subscribe = r#"{"action":"subscribe-event","data":{"eventName":"a"},"ref":3}"#;
    assert_eq!(error_of(&tester.ask(subscribe), "3"), "forbidden");
}

#[test]
fn an_identity_that_ends_takes_its_client_along() {
    let mut tester = Tester::welcomed_as("a-all");
    assert_eq!(tester.client.ends(), Instant::NEVER);
    let ends = Instant::from_millis(5_000);
    let Who::Known(identity) = &mut tester.client.who else {
        panic!("nobody");
    };
    identity.ends = ends;
    let mut client = dialect::Client::Pubsub(tester.client);
    assert_eq!(client.due(), ends);
    let (config, directory) = (Config::default(), Arc::new(Directory::open()));
    let metrics: crate::dialect::AllMetrics = Arc::default();
    let parts = crate::dialect::Parts::new(&config, &directory, "", &metrics);
    let dialects = crate::dialect::Dialects::new(&parts);
    let mut expire = |millis| {
        tester.ground.now.instant = Instant::from_millis(millis);
        dialects.expire_client(&mut client, &mut tester.ground.tools())
    };
    assert_ne!(closed(&expire(4_999)), Some(CloseCode(4401)));
    assert_eq!(closed(&expire(5_000)), Some(CloseCode(4401)));
}

fn closed(reaction: &Reaction) -> Option<CloseCode> {
    match reaction {
        Reaction::Close(_, code, _) => Some(*code),
        _ => None,
    }
}
