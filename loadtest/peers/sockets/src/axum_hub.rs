//! The hub written with axum. Its WebSocket has a write buffer, which gathers what is fed to it
//! until a flush.

use std::io;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use futures_util::SinkExt as _;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{Receiver, Sender};

/// Its documentation advises 4 KiB where there are many connections that say little; the default of
/// 128 KiB is allocated for each at once.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, events: Sender<Bytes>) -> io::Result<()> {
    let router = Router::new()
        .route("/publish", post(publish))
        .route("/ws", get(subscribe))
        .with_state(events);
    // A socket that cannot be told is closed already.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await
}

async fn publish(State(events): State<Sender<Bytes>>, body: Bytes) -> StatusCode {
    // Without a subscriber an event is heard by nobody, which is not an error.
    let _ = events.send(body);
    StatusCode::OK
}

async fn subscribe(State(events): State<Sender<Bytes>>, upgrade: WebSocketUpgrade) -> Response {
    // Before the handshake is answered: nothing that is published after it may be missed.
    let heard = events.subscribe();
    let upgrade = upgrade.read_buffer_size(READ_BUFFER_BYTES);
    upgrade.on_upgrade(|socket| async move {
        // Why a socket ended is nobody's business here.
        let _ = deliver(socket, heard).await;
    })
}

async fn deliver(mut socket: WebSocket, mut heard: Receiver<Bytes>) -> Result<(), axum::Error> {
    loop {
        tokio::select! {
            biased;
            event = heard.recv() => {
                let Ok(event) = event else { return Ok(()) };
                socket.feed(message(event)?).await?;
                while let Ok(event) = heard.try_recv() {
                    socket.feed(message(event)?).await?;
                }
                socket.flush().await?;
            }
            // Pings are answered while reading.
            received = socket.recv() => {
                if received.transpose()?.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

fn message(event: Bytes) -> Result<Message, axum::Error> {
    let text = Utf8Bytes::try_from(event).map_err(axum::Error::new)?;
    Ok(Message::Text(text))
}
