//! The demo room in a real browser: two windows that talk, one that is cut off and comes back, and
//! ten thousand events a second.
//!
//! The browser is Chromium, see `support/browser.rs`. Without it these tests are skipped, but never
//! with `CI=true`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::cable::Cable;
use crate::chromium::{Browser, Page};
use crate::clients::{agent, read_to_end};
use crate::server::{Server, Setting, note};

on_both_drivers!(
    two_windows_talk_and_vote,
    a_window_that_is_cut_off_misses_nothing,
    ten_thousand_a_second_arrive_in_order,
);

/// Sizes of the two windows, in CSS pixels: a desktop's and a phone's.
const WIDE: (u32, u32) = (1_100, 800);
const NARROW: (u32, u32) = (500, 900);

/// How many events are published a second, for how many seconds.
const RATE: u64 = 10_000;
const SECONDS: u64 = 5;
/// Requests that are written together; their rate is what is meant, not each one's moment.
const BATCH: u64 = 100;

/// Puts the lines of a conversation, without who came in, where a test can look: `[["#3", "text"],
/// …]`.
const LINES: &str = "[...document.querySelectorAll('#log li:not(.note)')]\
    .map((line) => [line.querySelector('small').textContent, line.querySelector('p').textContent])";

/// How far to the right anything reaches, in CSS pixels.
const WIDEST: &str = "Math.ceil(Math.max(...[...document.querySelectorAll('body *:not(#cursors *)')]\
    .map((node) => node.getBoundingClientRect().left + Math.max(node.offsetWidth, node.scrollWidth))))";

/// What an element shows.
fn shown(id: &str) -> String {
    format!("document.getElementById('{id}').textContent")
}

/// Opens the demo and waits until it is connected.
fn enter(browser: &mut Browser, origin: &str, room: &str, size: (u32, u32)) -> Page {
    let mut page = browser.open(&format!("{origin}/pubsub/demo?room={room}"), size);
    page.wait_until(&format!("{} === 'Connected'", shown("status")));
    page
}

/// Says something as a visitor does.
fn say(page: &mut Page, text: &str) {
    let text = json!(text);
    page.evaluate(&format!(
        "document.getElementById('text').value = {text}; document.getElementById('send').click()"
    ));
}

/// Chooses an option of the poll.
fn vote(page: &mut Page, choice: u32) {
    page.evaluate(&format!(
        "document.querySelectorAll('#options input')[{choice}].click()"
    ));
}

/// Waits until the conversation has so many lines.
fn await_lines(page: &mut Page, count: usize) -> Vec<(String, String)> {
    page.wait_until(&format!("{LINES}.length >= {count}"));
    serde_json::from_value(page.evaluate(LINES)).expect("pairs of texts")
}

/// Waits until the poll shows these counts.
fn await_votes(page: &mut Page, counts: [u32; 4]) {
    let wanted = json!(counts.map(|count| count.to_string())).to_string();
    let shown = "[...document.querySelectorAll('#options output')].map((node) => node.textContent)";
    page.wait_until(&format!("JSON.stringify({shown}) === '{wanted}'"));
}

/// The body of a publish to a room of the demo.
fn event(room: &str, name: &str, data: &Value) -> String {
    let scope = json!({"type": "session", "event_id": "demo", "session_id": room});
    json!({"scope": scope, "payload": {"event": {"eventName": name, "data": data}}}).to_string()
}

/// Publishes to a room from outside; the number it was given.
fn post(agent: &ureq::Agent, server: &Server, room: &str, text: &str) -> u64 {
    let body = event(room, "chat", &json!({"text": text}));
    let mut answer = agent
        .post(server.url("/api/v1/pub_subs"))
        .send(body)
        .expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    assert_eq!(answer.status(), 201, "{text}");
    let receipt: Value = serde_json::from_str(&text).expect("JSON");
    receipt["number"].as_u64().expect("a number")
}

fn two_windows_talk_and_vote(setting: Setting) {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let server = Server::start(setting, &[]);
    let origin = server.url("");
    let mut one = enter(&mut browser, &origin, "talk", WIDE);
    let mut other = enter(&mut browser, &origin, "talk", NARROW);
    let mut elsewhere = enter(&mut browser, &origin, "elsewhere", NARROW);
    say(&mut one, "hello");
    assert_eq!(await_lines(&mut other, 1)[0].1, "hello");
    let markup = "<img src=x onerror=alert(1)> & <b>";
    say(&mut other, markup);
    let lines = await_lines(&mut one, 2);
    assert_eq!(lines[1].1, markup, "what is said is text, never markup");
    assert_eq!(lines, await_lines(&mut other, 2), "with the same numbers");
    post(&agent(), &server, "talk", "from outside");
    assert_eq!(await_lines(&mut one, 3)[2].1, "from outside");

    vote(&mut one, 2);
    vote(&mut other, 2);
    await_votes(&mut one, [0, 0, 2, 0]);
    vote(&mut other, 0);
    await_votes(&mut one, [1, 0, 1, 0]);
    await_votes(&mut other, [1, 0, 1, 0]);
    // Whoever comes later is told by those who are there.
    let mut late = enter(&mut browser, &origin, "talk", NARROW);
    await_votes(&mut late, [1, 0, 1, 0]);
    let told = await_lines(&mut late, 3);
    assert_eq!(told, await_lines(&mut one, 3), "in order, nothing twice");

    one.move_pointer(300, 300);
    other.wait_until("document.querySelectorAll('#cursors div:not(.silent)').length === 1");
    let name = one.text("document.getElementById('name').value");
    assert_eq!(
        other.text("document.querySelector('#cursors span').textContent"),
        name
    );

    let apart = await_lines(&mut elsewhere, 0);
    assert!(apart.is_empty(), "another room hears nothing: {apart:?}");
    await_votes(&mut elsewhere, [0; 4]);
    for width in [360, 420, 700, 900] {
        other.resize((width, 800));
        let wide = other.evaluate(WIDEST).as_u64().expect("pixels");
        assert!(wide <= u64::from(width), "{wide} of {width} pixels");
    }
    for page in [&mut one, &mut other, &mut elsewhere, &mut late] {
        assert_eq!(page.problems(), [""; 0]);
    }
}

fn a_window_that_is_cut_off_misses_nothing(setting: Setting) {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let server = Server::start(setting, &[]);
    let cable = Cable::to(server.address);
    let agent = agent();
    let mut page = enter(
        &mut browser,
        &format!("http://{}", cable.address),
        "cut",
        WIDE,
    );
    post(&agent, &server, "cut", "before");
    await_lines(&mut page, 1);
    // The network goes…
    page.set_offline(true);
    cable.cut();
    page.wait_until(&format!("{} !== 'Connected'", shown("status")));
    for n in 0..50 {
        post(&agent, &server, "cut", &format!("meanwhile {n}"));
    }
    assert_eq!(await_lines(&mut page, 1).len(), 1, "it is cut off");
    // …and is back.
    cable.mend();
    page.set_offline(false);
    page.wait_until(&format!("{}.startsWith('Back after ')", shown("report")));
    let report = page.text(&shown("report"));
    assert!(report.contains(", 50 events caught up with"), "{report}");
    assert!(report.contains("nothing is missing."), "{report}");
    assert_contiguous(&await_lines(&mut page, 51), "meanwhile", 50);

    // The demo's own plug does the same; what is said without a connection waits for it.
    page.evaluate("document.getElementById('plug').click()");
    page.wait_until(&format!("{} === 'Cut off'", shown("status")));
    page.wait_until(&format!("{}.startsWith('Put it back')", shown("plug")));
    say(&mut page, "said without a connection");
    page.wait_until(&format!("{} !== ''", shown("waiting")));
    for n in 0..20 {
        post(&agent, &server, "cut", &format!("unplugged {n}"));
    }
    page.evaluate("document.getElementById('plug').click()");
    page.wait_until(&format!("{}.includes(', 21 events ')", shown("report")));
    let lines = await_lines(&mut page, 72);
    assert_eq!(lines[71].1, "said without a connection");
    assert_contiguous(&lines[..71], "unplugged", 20);
    assert_eq!(page.text(&shown("gaps")), "0");
    assert_eq!(page.text(&shown("reconnects")), "2");
    assert_eq!(page.problems(), [""; 0]);
}

/// The last `count` lines say `word 0`, `word 1` …, and their numbers have no hole.
fn assert_contiguous(lines: &[(String, String)], word: &str, count: usize) {
    let last = &lines[lines.len() - count..];
    let number = |line: &(String, String)| line.0.trim_start_matches('#').parse::<usize>();
    let first = number(&last[0]).expect("a number");
    for (n, line) in last.iter().enumerate() {
        assert_eq!(line.1, format!("{word} {n}"), "{lines:?}");
        assert_eq!(number(line), Ok(first + n), "{lines:?}");
    }
}

fn ten_thousand_a_second_arrive_in_order(setting: Setting) {
    // Of several shards, one might be the publisher's and another the room's: then each request
    // waits for mail, and on a busy machine the rate is not what is meant here.
    flood(Setting {
        shards: 1,
        ..setting
    });
}

/// The figures in benches/README.md, which says how to run it.
#[test]
#[ignore = "a measurement: it wants a release build and an idle machine"]
fn frames_while_ten_thousand_a_second_arrive() {
    for driver in ["io_uring", "epoll"] {
        flood(Setting { driver, shards: 1 });
    }
}

/// Counts what a page hears, in what order, and the times between its frames.
const LISTEN: &str = r#"(async () => {
  const { connect } = await import("/pubsub/client.js");
  const run = window.run = { heard: 0, disordered: 0, gaps: 0, first: 0, last: 0, deltas: [] };
  const room = connect({ url: location.origin, eventId: "demo", sessionId: "flood" });
  const opened = new Promise((resolve) => room.on("status", () => room.status === "open" && resolve()));
  room.on("gap", () => run.gaps++);
  room.subscribe("tick", ({ n }, { number }) => {
    if (n !== run.heard || number !== n) run.disordered++;
    if (!run.heard) run.first = performance.now();
    run.heard++;
    run.last = performance.now();
  });
  let before;
  const frame = (now) => {
    if (before) run.deltas.push(now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  await opened;
})()"#;

/// The frames since they were last asked for: how many, how many were dropped at 60 a second, and
/// their times.
const FRAMES: &str = "(() => {
  const deltas = run.deltas.splice(0).sort((one, other) => one - other);
  const dropped = deltas.reduce((sum, delta) => sum + Math.max(0, Math.round(delta * 60 / 1000) - 1), 0);
  const at = (part) => (deltas[Math.floor(deltas.length * part)] ?? 0).toFixed(1);
  return `${deltas.length} frames, ${dropped} dropped, p50 ${at(.5)} ms, p99 ${at(.99)} ms, max ${at(.9999)} ms`;
})()";

fn flood(setting: Setting) {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    // Enough for all of them: a machine that is busy elsewhere makes the page late, not the test
    // red.
    let mut config = NamedTempFile::new().expect("a scratch file");
    let retention = "[hub.retention]\nevents = 100000\nbytes = \"64MiB\"\nage = \"10m\"\n";
    config.write_all(retention.as_bytes()).expect("written");
    let path = config.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    let mut page = enter(&mut browser, &server.url(""), "lobby", WIDE);
    page.evaluate(LISTEN);
    thread::sleep(Duration::from_secs(2));
    let idle = page.text(FRAMES);
    let seconds = publish_ticks(&server).as_secs_f64();
    let total = RATE * SECONDS;
    page.wait_until(&format!("run.heard >= {total} || run.gaps > 0"));
    let busy = page.text(FRAMES);
    let heard = page.evaluate("[run.heard, run.disordered, run.gaps]");
    assert_eq!(heard, json!([total, 0, 0]), "heard, out of order, gaps");
    let span = page.evaluate("(run.last - run.first) / 1000");
    let span = span.as_f64().expect("a number");
    let figures = format!(
        "{total} events published in {seconds:.1} s, heard in {span:.1} s: {busy} (idle: {idle})"
    );
    note(&format!("{setting:?}"), &figures);
    assert_eq!(page.problems(), [""; 0]);
}

/// Publishes at the rate, pipelined on one connection; how long it took until everything was
/// answered.
fn publish_ticks(server: &Server) -> Duration {
    let mut stream = server.connect();
    let mut answers = stream.try_clone().expect("a descriptor");
    let reader = thread::spawn(move || read_to_end(&mut answers));
    let start = Instant::now();
    for batch in 0..RATE * SECONDS / BATCH {
        let mut requests = String::new();
        for n in batch * BATCH..(batch + 1) * BATCH {
            let body = event("flood", "tick", &json!({"n": n}));
            let last = n + 1 == RATE * SECONDS;
            let close = if last { "Connection: close\r\n" } else { "" };
            write!(
                requests,
                "POST /api/v1/pub_subs HTTP/1.1\r\nHost: fanfare\r\n{close}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .expect("into memory");
        }
        let due = Duration::from_micros(batch * BATCH * 1_000_000 / RATE);
        thread::sleep(due.saturating_sub(start.elapsed()));
        stream.write_all(requests.as_bytes()).expect("it is read");
    }
    let answered = reader.join().expect("it reads to the end");
    let accepted = answered.matches("HTTP/1.1 201 ").count() as u64;
    assert_eq!(
        accepted,
        RATE * SECONDS,
        "{}",
        &answered[..answered.len().min(500)]
    );
    start.elapsed()
}
