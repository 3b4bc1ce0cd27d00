//! Contract: HTTP Basic or Bearer on the handshake, 401 before the upgrade otherwise; organizations
//! are sealed from each other.

use std::time::Duration;

use fanfare::auth::Network;
use fanfare::dialect::Config;

use super::{PATH, set, types};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::organizations::{bearer, cheap_hash, organization, organized, user};

/// "mikey:swordfish", "mikey:swordfisch", "quiet:swordfish" as RFC 7617 writes them.
const MIKEY: &str = "Authorization: Basic bWlrZXk6c3dvcmRmaXNo\r\n";
const WRONG: &str = "Authorization: Basic bWlrZXk6c3dvcmRmaXNjaA==\r\n";
const QUIET: &str = "Authorization: Basic cXVpZXQ6c3dvcmRmaXNo\r\n";

fn config() -> Config {
    let mut one = organization(
        "one",
        &[("listen-1", "subscribe"), ("publish-1", "publish")],
    );
    one.id = Some("6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned());
    let hash = cheap_hash("swordfish");
    one.users.push(user("mikey", &hash, "subscribe"));
    one.users.push(user("quiet", &hash, "publish,admin"));
    let mut two = organization(
        "two",
        &[("listen-2", "subscribe"), ("publish-2", "publish")],
    );
    two.id = Some("6ba7b811-9dad-11d1-80b4-00c04fd430c8".to_owned());
    organized([one, two])
}

fn publish_as(stage: &mut Stage, token: &str, name: &str) {
    let body = format!(r#"{{"type":"{name}","data":{{}}}}"#);
    let line = "POST /api/sessions/t/events";
    let posted = stage.ask("t", line, &bearer(token), &body);
    assert_eq!(posted.status, 200, "{posted:?}");
}

#[test]
fn who_is_nobody_is_told_so_before_the_upgrade() {
    everywhere_with(&config(), |stage| {
        for headers in [
            "",
            WRONG,
            "Authorization: Basic bm9ib2R5OnN3b3JkZmlzaA==\r\n",
            "Authorization: Bearer unknown\r\n",
            "Authorization: Digest x\r\n",
            "Authorization: Basic !\r\n",
        ] {
            let refused = stage.refused(PATH, headers);
            let code = refused.error_code();
            assert_eq!((refused.status, &*code), (401, "unauthorized"), "{headers}");
            let challenges: Vec<_> = refused
                .headers
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"))
                .map(|(_, value)| value.split(' ').next().unwrap_or_default())
                .collect();
            assert_eq!(challenges, ["Basic", "Bearer"], "{headers}");
        }
        for headers in [&bearer("publish-1"), QUIET] {
            let refused = stage.refused(PATH, headers);
            assert_eq!((refused.status, &*refused.error_code()), (403, "forbidden"));
        }
        // A socket is never opened by something else than a handshake.
        let plain = stage.ask("t", "GET /live/ws", &bearer("listen-1"), "");
        assert_eq!(
            (plain.status, plain.header("upgrade")),
            (426, Some("websocket"))
        );
        assert_eq!(stage.node.sum("subscriptions"), 0);
    });
}

#[test]
fn a_password_or_a_token_opens() {
    everywhere_with(&config(), |stage| {
        let lower = MIKEY.replace("Basic", "basic");
        for headers in [MIKEY, &lower, &bearer("listen-1")] {
            let mut socket = stage.open(PATH, headers);
            publish_as(stage, "publish-1", "n");
            assert_eq!(types(stage, &mut socket), ["n"], "{headers}");
            set(stage, &mut socket, &[("type", "\"m\"")]);
        }
    });
}

#[test]
fn a_password_is_checked_while_the_client_talks_on() {
    everywhere_with(&config(), |stage| {
        // Frames behind the handshake wait for the outcome.
        let peer = stage.node.connect(0);
        let mut client = crate::support::web_socket::Client::new();
        let text = super::filter(&[("type", "\"n\"")]);
        client.write(crate::support::web_socket::Message::text(text));
        let mut bytes = crate::support::socket::upgrade_with(PATH, MIKEY).into_bytes();
        bytes.extend(client.output());
        stage.node.send(peer, bytes);
        stage.node.settle();
        let socket = crate::support::socket::Socket::opened(&mut stage.node, peer);
        let mut socket = socket.expect("it is opened");
        assert_eq!(stage.texts(&mut socket), [super::accepted(1)]);
    });
}

/// DESIGN §5: five failures in ten minutes from one address block it for an hour.
#[test]
fn wrong_passwords_block_their_address_for_passwords() {
    everywhere_with(&config(), |stage| {
        let network = |address: &str| Network::of(address.parse().expect("an address"));
        stage.node.network = network("2001:db8::1");
        for count in 0..5 {
            let refused = stage.refused(PATH, WRONG);
            assert_eq!(refused.status, 401, "{count}");
        }
        // The whole /64, and the right password, too.
        stage.node.network = network("2001:db8::ffff:2");
        let refused = stage.refused(PATH, MIKEY);
        assert_eq!((refused.status, &*refused.error_code()), (429, "blocked"));
        assert_eq!(refused.header("retry-after"), Some("3600"));
        // A token cannot be guessed, and is good.
        stage.open(PATH, &bearer("listen-1"));
        // Wrong tokens, however many, keep nobody out: one stale page would lock out its whole
        // office.
        stage.node.network = network("192.0.2.1");
        for _ in 0..20 {
            let refused = stage.refused(PATH, "Authorization: Bearer unknown\r\n");
            assert_eq!(refused.status, 401);
        }
        stage.open(PATH, MIKEY);
        // This machine is never blocked.
        stage.node.network = network("127.0.0.7");
        for _ in 0..20 {
            assert_eq!(stage.refused(PATH, WRONG).status, 401);
        }
        stage.open(PATH, MIKEY);
        stage.node.network = network("2001:db8::1");
        stage.node.pass(Duration::from_secs(1_800));
        let refused = stage.refused(PATH, MIKEY);
        assert_eq!(refused.header("retry-after"), Some("1800"));
        stage.node.pass(Duration::from_secs(1_800));
        stage.open(PATH, MIKEY);
    });
}

#[test]
fn what_cannot_be_checked_now_is_refused_with_when_to_come_back() {
    everywhere_with(&config(), |stage| {
        stage.node.checks_wait = true;
        let ask = |stage: &mut Stage, headers: &str| {
            let peer = stage.node.connect(0);
            let bytes = crate::support::socket::upgrade_with(PATH, headers).into_bytes();
            stage.node.send(peer, bytes);
            stage.node.settle();
            peer
        };
        let first = ask(stage, MIKEY);
        let same = ask(stage, MIKEY);
        let other = ask(stage, WRONG);
        let refused = stage.node.response(other).expect("refused at once");
        assert_eq!((refused.status, &*refused.error_code()), (503, "busy"));
        assert_eq!(refused.header("retry-after"), Some("1"));
        // Elsewhere the same name has its turn.
        stage.node.network = Network::of("192.0.2.1".parse().expect("an address"));
        let elsewhere = ask(stage, MIKEY);
        stage.node.check_passwords();
        stage.node.settle();
        for peer in [first, same, elsewhere] {
            let opened = crate::support::socket::Socket::opened(&mut stage.node, peer);
            assert!(opened.is_ok());
        }
    });
}

#[test]
fn organizations_never_hear_each_other() {
    everywhere_with(&config(), |stage| {
        let mut ones = stage.open_on(0, PATH, MIKEY);
        let mut twos = stage.open(PATH, &bearer("listen-2"));
        publish_as(stage, "publish-1", "first");
        publish_as(stage, "publish-2", "second");
        let texts = stage.texts(&mut ones);
        assert_eq!(
            texts,
            [
                r#"{"type":"first","time":1700000000000,"coreServerId":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","sessionId":"t"}"#
            ]
        );
        assert_eq!(types(stage, &mut twos), ["second"]);
        // No filter reaches over.
        let theirs = "\"6ba7b811-9dad-11d1-80b4-00c04fd430c8\"";
        set(stage, &mut ones, &[("coreServerId", theirs)]);
        publish_as(stage, "publish-2", "third");
        publish_as(stage, "publish-1", "fourth");
        assert_eq!(types(stage, &mut ones), [""; 0]);
        assert_eq!(types(stage, &mut twos), ["third"]);
    });
}

#[test]
fn in_open_mode_everyone_may_listen() {
    everywhere(|stage| {
        for headers in ["", WRONG, "Authorization: nonsense\r\n"] {
            stage.open(PATH, headers);
        }
    });
}

/// RFC 6455 §10.2: a browser adds a password that it remembers to the handshake of any page.
#[test]
fn a_remembered_password_is_good_for_pages_of_the_host_and_of_listed_origins() {
    let mut listed = config();
    listed.live.cors.allow_origin = vec!["https://*.good.example".to_owned()];
    for (config, good) in [(config(), false), (listed, true)] {
        everywhere_with(&config, |stage| {
            for origin in [
                "https://evil.example",
                "null",
                "",
                "http://x:81",
                "https://good.example",
                "http://x\r\nOrigin: http://x",
            ] {
                let headers = format!("{MIKEY}Origin: {origin}\r\n");
                let refused = stage.refused(PATH, &headers);
                assert_eq!(refused.status, 403, "{origin} {refused:?}");
                assert_eq!(refused.error_code(), "foreign_origin", "{origin}");
            }
            let page = format!("{MIKEY}Origin: https://a.good.example\r\n");
            if good {
                stage.open(PATH, &page);
            } else {
                assert_eq!(stage.refused(PATH, &page).status, 403);
            }
            // The host itself, behind TLS or not, and programs.
            for origin in ["Origin: http://x\r\n", "Origin: https://X\r\n", ""] {
                stage.open(PATH, &format!("{MIKEY}{origin}"));
            }
            // A token is added by whoever knows it, not by the browser.
            let token = bearer("listen-1");
            stage.open(PATH, &format!("{token}Origin: https://evil.example\r\n"));
        });
    }
    // Where nobody is asked who they are, nothing is remembered.
    everywhere(|stage| {
        stage.open(PATH, &format!("{MIKEY}Origin: https://evil.example\r\n"));
    });
}
