//! A server whose organization may publish one event per second, on whichever shard its connections
//! land.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;
use ureq::Body;
use ureq::http::Response;

use crate::clients::{agent, counted_array};
use crate::server::{Server, Setting, fanfare};

on_both_drivers!(who_publishes_too_fast_is_told_when_to_come_back);

/// Events at once that take so many seconds to be paid for: long enough for a few refusals on a
/// busy machine.
const SECONDS: u64 = 6;

/// Publishes so many events over a connection of its own.
fn publish(server: &Server, count: u64) -> Response<Body> {
    let post = agent().post(server.events("room"));
    post.send(counted_array(0, count)).expect("an answer")
}

fn retry_after(answer: &Response<Body>) -> Option<u64> {
    let value = answer.headers().get("retry-after")?;
    value.to_str().ok()?.parse().ok()
}

fn who_publishes_too_fast_is_told_when_to_come_back(setting: Setting) {
    let mut file = NamedTempFile::new().expect("a scratch file");
    write!(file, "[hub]\npublishes_per_second = 1\n").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    assert_eq!(publish(&server, SECONDS).status(), 200);
    for _ in 0..8 {
        let refused = publish(&server, 1);
        assert_eq!(refused.status(), 429);
        let seconds = retry_after(&refused).expect("a number of seconds");
        assert!((1..=SECONDS).contains(&seconds), "{seconds}");
    }
    let url = server.url("");
    let args = ["publish", "room", "--type", "t", "--data", "1", "--url"];
    let command = || fanfare(&[&args[..], &[&url]].concat()).output();
    let refused = command().expect("it starts");
    let problem = String::from_utf8(refused.stderr).expect("UTF-8");
    assert_eq!(refused.status.code(), Some(1), "{problem}");
    assert!(
        problem.contains("429") && problem.contains("(rate_limited)"),
        "{problem}"
    );
    assert_eq!(server.metric("publishes_limited"), 9);
    assert_eq!(server.metric("events_published"), SECONDS);
    let wait = retry_after(&publish(&server, 1)).expect("still too fast");
    thread::sleep(Duration::from_secs(wait));
    let published = command().expect("it starts");
    assert_eq!(published.status.code(), Some(0), "{published:?}");
}
