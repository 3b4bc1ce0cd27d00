//! Subscribing to classes, and what is heard.

use super::*;
use crate::dialect::testing::{replaced, subscribe};
use crate::hub::{Address, Names, OrganizationId, Parents, Scope, Subscription};
use crate::limits::{CLASSES_PER_CONNECTION_MAX, PATTERN_BYTES_MAX};

fn request(name: &str, args: &str) -> String {
    format!(r#"{{"namespace":"events","name":"{name}","id":"a","args":{args}}}"#)
}

fn response(args: &str) -> String {
    format!(r#"{{"args":{args},"id":"a","name":"response","namespace":"events"}}"#)
}

fn heard(classes: &[&str]) -> Vec<Subscription> {
    vec![Subscription {
        scope: Scope {
            organization: OrganizationId(0),
            address: Address::Organization,
        },
        parents: Parents::default(),
        names: Names::Any(classes.iter().map(|c| NamePattern::parse(c)).collect()),
        properties: Vec::new(),
    }]
}

fn with_classes(classes: &[&str], retained: &[&str]) -> Tester {
    let config = SysadmConfig {
        classes: classes.iter().map(|&c| c.to_owned()).collect(),
        retained: retained.iter().map(|&c| c.to_owned()).collect(),
        ..SysadmConfig::default()
    };
    Tester::connect(&config, Directory::open(), "")
}

impl Tester {
    /// Changes what is heard: all of that, the retained classes, the reply.
    #[track_caller]
    fn change(&mut self, name: &str, args: &str) -> (Vec<Subscription>, Vec<String>, String) {
        let change = subscribe(self.send(&request(name, args)));
        let retained = change.retained.into_iter().map(String::from).collect();
        let reply = String::from_utf8(change.reply).unwrap();
        (replaced(change.change), retained, reply)
    }
}

#[test]
fn known_classes_are_heard_and_the_last_is_named() {
    let mut tester = Tester::open();
    let (all, retained, reply) =
        tester.change("subscribe", r#"["dispatcher","life-preserver","unknown"]"#);
    assert_eq!(all, heard(&["dispatcher", "life-preserver"]));
    assert_eq!(retained, ["life-preserver"]);
    assert_eq!(reply, response(r#"{"subscribe":"life-preserver"}"#));
    // One text, and what was heard before.
    let (all, retained, reply) = tester.change("subscribe", r#""system-state""#);
    assert_eq!(
        all,
        heard(&["dispatcher", "life-preserver", "system-state"])
    );
    assert_eq!(retained, ["system-state"]);
    assert_eq!(reply, response(r#"{"subscribe":"system-state"}"#));
}

#[test]
fn unknown_classes_are_skipped_in_silence() {
    let mut tester = Tester::open();
    for args in [r#"["Dispatcher","dispatcher ","*","dispatch*"]"#, r#""""#] {
        for name in ["subscribe", "unsubscribe"] {
            let (all, retained, reply) = tester.change(name, args);
            assert!(all.is_empty() && retained.is_empty());
            assert_eq!(reply, response("{}"));
        }
    }
}

#[test]
fn bad_args_and_missing_grants() {
    let mut tester = Tester::open();
    for name in ["subscribe", "unsubscribe"] {
        for args in ["[]", "{}", "7", "null", r#"["dispatcher",7]"#] {
            assert!(
                tester
                    .ask(&request(name, args))
                    .contains(r#""code":"400","message":"Bad Request""#)
            );
        }
        let absent = format!(r#"{{"namespace":"events","name":"{name}"}}"#);
        assert!(tester.ask(&absent).contains("400"));
    }
    let mut tester = Tester::bearer("a-nothing");
    for name in ["subscribe", "unsubscribe"] {
        let text = tester.ask(&request(name, r#"["dispatcher"]"#));
        assert!(text.contains(r#""code":"403","message":"Forbidden""#));
    }
    assert!(tester.ask(&rpc("query", "{}")).contains(r#""args":{}"#));
}

#[test]
fn subscribing_twice_is_once_and_unsubscribing_ends_it() {
    let mut tester = Tester::open();
    tester.change("subscribe", r#"["dispatcher","dispatcher"]"#);
    let (all, _, _) = tester.change("subscribe", r#"["dispatcher","life-preserver"]"#);
    assert_eq!(all, heard(&["dispatcher", "life-preserver"]));
    let (all, retained, reply) = tester.change("unsubscribe", r#"["dispatcher","unknown"]"#);
    assert_eq!(all, heard(&["life-preserver"]));
    assert!(retained.is_empty());
    assert_eq!(reply, response(r#"{"unsubscribe":"dispatcher"}"#));
    let (all, _, _) = tester.change("unsubscribe", r#""life-preserver""#);
    assert!(all.is_empty());
}

#[test]
fn the_operator_lists_classes_and_patterns() {
    let mut tester = with_classes(&["mail", "backup:*"], &["mail", "backup:b", "backup:a"]);
    let (all, retained, reply) =
        tester.change("subscribe", r#"["backup:a","mail","backup","backup:a"]"#);
    assert_eq!(all, heard(&["backup:a", "mail"]));
    assert_eq!(retained, ["backup:a", "mail"]);
    assert_eq!(reply, response(r#"{"subscribe":"backup:a"}"#));
    // A pattern as listed, and a narrower one; a wider one is unknown.
    let (all, retained, _) = tester.change("subscribe", r#"["backup:*"]"#);
    assert_eq!(retained, ["backup:b", "backup:a"]);
    let Names::Any(names) = &all[0].names else {
        panic!("{all:?}");
    };
    assert!(names.contains(&NamePattern::Wild("backup:*".into())));
    let (_, retained, reply) = tester.change("subscribe", r#"["backup:b*","back*"]"#);
    assert_eq!(retained, ["backup:b"]);
    assert_eq!(reply, response(r#"{"subscribe":"backup:b*"}"#));
    assert_eq!(tester.dialect.retained().len(), 3);
}

#[test]
fn bounds_are_named_and_leave_everything_as_it_was() {
    let mut tester = with_classes(&["*"], &[]);
    tester.change("subscribe", r#""x""#);
    let many: Vec<String> = (0..CLASSES_PER_CONNECTION_MAX)
        .map(|n| format!("c{n}"))
        .collect();
    let many = serde_json::to_string(&many).unwrap();
    let text = tester.ask(&request("subscribe", &many));
    assert!(text.contains(r#""code":"400","message":"Bad Request: more than 1024 classes""#));
    let long = format!("\"{}\"", "x".repeat(PATTERN_BYTES_MAX + 1));
    let text = tester.ask(&request("subscribe", &long));
    assert!(
        text.contains("Bad Request: a class of more than 1024 bytes"),
        "{text}"
    );
    let (all, _, _) = tester.change("subscribe", r#""y""#);
    assert_eq!(all, heard(&["x", "y"]));
}
