//! The event API written plainly with tonic on tokio: what the server is compared with.
//!
//! It does what the comparison needs, and does it right: subscriptions by name and prefix, replies,
//! one copy of an event for a stream, a bound on what waits for a slow one. Targets, tokens and
//! every transport but gRPC are left out, which is in its favour.

mod hub;
mod service;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use fanfare_tonic::event::event_service_server::EventServiceServer;
use fanfare_tonic::tonic::transport::Server;
use fanfare_tonic::tonic::transport::server::TcpIncoming;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::hub::Hub;
use crate::service::Events;

/// The event API over gRPC, written with tonic.
#[derive(Debug, Parser)]
#[command(name = "fanfare-tonic", version)]
struct Cli {
    /// Where to listen; port 0 takes a free one, which the ready line names.
    #[arg(value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Worker threads. 1 is tokio's `current_thread` runtime, which spares what threads share.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    runtime(cli.threads)?.block_on(serve(&cli))
}

fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = match threads {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).enable_all().build()
}

/// Serves until told to stop; streams that are open then are cut.
async fn serve(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(cli.listen).await?;
    let (address, threads) = (listener.local_addr()?, cli.threads);
    writeln!(
        io::stdout(),
        "fanfare-tonic listening on {address} ({threads} threads)"
    )?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let events = EventServiceServer::new(Events::new(Arc::new(Hub::default())));
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        served = Server::builder().add_service(events).serve_with_incoming(incoming) => served?,
        _ = stop.recv() => {}
    }
    Ok(())
}
