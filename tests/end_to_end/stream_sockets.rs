//! The stream dialect over a WebSocket, as browsers open it, and who else hears what is published
//! there.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::clients::{agent, get, next_event, open_socket, publish};
use crate::server::{Server, Setting};
use crate::tokens::server_with_tokens;

on_every_setting!(a_socket_publishes_and_hears, all_dialects_hear_one_another,);
on_both_drivers!(
    a_bad_token_is_told_on_the_open_socket,
    wrong_requests_leave_the_socket_open,
);

type Socket = WebSocket<TcpStream>;

/// Opens a socket of the dialect with a token where browsers can put one; answers the subprotocol
/// as well.
pub(crate) fn open(server: &Server, query: &str, token: &str) -> (Socket, Option<String>) {
    let url = format!("ws://{}/event/v2/stream?{query}", server.address);
    let mut request = url.into_client_request().expect("a request");
    let offer = format!("Bearer, {token}").parse().expect("ASCII");
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", offer);
    let opened = tungstenite::client::client(request, server.connect());
    let (socket, answer) = opened.expect("the handshake succeeds");
    let protocol = answer.headers().get("Sec-WebSocket-Protocol");
    let protocol = protocol.map(|name| name.to_str().expect("ASCII").to_owned());
    (socket, protocol)
}

/// Sends a request and answers what comes next.
pub(crate) fn ask(socket: &mut Socket, request: &Value) -> Value {
    let text = request.to_string();
    socket.send(Message::text(text)).expect("it is read");
    next_event(socket)
}

/// Subscribes; it is in force when this is over.
pub(crate) fn subscribe(socket: &mut Socket, wanted: &Value) {
    let reply = ask(socket, &json!({"subscribe": wanted, "correlationId": "s"}));
    let expected = json!({"result": {"correlationId": "s", "subscribed": wanted}});
    assert_eq!(reply, expected);
}

fn a_socket_publishes_and_hears(setting: Setting) {
    let (server, tokens) = server_with_tokens(setting);
    let mut listeners: Vec<Socket> = (0..6)
        .map(|n| {
            let query = format!("version=1&sessionid=listener-{n}&clienttype=test");
            let (mut socket, protocol) = open(&server, &query, &tokens.subscriber);
            assert_eq!(protocol.as_deref(), Some("Bearer"));
            // What the original's clients say first.
            let pong = ask(&mut socket, &json!({"ping": "hello", "correlationId": "c"}));
            let session = format!("listener-{n}");
            let expected = json!({"correlationId": "c", "sessionId": session, "pong": "hello"});
            assert_eq!(pong["result"], expected);
            subscribe(
                &mut socket,
                &json!({"name": "app:*", "target": {"projectId": "p"}}),
            );
            socket
        })
        .collect();
    let (mut speaker, _) = open(&server, "SessionId=me", &tokens.publisher);
    for n in 0..10 {
        // Numbers keep their digits from JSON to JSON.
        let event = format!(
            r#"{{"correlationId":"p{n}","publish":{{"name":"app:chat","payload":{{"n":{n}.50}},
                "target":{{"layoutId":"l","projectId":"p"}},"requestMetadata":{{"why":[1]}}}}}}"#
        );
        speaker.send(Message::text(event)).expect("it is read");
        let reply = loop {
            match speaker.read().expect("a reply") {
                Message::Text(text) => break text,
                other => assert!(other.is_ping(), "{other:?}"),
            }
        };
        assert!(reply.contains(&format!(r#""payload":{{"n":{n}.50}}"#)));
        let reply: Value = serde_json::from_str(&reply).expect("JSON");
        assert_eq!(reply["result"]["correlationId"], format!("p{n}"));
        let published = &reply["result"]["published"];
        assert_eq!(published["requestMetadata"], json!({"why": [1]}));
        for socket in &mut listeners {
            let heard = next_event(socket);
            assert_eq!(heard["result"]["sessionId"], "me");
            assert_eq!(&heard["result"]["event"], published);
            assert_eq!(heard["result"]["correlationId"], Value::Null);
        }
    }
    drop((listeners, speaker));
    server.await_metric("subscriptions", 0);
}

fn all_dialects_hear_one_another(setting: Setting) {
    let server = Server::start(setting, &[]);
    let (mut stream, _) = open(&server, "", "x");
    subscribe(&mut stream, &json!({"name": "dispatcher"}));
    let mut live = open_socket(&server, "/live/ws");
    let filters = json!([{"property": "type", "value": "dispatcher"}]);
    let reply = ask(&mut live, &json!({"type": "filter", "filters": filters}));
    assert_eq!(reply["success"], true);
    let mut sysadm = open_socket(&server, "/sysadm");
    let request =
        json!({"namespace": "events", "name": "subscribe", "id": "s", "args": ["dispatcher"]});
    assert_eq!(ask(&mut sysadm, &request)["name"], "response");
    let mut feed = open_socket(&server, "/api/sessions/room/events");

    let target = json!({"layoutId": "room", "projectId": "p", "collectionId": "c"});
    let event = json!({"name": "dispatcher", "payload": {"n": 1}, "target": target});
    let (mut speaker, _) = open(&server, "", "x");
    let reply = ask(&mut speaker, &json!({"publish": event}));
    let published = &reply["result"]["published"];
    assert_eq!(&next_event(&mut stream)["result"]["event"], published);
    let heard = next_event(&mut live);
    let wanted = json!(["dispatcher", 1, "room", "p", "c"]);
    let fields = ["type", "n", "sessionId", "projectId", "groupId"].map(|field| &heard[field]);
    assert_eq!(json!(fields), wanted);
    assert_eq!(next_event(&mut sysadm)["args"], json!({"n": 1}));
    let heard = next_event(&mut feed);
    let wanted = json!({"type": "dispatcher", "data": {"n": 1}, "number": 0});
    assert_eq!(heard, wanted);
    let history = format!("{}?last_event=-1", server.events("room"));
    let (status, text) = get(&agent(), &history);
    assert_eq!(status, 200);
    let history: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(history, json!([wanted]));

    // And the other way round: what is no object becomes one.
    let body = r#"{"type":"dispatcher","data":[2]}"#;
    assert_eq!(publish(&agent(), &server.events("room"), body), 1);
    let heard = next_event(&mut stream);
    let event = &heard["result"]["event"];
    assert_eq!(event["payload"], json!({"data": [2]}));
    assert_eq!(event["target"]["layoutId"], "room");
    assert_eq!(next_event(&mut live)["data"], json!([2]));
    assert_eq!(next_event(&mut sysadm)["args"], json!([2]));
    assert_eq!(next_event(&mut feed)["number"], 1);
}

fn a_bad_token_is_told_on_the_open_socket(setting: Setting) {
    let (server, _tokens) = server_with_tokens(setting);
    let (mut socket, protocol) = open(&server, "sessionid=s", "ff_unknown");
    assert_eq!(protocol.as_deref(), Some("Bearer"));
    let told = next_event(&mut socket);
    assert_eq!(
        (&told["code"], &told["error"]["code"]),
        (&json!(16), &json!(16))
    );
    assert_eq!(told["error"]["details"], json!([]));
    assert_eq!(told["message"], told["error"]["message"]);
    match socket.read() {
        Ok(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Policy),
        other => panic!("no goodbye: {other:?}"),
    }
    socket.read().expect_err("nothing follows a goodbye");
}

fn wrong_requests_leave_the_socket_open(setting: Setting) {
    let server = Server::start(setting, &[]);
    let (mut socket, _) = open(&server, "", "x");
    for wrong in [
        json!({"correlationId": "c"}),
        json!({"correlationId": "c", "ping": ""}),
        json!({"correlationId": "c", "subscribe": {"name": "a||b"}}),
        json!({"correlationId": "c", "publish": {"name": "a"}}),
        json!({"correlationId": "c", "publish": {"name": "a", "payload": 1}}),
        json!({"correlationId": "c", "publish": {"name": "x".repeat(129), "payload": {}}}),
    ] {
        let told = ask(&mut socket, &wrong);
        assert_eq!(told["result"]["correlationId"], "c", "{wrong}");
        assert_eq!(told["result"]["error"]["code"], 3, "{wrong}");
    }
    let told = ask(&mut socket, &json!({"ping": "still"}));
    assert_eq!(told, json!({"result": {"pong": "still"}}));
}
