//! Contract: what an action does is done when it is answered, and done once.

use super::{ask, get, items, texts};
use crate::stage::{Stage, everywhere};
use crate::support::http::request;
use crate::support::http2;

/// The id of the only thing of a kind.
#[track_caller]
fn id(stage: &mut Stage, kind: &str) -> String {
    let mut ids = texts(&items(stage, &format!("/live/{kind}")), "id");
    assert_eq!(ids.len(), 1, "{kind}");
    ids.remove(0)
}

/// An action that is done.
#[track_caller]
fn done(stage: &mut Stage, path: &str) {
    let response = ask(stage, &format!("POST {path}"), "");
    assert_eq!(
        (response.status, &*response.body),
        (204, ""),
        "{path}: {response:?}"
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

/// An action that is refused: its status and code.
fn refused(stage: &mut Stage, path: &str) -> (u16, String) {
    let response = ask(stage, &format!("POST {path}"), "");
    (response.status, response.error_code())
}

fn not_found() -> (u16, String) {
    (404, "not_found".to_owned())
}

#[test]
fn closing_a_session_is_deleting_it() {
    everywhere(|stage| {
        for method in ["POST", "PUT"] {
            let token = stage.create("{}");
            let mut feed = stage.open(&format!("/api/sessions/{token}/events"), "");
            let closed = ask(stage, &format!("{method} /live/sessions/{token}/close"), "");
            assert_eq!(closed.status, 204, "{closed:?}");
            assert_eq!(feed.close_code(&mut stage.node), 4410);
            let gone = stage.get(&token, "?last_event=-1");
            assert_eq!(gone.status, 410);
            assert_eq!(stage.node.sum("sessions"), 0);
            let twice = refused(stage, &format!("/live/sessions/{token}/close"));
            assert_eq!(twice, (409, "ended".to_owned()));
            let shown = ask(stage, &format!("GET /live/sessions/{token}"), "");
            assert_eq!(shown.status, 404);
        }
        stage.publish("demo", "\"n\"", "1");
        let session = id(stage, "sessions");
        done(stage, &format!("/live/sessions/{session}/close"));
        assert_eq!(stage.node.sum("sessions"), 0);
        assert_eq!(
            refused(stage, &format!("/live/sessions/{session}/close")),
            not_found()
        );
        let by_name = refused(stage, "/live/sessions/getByName/demo/close");
        assert_eq!(by_name, (409, "ended".to_owned()));
    });
}

#[test]
fn a_socket_is_disconnected_by_a_close_frame() {
    for path in [
        "/live/ws",
        "/sysadm/ws",
        "/event/v2/stream",
        "/pubsub/ws?event_id=g&session_id=t",
        "/api/sessions/t/events",
    ] {
        everywhere(|stage| {
            let mut socket = stage.open(path, "");
            let connection = id(stage, "connections");
            done(stage, &format!("/live/connections/{connection}/disconnect"));
            let goodbye = socket.goodbye(&mut stage.node).expect("a close frame");
            assert_eq!(
                goodbye,
                (1008, "disconnected by an administrator".to_owned()),
                "{path}"
            );
            assert_eq!(items(stage, "/live/connections").len(), 0);
            assert_eq!(stage.node.sum("subscriptions"), 0);
            assert_eq!(stage.node.sum("readers"), 0);
            let twice = refused(stage, &format!("/live/connections/{connection}/disconnect"));
            let closing = (409, "closing".to_owned());
            assert!(
                twice == not_found() || twice == closing,
                "{path}: {twice:?}"
            );
            socket.keep_alive(&mut stage.node);
            stage.node.settle();
            let twice = refused(stage, &format!("/live/connections/{connection}/disconnect"));
            assert_eq!(twice, not_found(), "{path}");
        });
    }
}

#[test]
fn polls_and_event_streams_end() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        let poll = stage.park("t", "?last_event=0");
        let connection = id(stage, "connections");
        done(stage, &format!("/live/connections/{connection}/disconnect"));
        let answer = stage.answer(poll);
        assert_eq!((answer.status, &*answer.body), (200, "[]"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(stage.node.peers[poll].is_over());
        let sse = stage.connect("t");
        let headers = "Accept: text/event-stream\r\n";
        stage
            .node
            .send(sse, request("GET /api/sessions/t/events", headers, ""));
        stage.node.settle();
        let connection = id(stage, "connections");
        done(stage, &format!("/live/connections/{connection}/disconnect"));
        assert!(stage.node.peers[sse].is_over());
        assert_eq!(stage.node.sum("readers"), 0);
        assert_eq!(
            refused(stage, &format!("/live/connections/{connection}/disconnect")),
            not_found()
        );
    });
}

#[test]
fn a_stream_of_http2_is_disconnected_and_its_connection_goes_on() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        for shard in 0..stage.shards() {
            let mut client = http2::Client::connect(&mut stage.node, shard);
            let get = |path: &str| {
                let uri = format!("http://host{path}");
                let get = http::Request::builder().uri(uri);
                get.header("accept", "text/event-stream")
                    .body(())
                    .expect("a request")
            };
            let feed = client.open(get("/api/sessions/t/events?last_event=-1"), true);
            client.settle(&mut stage.node);
            let connection = items(stage, "/live/connections").remove(0);
            assert_eq!(connection["transport"], "event-stream");
            assert_eq!(connection["sessionId"], "t");
            assert_eq!(connection["eventsSent"], 1);
            let address = connection["address"].as_str().expect("an address");
            assert!(address.starts_with("192.0.2.1:"), "that of what carries it");
            let readers = items(stage, "/live/sessions/getByName/t/subscribers");
            assert_eq!(readers, std::slice::from_ref(&connection));
            let connection = connection["id"].as_str().expect("an id");
            done(stage, &format!("/live/connections/{connection}/disconnect"));
            client.settle(&mut stage.node);
            assert!(client.calls[feed].end.is_some());
            assert_eq!(stage.node.sum("readers"), 0);
            let again = client.open(get("/live/organizations"), true);
            client.settle(&mut stage.node);
            assert_eq!(client.calls[again].status(), Some(200));
        }
    });
}

#[test]
fn a_cancelled_subscription_hears_nothing_and_the_socket_lives_on() {
    everywhere(|stage| {
        let mut live = stage.open("/live/ws", "");
        let subscription = id(stage, "subscriptions");
        done(stage, &format!("/live/subscriptions/{subscription}/cancel"));
        assert_eq!(
            refused(stage, &format!("/live/subscriptions/{subscription}/cancel")),
            not_found()
        );
        stage.publish("t", "\"n\"", "1");
        assert_eq!(stage.texts(&mut live), [""; 0]);
        assert_eq!(items(stage, "/live/subscriptions").len(), 0);
        assert_eq!(items(stage, "/live/connections")[0]["subscriptions"], 0);
        super::super::set(stage, &mut live, &[("type", "\"n\"")]);
        stage.publish("t", "\"n\"", "1");
        assert_eq!(stage.texts(&mut live).len(), 1);
        assert_ne!(
            id(stage, "subscriptions"),
            subscription,
            "it is another one"
        );
    });
}

#[test]
fn only_that_subscription_is_cancelled() {
    everywhere(|stage| {
        let mut stream = stage.open("/event/v2/stream", "");
        for name in ["a", "b", "c"] {
            stream.ask(
                &mut stage.node,
                &format!(r#"{{"subscribe":{{"name":"{name}"}}}}"#),
            );
        }
        let all = items(stage, "/live/subscriptions");
        let names: Vec<&str> = all
            .iter()
            .map(|one| one["names"][0].as_str().unwrap())
            .collect();
        assert_eq!(names, ["a", "b", "c"], "in the order in which they came");
        let (first, second) = (&all[0]["id"], &all[1]["id"]);
        done(
            stage,
            &format!("/live/subscriptions/{}/cancel", first.as_str().unwrap()),
        );
        for name in ["a", "b", "c"] {
            stage.publish("t", &format!("\"{name}\""), "{}");
        }
        assert_eq!(stage.texts(&mut stream).len(), 2);
        let left = items(stage, "/live/subscriptions");
        assert_eq!(texts(&left, "id").len(), 2);
        assert_eq!(
            (&left[0]["id"], &left[0]["deliveries"]),
            (second, &serde_json::json!(1))
        );
        // The client's own ways find what is left of them.
        stream.ask(&mut stage.node, r#"{"unsubscribe":{"name":"b"}}"#);
        stream.ask(&mut stage.node, r#"{"unsubscribe":{"name":"a"}}"#);
        stream.ask(&mut stage.node, r#"{"subscribe":{"name":"a"}}"#);
        stage.publish("t", "\"a\"", "{}");
        stage.publish("t", "\"b\"", "{}");
        stage.publish("t", "\"c\"", "{}");
        assert_eq!(stage.texts(&mut stream).len(), 2);
    });
}

#[test]
fn rooms_and_classes_are_cancelled_too() {
    everywhere(|stage| {
        let mut sysadm = stage.open("/sysadm/ws", "");
        let text = r#"{"namespace":"events","name":"subscribe","id":"1","args":["dispatcher"]}"#;
        sysadm.ask(&mut stage.node, text);
        let subscription = id(stage, "subscriptions");
        let shown = get(stage, &format!("/live/subscriptions/{subscription}"));
        assert_eq!(shown["names"], serde_json::json!(["dispatcher"]));
        done(stage, &format!("/live/subscriptions/{subscription}/cancel"));
        stage.publish("t", "\"dispatcher\"", "1");
        assert_eq!(stage.texts(&mut sysadm), [""; 0]);
        sysadm.ask(&mut stage.node, text);
        stage.publish("t", "\"dispatcher\"", "1");
        assert_eq!(stage.texts(&mut sysadm).len(), 1);
        let subscription = id(stage, "subscriptions");
        done(stage, &format!("/live/subscriptions/{subscription}/cancel"));

        let mut room = stage.open("/pubsub/ws?event_id=g&session_id=r", "");
        assert_eq!(items(stage, "/live/subscriptions").len(), 0);
        let text = r#"{"action":"subscribe-event","data":{"eventName":"x"},"ref":1}"#;
        room.say(&mut stage.node, text);
        stage.texts(&mut room);
        stage.publish("r", "\"x\"", "1");
        assert_eq!(stage.texts(&mut room).len(), 1);
        let subscription = id(stage, "subscriptions");
        let shown = get(stage, &format!("/live/subscriptions/{subscription}"));
        assert_eq!(shown["scope"], serde_json::json!({"sessionId": "r"}));
        assert_eq!(
            (&shown["names"], &shown["deliveries"]),
            (&serde_json::json!(["x"]), &1.into())
        );
        // What was published before it is cancelled is shown.
        let peer = stage.node.connect(0);
        done(stage, &format!("/live/subscriptions/{subscription}/cancel"));
        stage.node.break_off(peer);
        stage.publish("r", "\"x\"", "2");
        assert_eq!(stage.texts(&mut room), [""; 0]);
        assert_eq!(
            refused(stage, &format!("/live/subscriptions/{subscription}/cancel")),
            not_found()
        );
        room.say(&mut stage.node, text);
        stage.texts(&mut room);
        stage.publish("r", "\"x\"", "3");
        assert_eq!(stage.texts(&mut room).len(), 1);
    });
}

#[test]
fn who_came_for_one_subscription_alone_is_sent_away_with_it() {
    everywhere(|stage| {
        let peer = stage.connect("t");
        let line = "GET /event/v2/stream?subscribe.name=n";
        stage.node.send(peer, request(line, "", ""));
        stage.node.settle();
        let subscription = id(stage, "subscriptions");
        done(stage, &format!("/live/subscriptions/{subscription}/cancel"));
        let received = String::from_utf8_lossy(&stage.node.peers[peer].received).into_owned();
        assert!(
            received.contains("cancelled by an administrator"),
            "{received}"
        );
        assert!(stage.node.peers[peer].is_over());
        assert_eq!(items(stage, "/live/connections").len(), 0);
    });
}

#[test]
fn a_subscription_is_not_cancelled_while_a_request_of_its_client_is_under_way() {
    everywhere(|stage| {
        if stage.shards() < 3 {
            return;
        }
        let token = (0..1_000)
            .map(|number| format!("t{number}"))
            .find(|token| stage.node.home(token) == 1)
            .expect("one of three");
        let mut stream = stage.open_on(0, "/event/v2/stream", "");
        stream.ask(&mut stage.node, r#"{"subscribe":{"name":"a"}}"#);
        let subscription = id(stage, "subscriptions");
        // Where its next subscription stands is asked, and the question does not leave.
        stage.node.stuck = Some((0, 1));
        let text = format!(r#"{{"subscribe":{{"name":"b","target":{{"layoutId":"{token}"}}}}}}"#);
        stream.say(&mut stage.node, &text);
        let ask = |stage: &mut Stage| {
            let peer = stage.node.connect(2);
            let line = format!("POST /live/subscriptions/{subscription}/cancel");
            stage.node.ask(peer, request(&line, "", ""))
        };
        let refused = ask(stage);
        assert_eq!((refused.status, &*refused.error_code()), (409, "changing"));
        stage.node.stuck = None;
        stage.node.settle();
        assert_eq!(stage.texts(&mut stream).len(), 1, "it is subscribed now");
        assert_eq!(ask(stage).status, 204);
        stage.publish(&token, "\"a\"", "{}");
        stage.publish(&token, "\"b\"", "{}");
        assert_eq!(stage.texts(&mut stream).len(), 1);
    });
}
