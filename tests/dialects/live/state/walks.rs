//! Contract: sets are paged, and a walk sees whatever is there throughout, once, whatever comes and
//! goes meanwhile.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ask, get, items, texts};
use crate::stage::{Stage, everywhere};
use crate::support::http::request;

/// Walks a set in pages, and does something between two of them.
fn walk(
    stage: &mut Stage,
    set: &str,
    limit: usize,
    mut between: impl FnMut(&mut Stage, usize),
) -> Vec<String> {
    let (mut seen, mut after) = (Vec::new(), String::new());
    for page in 0..1_000 {
        let shown = get(stage, &format!("/live/{set}?limit={limit}{after}"));
        let ids = texts(shown["items"].as_array().expect("items"), "id");
        assert!(ids.len() <= limit);
        seen.extend(ids.iter().cloned());
        match &shown["next"] {
            Value::Null => return seen,
            next => {
                assert_eq!(next.as_str(), ids.last().map(String::as_str));
                after = format!("&after={}", next.as_str().expect("an id"));
            }
        }
        between(stage, page);
    }
    panic!("a walk ends");
}

#[test]
fn a_page_has_a_hundred_things_unless_the_request_says_otherwise() {
    everywhere(|stage| {
        for number in 0..102 {
            stage.publish(&format!("s{number}"), "\"n\"", "1");
        }
        let first = get(stage, "/live/sessions");
        assert_eq!(first["items"].as_array().map(Vec::len), Some(100));
        assert!(first["next"].is_string());
        assert_eq!(items(stage, "/live/sessions?limit=1000").len(), 102);
        assert_eq!(items(stage, "/live/sessions?limit=102").len(), 102);
        let two = get(stage, "/live/sessions?limit=2");
        assert_eq!(two["items"].as_array().map(Vec::len), Some(2));
        for limit in [1, 7, 51, 101] {
            let seen = walk(stage, "sessions", limit, |_, _| {});
            let mut sorted = seen.clone();
            sorted.sort();
            assert_eq!(seen, sorted, "they come in the order of their ids");
            assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 102);
        }
    });
}

#[test]
fn sessions_that_stay_are_seen_once_while_others_come_and_go() {
    everywhere(|stage| {
        let stays: Vec<String> = (0..40).map(|_| stage.create("{}")).collect();
        let mut goes: Vec<String> = (0..40).map(|_| stage.create("{}")).collect();
        let seen = walk(stage, "sessions", 7, |stage, page| {
            for _ in 0..3 {
                let token = goes.remove((page * 13) % goes.len());
                let deleted = stage.ask(&token, &format!("DELETE /api/sessions/{token}"), "", "");
                assert_eq!(deleted.status, 200);
                goes.push(stage.create("{}"));
            }
        });
        for token in &stays {
            let count = seen.iter().filter(|id| *id == token).count();
            assert_eq!(count, 1, "{token}");
        }
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "nothing is shown twice");
    });
}

#[test]
fn a_walk_goes_on_after_what_is_gone() {
    everywhere(|stage| {
        let mut tokens: Vec<String> = (0..9).map(|_| stage.create("{}")).collect();
        tokens.sort();
        let page = get(stage, "/live/sessions?limit=3");
        assert_eq!(page["next"].as_str(), Some(&*tokens[2]));
        for token in &tokens[1..5] {
            stage.ask(token, &format!("DELETE /api/sessions/{token}"), "", "");
        }
        let rest = items(stage, &format!("/live/sessions?after={}", tokens[2]));
        assert_eq!(texts(&rest, "id"), tokens[5..]);
        let beyond = items(
            stage,
            "/live/sessions?after=ffffffff-ffff-4fff-bfff-ffffffffffff",
        );
        assert_eq!(beyond.len(), 0);
    });
}

#[test]
fn connections_that_stay_are_seen_once_while_others_come_and_go() {
    everywhere(|stage| {
        let mut sockets: Vec<_> = (0..12)
            .map(|at| {
                stage.node.jump(1);
                let shard = at as usize % stage.shards();
                stage.open_on(shard, "/live/ws", "")
            })
            .collect();
        let all = texts(&items(stage, "/live/connections"), "id");
        assert_eq!(all.len(), 12);
        for set in ["connections", "subscriptions"] {
            let before = texts(&items(stage, &format!("/live/{set}")), "id");
            let mut gone = BTreeSet::new();
            let seen = walk(stage, set, 2, |stage, page| {
                if page < 3 {
                    // The last one breaks off, another comes.
                    let broken = sockets.pop().expect("a socket");
                    stage.node.break_off(broken.peer);
                    gone.insert(before[before.len() - 1 - page].clone());
                    let socket = stage.open_on(page % stage.shards(), "/live/ws", "");
                    sockets.insert(0, socket);
                    stage.node.jump(1);
                }
            });
            for id in before.iter().filter(|id| !gone.contains(*id)) {
                let count = seen.iter().filter(|other| *other == id).count();
                assert_eq!(count, 1, "{set} {id}");
            }
            let distinct: BTreeSet<_> = seen.iter().collect();
            assert_eq!(distinct.len(), seen.len());
            for socket in sockets.drain(..3) {
                stage.node.break_off(socket.peer);
            }
            for _ in 0..3 {
                sockets.push(stage.open_on(0, "/live/ws", ""));
            }
        }
    });
}

#[test]
fn events_that_were_let_go_are_no_end_of_a_walk() {
    everywhere(|stage| {
        for number in 0..5 {
            stage.publish("t", "\"n\"", &number.to_string());
            stage.node.jump(20_000);
        }
        let set = "sessions/getByName/t/events";
        let page = get(stage, &format!("/live/{set}?limit=1"));
        let first = page["next"].as_str().expect("there are more").to_owned();
        stage.node.jump(21_000);
        let rest = items(stage, &format!("/live/{set}?after={first}"));
        let numbers: Vec<u64> = rest
            .iter()
            .map(|event| event["number"].as_u64().unwrap())
            .collect();
        assert!(
            !numbers.is_empty() && *numbers.last().unwrap() == 4,
            "{numbers:?}"
        );
    });
}

#[test]
fn a_thousand_walks_at_once_are_answered_or_told_to_come_back() {
    everywhere(|stage| {
        for number in 0..20 {
            stage.publish(&format!("s{number}"), "\"n\"", "1");
        }
        let shards = stage.shards();
        let peers: Vec<usize> = (0..1_000)
            .map(|at| stage.node.connect(at % shards))
            .collect();
        for &peer in &peers {
            stage
                .node
                .send(peer, request("GET /live/sessions?limit=7", "", ""));
            stage.node.receive(peer, usize::MAX);
        }
        stage.node.settle();
        let mut refused = 0;
        for peer in peers {
            let response = stage.node.response(peer).expect("an answer");
            match response.status {
                200 => assert!(response.body.starts_with(r#"{"items":[{"id":"#)),
                503 => {
                    assert_eq!(response.header("retry-after"), Some("1"));
                    assert_eq!(response.error_code(), "busy");
                    refused += 1;
                }
                other => panic!("{other}: {response:?}"),
            }
        }
        // As many as may wait were answered, and nothing is left behind.
        assert_eq!(refused, 1_000 - 256 * shards.min(3), "of {shards} shards");
        assert!(stage.node.shards.iter().all(|shard| shard.questions() == 0));
        assert_eq!(ask(stage, "GET /live/sessions", "").status, 200);
    });
}

#[test]
fn a_walk_that_is_given_up_leaves_nothing_behind() {
    everywhere(|stage| {
        for number in 0..20 {
            stage.publish(&format!("s{number}"), "\"n\"", "1");
        }
        let peers: Vec<usize> = (0..50).map(|_| stage.node.connect(0)).collect();
        for &peer in &peers {
            stage.node.send(peer, request("GET /live/sessions", "", ""));
            stage.node.receive(peer, usize::MAX);
        }
        let questions = |stage: &Stage| -> usize {
            stage
                .node
                .shards
                .iter()
                .map(fanfare::shard::Shard::questions)
                .sum()
        };
        assert!(questions(stage) >= 50);
        for peer in peers {
            stage.node.break_off(peer);
        }
        assert!(
            questions(stage) <= 8 * stage.shards(),
            "only what is being told"
        );
        stage.node.settle();
        assert_eq!(questions(stage), 0);
        assert_eq!(ask(stage, "GET /live/sessions", "").status, 200);
    });
}
