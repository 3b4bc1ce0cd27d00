//! `publish`: the request on the wire, and what each answer becomes.

use std::io::Write;
use std::process::Stdio;

use crate::support::{Script, fanfare, field, finish, run};

const PUBLISHED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nFanfare-Epoch: ab\r\n\
     Fanfare-Number: 7\r\nFanfare-Id: 0190aaaa\r\n\r\n";

#[test]
fn the_request_is_what_the_contract_says() {
    let script = Script::answering(PUBLISHED);
    let data = r#"{"a": 1.50}"#;
    let url = script.url();
    let published = run(&[
        "publish",
        "room 1/é",
        "--type",
        "status",
        "--data",
        data,
        "--url",
        &url,
        "--idempotency-key",
        "k-1",
    ]);
    assert_eq!(published.code, Some(0), "{published:?}");
    assert_eq!(published.stdout, "{\"id\":\"0190aaaa\",\"number\":7}\n");
    assert_eq!(published.stderr, "");
    let request = script.request();
    let line = "POST /api/sessions/room%201%2F%C3%A9/events HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    assert_eq!(body, format!(r#"{{"type":"status","data":{data}}}"#));
    let length = body.len().to_string();
    assert_eq!(field(&request, "content-length"), Some(length.as_str()));
    assert_eq!(field(&request, "idempotency-key"), Some("k-1"));
    assert_eq!(field(&request, "content-type"), Some("application/json"));
}

#[test]
fn data_may_come_from_standard_input_and_a_type_may_be_json() {
    let script = Script::answering(PUBLISHED);
    let url = script.url();
    let mut command = fanfare(&[
        "publish",
        "s",
        "--type",
        "[1]",
        "--type-json",
        "--data",
        "-",
        "--url",
        &url,
    ]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b" [1,\n2]\n").expect("written");
    drop(stdin);
    assert_eq!(finish(child).code, Some(0));
    let request = script.request();
    assert!(
        request.ends_with("\r\n\r\n{\"type\":[1],\"data\":[1,\n2]}"),
        "{request}"
    );
    assert_eq!(field(&request, "idempotency-key"), None);
}

#[test]
fn a_refusal_is_shown_in_the_servers_words() {
    let body = r#"{"error":{"code":"missing_field","message":"data is missing"}}"#;
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Length";
    let script = Script::answering(&format!("{head}: {}\r\n\r\n{body}", body.len()));
    let refused = run(&[
        "publish",
        "s",
        "--type",
        "a",
        "--data",
        "1",
        "--url",
        &script.url(),
    ]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    let expected =
        "fanfare: the server answered 400 Bad Request: data is missing (missing_field)\n";
    assert_eq!(refused.stderr, expected);
}

#[test]
fn a_server_without_numbers_is_no_failure() {
    let script = Script::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let published = run(&[
        "publish",
        "s",
        "--type",
        "a",
        "--data",
        "1",
        "--url",
        &script.url(),
    ]);
    assert_eq!(published.code, Some(0));
    assert_eq!(published.stdout, "{\"id\":null,\"number\":null}\n");
}

#[test]
fn nothing_is_sent_that_is_not_json() {
    let url = "http://127.0.0.1:9";
    let refused = run(&[
        "publish", "s", "--type", "a", "--data", "hello", "--url", url,
    ]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--data is not JSON"), "{refused:?}");
}

#[test]
fn an_absent_server_is_said() {
    let url = {
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}", listener.local_addr().expect("it is bound"))
    };
    let refused = run(&["publish", "s", "--type", "a", "--data", "1", "--url", &url]);
    assert_eq!(refused.code, Some(1));
    let expected = format!("fanfare: cannot publish to {url}/api/sessions/s/events: ");
    assert!(refused.stderr.starts_with(&expected), "{refused:?}");
}
