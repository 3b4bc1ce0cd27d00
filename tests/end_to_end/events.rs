//! Publishing and listening over HTTP: the main job.

use std::fmt::Write as _;
use std::io::Read as _;

use serde_json::Value;

use crate::clients::{
    EventStream, agent, counted, counted_array, data_of, field, get, publish, read_to_end, send,
};
use crate::server::{Server, Setting, curl, curl_output};

on_every_setting!(
    a_parked_poll_gets_what_curl_posts,
    curl_follows_an_event_stream,
    an_event_stream_resumes,
    connections_on_any_shard_get_the_event,
    arrays_are_published_in_order,
    a_chunked_body_of_the_largest_size,
    pipelined_requests_are_answered_in_order,
);

fn a_parked_poll_gets_what_curl_posts(setting: Setting) {
    let server = Server::start(setting, &[]);
    let events = server.events("main");
    let Some(poll) = curl(&[&events]) else {
        return;
    };
    server.await_metric("readers", 1);
    let body = r#"{"type":"hello","data":{"n":1}}"#;
    let posted = curl(&["-i", "-d", body, &events]).expect("curl was there");
    let posted = curl_output(posted);
    assert!(posted.starts_with("HTTP/1.1 200"), "{posted}");
    assert!(posted.contains("Fanfare-Number: 0\r\n"), "{posted}");
    let answer = curl_output(poll);
    let told: Value = serde_json::from_str(&answer).expect("JSON");
    let wanted = serde_json::json!([{"type": "hello", "data": {"n": 1}, "number": 0}]);
    assert_eq!(told, wanted, "{answer}");
    server.await_metric("readers", 0);
    let history = curl(&[&format!("{events}?last_event=-1")]).expect("curl was there");
    assert_eq!(curl_output(history), answer);
}

fn curl_follows_an_event_stream(setting: Setting) {
    let server = Server::start(setting, &[]);
    let events = server.events("stream");
    let agent = agent();
    publish(&agent, &events, &counted(0));
    let past = format!("{events}?last_event=-1");
    let Some(mut child) = curl(&["-N", "-H", "Accept: text/event-stream", &past]) else {
        return;
    };
    let mut stream = EventStream::new(child.stdout.take().expect("it is piped"));
    for n in 0..20 {
        let told = stream.next().expect("another event");
        assert_eq!(field(&told, "event"), Some("count"), "{told:?}");
        assert_eq!(field(&told, "data"), Some(n.to_string().as_str()));
        let id = field(&told, "id").expect("an id");
        assert!(id.ends_with(&format!(":{n}")), "{id}");
        publish(&agent, &events, &counted(n + 1));
    }
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    server.await_metric("readers", 0);
}

fn an_event_stream_resumes(setting: Setting) {
    let server = Server::start(setting, &[]);
    let events = server.events("resumed");
    let agent = agent();
    publish(&agent, &events, &counted_array(0, 10));
    let mut last_id = String::new();
    let mut told = Vec::new();
    while told.len() < 30 {
        let mut request = agent
            .get(format!("{events}?last_event=-1"))
            .header("Accept", "text/event-stream");
        if !last_id.is_empty() {
            request = request.header("Last-Event-ID", &last_id);
        }
        let answer = request.call().expect("an answer");
        let mut stream = EventStream::new(answer.into_body().into_reader());
        for _ in 0..7 {
            let event = stream.next().expect("another event");
            field(&event, "id").expect("an id").clone_into(&mut last_id);
            told.push(field(&event, "data").expect("data").to_owned());
        }
        // Published while this reader is away, or is just leaving.
        drop(stream);
        publish(
            &agent,
            &events,
            &counted_array(10 + told.len() as u64 / 7 * 10 - 10, 10),
        );
    }
    let wanted: Vec<String> = (0..told.len()).map(|n| n.to_string()).collect();
    assert_eq!(told, wanted);
}

fn connections_on_any_shard_get_the_event(setting: Setting) {
    let server = Server::start(setting, &[]);
    let path = "/api/sessions/crowd/events";
    let mut polls: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for (index, poll) in polls.iter_mut().enumerate() {
        // Half of them ask twice, so that a connection in use moves, too.
        if index % 2 == 0 {
            send(poll, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
            let mut answer = [0; 512];
            let read = poll.read(&mut answer).expect("an answer");
            assert!(answer[..read].ends_with(b"ok\n"));
        }
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        send(poll, request);
    }
    server.await_metric("readers", 40);
    publish(&agent(), &server.events("crowd"), &counted(7));
    for poll in &mut polls {
        let answer = read_to_end(poll);
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(data_of(body), [7], "{answer}");
    }
    let moved = server.metric("connections_moved");
    assert_eq!(moved > 0, setting.shards > 1, "{moved} moved");
}

fn arrays_are_published_in_order(setting: Setting) {
    let server = Server::start(setting, &[]);
    let events = server.events("arrays");
    let agent = agent();
    assert_eq!(publish(&agent, &events, &counted_array(0, 1_000)), 0);
    assert_eq!(publish(&agent, &events, &counted_array(1_000, 3)), 1_000);
    let mut refused = agent
        .post(&events)
        .send(r#"[{"type":1,"data":2},{"type":1}]"#)
        .expect("an answer");
    assert_eq!(refused.status(), 400);
    let problem = refused.body_mut().read_to_string().expect("text");
    assert!(problem.contains("missing_field"), "{problem}");
    let (_, history) = get(&agent, &format!("{events}?last_event=-1"));
    assert_eq!(data_of(&history), (0..1_003).collect::<Vec<_>>());
}

fn a_chunked_body_of_the_largest_size(setting: Setting) {
    let server = Server::start(setting, &[]);
    let events = server.events("large");
    let frame = r#"{"type":"large","data":""}"#;
    let text = "x".repeat(1024 * 1024 - frame.len());
    let post = |body: &str| {
        let file = tempfile::NamedTempFile::new().expect("a scratch file");
        std::fs::write(file.path(), body).expect("written");
        let from = format!("@{}", file.path().display());
        let chunked = "Transfer-Encoding: chunked";
        let code = "%{http_code}";
        let child = curl(&["-H", chunked, "-w", code, "--data-binary", &from, &events])?;
        Some(curl_output(child))
    };
    let Some(answer) = post(&format!(r#"{{"type":"large","data":"{text}"}}"#)) else {
        return;
    };
    assert_eq!(answer, "200");
    let one_more = format!(r#"{{"type":"large","data":"{text}x"}}"#);
    let answer = post(&one_more).expect("curl was there");
    assert!(answer.ends_with("413"), "{answer}");
    let (_, history) = get(&agent(), &format!("{events}?last_event=-1"));
    let told: Vec<Value> = serde_json::from_str(&history).expect("JSON");
    assert_eq!(told.len(), 1);
    assert!(
        told[0]["data"] == text.as_str(),
        "the text came back changed"
    );
}

fn pipelined_requests_are_answered_in_order(setting: Setting) {
    let server = Server::start(setting, &[]);
    let mut stream = server.connect();
    let mut requests = String::new();
    for n in 0..50 {
        let body = counted(n);
        // Two sessions, so that with two shards some of these ask another one.
        let path = format!("/api/sessions/pipelined-{}/events", n % 2);
        let length = body.len();
        let _ = write!(
            requests,
            "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
        );
        requests += &body;
    }
    for session in 0..2 {
        let path = format!("/api/sessions/pipelined-{session}/events?last_event=-1");
        let close = if session == 1 {
            "Connection: close\r\n"
        } else {
            ""
        };
        let _ = write!(requests, "GET {path} HTTP/1.1\r\nHost: h\r\n{close}\r\n");
    }
    send(&mut stream, requests);
    let answers = read_to_end(&mut stream);
    let numbers = answers
        .lines()
        .filter_map(|line| line.strip_prefix("Fanfare-Number: "));
    let numbers: Vec<u64> = numbers.map(|n| n.parse().expect("a number")).collect();
    let wanted: Vec<u64> = (0..50).map(|n| n / 2).collect();
    assert_eq!(numbers, wanted);
    let arrays: Vec<Vec<u64>> = answers
        .split("\r\n\r\n")
        .filter(|part| part.starts_with('['))
        .map(|part| data_of(&part[..=part.rfind(']').expect("an end")]))
        .collect();
    let odd_or_even = |rest| (0..50).filter(|n| n % 2 == rest).collect::<Vec<u64>>();
    assert_eq!(arrays, [odd_or_even(0), odd_or_even(1)]);
}
