//! `fanfare tail`: follows a session over server-sent events until it is told to stop.
//!
//! A lost connection is taken up again where it broke, after a pause with full jitter. A refusal by
//! the server ends the program.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use ureq::Body;
use ureq::http::{Response, StatusCode};

use super::backoff::Backoff;
use super::client::{self, ServerArgs, field};
use super::event_stream::{EventStream, StreamEvent};
use super::output::{self, Form};
use super::position::{LogState, Position};
use super::trust::is_distrust;
use crate::limits;

/// Size of one read from the stream.
const READ_BYTES: usize = 16 * 1024;

/// The session to follow, and the place to begin.
#[derive(Debug, clap::Args)]
pub(super) struct TailArgs {
    /// The session's token.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    session: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Begin after this number; -1 is everything retained. Without it: only new events.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true,
        value_parser = clap::value_parser!(i64).range(-1..))]
    from: Option<i64>,
    /// Stop after this many events.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    once: Option<u64>,
}

/// The end of a connection.
#[derive(Debug)]
enum End {
    /// Finished: enough events, or our output has no reader.
    Done,
    /// The server refuses, or our own output fails, and a retry will not help.
    Refused(String),
    /// The connection failed or was closed; the next one may work.
    Lost(String),
}

/// Follows the session.
pub(super) fn run(args: &TailArgs) -> ExitCode {
    let authorization = match args.server.authorization() {
        Ok(authorization) => authorization,
        Err(problem) => return super::fail(2, problem),
    };
    let agent = match args.server.agent(limits::CLIENT_SILENCE_MAX) {
        Ok(agent) => agent,
        Err(problem) => return super::fail(2, problem),
    };
    let mut tail = Tail {
        address: args.server.url.events(&args.session),
        authorization,
        agent,
        form: form(),
        position: Position::new(args.from),
        wanted: args.once,
        backoff: Backoff::new(),
    };
    loop {
        match tail.follow() {
            End::Done => return ExitCode::SUCCESS,
            End::Refused(problem) => return super::fail(1, problem),
            End::Lost(problem) => {
                // The standard hasher's keys come from the operating system: even bits enough.
                let pause = tail.backoff.pause(RandomState::new().hash_one(0));
                let seconds = pause.as_secs_f32();
                super::note(format_args!("{problem}; reconnecting in {seconds:.1} s"));
                sleep(pause);
            }
        }
    }
}

/// Waits between two connections; nothing else runs in this program.
#[expect(
    clippy::disallowed_methods,
    reason = "a command line client that has nothing else to do"
)]
fn sleep(pause: std::time::Duration) {
    std::thread::sleep(pause);
}

fn form() -> Form {
    if io::stdout().is_terminal() {
        // The convention of no-color.org: set and not empty.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Form::Terminal { colours: !plain }
    } else {
        Form::Lines
    }
}

/// A session being followed, across connections.
struct Tail {
    address: String,
    authorization: Option<String>,
    agent: ureq::Agent,
    form: Form,
    position: Position,
    wanted: Option<u64>,
    backoff: Backoff,
}

impl Tail {
    /// One connection, from request to end.
    fn follow(&mut self) -> End {
        let mut request = self
            .agent
            .get(format!("{}{}", self.address, self.position.query()))
            .header("Accept", "text/event-stream")
            .header("Cache-Control", "no-store");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        if let Some(id) = self.position.last_event_id() {
            request = request.header("Last-Event-ID", id);
        }
        let answer = match request.call() {
            Ok(answer) => answer,
            Err(error) => {
                let problem = format!("cannot read {}: {error}", self.address);
                // An untrusted server will not be trusted next time.
                return if is_distrust(&error) {
                    End::Refused(problem)
                } else {
                    End::Lost(problem)
                };
            }
        };
        if let Err(end) = accept(&answer) {
            return end.unwrap_or_else(|| refusal(answer));
        }
        let log = log_state(&answer);
        self.position.connected(&log);
        self.read(answer.into_body(), &log)
    }

    fn read(&mut self, body: Body, log: &LogState) -> End {
        let mut body = body.into_reader();
        let mut stream = EventStream::default();
        let mut buf = vec![0; READ_BYTES];
        let mut events = Vec::new();
        loop {
            let read = match body.read(&mut buf) {
                Ok(0) => return End::Lost("the server closed the stream".to_owned()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return End::Lost(format!("the stream broke: {error}")),
            };
            let parsed = stream.push(&buf[..read], &mut events);
            self.backoff.reset(stream.retry());
            for event in events.drain(..) {
                if let Some(end) = self.take(&event, log) {
                    return end;
                }
            }
            if parsed.is_err() {
                let bytes_max = limits::CLIENT_EVENT_BYTES_MAX;
                return End::Refused(format!("the server sent an event over {bytes_max} bytes"));
            }
        }
    }

    /// Prints one event and moves past it.
    fn take(&mut self, event: &StreamEvent, log: &LogState) -> Option<End> {
        let mut out = io::stdout().lock();
        let printed = if let Some(gap) = output::gap_of(event) {
            self.position.gap(gap, log);
            if self.form == Form::Lines {
                // A program that reads the lines may not look for gaps; its user should still hear.
                super::note(format_args!("GAP: {}", output::describe(gap)));
            }
            output::write_gap(&mut out, self.form, gap)
        } else {
            self.position.event(&event.id);
            self.wanted = self.wanted.map(|wanted| wanted - 1);
            output::write_event(&mut out, self.form, event)
        };
        match printed.and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Some(End::Done),
            Err(error) => Some(End::Refused(format!("cannot print: {error}"))),
            Ok(()) if self.wanted == Some(0) => Some(End::Done),
            Ok(()) => None,
        }
    }
}

/// Whether an answer is an event stream; `Err(None)` is a refusal in the server's own words.
fn accept(answer: &Response<Body>) -> Result<(), Option<End>> {
    let status = answer.status();
    if status == StatusCode::NO_CONTENT {
        // WHATWG HTML §9.2.3: the server asks us not to come back.
        return Err(Some(End::Done));
    }
    if status != StatusCode::OK {
        return Err(None);
    }
    let media_type = field(answer, "Content-Type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("text/event-stream") {
        let shown = output::visible(media_type);
        let problem = format!("expected text/event-stream, the server sent \"{shown}\"");
        return Err(Some(End::Refused(problem)));
    }
    Ok(())
}

/// Sorts a refusal: overload and server trouble pass; everything else is our request's fault.
fn refusal(answer: Response<Body>) -> End {
    let status = answer.status();
    let passes = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT;
    let words = client::refusal(answer);
    if passes {
        End::Lost(words)
    } else {
        End::Refused(words)
    }
}

fn log_state(answer: &Response<Body>) -> LogState {
    let number = |name| field(answer, name)?.parse().ok();
    LogState {
        epoch: field(answer, "Fanfare-Epoch").map(str::to_owned),
        oldest: number("Fanfare-Oldest"),
        next: number("Fanfare-Next"),
    }
}
