//! `tail`: what it asks for, what it prints, and how it comes back.

use std::io::{BufRead, BufReader, Read};

use crate::child::await_exit;
use crate::support::{Script, fanfare, field, run};

fn head(next: u64) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nFanfare-Epoch: ab\r\n\
         Fanfare-Oldest: 0\r\nFanfare-Next: {next}\r\nConnection: close\r\n\r\n"
    )
}

fn pieces(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn tail(script: &Script, args: &[&str]) -> crate::support::Finished {
    let url = script.url();
    run(&[&["tail", "room", "--url", &url][..], args].concat())
}

#[test]
fn a_broken_stream_is_resumed_after_the_last_event() {
    let script = Script::start(vec![
        pieces(&[
            &head(8),
            ": hello\n\nid: ab:7\nevent: sta",
            "tus\ndata: {\"a\":\ndata: 1.50}\n\nid: ab:8\nda",
        ]),
        pieces(&[
            &head(30),
            "event: fanfare:gap\ndata: {\"from\":8,\"to\":20}\n\n",
            "id: ab:21\ndata: \"x\"\n\n",
        ]),
    ]);
    let followed = tail(&script, &["--from", "6", "--once", "2"]);
    assert_eq!(followed.code, Some(0), "{followed:?}");
    let expected = [
        "{\"number\":7,\"type\":\"status\",\"data\":{\"a\": 1.50}}",
        "{\"gap\":{\"from\":8,\"to\":20}}",
        "{\"number\":21,\"type\":null,\"data\":\"x\"}",
        "",
    ];
    assert_eq!(followed.stdout, expected.join("\n"));
    assert!(
        followed
            .stderr
            .contains("the server closed the stream; reconnecting"),
        "{followed:?}"
    );
    assert!(
        followed
            .stderr
            .contains("GAP: events 8 to 20 are no longer retained"),
        "{followed:?}"
    );

    let first = script.request();
    let line = "GET /api/sessions/room/events?last_event=6 HTTP/1.1\r\n";
    assert!(first.starts_with(line), "{first}");
    assert_eq!(field(&first, "accept"), Some("text/event-stream"));
    assert_eq!(field(&first, "last-event-id"), None);
    let second = script.request();
    assert!(
        second.starts_with("GET /api/sessions/room/events HTTP/1.1\r\n"),
        "{second}"
    );
    assert_eq!(field(&second, "last-event-id"), Some("ab:7"));
}

#[test]
fn a_stream_without_events_is_resumed_where_it_began() {
    let script = Script::start(vec![
        pieces(&[&head(5), ":\n\n"]),
        pieces(&[&head(6), "id: ab:5\nevent: a\ndata: 1\n\n"]),
    ]);
    let followed = tail(&script, &["--once", "1"]);
    assert_eq!(
        followed.stdout,
        "{\"number\":5,\"type\":\"a\",\"data\":1}\n"
    );
    assert!(
        script
            .request()
            .starts_with("GET /api/sessions/room/events HTTP")
    );
    let second = script.request();
    let line = "GET /api/sessions/room/events?last_event=4&epoch=ab HTTP/1.1\r\n";
    assert!(second.starts_with(line), "{second}");
}

#[test]
fn a_reset_is_told_and_followed_into_the_new_life() {
    let reset = "event: fanfare:gap\ndata: {\"reset\":true}\n\n";
    let script = Script::start(vec![
        pieces(&[&head(2).replace("ab", "cd"), reset]),
        pieces(&[&head(2).replace("ab", "cd"), "id: cd:2\ndata: 1\n\n"]),
    ]);
    let followed = tail(&script, &["--from", "100", "--once", "1"]);
    let expected = "{\"gap\":{\"reset\":true}}\n{\"number\":2,\"type\":null,\"data\":1}\n";
    assert_eq!(followed.stdout, expected, "{followed:?}");
    assert!(script.request().contains("?last_event=100 "));
    assert!(script.request().contains("?last_event=-1&epoch=cd "));
}

#[test]
fn chunked_streams_are_read_as_they_come() {
    let chunked = head(0).replace("Connection: close", "Transfer-Encoding: chunked");
    let script = Script::start(vec![pieces(&[
        &chunked,
        "9\r\nid: ab:0\n\r\n",
        "9\r\ndata: 1\n\n\r\n",
    ])]);
    let followed = tail(&script, &["--once", "1"]);
    assert_eq!(
        followed.stdout, "{\"number\":0,\"type\":null,\"data\":1}\n",
        "{followed:?}"
    );
}

#[test]
fn overload_passes_and_a_refusal_does_not() {
    // The script closes after each answer, and says so: else the client might ask again on a
    // connection that is about to end.
    let close = "Connection: close\r\n";
    let busy = format!("HTTP/1.1 503 Service Unavailable\r\n{close}Content-Length: 4\r\n\r\nbusy");
    let script = Script::start(vec![
        pieces(&[&busy]),
        pieces(&["HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"]),
    ]);
    let followed = tail(&script, &[]);
    assert_eq!(
        (followed.code, followed.stdout.as_str()),
        (Some(1), ""),
        "{followed:?}"
    );
    let (first, second) = followed.stderr.split_once('\n').expect("two lines");
    let busy = "fanfare: the server answered 503 Service Unavailable: busy; reconnecting in ";
    assert!(first.starts_with(busy), "{first}");
    assert_eq!(second, "fanfare: the server answered 404 Not Found: no\n");
}

#[test]
fn the_end_of_the_session_is_its_end() {
    let gone = r#"{"error":{"code":"gone","message":"the session was deleted"}}"#;
    let length = gone.len();
    let script = Script::start(vec![
        pieces(&[&head(0), "id: ab:0\ndata: 1\n\n"]),
        pieces(&[&format!(
            "HTTP/1.1 410 Gone\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{gone}"
        )]),
    ]);
    let followed = tail(&script, &[]);
    assert_eq!(followed.code, Some(1), "{followed:?}");
    assert_eq!(followed.stdout, "{\"number\":0,\"type\":null,\"data\":1}\n");
    let last = "fanfare: the server answered 410 Gone: the session was deleted (gone)\n";
    assert!(followed.stderr.ends_with(last), "{followed:?}");
}

#[test]
fn what_is_not_an_event_stream_is_refused() {
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
    let followed = tail(&Script::answering(json), &[]);
    assert_eq!(followed.code, Some(1));
    let expected = "fanfare: expected text/event-stream, the server sent \"application/json\"\n";
    assert_eq!(followed.stderr, expected);
    let over = tail(&Script::answering("HTTP/1.1 204 No Content\r\n\r\n"), &[]);
    assert_eq!((over.code, over.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_reader_that_leaves_ends_it_cleanly() {
    // Enough events after the first for the pipe's end to be noticed.
    let event = "id: ab:1\ndata: 1\n\n";
    let mut script = pieces(&[&head(0)]);
    script.extend(std::iter::repeat_n(event.as_bytes().to_vec(), 100));
    let script = Script::start(vec![script]);
    let url = script.url();
    let mut child = fanfare(&["tail", "room", "--url", &url])
        .spawn()
        .expect("starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout
        .read_line(&mut line)
        .expect("a line at once, while the stream is open");
    assert_eq!(line, "{\"number\":1,\"type\":null,\"data\":1}\n");
    drop(stdout);
    assert_eq!(await_exit(&mut child).code(), Some(0));
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().expect("piped");
    pipe.read_to_string(&mut stderr).expect("text");
    assert_eq!(stderr, "");
}
