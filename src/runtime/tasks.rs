//! The tasks of one shard: one per socket, and a few that keep it going. They wait; the driver works.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use monoio::net::{TcpListener, TcpStream, UnixStream};
use tracing::warn;

use super::driver::{Attention, Driver};
use crate::limits::{ACCEPT_BATCH, ACCEPT_PAUSE};
use crate::shard::ConnectionId;

/// The driver as the tasks of its thread share it. Never borrowed across an await.
pub(super) type Shared = Rc<RefCell<Driver>>;

/// Runs a shard until it has drained. Everything that is ready has run when this is polled: monoio
/// polls its main future last.
pub(super) async fn run(driver: Shared, listener: TcpListener, wake_stream: UnixStream) {
    monoio::spawn(accept(Rc::clone(&driver), listener));
    monoio::spawn(read_mesh(Rc::clone(&driver), wake_stream));
    monoio::spawn(tick(Rc::clone(&driver)));
    poll_fn(|ctx| {
        let mut borrowed = driver.borrow_mut();
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

async fn accept(driver: Shared, listener: TcpListener) {
    loop {
        let mut wait = pin!(listener.readable(false));
        let ready = poll_fn(|ctx| {
            let mut driver = driver.borrow_mut();
            if !driver.accepts() {
                return Poll::Ready(false);
            }
            driver.accept_waker = Some(ctx.waker().clone());
            drop(driver);
            wait.as_mut().poll(ctx).map(|_| true)
        });
        if !ready.await {
            return;
        }
        match accept_batch(&driver, &listener) {
            Accepted::All => {}
            Accepted::Some => next_turn(&driver).await,
            Accepted::Exhausted => monoio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Waits until all others had their turn.
async fn next_turn(driver: &Shared) {
    let mut waited = false;
    poll_fn(|ctx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        let mut driver = driver.borrow_mut();
        driver.accept_waker = Some(ctx.waker().clone());
        driver.accepts_more = true;
        driver.wake_turn();
        Poll::Pending
    })
    .await;
}

/// How accepting went.
enum Accepted {
    /// Nobody waits any more.
    All,
    /// Others may be waiting, but this was enough for one turn.
    Some,
    /// The process is out of descriptors and should wait.
    Exhausted,
}

/// Accepts who is there.
fn accept_batch(driver: &Shared, listener: &TcpListener) -> Accepted {
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
        let accepted = driver.borrow_mut().accept(stream, network);
        if let Some((id, stream)) = accepted {
            spawn_reader(driver, id, stream);
        }
    }
    Accepted::Some
}

/// Watches a socket for input.
fn spawn_reader(driver: &Shared, id: ConnectionId, stream: Rc<TcpStream>) {
    let driver = Rc::clone(driver);
    // A block and not a function, whose arguments would stand in its future twice: there is one for each connection.
    monoio::spawn(async move {
        loop {
            let mut wait = pin!(stream.readable(false));
            // Either the socket or the driver may end the wait.
            let attention = poll_fn(|ctx| {
                match driver.borrow_mut().attention(id, ctx.waker()) {
                    Attention::Leave => return Poll::Ready(Attention::Leave),
                    Attention::Pause => return Poll::Pending,
                    Attention::Read => {}
                }
                wait.as_mut().poll(ctx).map(|_| Attention::Read)
            });
            if attention.await == Attention::Leave {
                return;
            }
            driver.borrow_mut().readable(id);
        }
    });
}

/// Waits until a socket takes bytes again.
fn spawn_writer(driver: &Shared, id: ConnectionId, stream: Rc<TcpStream>) {
    let driver = Rc::clone(driver);
    monoio::spawn(async move {
        let _ = stream.writable(false).await;
        driver.borrow_mut().writable(id);
    });
}

async fn read_mesh(driver: Shared, wake_stream: UnixStream) {
    loop {
        if wake_stream.readable(false).await.is_err() {
            return;
        }
        let adopted = driver.borrow_mut().read_mesh();
        for (id, stream) in adopted {
            spawn_reader(&driver, id, stream);
        }
        let blocked = driver.borrow_mut().take_blocked();
        for (id, stream) in blocked {
            spawn_writer(&driver, id, stream);
        }
    }
}

async fn tick(driver: Shared) {
    loop {
        let sleep = driver.borrow().sleep_max();
        monoio::time::sleep(sleep).await;
        driver.borrow().wake_turn();
    }
}
