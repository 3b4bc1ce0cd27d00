//! Rooms: one order on all shards, how far an event goes, coming back after a cut or a restart, and
//! leaving.

use std::collections::BTreeSet;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Member, configured, event, post};
use crate::cable::Cable;
use crate::clients::agent;
use crate::server::{Server, Setting};

on_both_drivers!(
    all_shards_hear_one_order,
    an_event_goes_as_far_as_its_scope,
    names_are_heard_while_they_are_subscribed,
    who_is_cut_off_resumes_or_is_told_of_the_gap,
    a_restart_is_a_reset,
    a_leaving_server_asks_everyone_to_reconnect,
);

/// How many sockets the one room has at least, and at most until one has moved.
const MEMBERS: std::ops::Range<usize> = 16..200;
/// How many events each publisher sends.
const EVENTS: u64 = 50;

/// Opens sockets to one room until some have come to another shard than the room's and were moved.
fn crowd(server: &Server, room: (&str, &str)) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    let mut epochs = BTreeSet::new();
    while members.len() < MEMBERS.start || server.metric("connections_moved") == 0 {
        assert!(members.len() < MEMBERS.end, "none was ever moved");
        let (mut member, welcome) = Member::enter(server.address, room, "");
        epochs.insert(welcome["epoch"].to_string());
        member.subscribe("tick");
        members.push(member);
    }
    assert_eq!(epochs.len(), 1, "one room has one log: {epochs:?}");
    members
}

fn all_shards_hear_one_order(setting: Setting) {
    let room = ("conference", "lobby");
    let server = Server::start(setting, &[]);
    let mut members = crowd(&server, room);
    let receipts: Vec<Value> = thread::scope(|scope| {
        let by_post = |who: u64| {
            let agent = agent();
            let publish = |n| {
                let body = event(room, "tick", &json!([who, n]));
                let (status, receipt) = post(&agent, &server, &[], &body);
                assert_eq!(status, 201, "{receipt}");
                receipt
            };
            (0..EVENTS).map(publish).collect::<Vec<_>>()
        };
        let by_socket = |who: u64| {
            let (mut member, _) = Member::enter(server.address, room, "");
            let publish = |n| member.publish("tick", &json!([who, n]), &Value::Null);
            (0..EVENTS).map(publish).collect()
        };
        let posts = [0, 1].map(|who| scope.spawn(move || by_post(who)));
        let sockets = [2, 3].map(|who| scope.spawn(move || by_socket(who)));
        let publishers = posts.into_iter().chain(sockets);
        let receipts = publishers.flat_map(|one| one.join().expect("all are accepted"));
        receipts.collect()
    });
    let mut first: Option<Vec<Value>> = None;
    for member in &mut members {
        let heard: Vec<Value> = (0..4 * EVENTS).map(|_| member.next()).collect();
        let same = first.get_or_insert_with(|| heard.clone());
        assert_eq!(*same, heard, "all hear the same in the same order");
    }
    let heard = first.expect("there are members");
    let mut next = [0; 4];
    for (number, told) in heard.iter().enumerate() {
        assert_eq!(told["number"], number, "numbers have no holes");
        let [who, n] = [0, 1].map(|at| told["data"][at].as_u64().expect("a number"));
        let expected = &mut next[usize::try_from(who).expect("one of four")];
        assert_eq!(n, *expected, "each publisher's events keep their order");
        *expected += 1;
    }
    for receipt in receipts {
        let number = receipt["number"].as_u64().expect("a number");
        let told = &heard[usize::try_from(number).expect("small")];
        assert_eq!(
            told["id"], receipt["id"],
            "what was answered is what is heard"
        );
    }
    drop(members);
    server.await_metric("readers", 0);
}

fn an_event_goes_as_far_as_its_scope(setting: Setting) {
    let server = Server::start(setting, &[]);
    let here = ("e", "here");
    let (mut speaker, _) = Member::enter(server.address, here, "");
    speaker.subscribe("n");
    // Several of each, so that each shard is home to some.
    let names: Vec<String> = (0..6).map(|n| format!("room-{n}")).collect();
    let enter = |group: &'static str| {
        let rooms = names.iter().map(move |name| {
            let session = format!("{group}-{name}");
            let (mut member, _) = Member::enter(server.address, (group, &session), "");
            member.subscribe("n");
            (group, session, member)
        });
        rooms.collect::<Vec<_>>()
    };
    let mut all = enter("e");
    all.extend(enter("f"));
    for (data, scope, is_numbered) in [
        (json!("by itself"), Value::Null, true),
        (json!("session"), json!("session"), true),
        (json!("event"), json!("event"), false),
        (json!("organization"), json!("organization"), false),
    ] {
        let receipt = speaker.publish("n", &data, &scope);
        assert!(receipt["id"].is_string(), "{receipt}");
        assert_eq!(receipt["number"].is_u64(), is_numbered, "{receipt}");
    }
    // Between events of different scopes there is no order.
    let hear = |member: &mut Member, wanted: &[Value]| {
        let mut heard: Vec<Value> = wanted.iter().map(|_| member.event().1).collect();
        heard.sort_by_key(Value::to_string);
        assert_eq!(heard, wanted);
    };
    let [event_wide, everywhere] = ["event", "organization"].map(|scope| json!(scope));
    let own = [
        json!("by itself"),
        event_wide.clone(),
        everywhere.clone(),
        json!("session"),
    ];
    hear(&mut speaker, &own);
    for (group, session, member) in &mut all {
        let wanted = match *group {
            "e" => vec![event_wide.clone(), everywhere.clone()],
            _ => vec![everywhere.clone()],
        };
        hear(member, &wanted);
        // And nothing else: the next is what is published now, with the next number.
        let body = event((group, session), "n", &json!("last"));
        let (status, receipt) = post(&agent(), &server, &[], &body);
        assert_eq!((status, &receipt["number"]), (201, &json!(wanted.len())));
        let number = wanted.len() as u64;
        assert_eq!(member.event(), ("n".to_owned(), json!("last"), number));
    }
}

fn names_are_heard_while_they_are_subscribed(setting: Setting) {
    let room = ("e", "s");
    let server = Server::start(setting, &[]);
    let agent = agent();
    let publish = |name: &str| post(&agent, &server, &[], &event(room, name, &json!(1)));
    publish("a");
    let (mut member, welcome) = Member::enter(server.address, room, "");
    assert_eq!(
        (&welcome["next"], &welcome["heartbeat"]),
        (&json!(1), &json!(25))
    );
    member.subscribe("a");
    publish("b");
    publish("a");
    let reply = member.ask("subscribe-event", &json!({"eventNames": ["b", "c"]}));
    assert_eq!(reply["action"], "subscribed");
    publish("b");
    let reply = member.ask("unsubscribe-event", &json!({"eventName": "a"}));
    assert_eq!(reply["action"], "unsubscribed");
    publish("a");
    publish("c");
    // What was published before it was subscribed, or by another name, is not heard; numbers tell
    // of it.
    for (name, number) in [("a", 2), ("b", 3), ("c", 5)] {
        assert_eq!(member.event(), (name.to_owned(), json!(1), number));
    }
    let refused = member.ask("shout", &json!({}));
    assert_eq!(refused["data"]["code"], "unknown_action", "{refused}");
    publish("c");
    assert_eq!(member.event().2, 6, "a mistake does not end the socket");
}

fn who_is_cut_off_resumes_or_is_told_of_the_gap(setting: Setting) {
    let room = ("e", "s");
    let server = configured(setting, "[hub.retention]\nevents = 4\n");
    let agent = agent();
    let mut published = 0;
    let mut publish = |count: u64| {
        for _ in 0..count {
            let (status, _) = post(&agent, &server, &[], &event(room, "n", &json!(published)));
            assert_eq!(status, 201);
            published += 1;
        }
    };
    let cable = Cable::to(server.address);
    let (mut member, welcome) = Member::enter(cable.address, room, "");
    let epoch = welcome["epoch"].as_str().expect("an epoch").to_owned();
    member.subscribe("n");
    publish(3);
    let mut heard: Vec<u64> = (0..3).map(|_| member.event().2).collect();
    // As many as the log keeps, and then more.
    for (count, gap) in [(4, None), (10, Some(json!({"from": 8, "to": 13})))] {
        cable.cut();
        server.await_metric("readers", 0);
        publish(count);
        cable.mend();
        let last = heard.last().expect("something was heard");
        let cursor = format!("&last_event={last}&epoch={epoch}");
        let (again, welcome) = Member::enter(cable.address, room, &cursor);
        member = again;
        assert_eq!(
            (&welcome["epoch"], &welcome["next"]),
            (&json!(epoch), &json!(last + count + 1))
        );
        if let Some(gap) = gap {
            assert_eq!(member.next(), json!({"action": "gap", "data": gap}));
        }
        member.subscribe("n");
        publish(1);
        heard.extend((0..=4).map(|_| member.event().2));
    }
    let expected: Vec<u64> = (0..8).chain(14..19).collect();
    assert_eq!(heard, expected);
}

fn a_restart_is_a_reset(setting: Setting) {
    let room = ("e", "s");
    let mut server = Server::start(setting, &[]);
    let agent = agent();
    let first = post(&agent, &server, &[], &event(room, "n", &json!(1)));
    assert_eq!(first.1["number"], 0);
    let (_, welcome) = Member::enter(server.address, room, "");
    let epoch = welcome["epoch"].as_str().expect("an epoch").to_owned();
    server = server.restart(setting);
    let again = post(
        &crate::clients::agent(),
        &server,
        &[],
        &event(room, "n", &json!(2)),
    );
    assert_eq!(again.1["number"], 0, "a log of its own");
    let cursor = format!("&last_event=0&epoch={epoch}");
    let (mut member, welcome) = Member::enter(server.address, room, &cursor);
    assert!(welcome["epoch"] != json!(epoch), "{welcome}");
    assert_eq!(
        member.next(),
        json!({"action": "gap", "data": {"reset": true}})
    );
    member.subscribe("n");
    assert_eq!(member.event(), ("n".to_owned(), json!(2), 0));
}

fn a_leaving_server_asks_everyone_to_reconnect(setting: Setting) {
    let room = ("e", "s");
    let mut server = configured(setting, "[server]\ndrain_timeout = \"4s\"\n");
    let mut members = crowd(&server, room);
    let now_ms = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::try_from(now.expect("after 1970").as_millis()).expect("for a while")
    };
    let told_ms = now_ms();
    server.signal("TERM");
    let before = |member: &mut Member| {
        let told = member.next();
        assert_eq!(told["action"], "reconnect", "{told}");
        told["data"]["before"].as_u64().expect("unix milliseconds")
    };
    let times: Vec<u64> = members.iter_mut().map(before).collect();
    // Three quarters of the time there is.
    let window = told_ms..=now_ms() + 3_000;
    assert!(times.iter().all(|time| window.contains(time)), "{times:?}");
    assert!(times.iter().collect::<BTreeSet<_>>().len() > 1, "{times:?}");
    // Until then a room goes on, but takes no events: some who would hear them are gone.
    let latest = (0..times.len()).max_by_key(|&at| times[at]);
    let latest = &mut members[latest.expect("there are members")];
    let refused = latest.ask("publish-event", &json!({"eventName": "tick", "data": 1}));
    assert_eq!(refused["data"]["code"], "busy", "{refused}");
    latest.subscribe("another");
    for member in &mut members {
        assert_eq!(member.farewell().1, 1_001);
    }
    let status = server.await_exit();
    assert_eq!(status.code(), Some(0), "{status}: {}", server.log());
}
