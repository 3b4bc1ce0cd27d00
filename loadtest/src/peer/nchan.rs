//! nginx with the nchan module: one worker on one core, publishing over HTTP to memory; long polls,
//! or a WebSocket each.
//!
//! Its configuration is what its documentation offers for most throughput: no access log, one
//! worker, bodies in a single buffer, kept-alive connections without a limit.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::decoder::EventDecoder;
use super::process::{Process, folder};
use super::program;
use super::server::{Peer, Running, Subscribing};
use crate::failure::{During, Failure};
use crate::machine::children_of;
use crate::publisher::HttpPublishing;
use crate::target::free_address;

/// Where distributions put the module.
const MODULES: [&str; 3] = [
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
    "/etc/nginx/modules/ngx_nchan_module.so",
];
/// Connections of its worker: as many as a process may have descriptors on the machines that this
/// is made for.
const CONNECTIONS_MAX: u32 = 20_000;
/// The channel that everybody listens to who stands beside ours in `fan-out`, `latency` and
/// `connect-storm`.
const CHANNEL: &str = "probe";
/// Messages that a channel keeps for subscribers that lag: more than are ever in flight, so that
/// none is lost.
const BUFFER_LENGTH: u32 = 10_000;
/// It has a worker within this time.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where nginx and its module are.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    nginx: PathBuf,
    module: PathBuf,
}

/// Finds both, or says which one is missing.
pub(crate) fn installed() -> Result<Installed, &'static str> {
    let nginx = program("nginx").ok_or("nginx is not installed")?;
    let module = MODULES
        .iter()
        .map(PathBuf::from)
        .find(|file| file.is_file());
    let module = module.ok_or("nginx's nchan module is not installed")?;
    Ok(Installed { nginx, module })
}

/// Starts it on one core; `buffer_length` is how many messages a channel keeps.
pub(crate) fn start(
    installed: &Installed,
    core: usize,
    buffer_length: u32,
) -> Result<Running, Failure> {
    let folder = folder()?;
    let address = free_address()?;
    let file = folder.path().join("nginx.conf");
    let text = configuration(folder.path(), &installed.module, address, buffer_length);
    fs::write(&file, text).during("nginx's configuration")?;
    let mut command = Command::new(&installed.nginx);
    command.arg("-p").arg(folder.path()).arg("-c").arg(&file);
    // The master: told to stop, it ends its worker before itself.
    let process = Process::start(command, folder, core, &[address])?;
    let mut pids = vec![process.pid];
    pids.extend(await_workers(process.pid)?);
    Ok(Running {
        pids,
        banner: format!(
            "nginx with nchan listening on {address}: 1 worker, {buffer_length} messages kept in memory"
        ),
        subscribing: Subscribing {
            address,
            handshake: Some((format!("/subscribe?id={CHANNEL}"), String::new())),
            hello: Vec::new(),
            is_confirmed: false,
        },
        decoder: EventDecoder::of_events,
        publisher: (address, |address| {
            let path = format!("/pub?id={CHANNEL}");
            Box::new(HttpPublishing::new(address, &path))
        }),
        process: Box::new(process),
    })
}

/// The kernel accepts connections before there are any: the master listens first.
fn await_workers(master: Pid) -> Result<Vec<Pid>, Failure> {
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        let workers = children_of(master)?;
        if !workers.is_empty() {
            return Ok(workers);
        }
        if Instant::now() > deadline {
            return Err(Failure::new("nginx starts no worker"));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// For `fan-out`, `latency` and `connect-storm`: WebSocket subscribers.
pub(crate) const PEER: Peer = Peer {
    name: "nchan",
    missing: || {
        let why = installed().err()?;
        Some(format!("{why}: apt-get install nginx libnginx-mod-nchan"))
    },
    start: |core| {
        let installed = installed().map_err(Failure::new)?;
        self::start(&installed, core, BUFFER_LENGTH)
    },
};

fn configuration(folder: &Path, module: &Path, address: SocketAddr, buffer_length: u32) -> String {
    let (folder, module) = (folder.display(), module.display());
    format!(
        "load_module {module};
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile {CONNECTIONS_MAX};
events {{ worker_connections {CONNECTIONS_MAX}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1d;
    keepalive_time 1d;
    client_body_in_single_buffer on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 256M;
    server {{
        listen {address} backlog=4096;
        location = /pub {{
            nchan_publisher http;
            nchan_channel_id $arg_id;
            nchan_message_buffer_length {buffer_length};
            nchan_message_timeout 60s;
        }}
        location = /sub {{
            nchan_subscriber longpoll;
            nchan_channel_id $arg_id;
            nchan_subscriber_first_message newest;
        }}
        location = /subscribe {{
            nchan_subscriber websocket;
            nchan_channel_id $arg_id;
            nchan_subscriber_first_message newest;
            nchan_websocket_ping_interval 0;
        }}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::server::tests::hears_every_event;

    #[test]
    fn subscribers_hear_every_event() {
        hears_every_event(PEER);
    }

    #[test]
    fn the_worker_is_among_its_processes() {
        if let Some(why) = (PEER.missing)() {
            eprintln!("nchan skipped: {why}");
            return;
        }
        // Without it the work would cost nothing.
        let running = (PEER.start)(0).expect("nginx");
        assert_eq!(running.pids.len(), 2);
    }

    #[test]
    fn the_configuration_names_what_it_is_given() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8_080));
        let text = configuration(Path::new("/scratch"), Path::new("/module.so"), address, 7);
        for line in [
            "load_module /module.so;",
            "pid /scratch/nginx.pid;",
            "listen 127.0.0.1:8080 backlog=4096;",
            "nchan_message_buffer_length 7;",
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
