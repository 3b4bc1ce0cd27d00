//! RFC 6455 §4: the opening handshake, against an independent client.

use std::io::{Cursor, Read, Result, Write};

use bytes::BytesMut;
use fanfare::protocol::websocket::{Handshake, HandshakeFields, encode_text};
use tungstenite::handshake::client::Response;
use tungstenite::http::Request;
use tungstenite::{Message, WebSocket};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A server whose answer is written before it is asked.
#[derive(Debug)]
struct Canned(Cursor<Vec<u8>>);

impl Read for Canned {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Canned {
    fn write(&mut self, buf: &[u8]) -> Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn connect(
    offer: Option<&str>,
    key: &str,
    response: &[u8],
) -> Option<(WebSocket<Canned>, Response)> {
    let mut request = Request::builder()
        .uri("ws://localhost/socket")
        .header("Host", "localhost")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", key);
    if let Some(offer) = offer {
        request = request.header("Sec-WebSocket-Protocol", offer);
    }
    let request = request.body(()).expect("a request");
    tungstenite::client(request, Canned(Cursor::new(response.to_vec()))).ok()
}

fn respond(protocol: Option<&str>) -> BytesMut {
    let fields = HandshakeFields {
        method_is_get: true,
        http11: true,
        upgrade_websocket: true,
        connection_upgrade: true,
        version: Some(b"13"),
        key: Some(KEY.as_bytes()),
        key_count: 1,
    };
    let mut out = BytesMut::new();
    let handshake = Handshake::check(fields).expect("a good request");
    handshake.write_response(&mut out, protocol, b"X-Extra: yes\r\n");
    out
}

#[test]
fn section_4_2_2_a_client_accepts_the_response_and_hears_the_first_message() {
    let mut bytes = respond(None);
    encode_text(&mut bytes, b"first");
    let (mut socket, response) = connect(None, KEY, &bytes).expect("accepted");
    assert_eq!(response.headers()["X-Extra"], "yes");
    assert!(!response.headers().contains_key("Sec-WebSocket-Extensions"));
    assert_eq!(socket.read().expect("a message"), Message::text("first"));
}

#[test]
fn section_4_2_2_the_chosen_subprotocol_is_told() {
    let (_, response) =
        connect(Some("a, fanfare"), KEY, &respond(Some("fanfare"))).expect("accepted");
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "fanfare");
    assert!(
        connect(Some("a"), KEY, &respond(Some("fanfare"))).is_none(),
        "not offered"
    );
}

#[test]
fn section_4_1_a_client_refuses_the_answer_to_another_key() {
    assert!(connect(None, "AQIDBAUGBwgJCgsMDQ4PEA==", &respond(None)).is_none());
}
