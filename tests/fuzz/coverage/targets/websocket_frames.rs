//! Frames of a WebSocket: what comes out does not depend on where the input is cut.
#![no_main]

use fanfare::protocol::websocket::{Item, Receiver};
use libfuzzer_sys::fuzz_target;

const MESSAGE_BYTES_MAX: usize = 4_096;

/// What comes out, and the end of it.
fn outcome(bytes: &[u8], piece: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut receiver = Receiver::new(MESSAGE_BYTES_MAX);
    let mut items = Vec::new();
    let mut held = Vec::new();
    for piece in bytes.chunks(piece) {
        held.extend_from_slice(piece);
        let mut begin = 0;
        while begin < held.len() {
            let consumed = match receiver.recv(&mut held[begin..]) {
                Ok(step) => {
                    items.extend(step.item.map(|item| match item {
                        Item::Text(message) => {
                            assert!(str::from_utf8(&message).is_ok());
                            ("text", message.to_vec())
                        }
                        Item::Binary(message) => ("binary", message.to_vec()),
                        Item::Ping(payload) => ("ping", payload.to_vec()),
                        Item::Pong(payload) => ("pong", payload.to_vec()),
                        Item::Close(close) => ("close", format!("{close:?}").into_bytes()),
                    }));
                    step.consumed
                }
                Err(error) => {
                    items.push(("error", format!("{error:?}").into_bytes()));
                    return items;
                }
            };
            if consumed == 0 {
                break;
            }
            begin += consumed;
        }
        held.drain(..begin);
        assert!(receiver.held_bytes() <= 2 * MESSAGE_BYTES_MAX);
    }
    items
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let whole = outcome(bytes, bytes.len().max(1));
    assert_eq!(whole, outcome(bytes, 1 + usize::from(piece % 16)));
    assert_eq!(whole, outcome(bytes, 1));
});
