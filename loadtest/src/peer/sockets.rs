//! Fan-out over WebSocket written with axum, with fastwebsockets and with node's ws: three small
//! programs that say where they listen, take `POST /publish` and send it to everyone on `/ws`.
//!
//! Those in Rust are built with this program, and lie where it lies.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::decoder::EventDecoder;
use super::installed;
use super::server::{Peer, Running, Subscribing};
use crate::failure::{During, Failure};
use crate::publisher::HttpPublishing;
use crate::target::Target;

/// axum, with `tokio::sync::broadcast`.
pub(crate) const AXUM: Peer = Peer {
    name: "axum",
    missing: || built().err(),
    start: |core| start_rust("axum", core),
};
/// fastwebsockets on hyper, with the same channel.
pub(crate) const FASTWEBSOCKETS: Peer = Peer {
    name: "fastwebsockets",
    missing: || built().err(),
    start: |core| start_rust("fastwebsockets", core),
};
/// node, with the package `ws`.
pub(crate) const NODE: Peer = Peer {
    name: "node",
    missing: || node().err(),
    start: |core| {
        let mut command = Command::new(node().map_err(Failure::new)?);
        command.arg(node_folder().join("hub.js"));
        start(command, core)
    },
};

/// The Rust programs are one.
const PROGRAM: &str = "fanfare-sockets";

fn start_rust(library: &str, core: usize) -> Result<Running, Failure> {
    let mut command = Command::new(built().map_err(Failure::new)?);
    command.arg(library);
    start(command, core)
}

fn start(command: Command, core: usize) -> Result<Running, Failure> {
    let target = Target::start(command, Some(core))?;
    let address = target.address;
    Ok(Running {
        pids: vec![target.pid()],
        banner: target.banner.clone(),
        subscribing: Subscribing {
            address,
            handshake: Some(("/ws".to_owned(), String::new())),
            hello: Vec::new(),
            is_confirmed: false,
        },
        decoder: EventDecoder::of_events,
        publisher: (address, |address| {
            Box::new(HttpPublishing::new(address, "/publish"))
        }),
        process: Box::new(target),
    })
}

/// Where the Rust program is, beside this one: in the same folder, or in the one above, as for
/// tests.
fn built() -> Result<PathBuf, String> {
    let this = env::current_exe().during("finding this program");
    let this = this.map_err(|failure| failure.to_string())?;
    let folders = this.ancestors().skip(1).take(2);
    let mut programs = folders.map(|folder| folder.join(PROGRAM));
    programs
        .find(|program| program.is_file())
        .ok_or_else(|| format!("{PROGRAM} is not built: cargo build --release -p {PROGRAM}"))
}

/// The folder of the script, beside which npm installs.
fn node_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/node"))
}

/// Where node is, if it finds `ws` beside the script or in `NODE_PATH`.
fn node() -> Result<PathBuf, String> {
    let node = installed("node", "apt-get install nodejs")?;
    let folder = node_folder();
    let mut command = Command::new(&node);
    command.args(["-e", "require('ws')"]).current_dir(folder);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(node),
        _ => Err(format!(
            "node finds no package ws: npm install --prefix {}",
            folder.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::server::tests::hears_every_event;

    #[test]
    fn subscribers_of_axum_hear_every_event() {
        hears_every_event(AXUM);
    }

    #[test]
    fn subscribers_of_fastwebsockets_hear_every_event() {
        hears_every_event(FASTWEBSOCKETS);
    }

    #[test]
    fn subscribers_of_node_hear_every_event() {
        hears_every_event(NODE);
    }
}
