//! The program as an operator meets it: what it prints, how it refuses, its own client commands.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::clients::{agent, get, pause, publish};
use crate::server::{DEADLINE, Server, Setting, fanfare};

on_every_setting!(the_ready_line_and_some_to_try);
on_both_drivers!(
    publish_and_tail_against_the_server,
    json_logs_are_json_lines,
    logs_in_a_file_are_plain,
    an_occupied_address_is_refused,
    an_idle_server_rests,
);

fn the_ready_line_and_some_to_try(setting: Setting) {
    let server = Server::start(setting, &[]);
    let address = server.address;
    let shards = match setting.shards {
        1 => "1 shard".to_owned(),
        more => format!("{more} shards"),
    };
    let ready = format!(
        "fanfare listening on {address} ({shards}, {})",
        setting.driver
    );
    let events = format!("http://{address}/api/sessions/demo/events");
    let hello = r#"{"type":"hello","data":{"n":1}}"#;
    let greeting = r#"{"scope":{"type":"organization"},"payload":{"event":{"eventName":"hello","data":{"n":1}}}}"#;
    let posts = format!("http://{address}/api/v1/pub_subs");
    let wanted = [
        ready,
        format!("  pubsub:   open http://{address}/pubsub/demo in two windows, or"),
        format!("            curl -d '{greeting}' {posts}"),
        format!("  listen:   curl -N -H 'Accept: text/event-stream' {events}"),
        format!("  publish:  curl -d '{hello}' {events}"),
        format!("  history:  curl '{events}?last_event=-1'"),
        format!("  stream:   curl -N 'http://{address}/event/v2/stream?subscribe.name=*'"),
        format!("  live:     websocat ws://{address}/live/ws"),
    ];
    assert_eq!(server.banner, wanted);
    // What it tells people to try works.
    publish(&agent(), &events, hello);
    let (status, history) = get(&agent(), &format!("{events}?last_event=-1"));
    assert_eq!(status, 200);
    assert!(history.contains(r#""n":1"#), "{history}");
    let answer = agent().post(&posts).send(greeting).expect("an answer");
    assert_eq!(answer.status(), 201);
    let (_, history) = get(&agent(), &format!("{events}?last_event=0"));
    assert_eq!(history, r#"[{"type":"hello","data":{"n":1},"number":1}]"#);
    let (status, page) = get(&agent(), &server.url("/pubsub/demo"));
    assert!(
        status == 200 && page.contains("/pubsub/client.js?v="),
        "{page}"
    );
    assert_eq!(
        get(&agent(), &server.url("/healthz")),
        (200, "ok\n".to_owned())
    );
    // The echo is for test suites, and only if it is asked for.
    assert_eq!(get(&agent(), &server.url("/echo")).0, 404);
}

fn output_of(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn publish_and_tail_against_the_server(setting: Setting) {
    let server = Server::start(setting, &[]);
    let url = server.url("");
    let mut tail = fanfare(&["tail", "tailed", "--once", "2", "--url", &url]);
    tail.stdout(Stdio::piped()).stderr(Stdio::piped());
    let tail = tail.spawn().expect("it starts");
    server.await_metric("readers", 1);
    for n in 0..2 {
        let data = format!(r#"{{"n":{n}}}"#);
        let arguments = [
            "publish", "tailed", "--type", "t", "--data", &data, "--url", &url,
        ];
        let (code, receipt, problem) = output_of(fanfare(&arguments));
        assert_eq!(code, Some(0), "{problem}");
        let receipt: Value = serde_json::from_str(&receipt).expect("JSON");
        assert_eq!(receipt["number"], n);
    }
    let output = tail.wait_with_output().expect("our own child");
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let wanted = "{\"number\":0,\"type\":\"t\",\"data\":{\"n\":0}}\n\
                  {\"number\":1,\"type\":\"t\",\"data\":{\"n\":1}}\n";
    assert_eq!(lines, wanted);
    let from = [
        "tail", "tailed", "--from", "0", "--once", "1", "--url", &url,
    ];
    let (code, lines, _) = output_of(fanfare(&from));
    assert_eq!(code, Some(0));
    assert!(lines.starts_with("{\"number\":1,"), "{lines}");
    server.await_metric("readers", 0);
}

fn json_logs_are_json_lines(setting: Setting) {
    let mut server = Server::start(setting, &["--log-format", "json", "-vv"]);
    publish(
        &agent(),
        &server.events("logged"),
        r#"{"type":"\n","data":1}"#,
    );
    server.signal("TERM");
    assert_eq!(server.await_exit().code(), Some(0));
    let log = server.log();
    let lines = log.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().expect("JSON lines");
    let messages: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["fields"]["message"].as_str())
        .collect();
    for wanted in ["listening", "leaving", "left"] {
        assert!(messages.contains(&wanted), "no {wanted:?} in {log}");
    }
}

fn logs_in_a_file_are_plain(setting: Setting) {
    let mut server = Server::start(setting, &[]);
    let start = std::time::Instant::now();
    while !server.log().contains("listening") {
        assert!(start.elapsed() < DEADLINE, "it logs nothing");
        pause(10);
    }
    let log = server.log();
    assert!(!log.contains('\u{1b}'), "colours in a file: {log:?}");
}

fn an_occupied_address_is_refused(setting: Setting) {
    let refused = |address: &str| {
        let arguments = ["--listen", address, "--driver", setting.driver];
        let (code, out, problem) = match Server::spawn(fanfare(&arguments)) {
            Ok(server) => panic!("it listens as well: {:?}", server.banner),
            Err(problem) => (problem.contains("exit status: 2"), String::new(), problem),
        };
        assert!(code, "{out}{problem}");
        assert!(problem.contains("server.listen"), "{problem}");
        assert!(problem.contains(address), "{problem}");
    };
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    refused(&other.local_addr().expect("it is bound").to_string());
    // Another server of ours is no better: each would get half of the connections.
    let server = Server::start(setting, &[]);
    refused(&server.address.to_string());
    // TEST-NET-1 (RFC 5737) is nobody's address.
    let (code, _, problem) = output_of(fanfare(&["--listen", "192.0.2.1:7400", "--open"]));
    assert_eq!(code, Some(2), "{problem}");
    assert!(problem.contains("server.listen"), "{problem}");
}

fn an_idle_server_rests(setting: Setting) {
    let server = Server::start(setting, &[]);
    let _idle: Vec<_> = (0..50).map(|_| server.connect()).collect();
    server.await_metric("connections", 51);
    let spent = server.processor_time_in(1_500);
    assert!(spent.as_millis() < 300, "{spent:?} for nothing");
}

fn refused_configuration(text: &str) -> String {
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(file.path(), text).expect("written");
    let path = file.path().to_str().expect("a plain path");
    let (code, out, problem) = output_of(fanfare(&["serve", "--config", path]));
    assert_eq!((code, out.as_str()), (Some(2), ""), "{text}: {problem}");
    problem
}

#[test]
fn a_bad_configuration_names_its_key() {
    for (text, key) in [
        ("[server]\nshardz = 1\n", "server.shardz"),
        ("[server]\nlisten = \"nowhere\"\n", "server.listen"),
        ("[hub.retention]\nage = \"soon\"\n", "hub.retention.age"),
        (
            "[sessions]\npublish_bytes_max = \"2MiB\"\n",
            "sessions.publish_bytes_max",
        ),
        ("[log]\nlevel = \"fanfare=loud\"\n", "log.level"),
        ("[server\n", "line 1"),
    ] {
        let problem = refused_configuration(text);
        assert!(problem.contains(key), "{text}: {problem}");
    }
    let (code, _, problem) = output_of(fanfare(&["serve", "--config", "/nowhere/at.all"]));
    assert_eq!(code, Some(2));
    assert!(problem.contains("/nowhere/at.all"), "{problem}");
    let (code, _, problem) = output_of(fanfare(&["--listen", "nonsense"]));
    assert_eq!(code, Some(2));
    assert!(problem.contains("--listen"), "{problem}");
}

#[test]
fn listening_for_everyone_has_to_be_said() {
    let (code, out, problem) = output_of(fanfare(&["--listen", "0.0.0.0:0"]));
    assert_eq!((code, out.as_str()), (Some(2), ""), "{problem}");
    assert!(problem.contains("server.listen"), "{problem}");
    let (code, _, problem) = output_of(fanfare(&["--listen", "0.0.0.0:0", "--open", "--echo"]));
    assert_eq!(code, Some(2), "the echo is for loopback only");
    assert!(problem.contains("server.echo"), "{problem}");
    let arguments = ["--listen", "0.0.0.0:0", "--open", "--driver", "epoll"];
    let server = Server::spawn(fanfare(&arguments)).expect("said and done");
    assert!(
        server.banner[0].contains(" 0.0.0.0:"),
        "{:?}",
        server.banner
    );
}
