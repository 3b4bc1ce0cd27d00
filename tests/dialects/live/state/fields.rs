//! Contract: four kinds of path, the ids of events, and what each thing shows.

use serde_json::{Value, json};

use super::{SERVER, config, get, items, only, texts};
use crate::stage::{everywhere, everywhere_with};
use crate::support::http::request;
use crate::support::organizations::bearer;

const UUID: &str = "6ba7b812-9dad-41d1-80b4-00c04fd430c8";

#[test]
fn an_organization_is_found_by_id_and_by_name() {
    everywhere_with(&config(), |stage| {
        let one = json!({"id": SERVER, "name": "one"});
        for base in ["/live", "/communication_manager/rest/live"] {
            for root in ["organizations", "coreServers"] {
                let root = format!("{base}/{root}");
                assert_eq!(items(stage, &root), std::slice::from_ref(&one));
                assert_eq!(
                    items(stage, &format!("{root}/")),
                    std::slice::from_ref(&one)
                );
                assert_eq!(get(stage, &format!("{root}/{SERVER}")), one);
                assert_eq!(get(stage, &format!("{root}/getByName/one")), one);
            }
        }
    });
}

#[test]
fn a_session_shows_how_it_stands() {
    everywhere(|stage| {
        let body = r#"{"event_id":"g","project_id":"p"}"#;
        let token = stage.create(body);
        let started = stage.ask(&token, &format!("POST /api/sessions/{token}/start"), "", "");
        assert_eq!(started.status, 200);
        stage.publish(&token, "\"n\"", "{\"a\":1}");
        let _reader = stage.park(&token, "?last_event=1");
        let session = get(stage, &format!("/live/sessions/{token}"));
        let epoch = session["epoch"].as_str().expect("an epoch");
        assert_eq!(epoch.len(), 16);
        let bytes = session["retainedBytes"].as_u64().expect("bytes");
        assert_eq!(
            session,
            json!({
                "id": token, "name": token, "coreServerId": "00000000-0000-0000-0000-000000000000",
                "groupId": "g", "projectId": "p", "status": "running",
                "since": 1_700_000_000_000_u64, "epoch": epoch, "oldest": 0, "next": 2,
                "retainedBytes": bytes, "subscribers": 1,
            })
        );
        assert!(bytes > 0);
        let by_name = get(stage, &format!("/live/sessions/getByName/{token}"));
        assert_eq!(by_name, session);
        assert_eq!(
            only(stage, "/live/organizations/getByName/default/sessions"),
            session
        );
    });
}

#[test]
fn names_that_are_no_uuids_have_ids_of_their_own() {
    everywhere(|stage| {
        for token in ["demo", UUID, "a%20b"] {
            stage.publish(token, "\"n\"", "1");
        }
        let sessions = items(stage, "/live/sessions");
        let mut names = texts(&sessions, "name");
        names.sort();
        assert_eq!(names, [UUID, "a b", "demo"]);
        for session in sessions {
            let (id, name) = (
                session["id"].as_str().unwrap(),
                session["name"].as_str().unwrap(),
            );
            assert_eq!(id == name, name == UUID);
            assert_eq!(get(stage, &format!("/live/sessions/{id}")), session);
            let escaped = name.replace(' ', "%20");
            assert_eq!(
                get(stage, &format!("/live/sessions/getByName/{escaped}")),
                session
            );
        }
    });
}

/// Somebody may call a session as the id of another is: that id leads to the one it was made for.
#[test]
fn no_name_takes_the_place_of_an_id() {
    everywhere(|stage| {
        stage.publish("shield", "\"n\"", "1");
        let shield = get(stage, "/live/sessions/getByName/shield");
        let id = shield["id"].as_str().unwrap();
        stage.publish(id, "\"n\"", "1");
        let twin = get(stage, &format!("/live/sessions/getByName/{id}"));
        assert_ne!(twin["id"], shield["id"]);
        let found = get(stage, &format!("/live/sessions/{id}"));
        assert_eq!(found["name"], "shield");
        let found = get(
            stage,
            &format!("/live/sessions/{}", twin["id"].as_str().unwrap()),
        );
        assert_eq!(found, twin);
    });
}

#[test]
fn groups_and_projects_are_shown_once() {
    everywhere(|stage| {
        for (group, project) in [("g", "p"), ("g", "q"), (UUID, "r")] {
            stage.create(&format!(
                r#"{{"event_id":"{group}","project_id":"{project}"}}"#
            ));
        }
        let groups = items(stage, "/live/groups");
        let mut names = texts(&groups, "name");
        names.sort();
        assert_eq!(names, [UUID, "g"]);
        let projects = items(stage, "/live/projects");
        let mut above: Vec<[String; 2]> = projects
            .iter()
            .map(|p| ["name", "groupId"].map(|field| p[field].as_str().unwrap().to_owned()))
            .collect();
        above.sort();
        assert_eq!(above, [["p", "g"], ["q", "g"], ["r", UUID]]);
        for (kind, all) in [("groups", groups), ("projects", projects)] {
            for one in all {
                for by in ["id", "name"] {
                    let text = one[by].as_str().unwrap();
                    let way = if by == "id" { "" } else { "getByName/" };
                    assert_eq!(get(stage, &format!("/live/{kind}/{way}{text}")), one);
                }
            }
        }
        let group = get(stage, &format!("/live/groups/{UUID}"));
        let server = "00000000-0000-0000-0000-000000000000";
        assert_eq!(
            group,
            json!({"id": UUID, "name": UUID, "coreServerId": server})
        );
    });
}

#[test]
fn a_connection_shows_who_listens_and_how_much_it_was_sent() {
    everywhere_with(&config(), |stage| {
        let mut socket = stage.open("/live/ws", &bearer("listen-1"));
        let line = "POST /api/sessions/t/events";
        let posted = stage.ask("t", line, &bearer("publish-1"), r#"{"type":"n","data":{}}"#);
        assert_eq!(posted.status, 200);
        let heard: usize = stage.texts(&mut socket).iter().map(String::len).sum();
        let connection = only(stage, "/live/connections");
        let id = connection["id"].as_str().expect("an id").to_owned();
        assert_eq!(
            connection,
            json!({
                "id": id, "coreServerId": SERVER, "dialect": "live", "transport": "websocket",
                "address": connection["address"], "since": 1_700_000_000_000_u64, "sessionId": null,
                "bytesSent": connection["bytesSent"], "eventsSent": 1, "queueBytes": 0,
                "subscriptions": 1,
            })
        );
        let address = connection["address"].as_str().expect("an address");
        assert!(address.starts_with("192.0.2.1:100"), "{address}");
        let bytes = connection["bytesSent"].as_u64().expect("bytes") as usize;
        assert!(bytes > heard && bytes < heard + 400, "{bytes} of {heard}");
        assert_eq!(get(stage, &format!("/live/connections/{id}")), connection);
    });
}

#[test]
fn every_way_to_listen_is_a_connection() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        let _live = stage.open("/live/ws", "");
        let mut sysadm = stage.open("/sysadm/ws", "");
        let text = r#"{"namespace":"events","name":"subscribe","id":"1","args":["dispatcher"]}"#;
        sysadm.ask(&mut stage.node, text);
        let mut stream = stage.open("/event/v2/stream", "");
        let text = r#"{"subscribe":{"name":"a|b:*","target":{"layoutId":"t"}}}"#;
        stream.ask(&mut stage.node, text);
        let mut room = stage.open("/pubsub/ws?event_id=g&session_id=t", "");
        let text = r#"{"action":"subscribe-event","data":{"eventName":"x"},"ref":1}"#;
        room.say(&mut stage.node, text);
        stage.texts(&mut room);
        let _feed = stage.open("/api/sessions/t/events", "");
        let _poll = stage.park("t", "?last_event=0");
        let sse = stage.connect("t");
        let headers = "Accept: text/event-stream\r\n";
        stage
            .node
            .send(sse, request("GET /api/sessions/t/events", headers, ""));
        stage.node.settle();
        let mut seen: Vec<[String; 3]> = items(stage, "/live/connections")
            .iter()
            .map(|one| {
                let session = one["sessionId"].as_str().unwrap_or("-").to_owned();
                let text = |field: &str| one[field].as_str().expect("text").to_owned();
                [text("dialect"), text("transport"), session]
            })
            .collect();
        seen.sort();
        let expected = [
            ["live", "websocket", "-"],
            ["pubsub", "websocket", "t"],
            ["sessions", "event-stream", "t"],
            ["sessions", "poll", "t"],
            ["sessions", "websocket", "t"],
            ["stream", "websocket", "-"],
            ["sysadm", "websocket", "-"],
        ];
        assert_eq!(seen, expected);
        let readers = items(stage, "/live/sessions/getByName/t/subscribers");
        assert_eq!(readers.len(), 4, "{readers:?}");
        let session = get(stage, "/live/sessions/getByName/t");
        assert_eq!(session["subscribers"], 4);
    });
}

#[test]
fn a_subscription_shows_what_is_heard_and_how_often() {
    everywhere(|stage| {
        let mut live = stage.open("/live/ws", "");
        let filters = [
            ("type", "\"n\""),
            ("type", "\"m\""),
            ("user.name", "\"*\""),
            ("size", "1.50"),
            ("gone", "null"),
        ];
        super::super::set(stage, &mut live, &filters);
        let mut stream = stage.open("/event/v2/stream", "");
        for text in [
            r#"{"subscribe":{"name":"a|b:*","target":{"layoutId":"t"}}}"#,
            r#"{"subscribe":{"name":"n"}}"#,
        ] {
            stream.ask(&mut stage.node, text);
        }
        stage.publish(
            "t",
            "\"n\"",
            r#"{"user":{"name":"x"},"size":1.50,"gone":null}"#,
        );
        stage.publish("t", "\"b:1\"", "{}");
        stage.publish("u", "\"n\"", "{}");
        let mut all: Vec<Value> = items(stage, "/live/subscriptions");
        let server = "00000000-0000-0000-0000-000000000000";
        for one in &mut all {
            let id = one["id"].as_str().unwrap();
            let shown = get(stage, &format!("/live/subscriptions/{id}"));
            assert_eq!(shown, *one);
            let connection = one["connectionId"].as_str().unwrap();
            let connection = get(stage, &format!("/live/connections/{connection}"));
            assert_eq!(connection["dialect"], one["dialect"]);
            assert_eq!(one["coreServerId"], server);
            let fields = one.as_object_mut().unwrap();
            for field in ["id", "connectionId", "coreServerId"] {
                fields.remove(field);
            }
        }
        all.sort_by_key(Value::to_string);
        assert_eq!(
            all,
            [
                json!({"deliveries": 1, "dialect": "live", "filters": [
                    {"property": "user.name", "value": "*"},
                    {"property": "size", "value": 1.50},
                    {"property": "gone", "value": null},
                ], "names": ["n", "m"], "scope": {}}),
                json!({"deliveries": 1, "dialect": "stream", "filters": [], "names": ["a", "b:*"],
                    "scope": {"sessionId": "t"}}),
                json!({"deliveries": 2, "dialect": "stream", "filters": [], "names": ["n"],
                    "scope": {}}),
            ]
        );
    });
}

#[test]
fn a_log_is_a_set_of_events() {
    everywhere(|stage| {
        for number in 0..3 {
            stage.publish("t", "\"n\"", &format!("{{\"at\":{number}}}"));
        }
        let events = items(stage, "/live/sessions/getByName/t/events");
        let ids = texts(&events, "id");
        for (number, event) in events.iter().enumerate() {
            let flat = json!({
                "type": "n", "time": 1_700_000_000_000_u64,
                "coreServerId": "00000000-0000-0000-0000-000000000000",
                "sessionId": "t", "at": number,
            });
            assert_eq!(
                *event,
                json!({"id": ids[number], "number": number, "event": flat})
            );
        }
        let page = get(stage, "/live/sessions/getByName/t/events?limit=2");
        assert_eq!(page["next"], json!(ids[1]));
        let rest = items(
            stage,
            &format!("/live/sessions/getByName/t/events?after={}", ids[1]),
        );
        assert_eq!(texts(&rest, "id"), ids[2..]);
    });
}
