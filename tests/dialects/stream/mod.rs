//! The stream dialect over HTTP/1.1, sentence by sentence: WebSocket, chunked response, POST,
//! gRPC-web.

mod access;
mod adapting;
mod body;
mod chunked;
mod grpc_web;
mod json_form;
mod leaving;
mod names;
mod post;
mod refusals;
mod slow;
mod targets;
mod tree;
mod web_calls;

use serde_json::Value;

use crate::stage::Stage;
use crate::support::http::Response;
use crate::support::socket::Socket;

/// Where streams are.
const PATH: &str = "/event/v2/stream";
/// Where one event is published by one request.
const PUBLISH: &str = "POST /event/v2/publish";

/// A text with the id of its event, which must be a `UUIDv7`, replaced by `<uuid>`.
#[track_caller]
fn normalized(text: &str) -> String {
    const BEFORE: &str = r#"{"id":""#;
    let Some(at) = text.find(BEFORE) else {
        return text.to_owned();
    };
    let (before, rest) = text.split_at(at + BEFORE.len());
    let (id, after) = rest.split_at(36);
    let parsed: uuid::Uuid = id.parse().expect("a UUID");
    assert_eq!(parsed.get_version_num(), 7, "{text}");
    assert_eq!(parsed.as_hyphenated().to_string(), id);
    format!("{before}<uuid>{after}")
}

/// What a socket got since the last look, without ids.
#[track_caller]
fn texts(stage: &mut Stage, socket: &mut Socket) -> Vec<String> {
    let texts = stage.texts(socket);
    texts.iter().map(|text| normalized(text)).collect()
}

/// Says something and returns the one text that comes back, without ids.
#[track_caller]
fn ask(stage: &mut Stage, socket: &mut Socket, text: &str) -> String {
    normalized(&socket.ask(&mut stage.node, text))
}

/// Subscribes, which is answered with what was said. `target` is JSON, or empty.
#[track_caller]
fn subscribe(stage: &mut Stage, socket: &mut Socket, name: &str, target: &str) {
    let wanted = wanted(name, target);
    let request = format!(r#"{{"subscribe":{wanted},"correlationId":"s"}}"#);
    let expected = format!(r#"{{"result":{{"correlationId":"s","subscribed":{wanted}}}}}"#);
    assert_eq!(ask(stage, socket, &request), expected);
}

/// Unsubscribes, which is answered with what was said.
#[track_caller]
fn unsubscribe(stage: &mut Stage, socket: &mut Socket, name: &str, target: &str) {
    let wanted = wanted(name, target);
    let request = format!(r#"{{"unsubscribe":{wanted},"correlationId":"u"}}"#);
    let expected = format!(r#"{{"result":{{"correlationId":"u","unsubscribed":{wanted}}}}}"#);
    assert_eq!(ask(stage, socket, &request), expected);
}

fn wanted(name: &str, target: &str) -> String {
    let target = match target {
        "" => String::new(),
        target => format!(r#","target":{target}"#),
    };
    format!(r#"{{"name":"{name}"{target}}}"#)
}

/// The body of a publish. `target` is JSON, or empty.
fn body(name: &str, payload: &str, target: &str) -> String {
    let target = match target {
        "" => String::new(),
        target => format!(r#","target":{target}"#),
    };
    format!(r#"{{"name":"{name}","payload":{payload}{target}}}"#)
}

/// Publishes by POST, whatever comes of it.
fn post(stage: &mut Stage, headers: &str, body: &str) -> Response {
    stage.ask("t", PUBLISH, headers, body)
}

/// Publishes an empty event by POST, successfully.
#[track_caller]
fn publish(stage: &mut Stage, name: &str, target: &str) {
    let answer = post(stage, "", &body(name, "{}", target));
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The names of the events that a socket got since the last look; nothing else may have come.
#[track_caller]
fn names(stage: &mut Stage, socket: &mut Socket) -> Vec<String> {
    let texts = stage.texts(socket);
    texts.iter().map(|text| name_of(text)).collect()
}

/// The name of the event that a text is.
#[track_caller]
fn name_of(text: &str) -> String {
    let message: Value = serde_json::from_str(text).expect("JSON");
    let name = message["result"]["event"]["name"].as_str();
    name.unwrap_or_else(|| panic!("not an event: {text}"))
        .to_owned()
}

/// The correlation id, code and message of the error that a text is; the stream goes on after it.
#[track_caller]
fn error_of(text: &str) -> (Option<String>, u64, String) {
    let message: Value = serde_json::from_str(text).expect("JSON");
    let result = &message["result"];
    let code = result["error"]["code"].as_u64();
    let code = code.unwrap_or_else(|| panic!("not an error: {text}"));
    let message = result["error"]["message"].as_str().expect("a message");
    let correlation_id = result["correlationId"].as_str().map(String::from);
    // In this form, to the byte.
    let correlation = correlation_id.as_ref().map_or_else(String::new, |id| {
        format!("\"correlationId\":{},", Value::from(&**id))
    });
    let quoted = Value::from(message);
    let exact =
        format!(r#"{{"result":{{{correlation}"error":{{"code":{code},"message":{quoted}}}}}}}"#);
    assert_eq!(text, exact);
    (correlation_id, code, message.to_owned())
}

/// The code and message of the error that ends a stream, or answers a request.
#[track_caller]
fn fatal_of(text: &str) -> (u64, String) {
    let (code, message) =
        http_error_of(&serde_json::from_str::<Value>(text).expect("JSON")["error"].to_string());
    let quoted = Value::from(&*message);
    let exact = format!(
        r#"{{"error":{{"code":{code},"message":{quoted},"details":[]}},"code":{code},"message":{quoted}}}"#
    );
    assert_eq!(text, exact);
    (code, message)
}

/// The code and message of the error that is the body of an answer.
#[track_caller]
fn http_error_of(body: &str) -> (u64, String) {
    let error: Value = serde_json::from_str(body).expect("JSON");
    let code = error["code"]
        .as_u64()
        .unwrap_or_else(|| panic!("no code: {body}"));
    let message = error["message"].as_str().expect("a message").to_owned();
    assert_eq!(error["details"], Value::Array(Vec::new()), "{body}");
    assert_eq!(error.as_object().expect("an object").len(), 3, "{body}");
    (code, message)
}

/// How many subscriptions there are; the gauge is set when deadlines are served.
fn subscriptions(stage: &mut Stage) -> u64 {
    stage.node.jump(1);
    stage.node.sum("subscriptions")
}

/// That a stream still works.
#[track_caller]
fn assert_alive(stage: &mut Stage, socket: &mut Socket) {
    let pong = socket.ask(&mut stage.node, r#"{"ping":"still there?"}"#);
    assert_eq!(pong, r#"{"result":{"pong":"still there?"}}"#);
}
