//! Contract: the node itself publishes `system-state`, for live subscribers and for nobody else.

use std::time::Duration;

use fanfare::dialect::Config;

use super::{PATH, event, subscribe};
use crate::stage::{everywhere, everywhere_with};

/// What the machine of `TestNode` says, of a node so old with so many connections and events per
/// second.
fn state(uptime: u64, connections: usize, rate: &str) -> String {
    event(
        "system-state",
        &format!(
            r#"{{"connections":"{connections}","events_per_second":"{rate}","hostname":"host","load":"0.50 0.25 0.12","memory_available_bytes":"4000","memory_bytes":"8000","priority":"1 - Information","uptime_seconds":"{uptime}"}}"#
        ),
    )
}

#[test]
fn after_a_minute_and_then_every_fifteen() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            subscribe(stage, socket, &["system-state"]);
        }
        let count = sockets.len();
        for _ in 0..6 {
            stage.publish("t", "\"n\"", "1");
        }
        // The clock that counts begins with the first tick.
        stage.node.pass(Duration::from_millis(500));
        let pass = |stage: &mut crate::stage::Stage, sockets: &mut Vec<_>, seconds: u64| {
            let mut all: Vec<_> = sockets.iter_mut().collect();
            stage.pass(Duration::from_secs(seconds), &mut all);
        };
        pass(stage, &mut sockets, 59);
        for socket in &mut sockets {
            assert_eq!(stage.texts(socket), [""; 0]);
        }
        pass(stage, &mut sockets, 1);
        for socket in &mut sockets {
            assert_eq!(stage.texts(socket), [state(60, count, "0.1")]);
        }
        pass(stage, &mut sockets, 899);
        for socket in &mut sockets {
            assert_eq!(stage.texts(socket), [""; 0]);
        }
        pass(stage, &mut sockets, 1);
        for socket in &mut sockets {
            assert_eq!(stage.texts(socket), [state(960, count, "0.0")]);
        }
        // It is retained for whoever comes later, wherever.
        for mut socket in stage.open_everywhere(PATH) {
            let retained = subscribe(stage, &mut socket, &["system-state"]);
            assert_eq!(retained, [state(960, count, "0.0")]);
        }
    });
}

#[test]
fn no_log_and_no_waiting_poll_gets_it() {
    everywhere(|stage| {
        let token = stage.create("");
        let poll = stage.park(&token, "");
        let mut live = stage.open("/live/ws", "");
        stage.pass(Duration::from_secs(70), &mut [&mut live]);
        assert!(stage.node.response_is_absent(poll));
        let everything = stage.get(&token, "?last_event=-1&timeout=0");
        assert_eq!(everything.body, "[]");
        // Other live subscribers hear it.
        let texts = stage.texts(&mut live);
        let start = r#"{"type":"system-state","time":17000000605"#;
        assert!(texts.len() == 1 && texts[0].starts_with(start), "{texts:?}");
        assert!(texts[0].contains(r#","connections":"#) && !texts[0].contains("sessionId"));
    });
}

#[test]
fn the_operator_says_when_and_zero_is_never() {
    let mut config = Config::default();
    config.sysadm.state_interval = None;
    everywhere_with(&config, |stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["system-state"]);
        stage.pass(Duration::from_secs(1_000), &mut [&mut socket]);
        assert_eq!(stage.texts(&mut socket), [""; 0]);
    });
    config.sysadm.state_first = Duration::from_secs(5);
    config.sysadm.state_interval = Some(Duration::from_secs(10));
    everywhere_with(&config, |stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["system-state"]);
        stage.pass(Duration::from_secs(60), &mut [&mut socket]);
        assert_eq!(stage.texts(&mut socket).len(), 6);
    });
}
