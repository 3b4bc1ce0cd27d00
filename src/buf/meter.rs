//! Bytes held by shared buffers: each buffer counts once, for as long as any slice of it lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};

/// Counts the buffers that were sealed with it and are alive.
///
/// Slices may be dropped on another thread: one that is sent for a peer of another shard is dropped
/// there.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicUsize>);

impl Meter {
    /// Makes a buffer immutable; it counts with all its capacity until the last slice of it is
    /// dropped.
    pub fn seal(&self, bytes: BytesMut) -> Bytes {
        if bytes.is_empty() {
            return Bytes::new();
        }
        let size = bytes.capacity();
        self.0.fetch_add(size, Relaxed);
        Bytes::from_owner(Sealed {
            bytes,
            size,
            meter: self.clone(),
        })
    }

    /// Bytes of all buffers that are alive.
    pub fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// A buffer that takes itself off the count.
struct Sealed {
    bytes: BytesMut,
    size: usize,
    meter: Meter,
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.meter.0.fetch_sub(self.size, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_counts_once_until_its_last_slice_is_gone() {
        let meter = Meter::default();
        let bytes = meter.seal(BytesMut::from(&b"0123456789"[..]));
        let held = meter.bytes();
        assert!(held >= 10);
        let mut shared: Vec<Bytes> = (0..1_000).map(|_| bytes.clone()).collect();
        let part = bytes.slice(3..5);
        drop(bytes);
        assert_eq!(meter.bytes(), held);
        shared.clear();
        assert_eq!((meter.bytes(), &part[..]), (held, &b"34"[..]));
        drop(part);
        assert_eq!(meter.bytes(), 0);
    }

    #[test]
    fn nothing_weighs_nothing() {
        let meter = Meter::default();
        let none = meter.seal(BytesMut::with_capacity(100));
        assert_eq!((none.len(), meter.bytes()), (0, 0));
    }
}
