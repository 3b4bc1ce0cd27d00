//! A reader of a session's log: where it stands.

use crate::dialect::Position;
use crate::hub::ReaderId;

/// One reader: a waiting poll, an event stream or a WebSocket.
#[derive(Debug)]
pub struct Client {
    reader: ReaderId,
    /// The next number it is to be shown, as two halves: so it needs no place of its own beside
    /// what tells it from another dialect's client.
    next: [u32; 2],
}

// Each waiting poll and each event stream has one, and a client of any dialect is not larger for
// it.
const _: () = assert!(size_of::<Client>() <= 12);
const _: () = assert!(size_of::<crate::dialect::Client>() <= 16);

impl Client {
    /// A reader that is not attached yet.
    pub(super) const NEW: Self = Self {
        reader: ReaderId::NONE,
        next: [0; 2],
    };

    /// Where it stands, once it is attached.
    pub(super) fn position(&self) -> Option<Position> {
        let [high, low] = self.next.map(u64::from);
        let (reader, next) = (self.reader, high << 32 | low);
        (reader != ReaderId::NONE).then_some(Position { reader, next })
    }

    pub(super) fn set_position(&mut self, position: Option<Position>) {
        *self = match position {
            None => Self::NEW,
            Some(Position { reader, next }) => Self {
                reader,
                next: [(next >> 32) as u32, next as u32],
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_kept() {
        let mut client = Client::NEW;
        assert_eq!(client.position(), None);
        for next in [0, 1, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let position = Some(Position {
                reader: ReaderId::default(),
                next,
            });
            client.set_position(position);
            assert_eq!(client.position(), position);
        }
        client.set_position(None);
        assert_eq!(client.position(), None);
    }
}
