//! The real program as a server: started on a free port, asked for its metrics, made to leave.
//!
//! Each server is a child of the test that started it and is ended with it, by its own process id.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests of the program wait for a process and speak to real sockets"
)]
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use crate::child::DEADLINE;
use crate::child::await_exit;

/// How the last of the lines begins that the server writes to standard output when it is ready.
const BANNER_LAST: &str = "  live:";

/// How a server is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) driver: &'static str,
    pub(crate) shards: u16,
}

/// Runs a test under a setting, unless this machine cannot and need not.
pub(crate) fn run_in(setting: Setting, test: fn(Setting)) {
    let refusal = if setting.driver == "io_uring" {
        io_uring_refusal()
    } else {
        None
    };
    match refusal {
        None => test(setting),
        Some(problem) => skip("io_uring is refused by this kernel", problem),
    }
}

/// Says which test is not run and why, where every run shows it: the caller is to return. Fails the
/// test on the machine on which nothing may be skipped.
pub(crate) fn skip(what: &str, why: &str) {
    let is_forbidden = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_forbidden, "{what}: {why}");
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let test = thread::current();
    let test = test.name().unwrap_or("a test");
    let reason = if why.is_empty() { "" } else { ": " };
    // Not by a macro: the harness keeps for itself what those print in a test that passes. In one
    // piece, since tests run beside each other.
    let line = format!("skipped {test}: {what}{reason}{why}\n");
    io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error takes a line");
}

/// Why there is no io_uring; tried once.
fn io_uring_refusal() -> Option<&'static str> {
    static REFUSAL: OnceLock<Option<String>> = OnceLock::new();
    let refusal = REFUSAL.get_or_init(|| {
        let setting = Setting {
            driver: "io_uring",
            shards: 1,
        };
        let problem = Server::try_start(setting, &[]).err()?;
        assert!(problem.contains("server.driver"), "{problem}");
        Some(problem)
    });
    refusal.as_deref()
}

/// Says what helps to understand the failure of a test.
#[allow(
    clippy::print_stderr,
    reason = "whoever reads a failure wants to understand it"
)]
pub(crate) fn note(what: &str, why: &str) {
    eprintln!("{what}: {}", why.trim());
}

/// The program, away from the environment of whoever runs the tests.
pub(crate) fn fanfare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it wrote when it was ready, line by line.
    pub(crate) banner: Vec<String>,
    log: File,
    /// Kept open: a server whose output is closed is another test.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts one and waits until it is ready.
    pub(crate) fn start(setting: Setting, extra: &[&str]) -> Self {
        match Self::try_start(setting, extra) {
            Ok(server) => server,
            Err(problem) => panic!("the server did not start: {problem}"),
        }
    }

    /// Starts one; the error is what it said instead of becoming ready.
    pub(crate) fn try_start(setting: Setting, extra: &[&str]) -> Result<Self, String> {
        let shards = setting.shards.to_string();
        let listen = ["serve", "--listen", "127.0.0.1:0", "--shards", &shards];
        let mut command = fanfare(&listen);
        command.args(["--driver", setting.driver]).args(extra);
        Self::spawn(command)
    }

    /// Runs a command line that ends as a server.
    pub(crate) fn spawn(mut command: Command) -> Result<Self, String> {
        let mut log = tempfile::tempfile().expect("a scratch file");
        let log_writer = log.try_clone().expect("a descriptor");
        command.stdout(Stdio::piped()).stderr(log_writer);
        let mut child = command.spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut banner = Vec::new();
        loop {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("the banner is UTF-8");
            banner.push(line.trim_end_matches('\n').to_owned());
            if line.is_empty() || line.starts_with(BANNER_LAST) {
                break;
            }
        }
        let listening = banner[0].strip_prefix("fanfare listening on ");
        let Some(address) = listening.and_then(|rest| rest.split(' ').next()) else {
            // It closed its output, so it is about to end.
            let status = await_exit(&mut child);
            return Err(format!("{status}: {}", read_all(&mut log)));
        };
        let address = address.parse().expect("an address and a port");
        Ok(Self {
            child,
            address,
            banner,
            log,
            _stdout: stdout,
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The events of a session.
    pub(crate) fn events(&self, session: &str) -> String {
        self.url(&format!("/api/sessions/{session}/events"))
    }

    /// A connection with time limits, so that a server that hangs fails a test and does not stop
    /// it.
    pub(crate) fn connect(&self) -> TcpStream {
        dial(self.address)
    }

    /// Tells it to leave and, once it is gone, starts another on the same port.
    pub(crate) fn restart(mut self, setting: Setting) -> Self {
        self.signal("TERM");
        let status = self.await_exit();
        assert_eq!(status.code(), Some(0), "{status}: {}", self.log());
        let (listen, shards) = (self.address.to_string(), setting.shards.to_string());
        let mut again = fanfare(&["serve", "--listen", &listen, "--shards", &shards]);
        again.args(["--driver", setting.driver]);
        Self::spawn(again).expect("the port is free again")
    }

    /// A metric, summed over all shards.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(DEADLINE))
            .build()
            .new_agent();
        let request = agent
            .get(self.url("/metrics"))
            .header("Connection", "close");
        let mut answer = request.call().expect("metrics are served");
        let text = answer.body_mut().read_to_string().expect("text");
        let (gauge, counter) = (format!("fanfare_{name}"), format!("fanfare_{name}_total"));
        let samples = text.lines().filter_map(|line| {
            let (sample, labels) = line.split_once('{')?;
            (sample == gauge || sample == counter).then_some(labels)
        });
        let values = samples.map(|labels| {
            let (_, value) = labels.rsplit_once(' ').expect("a sample has a value");
            value.parse::<u64>().expect("a number")
        });
        let values: Vec<u64> = values.collect();
        assert!(!values.is_empty(), "no metric {name} in:\n{text}");
        values.iter().sum()
    }

    /// Waits until a metric has a value.
    pub(crate) fn await_metric(&self, name: &str, target: u64) {
        let start = Instant::now();
        loop {
            let value = self.metric(name);
            if value == target {
                return;
            }
            let waited = start.elapsed();
            assert!(waited < DEADLINE, "{name} is {value}, not {target}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Open descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(folder).expect("our own child").count()
    }

    /// Waits until no more descriptors are open than there were. The connection that asked for the
    /// last metric may still be on its way out.
    pub(crate) fn await_descriptors(&self, before: usize) {
        let start = Instant::now();
        loop {
            let open = self.descriptors();
            if open <= before {
                return;
            }
            let waited = start.elapsed();
            assert!(waited < DEADLINE, "{open} descriptors, {before} before");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Most bytes of memory that the process has had at once.
    pub(crate) fn memory_peak(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(path).expect("our own child");
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let kib = kib.expect("proc_pid_status(5)").parse::<u64>();
        kib.expect("a number") * 1024
    }

    /// Processor time that the process has used.
    fn processor_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(path).expect("our own child");
        // proc_pid_stat(5): fields 14 and 15 are utime and stime, in ticks of 10 ms on Linux. The
        // name, field 2, may hold spaces.
        let (_, rest) = text.rsplit_once(')').expect("the name is in parentheses");
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<u64>().expect("a number");
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// Processor time that it uses while nobody asks anything of it.
    pub(crate) fn processor_time_in(&self, milliseconds: u64) -> Duration {
        let before = self.processor_time();
        thread::sleep(Duration::from_millis(milliseconds));
        self.processor_time().saturating_sub(before)
    }

    /// Memory of the process that is in use.
    pub(crate) fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(path).expect("our own child");
        let (_, rest) = text.split_once("VmRSS:").expect("it has memory");
        let number = rest.split_whitespace().next().expect("a number");
        // proc_pid_status(5): in kB, which are KiB.
        1024 * number.parse::<usize>().expect("a number")
    }

    /// Sends it a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("/bin/kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill is there").success(), "no such child");
    }

    /// Waits for it to end by itself.
    pub(crate) fn await_exit(&mut self) -> ExitStatus {
        await_exit(&mut self.child)
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&mut self) -> String {
        read_all(&mut self.log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as it should in some tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            note("the server said", &self.log());
        }
    }
}

fn read_all(file: &mut File) -> String {
    let mut text = Vec::new();
    // The server writes at the offset that it shares with us: put it back.
    let end = file.stream_position().expect("a file");
    file.seek(SeekFrom::Start(0)).expect("a file");
    file.read_to_end(&mut text).expect("a file");
    file.seek(SeekFrom::Start(end.max(text.len() as u64)))
        .expect("a file");
    String::from_utf8_lossy(&text).into_owned()
}

/// Connects to a server, or to what stands before it, with time limits.
pub(crate) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(DEADLINE)).expect("an option");
    stream.set_write_timeout(Some(DEADLINE)).expect("an option");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// Starts the `curl` program; `None`, with the reason printed, where there is none.
pub(crate) fn curl(args: &[&str]) -> Option<Child> {
    let mut command = Command::new("curl");
    command
        .args(["-sS", "--noproxy", "*", "--max-time", "30"])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip("there is no curl", "");
            None
        }
        Err(error) => panic!("curl does not start: {error}"),
    }
}

/// Waits for a `curl` that must succeed; its output.
pub(crate) fn curl_output(child: Child) -> String {
    let output = child.wait_with_output().expect("our own child");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl: {problem}");
    String::from_utf8(output.stdout).expect("the server answers in UTF-8")
}
