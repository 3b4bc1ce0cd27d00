//! Frames counted by their headers (RFC 9113 §4.1), while their bytes go by.
//!
//! ```text
//!   bytes 0–2    3      4       5–8
//!  ┌────────┬──────┬───────┬───┬───────────┐
//!  │ length │ type │ flags │ R │ stream id │ length bytes of payload, which nobody looks at
//!  └────────┴──────┴───────┴───┴───────────┘
//! ```
//!
//! Only the received part of a header is kept, and nothing is judged: errors of frames are h2's to
//! report.

use super::PREFACE;

/// Bytes of a frame's header.
const HEADER_BYTES: usize = 9;

/// The kind of a frame, as far as its use is concerned (RFC 9113 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// DATA with a payload. Padding counts, for it is paid for from the same window.
    Data,
    /// DATA without a payload: the end of a request, or nothing.
    EmptyData,
    /// The beginning, or the trailers, of a request.
    Headers,
    /// Advice that is out of use.
    Priority,
    /// A stream is given up.
    RstStream,
    /// Must be answered, and may touch every stream.
    Settings,
    /// Not for clients to send.
    PushPromise,
    /// Must be answered.
    Ping,
    /// The peer is leaving.
    Goaway,
    /// The peer has room.
    WindowUpdate,
    /// More of HEADERS.
    Continuation,
    /// Of an extension; must be ignored (RFC 9113 §5.5).
    Unknown,
}

impl FrameKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Data,
        Self::EmptyData,
        Self::Headers,
        Self::Priority,
        Self::RstStream,
        Self::Settings,
        Self::PushPromise,
        Self::Ping,
        Self::Goaway,
        Self::WindowUpdate,
        Self::Continuation,
        Self::Unknown,
    ];

    /// Whether frames of this kind do the connection's useful work.
    pub const fn is_useful(self) -> bool {
        matches!(self, Self::Data | Self::Headers)
    }

    const fn from_header(kind: u8, payload_bytes: u32) -> Self {
        match kind {
            0x0 if payload_bytes == 0 => Self::EmptyData,
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::RstStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::Goaway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }
}

/// The number of frames of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameTally([u32; FrameKind::ALL.len()]);

impl FrameTally {
    /// Frames of one kind.
    pub const fn count(&self, kind: FrameKind) -> u32 {
        self.0[kind as usize]
    }

    /// Returns the number of useful frames.
    pub const fn useful(&self) -> u32 {
        self.count(FrameKind::Data) + self.count(FrameKind::Headers)
    }

    /// All other frames.
    pub fn useless(&self) -> u32 {
        self.0.iter().sum::<u32>() - self.useful()
    }

    /// Returns the kind that most of the other frames have.
    pub fn most_useless(&self) -> FrameKind {
        let useless = FrameKind::ALL.into_iter().filter(|kind| !kind.is_useful());
        let most = useless.max_by_key(|kind| self.count(*kind));
        most.unwrap_or(FrameKind::Unknown)
    }

    /// Counts one more.
    pub const fn add(&mut self, kind: FrameKind) {
        self.0[kind as usize] += 1;
    }
}

/// Follows the bytes that come from a peer, from its first on.
#[derive(Clone, Debug)]
pub struct FrameScanner {
    /// The first bytes of a header that is not complete.
    header: [u8; HEADER_BYTES],
    /// Their number; fewer than a header has.
    header_bytes: u8,
    /// Bytes that are no header, before the next one.
    skip: u32,
}

impl Default for FrameScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameScanner {
    /// A scanner for a client that just connected, which begins with the preface.
    pub const fn new() -> Self {
        Self {
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            skip: PREFACE.len() as u32,
        }
    }

    /// Counts the frames whose headers end in `bytes`, whatever pieces they come in.
    pub fn scan(&mut self, mut bytes: &[u8]) -> FrameTally {
        let mut tally = FrameTally::default();
        loop {
            let Some(rest) = bytes.get(self.skip as usize..) else {
                self.skip -= bytes.len() as u32;
                return tally;
            };
            self.skip = 0;
            let Some((header, rest)) = self.next_header(rest) else {
                return tally;
            };
            let [a, b, c, kind, ..] = header;
            self.skip = u32::from_be_bytes([0, a, b, c]);
            tally.add(FrameKind::from_header(kind, self.skip));
            bytes = rest;
        }
    }

    /// Returns a complete header, and the bytes after it; otherwise keeps the bytes there are.
    fn next_header<'b>(&mut self, bytes: &'b [u8]) -> Option<([u8; HEADER_BYTES], &'b [u8])> {
        if self.header_bytes == 0
            && let Some((header, rest)) = bytes.split_first_chunk()
        {
            return Some((*header, rest));
        }
        let kept = usize::from(self.header_bytes);
        let take = bytes.len().min(HEADER_BYTES - kept);
        let (piece, rest) = bytes.split_at(take);
        self.header[kept..kept + take].copy_from_slice(piece);
        if kept + take < HEADER_BYTES {
            self.header_bytes = (kept + take) as u8;
            return None;
        }
        self.header_bytes = 0;
        Some((self.header, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_numbers() {
        for (number, kind) in FrameKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
        assert!(size_of::<FrameScanner>() <= 16);
    }

    #[test]
    fn a_frame_counts_when_its_header_is_whole() {
        let mut scanner = FrameScanner::new();
        scanner.scan(&PREFACE);
        assert_eq!(
            scanner.scan(&[0, 0, 1, 0, 0, 0, 0, 0]),
            FrameTally::default()
        );
        assert_eq!(scanner.scan(&[1]).count(FrameKind::Data), 1);
        let ping = [7, 0, 0, 8, 6, 0, 0, 0, 0, 0];
        assert_eq!(scanner.scan(&ping).count(FrameKind::Ping), 1);
    }

    #[test]
    fn the_longest_payload_is_skipped() {
        let mut scanner = FrameScanner::new();
        scanner.scan(&PREFACE);
        scanner.scan(&[0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0]);
        let payload = vec![0; 0xff_ffff];
        assert_eq!(scanner.scan(&payload), FrameTally::default());
        let tally = scanner.scan(&[0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(tally.count(FrameKind::EmptyData), 1);
    }
}
