//! Refusals of access in every dialect: what is answered to credentials that contradict each other,
//! what is counted, and what the log is told. Never what was presented.

use fanfare::auth::Network;
use fanfare::dialect::Config;
use fanfare::metrics::{Api, RefusalKind};
use fanfare::shard::Told;

use crate::stage::{Stage, everywhere_with};
use crate::support::http2::Client;
use crate::support::organizations::{bearer, cheap_hash, organization, organized, user};

const ROOM: &str = "/pubsub/ws?event_id=e&session_id=t";
const STREAM: &str = "/event/v2/stream";
/// "mikey:swordfish" and "mikey:swordfisch" as RFC 7617 writes them.
const MIKEY: &str = "Authorization: Basic bWlrZXk6c3dvcmRmaXNo\r\n";
const WRONG: &str = "Authorization: Basic bWlrZXk6c3dvcmRmaXNjaA==\r\n";

fn config() -> Config {
    let tokens = [
        ("all", "publish,subscribe"),
        ("publish", "publish"),
        ("listen", "subscribe"),
        ("admin", "admin"),
    ];
    let mut one = organization("one", &tokens);
    one.users
        .push(user("mikey", &cheap_hash("swordfish"), "subscribe"));
    let mut config = organized([one]);
    config.sysadm.state_interval = None;
    config
}

fn count(stage: &Stage, kind: RefusalKind, api: Api) -> u64 {
    let counters = stage.node.metrics.iter();
    counters
        .map(|shard| shard.refusals.of(kind, api).value())
        .sum()
}

fn count_all(stage: &Stage) -> u64 {
    let pairs = RefusalKind::EVERY.iter();
    let pairs = pairs.flat_map(|&kind| Api::EVERY.iter().map(move |&api| (kind, api)));
    pairs.map(|(kind, api)| count(stage, kind, api)).sum()
}

/// Asks for a socket; what comes of it is not looked at.
fn knock(stage: &mut Stage, path: &str, headers: &str) {
    let _ = crate::support::socket::Socket::open(&mut stage.node, 0, path, headers);
}

fn call(stage: &mut Stage, method: &str, fields: &[(&str, &str)]) -> Option<u16> {
    let mut client = Client::connect(&mut stage.node, 0);
    let path = format!("/apis.event.v2.EventService/{method}");
    let call = client.open(crate::support::grpc::head(&path, fields), false);
    client.settle(&mut stage.node);
    let status = client.calls[call].grpc_status();
    status.map(|(code, _)| code)
}

#[test]
fn tokens_that_disagree_are_refused_and_the_same_twice_is_not() {
    everywhere_with(&config(), |stage| {
        let two = bearer("all") + &bearer("publish");
        let twice = bearer("all") + &bearer("all");
        let event = r#"{"type":"n","data":1}"#;
        let posts = [
            ("POST /api/sessions/t/events", event),
            ("POST /event/v2/publish", r#"{"name":"n","payload":{}}"#),
            (
                "POST /api/v1/pub_subs",
                r#"{"scope":{"type":"organization"},"payload":{"event":{"eventName":"n","data":1}}}"#,
            ),
        ];
        for (line, body) in posts {
            let refused = stage.ask("t", line, &two, body);
            assert_eq!(refused.status, 400, "{line}");
            assert!(
                refused.body.contains("different credentials"),
                "{refused:?}"
            );
            let good = stage.ask("t", line, &twice, body);
            assert!(good.status < 300, "{line} {good:?}");
        }
        for path in ["/sysadm", "/live/ws"] {
            let refused = stage.refused(path, &two);
            let code = refused.error_code();
            assert_eq!((refused.status, &*code), (400, "contradictory_credentials"));
            stage.open(path, &twice);
        }
        let refused = stage.refused("/live/ws", &(MIKEY.to_owned() + &bearer("all")));
        assert_eq!(refused.status, 400);
        let refused = stage.ask("t", "GET /api/sessions/t/events", &two, "");
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (400, "contradictory_credentials")
        );
        // Wherever else a token may stand.
        let key = |token: &str| format!("X-API-Key: {token}\r\n");
        let offered =
            |name: &str, token: &str| format!("Sec-WebSocket-Protocol: {name}, {token}\r\n");
        for (one, other) in [
            (bearer("all"), key("publish")),
            (key("all"), key("publish")),
            (bearer("all"), offered("Bearer", "publish")),
            (key("all"), offered("Bearer", "publish")),
        ] {
            let mut socket = stage.open(STREAM, &(one + &other));
            let texts = stage.texts(&mut socket).concat();
            assert!(texts.contains("different credentials"), "{texts}");
            assert_eq!(socket.close_code(&mut stage.node), 1_008);
        }
        let mut socket = stage.open(
            STREAM,
            &(bearer("all") + &key("all") + &offered("Bearer", "all")),
        );
        assert_eq!(stage.texts(&mut socket), [""; 0]);
        for (fields, code) in [("publish", Some(3)), ("all", None)] {
            let fields = [("authorization", "Bearer all"), ("x-api-key", fields)];
            assert_eq!(call(stage, "Stream", &fields), code, "{fields:?}");
        }
        let mut socket = stage.open(ROOM, &(bearer("all") + &offered("fanfare", "listen")));
        let texts = stage.texts(&mut socket).concat();
        assert!(texts.contains(r#""code":"invalid""#), "{texts}");
        assert_eq!(socket.close_code(&mut stage.node), 4_400);
        let mut socket = stage.open(ROOM, &(bearer("all") + &offered("fanfare", "all")));
        assert!(stage.texts(&mut socket).concat().contains("welcome"));
    });
}

/// Something that is refused. A token is presented by `Authorization: Bearer`, unless it is empty.
enum Act {
    /// A request's line and token.
    Ask(&'static str, &'static str),
    /// A handshake's path and header lines.
    Knock(&'static str, &'static str),
    /// A socket's path and token, and a message on it.
    Say(&'static str, &'static str, &'static str),
    /// A call of gRPC, and its token.
    Call(&'static str, &'static str),
}

const FOREIGN: &str =
    "Authorization: Basic bWlrZXk6c3dvcmRmaXNo\r\nOrigin: https://evil.example\r\n";
const GUESSED: &str = "Authorization: Bearer guessed-secret\r\n";
const ADMIN: &str = "Authorization: Bearer admin\r\n";
const PUBLISHER: &str = "Authorization: Bearer publish\r\n";
const EVENTS: &str = "POST /api/sessions/t/events";
const STREAM_POST: &str = "POST /event/v2/publish";
const PUBSUB_POST: &str = "POST /api/v1/pub_subs";
const LOGIN: &str = r#"{"namespace":"rpc","name":"auth","id":"1","args":{"username":"mikey","password":"guessed-secret"}}"#;
const LOGIN_TOKEN: &str =
    r#"{"namespace":"rpc","name":"auth_token","id":"1","args":{"token":"01234567890123456789"}}"#;
const CLASSES: &str = r#"{"namespace":"events","name":"subscribe","id":"1","args":["dispatcher"]}"#;
const PUBLISH: &str = r#"{"publish":{"name":"n","payload":{}}}"#;
const LISTEN: &str = r#"{"subscribe":{"name":"n"}}"#;
const AUTHENTICATE: &str = r#"{"action":"authenticate","data":{"token":"guessed-secret"}}"#;
const NAMES: &str = r#"{"action":"subscribe-event","data":{"eventName":"n"},"ref":1}"#;

/// What is refused, why, by which dialect, and whether it is known whose it is.
const CASES: &[(Act, RefusalKind, Api, bool)] = {
    use Act::{Ask, Call, Knock, Say};
    use Api::{Live, Pubsub, Sessions, Stream, Sysadm};
    use RefusalKind::{Credentials, Grant, Origin, Password, Token};
    &[
        (Ask(EVENTS, "guessed-secret"), Token, Sessions, false),
        (Ask(EVENTS, ""), Credentials, Sessions, false),
        (Ask(EVENTS, "listen"), Grant, Sessions, true),
        (Ask("GET /api/sessions/t", "publish"), Grant, Sessions, true),
        (Ask(STREAM_POST, "guessed-secret"), Token, Stream, false),
        (Ask(STREAM_POST, ""), Credentials, Stream, false),
        (Ask(STREAM_POST, "listen"), Grant, Stream, true),
        (Knock(STREAM, GUESSED), Token, Stream, false),
        (Say(STREAM, "listen", PUBLISH), Grant, Stream, true),
        (Say(STREAM, "publish", LISTEN), Grant, Stream, true),
        (Call("Stream", "guessed-secret"), Token, Stream, false),
        (Ask(PUBSUB_POST, "guessed-secret"), Token, Pubsub, false),
        (Ask(PUBSUB_POST, ""), Credentials, Pubsub, false),
        (Ask(PUBSUB_POST, "listen"), Grant, Pubsub, true),
        (Knock(ROOM, GUESSED), Token, Pubsub, false),
        (Knock(ROOM, ADMIN), Grant, Pubsub, true),
        (Say(ROOM, "", AUTHENTICATE), Token, Pubsub, false),
        (Say(ROOM, "", NAMES), Credentials, Pubsub, false),
        (Say(ROOM, "publish", NAMES), Grant, Pubsub, true),
        (Knock("/live/ws", GUESSED), Token, Live, false),
        (Knock("/live/ws", WRONG), Password, Live, true),
        (Knock("/live/ws", ""), Credentials, Live, false),
        (Knock("/live/ws", PUBLISHER), Grant, Live, true),
        (Knock("/live/ws", FOREIGN), Origin, Live, false),
        (Knock("/sysadm", GUESSED), Token, Sysadm, false),
        (Say("/sysadm", "", LOGIN), Password, Sysadm, true),
        (Say("/sysadm", "", LOGIN_TOKEN), Token, Sysadm, false),
        (Say("/sysadm", "", CLASSES), Credentials, Sysadm, false),
        (Say("/sysadm", "publish", CLASSES), Grant, Sysadm, true),
    ]
};

fn presented(token: &str) -> String {
    if token.is_empty() {
        return String::new();
    }
    bearer(token)
}

fn perform(stage: &mut Stage, act: &Act) {
    match *act {
        Act::Ask(line, token) => {
            stage.ask("t", line, &presented(token), "{}");
        }
        Act::Knock(path, headers) => knock(stage, path, headers),
        Act::Say(path, token, text) => {
            let mut socket = stage.open(path, &presented(token));
            socket.say(&mut stage.node, text);
        }
        Act::Call(method, token) => {
            let bearer = format!("Bearer {token}");
            call(stage, method, &[("authorization", &bearer)]);
        }
    }
}

#[test]
fn every_refusal_is_counted_by_what_was_wrong_and_where() {
    everywhere_with(&config(), |stage| {
        stage.node.network = Network::of("192.0.2.1".parse().expect("an address"));
        for (act, kind, api, is_known) in CASES {
            let (kind, api) = (*kind, *api);
            let before = (count(stage, kind, api), count_all(stage));
            stage.node.told.clear();
            perform(stage, act);
            let after = (count(stage, kind, api), count_all(stage));
            assert_eq!(after, (before.0 + 1, before.1 + 1), "{kind:?} {api:?}");
            let told = format!("{:?}", stage.node.told);
            assert!(!told.contains("secret"), "{told}");
            let [only] = &stage.node.told[..] else {
                panic!("{kind:?} {api:?}: {told}");
            };
            let one = only.one.as_ref().expect("it is told by itself");
            assert_eq!((only.kind, only.left_out), (kind, 0));
            assert_eq!(one.dialect, api.as_str());
            assert_eq!(one.network.to_string(), "192.0.2.1");
            let organization = is_known.then_some("one");
            assert_eq!(
                one.organization.as_deref(),
                organization,
                "{kind:?} {api:?}"
            );
            // So that none is left out.
            stage.node.pass(std::time::Duration::from_secs(2));
        }
    });
}

#[test]
fn a_blocked_address_is_told_and_a_flood_is_summed_up() {
    everywhere_with(&config(), |stage| {
        stage.node.network = Network::of("2001:db8::1".parse().expect("an address"));
        for _ in 0..5 {
            knock(stage, "/live/ws", WRONG);
        }
        for _ in 0..30 {
            knock(stage, "/live/ws", MIKEY);
        }
        assert_eq!(count(stage, RefusalKind::Password, Api::Live), 5);
        assert_eq!(count(stage, RefusalKind::Blocked, Api::Live), 30);
        let told = std::mem::take(&mut stage.node.told);
        let blocked = told.iter().filter(|told| told.kind == RefusalKind::Blocked);
        assert_eq!(blocked.count(), 10);
        let one = told.last().and_then(|told| told.one.as_ref()).expect("one");
        assert_eq!(one.network.to_string(), "2001:db8::/64");
        stage.node.pass(std::time::Duration::from_secs(11));
        let (kind, one) = (RefusalKind::Blocked, None);
        let left_out = 20;
        assert_eq!(
            stage.node.told,
            [Told {
                kind,
                one,
                left_out
            }]
        );
    });
}
