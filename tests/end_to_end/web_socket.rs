//! WebSocket feeds: history, live events, resuming, and readers that do not keep up.

use serde_json::Value;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::clients::{agent, counted, counted_array, next_event, open_socket, pause, publish};
use crate::server::{Server, Setting};

on_every_setting!(
    history_comes_first_then_what_is_live,
    a_reconnect_loses_nothing,
    a_reader_that_pauses_loses_nothing,
    a_deleted_session_says_so,
);
on_both_drivers!(
    a_reader_that_falls_behind_is_told_of_the_gap,
    a_reader_that_stops_does_not_delay_another,
);

fn number(event: &Value) -> u64 {
    event["number"]
        .as_u64()
        .unwrap_or_else(|| panic!("no number in {event}"))
}

fn history_comes_first_then_what_is_live(setting: Setting) {
    let server = Server::start(setting, &[]);
    let (agent, events) = (agent(), server.events("feed"));
    publish(&agent, &events, &counted_array(0, 5));
    let mut sockets: Vec<_> = (0..8)
        .map(|_| open_socket(&server, "/api/sessions/feed/events?last_event=-1"))
        .collect();
    let mut live_only = open_socket(&server, "/api/sessions/feed/events");
    for n in 5..50 {
        publish(&agent, &events, &counted(n));
    }
    for socket in &mut sockets {
        for n in 0..50 {
            let event = next_event(socket);
            assert_eq!((number(&event), event["data"].as_u64()), (n, Some(n)));
        }
    }
    assert_eq!(number(&next_event(&mut live_only)), 5);
    live_only.send(Message::text("hello?")).expect("it is read");
    let goodbye = std::iter::from_fn(|| live_only.read().ok()).find(Message::is_close);
    let Some(Message::Close(Some(frame))) = goodbye else {
        panic!("a socket that only listens was spoken to: {goodbye:?}");
    };
    assert_eq!(frame.code, CloseCode::Policy);
    drop(sockets);
    server.await_metric("readers", 0);
}

fn a_reconnect_loses_nothing(setting: Setting) {
    let server = Server::start(setting, &[]);
    let events = server.events("again");
    publish(&agent(), &events, &counted(0));
    let publisher = std::thread::spawn(move || {
        let agent = agent();
        for n in 1..600 {
            publish(&agent, &events, &counted(n));
        }
    });
    let mut next = 0;
    while next < 600 {
        let last = i64::try_from(next).expect("small") - 1;
        let path = format!("/api/sessions/again/events?last_event={last}");
        let mut socket = open_socket(&server, &path);
        for _ in 0..37.min(600 - next) {
            assert_eq!(number(&next_event(&mut socket)), next);
            next += 1;
        }
        // Dropped without a goodbye, with events in flight.
    }
    publisher.join().expect("every publish is answered");
    server.await_metric("readers", 0);
}

fn a_reader_that_pauses_loses_nothing(setting: Setting) {
    let server = Server::start(setting, &[]);
    let mut socket = open_socket(&server, "/api/sessions/paused/events?last_event=-1");
    let (agent, events) = (agent(), server.events("paused"));
    // 10,000 events of about 600 bytes: more than the kernel's buffers take, less than the log
    // keeps.
    let padding = "p".repeat(560);
    for batch in 0..100 {
        let event = format!(r#"{{"type":"{padding}","data":{batch}}}"#);
        let array = format!("[{}]", vec![event; 100].join(","));
        assert_eq!(publish(&agent, &events, &array), batch * 100);
        if batch == 10 {
            for n in 0..500 {
                assert_eq!(number(&next_event(&mut socket)), n);
            }
        }
    }
    pause(300);
    for n in 500..10_000 {
        assert_eq!(number(&next_event(&mut socket)), n);
    }
    assert_eq!(server.metric("gaps"), 0);
    assert_eq!(publish(&agent, &events, &counted(0)), 10_000);
    assert_eq!(number(&next_event(&mut socket)), 10_000);
    server.await_metric("buffered_bytes", 0);
}

fn a_reader_that_falls_behind_is_told_of_the_gap(setting: Setting) {
    let server = Server::start(setting, &[]);
    let mut socket = open_socket(&server, "/api/sessions/behind/events");
    let (agent, events) = (agent(), server.events("behind"));
    let event = format!(r#"{{"type":"t","data":"{}"}}"#, "d".repeat(500_000));
    let count = 64;
    for n in 0..count {
        assert_eq!(publish(&agent, &events, &event), n);
    }
    // What waits for this reader is bounded: the log has room for 8 MiB, its queue for less.
    assert!(server.metric("retained_bytes") <= 8 * 1024 * 1024);
    assert!(server.metric("buffered_bytes") <= 2 * 1024 * 1024);
    let (mut next, mut gaps) = (0, 0);
    while next < count {
        let event = next_event(&mut socket);
        if event.get("number").is_some() {
            assert_eq!(number(&event), next);
            next += 1;
            continue;
        }
        let text = event.to_string();
        let missing = &event["data"];
        assert_eq!(missing["from"].as_u64(), Some(next), "{text}");
        next = missing["to"].as_u64().expect("the last that is missing") + 1;
        gaps += 1;
    }
    assert!(gaps > 0, "32 MB went through a log of 8 MiB");
    assert_eq!(server.metric("gaps"), gaps);
}

fn a_reader_that_stops_does_not_delay_another(setting: Setting) {
    let server = Server::start(setting, &[]);
    let path = "/api/sessions/uneven/events?last_event=-1";
    let stopped: Vec<_> = (0..4).map(|_| open_socket(&server, path)).collect();
    let mut keen = open_socket(&server, path);
    let (agent, events) = (agent(), server.events("uneven"));
    let event = format!(r#"{{"type":"t","data":"{}"}}"#, "d".repeat(200_000));
    let start = std::time::Instant::now();
    for n in 0..150 {
        publish(&agent, &events, &event);
        assert_eq!(number(&next_event(&mut keen)), n);
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    // Waiting for those who do not read must not cost the processor.
    let spent = server.processor_time_in(1_000);
    assert!(spent.as_millis() < 500, "{spent:?} in an idle second");
    drop(stopped);
    server.await_metric("readers", 1);
}

fn a_deleted_session_says_so(setting: Setting) {
    let server = Server::start(setting, &[]);
    let agent = agent();
    let mut created = agent
        .post(server.url("/api/sessions"))
        .send_empty()
        .expect("an answer");
    let created = created.body_mut().read_to_string().expect("text");
    let created: Value = serde_json::from_str(&created).expect("JSON");
    let token = created["token"].as_str().expect("a token");
    let mut socket = open_socket(&server, &format!("/api/sessions/{token}/events"));
    let deleted = agent
        .delete(server.url(&format!("/api/sessions/{token}")))
        .call();
    assert_eq!(deleted.expect("an answer").status(), 200);
    let Ok(Message::Close(Some(frame))) = socket.read() else {
        panic!("no goodbye");
    };
    assert_eq!(u16::from(frame.code), 4410);
}
