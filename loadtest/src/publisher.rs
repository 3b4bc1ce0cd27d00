//! One publisher on a kept-alive HTTP connection: it sends an event, and later reads the answer.
//!
//! Blocking on purpose: one thread, one request in flight, nothing else to do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::{During, Failure};
use crate::http::Response;

/// An answer comes within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of the payload that is published everywhere, quotes included.
const PAYLOAD_BYTES: usize = 128;

/// The event that is published everywhere: a JSON string of 128 bytes.
pub(crate) fn event() -> String {
    let payload = "x".repeat(PAYLOAD_BYTES - 2);
    format!(r#"{{"type":"probe","data":"{payload}"}}"#)
}

/// The same event to a session, as the pubsub dialect says it.
pub(crate) fn pubsub_event(session: &str) -> String {
    let payload = "x".repeat(PAYLOAD_BYTES - 2);
    format!(
        r#"{{"scope":{{"type":"session","event_id":"probe","session_id":"{session}"}},"payload":{{"event":{{"eventName":"probe","data":"{payload}"}}}}}}"#
    )
}

/// A connection that publishes to one session.
#[derive(Debug)]
pub(crate) struct Publisher {
    stream: TcpStream,
    request: Vec<u8>,
    received: Vec<u8>,
}

impl Publisher {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr, session: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).during("connecting to publish")?;
        stream.set_nodelay(true).during("connecting to publish")?;
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .during("connecting to publish")?;
        let event = event();
        let request = format!(
            "POST /api/sessions/{session}/events HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{event}",
            event.len()
        );
        Ok(Self {
            stream,
            request: request.into_bytes(),
            received: Vec::new(),
        })
    }

    /// Publishes the event.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        self.stream.write_all(&self.request).during("publishing")
    }

    /// Waits for the answer, and says which number the event has.
    pub(crate) fn recv(&mut self) -> Result<u64, Failure> {
        loop {
            let parsed = Response::parse(&self.received).during("the answer to a publish")?;
            if let Some((response, used)) = parsed {
                let head = response.head;
                let number = head
                    .field("fanfare-number")
                    .and_then(|digits| digits.parse().ok());
                let (status, text) = (head.status, String::from_utf8_lossy(&response.body));
                let number = number.filter(|_| status == 200).ok_or_else(|| {
                    Failure::new(format!("a publish was answered {status} {text}"))
                })?;
                self.received.drain(..used);
                return Ok(number);
            }
            let mut scratch = [0; 4096];
            match self
                .stream
                .read(&mut scratch)
                .during("waiting for the answer to a publish")?
            {
                0 => return Err(Failure::new("the server closed a publisher's connection")),
                count => self.received.extend_from_slice(&scratch[..count]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_has_the_size_it_claims() {
        let event: serde_json::Value = serde_json::from_str(&event()).expect("JSON");
        assert_eq!(event["data"].to_string().len(), PAYLOAD_BYTES);
    }
}
