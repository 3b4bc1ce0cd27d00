//! The program as a child with a deadline, and a TCP server that follows a script.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::child::{DEADLINE, await_exit};

/// The program, away from the environment of whoever runs the tests.
pub(crate) fn fanfare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Finished {
    finish(fanfare(args).spawn().expect("the program starts"))
}

/// Waits for a child; its output must be small enough for a pipe.
pub(crate) fn finish(mut child: Child) -> Finished {
    await_exit(&mut child);
    child.wait_with_output().expect("its output is read").into()
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Serves one connection after the other: reads a request, writes that connection's pieces with a
/// pause between them, closes.
pub(crate) struct Script {
    address: SocketAddr,
    requests: Receiver<String>,
}

impl Script {
    pub(crate) fn start(connections: Vec<Vec<Vec<u8>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for pieces in connections {
                let (mut socket, _) = listener.accept().expect("a connection");
                socket
                    .set_read_timeout(Some(DEADLINE))
                    .expect("an option of every socket");
                // The test may be over, with nobody left to tell.
                let _ = sender.send(read_request(&mut socket));
                for piece in pieces {
                    if socket.write_all(&piece).is_err() {
                        break;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Self { address, requests }
    }

    /// One connection that gets one answer.
    pub(crate) fn answering(answer: &str) -> Self {
        Self::start(vec![vec![answer.as_bytes().to_vec()]])
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next connection's request, head and body.
    pub(crate) fn request(&self) -> String {
        self.requests
            .recv_timeout(DEADLINE)
            .expect("another request")
    }
}

fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buf = [0; 4096];
    loop {
        let read = socket.read(&mut buf).expect("a request");
        assert!(read > 0, "the request was cut off");
        request.extend_from_slice(&buf[..read]);
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return text.into_owned();
        }
    }
}

fn content_length(head: &str) -> usize {
    field(head, "content-length").map_or(0, |length| length.parse().expect("a number"))
}

/// A field of a request.
pub(crate) fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let head = request.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
