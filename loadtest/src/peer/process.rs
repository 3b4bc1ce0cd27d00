//! The process of a peer: started on one core, ready when it accepts connections, stopped when it
//! is dropped.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::failure::{During, Failure};
use crate::machine::on_core;

/// It accepts connections within this time.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// Told to stop, it is gone within this time, or is killed: nothing of it is worth saving.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// The most that is quoted of what it said before it failed.
const SAID_BYTES_MAX: usize = 2_000;

/// A folder for a peer's configuration and what it says.
pub(crate) fn folder() -> Result<TempDir, Failure> {
    TempDir::with_prefix("fanfare-loadtest-").during("a folder for a peer")
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: Pid,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts a program on one core, in its folder, and waits until it accepts connections at all
    /// addresses.
    pub(crate) fn start(
        mut command: Command,
        folder: TempDir,
        core: usize,
        addresses: &[SocketAddr],
    ) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let log = fs::File::create(folder.path().join("log")).during("a peer's log")?;
        let errors = log.try_clone().during("a peer's log")?;
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(log).stderr(errors);
        let child = on_core(core, || command.spawn().during(&program))?;
        let mut process = Self {
            pid: Pid::from_raw(child.id().cast_signed()),
            child,
            folder,
        };
        let deadline = Instant::now() + READY_TIMEOUT;
        for address in addresses {
            while TcpStream::connect(address).is_err() {
                let ended = process.child.try_wait().during(&program)?;
                if ended.is_some() || Instant::now() > deadline {
                    let said = process.said();
                    return Err(Failure::new(format!("{program} does not start: {said}")));
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(process)
    }

    /// The end of what it said so far.
    fn said(&self) -> String {
        let all = fs::read(self.folder.path().join("log")).unwrap_or_default();
        let from = all.len().saturating_sub(SAID_BYTES_MAX);
        String::from_utf8_lossy(&all[from..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let deadline = Instant::now() + STOP_TIMEOUT;
        // It may have gone by itself; `try_wait` tells.
        let _ = kill(self.pid, Signal::SIGTERM);
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The first line that a program prints about its version, or its name if it says nothing.
pub(crate) fn version(program: &Path, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return program.display().to_string();
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::free_address;

    #[test]
    fn what_does_not_start_is_quoted() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no memory; exit 3"]);
        let address = free_address().expect("a port");
        let started = Process::start(command, folder().expect("a folder"), 0, &[address]);
        let why = started.expect_err("it ended").to_string();
        assert!(why.contains("no memory"), "{why}");
    }

    #[test]
    fn the_first_line_is_the_version() {
        assert_eq!(version(Path::new("echo"), "thing 1.2"), "thing 1.2");
        assert_eq!(version(Path::new("true"), "-v"), "true");
    }
}
