//! The tasks of one shard: one per socket, and a few that keep it going. They wait; the driver works.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Duration;

use monoio::net::{TcpListener, TcpStream, UnixStream};
use tracing::warn;

use super::driver::{Attention, Driver};
use crate::limits::{ACCEPT_BATCH, ACCEPT_PAUSE, TICK_INTERVAL};
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
        if borrowed.turn(&driver) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn accept(driver: Shared, listener: TcpListener) {
    loop {
        let wait = pin!(listener.readable(false));
        let mut readable = Patient::new(wait);
        let ready = poll_fn(|ctx| {
            let mut driver = driver.borrow_mut();
            if !driver.accepts() {
                return Poll::Ready(false);
            }
            driver.accept_waker = Some(ctx.waker().clone());
            drop(driver);
            Pin::new(&mut readable).poll(ctx).map(|()| true)
        });
        if !ready.await {
            return;
        }
        if !accept_batch(&driver, &listener) {
            monoio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Accepts what is there. No if the process is out of descriptors and should wait.
fn accept_batch(driver: &Shared, listener: &TcpListener) -> bool {
    for _ in 0..ACCEPT_BATCH {
        let stream = match super::socket::accept(listener) {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => return true,
                // The peer changed its mind.
                ErrorKind::ConnectionAborted | ErrorKind::Interrupted => continue,
                _ => {
                    warn!(%error, "cannot accept");
                    return false;
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
        let accepted = driver.borrow_mut().accept(stream);
        if let Some((id, stream)) = accepted {
            spawn_reader(driver, id, stream);
        }
    }
    true
}

/// Watches a socket for input.
fn spawn_reader(driver: &Shared, id: ConnectionId, stream: Rc<TcpStream>) {
    let driver = Rc::clone(driver);
    // A block and not a function, whose arguments would stand in its future twice: there is one for each connection.
    monoio::spawn(async move {
        loop {
            let wait = pin!(stream.readable(false));
            let mut readable = Patient::new(wait);
            // Either the socket or the driver may end the wait.
            let attention = poll_fn(|ctx| {
                match driver.borrow_mut().attention(id, ctx.waker()) {
                    Attention::Leave => return Poll::Ready(Attention::Leave),
                    Attention::Pause => return Poll::Pending,
                    Attention::Read => {}
                }
                Pin::new(&mut readable).poll(ctx).map(|()| Attention::Read)
            });
            if attention.await == Attention::Leave {
                return;
            }
            driver.borrow_mut().receive(id);
        }
    });
}

/// A wait for readiness that lets others go first.
///
/// On epoll such a wait may be over as soon as it begins, again and again, while a peer sends faster
/// than we read: then its task would never give way, and no turn would follow.
struct Patient<F> {
    wait: F,
    waited: bool,
    over: bool,
}

impl<F: Future + Unpin> Patient<F> {
    const fn new(wait: F) -> Self {
        Self {
            wait,
            waited: false,
            over: false,
        }
    }
}

impl<F: Future + Unpin> Future for Patient<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, ctx: &mut task::Context<'_>) -> Poll<()> {
        if self.over {
            return Poll::Ready(());
        }
        let waited = std::mem::replace(&mut self.waited, true);
        if Pin::new(&mut self.wait).poll(ctx).is_pending() {
            return Poll::Pending;
        }
        if waited {
            return Poll::Ready(());
        }
        self.over = true;
        ctx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Waits until a socket takes bytes again.
pub(super) fn spawn_writer(driver: &Shared, id: ConnectionId, stream: Rc<TcpStream>) {
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
    }
}

async fn tick(driver: Shared) {
    loop {
        monoio::time::sleep(TICK_INTERVAL).await;
        driver.borrow_mut().advance();
    }
}

const _: () = assert!(TICK_INTERVAL.as_millis() <= Duration::from_millis(250).as_millis());
