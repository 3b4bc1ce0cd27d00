//! One event for very many: others are served between the slices, and nobody is missed.

use fanfare::config::Config;
use fanfare::shard::Slices;

use crate::support::http::{Response, request};
use crate::support::node::TestNode;

const SESSIONS: usize = 30;
/// Ticks that may pass until someone who asks is answered: the one that hears the question.
const TURNS_MAX: usize = 1;

fn node(slices: Slices) -> TestNode {
    let mut config = Config::default();
    config.sysadm.state_interval = None;
    TestNode::with_slices(1, 7, &config, slices)
}

/// One poll on each of so many sessions.
fn polls(node: &mut TestNode) -> Vec<usize> {
    let poll = |session| {
        let peer = node.connect(0);
        let path = format!("GET /api/sessions/session-{session}/events");
        node.send(peer, request(&path, "", ""));
        peer
    };
    let peers = (0..SESSIONS).map(poll).collect();
    node.settle();
    peers
}

fn broadcast(node: &mut TestNode, peer: usize) {
    let body = r#"{"name":"n","payload":{"a":1}}"#;
    node.send(peer, request("POST /event/v2/publish", "", body));
    assert!(node.receive(peer, usize::MAX));
}

/// Asks, and answers after how many turns there was an answer.
fn ask(node: &mut TestNode, peer: usize, text: &str) -> (usize, Response) {
    node.send(peer, text);
    assert!(node.receive(peer, usize::MAX));
    for turn in 1.. {
        node.turn(0);
        if let Some(response) = node.response(peer) {
            return (turn, response);
        }
        assert!(node.shards[0].has_more_work(), "nothing will bring it");
    }
    unreachable!("turns are not counted so far");
}

fn answered(node: &mut TestNode, peers: &[usize]) -> Vec<Response> {
    let responses = peers.iter().filter_map(|&peer| node.response(peer));
    responses.collect()
}

/// A broadcast under such bounds, and questions between its slices; how many turns it took.
fn play(slices: Slices) -> usize {
    let mut node = node(slices);
    let polls = polls(&mut node);
    let (publisher, probe) = (node.connect(0), node.connect(0));
    node.settle();
    broadcast(&mut node, publisher);
    node.turn(0);
    let accepted = node.response(publisher).expect("the answer does not wait");
    assert_eq!(accepted.status, 200);
    let mut turns = 1;
    let mut told = answered(&mut node, &polls);
    while node.shards[0].has_more_work() {
        assert!(told.len() < SESSIONS, "it is not over");
        let health = request("GET /healthz", "", "");
        let (waited, response) = ask(&mut node, probe, &health);
        assert_eq!((waited, response.status), (TURNS_MAX, 200));
        turns += waited;
        told.extend(answered(&mut node, &polls));
    }
    assert_eq!(told.len(), SESSIONS, "everyone is told, once");
    for response in told {
        assert!(response.body.contains(r#"{"a":1}"#), "{}", response.body);
    }
    assert!(!node.shards[0].has_more_work());
    turns
}

#[test]
fn whoever_asks_is_answered_between_the_slices_of_appending() {
    let turns = play(Slices {
        appends: 3,
        ..Slices::default()
    });
    assert_eq!(turns, SESSIONS / 3);
}

#[test]
fn whoever_asks_is_answered_between_the_slices_of_showing() {
    let turns = play(Slices {
        appends: 3,
        woken: 1,
        ..Slices::default()
    });
    assert_eq!(turns, SESSIONS);
}

#[test]
fn whoever_asks_is_answered_between_the_slices_of_writing() {
    let turns = play(Slices {
        writes: 4,
        ..Slices::default()
    });
    assert!(turns >= SESSIONS / 4, "{turns} turns");
}

#[test]
fn what_is_asked_of_a_session_includes_what_was_accepted() {
    let mut node = node(Slices {
        appends: 1,
        ..Slices::default()
    });
    let polls = polls(&mut node);
    let (publisher, other) = (node.connect(0), node.connect(0));
    broadcast(&mut node, publisher);
    node.turn(0);
    let last = format!("session-{}", SESSIONS - 1);
    let path = format!("GET /api/sessions/{last}/events?last_event=-1&timeout=0");
    let (_, response) = ask(&mut node, other, &request(&path, "", ""));
    assert!(response.body.contains(r#"{"a":1}"#), "{}", response.body);
    let publish = format!("POST /api/sessions/{last}/events");
    let (_, response) = ask(
        &mut node,
        other,
        &request(&publish, "", r#"{"type":"t","data":2}"#),
    );
    assert_eq!(response.header("fanfare-number"), Some("1"));
    node.settle();
    assert_eq!(answered(&mut node, &polls).len(), SESSIONS);
}

#[test]
fn who_leaves_tells_first_what_it_accepted() {
    let mut node = node(Slices {
        appends: 1,
        ..Slices::default()
    });
    let polls = polls(&mut node);
    let publisher = node.connect(0);
    broadcast(&mut node, publisher);
    let now = node.now;
    node.shards[0].drain(now);
    node.settle();
    let told = answered(&mut node, &polls);
    assert_eq!(told.len(), SESSIONS);
    for response in told {
        assert!(response.body.contains(r#"{"a":1}"#), "{}", response.body);
    }
}
