//! The stream dialect, spoken to by gRPC for Python: an implementation of its own, in C.
//!
//! The interpreter is `FANFARE_TEST_PYTHON`, or else `python3`; it needs grpcio, grpcio-tools,
//! grpcio-reflection and grpcio-health-checking. Without them these tests are skipped, but never
//! with `CI=true`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::output::output_of;
use crate::server::{Server, Setting, skip};

on_every_setting!(a_client_of_its_own_finds_everything_as_defined);

/// What the scripts import beyond Python's own.
const IMPORTS: &str = "import grpc, grpc_tools, grpc_reflection, grpc_health";

/// A file of the package.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An interpreter with gRPC; `None`, with the reason printed, where there is none.
pub(crate) fn python() -> Option<Command> {
    static FOUND: OnceLock<Result<OsString, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let program = std::env::var_os("FANFARE_TEST_PYTHON");
        let program = program.unwrap_or_else(|| "python3".into());
        match Command::new(&program).args(["-c", IMPORTS]).output() {
            Ok(output) if output.status.success() => Ok(program),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
    let program = match found {
        Ok(program) => program,
        Err(problem) => {
            skip("no gRPC for Python", problem);
            return None;
        }
    };
    let mut command = Command::new(program);
    // Proxies are not for this machine's own addresses.
    command
        .env("no_grpc_proxy", "127.0.0.1")
        .stdin(Stdio::null());
    Some(command)
}

fn a_client_of_its_own_finds_everything_as_defined(setting: Setting) {
    let Some(mut command) = python() else { return };
    let server = Server::start(setting, &[]);
    command.arg(file("tests/end_to_end/python/client.py"));
    command.arg(file("src/dialect/stream/event.proto"));
    command.arg(server.address.to_string());
    let listed = output_of(command);
    assert!(listed.contains("apis.event.v2.EventService\n"), "{listed}");
    server.await_metric("http2_streams", 0);
    server.await_metric("subscriptions", 0);
}
