//! A server whose logs are shared: an organization that has used up its part comes back when its
//! events are too old.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use fanfare::auth::TokenDigest;
use tempfile::NamedTempFile;
use ureq::Body;
use ureq::http::Response;

use crate::clients::agent;
use crate::server::{Server, Setting};

on_both_drivers!(whose_logs_are_full_publishes_again_when_it_was_told_to);

/// Publishes an event of a kilobyte to the room.
fn publish(server: &Server, who: &str) -> Response<Body> {
    let post = agent().post(server.events("room"));
    let post = post.header("Authorization", format!("Bearer {who}"));
    let event = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(1_000));
    post.send(event).expect("an answer")
}

fn whose_logs_are_full_publishes_again_when_it_was_told_to(setting: Setting) {
    let mut file = NamedTempFile::new().expect("a scratch file");
    write!(file, "[hub.retention]\nage = \"1s\"\n").expect("written");
    for (who, most) in [("one", "logs_bytes_max = \"4KB\"\n"), ("two", "")] {
        let digest = TokenDigest::of(who);
        write!(
            file,
            "[[organizations]]\nname = \"{who}\"\n{most}\
             [[organizations.tokens]]\nsha256 = \"{digest}\"\ngrants = [\"publish\"]\n"
        )
        .expect("written");
    }
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    let mut refused = (0..1_000)
        .map(|_| publish(&server, "one"))
        .find(|answer| answer.status() != 200)
        .expect("a publish too many");
    assert_eq!(refused.status(), 503);
    let seconds = refused.headers()["retry-after"].to_str().expect("text");
    let seconds = seconds.parse().expect("a number of seconds");
    assert_eq!(seconds, 2);
    let body = refused.body_mut().read_to_string().expect("text");
    assert!(
        body.contains("this organization has as many bytes in logs as it may"),
        "{body}"
    );
    for _ in 0..8 {
        assert_eq!(publish(&server, "two").status(), 200);
    }
    thread::sleep(Duration::from_secs(seconds));
    assert_eq!(publish(&server, "one").status(), 200);
}
