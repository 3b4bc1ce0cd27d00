//! The event API written with tonic, which is built with this program; and who is measured beside
//! whom.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{During, Failure};
use crate::report::Report;
use crate::target::{Target, TargetArgs};

/// The peer's program.
const PROGRAM: &str = "fanfare-tonic";

/// The servers that take turns.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PeerArgs {
    /// Who stands beside the server.
    #[arg(long, default_value = "tonic", value_parser = ["tonic", "none"])]
    peer: String,
    /// The peer's threads; 1 is tokio's `current_thread` runtime, the fair one beside one shard.
    #[arg(long, default_value_t = 1)]
    peer_threads: u16,
    /// Measure the peer alone.
    #[arg(long, conflicts_with = "connect")]
    no_server: bool,
}

/// A server that takes its turn.
#[derive(Debug)]
pub(crate) struct Subject {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// The server.
    pub(crate) target: Target,
}

impl Subject {
    /// The failure, with the name of the server that it is about.
    pub(crate) fn blame(&self, failure: &Failure) -> Failure {
        Failure::new(format!("{}: {failure}", self.name))
    }
}

/// Starts everybody on the server's core, the Fanfare server first.
pub(crate) fn start(
    args: &TargetArgs,
    peer: &PeerArgs,
    report: &mut Report,
) -> Result<Vec<Subject>, Failure> {
    let mut subjects = Vec::with_capacity(2);
    if !peer.no_server {
        subjects.push(Subject {
            name: "fanfare",
            target: Target::open(args, 1, Some(args.server_core))?,
        });
    }
    if peer.peer == "tonic" {
        let mut command = Command::new(program()?);
        command.args(["--threads", &peer.peer_threads.to_string()]);
        subjects.push(Subject {
            name: "tonic",
            target: Target::start(command, Some(args.server_core))?,
        });
    }
    for subject in &subjects {
        report.note(&subject.target.banner);
    }
    if subjects.is_empty() {
        return Err(Failure::new("without server and peer nothing is measured"));
    }
    Ok(subjects)
}

/// It lies where this program lies.
fn program() -> Result<PathBuf, Failure> {
    let this = env::current_exe().during("finding this program")?;
    let program = this.with_file_name(PROGRAM);
    if !program.is_file() {
        let program = program.display();
        return Err(Failure::new(format!(
            "{program} is not built: cargo build --release --workspace"
        )));
    }
    Ok(program)
}
