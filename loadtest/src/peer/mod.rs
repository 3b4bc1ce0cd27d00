//! Programs that are not ours and stand beside the server: the peer it is compared with, and the
//! load generator that asks neither of us. Each is skipped by name where it is not installed.

pub(crate) mod fan_out;
pub(crate) mod messages;
pub(crate) mod mosquitto;
pub(crate) mod nats;
pub(crate) mod nchan;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod sockets;
pub(crate) mod sockudo;
pub(crate) mod stream;
pub(crate) mod tonic;
pub(crate) mod wrk;

use std::env;
use std::path::PathBuf;

/// Where a program is, or that it is missing and what installs it.
fn installed(name: &str, by: &str) -> Result<PathBuf, String> {
    program(name).ok_or_else(|| format!("{name} is not installed: {by}"))
}

/// Where a program is, if it is installed.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where ordinary users do not look.
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
