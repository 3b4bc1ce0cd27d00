//! Legitimate clients, the bystanders of an attack: each asks for something small at set times, on
//! a thread of its own that blocks, and notes how long it took.
//!
//! A client that waits for an answer does not ask meanwhile, so a stall would be seen once however
//! long it is. It is counted as often as somebody who asks at the same interval would have met it
//! (`record_correct` of the histogram). `lag` is how late a client itself was when nothing kept it
//! but its own core.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::{Answer, Client};
use crate::failure::{During, Failure};
use crate::load::{histogram, nanos};

use super::http1::post;
use super::{Says, Told};

/// Polls that wait at the same time.
const POLLS: u32 = 8;
/// How long a poll waits, in seconds.
const POLL_SECONDS: u64 = 1;
/// Between two publishes of one bystander.
pub(crate) const PUBLISH_INTERVAL: Duration = Duration::from_millis(50);

/// What a bystander does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Asks how the server is, on a connection that is open.
    Open,
    /// The same on a new connection.
    New,
    /// Polls a session to which nothing happens, for a second; how late the answer is, is what
    /// counts.
    Poll,
    /// Publishes to a session of its own, on a connection that is open.
    Publish,
    /// Publishes what others are to hear, at a rate of the caller's.
    Load,
}

impl Task {
    /// All of them, as tables have them.
    pub(crate) const ALL: [Self; 4] = [Self::Open, Self::New, Self::Poll, Self::Publish];

    /// Its name in tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::New => "new",
            Self::Poll => "poll late",
            Self::Publish => "publish",
            Self::Load => "load",
        }
    }

    fn interval(self) -> Duration {
        Duration::from_millis(match self {
            Self::Open => 10,
            Self::New | Self::Publish | Self::Load => 50,
            Self::Poll => 1_000,
        })
    }

    fn request(self, host: SocketAddr, index: u32, fields: &str) -> Vec<u8> {
        let get = |path: String| {
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes()
        };
        match self {
            Self::Open | Self::New => get("/healthz".to_owned()),
            Self::Poll => get(format!(
                "/api/sessions/calm-{index}/events?timeout={POLL_SECONDS}"
            )),
            Self::Publish | Self::Load => {
                let path = "/api/sessions/calm-publish/events";
                post(host, path, fields, r#"{"type":"calm","data":{"n":1}}"#)
            }
        }
    }
}

/// What a bystander has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Nanoseconds until answers came, those of stalls as often as they would have been met.
    pub(crate) latencies: Histogram<u64>,
    /// Nanoseconds by which it overslept.
    pub(crate) lags: Histogram<u64>,
    /// What it was told.
    pub(crate) told: Told,
    /// The last answer in short.
    pub(crate) last: String,
}

impl Seen {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            latencies: histogram()?,
            lags: histogram()?,
            told: Told::default(),
            last: "none".to_owned(),
        })
    }

    /// Counts an answer, and those to what would have been asked at the same interval meanwhile.
    fn record(&mut self, latency: Duration, interval: Duration) -> Result<(), Failure> {
        let latencies = &mut self.latencies;
        let latency = nanos(latency).clamp(latencies.low(), latencies.high());
        let recorded = latencies.record_correct(latency, nanos(interval));
        recorded.during("noting how long an answer took")
    }

    /// What was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.told.answers + self.refused()
    }

    /// What was not answered well.
    pub(crate) fn refused(&self) -> u64 {
        self.told.refusals.total() + self.told.endings.total()
    }

    fn add(&mut self, other: &Self) -> Result<(), Failure> {
        let what = "adding up";
        self.latencies.add(&other.latencies).during(what)?;
        self.lags.add(&other.lags).during(what)?;
        self.told.answers += other.told.answers;
        for (into, from) in [
            (&mut self.told.refusals, &other.told.refusals),
            (&mut self.told.endings, &other.told.endings),
        ] {
            into.merge(from);
        }
        self.last.clone_from(&other.last);
        Ok(())
    }

    fn note(&mut self, answer: Result<Answer, Failure>) -> bool {
        match answer {
            Ok(Answer { status, body, .. }) => {
                self.told.answer(status, &body);
                let code = error_code(&body).map_or(String::new(), |code| format!(" {code}"));
                self.last = format!("{status}{code}");
                true
            }
            Err(why) => {
                self.told.endings.add(&why.to_string());
                self.last = why.to_string();
                false
            }
        }
    }
}

/// `code` of an error, as the sessions dialect says it.
fn error_code(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(value.get("error")?.get("code")?.as_str()?.to_owned())
}

/// Clients at work until a time that is set.
#[derive(Debug)]
pub(crate) struct LegitimateClients {
    threads: Vec<(Task, JoinHandle<Result<Seen, Failure>>)>,
}

impl LegitimateClients {
    /// Starts them on these tasks; `fields` say who they are.
    pub(crate) fn start(
        tasks: &[Task],
        address: SocketAddr,
        fields: &str,
        duration: Duration,
    ) -> Self {
        let start = Instant::now();
        let mut threads = Vec::new();
        for &task in tasks {
            let count = if task == Task::Poll { POLLS } else { 1 };
            for index in 0..count {
                // Their times are spread.
                let first = start + task.interval() * index / count;
                let request = task.request(address, index, fields);
                let end = start + duration;
                let times = Times {
                    first,
                    end,
                    interval: task.interval(),
                };
                let thread = thread::spawn(move || match task {
                    Task::Poll => poll(address, &request, times),
                    _ => ask_on_time(task == Task::New, address, Says::Same(request), times),
                });
                threads.push((task, thread));
            }
        }
        Self { threads }
    }

    /// Sends one more, with requests that publish at this interval.
    pub(crate) fn and_publish(
        mut self,
        address: SocketAddr,
        requests: Says<Vec<u8>>,
        interval: Duration,
        duration: Duration,
    ) -> Self {
        let first = Instant::now();
        let times = Times {
            first,
            end: first + duration,
            interval,
        };
        let thread = thread::spawn(move || ask_on_time(false, address, requests, times));
        self.threads.push((Task::Load, thread));
        self
    }

    /// Whether none of them is still at it.
    pub(crate) fn are_done(&self) -> bool {
        self.threads.iter().all(|(_, thread)| thread.is_finished())
    }

    /// Waits for them, and returns what each sort has seen, in the order of the tasks.
    pub(crate) fn finish(self) -> Result<Vec<(Task, Seen)>, Failure> {
        let mut all: Vec<(Task, Seen)> = Vec::new();
        for (task, thread) in self.threads {
            let seen = thread
                .join()
                .map_err(|_| Failure::new("a bystander's thread ended"))??;
            match all.last_mut() {
                Some((last, sum)) if *last == task => sum.add(&seen)?,
                _ => all.push((task, seen)),
            }
        }
        Ok(all)
    }
}

/// When something is asked.
#[derive(Clone, Copy, Debug)]
struct Times {
    first: Instant,
    /// Nothing is due from then on.
    end: Instant,
    interval: Duration,
}

/// Asks whenever it is due, maybe on a new connection each time.
fn ask_on_time(
    afresh: bool,
    address: SocketAddr,
    mut requests: Says<Vec<u8>>,
    times: Times,
) -> Result<Seen, Failure> {
    let Times {
        first,
        end,
        interval,
    } = times;
    let (mut seen, mut due) = (Seen::new()?, first);
    let (mut client, mut asked) = (None, 0);
    while due < end {
        rest_until(due, &mut seen.lags);
        let sent = Instant::now();
        let answer = requests.with(asked, |request| ask(&mut client, address, request, afresh));
        asked += 1;
        seen.record(sent.elapsed(), interval)?;
        if !seen.note(answer) {
            client = None;
        }
        // It does not catch up: its own questions are not to wait for each other.
        due = (due + interval).max(Instant::now());
    }
    Ok(seen)
}

/// Polls, and polls again, as long as an answer can be due before the end; at least once.
fn poll(address: SocketAddr, request: &[u8], times: Times) -> Result<Seen, Failure> {
    let (mut seen, wait) = (Seen::new()?, Duration::from_secs(POLL_SECONDS));
    let mut client = None;
    rest_until(times.first, &mut seen.lags);
    loop {
        let due = Instant::now() + wait;
        let answer = ask(&mut client, address, request, false);
        let late = Instant::now().saturating_duration_since(due);
        seen.latencies.saturating_record(nanos(late));
        if !seen.note(answer) {
            client = None;
        }
        if Instant::now() + wait > times.end {
            return Ok(seen);
        }
    }
}

/// Sleeps, and notes by how much it overslept; not at all if the time is past.
fn rest_until(due: Instant, lags: &mut Histogram<u64>) {
    let left = due.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        thread::sleep(left);
        lags.saturating_record(nanos(due.elapsed()));
    }
}

/// One question and its answer, on the connection that is there, or on a new one.
fn ask(
    client: &mut Option<Client>,
    address: SocketAddr,
    request: &[u8],
    afresh: bool,
) -> Result<Answer, Failure> {
    if afresh {
        *client = None;
    }
    let client = match client {
        Some(client) => client,
        None => client.insert(Client::connect(address)?),
    };
    client.ask(request)
}

#[cfg(test)]
#[path = "legitimate_tests.rs"]
mod tests;
