//! The hub written with fastwebsockets on hyper. It writes a frame at once, so a buffer is put
//! between it and the socket, which is flushed when nothing more is ready.

use std::convert::Infallible;
use std::error::Error;
use std::io;

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{
    Frame, OpCode, Payload, Role, WebSocketError, WebSocketWrite, after_handshake_split,
};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWrite, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::sync::broadcast::{Receiver, Sender};

/// Bytes gathered for one write: a hundred events of the probe.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

type Failure = Box<dyn Error + Send + Sync>;

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, events: Sender<Bytes>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let events = events.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| respond(request, events.clone()));
            let mut builder = http1::Builder::new();
            builder.pipeline_flush(true);
            let served = builder.serve_connection(TokioIo::new(stream), answer);
            // A connection that ends badly ends alone.
            let _ = served.with_upgrades().await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    events: Sender<Bytes>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let answered = match (request.method(), request.uri().path()) {
        (&Method::POST, "/publish") => publish(request, &events).await,
        (&Method::GET, "/ws") => subscribe(request, &events),
        _ => Ok(empty(StatusCode::NOT_FOUND)),
    };
    Ok(answered.unwrap_or_else(|_| empty(StatusCode::BAD_REQUEST)))
}

fn empty(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}

async fn publish(
    request: Request<Incoming>,
    events: &Sender<Bytes>,
) -> Result<Response<Empty<Bytes>>, Failure> {
    let body = request.into_body().collect().await?.to_bytes();
    // Without a subscriber an event is heard by nobody, which is not an error.
    let _ = events.send(body);
    Ok(empty(StatusCode::OK))
}

fn subscribe(
    request: Request<Incoming>,
    events: &Sender<Bytes>,
) -> Result<Response<Empty<Bytes>>, Failure> {
    // Before the handshake is answered: nothing that is published after it may be missed.
    let heard = events.subscribe();
    let (response, upgraded) = upgrade(request)?;
    tokio::spawn(async move {
        // Why a socket ended is nobody's business here.
        let _ = deliver(upgraded, heard).await;
    });
    Ok(response)
}

async fn deliver(upgraded: UpgradeFut, heard: Receiver<Bytes>) -> Result<(), Failure> {
    let upgraded = upgraded.await?.into_inner().into_inner();
    // The bare socket, not one behind a pointer.
    let parts = upgraded.downcast::<TokioIo<TcpStream>>();
    let parts = parts.map_err(|_| "an upgrade of no TCP stream")?;
    if !parts.read_buf.is_empty() {
        return Err("frames before the handshake was answered".into());
    }
    let (read, write) = parts.io.into_inner().into_split();
    let write = BufWriter::with_capacity(WRITE_BUFFER_BYTES, write);
    let (mut reader, writer) = after_handshake_split(read, write, Role::Server);
    let writer = Mutex::new(writer);
    let listening = async {
        let mut reply = |frame| async { send(&writer, frame).await };
        loop {
            let frame = reader.read_frame(&mut reply).await?;
            if frame.opcode == OpCode::Close {
                return Ok::<(), WebSocketError>(());
            }
        }
    };
    // Both for as long as the socket lives: reading cannot be taken up again in the middle of a
    // frame.
    tokio::select! {
        biased;
        told = tell(&writer, heard) => told?,
        listened = listening => listened?,
    }
    Ok(())
}

/// Sends what the library answers by itself: pongs and the close.
async fn send<W: AsyncWrite + Unpin>(
    writer: &Mutex<WebSocketWrite<W>>,
    frame: Frame<'_>,
) -> Result<(), WebSocketError> {
    let mut writer = writer.lock().await;
    writer.write_frame(frame).await?;
    writer.flush().await
}

/// Tells a subscriber of events until it lags too far.
async fn tell<W: AsyncWrite + Unpin>(
    writer: &Mutex<WebSocketWrite<W>>,
    mut heard: Receiver<Bytes>,
) -> Result<(), WebSocketError> {
    while let Ok(event) = heard.recv().await {
        let mut writer = writer.lock().await;
        let mut next = Some(event);
        while let Some(event) = next {
            writer
                .write_frame(Frame::text(Payload::Borrowed(&event)))
                .await?;
            next = heard.try_recv().ok();
        }
        writer.flush().await?;
    }
    Ok(())
}
