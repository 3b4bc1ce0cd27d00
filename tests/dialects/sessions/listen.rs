//! Contract: "Listen", the long poll.

use std::time::Duration;

use fanfare::dialect::Config;

use crate::stage::{everywhere, everywhere_with};
use crate::support::http::request;

#[test]
fn last_event_returns_what_is_newer_ascending_in_key_order() {
    everywhere(|stage| {
        for (number, data) in (0..).zip(["1", r#"{ "b" : 1,"a":[ ]}"#, "null"]) {
            assert_eq!(stage.publish("t", r#""status""#, data), number);
        }
        let all = stage.get("t", "?last_event=-1");
        assert_eq!(all.status, 200);
        assert_eq!(all.header("content-type"), Some("application/json"));
        assert_eq!(all.header("cache-control"), Some("no-store"));
        assert_eq!(
            all.body,
            r#"[{"type":"status","data":1,"number":0},{"type":"status","data":{ "b" : 1,"a":[ ]},"number":1},{"type":"status","data":null,"number":2}]"#
        );
        assert_eq!(all.header("fanfare-oldest"), Some("0"));
        assert_eq!(all.header("fanfare-next"), Some("3"));
        assert_eq!(all.header("fanfare-gap"), None);
        let one = stage.get("t", "?last_event=1");
        assert_eq!(one.body, r#"[{"type":"status","data":null,"number":2}]"#);
        assert_eq!(one.header("fanfare-epoch"), all.header("fanfare-epoch"));
        // Of a repeated key the last one wins; other keys are nobody's business.
        let repeated = stage.get("t", "?last_event=x&a=b&last_event=0&last_event=1");
        assert_eq!(repeated.body, one.body);
        assert_eq!(stage.get("t", "?last_event=%31").body, one.body);
        assert_eq!(stage.get("t", "?last_event=+1").body, one.body);
    });
}

#[test]
fn absent_blank_or_nothing_newer_waits() {
    everywhere(|stage| {
        stage.publish("t", "1", "1");
        for query in [
            "",
            "?",
            "?last_event",
            "?last_event=",
            "?last_event=%20",
            "?last_event=0",
        ] {
            let peer = stage.park("t", query);
            let number = stage.publish("t", "2", "2");
            let answer = stage.answer(peer);
            assert_eq!(
                answer.body,
                format!("[{{\"type\":2,\"data\":2,\"number\":{number}}}]")
            );
            assert_eq!(
                answer.header("fanfare-next"),
                Some(&*(number + 1).to_string())
            );
            stage.node.break_off(peer);
            if query == "?last_event" {
                // Whatever came meanwhile would answer the last query at once.
                break;
            }
        }
    });
}

#[test]
fn both_base_paths_are_the_same() {
    everywhere(|stage| {
        let post = "POST /_wave/api/sessions/t/events";
        let answer = stage.ask("t", post, "", r#"{"type":1,"data":2}"#);
        assert_eq!(answer.status, 200);
        let get = "GET /_wave/api/sessions/t/events?last_event=-1";
        let there = stage.ask("t", get, "", "");
        assert_eq!(there.body, r#"[{"type":1,"data":2,"number":0}]"#);
        assert_eq!(there.body, stage.get("t", "?last_event=-1").body);
    });
}

#[test]
fn a_cursor_that_is_no_integer_is_refused() {
    everywhere(|stage| {
        for query in [
            "?last_event=x",
            "?last_event=1.5",
            "?last_event=1e3",
            "?last_event=%2",
            "?last_event=0&last_event=x",
            "?timeout=x",
            "?timeout=-1",
            "?last_event=%FF",
        ] {
            let refused = stage.get("t", query);
            assert_eq!(refused.status, 400, "{query}");
            assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
            assert_eq!(refused.header("content-type"), Some("application/json"));
            assert!(refused.error_code().starts_with("invalid_"), "{refused:?}");
        }
    });
}

#[test]
fn one_event_wakes_every_poll_with_all_newer_events() {
    everywhere(|stage| {
        stage.publish("t", "0", "0");
        let polls: Vec<usize> = (0..40)
            .map(|i| stage.park("t", if i % 2 == 0 { "" } else { "?last_event=0" }))
            .collect();
        let bystander = stage.park("u", "");
        let answer = stage.post("t", r#"[{"type":1,"data":1},{"type":2,"data":2}]"#);
        assert_eq!(answer.header("fanfare-number"), Some("1"));
        for peer in polls {
            let body = stage.answer(peer).body;
            assert_eq!(
                body,
                r#"[{"type":1,"data":1,"number":1},{"type":2,"data":2,"number":2}]"#
            );
        }
        assert!(stage.node.response_is_absent(bystander));
    });
}

#[test]
fn a_timeout_gives_up_with_an_empty_array() {
    everywhere(|stage| {
        assert_eq!(stage.get("t", "?timeout=0").body, "[]");
        let peer = stage.park("t", "?last_event=-1&timeout=2.5");
        let patient = stage.park("t", "?last_event=-1");
        stage.node.pass(Duration::from_millis(2_400));
        assert!(stage.node.response_is_absent(peer));
        stage.node.pass(Duration::from_millis(200));
        let answer = stage.answer(peer);
        assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
        assert_eq!(answer.header("fanfare-next"), Some("0"));
        assert_eq!(answer.header("fanfare-oldest"), Some("0"));
        assert!(answer.header("fanfare-epoch").is_some());
        stage.node.pass(Duration::from_secs(4_000));
        assert!(
            stage.node.response_is_absent(patient),
            "the default is to wait for ever"
        );
        stage.publish("t", "1", "1");
        assert_eq!(stage.answer(patient).status, 200);
    });
}

#[test]
fn the_operator_may_bound_the_wait() {
    let mut config = Config::default();
    config.sessions.poll_timeout_max = Some(Duration::from_secs(3));
    everywhere_with(&config, |stage| {
        let peers = ["", "?timeout=100", "?timeout=1"].map(|query| stage.park("t", query));
        stage.node.pass(Duration::from_millis(1_500));
        assert_eq!(stage.answer(peers[2]).body, "[]");
        assert!(stage.node.response_is_absent(peers[0]));
        stage.node.pass(Duration::from_secs(2));
        assert_eq!(stage.answer(peers[0]).body, "[]");
        assert_eq!(stage.answer(peers[1]).body, "[]");
    });
}

#[test]
fn a_timed_out_poll_lets_the_requests_behind_it_go_on() {
    everywhere(|stage| {
        let peer = stage.park("t", "?timeout=2");
        stage
            .node
            .send(peer, request("GET /api/sessions/t/status", "", ""));
        stage.node.send(
            peer,
            request("GET /api/sessions/t/events?last_event=-1&timeout=0", "", ""),
        );
        stage.node.pass(Duration::from_secs(3));
        assert_eq!(stage.answer(peer).body, "[]");
        let status = stage.answer(peer);
        assert!(status.body.contains(r#""status":"pending""#), "{status:?}");
        assert_eq!(stage.answer(peer).body, "[]");
    });
}

#[test]
fn a_trimmed_log_is_a_gap_from_to() {
    everywhere(|stage| {
        for data in ["0", "1", "2"] {
            stage.publish("t", "1", data);
        }
        stage.node.pass(Duration::from_secs(40));
        stage.publish("t", "1", "3");
        stage.node.pass(Duration::from_secs(25));
        let answer = stage.get("t", "?last_event=0");
        assert_eq!(answer.header("fanfare-gap"), Some("1-2"));
        assert_eq!(answer.header("fanfare-oldest"), Some("3"));
        assert_eq!(answer.body, r#"[{"type":1,"data":3,"number":3}]"#);
        assert_eq!(
            stage.get("t", "?last_event=-1").header("fanfare-gap"),
            Some("0-2")
        );
        assert_eq!(stage.get("t", "?last_event=2").header("fanfare-gap"), None);
        // Nothing retained, nothing ahead: it waits, and the answer tells.
        stage.node.pass(Duration::from_secs(61));
        let peer = stage.park("t", "?last_event=1");
        stage.publish("t", "1", "4");
        let answer = stage.answer(peer);
        assert_eq!(answer.header("fanfare-gap"), Some("2-3"));
        assert_eq!(answer.body, r#"[{"type":1,"data":4,"number":4}]"#);
    });
}

#[test]
fn a_cursor_from_another_life_is_a_reset() {
    everywhere(|stage| {
        stage.publish("t", "1", "1");
        let epoch = stage
            .get("t", "?last_event=-1")
            .header("fanfare-epoch")
            .unwrap()
            .to_owned();
        let other = if epoch.starts_with('0') { "1" } else { "0" }.to_owned() + &epoch[1..];
        let foreign = [
            "?last_event=1".to_owned(),
            "?last_event=99999999999999999999999".to_owned(),
            format!("?last_event=0&epoch={other}"),
            format!("?last_event=-1&epoch={other}"),
            "?last_event=0&epoch=nonsense".to_owned(),
        ];
        for query in foreign {
            let answer = stage.get("t", &query);
            assert_eq!(answer.header("fanfare-gap"), Some("reset"), "{query}");
            assert_eq!(
                answer.body, r#"[{"type":1,"data":1,"number":0}]"#,
                "{query}"
            );
        }
        let known = stage.get("t", &format!("?last_event=-1&epoch={epoch}"));
        assert_eq!(known.header("fanfare-gap"), None);
        // Deleted and used again: another life.
        assert_eq!(stage.ask("t", "DELETE /api/sessions/t", "", "").status, 200);
        let next = stage.publish("t", "1", "2");
        assert_eq!(next, 0, "numbers start at 0 in each life");
        // With nothing retained it stays open like any poll, and the answer tells.
        stage.node.pass(Duration::from_secs(61));
        let peer = stage.park("t", &format!("?last_event=0&epoch={epoch}"));
        stage.publish("t", "1", "3");
        let answer = stage.answer(peer);
        assert_eq!(answer.body, r#"[{"type":1,"data":3,"number":1}]"#);
        assert_eq!(answer.header("fanfare-gap"), Some("reset"));
        assert_ne!(answer.header("fanfare-epoch"), Some(&*epoch));
    });
}

#[test]
fn tokens_have_a_charset_and_a_length() {
    everywhere(|stage| {
        let long = "x".repeat(256);
        for token in ["a", "A.b_c~d-9", "%41", "%2F", "%20", &long] {
            let line = format!("GET /api/sessions/{token}/events?timeout=0");
            assert_eq!(stage.ask("t", &line, "", "").status, 200, "{token}");
        }
        for token in [
            "",
            "a,b",
            "a+b",
            "a@b",
            "a:b",
            "%",
            "%4",
            "%zz",
            "%FF",
            &"x".repeat(257),
        ] {
            let line = format!("GET /api/sessions/{token}/events?timeout=0");
            let refused = stage.ask("t", &line, "", "");
            assert_eq!(
                (refused.status, &*refused.error_code()),
                (400, "invalid_token"),
                "{token}"
            );
        }
        // Escapes count once they are decoded, and name the same session.
        let line = format!("GET /api/sessions/{}/events?timeout=0", "%78".repeat(256));
        assert_eq!(stage.ask("t", &line, "", "").status, 200);
        stage.publish("%41", "1", "1");
        assert_eq!(
            stage.get("A", "?last_event=-1").body,
            r#"[{"type":1,"data":1,"number":0}]"#
        );
    });
}

#[test]
fn deleting_answers_the_waiting_polls() {
    everywhere(|stage| {
        let peers = [stage.park("t", ""), stage.park("t", "?timeout=9")];
        assert_eq!(stage.ask("t", "DELETE /api/sessions/t", "", "").status, 200);
        for peer in peers {
            let answer = stage.answer(peer);
            assert_eq!((answer.status, &*answer.error_code()), (410, "gone"));
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            // The connection goes on.
            let next = request("GET /api/sessions/u/events?timeout=0", "", "");
            assert_eq!(stage.node.ask(peer, next).status, 200);
        }
        assert_eq!(stage.node.sum("readers"), 0);
    });
}

/// Pages read these fields only if they are exposed, and an answer that is stored would be given to
/// the next poll.
#[test]
fn the_fields_of_a_log_are_exposed_and_nothing_is_stored() {
    everywhere(|stage| {
        stage.publish("t", "1", "1");
        for query in ["?last_event=-1", "?last_event=0&timeout=0", "?last_event=7"] {
            let answer = stage.get("t", query);
            let place = ["epoch", "oldest", "next"].map(|name| format!("fanfare-{name}"));
            for name in place {
                assert!(answer.header(&name).is_some(), "{query} {name}");
            }
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let exposed = answer.header("access-control-expose-headers");
            let exposed: Vec<&str> = exposed.expect("some").split(", ").collect();
            for name in ["Epoch", "Oldest", "Next", "Gap", "More", "Number", "Id"] {
                let name = format!("Fanfare-{name}");
                assert!(exposed.contains(&&*name), "{name} is not among {exposed:?}");
            }
        }
    });
}
