//! Kernels that refuse a ring, or its use: the program notices before it depends on it.
//!
//! `strace` stands in for the filter or the limit: it has chosen system calls fail.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::clients::{agent, counted, publish};
use crate::server::{Server, fanfare, note, skip};

/// Where `strace` is, if it may trace here.
fn strace() -> Option<OsString> {
    let path = std::env::var_os("PATH")?;
    let files = std::env::split_paths(&path).map(|folder| folder.join("strace"));
    let Some(file) = files.into_iter().find(|file| file.exists()) else {
        skip("there is no strace", "");
        return None;
    };
    let mut traced = Command::new(&file);
    traced
        .args(["-qq", "-o", "/dev/null", "true"])
        .stderr(Stdio::null());
    // Containers may forbid it, and nothing that the program does depends on it.
    if !traced.status().is_ok_and(|status| status.success()) {
        note("skipped", "this machine does not let strace trace");
        return None;
    }
    Some(file.into_os_string())
}

/// The program as a server, some of whose system calls fail.
fn start(failing: &str, driver: &str, shards: &str) -> Option<Result<Server, String>> {
    let strace = strace()?;
    let server = fanfare(&["serve", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new(strace);
    let (calls, _) = failing.split_once(':').expect("which calls, and how");
    // The tracer is a process apart, so that the child is the server.
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"]);
    command.arg(format!("trace={calls}"));
    command.args(["-e", &format!("inject={failing}")]);
    command.arg(server.get_program()).args(server.get_args());
    command.args(["--driver", driver, "--shards", shards]);
    command.env_clear().stdin(Stdio::null());
    Some(Server::spawn(command))
}

/// It serves, says that it does so by epoll and why, and leaves when it is told to.
fn falls_back(failing: &str, why: &str) {
    let Some(server) = start(failing, "auto", "2") else {
        return;
    };
    let mut server = server.expect("it starts");
    assert!(
        server.banner[0].ends_with("(2 shards, epoll)"),
        "{:?}",
        server.banner
    );
    publish(&agent(), &server.events("room"), &counted(0));
    let log = server.log();
    assert!(log.contains("WARN") && log.contains(why), "{log}");
    assert_eq!(log.matches("epoll instead of io_uring").count(), 1, "{log}");
    server.signal("TERM");
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn a_ring_that_cannot_be_made() {
    falls_back("io_uring_setup:error=EPERM", "epoll instead of io_uring");
}

/// As under a filter that knows only the first of the calls.
#[test]
fn a_ring_that_cannot_be_entered() {
    falls_back("io_uring_enter:error=EPERM", "epoll instead of io_uring");
}

#[test]
fn a_ring_for_which_there_is_no_memory() {
    falls_back("io_uring_setup:error=ENOMEM", "locked_memory_limit");
}

/// Who insists on rings is refused, and told why.
#[test]
fn rings_that_are_asked_for_by_name() {
    for failing in ["io_uring_setup:error=ENOMEM", "io_uring_enter:error=EPERM"] {
        let Some(server) = start(failing, "io_uring", "1") else {
            return;
        };
        let problem = server.expect_err("there is no ring");
        assert!(problem.contains("server.driver"), "{problem}");
    }
}
