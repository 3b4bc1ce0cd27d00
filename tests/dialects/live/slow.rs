//! Design: "Slow consumers" — a live subscriber that does not keep up delays nobody and is told.

use std::time::Duration;

use fanfare::config::SlowConsumer;
use fanfare::dialect::Config;
use fanfare::limits::WRITE_TIMEOUT;

use super::{PATH, accepted, filter, types};
use crate::stage::{Stage, everywhere_with};
use crate::support::socket::{Socket, upgrade_with};

/// The bound, and the fields of an event that is a little more than a tenth of it.
const BOUND: usize = 16 * 1024;

fn config(policy: SlowConsumer) -> Config {
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = BOUND;
    config.hub.slow_consumer = policy;
    config
}

/// Publishes `numbers`, each an event of 2,000 bytes and more in a tick of its own.
fn publish(stage: &mut Stage, numbers: std::ops::Range<u64>) {
    let fill = "x".repeat(2_000);
    for number in numbers {
        let data = format!(r#"{{"n":{number},"fill":"{fill}"}}"#);
        stage.publish("t", "\"e\"", &data);
    }
}

/// What a socket got: numbers of events, counts of dropped ones below zero, answers as zero counts.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Event(u64),
    Dropped(u64),
    Answer,
}

fn got(stage: &mut Stage, socket: &mut Socket) -> Vec<Got> {
    let texts = stage.texts(socket);
    let read = texts.iter().map(|text| {
        let value: serde_json::Value = serde_json::from_str(text).expect("a whole text");
        match value["type"].as_str() {
            Some("e") => Got::Event(value["n"].as_u64().expect("a number")),
            Some("filterResponse") => Got::Answer,
            Some("fanfare:dropped") => {
                let count = value["count"].as_u64().expect("a count");
                let exact = format!(r#"{{"type":"fanfare:dropped","count":{count}}}"#);
                assert_eq!(*text, exact);
                Got::Dropped(count)
            }
            other => panic!("{other:?}"),
        }
    });
    read.collect()
}

/// Events in order, holes told exactly: how many came, and how many were told missing.
fn tally(got: &[Got]) -> (u64, u64) {
    let (mut next, mut came, mut missing) = (0, 0, 0);
    for item in got {
        match *item {
            Got::Event(number) => {
                assert_eq!(number, next, "in {got:?}");
                next += 1;
                came += 1;
            }
            Got::Dropped(count) => {
                assert!(count > 0);
                next += count;
                missing += count;
            }
            Got::Answer => {}
        }
    }
    (came, missing)
}

fn counters(stage: &Stage) -> [u64; 3] {
    ["events_delivered", "events_dropped", "slow_consumers"].map(|name| stage.node.sum(name))
}

#[test]
fn a_slow_client_is_disconnected_and_nobody_else_is() {
    everywhere_with(&config(SlowConsumer::Disconnect), |stage| {
        let mut slow = stage.open(PATH, "");
        let mut healthy = stage.open(PATH, "");
        // In the middle of the second event.
        stage.node.open_window(slow.peer, 3_000);
        publish(stage, 0..8);
        assert_eq!(counters(stage), [16, 0, 0]);
        assert_eq!(got(stage, &mut healthy).len(), 8);
        publish(stage, 8..20);
        // The second was begun: it is sent to its end, and then the goodbye.
        stage.node.open_window(slow.peer, usize::MAX);
        stage.node.settle();
        let texts = got(stage, &mut slow);
        assert_eq!(texts, [Got::Event(0), Got::Event(1)]);
        let (code, reason) = slow.goodbye(&mut stage.node).expect("a goodbye");
        assert_eq!(
            (code, &*reason),
            (1_013, "too slow: events would have piled up")
        );
        stage.node.settle();
        assert!(stage.node.peers[slow.peer].is_over());
        assert_eq!(got(stage, &mut healthy).len(), 12);
        let [delivered, dropped, slow_consumers] = counters(stage);
        assert_eq!(slow_consumers, 1);
        // All that the slow one was handed and did not get was dropped.
        assert_eq!(delivered - 20 - dropped, 2);
        publish(stage, 20..21);
        assert_eq!(counters(stage), [delivered + 1, dropped, 1]);
    });
}

#[test]
fn a_slow_client_that_never_reads_is_dropped_and_counted_once() {
    everywhere_with(&config(SlowConsumer::Disconnect), |stage| {
        let slow = stage.open(PATH, "");
        stage.node.open_window(slow.peer, 100);
        publish(stage, 0..2);
        // Just before its write deadline it becomes too slow.
        stage.node.pass(WRITE_TIMEOUT.mul_f32(0.9));
        publish(stage, 2..20);
        assert_eq!(counters(stage)[2], 1);
        stage.node.pass(Duration::from_secs(10));
        assert!(stage.node.peers[slow.peer].is_over());
        assert_eq!(counters(stage)[2], 1);
        assert_eq!(stage.node.sum("buffered_bytes"), 0);
        assert_eq!(stage.node.sum("subscriptions"), 0);
    });
}

#[test]
fn a_client_that_takes_nothing_is_dropped_though_the_kernel_wakes_us() {
    everywhere_with(&config(SlowConsumer::DropOldest), |stage| {
        let slow = stage.open(PATH, "");
        stage.node.open_window(slow.peer, 0);
        publish(stage, 0..1);
        for _ in 0..3 {
            stage.node.pass(Duration::from_secs(9));
            stage.node.open_window(slow.peer, 0);
            stage.node.settle();
        }
        stage.node.pass(Duration::from_secs(4));
        assert!(stage.node.peers[slow.peer].is_over());
        // The event that was handed over and never begun to be sent, and the node's own state.
        assert_eq!(counters(stage), [1, 1, 1]);
        assert_eq!(stage.node.sum("buffered_bytes"), 0);
    });
}

#[test]
fn a_handshake_is_answered_before_the_goodbye() {
    everywhere_with(&config(SlowConsumer::Disconnect), |stage| {
        let peer = stage.connect("t");
        stage.node.open_window(peer, 0);
        stage.node.send(peer, upgrade_with(PATH, ""));
        stage.node.settle();
        publish(stage, 0..12);
        stage.node.open_window(peer, usize::MAX);
        stage.node.settle();
        let mut socket = Socket::opened(&mut stage.node, peer).expect("it is opened");
        assert_eq!(socket.close_code(&mut stage.node), 1_013);
    });
}

#[test]
fn the_oldest_are_dropped_and_counted_where_they_are_missing() {
    everywhere_with(&config(SlowConsumer::DropOldest), |stage| {
        let mut slow = stage.open(PATH, "");
        let mut healthy = stage.open(PATH, "");
        stage.node.open_window(slow.peer, 3_000);
        publish(stage, 0..30);
        // Answers are never dropped.
        for _ in 0..3 {
            slow.say(&mut stage.node, &filter(&[]));
        }
        publish(stage, 30..60);
        stage.node.open_window(slow.peer, usize::MAX);
        stage.node.settle();
        publish(stage, 60..62);
        let all = got(stage, &mut slow);
        assert_eq!(all[..2], [Got::Event(0), Got::Event(1)]);
        let answers = all.iter().filter(|item| **item == Got::Answer);
        assert_eq!(answers.count(), 3);
        // Repeated drops are one notice.
        let notices = all.iter().filter(|item| matches!(item, Got::Dropped(_)));
        assert_eq!(notices.count(), 1, "{all:?}");
        let (came, missing) = tally(&all);
        assert_eq!(came + missing, 62);
        assert!(came >= 4 + (BOUND as u64 / 2_200), "{all:?}");
        assert_eq!(counters(stage), [124, missing, 0]);
        assert_eq!(tally(&got(stage, &mut healthy)), (62, 0));
        assert!(slow.goodbye(&mut stage.node).is_none());
    });
}

#[test]
fn notices_that_were_sent_are_not_repeated() {
    everywhere_with(&config(SlowConsumer::DropOldest), |stage| {
        let mut slow = stage.open(PATH, "");
        let mut all = Vec::new();
        // Windows that tear frames anywhere.
        for (round, window) in [7, 2_500, 300, 9_000, 1, 4_321].into_iter().enumerate() {
            stage.node.open_window(slow.peer, window);
            let first = round as u64 * 20;
            publish(stage, first..first + 20);
            all.extend(got(stage, &mut slow));
        }
        stage.node.open_window(slow.peer, usize::MAX);
        stage.node.settle();
        all.extend(got(stage, &mut slow));
        let (came, missing) = tally(&all);
        assert_eq!(came + missing, 120);
        assert_eq!(counters(stage), [120, missing, 0]);
    });
}

#[test]
fn a_burst_larger_than_the_bound_does_not_make_a_healthy_client_slow() {
    for policy in [SlowConsumer::Disconnect, SlowConsumer::DropOldest] {
        everywhere_with(&config(policy), |stage| {
            let mut socket = stage.open(PATH, "");
            let fill = "x".repeat(2_000);
            let event = |number| format!(r#"{{"type":"e","data":{{"n":{number},"f":"{fill}"}}}}"#);
            let events: Vec<String> = (0..100).map(event).collect();
            let posted = stage.post("t", &format!("[{}]", events.join(",")));
            assert_eq!(posted.status, 200);
            assert_eq!(tally(&got(stage, &mut socket)), (100, 0));
            assert_eq!(counters(stage), [100, 0, 0]);
        });
    }
}

#[test]
fn a_client_whose_events_were_dropped_is_still_listened_to() {
    let mut config = config(SlowConsumer::DropOldest);
    config.hub.send_queue_bytes_max = 1024 * 1024;
    everywhere_with(&config, |stage| {
        let home = stage.node.home("t");
        let mut slow = stage.open_on(home, PATH, "");
        stage.node.open_window(slow.peer, 0);
        // In one tick: more events than may wait, and then a message, which has to wait.
        let publisher = stage.node.connect(home);
        let fill = "x".repeat(500_000);
        for _ in 0..3 {
            let body = format!(r#"{{"type":"big","data":"{fill}"}}"#);
            let line = "POST /api/sessions/t/events";
            stage
                .node
                .send(publisher, crate::support::http::request(line, "", &body));
            while stage.node.receive(publisher, usize::MAX) {}
        }
        slow.send(&mut stage.node, &filter(&[("type", "\"x\"")]));
        slow.send(&mut stage.node, &filter(&[("type", "\"e\"")]));
        stage.node.settle();
        stage.node.open_window(slow.peer, usize::MAX);
        stage.node.settle();
        let texts = stage.texts(&mut slow);
        let answers: Vec<_> = texts.iter().filter(|text| **text == accepted(1)).collect();
        assert_eq!(answers.len(), 2, "{} texts", texts.len());
        stage.publish("t", "\"e\"", "{}");
        assert_eq!(types(stage, &mut slow), ["e"]);
    });
}
