//! Fan-out over WebSocket as two Rust libraries do it: what the server is compared with.
//!
//! `POST /publish` goes to everyone on `GET /ws`, over one `tokio::sync::broadcast`; each
//! subscriber is a task that writes everything that is ready before it flushes. The runtime is
//! tokio's `current_thread`, the fair one beside one shard. A subscriber that lags too far is cut,
//! never given a stream with a hole in it.

mod axum_hub;
mod fast_hub;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddrV4;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;

/// Events that a subscriber may lag before it is cut: more than the probe ever has in flight.
const LAG_EVENTS_MAX: usize = 1 << 17;

/// Connections that wait to be accepted: as many as Linux lets wait, so that none that come at once
/// are turned away.
const BACKLOG: u32 = 4_096;

/// Which library serves.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Library {
    /// axum, whose WebSocket is tungstenite's.
    Axum,
    /// fastwebsockets on hyper.
    Fastwebsockets,
}

/// Fan-out over WebSocket.
#[derive(Debug, Parser)]
#[command(name = "fanfare-sockets", version)]
struct Cli {
    /// The library that serves.
    library: Library,
    /// Where to listen; port 0 takes a free one, which the ready line names.
    #[arg(value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddrV4,
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(&cli))
}

/// Serves until told to stop; sockets that are open then are cut.
async fn serve(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(cli.listen.into())?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let name = cli.library.to_possible_value();
    let name = name.as_ref().map_or("", |value| value.get_name());
    writeln!(
        io::stdout(),
        "fanfare-sockets {name} listening on {address} (1 thread)"
    )?;
    let (events, _) = broadcast::channel::<Bytes>(LAG_EVENTS_MAX);
    let mut stop = signal(SignalKind::terminate())?;
    let served = async {
        match cli.library {
            Library::Axum => axum_hub::serve(listener, events).await,
            Library::Fastwebsockets => fast_hub::serve(listener, events).await,
        }
    };
    tokio::select! {
        served = served => served?,
        _ = stop.recv() => {}
    }
    Ok(())
}
