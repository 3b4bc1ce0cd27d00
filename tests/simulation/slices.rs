//! One event for very many: others are served between the slices, and nobody is missed.

use fanfare::dialect::Config;
use fanfare::shard::Slices;
use http::Request;

use crate::support::http::{Response, request};
use crate::support::http2::{Client, End};
use crate::support::node::TestNode;
use crate::support::socket::Socket;

const SESSIONS: usize = 30;
/// Ticks that may pass until someone who asks is answered: the one that hears the question.
const TURNS_MAX: usize = 1;

fn node(slices: Slices) -> TestNode {
    let mut config = Config::default();
    config.sysadm.state_interval = None;
    config.sessions.poll_bytes_max = 8 * 1024 * 1024;
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

#[test]
fn a_poll_whose_time_is_over_is_told_what_was_accepted() {
    let mut node = node(Slices {
        appends: 1,
        ..Slices::default()
    });
    let mut polls = polls(&mut node);
    let hasty = node.connect(0);
    node.send(
        hasty,
        request("GET /api/sessions/last/events?timeout=1", "", ""),
    );
    polls.push(hasty);
    let publisher = node.connect(0);
    node.settle();
    broadcast(&mut node, publisher);
    node.turn(0);
    node.jump(1_000);
    node.turn(0);
    assert!(node.shards[0].has_more_work(), "others wait");
    let response = node.response(hasty).expect("its time is over");
    // It came without a cursor: told nothing, it would begin after the event the next time.
    assert!(response.body.contains(r#"{"a":1}"#), "{}", response.body);
    node.settle();
    polls.pop();
    assert_eq!(answered(&mut node, &polls).len(), SESSIONS);
}

#[test]
fn what_was_accepted_is_judged_by_what_was_wanted_then() {
    let mut node = node(Slices {
        appends: 1,
        ..Slices::default()
    });
    polls(&mut node);
    let publisher = node.connect(0);
    let path = "/pubsub/ws?event_id=e&session_id=last";
    let mut room = Socket::open(&mut node, 0, path, "").expect("it is opened");
    let change = |action: &str, name: &str| {
        format!(r#"{{"action":"{action}","data":{{"eventName":"{name}"}},"ref":1}}"#)
    };
    room.say(&mut node, &change("subscribe-event", "other"));
    room.texts(&mut node);
    broadcast(&mut node, publisher);
    node.turn(0);
    room.say(&mut node, &change("subscribe-event", "n"));
    let texts = room.texts(&mut node);
    assert_eq!(
        texts,
        [r#"{"action":"subscribed","ref":1}"#],
        "it came too late"
    );
    broadcast(&mut node, publisher);
    node.turn(0);
    room.say(&mut node, &change("unsubscribe-event", "n"));
    let texts = room.texts(&mut node);
    assert_eq!(texts.len(), 2, "it came before: {texts:?}");
    assert!(texts[0].contains(r#"{"a":1}"#), "{texts:?}");
}

#[test]
fn nobody_is_too_slow_because_the_flush_is() {
    const BOUND: usize = 4_000;
    let mut config = Config::default();
    config.sysadm.state_interval = None;
    config.hub.send_queue_bytes_max = BOUND;
    let slices = Slices {
        writes: 2,
        ..Slices::default()
    };
    let mut node = TestNode::with_slices(1, 7, &config, slices);
    let mut subscribers: Vec<Socket> = (0..SESSIONS)
        .map(|_| Socket::open(&mut node, 0, "/live/ws", "").expect("it is opened"))
        .collect();
    for subscriber in &mut subscribers {
        let all = r#"{"type":"filter","filters":[{"property":"a","value":"*"}]}"#;
        subscriber.ask(&mut node, all);
    }
    let publisher = node.connect(0);
    for _ in 0..100 {
        broadcast(&mut node, publisher);
        broadcast(&mut node, publisher);
        for subscriber in &subscribers {
            node.open_window(subscriber.peer, BOUND);
        }
        node.turn(0);
    }
    node.settle();
    assert_eq!(node.sum("slow_consumers"), 0);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.texts(&mut node).len(), 200);
    }
}

#[test]
fn a_stream_that_takes_the_place_of_one_who_waited_for_a_flush_is_served() {
    const EVENTS: usize = 40;
    let mut node = node(Slices {
        writes: 4,
        ..Slices::default()
    });
    let publisher = node.connect(0);
    let body = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(100_000));
    for _ in 0..EVENTS {
        let publish = request("POST /api/sessions/long/events", "", &body);
        assert_eq!(node.ask(publisher, publish).status, 200);
    }
    let mut client = Client::connect_with(&mut node, 0, 1 << 30);
    client.settle(&mut node);
    let others: Vec<usize> = (0..6).map(|_| node.connect(0)).collect();
    let leaver = node.connect(0);
    node.settle();
    let get = |path: &str| {
        let request = Request::get(format!("http://host{path}"));
        request.body(()).expect("a request")
    };
    let ask = |node: &mut TestNode, peers: &[usize]| {
        for &peer in peers {
            node.send(peer, request("GET /healthz", "", ""));
            node.receive(peer, usize::MAX);
        }
    };
    // Four are written to, and then two and two: the client waits, and behind it whoever leaves.
    ask(&mut node, &others);
    let first = client.open(get("/healthz"), true);
    client.turn(&mut node);
    node.receive(client.peer, usize::MAX);
    node.turn(0);
    ask(&mut node, &[others[0], others[1], leaver]);
    node.turn(0);
    assert!(node.response_is_absent(leaver));
    node.break_off(leaver);
    let second = client.open(get("/api/sessions/long/events?last_event=-1"), true);
    client.turn(&mut node);
    client.settle(&mut node);
    assert_eq!(client.calls[first].status(), Some(200));
    let long = &client.calls[second];
    assert_eq!(
        (long.status(), &long.end),
        (Some(200), &Some(End::Complete))
    );
    assert!(long.body.len() > EVENTS * 100_000);
}
