//! Counts events that come as one WebSocket message each, whatever is around the payload.
//!
//! Every message's number is read, not only its length: at the place where the message before had it, so that it
//! costs a comparison of nine bytes and ten digits.

use super::fan_out::{Counter, Heard};
use crate::frames::{Unframer, sequence_at};

/// Where in a subscriber's messages its bytes have arrived.
#[derive(Debug, Default)]
pub(crate) struct MessageCounter {
    unframer: Unframer,
    /// The beginning of a message that came in pieces.
    begun: Vec<u8>,
    /// Where the number was last.
    at: usize,
}

impl Counter for MessageCounter {
    fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut dyn FnMut(Heard),
    ) -> Result<(), String> {
        let (begun, at) = (&mut self.begun, &mut self.at);
        self.unframer.feed(bytes, replies, |piece, is_end| {
            if !is_end {
                begun.extend_from_slice(piece);
                return Ok(());
            }
            let message = if begun.is_empty() {
                piece
            } else {
                begun.extend_from_slice(piece);
                &**begun
            };
            let number = sequence_at(message, at)
                .ok_or_else(|| format!("no event of ours: {}", String::from_utf8_lossy(message)))?;
            each(Heard::Event {
                number,
                bytes: message.len(),
            });
            begun.clear();
            Ok(())
        })
    }
}
