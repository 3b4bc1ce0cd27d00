//! The `live` and `sysadm` sockets: what `sessions` publishes arrives on both, from any shard to
//! any, filters hold, and whoever does not keep up is dealt with by the book.

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::clients::{agent, next_event, open_socket, pause, publish};
use crate::server::{Server, Setting};

on_every_setting!(
    one_post_reaches_both_sockets,
    filters_let_in_what_they_say,
    nothing_is_missed_once_filters_are_answered,
);
on_both_drivers!(
    a_burst_reaches_everyone_in_order,
    a_slow_subscriber_is_disconnected,
    a_slow_subscriber_is_told_what_it_missed,
    passwords_and_tokens_open_the_sockets,
    the_node_says_how_it_is,
);

type Socket = WebSocket<TcpStream>;

fn ask(socket: &mut Socket, message: &Value) -> Value {
    tell(socket, message);
    next_event(socket)
}

fn tell(socket: &mut Socket, message: &Value) {
    let text = message.to_string();
    socket.send(Message::text(text)).expect("it is read");
}

fn subscribe(socket: &mut Socket, classes: &Value) {
    let request = json!({"namespace": "events", "name": "subscribe", "id": "s", "args": classes});
    let reply = ask(socket, &request);
    assert_eq!(
        (&reply["name"], &reply["id"]),
        (&json!("response"), &json!("s")),
        "{reply}"
    );
}

fn filter(socket: &mut Socket, filters: &Value) {
    let reply = ask(socket, &json!({"type": "filter", "filters": filters}));
    assert_eq!(reply["success"], json!(true), "{reply}");
}

fn configured(setting: Setting, text: &str) -> (Server, NamedTempFile) {
    let mut file = NamedTempFile::new().expect("a scratch file");
    file.write_all(text.as_bytes()).expect("written");
    let path = file.path().to_str().expect("a plain path").to_owned();
    (Server::start(setting, &["--config", &path]), file)
}

fn one_post_reaches_both_sockets(setting: Setting) {
    let server = Server::start(setting, &[]);
    // Several of each, so that every shard has some.
    let mut live: Vec<_> = (0..6).map(|_| open_socket(&server, "/live/ws")).collect();
    let mut sysadm: Vec<_> = (0..6).map(|_| open_socket(&server, "/sysadm")).collect();
    for socket in &mut sysadm {
        subscribe(socket, &json!(["dispatcher"]));
    }
    let agent = agent();
    for n in 0..20 {
        let body = format!(r#"{{"type":"dispatcher","data":{{"process_id":"p","n":{n}}}}}"#);
        publish(&agent, &server.events(&format!("session-{n}")), &body);
    }
    for socket in &mut sysadm {
        let mut seen: Vec<u64> = (0..20)
            .map(|_| {
                let event = next_event(socket);
                assert_eq!(event["name"], "dispatcher");
                assert_eq!(event["namespace"], "events");
                assert_eq!(event["id"], "");
                event["args"]["n"].as_u64().expect("a number")
            })
            .collect();
        // One session's events are in order; here are twenty sessions.
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..20));
    }
    for socket in &mut live {
        let mut seen: Vec<u64> = (0..20)
            .map(|_| {
                let event = next_event(socket);
                let n = event["n"].as_u64().expect("a number");
                assert_eq!(event["type"], "dispatcher");
                assert_eq!(event["process_id"], "p");
                assert_eq!(event["sessionId"], format!("session-{n}"));
                assert!(event["time"].is_u64() && event["coreServerId"].is_string());
                n
            })
            .collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..20));
    }
    drop((live, sysadm));
    server.await_metric("subscriptions", 0);
}

fn filters_let_in_what_they_say(setting: Setting) {
    let server = Server::start(setting, &[]);
    let mut sockets: Vec<_> = (0..4).map(|_| open_socket(&server, "/live/ws")).collect();
    for socket in &mut sockets {
        filter(
            socket,
            &json!([
                {"property": "type", "value": "login"},
                {"property": "type", "value": "logout"},
                {"property": "username", "value": "mikey"},
            ]),
        );
    }
    let agent = agent();
    let events = server.events("calls");
    for name in ["dial", "login", "logout"] {
        // Mikey last: who has heard his logout has been shown everything.
        for user in ["anna", "mikey"] {
            let body = format!(r#"{{"type":"{name}","data":{{"username":"{user}"}}}}"#);
            publish(&agent, &events, &body);
        }
    }
    for socket in &mut sockets {
        for name in ["login", "logout"] {
            let event = next_event(socket);
            assert_eq!(
                (&event["type"], &event["username"]),
                (&json!(name), &json!("mikey"))
            );
        }
        // Replaced: the old filters are gone, a refused message changes nothing.
        filter(socket, &json!([{"property": "username", "value": "*"}]));
        let refused = ask(
            socket,
            &json!({"type": "filter", "filters": [{"property": "x"}]}),
        );
        assert_eq!(refused["success"], json!(false));
    }
    publish(
        &agent,
        &events,
        r#"{"type":"dial","data":{"username":null}}"#,
    );
    publish(
        &agent,
        &events,
        r#"{"type":"dial","data":{"username":"anna"}}"#,
    );
    for socket in &mut sockets {
        assert_eq!(next_event(socket)["username"], "anna");
    }
}

/// Whoever has the answer to its filters hears what is published from then on, wherever it is.
fn nothing_is_missed_once_filters_are_answered(setting: Setting) {
    let server = Server::start(setting, &[]);
    let agent = agent();
    for n in 0..40 {
        // The first subscriber of its shard, again and again: all others have left.
        let mut socket = open_socket(&server, "/live/ws");
        let filters = json!([{"property": "n", "value": n}]);
        tell(&mut socket, &json!({"type": "filter", "filters": filters}));
        // Until then everything passes, and what was told last may still be on its way between
        // shards.
        while next_event(&mut socket)["type"] != "filterResponse" {}
        let body = format!(r#"{{"type":"t","data":{{"n":{n}}}}}"#);
        publish(&agent, &server.events(&format!("s{n}")), &body);
        assert_eq!(next_event(&mut socket)["n"], n);
    }
}

fn a_burst_reaches_everyone_in_order(setting: Setting) {
    let server = Server::start(setting, &[]);
    let mut sockets: Vec<_> = (0..50).map(|_| open_socket(&server, "/live/ws")).collect();
    let events = server.events("burst");
    let publisher = std::thread::spawn(move || {
        let agent = agent();
        for batch in 0..20 {
            let one = |n| format!(r#"{{"type":"t","data":{{"n":{n}}}}}"#);
            let all: Vec<String> = (batch * 50..batch * 50 + 50).map(one).collect();
            publish(&agent, &events, &format!("[{}]", all.join(",")));
        }
    });
    for socket in &mut sockets {
        for n in 0..1_000 {
            assert_eq!(next_event(socket)["n"], n);
        }
    }
    publisher.join().expect("every publish is answered");
    assert_eq!(server.metric("events_delivered"), 50 * 1_000);
    assert_eq!(server.metric("events_dropped"), 0);
}

/// Publishes 200 events of 200 kB: 40 MB, more than any kernel buffer takes. After each, `goes_on`
/// says whether there is another: who reads it there does not fall behind, however busy the machine
/// is.
fn flood(server: &Server, mut goes_on: impl FnMut(u64) -> bool) -> u64 {
    let agent = agent();
    let padding = "d".repeat(200_000);
    for n in 0..200 {
        let body = format!(r#"{{"type":"t","data":{{"n":{n},"padding":"{padding}"}}}}"#);
        publish(&agent, &server.events("flood"), &body);
        if !goes_on(n) {
            return n + 1;
        }
    }
    200
}

fn a_slow_subscriber_is_disconnected(setting: Setting) {
    let server = Server::start(setting, &[]);
    let mut slow = open_socket(&server, "/live/ws");
    let mut keen = open_socket(&server, "/live/ws");
    filter(&mut slow, &json!([]));
    filter(&mut keen, &json!([]));
    let count = flood(&server, |n| {
        assert_eq!(next_event(&mut keen)["n"], n, "the keen one misses nothing");
        server.metric("slow_consumers") == 0
    });
    assert_eq!(server.metric("slow_consumers"), 1);
    // What it gets is a beginning without holes, and then the reason.
    let mut next = 0;
    let code = loop {
        match slow.read() {
            Ok(Message::Text(text)) => {
                let event: Value = serde_json::from_str(&text).expect("whole frames");
                assert_eq!(event["n"], next);
                next += 1;
            }
            Ok(Message::Close(frame)) => break frame.map(|frame| u16::from(frame.code)),
            Ok(_) => {}
            Err(error) => panic!("no goodbye: {error}"),
        }
    };
    assert_eq!(code, Some(1013));
    assert!(next < count, "nobody reads 40 MB without reading");
    drop(keen);
    server.await_metric("subscriptions", 0);
}

fn a_slow_subscriber_is_told_what_it_missed(setting: Setting) {
    let (server, _file) = configured(setting, "[hub]\nslow_consumer = \"drop_oldest\"\n");
    let mut slow = open_socket(&server, "/live/ws");
    filter(&mut slow, &json!([]));
    let count = flood(&server, |_| true);
    // What one tick brings is dropped together: the last event must come in one of its own.
    server.await_metric("events_delivered", count);
    let agent = agent();
    publish(
        &agent,
        &server.events("flood"),
        r#"{"type":"last","data":{}}"#,
    );
    let (mut next, mut missing) = (0, 0);
    loop {
        let event = next_event(&mut slow);
        if event["type"] == "last" {
            break;
        }
        if event["type"] == "fanfare:dropped" {
            let dropped = event["count"].as_u64().expect("a count");
            next += dropped;
            missing += dropped;
            continue;
        }
        assert_eq!(
            event["n"], next,
            "events and news of those missing are in order"
        );
        next += 1;
    }
    assert_eq!(next, count);
    assert!(missing > 0);
    assert_eq!(server.metric("events_dropped"), missing);
    assert_eq!(server.metric("slow_consumers"), 0);
}

fn passwords_and_tokens_open_the_sockets(setting: Setting) {
    let made = crate::server::fanfare(&["user", "new", "mikey", "--grants", "subscribe"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            child.stdin.take().expect("piped").write_all(b"secret\n")?;
            child.wait_with_output()
        })
        .expect("it starts");
    let table = String::from_utf8(made.stdout).expect("UTF-8");
    assert!(table.contains("$argon2id$"), "{table}");
    let (server, _file) = configured(
        setting,
        &format!("[[organizations]]\nname = \"acme\"\n{table}"),
    );
    let open = |authorization: Option<&str>| {
        let url = format!("ws://{}/live/ws", server.address);
        let mut request = url.into_client_request().expect("a request");
        if let Some(value) = authorization {
            let value = value.parse().expect("a field value");
            request.headers_mut().insert("Authorization", value);
        }
        tungstenite::client::client(request, server.connect()).map_err(Box::new)
    };
    for refused in [
        None,
        Some("Basic bWlrZXk6d3Jvbmc="),
        Some("Bearer nonsense"),
    ] {
        match open(refused).map_err(|error| *error) {
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                assert_eq!(answer.status(), 401, "{refused:?}");
                assert!(answer.headers().contains_key("WWW-Authenticate"));
            }
            other => panic!("{refused:?}: {other:?}"),
        }
    }
    // mikey:secret
    let (mut live, _) = open(Some("Basic bWlrZXk6c2VjcmV0")).expect("the password is right");
    filter(&mut live, &json!([]));

    let mut socket = open_socket(&server, "/sysadm/ws");
    let request = |name: &str, args: Value| json!({"namespace": "rpc", "name": name, "id": "r", "args": args});
    let refused = ask(
        &mut socket,
        &json!({"namespace": "events", "name": "subscribe", "id": "s", "args": ["dispatcher"]}),
    );
    assert_eq!(refused["args"]["code"], "401");
    let wrong = json!({"username": "mikey", "password": "wrong"});
    assert_eq!(
        ask(&mut socket, &request("auth", wrong))["args"]["code"],
        "401"
    );
    let right = json!({"username": "mikey", "password": "secret"});
    let reply = ask(&mut socket, &request("auth", right));
    let token = reply["args"][0].as_str().expect("a token").to_owned();
    assert_eq!(
        (token.len(), &reply["args"][1]),
        (20, &json!(900)),
        "{reply}"
    );
    subscribe(&mut socket, &json!("dispatcher"));
    // The token opens other sockets, on whichever shard they land.
    for _ in 0..6 {
        let mut other = open_socket(&server, "/sysadm/ws");
        let reply = ask(&mut other, &request("auth_token", json!({"token": token})));
        assert_eq!(reply["args"][0], json!(token), "{reply}");
        subscribe(&mut other, &json!("dispatcher"));
    }
}

fn the_node_says_how_it_is(setting: Setting) {
    let (server, _file) = configured(
        setting,
        "[sysadm]\nstate_first = \"1s\"\nstate_interval = \"1s\"\n",
    );
    let mut sockets: Vec<_> = (0..4).map(|_| open_socket(&server, "/sysadm")).collect();
    for socket in &mut sockets {
        tell(
            socket,
            &json!({"namespace": "events", "name": "subscribe", "id": "s", "args": ["system-state"]}),
        );
    }
    for socket in &mut sockets {
        let state = loop {
            let message = next_event(socket);
            if message["namespace"] == "events" && message["name"] == "system-state" {
                break message;
            }
        };
        let fields = state["args"].as_object().expect("an object");
        assert!(fields.values().all(Value::is_string), "{state}");
        assert!(!state["args"]["hostname"].as_str().expect("text").is_empty());
        assert!(
            state["args"]["priority"]
                .as_str()
                .expect("text")
                .contains(" - ")
        );
    }
    // Whoever comes later finds the last one, before the reply: on every shard, once the mail is
    // there.
    let finds_it = || {
        let mut late = open_socket(&server, "/sysadm");
        tell(
            &mut late,
            &json!({"namespace": "events", "name": "subscribe", "id": "s", "args": ["system-state"]}),
        );
        next_event(&mut late)["name"] == "system-state"
            && next_event(&mut late)["name"] == "response"
    };
    let found = (0..100).find(|_| {
        pause(20);
        finds_it()
    });
    assert!(found.is_some());
}
