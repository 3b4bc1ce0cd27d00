//! Contract: the table of requests, with everything that can be wrong with them.

use super::*;
use crate::limits::{JSON_DEPTH_MAX, PUBSUB_NAME_BYTES_MAX, PUBSUB_NAMES_MAX};

fn request(action: &str, data: &str) -> String {
    format!(r#"{{"action":"{action}","data":{data},"ref":1}}"#)
}

#[test]
fn names_are_subscribed_and_unsubscribed() {
    let mut tester = Tester::welcomed();
    let subscribed = r#"{"action":"subscribed","ref":1}"#;
    let unsubscribed = r#"{"action":"unsubscribed","ref":1}"#;
    let hello = r#"{"eventName":"hello"}"#;
    assert_eq!(
        tester.change(&request("subscribe-event", hello)),
        subscribed
    );
    assert!(tester.hears("hello") && !tester.hears("hell"));
    // Twice is no error.
    assert_eq!(tester.ask(&request("subscribe-event", hello)), subscribed);
    let several = r#"{"eventNames":["a","b\u0063","a"]}"#;
    assert_eq!(
        tester.change(&request("subscribe-event", several)),
        subscribed
    );
    assert!(tester.hears("a") && tester.hears("bc") && tester.hears("hello"));
    assert_eq!(
        tester.change(&request("unsubscribe-event", hello)),
        unsubscribed
    );
    assert!(!tester.hears("hello") && tester.hears("a"));
    // Neither is leaving what was not heard.
    assert_eq!(
        tester.ask(&request("unsubscribe-event", hello)),
        unsubscribed
    );
    assert_eq!(
        tester.change(&request("unsubscribe-event", several)),
        unsubscribed
    );
    assert_eq!(tester.client.wanted, None);
    assert_eq!(
        tester.ask(&request("unsubscribe-event", several)),
        unsubscribed
    );
}

#[test]
fn a_ref_is_repeated_as_it_was_written() {
    let mut tester = Tester::welcomed();
    let longest = format!("\"{}\"", "x".repeat(64));
    for reference in ["1", "-1.50e3", "\"\"", "\"a\\u00e9 \\\"\"", &longest] {
        let data = r#"{"eventName":"a"}"#;
        let text = format!(r#"{{"ref": {reference} ,"data":{data},"action":"unsubscribe-event"}}"#);
        let expected = format!(r#"{{"action":"unsubscribed","ref":{reference}}}"#);
        assert_eq!(tester.ask(&text), expected);
    }
    let long = format!("\"{}\"", "x".repeat(65));
    let digits = "1".repeat(65);
    for reference in ["true", "[1]", "{}", &long, &digits] {
        let text = format!(r#"{{"action":"dance","ref":{reference}}}"#);
        assert_eq!(error_of(&tester.ask(&text), ""), "invalid", "{text}");
    }
    for action in ["subscribe-event", "unsubscribe-event", "publish-event"] {
        for reference in ["", r#","ref":null"#] {
            let text = format!(r#"{{"action":"{action}","data":{{"eventName":"a"}}{reference}}}"#);
            assert_eq!(error_of(&tester.ask(&text), ""), "missing_ref", "{text}");
        }
    }
}

#[test]
fn what_is_no_request_is_told() {
    let mut tester = Tester::welcomed();
    for text in [
        "",
        " ",
        "{",
        "{]",
        "hello",
        "{} x",
        "\u{feff}{}",
        r#"{"a":01}"#,
    ] {
        assert_eq!(error_of(&tester.ask(text), ""), "invalid_json", "{text}");
    }
    let torn = reply(tester.message(Message::Text(b"{\"a\":\"\xff\"}")));
    assert_eq!(error_of(&torn, ""), "invalid_json");
    for text in ["7", "[]", "\"a\"", "null"] {
        assert_eq!(error_of(&tester.ask(text), ""), "invalid", "{text}");
    }
    let binary = reply(tester.message(Message::Binary(b"{}")));
    assert_eq!(error_of(&binary, ""), "invalid");
    for action in [
        "{}",
        r#"{"action":null}"#,
        r#"{"action":7}"#,
        r#"{"action":""}"#,
    ] {
        assert_eq!(
            error_of(&tester.ask(action), ""),
            "unknown_action",
            "{action}"
        );
    }
    let dance = r#"{"action":"dance","ref":"x"}"#;
    assert_eq!(error_of(&tester.ask(dance), "\"x\""), "unknown_action");
}

#[test]
fn what_is_wrong_with_names_is_told() {
    let long = "x".repeat(PUBSUB_NAME_BYTES_MAX + 1);
    let mut tester = Tester::welcomed();
    for action in ["subscribe-event", "unsubscribe-event"] {
        for data in [
            "null",
            "7",
            "[]",
            "{}",
            r#"{"eventName":null}"#,
            r#"{"eventName":7}"#,
            r#"{"eventName":["a"]}"#,
            r#"{"eventName":""}"#,
            r#"{"eventNames":"a"}"#,
            r#"{"eventNames":[]}"#,
            r#"{"eventNames":["a",7]}"#,
            r#"{"eventNames":["a",["b"]]}"#,
            r#"{"eventNames":["a",""]}"#,
            r#"{"eventNames":{"a":"b"}}"#,
            r#"{"eventName":"a","eventNames":["b"]}"#,
            &format!(r#"{{"eventName":"{long}"}}"#),
            &format!(r#"{{"eventNames":["a","{long}"]}}"#),
        ] {
            let refused = tester.ask(&request(action, data));
            assert_eq!(error_of(&refused, "1"), "invalid", "{action} {data}");
        }
        let refused = tester.ask(&format!(r#"{{"action":"{action}","ref":1}}"#));
        assert_eq!(error_of(&refused, "1"), "invalid");
    }
    assert_eq!(tester.client.wanted, None);
    let longest = format!(r#"{{"eventName":"{}"}}"#, &long[1..]);
    tester.change(&request("subscribe-event", &longest));
    assert!(tester.hears(&long[1..]));
}

#[test]
fn names_are_bounded() {
    let list = |count: usize| {
        let names: Vec<String> = (0..count).map(|i| format!("\"{i}\"")).collect();
        format!(r#"{{"eventNames":[{}]}}"#, names.join(","))
    };
    let mut tester = Tester::welcomed();
    for count in [PUBSUB_NAMES_MAX + 1, PUBSUB_NAMES_MAX + 2, 5_000] {
        let refused = tester.ask(&request("subscribe-event", &list(count)));
        assert_eq!(error_of(&refused, "1"), "too_many", "{count}");
    }
    tester.change(&request("subscribe-event", &list(PUBSUB_NAMES_MAX)));
    let refused = tester.ask(&request("subscribe-event", r#"{"eventName":"one more"}"#));
    assert_eq!(error_of(&refused, "1"), "too_many");
    assert!(!tester.hears("one more") && tester.hears("255"));
}

#[test]
fn an_event_is_published_as_it_was_written() {
    let mut tester = Tester::welcomed();
    let data = r#"{"eventName":"h\u00e9","data": { "a" : 1.50 , "b":[] } }"#;
    let (command, _) = execution(tester.say(&request("publish-event", data)));
    let Command::Publish {
        scope,
        parents,
        drafts,
    } = command
    else {
        panic!("something else");
    };
    assert_eq!(scope.address, Address::Session(ScopeName::new("s")));
    assert_eq!(parents.group, Some(ScopeName::new("e")));
    assert_eq!(drafts.len(), 1);
    assert_eq!(drafts[0].name.as_json(), r#""h\u00e9""#);
    assert_eq!(drafts[0].payload, r#"{ "a" : 1.50 , "b":[] }"#);
    for (given, stored) in [
        ("", "{}"),
        (r#","data":null"#, "null"),
        (r#","data":1,"data": null "#, "null"),
        (r#","data":7"#, "7"),
        (r#","data":"x""#, r#""x""#),
    ] {
        let data = format!(r#"{{"eventName":"a"{given}}}"#);
        let (command, _) = execution(tester.say(&request("publish-event", &data)));
        let Command::Publish { drafts, .. } = command else {
            panic!("something else");
        };
        assert_eq!(drafts[0].payload, Bytes::from(stored), "{data}");
    }
}

#[test]
fn a_scope_widens_a_publish() {
    let mut tester = Tester::welcomed();
    let group = || Address::Group(ScopeName::new("e"));
    let session = || Address::Session(ScopeName::new("s"));
    for (reach, address) in [
        ("null", session()),
        (r#""session""#, session()),
        (r#""event""#, group()),
        (r#""organization""#, Address::Organization),
    ] {
        let data = format!(r#"{{"eventName":"a","scope":{reach}}}"#);
        let (command, _) = execution(tester.say(&request("publish-event", &data)));
        let Command::Publish { scope, parents, .. } = command else {
            panic!("something else");
        };
        assert_eq!(parents.is_empty(), address != session(), "{reach}");
        assert_eq!(scope.address, address, "{reach}");
    }
}

#[test]
fn what_is_wrong_with_an_event_is_told() {
    let long = "x".repeat(PUBSUB_NAME_BYTES_MAX + 1);
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let mut tester = Tester::welcomed();
    for data in [
        "7",
        "{}",
        r#"{"data":1}"#,
        r#"{"eventName":7}"#,
        r#"{"eventName":""}"#,
        r#"{"eventName":"a","scope":"room"}"#,
        r#"{"eventName":"a","scope":""}"#,
        r#"{"eventName":"a","scope":{"type":"event"}}"#,
        &format!(r#"{{"eventName":"{long}"}}"#),
    ] {
        let refused = tester.ask(&request("publish-event", data));
        assert_eq!(error_of(&refused, "1"), "invalid", "{data}");
    }
    let deep = |depth| format!(r#"{{"eventName":"a","data":{}}}"#, nested(depth));
    let refused = tester.ask(&request("publish-event", &deep(JSON_DEPTH_MAX + 1)));
    assert_eq!(error_of(&refused, "1"), "invalid");
    execution(tester.say(&request("publish-event", &deep(JSON_DEPTH_MAX))));
}

#[test]
fn rights_are_looked_at_request_by_request() {
    let mut tester = Tester::welcomed_as("a-listens");
    tester.change(&request("subscribe-event", r#"{"eventName":"a"}"#));
    let refused = tester.ask(&request("publish-event", r#"{"eventName":"a"}"#));
    assert_eq!(error_of(&refused, "1"), "forbidden");
    tester.change(&request("unsubscribe-event", r#"{"eventName":"a"}"#));
}
