//! The cable between clients and a server: a relay of TCP connections that a test can pull out and
//! put back.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is connected, and whether anything may be.
#[derive(Debug, Default)]
struct Ends {
    is_cut: bool,
    streams: Vec<TcpStream>,
}

/// A relay in front of a server. Its threads end with the test program.
#[derive(Debug)]
pub(crate) struct Cable {
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    ends: Arc<Mutex<Ends>>,
}

impl Cable {
    /// Lays one to a server.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let ends = Arc::new(Mutex::new(Ends::default()));
        let shared = Arc::clone(&ends);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut ends = shared.lock().expect("nobody panics with it");
                // Dropped while it is cut: refused without a word.
                if !ends.is_cut
                    && let Ok(streams) = join(client, server)
                {
                    ends.streams.extend(streams);
                }
            }
        });
        Self { address, ends }
    }

    /// Ends every connection, and each one that is opened from now on.
    pub(crate) fn cut(&self) {
        let mut ends = self.ends.lock().expect("nobody panics with it");
        ends.is_cut = true;
        for stream in ends.streams.drain(..) {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.ends.lock().expect("nobody panics with it").is_cut = false;
    }
}

/// Connects a client with the server, in both directions; both ends, to cut them.
fn join(client: TcpStream, server: SocketAddr) -> io::Result<[TcpStream; 2]> {
    let server = TcpStream::connect(server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let ends = [client.try_clone()?, server.try_clone()?];
    let back = (server.try_clone()?, client.try_clone()?);
    for (mut from, mut to) in [(client, server), back] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            // Whoever closed its half has it closed on the other side too.
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(ends)
}
