//! Attackers and legitimate clients: those who do harm, those who must not notice, and the bounds.
//!
//! An [`Attacker`] is one hostile connection without its socket: bytes out, bytes in. [`Attackers`]
//! have the sockets of many of them on one thread, and a [`Told`] of what the server said to them.
//! The [`legitimate`] clients, bystanders in what is printed, are each on a thread that blocks, so
//! that the kernel wakes them whatever the attackers do. [`judge`] has the bounds. What is done
//! with all of it is the mode's ([`hostile`](crate::mode::hostile)).

pub(crate) mod attackers;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod judge;
pub(crate) mod legitimate;
pub(crate) mod peak;
pub(crate) mod socket;
pub(crate) mod told;

pub(crate) use attackers::Attackers;
pub(crate) use told::Told;

use std::fmt::Debug;

/// About how much is said at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// One hostile connection, without its socket.
pub(crate) trait Attacker: Debug + Send {
    /// Appends what it says next, about [`PIECE_BYTES`] at most; nothing while it has nothing to
    /// say.
    fn say(&mut self, buf: &mut Vec<u8>);

    /// Takes what it was told, and returns how many of the bytes it has understood; the others come
    /// again, with more.
    ///
    /// # Errors
    ///
    /// The connection is of no more use, and why.
    fn hear(&mut self, bytes: &[u8], told: &mut Told) -> Result<usize, String>;

    /// Whether it reads what it is told.
    fn reads(&self) -> bool {
        true
    }
}

/// What is said next: always the same, or each time something else.
pub(crate) enum Says<T> {
    /// The same.
    Same(T),
    /// What this makes of its number, from 0.
    Numbered(Box<dyn FnMut(u64) -> T + Send>),
}

impl<T> Says<T> {
    /// Lends what has this number to `each`.
    pub(crate) fn with<R>(&mut self, number: u64, each: impl FnOnce(&T) -> R) -> R {
        match self {
            Self::Same(same) => each(same),
            Self::Numbered(make) => each(&make(number)),
        }
    }
}

impl<T: Debug> Debug for Says<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Same(same) => f.debug_tuple("Same").field(same).finish(),
            Self::Numbered(_) => f.write_str("Numbered"),
        }
    }
}

/// Bytes of no meaning that are sent after something that has one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filler {
    /// So many.
    Bytes(usize),
    /// Without end.
    Endless,
}

impl Filler {
    /// Appends the next piece.
    fn say(&mut self, buf: &mut Vec<u8>) {
        let piece = match self {
            Self::Endless => PIECE_BYTES,
            Self::Bytes(left) => {
                let piece = (*left).min(PIECE_BYTES);
                *left -= piece;
                piece
            }
        };
        buf.resize(buf.len() + piece, b'a');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filler_is_as_long_as_it_says() {
        let mut filler = Filler::Bytes(PIECE_BYTES + 3);
        let mut buf = Vec::new();
        for expected in [PIECE_BYTES, 3, 0] {
            buf.clear();
            filler.say(&mut buf);
            assert_eq!(buf.len(), expected);
        }
        for _ in 0..3 {
            buf.clear();
            Filler::Endless.say(&mut buf);
            assert_eq!(buf.len(), PIECE_BYTES);
        }
    }

    #[test]
    fn what_is_numbered_knows_its_number() {
        let mut says = Says::Numbered(Box::new(|number| number * 2));
        assert_eq!(says.with(21, |said| *said), 42);
        assert_eq!(Says::Same(7).with(21, |said| *said), 7);
    }
}
