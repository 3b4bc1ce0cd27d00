//! Contract: "Listen" as server-sent events and as a WebSocket.

use std::time::Duration;

use tungstenite::protocol::frame::CloseFrame;

use crate::stage::{Stage, everywhere};
use crate::support::http::{Stream, StreamEvent, request, take_stream};
use crate::support::web_socket::{Client, Message, upgrade};

/// Opens an event stream; returns the peer and the epoch that the head names.
fn open(stage: &mut Stage, token: &str, query: &str, headers: &str) -> (usize, Stream) {
    let peer = stage.connect(token);
    let line = format!("GET /api/sessions/{token}/events{query}");
    stage.node.send(
        peer,
        request(
            &line,
            &format!("Accept: text/event-stream\r\n{headers}"),
            "",
        ),
    );
    stage.node.settle();
    let head = stage.answer(peer);
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert!(head.header("fanfare-epoch").is_some() && head.header("fanfare-next").is_some());
    let mut body = head.body.into_bytes();
    let stream = take_stream(&mut body);
    assert!(body.is_empty(), "half an event: {body:?}");
    (peer, stream)
}

fn news(stage: &mut Stage, peer: usize) -> Stream {
    take_stream(&mut stage.node.peers[peer].received)
}

fn event(id: String, name: Option<&str>, data: &str) -> StreamEvent {
    let event = name.map(str::to_owned);
    StreamEvent {
        id: Some(id),
        event,
        data: data.to_owned(),
    }
}

fn gap(data: &str) -> StreamEvent {
    let event = Some("fanfare:gap".to_owned());
    StreamEvent {
        id: None,
        event,
        data: data.to_owned(),
    }
}

#[test]
fn an_event_stream_has_ids_names_and_data() {
    everywhere(|stage| {
        stage.publish("t", r#""st\u0061tus""#, "{\"a\" : 1}");
        stage.publish(
            "t",
            "{\"not\":\"text\"}",
            "[1,\\n2]".replace("\\n", "\n").as_str(),
        );
        let epoch = stage
            .get("t", "?last_event=-1")
            .header("fanfare-epoch")
            .unwrap()
            .to_owned();
        let (peer, history) = open(stage, "t", "?last_event=-1", "");
        let expected = vec![
            event(format!("{epoch}:0"), Some("status"), "{\"a\" : 1}"),
            event(format!("{epoch}:1"), None, "[1,\n2]"),
        ];
        assert_eq!(history.events, expected);
        let (fresh, nothing) = open(stage, "t", "", "");
        assert_eq!(nothing.events, []);
        stage.publish("t", "\"live\"", "2");
        let live = vec![event(format!("{epoch}:2"), Some("live"), "2")];
        assert_eq!(news(stage, peer).events, live);
        assert_eq!(news(stage, fresh).events, live);
    });
}

#[test]
fn last_event_id_resumes_and_wins() {
    everywhere(|stage| {
        for data in ["0", "1", "2"] {
            stage.publish("t", "\"n\"", data);
        }
        let epoch = stage
            .get("t", "?last_event=-1")
            .header("fanfare-epoch")
            .unwrap()
            .to_owned();
        let header = format!("Last-Event-ID: {epoch}:1\r\n");
        let (_, resumed) = open(stage, "t", "?last_event=-1", &header);
        assert_eq!(
            resumed.events,
            vec![event(format!("{epoch}:2"), Some("n"), "2")]
        );
        for foreign in ["0000000000000000:1", "nonsense", "1"] {
            let (_, reset) = open(stage, "t", "", &format!("Last-Event-ID: {foreign}\r\n"));
            assert_eq!(reset.events[0], gap("{\"reset\":true}"), "{foreign}");
            assert_eq!(reset.events.len(), 4);
        }
        let (_, blank) = open(stage, "t", "?last_event=1", "Last-Event-ID: \r\n");
        assert_eq!(blank.events.len(), 1);
        stage.node.pass(Duration::from_secs(61));
        let (peer, gone) = open(stage, "t", "", &header.replace(":1", ":0"));
        assert_eq!(gone.events, vec![gap("{\"from\":1,\"to\":2}")]);
        stage.publish("t", "\"n\"", "3");
        let live = vec![event(format!("{epoch}:3"), Some("n"), "3")];
        assert_eq!(news(stage, peer).events, live);
    });
}

/// `id` as `encodeURIComponent` writes it, with which clients fill a query.
fn encoded(id: &str) -> String {
    id.replace(':', "%3A")
}

#[test]
fn a_last_event_id_in_the_query_resumes_where_no_header_can_be_set() {
    everywhere(|stage| {
        for data in ["0", "1", "2"] {
            stage.publish("t", "\"n\"", data);
        }
        let all = stage.get("t", "?last_event=-1");
        let epoch = all.header("fanfare-epoch").expect("an epoch").to_owned();
        let last = vec![event(format!("{epoch}:2"), Some("n"), "2")];
        for query in [
            format!("?lastEventId={}", encoded(&format!("{epoch}:1"))),
            // What a polyfill adds is newer than what its page wrote.
            format!("?last_event=-1&a=b&lastEventId={epoch}:1"),
            format!("?lastEventId={epoch}:0&lastEventId={epoch}:1"),
            format!("?lastEventID={epoch}:1"),
            format!("?Last-Event-ID={epoch}:1"),
            format!("?last-event-id={epoch}:1"),
            format!("?evs_last_event_id={epoch}:1&evs_preamble=2048"),
        ] {
            let (_, resumed) = open(stage, "t", &query, "");
            assert_eq!(resumed.events, last, "{query}");
        }
        // The header wins, and what is blank was not given.
        let query = format!("?lastEventId={epoch}:0");
        let header = format!("Last-Event-ID: {epoch}:1\r\n");
        assert_eq!(open(stage, "t", &query, &header).1.events, last);
        let query = format!("?lastEventId={epoch}:1");
        let blank = "Last-Event-ID: \r\n";
        assert_eq!(open(stage, "t", &query, blank).1.events, last);
        let blank = "?lastEventId=&last_event=1";
        assert_eq!(open(stage, "t", blank, "").1.events, last);
        // What is not ours is told, as it is of the header.
        for foreign in ["0000000000000000:1", "nonsense", "1", "%20:%20"] {
            let (_, reset) = open(stage, "t", &format!("?lastEventId={foreign}"), "");
            assert_eq!(reset.events[0], gap("{\"reset\":true}"), "{foreign}");
            assert_eq!(reset.events.len(), 4);
        }
        let refused = stage.get("t", "?lastEventId=%FF");
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (400, "invalid_query")
        );
        // It is told of what is gone.
        stage.node.pass(Duration::from_secs(61));
        let (_, gone) = open(stage, "t", &format!("?lastEventId={epoch}:0"), "");
        assert_eq!(gone.events, vec![gap("{\"from\":1,\"to\":2}")]);
    });
}

#[test]
fn a_last_event_id_counts_for_sockets_and_polls_of_the_same_url() {
    everywhere(|stage| {
        for data in ["0", "1", "2"] {
            stage.publish("t", "\"n\"", data);
        }
        let all = stage.get("t", "?last_event=-1");
        let epoch = all.header("fanfare-epoch").expect("an epoch").to_owned();
        let query = format!("?lastEventId={}", encoded(&format!("{epoch}:1")));
        let element = r#"{"type":"n","data":2,"number":2}"#;
        let (peer, mut client) = socket(stage, "t", &query);
        let texts = client.texts(&mut stage.node.peers[peer].received);
        assert_eq!(texts, [element]);
        assert_eq!(stage.get("t", &query).body, format!("[{element}]"));
        let header = format!("Last-Event-ID: {epoch}:1\r\n");
        let line = "GET /api/sessions/t/events?lastEventId=x";
        let polled = stage.ask("t", line, &header, "");
        assert_eq!(polled.body, format!("[{element}]"));
        assert_eq!(polled.header("fanfare-gap"), None);
    });
}

#[test]
fn an_idle_stream_gets_a_comment_every_fifteen_seconds() {
    everywhere(|stage| {
        let (peer, _) = open(stage, "t", "", "");
        stage.node.pass(Duration::from_millis(14_500));
        assert_eq!(news(stage, peer).comments, 0);
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(news(stage, peer).comments, 1);
        stage.node.pass(Duration::from_secs(150));
        assert_eq!(news(stage, peer).comments, 10);
        assert!(!stage.node.peers[peer].is_over());
    });
}

#[test]
fn a_stream_that_lags_gets_everything_in_order() {
    everywhere(|stage| {
        let (peer, _) = open(stage, "t", "", "");
        stage.node.open_window(peer, 100);
        let data = format!("\"{}\"", "x".repeat(10_000));
        for _ in 0..60 {
            stage.publish("t", "1", &data);
        }
        assert_eq!(stage.node.peers[peer].received.len(), 100);
        stage.node.open_window(peer, usize::MAX);
        stage.node.settle();
        let stream = news(stage, peer);
        let numbers = stream.events.iter().map(|event| {
            let id = event.id.as_deref().unwrap();
            id.split_once(':').unwrap().1.parse::<u64>().unwrap()
        });
        assert!(numbers.eq(0..60));
        assert_eq!(stage.node.sum("buffered_bytes"), 0);
    });
}

#[test]
fn a_lagging_stream_is_told_of_what_was_trimmed() {
    everywhere(|stage| {
        let (peer, _) = open(stage, "t", "", "");
        stage.node.open_window(peer, 10);
        let data = format!("\"{}\"", "x".repeat(70_000));
        for _ in 0..8 {
            stage.publish("t", "1", &data);
            // Each write in time, but retention passes before the log is read to its end.
            stage.node.pass(Duration::from_secs(20));
            stage.node.open_window(peer, 10);
            stage.node.settle();
        }
        stage.node.open_window(peer, usize::MAX);
        stage.node.settle();
        let stream = news(stage, peer);
        let mut next = 0;
        for event in &stream.events {
            if let Some(id) = event.id.as_deref() {
                let number: u64 = id.split_once(':').unwrap().1.parse().unwrap();
                assert_eq!(number, next);
                next = number + 1;
            } else {
                let gap: serde_json::Value = serde_json::from_str(&event.data).unwrap();
                assert_eq!(gap["from"].as_u64(), Some(next));
                next = gap["to"].as_u64().unwrap() + 1;
            }
        }
        assert_eq!(next, 8);
        assert!(
            stream.events.iter().any(|event| event.id.is_none()),
            "there was a gap"
        );
    });
}

#[test]
fn a_stream_ends_with_its_session() {
    everywhere(|stage| {
        let (peer, _) = open(stage, "t", "", "");
        assert_eq!(stage.ask("t", "DELETE /api/sessions/t", "", "").status, 200);
        assert!(stage.node.peers[peer].is_over());
    });
}

fn socket(stage: &mut Stage, token: &str, query: &str) -> (usize, Client) {
    let peer = stage.connect(token);
    stage.node.send(
        peer,
        upgrade(&format!("/api/sessions/{token}/events{query}")),
    );
    stage.node.settle();
    let received = &mut stage.node.peers[peer].received;
    let end = received
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("a head")
        + 4;
    let frames = received.split_off(end);
    let mut head = std::mem::replace(received, frames);
    let head = crate::support::http::take_response(&mut head, true).expect("a head");
    assert_eq!(head.status, 101, "{head:?}");
    assert_eq!(
        head.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert!(head.header("fanfare-epoch").is_some());
    (peer, Client::new())
}

#[test]
fn a_web_socket_gets_history_then_live() {
    everywhere(|stage| {
        stage.publish("t", "\"a\"", "{ }");
        stage.publish("t", "\"b\"", "1");
        let (peer, mut client) = socket(stage, "t", "?last_event=0");
        let (fresh, mut fresh_client) = socket(stage, "t", "");
        stage.publish("t", "\"c\"", "2");
        let texts = client.texts(&mut stage.node.peers[peer].received);
        let live = r#"{"type":"c","data":2,"number":2}"#;
        assert_eq!(texts, [r#"{"type":"b","data":1,"number":1}"#, live]);
        assert_eq!(
            fresh_client.texts(&mut stage.node.peers[fresh].received),
            [live]
        );
        let (peer, mut client) = socket(stage, "t", "?last_event=9");
        let texts = client.texts(&mut stage.node.peers[peer].received);
        assert_eq!(texts[0], r#"{"type":"fanfare:gap","data":{"reset":true}}"#);
        assert_eq!(texts.len(), 4);
    });
}

#[test]
fn a_web_socket_is_pinged_and_dropped_when_dead() {
    everywhere(|stage| {
        let (alive, mut client) = socket(stage, "t", "");
        let (dead, _) = socket(stage, "t", "");
        for _ in 0..8 {
            stage.node.pass(Duration::from_secs(10));
            let messages = client.read(&mut stage.node.peers[alive].received);
            assert!(
                messages
                    .iter()
                    .all(|message| matches!(message, Message::Ping(_)))
            );
            stage.node.send(alive, client.output());
            stage.node.settle();
        }
        assert!(!stage.node.peers[alive].is_over());
        assert!(stage.node.peers[dead].is_over());
        assert_eq!(stage.node.sum("readers"), 1);
    });
}

#[test]
fn a_web_socket_says_goodbye() {
    everywhere(|stage| {
        let close_of = |messages: Vec<Message>| match messages.last() {
            Some(Message::Close(Some(CloseFrame { code, .. }))) => u16::from(*code),
            other => panic!("no close: {other:?}"),
        };
        let (gone, mut client) = socket(stage, "t", "");
        assert_eq!(stage.ask("t", "DELETE /api/sessions/t", "", "").status, 200);
        assert_eq!(
            close_of(client.read(&mut stage.node.peers[gone].received)),
            4_410
        );
        stage.node.send(gone, client.output());
        stage.node.settle();
        assert!(stage.node.peers[gone].is_over());
        // It only listens. There is a session again once somebody publishes.
        stage.publish("t", "1", "1");
        let (talker, mut client) = socket(stage, "t", "");
        client.write(Message::text("hello"));
        stage.node.send(talker, client.output());
        stage.node.settle();
        assert_eq!(
            close_of(client.read(&mut stage.node.peers[talker].received)),
            1_008
        );
        // It leaves by itself.
        let (leaver, mut client) = socket(stage, "t", "");
        client.write(Message::Close(None));
        stage.node.send(leaver, client.output());
        stage.node.settle();
        assert!(stage.node.peers[leaver].is_over());
        // The server leaves.
        let (stays, mut client) = socket(stage, "t", "");
        for shard in &mut stage.node.shards {
            shard.drain(stage.node.now);
        }
        stage.node.settle();
        assert_eq!(
            close_of(client.read(&mut stage.node.peers[stays].received)),
            1_001
        );
        stage.node.pass(Duration::from_secs(6));
        assert!(stage.node.peers[stays].is_over());
        assert_eq!(stage.node.sum("connections"), 0);
    });
}

#[test]
fn a_bad_handshake_is_refused() {
    everywhere(|stage| {
        let good = upgrade("/api/sessions/t/events");
        let cases = [
            (good.replace(": 13", ": 12"), 426),
            (good.replace("dGhl", "!"), 400),
            (good.replace("Connection: Upgrade\r\n", ""), 400),
        ];
        for (text, status) in cases {
            let peer = stage.connect("t");
            let refused = stage.node.ask(peer, &text);
            assert_eq!(refused.status, status, "{text}");
            assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        }
    });
}
