//! HTTP as the `curl` program and a balancer speak it: empty bodies, expectations, early answers,
//! the server as a whole, and who may read what.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::server::{Server, Setting, curl, curl_output, fanfare};

on_every_setting!(an_empty_body_is_no_body, an_early_answer_does_not_hang);
on_both_drivers!(
    an_expectation_is_answered,
    the_server_as_a_whole,
    a_host_has_a_name,
    pages_are_judged_by_their_origin
);

const HTTP2: &str = "--http2-prior-knowledge";
const VERSIONS: [&str; 2] = ["--http1.1", HTTP2];

/// Runs a curl to its end; `None` where there is none.
fn run(args: &[&str]) -> Option<String> {
    curl(args).map(curl_output)
}

fn an_empty_body_is_no_body(setting: Setting) {
    let server = Server::start(setting, &[]);
    let empty = NamedTempFile::new().expect("a scratch file");
    let empty = empty.path().to_str().expect("a plain path");
    // The sessions are at home on all shards.
    for n in 0..8 {
        let url = format!(
            "{}?last_event=-1&timeout=0",
            server.events(&format!("s{n}"))
        );
        for args in [
            &["--http1.1", "-H", "Content-Length: 0"][..],
            &[
                "--http1.1",
                "-X",
                "GET",
                "-H",
                "Transfer-Encoding: chunked",
                "-d",
                "",
            ],
            &[HTTP2, "-X", "GET", "-T", empty],
        ] {
            let Some(body) = run(&[args, &["-f", &url]].concat()) else {
                return;
            };
            assert_eq!(body, "[]", "{args:?}");
        }
    }
}

/// A body of any length from a pipe, to where none is taken.
fn an_early_answer_does_not_hang(setting: Setting) {
    let server = Server::start(setting, &[]);
    for (version, path, expected) in VERSIONS.into_iter().flat_map(|version| {
        [
            ("/healthz", "405"),
            ("/no/such/path", "404"),
            ("/api/sessions/t/events", "413"),
        ]
        .map(|(path, status)| (version, path, status))
    }) {
        let begun = Instant::now();
        let url = server.url(path);
        let file = [
            "-T",
            "/dev/zero",
            "-X",
            "POST",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
        ];
        let Some(child) = curl(&[&file[..], &[version, &url]].concat()) else {
            return;
        };
        let output = child.wait_with_output().expect("our own child");
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(status, expected, "{version} {path} {output:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{version} {path}");
    }
    server.await_metric("http2_streams", 0);
}

fn an_expectation_is_answered(setting: Setting) {
    let server = Server::start(setting, &[]);
    let event = r#"{"type":"a","data":1}"#;
    for (version, name) in VERSIONS.into_iter().zip(["HTTP/1.1 100", "HTTP/2 100"]) {
        let url = server.events("t");
        let args = [
            "-i",
            "--expect100-timeout",
            "20",
            "-H",
            "Expect: 100-continue",
            "-d",
            event,
        ];
        let begun = Instant::now();
        let Some(answer) = run(&[&args[..], &[version, &url]].concat()) else {
            return;
        };
        assert!(answer.starts_with(name), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        let other = [
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            "Expect: a-miracle",
        ];
        let refused = run(&[&other[..], &["-d", event, version, &url]].concat());
        assert_eq!(refused.as_deref(), Some("417"), "{version}");
    }
}

fn the_server_as_a_whole(setting: Setting) {
    let server = Server::start(setting, &[]);
    for version in VERSIONS {
        let args = [
            "-f",
            "-i",
            "-X",
            "OPTIONS",
            "--request-target",
            "*",
            version,
        ];
        let Some(answer) = run(&[&args[..], &[&server.url("/")]].concat()) else {
            return;
        };
        assert!(
            answer.to_ascii_lowercase().contains("\r\nallow: get"),
            "{answer}"
        );
    }
}

fn a_host_has_a_name(setting: Setting) {
    let shards = setting.shards.to_string();
    let rest = ["--shards", &shards, "--driver", setting.driver];
    let by_option = Server::spawn(fanfare(
        &[&["serve", "--listen", "localhost:0"], &rest[..]].concat(),
    ));
    let mut file = NamedTempFile::new().expect("a scratch file");
    write!(file, "[server]\nlisten = \"localhost:0\"\n").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let by_file = Server::spawn(fanfare(&[&["serve", "--config", path], &rest[..]].concat()));
    for server in [by_option, by_file] {
        let server = server.expect("that is loopback");
        assert!(server.address.ip().is_loopback(), "{server:?}");
    }
    let nowhere = fanfare(&["serve", "--listen", "no.such.host.invalid:0"]).output();
    let nowhere = nowhere.expect("it starts");
    assert_eq!(nowhere.status.code(), Some(2), "{nowhere:?}");
}

/// A user's password is added to the handshake by the browser itself, whichever page opens the
/// socket.
fn pages_are_judged_by_their_origin(setting: Setting) {
    let drawn = fanfare(&["token", "new"]).output().expect("it starts");
    let drawn = String::from_utf8(drawn.stdout).expect("UTF-8");
    let (token, table) = drawn.split_once("\n\n").expect("a token and a table");
    let mut file = NamedTempFile::new().expect("a scratch file");
    let origins = r#"["https://a.example", "https://*.b.example"]"#;
    write!(
        file,
        "live.cors.allow_origin = {origins}\nsessions.cors.allow_origin = {origins}\n\
         [[organizations]]\nname = \"acme\"\n{table}"
    )
    .expect("written");
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    let ask = |lines: &str| {
        let mut socket = server.connect();
        socket.write_all(lines.as_bytes()).expect("it listens");
        let mut answer = [0; 4_096];
        let bytes = socket.read(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer[..bytes]).into_owned()
    };
    let upgrade = "GET /live/ws HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let basic = "Authorization: Basic bWlrZXk6c3dvcmRmaXNo\r\n";
    for (origin, expected) in [
        ("https://evil.example", "403"),
        ("null", "403"),
        // There is no such user, but that is another matter.
        ("http://h:1", "401"),
        ("https://a.example", "401"),
        ("https://x.b.example", "401"),
    ] {
        let answer = ask(&format!("{upgrade}{basic}Origin: {origin}\r\n\r\n"));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{origin} {answer}"
        );
    }
    let token = format!("Authorization: Bearer {token}\r\nOrigin: https://evil.example\r\n");
    let answer = ask(&format!("{upgrade}{token}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    // What HTTP itself refuses is readable for the pages that may read.
    for (origin, readable) in [
        ("https://x.b.example", true),
        ("https://evil.example", false),
    ] {
        let long = "a".repeat(70_000);
        let answer = ask(&format!(
            "GET /api/sessions/t/events HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\nX: {long}\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        let line = format!("Access-Control-Allow-Origin: {origin}\r\n");
        assert_eq!(answer.contains(&line), readable, "{answer}");
        assert!(answer.contains("Vary: Origin\r\n"), "{answer}");
    }
}
