//! The server that is measured, Fanfare or a peer of it: started here and stopped here, or already
//! running.
//!
//! It knows the command line, the ready line and signals, and nothing of how the server is made.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::failure::{During, Failure};
use crate::machine::{Memory, Usage, descriptors_of, on_core};

/// A server says that it listens within this time.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that was told to stop is gone within this time: its default drain timeout, and some.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a server is looked at until it is quiet.
const QUIET_SAMPLE: Duration = Duration::from_millis(25);
/// The most cpu that a quiet server uses in one sample.
const QUIET_CPU: Duration = Duration::from_micros(400);
/// Samples in a row that make it quiet.
const QUIET_SAMPLES: u32 = 4;
/// A server that nobody asks for anything is quiet within this time.
const QUIET_TIMEOUT: Duration = Duration::from_secs(30);

/// Which server, and how it is started.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TargetArgs {
    /// The server's program, which is started for the measurement.
    #[arg(long, value_name = "PATH", default_value = "target/release/fanfare")]
    pub(crate) server: PathBuf,
    /// One more argument for the server; repeatable.
    #[arg(
        long = "server-arg",
        value_name = "ARGUMENT",
        allow_hyphen_values = true
    )]
    pub(crate) server_args: Vec<String>,
    /// How the server talks to the kernel: auto, `io_uring` or epoll.
    #[arg(long, default_value = "auto", value_parser = ["auto", "io_uring", "epoll"])]
    pub(crate) driver: String,
    /// Measure a server that already runs here instead of starting one; needs --pid.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "pid")]
    pub(crate) connect: Option<SocketAddr>,
    /// The process of the server that already runs.
    #[arg(long, requires = "connect")]
    pub(crate) pid: Option<i32>,
    /// The core on which a server that is started runs.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub(crate) server_core: usize,
    /// The core on which the probe runs.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub(crate) probe_core: usize,
}

impl TargetArgs {
    /// Both drivers, unless one was asked for or the server already runs with whichever it has.
    pub(crate) fn drivers(&self) -> Vec<String> {
        if self.driver == "auto" && self.connect.is_none() {
            return vec!["io_uring".to_owned(), "epoll".to_owned()];
        }
        vec![self.driver.clone()]
    }

    /// The same server with this driver.
    pub(crate) fn with_driver(&self, driver: &str) -> Self {
        let driver = driver.to_owned();
        Self {
            driver,
            ..self.clone()
        }
    }
}

/// A server under measurement. One that was started here is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it said when it was ready.
    pub(crate) banner: String,
    pid: Pid,
    child: Option<Child>,
}

impl Target {
    /// Starts a server, on one core or wherever it wants, or takes the one that already runs.
    pub(crate) fn open(
        args: &TargetArgs,
        shards: u16,
        core: Option<usize>,
    ) -> Result<Self, Failure> {
        if let (Some(address), Some(pid)) = (args.connect, args.pid) {
            let banner = format!("a running server at {address}");
            return Ok(Self {
                address,
                banner,
                pid: Pid::from_raw(pid),
                child: None,
            });
        }
        let mut command = Command::new(&args.server);
        command
            .arg("serve")
            .args(["--listen", &free_address()?.to_string()]);
        command.args(["--shards", &shards.to_string(), "--driver", &args.driver]);
        command.args(&args.server_args);
        Self::start(command, core)
    }

    /// Starts a program that says where it listens, on one core or wherever it wants.
    pub(crate) fn start(mut command: Command, core: Option<usize>) -> Result<Self, Failure> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let what = command.get_program().to_string_lossy().into_owned();
        let mut start = || command.spawn().during(&what);
        let mut child = match core {
            Some(core) => on_core(core, start)?,
            None => start()?,
        };
        let stdout = child.stdout.take();
        // From here on the child is ended whatever happens.
        let mut target = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            banner: String::new(),
            pid: Pid::from_raw(child.id().cast_signed()),
            child: Some(child),
        };
        let stdout = stdout.ok_or_else(|| Failure::new("no standard output"))?;
        target.banner = wait_until_ready(stdout)?;
        target.address = parse_ready(&target.banner)
            .ok_or_else(|| Failure::new(format!("no address in: {}", target.banner)))?;
        Ok(target)
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// cpu used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        Usage::of(&[self.pid])
    }

    /// Memory in use.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        Memory::of(self.pid)
    }

    /// Descriptors it has open.
    pub(crate) fn descriptors(&self) -> Result<u64, Failure> {
        descriptors_of(self.pid)
    }

    /// [`settle`] for this server.
    pub(crate) fn settle(
        &self,
        wait: impl FnMut(Duration) -> Result<(), Failure>,
    ) -> Result<Usage, Failure> {
        settle(|| self.usage(), wait)
    }

    /// Tells a server that was started here to stop, and fails when it does not leave politely.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        match self.end() {
            Some(status) if !status.success() => Err(Failure::new(format!(
                "the server was told to stop and left with {status}"
            ))),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        // It may have gone by itself; `try_wait` tells.
        let _ = kill(self.pid, Signal::SIGTERM);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                _ => {
                    let _ = child.kill();
                    return child.wait().ok();
                }
            }
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until a server does nothing; `usage` says what it has used so far, `wait` passes the time
/// and may serve connections. Gives what it had used when it fell quiet: an idle server's clock
/// tick is not the price of an event.
pub(crate) fn settle(
    usage: impl Fn() -> Result<Usage, Failure>,
    mut wait: impl FnMut(Duration) -> Result<(), Failure>,
) -> Result<Usage, Failure> {
    let deadline = Instant::now() + QUIET_TIMEOUT;
    let mut before = usage()?;
    let mut at_rest = before;
    let mut quiet = 0;
    while quiet < QUIET_SAMPLES {
        wait(QUIET_SAMPLE)?;
        let now = usage()?;
        let used = now.since(before).cpu;
        if used <= QUIET_CPU {
            quiet += 1;
        } else {
            quiet = 0;
            at_rest = now;
        }
        before = now;
        if Instant::now() > deadline {
            return Err(Failure::new(format!(
                "the server is never quiet: it used {used:?} of {QUIET_SAMPLE:?} with nothing to do"
            )));
        }
    }
    Ok(at_rest)
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).during("looking for a free port")?;
    listener.local_addr().during("looking for a free port")
}

/// The first line that says where the server listens.
fn wait_until_ready(stdout: ChildStdout) -> Result<String, Failure> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Read to the end, so that the server never waits for its output.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if parse_ready(&line).is_some() {
                let _ = sender.send(line);
            }
        }
    });
    let waited = receiver.recv_timeout(READY_TIMEOUT);
    waited.map_err(|_| Failure::new("the server ended or said nothing instead of being ready"))
}

/// The address in `<program> listening on <address> …`.
fn parse_ready(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(" listening on ")?;
    let word = rest.split([' ', ',', ';']).next()?;
    let address = word
        .strip_prefix("http://")
        .unwrap_or(word)
        .trim_end_matches('/');
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_the_address() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 7400)));
        for line in [
            "fanfare listening on 127.0.0.1:7400",
            "fanfare listening on http://127.0.0.1:7400/ (2 shards, io_uring)",
            "12:00 fanfare listening on 127.0.0.1:7400, 1 shard",
            "fanfare-tonic listening on 127.0.0.1:7400 (1 threads)",
        ] {
            assert_eq!(parse_ready(line), address, "{line}");
        }
        assert_eq!(parse_ready("fanfare listening on port 7400"), None);
        assert_eq!(parse_ready("listening"), None);
    }
}
