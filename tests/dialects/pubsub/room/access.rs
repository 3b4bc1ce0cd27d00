//! Contract: a token by subprotocol, by `Authorization` or by the first message; what is wrong is
//! told on the socket.

use std::time::Duration;

use fanfare::config::Scopes;
use fanfare::dialect::Config;

use super::{dismissed, enter, enter_as, news, path, publish, published, subscribe, welcome};
use crate::stage::{everywhere, everywhere_with};
use crate::support::organizations::{bearer, organization, organized};

fn config() -> Config {
    organized([
        organization(
            "one",
            &[
                ("all-1", "publish,subscribe"),
                ("listen-1", "subscribe"),
                ("admin-1", "admin"),
            ],
        ),
        organization("two", &[("all-2", "publish,subscribe")]),
    ])
}

fn offer(token: &str) -> String {
    format!("Sec-WebSocket-Protocol: fanfare, {token}\r\n")
}

fn authenticate(token: &str) -> String {
    format!(r#"{{"action":"authenticate","data":{{"token":"{token}"}},"ref":9}}"#)
}

#[test]
fn a_token_comes_in_one_of_three_ways() {
    everywhere_with(&config(), |stage| {
        let room = ("e", "t");
        let offered = enter_as(stage, room, "", &offer("listen-1"));
        assert_eq!(offered.socket.protocol.as_deref(), Some("fanfare"));
        enter_as(stage, room, "", &bearer("listen-1"));
        enter_as(stage, room, "", "Authorization: listen-1\r\n");
        let mut socket = stage.open(&path("e", "t", ""), "");
        assert_eq!(stage.texts(&mut socket), [""; 0]);
        socket.say(&mut stage.node, &authenticate("all-1"));
        let mut member = welcome(stage, socket);
        // The ten seconds are over for those who are known.
        stage.pass(Duration::from_secs(55), &mut [&mut member.socket]);
        let reply = member.socket.texts(&mut stage.node);
        assert_eq!(reply, [r#"{"action":"heartbeat","data":{"next":0}}"#; 2]);
        let reply = member.socket.ask(&mut stage.node, &publish("n", "1", ""));
        published(&reply);
        let reply = member
            .socket
            .ask(&mut stage.node, &authenticate("listen-1"));
        assert_eq!(reply, r#"{"action":"authenticated","ref":9}"#);
        member.socket.say(&mut stage.node, &authenticate("unknown"));
        let expected = ("unauthorized".to_owned(), 4_401);
        assert_eq!(dismissed(stage, &mut member.socket), expected);
        stage.node.settle();
        assert!(stage.node.peers[member.socket.peer].is_over());
    });
}

#[test]
fn who_may_not_stay_is_told_why() {
    everywhere_with(&config(), |stage| {
        let room = path("e", "t", "");
        for (path, headers, error, code) in [
            ("/pubsub/ws", bearer("all-1"), "invalid", 4_400),
            ("/pubsub/ws?event_id=e", bearer("all-1"), "invalid", 4_400),
            (
                &*format!("{room}&last_event=x"),
                bearer("all-1"),
                "invalid",
                4_400,
            ),
            (&*room, bearer("unknown"), "unauthorized", 4_401),
            (&*room, offer("unknown"), "unauthorized", 4_401),
            (&*room, bearer("admin-1"), "forbidden", 4_403),
        ] {
            let mut socket = stage.open(path, &headers);
            let told = dismissed(stage, &mut socket);
            assert_eq!(told, (error.to_owned(), code), "{path} {headers}");
            stage.node.settle();
            assert!(stage.node.peers[socket.peer].is_over());
        }
        assert_eq!(stage.node.sum("sessions"), 0);
    });
}

#[test]
fn a_stranger_has_ten_seconds() {
    everywhere_with(&config(), |stage| {
        let mut stranger = stage.open(&path("e", "t", ""), "");
        stage.pass(Duration::from_secs(9), &mut [&mut stranger]);
        assert_eq!(stranger.goodbye(&mut stage.node), None);
        let text = r#"{"action":"subscribe-event","data":{"eventName":"n"},"ref":1}"#;
        let refused = stranger.ask(&mut stage.node, text);
        assert!(refused.contains("\"unauthorized\""), "{refused}");
        stage.pass(Duration::from_secs(2), &mut []);
        let expected = ("unauthorized".to_owned(), 4_408);
        assert_eq!(dismissed(stage, &mut stranger), expected);
    });
}

#[test]
fn organizations_are_sealed_from_each_other() {
    everywhere_with(&config(), |stage| {
        let mut one = enter_as(stage, ("e", "t"), "", &bearer("all-1"));
        let mut two = enter_as(stage, ("e", "t"), "", &bearer("all-2"));
        subscribe(stage, &mut one, &["n"]);
        subscribe(stage, &mut two, &["n"]);
        for scope in ["session", "event", "organization"] {
            one.socket.say(&mut stage.node, &publish("n", "1", scope));
        }
        assert_eq!(stage.texts(&mut one.socket).len(), 6);
        assert_eq!(news(stage, &mut two), []);
        let refused = one.socket.ask(&mut stage.node, &authenticate("all-2"));
        assert!(refused.contains("\"forbidden\""), "{refused}");
    });
}

#[test]
fn a_renewed_token_stays_with_the_log_of_its_organization() {
    everywhere_with(&config(), |stage| {
        let mut one = enter_as(stage, ("e", "t"), "", &bearer("listen-1"));
        let mut two = enter_as(stage, ("e", "t"), "", &bearer("all-2"));
        assert_ne!(one.epoch, two.epoch);
        for member in [&mut one, &mut two] {
            subscribe(stage, member, &["n"]);
        }
        let reply = one.socket.ask(&mut stage.node, &authenticate("all-1"));
        assert_eq!(reply, r#"{"action":"authenticated","ref":9}"#);
        two.socket.say(&mut stage.node, &publish("n", "2", ""));
        assert_eq!(stage.texts(&mut two.socket).len(), 2);
        assert_eq!(news(stage, &mut one), []);
        one.socket.say(&mut stage.node, &publish("n", "1", ""));
        let texts = stage.texts(&mut one.socket);
        assert_eq!(published(&texts[0]).1, Some(0));
        assert_eq!(news(stage, &mut two), []);
        // Who comes later, by its first message, finds the same log.
        let socket = stage.open(&path("e", "t", "&last_event=-1"), "");
        let mut late = {
            let mut socket = socket;
            socket.say(&mut stage.node, &authenticate("listen-1"));
            welcome(stage, socket)
        };
        assert_eq!((&late.epoch, late.next), (&one.epoch, 1));
        let replayed = subscribe(stage, &mut late, &["n"]);
        assert_eq!(replayed.len(), 1);
        assert_eq!(replayed[0].data, "1");
    });
}

#[test]
fn a_session_of_another_event_is_no_room_of_this() {
    everywhere(|stage| {
        enter(stage, "");
        let mut socket = stage.open(&path("f", "t", ""), "");
        let expected = ("conflict".to_owned(), 4_409);
        assert_eq!(dismissed(stage, &mut socket), expected);
    });
}

#[test]
fn an_undeclared_room_is_not_found() {
    let mut config = Config::default();
    config.hub.scopes = Scopes::Declared;
    everywhere_with(&config, |stage| {
        let mut socket = stage.open(&path("e", "t", ""), "");
        let expected = ("not_found".to_owned(), 4_404);
        assert_eq!(dismissed(stage, &mut socket), expected);
        let token = stage.create(r#"{"event_id":"e"}"#);
        enter_as(stage, ("e", &token), "", "");
    });
}
