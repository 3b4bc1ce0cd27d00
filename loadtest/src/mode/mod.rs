//! What can be measured: one file a mode.

pub(crate) mod arena;
pub(crate) mod broadcast;
pub(crate) mod connect_storm;
pub(crate) mod fan_out;
pub(crate) mod filters;
pub(crate) mod grpc_fan_out;
pub(crate) mod grpc_idle;
pub(crate) mod grpc_publish;
pub(crate) mod hostile;
pub(crate) mod idle;
pub(crate) mod latency;
mod load;
pub(crate) mod long_poll;
pub(crate) mod publish;
pub(crate) mod ramp;
pub(crate) mod resume_storm;
pub(crate) mod rooms;
pub(crate) mod shards;
pub(crate) mod slow_consumers;
pub(crate) mod soak;
pub(crate) mod wake;
pub(crate) mod walk;

use std::time::Duration;

use tempfile::TempDir;

use crate::check::resumable::Resumable;
use crate::client::Client;
use crate::failure::{During, Failure};
use crate::machine::pin;
use crate::report::Report;
use crate::target::{Target, TargetArgs};

/// Requests that create sessions in one write.
const CREATE_BATCH: usize = 250;

#[expect(
    clippy::unnecessary_wraps,
    reason = "waits like `Pump::pump_for`, without a fleet"
)]
fn pause(duration: Duration) -> Result<(), Failure> {
    std::thread::sleep(duration);
    Ok(())
}

/// A session's token: the same run after run would find old events in a server that stays.
fn session(index: usize) -> String {
    format!("probe-{}-{index}", std::process::id())
}

/// Starts a server with one shard on its core, moves this thread to the probe's, and begins the
/// report.
fn begin(
    args: &TargetArgs,
    mode: &'static str,
    columns: &'static [&'static str],
) -> Result<(Target, Report), Failure> {
    let target = Target::open(args, 1, Some(args.server_core))?;
    pin(args.probe_core)?;
    let mut report = Report::new(mode, columns);
    report.note(&target.banner);
    Ok((target, report))
}

/// What creates a session.
const FIRST_EVENT: &str = r#"{"type":"first","data":0}"#;

/// Where a session is published to.
fn events_path(index: usize) -> String {
    format!("/api/sessions/{}/events", session(index))
}

/// Publishes once to each of so many sessions.
fn create_sessions(publisher: &mut Client, sessions: usize) -> Result<(), Failure> {
    let all: Vec<usize> = (0..sessions).collect();
    for batch in all.chunks(CREATE_BATCH) {
        let requests = batch
            .iter()
            .flat_map(|&index| publisher.post(&events_path(index), FIRST_EVENT));
        let requests: Vec<u8> = requests.collect();
        publisher.send(&requests)?;
        for _ in batch {
            publisher.recv()?;
        }
    }
    Ok(())
}

/// The same server with this configuration, and the folder that it lives in until it is dropped.
fn configured(args: &TargetArgs, config: &str) -> Result<(TempDir, TargetArgs), Failure> {
    let folder = TempDir::with_prefix("fanfare-loadtest-").during("a configuration")?;
    let path = folder.path().join("fanfare.toml");
    std::fs::write(&path, config).during("writing a configuration")?;
    let mut args = args.clone();
    let path = path.to_string_lossy().into_owned();
    args.server_args.extend(["--config".into(), path]);
    Ok((folder, args))
}

/// Ends a check: notes what became of all deliveries, and has the report fail if anything is wrong.
fn close(check: Resumable, report: &mut Report) {
    let (totals, first) = check.finish();
    report.note(totals.sentence());
    if let Some(first) = first {
        let violations = totals.violations();
        report.fail(format!(
            "{violations} violations of what was promised, the first: {first}"
        ));
    }
}
