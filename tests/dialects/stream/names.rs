//! Contract: "Names" — bars and stars, lists, subscribing twice and unsubscribing.

use super::{PATH, ask, error_of, names, publish, subscribe, unsubscribe};
use crate::stage::everywhere;

#[test]
fn a_name_is_exact_or_has_stars_and_bars() {
    everywhere(|stage| {
        let all = [
            "a",
            "b",
            "ab",
            "axb",
            "my_service:",
            "my_service:x:y",
            "my_servic",
            "A",
            "é:b",
        ];
        let cases: [(&str, &[&str]); 14] = [
            ("a", &["a"]),
            ("a|b|c", &["a", "b"]),
            ("my_service:*", &["my_service:", "my_service:x:y"]),
            ("*", &all),
            ("a*", &["a", "ab", "axb"]),
            ("*b", &["b", "ab", "axb", "é:b"]),
            ("a*b", &["ab", "axb"]),
            ("*:*", &["my_service:", "my_service:x:y", "é:b"]),
            ("my*:*y", &["my_service:x:y"]),
            ("b|my*x*|A", &["b", "my_service:x:y", "A"]),
            ("a*|*b", &["a", "b", "ab", "axb", "é:b"]),
            ("**", &all),
            ("?", &[]),
            ("my_service", &[]),
        ];
        for (pattern, expected) in cases {
            let mut sockets = stage.open_everywhere(PATH);
            for socket in &mut sockets {
                subscribe(stage, socket, pattern, "");
            }
            for name in all {
                publish(stage, name, "");
            }
            for socket in &mut sockets {
                assert_eq!(names(stage, socket), expected, "{pattern}");
                stage.node.break_off(socket.peer);
            }
        }
    });
}

#[test]
fn between_stars_text_is_found_in_the_order_it_stands() {
    everywhere(|stage| {
        let all = ["abc", "acb", "xaxbxcx", "aabbcc", "ab", "éaéb"];
        let cases: [(&str, &[&str]); 6] = [
            ("*a*b*", &all),
            ("*a*b*c*", &["abc", "xaxbxcx", "aabbcc"]),
            ("a*c*", &["abc", "acb", "aabbcc"]),
            ("*é*é*", &["éaéb"]),
            ("a*b*c", &["abc", "aabbcc"]),
            ("*aa*|*xc*", &["xaxbxcx", "aabbcc"]),
        ];
        for (pattern, expected) in cases {
            let mut socket = stage.open(PATH, "");
            subscribe(stage, &mut socket, pattern, "");
            for name in all {
                publish(stage, name, "");
            }
            assert_eq!(names(stage, &mut socket), expected, "{pattern}");
            stage.node.break_off(socket.peer);
        }
    });
}

/// The message for a subscription of 64 different names with text behind a star, and no others of
/// the same number.
fn wildcards(number: usize) -> String {
    let names: Vec<String> = (0..64).map(|at| format!("*{number}*{at}")).collect();
    format!(r#"{{"subscribe":{{"name":"{}"}}}}"#, names.join("|"))
}

#[test]
fn a_client_has_so_many_wildcards_and_an_organization_too() {
    everywhere(|stage| {
        let mut number = 0;
        let mut clients = Vec::new();
        for _ in 0..8 {
            let mut socket = stage.open(PATH, "");
            for _ in 0..4 {
                let subscribed = ask(stage, &mut socket, &wildcards(number));
                assert!(subscribed.contains("subscribed"), "{subscribed}");
                number += 1;
            }
            let (_, code, message) = error_of(&ask(stage, &mut socket, &wildcards(number)));
            assert_eq!(code, 8);
            assert!(
                message.starts_with("256 names with text behind a \"*\""),
                "{message}"
            );
            // What is found by its beginning is not counted.
            subscribe(stage, &mut socket, "my_app:*", "");
            clients.push(socket);
        }
        let mut socket = stage.open(PATH, "");
        let (_, code, message) = error_of(&ask(stage, &mut socket, &wildcards(number)));
        assert_eq!(code, 8);
        let whose =
            "this organization has as many different names with text behind a \"*\" as it may";
        assert_eq!(message, whose);
        // What others ask for already costs nothing, and the refused one is not held.
        ask(stage, &mut socket, &wildcards(0));
        subscribe(stage, &mut socket, "my_app:*", "");
        publish(stage, "_0_63", "");
        publish(stage, "my_app:x", "");
        assert_eq!(names(stage, &mut socket), ["_0_63", "my_app:x"]);
        assert_eq!(super::subscriptions(stage), 8 * 5 + 2);
        // Whoever goes makes room.
        let first = clients.swap_remove(1);
        stage.node.break_off(first.peer);
        let subscribed = ask(stage, &mut socket, &wildcards(number));
        assert!(subscribed.contains("subscribed"), "{subscribed}");
    });
}

#[test]
fn further_names_may_be_listed() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for (wanted, expected) in [
            (
                r#"{"name":"a","events":["b","c|d*"]}"#,
                &["a", "b", "c", "dd"][..],
            ),
            (r#"{"name":"","events":["b"]}"#, &["b"]),
            (r#"{"name":"","events":["c","c"]}"#, &["c"]),
        ] {
            let subscribed = ask(stage, &mut socket, &format!(r#"{{"subscribe":{wanted}}}"#));
            assert_eq!(
                subscribed,
                format!(r#"{{"result":{{"subscribed":{wanted}}}}}"#)
            );
            for name in ["a", "b", "c", "dd", "e"] {
                publish(stage, name, "");
            }
            assert_eq!(names(stage, &mut socket), expected);
            let text = format!(r#"{{"unsubscribe":{wanted}}}"#);
            let unsubscribed = ask(stage, &mut socket, &text);
            assert_eq!(
                unsubscribed,
                format!(r#"{{"result":{{"unsubscribed":{wanted}}}}}"#)
            );
            publish(stage, "b", "");
            assert_eq!(names(stage, &mut socket), [""; 0]);
        }
        // Without a name of its own the list is enough, and the reply has an empty one.
        let text = r#"{"subscribe":{"events":["z"]}}"#;
        let expected = r#"{"result":{"subscribed":{"name":"","events":["z"]}}}"#;
        assert_eq!(ask(stage, &mut socket, text), expected);
    });
}

#[test]
fn unsubscribing_is_by_name_and_target() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let (p, q) = (r#"{"projectId":"p"}"#, r#"{"projectId":"q"}"#);
        for (name, target) in [("a", p), ("a", q), ("b", p), ("b|c", q)] {
            subscribe(stage, &mut socket, name, target);
        }
        let hear = |stage: &mut _, socket: &mut _| {
            for target in [p, q] {
                for name in ["a", "b", "c"] {
                    publish(stage, name, target);
                }
            }
            names(stage, socket)
        };
        assert_eq!(hear(stage, &mut socket), ["a", "b", "a", "b", "c"]);
        // Neither the name at another target, nor part of the names, nor what was never asked for.
        for (name, target) in [
            ("a", ""),
            ("b", q),
            ("c", q),
            ("*", p),
            ("a", r#"{"layoutId":"p"}"#),
        ] {
            unsubscribe(stage, &mut socket, name, target);
            assert_eq!(
                hear(stage, &mut socket),
                ["a", "b", "a", "b", "c"],
                "{name} {target}"
            );
        }
        unsubscribe(stage, &mut socket, "a", p);
        assert_eq!(hear(stage, &mut socket), ["b", "a", "b", "c"]);
        // The same names in another order are the same.
        unsubscribe(stage, &mut socket, "c|b", q);
        assert_eq!(hear(stage, &mut socket), ["b", "a"]);
        unsubscribe(stage, &mut socket, "b", p);
        assert_eq!(hear(stage, &mut socket), ["a"]);
        unsubscribe(stage, &mut socket, "a", q);
        assert_eq!(hear(stage, &mut socket), [""; 0]);
        assert_eq!(super::subscriptions(stage), 0);
    });
}

#[test]
fn subscribing_again_to_the_same_is_idempotent() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for target in ["", "{}", r#"{"layoutId":"l"}"#] {
            for _ in 0..3 {
                subscribe(stage, &mut socket, "n", target);
            }
        }
        // No target, and an empty one, are the organization.
        assert_eq!(super::subscriptions(stage), 2);
        publish(stage, "n", "");
        assert_eq!(names(stage, &mut socket), ["n"]);
        unsubscribe(stage, &mut socket, "n", "{}");
        unsubscribe(stage, &mut socket, "n", r#"{"layoutId":"l"}"#);
        publish(stage, "n", "");
        assert_eq!(names(stage, &mut socket), [""; 0]);
    });
}

#[test]
fn what_several_subscriptions_match_is_delivered_once() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            for (name, target) in [
                ("n", ""),
                ("n|m", ""),
                ("*", ""),
                ("n*", r#"{"layoutId":"l"}"#),
                ("*", r#"{"projectId":"p"}"#),
                (
                    "n",
                    r#"{"layoutId":"l","projectId":"p","collectionId":"c"}"#,
                ),
            ] {
                subscribe(stage, socket, name, target);
            }
        }
        for target in ["", r#"{"layoutId":"l"}"#, r#"{"collectionId":"c"}"#] {
            publish(stage, "n", target);
            for socket in &mut sockets {
                assert_eq!(names(stage, socket), ["n"], "{target}");
            }
        }
    });
}

#[test]
fn names_have_1_to_128_characters() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let longest = "é".repeat(128);
        subscribe(stage, &mut socket, &format!("{longest}|x"), "");
        publish(stage, &longest, "");
        assert_eq!(names(stage, &mut socket), [&*longest]);
        let too_long = "é".repeat(129);
        let list = vec!["a"; 65].join("|");
        for name in ["", "|", "a|", "|a", "a||b", &too_long, &list] {
            for kind in ["subscribe", "unsubscribe"] {
                let text = format!(r#"{{"{kind}":{{"name":"{name}"}},"correlationId":"c"}}"#);
                let (id, code, _) = error_of(&ask(stage, &mut socket, &text));
                assert_eq!((id.as_deref(), code), (Some("c"), 3), "{name}");
            }
        }
        for name in ["", &too_long] {
            let event = super::body(name, "{}", "");
            let text = format!(r#"{{"publish":{event},"correlationId":"c"}}"#);
            let (id, code, _) = error_of(&ask(stage, &mut socket, &text));
            assert_eq!((id.as_deref(), code), (Some("c"), 3), "{name}");
            assert_eq!(super::post(stage, "", &event).status, 400);
        }
        super::assert_alive(stage, &mut socket);
    });
}

#[test]
fn nothing_is_replayed_to_who_subscribes() {
    everywhere(|stage| {
        publish(stage, "before", r#"{"layoutId":"l"}"#);
        publish(stage, "before", "");
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "*", r#"{"layoutId":"l"}"#);
        publish(stage, "after", r#"{"layoutId":"l"}"#);
        assert_eq!(names(stage, &mut socket), ["after"]);
    });
}
