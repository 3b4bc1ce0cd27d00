//! The `Date` header's value (RFC 9110 §5.6.7), formatted once a second at most.
//!
//! Time is an argument; this file never reads a clock.

use jiff::Timestamp;
use jiff::fmt::StdIoWrite;
use jiff::fmt::rfc2822::DateTimePrinter;

/// Length of an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
const DATE_BYTES: usize = 29;
/// The last second that `jiff` can tell, on the last but one day of the year 9999.
const UNIX_SECOND_MAX: u64 = 253_402_207_200;

/// The current date as text.
#[derive(Clone, Debug)]
pub struct DateCache {
    unix_second: u64,
    text: [u8; DATE_BYTES],
}

impl DateCache {
    /// The date at `unix_ms` milliseconds since 1970-01-01T00:00:00Z.
    pub fn new(unix_ms: u64) -> Self {
        let unix_second = unix_ms / 1_000;
        Self {
            unix_second,
            text: format(unix_second),
        }
    }

    /// Moves to `unix_ms`; formats only if the second is another.
    #[inline]
    pub fn update(&mut self, unix_ms: u64) {
        if unix_ms / 1_000 != self.unix_second {
            *self = Self::new(unix_ms);
        }
    }

    /// The IMF-fixdate.
    #[inline]
    pub const fn as_bytes(&self) -> &[u8; DATE_BYTES] {
        &self.text
    }
}

fn format(unix_second: u64) -> [u8; DATE_BYTES] {
    let second = unix_second.min(UNIX_SECOND_MAX) as i64;
    let timestamp = Timestamp::from_second(second).unwrap_or_default();
    let mut text = [b' '; DATE_BYTES];
    let to = StdIoWrite(&mut text[..]);
    let printed = DateTimePrinter::new().print_timestamp_rfc9110(&timestamp, to);
    debug_assert!(printed.is_ok(), "an IMF-fixdate has a fixed length");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9110() {
        let date = DateCache::new(784_111_777_999);
        assert_eq!(date.as_bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn it_follows_the_second() {
        let mut date = DateCache::new(0);
        assert_eq!(date.as_bytes(), b"Thu, 01 Jan 1970 00:00:00 GMT");
        date.update(999);
        assert_eq!(date.as_bytes(), b"Thu, 01 Jan 1970 00:00:00 GMT");
        date.update(1_000);
        assert_eq!(date.as_bytes(), b"Thu, 01 Jan 1970 00:00:01 GMT");
        date.update(0);
        assert_eq!(date.as_bytes(), b"Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn no_time_is_too_late() {
        let date = DateCache::new(u64::MAX);
        assert_eq!(date.as_bytes(), b"Thu, 30 Dec 9999 22:00:00 GMT");
    }
}
