//! Contract: "one answer holds at most 1 MiB": `Fanfare-More`, however a poll comes to be answered.

use std::time::Duration;

use fanfare::dialect::Config;
use serde_json::Value;

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::http::{Response, request};

/// What one answer holds, unless it is configured.
const MIB: usize = 1024 * 1024;

/// An event's data of so many bytes, quotes included.
fn data(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

/// The numbers of an answer's events.
fn numbers(answer: &Response) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{:?}", answer.headers);
    let events: Vec<Value> = serde_json::from_str(&answer.body).expect("an array");
    let number = |event: &Value| event["number"].as_u64().expect("a number");
    events.iter().map(number).collect()
}

fn has_more(answer: &Response) -> bool {
    let more = answer.header("fanfare-more");
    assert!(matches!(more, None | Some("true")), "{more:?}");
    more.is_some()
}

/// Asks on, after an answer, until there is no more; each part at once. Returns all numbers and the
/// parts.
fn read_on(stage: &mut Stage, token: &str, first: Response) -> (Vec<u64>, usize) {
    let (mut all, mut parts, mut answer) = (numbers(&first), 1, first);
    while has_more(&answer) {
        let last = all.last().expect("a part is not empty");
        let epoch = answer.header("fanfare-epoch").expect("an epoch").to_owned();
        answer = stage.get(token, &format!("?last_event={last}&epoch={epoch}"));
        assert_eq!(answer.header("fanfare-gap"), None);
        all.extend(numbers(&answer));
        parts += 1;
    }
    (all, parts)
}

#[test]
fn a_log_is_read_in_parts_of_a_mebibyte() {
    everywhere(|stage| {
        let data = data(100_000);
        for _ in 0..35 {
            stage.publish("t", "\"n\"", &data);
        }
        let first = stage.get("t", "?last_event=-1");
        assert!(first.body.len() <= MIB && first.body.len() > MIB - 100_100);
        assert_eq!(numbers(&first), (0..10).collect::<Vec<_>>());
        assert_eq!(first.header("fanfare-next"), Some("35"));
        assert_eq!(first.header("fanfare-oldest"), Some("0"));
        let exposed = first.header("access-control-expose-headers").expect("some");
        assert!(
            exposed.split(", ").any(|name| name == "Fanfare-More"),
            "{exposed}"
        );
        let (all, parts) = read_on(stage, "t", first);
        assert_eq!((all, parts), ((0..35).collect(), 4));
        // The last part of all says nothing.
        assert!(!has_more(&stage.get("t", "?last_event=30")));
        assert!(!has_more(&stage.get("t", "?timeout=0")));
    });
}

#[test]
fn a_part_fits_to_the_byte_and_has_one_event_at_least() {
    let element = r#"{"type":1,"data":1,"number":0}"#;
    let two = format!("[{element},{element}]").len();
    for (bytes_max, expected) in [
        (1, 1),
        (two - 1, 1),
        (two, 2),
        (two + element.len(), 2),
        (two + element.len() + 1, 3),
    ] {
        let mut config = Config::default();
        config.sessions.poll_bytes_max = bytes_max;
        everywhere_with(&config, |stage| {
            for _ in 0..4 {
                stage.publish("t", "1", "1");
            }
            let first = stage.get("t", "?last_event=-1");
            assert_eq!(numbers(&first).len(), expected, "{bytes_max}");
            let (all, _) = read_on(stage, "t", first);
            assert_eq!(all, [0, 1, 2, 3]);
        });
    }
    // The largest event there may be is more than an answer holds by itself.
    everywhere(|stage| {
        let frame = r#"{"type":1,"data":}"#.len();
        for _ in 0..2 {
            stage.publish("t", "1", &data(MIB - frame));
        }
        let first = stage.get("t", "?last_event=-1");
        assert!(first.body.len() > MIB && has_more(&first));
        assert_eq!(read_on(stage, "t", first).0, [0, 1]);
    });
}

#[test]
fn polls_that_are_woken_get_the_first_part() {
    let mut config = Config::default();
    config.sessions.poll_bytes_max = 100;
    everywhere_with(&config, |stage| {
        stage.publish("t", "0", "0");
        let peers = ["", "?last_event=0", "?timeout=60"].map(|query| stage.park("t", query));
        let events: Vec<_> = (1..20)
            .map(|n| format!(r#"{{"type":1,"data":{n}}}"#))
            .collect();
        stage.post("t", &format!("[{}]", events.join(",")));
        for peer in peers {
            let first = stage.answer(peer);
            assert_eq!(numbers(&first), [1, 2, 3]);
            assert_eq!(read_on(stage, "t", first).0, (1..20).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_gap_or_a_reset_is_told_with_the_first_part() {
    let mut config = Config::default();
    config.sessions.poll_bytes_max = 100;
    everywhere_with(&config, |stage| {
        for n in 0..3 {
            stage.publish("t", "1", &n.to_string());
        }
        stage.node.pass(Duration::from_secs(61));
        for n in 3..13 {
            stage.publish("t", "1", &n.to_string());
        }
        for (query, gap) in [
            ("?last_event=-1", "0-2"),
            ("?last_event=0", "1-2"),
            ("?last_event=0&epoch=0000000000000000", "reset"),
            ("?last_event=99", "reset"),
        ] {
            let first = stage.get("t", query);
            assert_eq!(first.header("fanfare-gap"), Some(gap), "{query}");
            assert_eq!(
                read_on(stage, "t", first).0,
                (3..13).collect::<Vec<_>>(),
                "{query}"
            );
        }
    });
}

#[test]
fn what_waits_in_a_connection_is_answered_in_parts_too() {
    let mut config = Config::default();
    config.sessions.poll_bytes_max = 60;
    everywhere_with(&config, |stage| {
        for _ in 0..5 {
            stage.publish("t", "1", "1");
        }
        // Three polls at once, of which the first two stand at the same place and share one
        // rendering.
        let peer = stage.connect("t");
        for last in ["-1", "-1", "2"] {
            let line = format!("GET /api/sessions/t/events?last_event={last}");
            stage.node.send(peer, request(&line, "", ""));
        }
        stage.node.settle();
        let answers = [(); 3].map(|()| stage.answer(peer));
        let expected: [(Vec<u64>, bool); 3] = [(vec![0], true), (vec![0], true), (vec![3], true)];
        assert_eq!(
            answers.map(|answer| (numbers(&answer), has_more(&answer))),
            expected
        );
        // Feeds have no parts: they are told of everything.
        let line = "GET /api/sessions/t/events?last_event=-1";
        let feed = stage.connect("t");
        let accept = "Accept: text/event-stream\r\n";
        stage.node.send(feed, request(line, accept, ""));
        stage.node.settle();
        let head = stage.answer(feed);
        assert_eq!(head.header("fanfare-more"), None);
        assert_eq!(head.body.matches("data: 1").count(), 5);
    });
}
