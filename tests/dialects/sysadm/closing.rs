//! Contract: who does not log in, or does not speak, is closed. Pings and the drain.

use std::time::Duration;

use fanfare::dialect::Config;

use super::{PATH, call, subscribe};
use crate::stage::{everywhere, everywhere_with};
use crate::support::organizations::{bearer, organization, organized};

fn config() -> Config {
    organized([organization("one", &[("listen", "subscribe")])])
}

#[test]
fn who_is_not_logged_in_after_thirty_seconds_is_closed() {
    everywhere_with(&config(), |stage| {
        let mut stranger = stage.open(PATH, "");
        let mut known = stage.open(PATH, &bearer("listen"));
        stage.pass(Duration::from_secs(29), &mut [&mut stranger, &mut known]);
        // Talking is not logging in.
        stranger.ask(&mut stage.node, &call("rpc", "identify", "{}"));
        assert_eq!(stranger.goodbye(&mut stage.node), None);
        stage.pass(Duration::from_secs(2), &mut [&mut known]);
        let goodbye = stranger.goodbye(&mut stage.node);
        assert_eq!(goodbye, Some((4_401, "nobody logged in".to_owned())));
        stage.node.settle();
        assert!(stage.node.peers[stranger.peer].is_over());
        assert_eq!(known.goodbye(&mut stage.node), None);
        // Who logs out is a stranger from then on.
        known.say(&mut stage.node, &call("rpc", "auth_clear", "{}"));
        stage.pass(Duration::from_secs(29), &mut [&mut known]);
        assert_eq!(known.goodbye(&mut stage.node), None);
        stage.pass(Duration::from_secs(2), &mut [&mut known]);
        assert_eq!(known.close_code(&mut stage.node), 4_401);
    });
}

#[test]
fn a_stranger_who_does_not_answer_the_goodbye_is_dropped() {
    everywhere_with(&config(), |stage| {
        let mut stranger = stage.open(PATH, "");
        stage.node.pass(Duration::from_secs(31));
        assert!(!stage.node.peers[stranger.peer].is_over());
        stage.node.pass(Duration::from_secs(5));
        assert!(stage.node.peers[stranger.peer].is_over());
        assert_eq!(stage.node.sum("connections"), 0);
        assert_eq!(stranger.close_code(&mut stage.node), 4_401);
    });
}

#[test]
fn who_says_nothing_for_thirty_minutes_is_closed() {
    everywhere(|stage| {
        let mut silent = stage.open(PATH, "");
        let mut talker = stage.open(PATH, "");
        subscribe(stage, &mut silent, &["dispatcher"]);
        let minutes = |count: u64| Duration::from_secs(60 * count);
        stage.pass(minutes(29), &mut [&mut silent, &mut talker]);
        // Whatever it is, it is a message.
        talker.ask(&mut stage.node, "nonsense");
        stage.publish("t", "\"dispatcher\"", "1");
        assert_eq!(silent.goodbye(&mut stage.node), None);
        stage.pass(minutes(2), &mut [&mut silent, &mut talker]);
        let goodbye = silent.goodbye(&mut stage.node);
        assert_eq!(goodbye, Some((4_408, "no message for too long".to_owned())));
        assert!(stage.node.peers[silent.peer].is_over());
        assert_eq!(talker.goodbye(&mut stage.node), None);
        // Pings came all the while.
        assert!(silent.pings(&mut stage.node) > 60);
        stage.pass(minutes(29), &mut [&mut talker]);
        assert_eq!(talker.close_code(&mut stage.node), 4_408);
    });
}

#[test]
fn a_server_that_leaves_says_so() {
    everywhere_with(&config(), |stage| {
        let mut stranger = stage.open(PATH, "");
        let mut known = stage.open(PATH, &bearer("listen"));
        subscribe(stage, &mut known, &["dispatcher"]);
        for shard in &mut stage.node.shards {
            shard.drain(stage.node.now);
        }
        stage.node.settle();
        for socket in [&mut stranger, &mut known] {
            assert_eq!(socket.close_code(&mut stage.node), 1_001);
            stage.node.settle();
            assert!(stage.node.peers[socket.peer].is_over());
        }
        stage.node.pass(Duration::from_secs(60));
        assert_eq!(stage.node.sum("connections"), 0);
    });
}
