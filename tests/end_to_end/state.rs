//! The state as resources, with a socket of every dialect open: all are seen, where they come from,
//! and each is sent away in its own manner.

use std::collections::BTreeMap;
use std::net::TcpStream;

use serde_json::Value;
use tungstenite::{Message, WebSocket};

use crate::clients::{agent, get, open_socket, publish, read_to_end, send};
use crate::server::{Server, Setting};

on_every_setting!(
    every_socket_is_seen_and_sent_away,
    a_walk_of_many_pages_sees_every_session,
);

/// The items of a set that fits on one page.
fn items(server: &Server, set: &str) -> Vec<Value> {
    let (status, text) = get(&agent(), &server.url(&format!("/live/{set}?limit=1000")));
    assert_eq!(status, 200, "{text}");
    let page: Value = serde_json::from_str(&text).expect("JSON");
    page["items"].as_array().expect("items").clone()
}

fn post(server: &Server, path: &str) -> u16 {
    let answer = agent().post(server.url(path)).send_empty();
    answer.expect("an answer").status().as_u16()
}

/// The code of the close frame that a socket gets.
fn close_code(socket: &mut WebSocket<TcpStream>) -> u16 {
    loop {
        if let Message::Close(frame) = socket.read().expect("a close frame") {
            return frame.expect("a code").code.into();
        }
    }
}

fn every_socket_is_seen_and_sent_away(setting: Setting) {
    let server = Server::start(setting, &[]);
    publish(&agent(), &server.events("t"), r#"{"type":"n","data":1}"#);
    let mut sockets: BTreeMap<String, WebSocket<TcpStream>> = BTreeMap::new();
    for path in [
        "/live/ws",
        "/sysadm/ws",
        "/event/v2/stream",
        "/pubsub/ws?event_id=g&session_id=t",
        "/api/sessions/t/events",
    ] {
        let mut socket = open_socket(&server, path);
        if path.starts_with("/pubsub") {
            socket.read().expect("a welcome");
        }
        let address = socket.get_ref().local_addr().expect("an address");
        sockets.insert(address.to_string(), socket);
    }
    let mut others = Vec::new();
    for (accept, query) in [("text/event-stream", ""), ("*/*", "?last_event=0")] {
        let mut stream = server.connect();
        let request = format!(
            "GET /api/sessions/t/events{query} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n"
        );
        send(&mut stream, request);
        others.push(stream);
    }
    server.await_metric("readers", 4);
    let seen = items(&server, "connections");
    assert_eq!(seen.len(), 7, "{seen:?}");
    let mut dialects: Vec<&str> = seen
        .iter()
        .map(|one| one["dialect"].as_str().expect("text"))
        .collect();
    dialects.sort_unstable();
    let expected = [
        "live", "pubsub", "sessions", "sessions", "sessions", "stream", "sysadm",
    ];
    assert_eq!(dialects, expected);
    assert_eq!(
        items(&server, "subscriptions").len(),
        1,
        "that of the live API"
    );
    assert_eq!(items(&server, "sessions/getByName/t/subscribers").len(), 4);
    for one in &seen {
        let id = one["id"].as_str().expect("an id");
        let path = format!("/live/connections/{id}/disconnect");
        assert_eq!(post(&server, &path), 204, "{one}");
        let address = one["address"].as_str().expect("an address");
        if let Some(mut socket) = sockets.remove(address) {
            assert_eq!(close_code(&mut socket), 1008, "{one}");
        }
        assert!(matches!(post(&server, &path), 404 | 409), "{one}");
    }
    assert!(sockets.is_empty(), "each was known by its address");
    for mut stream in others {
        let answer = read_to_end(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    server.await_metric("readers", 0);
    server.await_metric("subscriptions", 0);
    assert_eq!(items(&server, "connections").len(), 0);
}

fn a_walk_of_many_pages_sees_every_session(setting: Setting) {
    let server = Server::start(setting, &[]);
    let agent = agent();
    for number in 0..250 {
        let body = r#"{"type":"n","data":1}"#;
        publish(&agent, &server.events(&format!("s{number}")), body);
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let (status, text) = get(
            &agent,
            &server.url(&format!("/live/sessions?limit=40{after}")),
        );
        assert_eq!(status, 200, "{text}");
        let page: Value = serde_json::from_str(&text).expect("JSON");
        for item in page["items"].as_array().expect("items") {
            names.push(item["name"].as_str().expect("a name").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(names.len(), 250);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 250);
}
