//! Design: "Slow consumers" — in this dialect: what is said, and how it ends, in each of its forms.

use fanfare::config::SlowConsumer;
use fanfare::dialect::Config;
use serde_json::Value;

use super::body::Streaming;
use super::{PATH, body, error_of, post, subscribe};
use crate::stage::{Stage, everywhere_with};
use crate::support::http::request;
use crate::support::socket::Socket;

/// The bound, and the fill of an event that is a little more than a tenth of it.
const BOUND: usize = 16 * 1024;
const FILL: usize = 2_000;

fn config(policy: SlowConsumer) -> Config {
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = BOUND;
    config.hub.slow_consumer = policy;
    config
}

/// Publishes `numbers`, each in a tick of its own.
fn publish(stage: &mut Stage, numbers: std::ops::Range<u64>) {
    let fill = "x".repeat(FILL);
    for number in numbers {
        let payload = format!(r#"{{"n":{number},"fill":"{fill}"}}"#);
        assert_eq!(post(stage, "", &body("e", &payload, "")).status, 200);
    }
}

/// Checks that messages are events in order, with holes that are told exactly where they are; how
/// many came, how many are missing, and how often that was told.
#[track_caller]
fn tally(texts: &[String]) -> (u64, u64, usize) {
    let (mut came, mut missing, mut notices) = (0, 0, 0);
    for text in texts {
        let message: Value = serde_json::from_str(text).expect("a whole text");
        let payload = &message["result"]["event"]["payload"];
        if let Some(number) = payload["n"].as_u64() {
            assert_eq!(number, came + missing, "in order");
            came += 1;
            continue;
        }
        let (id, code, message) = error_of(text);
        assert_eq!((id, code), (None, 8));
        let count = message.strip_suffix(" events were dropped: this client is too slow");
        let count: u64 = count.expect("the count first").parse().expect("a number");
        assert!(count > 0);
        missing += count;
        notices += 1;
    }
    (came, missing, notices)
}

fn web_socket(stage: &mut Stage) -> Socket {
    let mut socket = stage.open(PATH, "");
    subscribe(stage, &mut socket, "e", "");
    socket
}

fn listener(stage: &mut Stage) -> Streaming {
    let get = request(&format!("GET {PATH}?subscribe.name=e"), "", "");
    let mut listener = Streaming::open(stage, get);
    assert_eq!(listener.lines(stage).len(), 1);
    listener
}

#[test]
fn a_slow_web_socket_is_closed_with_1013() {
    everywhere_with(&config(SlowConsumer::Disconnect), |stage| {
        let (mut slow, mut healthy) = (web_socket(stage), web_socket(stage));
        // In the middle of the second event.
        stage.node.open_window(slow.peer, 3_000);
        publish(stage, 0..20);
        stage.node.open_window(slow.peer, usize::MAX);
        stage.node.settle();
        assert_eq!(tally(&stage.texts(&mut slow)), (2, 0, 0));
        let reason = "too slow: events would have piled up".to_owned();
        assert_eq!(slow.goodbye(&mut stage.node), Some((1_013, reason)));
        stage.node.settle();
        assert!(stage.node.peers[slow.peer].is_over());
        assert_eq!(tally(&stage.texts(&mut healthy)), (20, 0, 0));
        assert_eq!(stage.node.sum("slow_consumers"), 1);
        assert_eq!(super::subscriptions(stage), 1);
    });
}

#[test]
fn a_slow_response_ends_with_its_last_chunk() {
    everywhere_with(&config(SlowConsumer::Disconnect), |stage| {
        let (mut slow, mut healthy) = (listener(stage), listener(stage));
        stage.node.open_window(slow.peer, 3_000);
        publish(stage, 0..20);
        stage.node.open_window(slow.peer, usize::MAX);
        stage.node.settle();
        assert_eq!(tally(&slow.lines(stage)), (2, 0, 0));
        assert!(slow.ended);
        assert!(stage.node.peers[slow.peer].is_over());
        assert_eq!(tally(&healthy.lines(stage)), (20, 0, 0));
        assert!(!healthy.ended);
        assert_eq!(stage.node.sum("slow_consumers"), 1);
    });
}

#[test]
fn the_oldest_are_dropped_and_an_error_says_how_many() {
    everywhere_with(&config(SlowConsumer::DropOldest), |stage| {
        let (mut slow, mut healthy) = (web_socket(stage), web_socket(stage));
        let (mut slow_response, mut healthy_response) = (listener(stage), listener(stage));
        for peer in [slow.peer, slow_response.peer] {
            stage.node.open_window(peer, 3_000);
        }
        publish(stage, 0..60);
        for peer in [slow.peer, slow_response.peer] {
            stage.node.open_window(peer, usize::MAX);
        }
        stage.node.settle();
        publish(stage, 60..62);
        let (texts, lines) = (stage.texts(&mut slow), slow_response.lines(stage));
        for messages in [texts, lines] {
            let (came, missing, notices) = tally(&messages);
            assert_eq!((came + missing, notices), (62, 1));
            assert!(came >= 4 + (BOUND / (FILL + 300)) as u64, "{came}");
        }
        assert_eq!(tally(&stage.texts(&mut healthy)), (62, 0, 0));
        assert_eq!(tally(&healthy_response.lines(stage)), (62, 0, 0));
        super::assert_alive(stage, &mut slow);
        assert!(!slow_response.ended);
        assert_eq!(stage.node.sum("slow_consumers"), 0);
    });
}

#[test]
fn replies_are_never_dropped() {
    everywhere_with(&config(SlowConsumer::DropOldest), |stage| {
        let mut slow = web_socket(stage);
        stage.node.open_window(slow.peer, 3_000);
        publish(stage, 0..20);
        for number in 0..3 {
            let ping = format!(r#"{{"ping":"{number}"}}"#);
            slow.say(&mut stage.node, &ping);
        }
        publish(stage, 20..40);
        stage.node.open_window(slow.peer, usize::MAX);
        stage.node.settle();
        let (replies, events): (Vec<_>, Vec<_>) = stage
            .texts(&mut slow)
            .into_iter()
            .partition(|text| text.contains("pong"));
        let pong = |number: u32| format!(r#"{{"result":{{"pong":"{number}"}}}}"#);
        assert_eq!(replies, [pong(0), pong(1), pong(2)]);
        let (came, missing, _) = tally(&events);
        assert_eq!(came + missing, 40);
    });
}
