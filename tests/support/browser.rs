//! A headless Chromium, driven by the `DevTools` protocol: pages that a test opens, asks, and looks
//! at.
//!
//! The program is `FANFARE_TEST_CHROMIUM`, or else the first of `chromium`, `chromium-browser` and
//! `google-chrome`. One test has a browser at a time: two of them on a small machine wait for each
//! other's frames. It is ended with the test, by its own process id. The protocol:
//! <https://chromedevtools.github.io/devtools-protocol/>.
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

use crate::child::DEADLINE;
use crate::server::skip;

/// Names under which distributions install it.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What precedes the address of the `DevTools` on standard error.
const LISTENING: &str = "DevTools listening on ws://";

/// What it writes to standard error, in its profile's folder.
const LOG: &str = "stderr.log";

/// How it is started. Windows that nobody sees are drawn all the same, so that their frames can be
/// counted.
const ARGUMENTS: [&str; 11] = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-dev-shm-usage",
];

/// How often a page is asked what a test waits for.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How long it may take to leave when it is asked to.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// A running browser.
#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    tools: Tools,
    /// Where its `DevTools` listen, as `host:port`.
    authority: String,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts one; `None`, with the reason printed, where there is none.
    pub(crate) fn start() -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        // A test that failed says nothing about the next one.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = tempfile::tempdir().expect("a scratch folder");
        let Some(mut child) = spawn(&profile) else {
            skip("there is no Chromium", "");
            return None;
        };
        let address = await_address(&mut child, &profile);
        let (authority, path) = address.split_once('/').expect("an address has a path");
        Some(Self {
            child,
            tools: Tools::connect(authority, path),
            authority: authority.to_owned(),
            _profile: profile,
            _turn: turn,
        })
    }

    /// Opens a page in a window of its own, of this size in CSS pixels, and waits until it is
    /// loaded.
    pub(crate) fn open(&mut self, url: &str, (width, height): (u32, u32)) -> Page {
        let window =
            json!({"url": "about:blank", "newWindow": true, "width": width, "height": height});
        let target = self.tools.call("Target.createTarget", &window);
        let id = target["targetId"].as_str().expect("a target has an id");
        let mut page = Page(Tools::connect(
            &self.authority,
            &format!("devtools/page/{id}"),
        ));
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.0.call(&format!("{domain}.enable"), &json!({}));
        }
        let told = page.0.call("Page.navigate", &json!({"url": url}));
        assert!(told["errorText"].is_null(), "{url}: {told}");
        page.wait_until("document.readyState === 'complete' && location.href !== 'about:blank'");
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to, it leaves with all its processes, and then its profile can be removed.
        self.tools.send("Browser.close", &json!({}));
        let start = Instant::now();
        while start.elapsed() < LEAVE_WITHIN {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(ASK_EVERY);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the first program that is there.
fn spawn(profile: &TempDir) -> Option<Child> {
    let log = File::create(profile.path().join(LOG)).expect("a scratch file");
    let chosen = std::env::var_os("FANFARE_TEST_CHROMIUM");
    let programs = match &chosen {
        Some(program) => vec![program.as_os_str()],
        None => PROGRAMS.map(AsRef::as_ref).to_vec(),
    };
    programs.into_iter().find_map(|program| {
        let mut command = Command::new(program);
        command
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone().expect("a descriptor"));
        match command.spawn() {
            Ok(child) => Some(child),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => panic!("{} does not start: {error}", program.display()),
        }
    })
}

/// Waits until it says where its `DevTools` listen: `host:port/path`.
fn await_address(child: &mut Child, profile: &TempDir) -> String {
    let start = Instant::now();
    loop {
        let text = fs::read(profile.path().join(LOG)).expect("it is being written");
        let text = String::from_utf8_lossy(&text);
        let found = text.lines().find_map(|line| line.strip_prefix(LISTENING));
        if let Some(address) = found {
            return address.trim().to_owned();
        }
        let ended = child.try_wait().expect("our own child").is_some();
        if ended || start.elapsed() > DEADLINE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("Chromium does not start: {text}");
        }
        thread::sleep(ASK_EVERY);
    }
}

/// A page, in a window of its own. It stays open as long as the browser.
#[derive(Debug)]
pub(crate) struct Page(Tools);

impl Page {
    /// The value of an expression, as JSON; a promise is awaited. Whatever it throws fails the
    /// test.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let request = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let told = self.0.call("Runtime.evaluate", &request);
        let thrown = &told["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        told["result"]["value"].clone()
    }

    /// The value of an expression that is a text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.evaluate(expression);
        let text = value.as_str();
        text.unwrap_or_else(|| panic!("{expression} is {value}"))
            .to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let start = Instant::now();
        while self.evaluate(expression) != Value::Bool(true) {
            if start.elapsed() > DEADLINE {
                let seen = self.evaluate("document.body.innerText");
                let seen = seen.as_str().unwrap_or_default();
                let picture = std::env::temp_dir().join("fanfare-page.png");
                let saved = fs::write(&picture, self.screenshot());
                let (picture, problems) = (picture.display(), &self.0.problems);
                panic!("never: {expression}\n{problems:?}\n{picture}: {saved:?}\n{seen}");
            }
            thread::sleep(ASK_EVERY);
        }
    }

    /// Makes the window another size, in CSS pixels, as if it were a phone's screen.
    pub(crate) fn resize(&mut self, (width, height): (u32, u32)) {
        let screen =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        self.0.call("Emulation.setDeviceMetricsOverride", &screen);
        self.wait_until(&format!("innerWidth === {width}"));
    }

    /// Moves the pointer to a place in the window, in CSS pixels.
    pub(crate) fn move_pointer(&mut self, x: u32, y: u32) {
        let moved = json!({"type": "mouseMoved", "x": x, "y": y});
        self.0.call("Input.dispatchMouseEvent", &moved);
    }

    /// Takes the network away, or gives it back, and has the page told so. A WebSocket that is open
    /// goes on regardless, in Chromium 156 as in those before: it has to be cut where its bytes
    /// pass (`cable`).
    pub(crate) fn set_offline(&mut self, offline: bool) {
        let conditions = json!({
            "offline": offline,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": -1,
        });
        self.0.call("Network.emulateNetworkConditions", &conditions);
    }

    /// What the page looks like now, as PNG.
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        let told = self
            .0
            .call("Page.captureScreenshot", &json!({"format": "png"}));
        let text = told["data"].as_str().expect("a picture");
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        decoded.expect("base64")
    }

    /// What was thrown and not caught so far, and what the page was not allowed to do.
    pub(crate) fn problems(&mut self) -> &[String] {
        // Events come before the answer to what is asked after them.
        self.evaluate("null");
        &self.0.problems
    }
}

/// A connection to the `DevTools`, of the browser or of one page.
#[derive(Debug)]
struct Tools {
    socket: WebSocket<TcpStream>,
    /// How many requests were made; the last one's id.
    requests: u64,
    problems: Vec<String>,
}

impl Tools {
    fn connect(authority: &str, path: &str) -> Self {
        let stream = TcpStream::connect(authority).expect("the DevTools listen");
        stream.set_read_timeout(Some(DEADLINE)).expect("an option");
        stream.set_write_timeout(Some(DEADLINE)).expect("an option");
        stream.set_nodelay(true).expect("an option");
        // A picture is one message.
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let url = format!("ws://{authority}/{path}");
        let opened = tungstenite::client::client_with_config(url, stream, Some(config));
        Self {
            socket: opened.expect("the handshake succeeds").0,
            requests: 0,
            problems: Vec::new(),
        }
    }

    /// Sends a request; `false` if nobody is there to take it.
    fn send(&mut self, method: &str, parameters: &Value) -> bool {
        self.requests += 1;
        let request = json!({"id": self.requests, "method": method, "params": parameters});
        self.socket.send(Message::text(request.to_string())).is_ok()
    }

    /// Sends a request that must succeed, and waits for its result.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        assert!(self.send(method, parameters), "the browser is gone");
        loop {
            let message = self.socket.read().expect("the browser answers");
            let Message::Text(text) = message else {
                continue;
            };
            let mut told: Value = serde_json::from_str(&text).expect("JSON");
            if told["id"] == self.requests {
                assert!(told["error"].is_null(), "{method} {parameters}: {told}");
                return told["result"].take();
            }
            let refused = told["method"] == "Log.entryAdded"
                && told["params"]["entry"]["source"] == "security";
            if refused || told["method"] == "Runtime.exceptionThrown" {
                self.problems.push(told["params"].to_string());
            }
        }
    }
}
