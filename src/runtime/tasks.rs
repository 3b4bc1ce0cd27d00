//! The tasks of one shard: one per socket, and a few that keep it going. They wait; the loop works.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use monoio::net::{TcpListener, TcpStream, UnixStream};
use tracing::warn;

use super::shard_loop::{Attention, ShardLoop};
use crate::limits::{ACCEPT_BATCH, ACCEPT_PAUSE};
use crate::shard::ConnectionId;

/// The loop as the tasks of its thread share it. Never borrowed across an await.
pub(super) type Shared = Rc<RefCell<ShardLoop>>;

/// Runs a shard until it has drained. Everything that is ready has run when this is polled: monoio
/// polls its main future last.
pub(super) async fn run(shard_loop: Shared, listener: TcpListener, wake_stream: UnixStream) {
    monoio::spawn(accept(Rc::clone(&shard_loop), listener));
    monoio::spawn(read_mesh(Rc::clone(&shard_loop), wake_stream));
    monoio::spawn(tick(Rc::clone(&shard_loop)));
    poll_fn(|ctx| {
        let mut borrowed = shard_loop.borrow_mut();
        if borrowed.turn_waker.is_none() {
            borrowed.turn_waker = Some(ctx.waker().clone());
        }
        if borrowed.turn() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn accept(shard_loop: Shared, listener: TcpListener) {
    loop {
        let mut wait = pin!(listener.readable(false));
        let ready = poll_fn(|ctx| {
            let mut shard_loop = shard_loop.borrow_mut();
            if !shard_loop.accepts() {
                return Poll::Ready(false);
            }
            shard_loop.accept_waker = Some(ctx.waker().clone());
            drop(shard_loop);
            wait.as_mut().poll(ctx).map(|_| true)
        });
        if !ready.await {
            return;
        }
        match accept_batch(&shard_loop, &listener) {
            Accepted::All => {}
            Accepted::Some => next_turn(&shard_loop).await,
            Accepted::Exhausted => monoio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Waits until all other ready tasks had their turn.
async fn next_turn(shard_loop: &Shared) {
    let mut waited = false;
    poll_fn(|ctx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        let mut shard_loop = shard_loop.borrow_mut();
        shard_loop.accept_waker = Some(ctx.waker().clone());
        shard_loop.accepts_more = true;
        shard_loop.wake_turn();
        Poll::Pending
    })
    .await;
}

/// The result of accepting.
enum Accepted {
    /// No connection waits any more.
    All,
    /// Others may be waiting, but this was enough for one turn.
    Some,
    /// The process is out of descriptors and should wait.
    Exhausted,
}

/// Accepts the waiting connections.
fn accept_batch(shard_loop: &Shared, listener: &TcpListener) -> Accepted {
    for _ in 0..ACCEPT_BATCH {
        let (stream, network) = match super::socket::accept(listener) {
            Ok(accepted) => accepted,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => return Accepted::All,
                // The peer changed its mind.
                ErrorKind::ConnectionAborted | ErrorKind::Interrupted => continue,
                _ => {
                    warn!(%error, "cannot accept");
                    return Accepted::Exhausted;
                }
            },
        };
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                warn!(%error, "cannot watch a connection");
                continue;
            }
        };
        let accepted = shard_loop.borrow_mut().accept(stream, network);
        if let Some((id, stream)) = accepted {
            spawn_reader(shard_loop, id, stream);
        }
    }
    Accepted::Some
}

/// Watches a socket for input.
fn spawn_reader(shard_loop: &Shared, id: ConnectionId, stream: Rc<TcpStream>) {
    let shard_loop = Rc::clone(shard_loop);
    // A block and not a function, whose arguments would stand in its future twice: there is one for
    // each connection.
    monoio::spawn(async move {
        loop {
            let mut wait = pin!(stream.readable(false));
            // Either the socket or the loop may end the wait.
            let attention = poll_fn(|ctx| {
                match shard_loop.borrow_mut().attention(id, ctx.waker()) {
                    Attention::Leave => return Poll::Ready(Attention::Leave),
                    Attention::Pause => return Poll::Pending,
                    Attention::Read => {}
                }
                wait.as_mut().poll(ctx).map(|_| Attention::Read)
            });
            if attention.await == Attention::Leave {
                return;
            }
            shard_loop.borrow_mut().readable(id);
        }
    });
}

/// Waits until a socket takes bytes again.
fn spawn_writer(shard_loop: &Shared, id: ConnectionId, stream: Rc<TcpStream>) {
    let shard_loop = Rc::clone(shard_loop);
    monoio::spawn(async move {
        let _ = stream.writable(false).await;
        shard_loop.borrow_mut().writable(id);
    });
}

async fn read_mesh(shard_loop: Shared, wake_stream: UnixStream) {
    loop {
        if wake_stream.readable(false).await.is_err() {
            return;
        }
        let adopted = shard_loop.borrow_mut().read_mesh();
        for (id, stream) in adopted {
            spawn_reader(&shard_loop, id, stream);
        }
        let blocked = shard_loop.borrow_mut().take_blocked();
        for (id, stream) in blocked {
            spawn_writer(&shard_loop, id, stream);
        }
    }
}

async fn tick(shard_loop: Shared) {
    loop {
        let sleep = shard_loop.borrow().sleep_max();
        monoio::time::sleep(sleep).await;
        shard_loop.borrow().wake_turn();
    }
}
