//! WebSocket frames as a peer reads and writes them, with `tungstenite` over memory.

use std::io::{self, Read, Write};

use tungstenite::Error;
pub(crate) use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket};

/// The request that opens a socket; the key is the one of RFC 6455 §1.3.
pub(crate) fn upgrade(path: &str) -> String {
    let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    super::http::request(&format!("GET {path}"), fields, "")
}

/// Bytes to be read, and what was written.
#[derive(Default)]
struct Memory {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buf.len().min(self.input.len());
        buf[..count].copy_from_slice(&self.input[..count]);
        self.input.drain(..count);
        Ok(count)
    }
}

impl Write for Memory {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The client's end of one socket.
pub(crate) struct Client(WebSocket<Memory>);

impl Client {
    pub(crate) fn new() -> Self {
        Self(WebSocket::from_raw_socket(
            Memory::default(),
            Role::Client,
            None,
        ))
    }

    /// Reads all whole messages out of `received`, which is emptied. What is torn or no frame
    /// fails.
    pub(crate) fn read(&mut self, received: &mut Vec<u8>) -> Vec<Message> {
        self.0.get_mut().input.append(received);
        let mut messages = Vec::new();
        loop {
            match self.0.read() {
                Ok(message) => messages.push(message),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => break,
                Err(error) => panic!("{error} after {messages:?}"),
            }
        }
        messages
    }

    /// The texts among the messages that have come.
    pub(crate) fn texts(&mut self, received: &mut Vec<u8>) -> Vec<String> {
        let messages = self.read(received);
        let texts = messages.into_iter().filter_map(|message| match message {
            Message::Text(text) => Some(text.to_string()),
            _ => None,
        });
        texts.collect()
    }

    /// Writes a message.
    pub(crate) fn write(&mut self, message: Message) {
        self.0.send(message).expect("written to memory");
    }

    /// What is to be sent: also answers to pings and closes.
    pub(crate) fn output(&mut self) -> Vec<u8> {
        let _ = self.0.flush();
        std::mem::take(&mut self.0.get_mut().output)
    }
}
