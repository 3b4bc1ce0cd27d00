//! Follows a page from top to bottom as its reader would: each command of each console block is
//! run, and has to print what is shown for it.
//!
//! A page has one server, which its `fanfare serve` starts, or its first other command. A block of
//! TOML that begins with `# fanfare.toml` becomes that file, which is checked, and from then on the
//! server is one that runs with it. A command that waits for something, such as a poll, stays open
//! while those after it are run, and has to have printed what is shown by the end of the page.
//! `websocat` is played by tungstenite: what is piped into it is sent.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use super::compare::is_shown;
use super::page::{blocks, commands, read, root};
use crate::child::await_exit;
use crate::clients::open_socket;
use crate::output::output_of;
use crate::pubsub_client::node;
use crate::python::python;
use crate::server::{DEADLINE, Server, Setting, curl, curl_output, fanfare};

/// Where the server of every page listens.
pub(crate) const ADDRESS: &str = "127.0.0.1:7400";
/// How a block begins that is a configuration file.
pub(crate) const CONFIGURATION: &str = "# fanfare.toml\n";
/// What the reader of a page has beside it.
const FILES: [(&str, &str); 2] = [
    ("event.proto", "src/dialect/stream/event.proto"),
    ("hello.py", "tests/end_to_end/python/hello.py"),
];
/// What passwords are asked for with at a terminal, which there is none here.
const PROMPTS: &str = "password:\nonce more:\n";

/// Runs everything that a page shows.
pub(crate) fn walk(path: &str, setting: Setting) {
    if curl(&["--version"]).map(curl_output).is_none() {
        return;
    }
    let page = read(path);
    let mut walk = Walk::new(setting);
    for block in blocks(&page) {
        match block.language {
            "toml" if block.text.starts_with(CONFIGURATION) => walk.configure(block.text),
            "console" => {
                for (command, shown) in commands(block.text) {
                    walk.command(&command, &shown);
                }
            }
            _ => {}
        }
    }
    walk.close();
}

/// A command that was started, and what it is to print.
struct Running {
    command: String,
    shown: String,
    talk: Talk,
}

/// How a command is listened to.
enum Talk {
    Program {
        child: Child,
        output: PathBuf,
    },
    Socket {
        socket: Box<WebSocket<TcpStream>>,
        heard: String,
        asked: usize,
    },
}

struct Walk {
    setting: Setting,
    folder: TempDir,
    server: Option<Server>,
    /// `export` and what it says, for the commands that follow.
    exports: String,
    open: Vec<Running>,
    /// How many outputs have been written.
    outputs: usize,
}

impl Walk {
    fn new(setting: Setting) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for (name, path) in FILES {
            fs::copy(root().join(path), folder.path().join(name)).expect("copied");
        }
        Self {
            setting,
            folder,
            server: None,
            exports: String::new(),
            open: Vec::new(),
            outputs: 0,
        }
    }

    fn configure(&mut self, text: &str) {
        self.close();
        self.server = None;
        fs::write(self.folder.path().join("fanfare.toml"), text).expect("written");
        let mut check = fanfare(&["check-config", "fanfare.toml"]);
        check.current_dir(&self.folder);
        output_of(check);
        let mut serve = self.serve();
        serve.args(["--config", "fanfare.toml"]);
        self.server = Some(Server::spawn(serve).expect("the configuration is good"));
    }

    /// A server as the setting wants it, from this page's folder.
    fn serve(&self) -> Command {
        let shards = self.setting.shards.to_string();
        let mut serve = fanfare(&["serve", "--listen", "127.0.0.1:0", "--shards", &shards]);
        serve.args(["--driver", self.setting.driver]);
        serve.current_dir(&self.folder);
        serve
    }

    fn command(&mut self, command: &str, shown: &str) {
        let serve = ["cargo run --release", "fanfare serve"];
        if let Some(start) = serve.iter().find(|start| command.starts_with(**start)) {
            return self.start(&command[start.len()..], shown);
        }
        if let Some(packages) = command.strip_prefix("pip install ") {
            // Not from here: they are installed where tests are run.
            let ci = read(".ci/run");
            assert!(
                packages
                    .split(' ')
                    .all(|package| ci.contains(&format!("\"{package}==")))
            );
            return;
        }
        if command.starts_with("export ") {
            self.exports.push_str(command);
            self.exports.push('\n');
            return;
        }
        if self.server.is_none() {
            self.server = Some(Server::start(self.setting, &[]));
        }
        let before = listeners(self.server());
        if let Some(running) = self.begin(command, shown) {
            self.await_first_effect(running, before);
        }
    }

    /// Starts the page's server; of the options only those are left to the page that say nothing of
    /// where it runs.
    fn start(&mut self, options: &str, shown: &str) {
        self.close();
        self.server = None;
        let mut serve = self.serve();
        let mut options = options
            .split(' ')
            .filter(|option| !["", "--"].contains(option));
        while let Some(option) = options.next() {
            match option {
                "--listen" | "--shards" | "--driver" => _ = options.next(),
                other => _ = serve.arg(other),
            }
        }
        let server = Server::spawn(serve).expect("it starts as shown");
        let said = server.banner.join("\n");
        let said = said.replace(&server.address.to_string(), ADDRESS);
        let shown = shown.replace("io_uring", self.setting.driver);
        let goes_on = shown.lines().count() == 1;
        assert!(
            is_shown(&shown, &said, goes_on),
            "shown:\n{shown}\nsaid:\n{said}"
        );
        self.server = Some(server);
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it was started")
    }

    /// Starts a command; `None` if what it needs is not here, which was said.
    fn begin(&mut self, command: &str, shown: &str) -> Option<Running> {
        let talk = match command.split_once("websocat ") {
            Some((before, arguments)) => self.open_socket(before, arguments)?,
            None => self.run(command)?,
        };
        Some(Running {
            command: command.to_owned(),
            shown: shown.to_owned(),
            talk,
        })
    }

    fn open_socket(&mut self, before: &str, arguments: &str) -> Option<Talk> {
        let url = arguments.split(' ').next_back().expect("an address");
        let path = url
            .trim_matches('\'')
            .strip_prefix(&format!("ws://{ADDRESS}"));
        let mut socket = Box::new(open_socket(self.server(), path.expect("the page's server")));
        let mut asked = 0;
        if let Some(says) = before.trim_end().strip_suffix('|') {
            let Talk::Program { mut child, output } = self.run(says)? else {
                unreachable!("a program");
            };
            assert!(await_exit(&mut child).success(), "{says}");
            let lines = fs::read_to_string(output).expect("UTF-8");
            for line in lines.lines() {
                socket.send(Message::text(line)).expect("it is read");
                asked += 1;
            }
        }
        let stream = socket.get_ref();
        let short = Some(Duration::from_millis(20));
        stream.set_read_timeout(short).expect("an option");
        let heard = String::new();
        Some(Talk::Socket {
            socket,
            heard,
            asked,
        })
    }

    fn run(&mut self, command: &str) -> Option<Talk> {
        let shims = self.shims(command)?;
        let address = self.server().address.to_string();
        let command = format!("{}{command}", self.exports).replace(ADDRESS, &address);
        self.outputs += 1;
        let output = self.folder.path().join(format!(".output{}", self.outputs));
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(&self.folder);
        // Proxies are not for this machine's own addresses.
        shell.envs([
            ("no_proxy", "*"),
            ("no_grpc_proxy", "127.0.0.1"),
            ("PATH", &shims),
        ]);
        shell.env("FANFARE_URL", format!("http://{address}"));
        let typed = self.folder.path().join(".typed");
        fs::write(&typed, "secret\n").expect("written");
        shell.stdin(File::open(typed).expect("a file"));
        shell.stdout(File::create(&output).expect("a file"));
        // Its own group, so that all of it can be ended.
        shell.stderr(Stdio::null()).process_group(0);
        let child = shell.spawn().expect("there is a shell");
        Some(Talk::Program { child, output })
    }

    /// A search path with the programs that commands name; `None` if one is not here, which was
    /// said.
    fn shims(&self, command: &str) -> Option<String> {
        let folder = self.folder.path().join(".programs");
        fs::create_dir_all(&folder).expect("a folder");
        let shim = |name: &str, script: &str| {
            let path = folder.join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        };
        let quoted = |command: &Command| format!("'{}'", command.get_program().display());
        let program = env!("CARGO_BIN_EXE_fanfare");
        shim(
            "fanfare",
            &format!(
                "case $1 in publish|tail) exec '{program}' \"$@\" --url \"$FANFARE_URL\" ;; esac\nexec '{program}' \"$@\""
            ),
        );
        match command.split(' ').next() {
            Some("node") => shim("node", &format!("exec {} \"$@\"", quoted(&node()?))),
            Some("python") => shim("python", &format!("exec {} \"$@\"", quoted(&python()?))),
            Some("grpcurl") => {
                let script = root().join("tests/end_to_end/python/grpcurl.py");
                let python = quoted(&python()?);
                shim(
                    "grpcurl",
                    &format!("exec {python} '{}' \"$@\"", script.display()),
                );
            }
            _ => {}
        }
        let path = std::env::var("PATH").expect("a search path");
        Some(format!("{}:{path}", folder.display()))
    }

    /// Waits until a command has ended, with the output that is shown, or listens to something.
    fn await_first_effect(&mut self, mut running: Running, mut before: u64) {
        let start = Instant::now();
        loop {
            let now = listeners(self.server());
            let output = running.output();
            if let Talk::Program { child, .. } = &mut running.talk
                && let Some(status) = child.try_wait().expect("our own child")
            {
                assert!(status.success(), "{}: {status}", running.command);
                let output = running.output();
                return running.judge(self.server(), &output, false);
            }
            if now > before && output.lines().count() >= running.asked() {
                self.open.push(running);
                return;
            }
            before = before.min(now);
            let waited = start.elapsed();
            assert!(waited < DEADLINE, "it does nothing: {}", running.command);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until what is still open has printed what is shown, and ends it.
    fn close(&mut self) {
        for mut running in std::mem::take(&mut self.open) {
            let start = Instant::now();
            let mut output = running.output();
            while !is_shown(&running.shown, &output, true) && start.elapsed() < DEADLINE {
                thread::sleep(Duration::from_millis(10));
                output = running.output();
            }
            running.judge(self.server(), &output, true);
        }
    }
}

/// Whoever reads a log or is subscribed.
fn listeners(server: &Server) -> u64 {
    server.metric("readers") + server.metric("subscriptions")
}

impl Running {
    /// How many requests have been sent, each of which has an answer.
    const fn asked(&self) -> usize {
        match self.talk {
            Talk::Program { .. } => 0,
            Talk::Socket { asked, .. } => asked,
        }
    }

    /// What has been printed so far.
    fn output(&mut self) -> String {
        match &mut self.talk {
            Talk::Program { output, .. } => fs::read_to_string(output).expect("UTF-8"),
            Talk::Socket { socket, heard, .. } => {
                // Until nothing comes for a moment.
                while let Ok(message) = socket.read() {
                    if let Message::Text(text) = message {
                        heard.push_str(&text);
                        heard.push('\n');
                    }
                }
                heard.clone()
            }
        }
    }

    fn judge(&self, server: &Server, output: &str, may_go_on: bool) {
        let output = output.replace(&server.address.to_string(), ADDRESS);
        let shown = self.shown.strip_prefix(PROMPTS).unwrap_or(&self.shown);
        let command = &self.command;
        assert!(
            is_shown(shown, &output, may_go_on),
            "$ {command}\nis shown with:\n{shown}\nand printed:\n{output}"
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Talk::Program { child, .. } = &mut self.talk else {
            return;
        };
        if child.try_wait().expect("our own child").is_none() {
            let group = format!("-{}", child.id());
            let ended = Command::new("/bin/kill")
                .args(["-KILL", "--", &group])
                .status();
            ended.expect("kill is there");
            child.wait().expect("our own child");
        }
    }
}
