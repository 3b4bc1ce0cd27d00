//! Contract: "Log in first" — passwords, tokens, their age, grants, and organizations apart.

use std::time::Duration;

use fanfare::auth::Network;
use fanfare::dialect::Config;

use super::{PATH, call, error, event, response, subscribe};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::organizations::{bearer, cheap_hash, organization, organized, user};
use crate::support::socket::Socket;

fn config() -> Config {
    let hash = cheap_hash("swordfish");
    let mut one = organization("one", &[("listen", "subscribe"), ("publish-1", "publish")]);
    one.users.push(user("mikey", &hash, "subscribe"));
    one.users
        .push(user("rob", &hash, "subscribe,publish,admin"));
    one.users.push(user("quiet", &hash, "publish"));
    let mut two = organization("two", &[("publish-2", "publish")]);
    two.users.push(user("trish", &hash, "subscribe"));
    let mut config = organized([one, two]);
    config.sysadm.state_interval = None;
    config
}

fn auth(user: &str, password: &str) -> String {
    let args = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
    call("rpc", "auth", &args)
}

fn present(token: &str) -> String {
    call("rpc", "auth_token", &format!(r#"{{"token":"{token}"}}"#))
}

/// The token of a reply to a login, which has exactly the contract's form.
#[track_caller]
fn token_of(reply: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(reply).expect("JSON");
    let token = value["args"][0].as_str().expect("a token").to_owned();
    assert_eq!(token.len(), 20);
    assert!(
        token.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{token}"
    );
    assert_eq!(reply, response("rpc", &format!(r#"["{token}",900]"#)));
    token
}

#[track_caller]
fn log_in(stage: &mut Stage, socket: &mut Socket, user: &str) -> String {
    let reply = socket.ask(&mut stage.node, &auth(user, "swordfish"));
    token_of(&reply)
}

fn publish_as(stage: &mut Stage, token: &str, data: &str) {
    let body = format!(r#"{{"type":"dispatcher","data":{data}}}"#);
    let line = "POST /api/sessions/t/events";
    assert_eq!(stage.ask("t", line, &bearer(token), &body).status, 200);
}

/// What a login may do, if it is one.
fn query(stage: &mut Stage, socket: &mut Socket) -> String {
    socket.ask(&mut stage.node, &call("rpc", "query", "{}"))
}

fn may_read() -> String {
    response("rpc", r#"{"events/*":"read"}"#)
}

#[test]
fn a_stranger_may_identify_the_server_and_nothing_else() {
    everywhere_with(&config(), |stage| {
        let mut socket = stage.open(PATH, "");
        let identity = response("rpc", r#"{"hostname":"host","type":"server"}"#);
        let ask = call("RPC", "identify", "{}");
        let answer = socket.ask(&mut stage.node, &ask);
        assert_eq!(answer, identity.replace("rpc", "RPC"));
        for (namespace, name) in [
            ("events", "subscribe"),
            ("events", "unsubscribe"),
            ("rpc", "query"),
            ("rpc", "dispatcher"),
            ("nothing", "such"),
            ("rpc", "authorize"),
            ("rpc", "auth_unknown"),
        ] {
            let answer = socket.ask(&mut stage.node, &call(namespace, name, r#"["dispatcher"]"#));
            assert_eq!(answer, error(401), "{namespace} {name}");
        }
        // There is no reply to this, whoever asks.
        socket.say(&mut stage.node, &call("rpc", "auth_clear", "{}"));
        assert_eq!(stage.texts(&mut socket), [""; 0]);
        publish_as(stage, "publish-1", "1");
        assert_eq!(stage.texts(&mut socket), [""; 0]);
    });
}

/// Contract: "Five failed logins in ten minutes: the address is refused for an hour, never
/// loopback."
#[test]
fn five_failed_logins_refuse_the_address_for_an_hour() {
    everywhere_with(&config(), |stage| {
        stage.node.network = Network::of("192.0.2.1".parse().expect("an address"));
        let mut before = stage.open(PATH, "");
        let token = log_in(stage, &mut before, "mikey");
        let mut socket = stage.open(PATH, "");
        for _ in 0..5 {
            let answer = socket.ask(&mut stage.node, &auth("mikey", "x"));
            assert_eq!(answer, error(401));
        }
        let refused = r#"{"args":{"code":"429","message":"Too Many Requests","retry_after":3600},"id":"1","name":"error","namespace":"error"}"#;
        let answer = socket.ask(&mut stage.node, &auth("mikey", "swordfish"));
        assert_eq!(answer, refused);
        // Who is logged in stays so, and comes back by token: that cannot be guessed.
        assert_eq!(query(stage, &mut before), may_read());
        token_of(&socket.ask(&mut stage.node, &present(&token)));
        // Another address, and this machine.
        for address in ["192.0.2.2", "127.0.0.1"] {
            stage.node.network = Network::of(address.parse().expect("an address"));
            let mut socket = stage.open(PATH, "");
            for _ in 0..4 {
                let answer = socket.ask(&mut stage.node, &auth("mikey", "x"));
                assert_eq!(answer, error(401));
            }
            log_in(stage, &mut socket, "mikey");
        }
        let mut socket = stage.open(PATH, "");
        for _ in 0..10 {
            let answer = socket.ask(&mut stage.node, &auth("mikey", "x"));
            assert_eq!(answer, error(401));
        }
        log_in(stage, &mut socket, "mikey");
    });
}

#[test]
fn a_password_logs_in_and_a_wrong_one_drops_the_login() {
    everywhere_with(&config(), |stage| {
        let mut socket = stage.open(PATH, "");
        assert_eq!(socket.ask(&mut stage.node, &auth("mikey", "x")), error(401));
        assert_eq!(
            socket.ask(&mut stage.node, &auth("nobody", "swordfish")),
            error(401)
        );
        log_in(stage, &mut socket, "mikey");
        assert_eq!(query(stage, &mut socket), may_read());
        subscribe(stage, &mut socket, &["dispatcher"]);
        publish_as(stage, "publish-1", "1");
        assert_eq!(stage.texts(&mut socket), [event("dispatcher", "1")]);
        // The args may be missing: then the whole message is them.
        let whole =
            r#"{"namespace":"rpc","name":"auth","id":"1","username":"rob","password":"swordfish"}"#;
        token_of(&socket.ask(&mut stage.node, whole));
        // The very next login is of the same organization: what was subscribed to is still heard.
        publish_as(stage, "publish-1", "2");
        assert_eq!(stage.texts(&mut socket), [event("dispatcher", "2")]);
        assert_eq!(socket.ask(&mut stage.node, &auth("mikey", "x")), error(401));
        publish_as(stage, "publish-1", "3");
        assert_eq!(stage.texts(&mut socket), [""; 0]);
        assert_eq!(query(stage, &mut socket), error(401));
        for args in [
            "{}",
            "[]",
            r#"{"username":"mikey"}"#,
            r#"{"username":1,"password":2}"#,
        ] {
            let answer = socket.ask(&mut stage.node, &call("rpc", "auth", args));
            assert_eq!(answer, error(400), "{args}");
        }
    });
}

#[test]
fn a_token_logs_in_anywhere_until_it_is_cleared() {
    everywhere_with(&config(), |stage| {
        let mut first = stage.open(PATH, "");
        let token = log_in(stage, &mut first, "mikey");
        for shard in 0..stage.shards() {
            let mut socket = stage.open_on(shard, PATH, "");
            assert_eq!(
                token_of(&socket.ask(&mut stage.node, &present(&token))),
                token
            );
            assert_eq!(query(stage, &mut socket), may_read());
            let mut stranger = stage.open_on(shard, PATH, "");
            for wrong in ["", "x", &"0".repeat(20), &format!("{token}0")] {
                assert_eq!(stranger.ask(&mut stage.node, &present(wrong)), error(401));
                assert_eq!(query(stage, &mut stranger), error(401));
            }
        }
        assert_eq!(query(stage, &mut first), may_read());
        subscribe(stage, &mut first, &["dispatcher"]);
        // Another socket clears it, and nothing is said there.
        let mut other = stage.open(PATH, "");
        other.ask(&mut stage.node, &present(&token));
        other.say(&mut stage.node, &call("rpc", "auth_clear", "{}"));
        assert_eq!(stage.texts(&mut other), [""; 0]);
        assert_eq!(query(stage, &mut other), error(401));
        assert_eq!(query(stage, &mut first), error(401));
        publish_as(stage, "publish-1", "1");
        assert_eq!(stage.texts(&mut first), [""; 0]);
        assert_eq!(first.ask(&mut stage.node, &present(&token)), error(401));
    });
}

#[test]
fn a_token_lives_nine_hundred_seconds_after_its_last_use() {
    everywhere_with(&config(), |stage| {
        let mut socket = stage.open(PATH, "");
        let token = log_in(stage, &mut socket, "mikey");
        for request in [
            call("rpc", "query", "{}"),
            // Also what fails is a request of somebody who is authorized.
            call("nothing", "such", "{}"),
            call("events", "subscribe", r#""dispatcher""#),
        ] {
            stage.pass(Duration::from_secs(890), &mut [&mut socket]);
            socket.ask(&mut stage.node, &request);
        }
        stage.pass(Duration::from_secs(890), &mut [&mut socket]);
        assert_eq!(
            token_of(&socket.ask(&mut stage.node, &present(&token))),
            token
        );
        stage.pass(Duration::from_secs(905), &mut [&mut socket]);
        assert_eq!(query(stage, &mut socket), error(401));
        publish_as(stage, "publish-1", "1");
        assert_eq!(stage.texts(&mut socket), [""; 0]);
        assert_eq!(socket.ask(&mut stage.node, &present(&token)), error(401));
    });
}

#[test]
fn pipelined_requests_are_served_one_after_the_other() {
    everywhere_with(&config(), |stage| {
        let mut socket = stage.open(PATH, "");
        let requests = [
            call("rpc", "query", "{}"),
            auth("mikey", "swordfish"),
            call("events", "subscribe", r#""dispatcher""#),
            call("rpc", "query", "{}"),
            call("rpc", "auth_clear", "{}"),
            call("rpc", "query", "{}"),
            auth("rob", "swordfish"),
            call("rpc", "query", "{}"),
        ];
        for request in &requests {
            socket.send(&mut stage.node, request);
        }
        stage.node.settle();
        let mut texts = stage.texts(&mut socket);
        assert_ne!(token_of(&texts.remove(5)), token_of(&texts.remove(1)));
        let subscribed = response("events", r#"{"subscribe":"dispatcher"}"#);
        let expected = [error(401), subscribed, may_read(), error(401), may_read()];
        assert_eq!(texts, expected);
    });
}

#[test]
fn grants_and_organizations_are_kept_apart() {
    everywhere_with(&config(), |stage| {
        let mut quiet = stage.open(PATH, "");
        log_in(stage, &mut quiet, "quiet");
        let text = call("events", "subscribe", r#""dispatcher""#);
        assert_eq!(quiet.ask(&mut stage.node, &text), error(403));
        assert_eq!(query(stage, &mut quiet), response("rpc", "{}"));
        let mut mikey = stage.open(PATH, "");
        log_in(stage, &mut mikey, "mikey");
        let mut trish = stage.open(PATH, "");
        log_in(stage, &mut trish, "trish");
        for socket in [&mut mikey, &mut trish] {
            subscribe(stage, socket, &["dispatcher"]);
        }
        publish_as(stage, "publish-1", "1");
        publish_as(stage, "publish-2", "2");
        assert_eq!(stage.texts(&mut mikey), [event("dispatcher", "1")]);
        assert_eq!(stage.texts(&mut trish), [event("dispatcher", "2")]);
        // Who changes over hears nothing of either until subscribed again.
        log_in(stage, &mut mikey, "trish");
        publish_as(stage, "publish-1", "3");
        publish_as(stage, "publish-2", "4");
        assert_eq!(stage.texts(&mut mikey), [""; 0]);
        subscribe(stage, &mut mikey, &["dispatcher"]);
        publish_as(stage, "publish-2", "5");
        assert_eq!(stage.texts(&mut mikey), [event("dispatcher", "5")]);
    });
}

#[test]
fn a_bearer_on_the_handshake_logs_in_at_once() {
    everywhere_with(&config(), |stage| {
        let mut socket = stage.open(PATH, &bearer("listen"));
        assert_eq!(query(stage, &mut socket), may_read());
        subscribe(stage, &mut socket, &["dispatcher"]);
        publish_as(stage, "publish-1", "1");
        assert_eq!(stage.texts(&mut socket), [event("dispatcher", "1")]);
        // No token of ours stands behind it, so none ends.
        stage.pass(Duration::from_secs(1_000), &mut [&mut socket]);
        assert_eq!(query(stage, &mut socket), may_read());
        socket.say(&mut stage.node, &call("rpc", "auth_clear", "{}"));
        assert_eq!(query(stage, &mut socket), error(401));
        let refused = stage.refused(PATH, &bearer("unknown"));
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (401, "unauthorized")
        );
        assert!(refused.header("www-authenticate").is_some());
    });
}

#[test]
fn in_open_mode_everyone_is_logged_in() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        assert!(query(stage, &mut socket).contains(r#""events/*":"read""#));
        let token = token_of(&socket.ask(&mut stage.node, &auth("anyone", "anything")));
        assert_eq!(
            token_of(&socket.ask(&mut stage.node, &present(&token))),
            token
        );
        token_of(&socket.ask(&mut stage.node, &present("of another life")));
        socket.say(&mut stage.node, &call("rpc", "auth_clear", "{}"));
        subscribe(stage, &mut socket, &["dispatcher"]);
    });
}
