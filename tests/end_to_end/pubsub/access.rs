//! Tokens: where a client may have them, whose they are, and what they allow; and who may not stay,
//! with the close code that pages see.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Member, configured, event, post};
use crate::clients::agent;
use crate::server::{Server, Setting};
use crate::tokens::organization;

on_both_drivers!(
    a_token_may_stand_in_three_places,
    a_wrong_token_is_told_on_the_open_socket,
    a_token_allows_what_it_was_drawn_for,
    organizations_have_rooms_of_their_own,
    who_is_nowhere_is_sent_away,
);

const ROOM: (&str, &str) = ("e", "s");
/// How often each thing is tried, since the kernel chooses the shard.
const TRIES: usize = 4;

/// Tokens of two organizations.
struct Two {
    server: Server,
    publisher: String,
    subscriber: String,
    both: String,
    foreign: String,
}

fn two_organizations(setting: Setting) -> Two {
    let (acme, tokens) = organization("acme", &["publish", "subscribe", "publish,subscribe"]);
    let (other, foreign) = organization("other", &["publish,subscribe"]);
    let [publisher, subscriber, both] = <[String; 3]>::try_from(tokens).expect("three");
    Two {
        server: configured(setting, &format!("{acme}{other}")),
        publisher,
        subscriber,
        both,
        foreign: foreign.concat(),
    }
}

/// The places of a token in a handshake: the header field, and the subprotocol that is chosen.
fn fields(token: &str) -> [(&'static str, String, Option<&'static str>); 3] {
    [
        (
            "Sec-WebSocket-Protocol",
            format!("fanfare, {token}"),
            Some("fanfare"),
        ),
        ("Authorization", token.to_owned(), None),
        ("Authorization", format!("Bearer {token}"), None),
    ]
}

/// Opens a room with a token in `Authorization`.
fn open_as(server: &Server, token: &str) -> Member {
    Member::open(server.address, ROOM, "", &[("Authorization", token)]).0
}

fn a_token_may_stand_in_three_places(setting: Setting) {
    let two = two_organizations(setting);
    let mut members = Vec::new();
    for _ in 0..TRIES {
        for (field, value, chosen) in fields(&two.both) {
            let (mut member, response) =
                Member::open(two.server.address, ROOM, "", &[(field, &value)]);
            let said = response.headers().get("Sec-WebSocket-Protocol");
            let said = said.map(|value| value.to_str().expect("ASCII"));
            assert_eq!(said, chosen, "a token is never repeated");
            member.welcome();
            members.push(member);
        }
        // Offered without a token, the subprotocol is chosen, and the token may follow.
        let offered = [("Sec-WebSocket-Protocol", "fanfare")];
        for fields in [&[][..], &offered] {
            let (mut member, _) = Member::open(two.server.address, ROOM, "", fields);
            let refused = member.ask("subscribe-event", &json!({"eventName": "n"}));
            assert_eq!(refused["data"]["code"], "unauthorized", "{refused}");
            member.say("authenticate", &json!({"token": two.both}));
            member.welcome();
            members.push(member);
        }
    }
    for member in &mut members {
        member.subscribe("n");
    }
    let receipt = members[0].publish("n", &json!(1), &Value::Null);
    assert_eq!(receipt["number"], 0);
    for member in &mut members {
        assert_eq!(member.event(), ("n".to_owned(), json!(1), 0));
    }
}

fn a_wrong_token_is_told_on_the_open_socket(setting: Setting) {
    let two = two_organizations(setting);
    let assert_sent_away = |mut member: Member| {
        let (told, code) = member.farewell();
        let [error] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(
            (&error["action"], &error["data"]["code"], code),
            (&json!("error"), &json!("unauthorized"), 4_401)
        );
    };
    let mut wrong = fields("ff_wrong").to_vec();
    wrong.push(("Authorization", "Basic bWlrZXk6c2VjcmV0".to_owned(), None));
    for (field, value, _) in wrong {
        let (member, _) = Member::open(two.server.address, ROOM, "", &[(field, &value)]);
        assert_sent_away(member);
    }
    let (mut member, _) = Member::open(two.server.address, ROOM, "", &[]);
    member.say("authenticate", &json!({"token": "ff_wrong"}));
    assert_sent_away(member);
    // Nor does a good beginning help.
    let mut member = open_as(&two.server, &two.both);
    member.welcome();
    member.say("authenticate", &json!({"token": "ff_wrong"}));
    assert_sent_away(member);
}

fn a_token_allows_what_it_was_drawn_for(setting: Setting) {
    let two = two_organizations(setting);
    let mut hears = open_as(&two.server, &two.subscriber);
    let mut speaks = open_as(&two.server, &two.publisher);
    for member in [&mut hears, &mut speaks] {
        member.welcome();
    }
    hears.subscribe("n");
    let refused = hears.ask("publish-event", &json!({"eventName": "n"}));
    assert_eq!(refused["data"]["code"], "forbidden", "{refused}");
    let refused = speaks.ask("subscribe-event", &json!({"eventName": "n"}));
    assert_eq!(refused["data"]["code"], "forbidden", "{refused}");
    speaks.publish("n", &json!(1), &Value::Null);
    assert_eq!(hears.event().1, 1);
    // Another token of the organization takes the place of the first.
    let reply = hears.ask("authenticate", &json!({"token": two.both}));
    assert_eq!(reply["action"], "authenticated", "{reply}");
    hears.publish("n", &json!(2), &Value::Null);
    assert_eq!(hears.event().1, 2);
}

fn organizations_have_rooms_of_their_own(setting: Setting) {
    let two = two_organizations(setting);
    let mut epochs = BTreeSet::new();
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for (token, members) in [(&two.both, &mut ours), (&two.foreign, &mut theirs)] {
        for _ in 0..TRIES {
            let mut member = open_as(&two.server, token);
            epochs.insert(member.welcome()["epoch"].to_string());
            member.subscribe("n");
            members.push(member);
        }
    }
    assert_eq!(epochs.len(), 2, "one log in each: {epochs:?}");
    for scope in ["session", "event", "organization"] {
        ours[0].publish("n", &json!("ours"), &json!(scope));
    }
    let fields = [("Authorization", &*two.foreign)];
    let body = event(ROOM, "n", &json!("theirs"));
    let (status, receipt) = post(&agent(), &two.server, &fields, &body);
    assert_eq!((status, &receipt["number"]), (201, &json!(0)));
    for member in &mut theirs {
        assert_eq!(member.event(), ("n".to_owned(), json!("theirs"), 0));
        let refused = member.ask("authenticate", &json!({"token": two.both}));
        assert_eq!(refused["data"]["code"], "forbidden", "{refused}");
    }
    for member in &mut ours {
        let heard: Vec<_> = (0..3).map(|_| member.event()).collect();
        assert!(heard.iter().all(|(_, data, _)| data == "ours"), "{heard:?}");
    }
}

fn who_is_nowhere_is_sent_away(setting: Setting) {
    let server = configured(setting, "");
    let declared = configured(setting, "[hub]\nscopes = \"declared\"\n");
    let (status, _) = post(&agent(), &server, &[], &event(ROOM, "n", &json!(1)));
    assert_eq!(status, 201);
    for (server, room, more, word, code) in [
        // Its session belongs to another event.
        (&server, ("other", "s"), "", "conflict", 4_409),
        (&server, ("e", ""), "", "invalid", 4_400),
        (&server, ROOM, "&last_event=x", "invalid", 4_400),
        (&declared, ROOM, "", "not_found", 4_404),
    ] {
        for _ in 0..TRIES {
            let (mut member, _) = Member::open(server.address, room, more, &[]);
            let (told, closed) = member.farewell();
            assert_eq!((told.len(), closed), (1, code), "{told:?}");
            assert_eq!(told[0]["data"]["code"], word, "{told:?}");
        }
    }
    // None of them is left in the room.
    server.await_metric("readers", 0);
}
