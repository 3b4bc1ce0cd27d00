//! The JavaScript client of the pubsub dialect, run by Node: its own tests, and a server that
//! restarts under it.
//!
//! Node is `FANFARE_TEST_NODE`, or else `node`, from version 22 on (it must have a WebSocket);
//! esbuild is `FANFARE_TEST_ESBUILD`, or else `esbuild`. Without them these tests are skipped, but
//! never with `CI=true`.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use crate::clients::agent;
use crate::output::output_of;
use crate::server::{DEADLINE, Server, Setting, skip};
use crate::tokens::server_with_tokens;

on_both_drivers!(it_holds_over_a_network_that_breaks, a_restart_is_one_gap,);

/// What the contract promises to whoever loads it.
const MINIFIED_BYTES_MAX: usize = 6 * 1024;

/// A file or folder of the package.
fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A program that a variable names, if a try at it succeeds; or why not.
fn program(variable: &str, name: &str, try_it: &[&str]) -> Result<OsString, String> {
    let program = std::env::var_os(variable).unwrap_or_else(|| name.into());
    match Command::new(&program).args(try_it).output() {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A Node that has a WebSocket, in the client's folder.
pub(crate) fn node() -> Option<Command> {
    static FOUND: OnceLock<Result<OsString, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        program(
            "FANFARE_TEST_NODE",
            "node",
            &["-e", "new WebSocket('ws://127.0.0.1:1').onerror = () => {}"],
        )
    });
    let node = match found {
        Ok(node) => node,
        Err(problem) => {
            skip("no usable node", problem);
            return None;
        }
    };
    let mut command = Command::new(node);
    command
        .current_dir(path("src/dialect/pubsub/client"))
        .stdin(Stdio::null());
    Some(command)
}

#[test]
fn it_does_what_it_says() {
    let Some(mut tests) = node() else { return };
    // All there are: those that want a server are skipped without its address.
    tests.args(["--test", "--test-reporter=spec"]);
    for address in ["FANFARE_URL", "FANFARE_CLOSED_URL"] {
        tests.env_remove(address);
    }
    output_of(tests);
}

#[test]
fn it_is_small() {
    let esbuild = match program("FANFARE_TEST_ESBUILD", "esbuild", &["--version"]) {
        Ok(esbuild) => esbuild,
        Err(problem) => return skip("no usable esbuild", &problem),
    };
    let mut minify = Command::new(esbuild);
    minify
        .args(["--minify", "--format=esm"])
        .arg(path("src/dialect/pubsub/client/client.js"));
    let bytes = output_of(minify).len();
    assert!(bytes < MINIFIED_BYTES_MAX, "{bytes} bytes minified");
}

fn it_holds_over_a_network_that_breaks(setting: Setting) {
    let Some(mut tests) = node() else { return };
    let server = Server::start(setting, &[]);
    let (closed, tokens) = server_with_tokens(setting);
    tests
        .args(["--test", "--test-reporter=spec", "client.e2e.test.js"])
        .env("FANFARE_URL", server.url(""))
        .env("FANFARE_CLOSED_URL", closed.url(""))
        .env("FANFARE_TOKEN", &tokens.subscriber);
    output_of(tests);
    // Whatever broke, nobody is left behind.
    server.await_metric("readers", 0);
}

/// A client in a process of its own.
struct Follower {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// All that it was told so far.
    told: Vec<Value>,
}

impl Follower {
    /// Follows the room `lobby` of the event `conference`.
    fn start(mut node: Command, server: &Server) -> Self {
        let mut child = node
            .arg(path("tests/end_to_end/node/follow.mjs"))
            .args([&server.url(""), "conference", "lobby", "hello"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it started before");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        // Ends with the child's output.
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody listens any more once the test is over.
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            input,
            lines,
            told: Vec::new(),
        }
    }

    /// Waits until it is told something.
    fn until(&mut self, wanted: &Value) {
        loop {
            let Ok(line) = self.lines.recv_timeout(DEADLINE) else {
                panic!("it was never told {wanted}, only {:?}", self.told);
            };
            let told: Value = serde_json::from_str(&line).expect("JSON");
            let found = told == *wanted;
            self.told.push(told);
            if found {
                return;
            }
        }
    }

    /// Cuts its connection, and waits until it has another.
    fn cut(&mut self) {
        self.input.write_all(b"cut\n").expect("it reads");
        self.until(&json!(["status", "waiting"]));
        self.until(&json!(["status", "open"]));
    }

    /// What of one kind it was told so far.
    fn all(&self, kind: &str) -> Vec<&Value> {
        let of_kind = self.told.iter().filter(|told| told[0] == kind);
        of_kind.map(|told| &told[1]).collect()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Publishes a number in the follower's room.
fn post(server: &Server, n: u64) {
    let body = json!({
        "scope": {"type": "session", "event_id": "conference", "session_id": "lobby"},
        "payload": {"event": {"eventName": "hello", "data": n}},
    });
    let request = agent().post(server.url("/api/v1/pub_subs"));
    let mut answer = request.send(body.to_string()).expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    assert_eq!(answer.status(), 201, "{text}");
}

fn a_restart_is_one_gap(setting: Setting) {
    let Some(node) = node() else { return };
    let server = Server::start(setting, &[]);
    let mut follower = Follower::start(node, &server);
    follower.until(&json!(["status", "open"]));
    for n in 0..3 {
        post(&server, n);
        follower.until(&json!(["event", n, n]));
    }
    follower.cut();
    assert!(follower.all("gap").is_empty(), "{:?}", follower.told);

    let server = server.restart(setting);
    // Whether the client is back before or after this: the new life of the log has it.
    post(&server, 3);
    follower.until(&json!(["event", 3, 0]));
    for n in 4..7 {
        follower.cut();
        post(&server, n);
        follower.until(&json!(["event", n, n - 3]));
    }
    let heard: Vec<Value> = (0..7).map(|n| json!(n)).collect();
    assert_eq!(follower.all("event"), heard.iter().collect::<Vec<_>>());
    let gaps = follower.all("gap");
    assert_eq!(gaps, [&json!({"reset": true})], "{:?}", follower.told);
    assert!(follower.all("error").is_empty(), "{:?}", follower.told);
}
