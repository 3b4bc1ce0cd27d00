//! A byte stream in memory: what was received goes in at one end and is read by `h2` at the other,
//! and the reverse.
//!
//! `h2` wants to own its stream, and is asked for bytes from outside it: so the two ends share the
//! buffers. Both are on the same thread, one after the other; the lock is never waited for. Nothing
//! here wakes anybody: whoever puts bytes in polls `h2` afterwards.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::{HTTP2_OUTPUT_BYTES_MAX, HTTP2_OUTPUT_PIECE_BYTES};

/// One end of the stream; both ends are equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipe(Arc<Mutex<Buffers>>);

#[derive(Debug, Default)]
struct Buffers {
    /// Received, and not read yet.
    input: BytesMut,
    /// Written, and not taken yet.
    output: BytesMut,
    /// No more is written until what was is on its way.
    full: bool,
    /// There is more to be written: it was turned away.
    held_up: bool,
}

impl Pipe {
    fn buffers(&self) -> MutexGuard<'_, Buffers> {
        // Bytes are valid whatever happened to whoever held them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what was received.
    pub(super) fn receive(&self, bytes: &[u8]) {
        self.buffers().input.extend_from_slice(bytes);
    }

    /// Bytes that were received and not read.
    pub(super) fn unread(&self) -> usize {
        self.buffers().input.len()
    }

    /// Takes what was written, and the memory with it: a connection that is idle holds none.
    pub(super) fn take_output(&self) -> Bytes {
        std::mem::take(&mut self.buffers().output).freeze()
    }

    /// Gives back the room of a connection that is idle.
    pub(super) fn shrink(&self) {
        let mut buffers = self.buffers();
        if buffers.input.is_empty() {
            buffers.input = BytesMut::new();
        }
        buffers.output = BytesMut::new();
    }

    /// Lets nothing more be written, or lets it again.
    pub(super) fn set_full(&self, full: bool) {
        let mut buffers = self.buffers();
        buffers.full = full;
        buffers.held_up = false;
    }

    /// Whether something was to be written and had no room, since it was last said how much there
    /// is.
    pub(super) fn is_held_up(&self) -> bool {
        self.buffers().held_up
    }
}

impl Buffers {
    /// Makes room for output, in pieces that many small writes fit into.
    fn reserve(&mut self, bytes: usize) {
        let room = self.output.capacity() - self.output.len();
        if room < bytes {
            self.output.reserve(bytes.max(HTTP2_OUTPUT_PIECE_BYTES));
        }
    }

    /// Whether something may be written now. Whoever is told no is not woken, but polled again.
    fn has_room(&mut self) -> bool {
        self.held_up = self.full || self.output.len() >= HTTP2_OUTPUT_BYTES_MAX;
        !self.held_up
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffers = self.buffers();
        if buffers.input.is_empty() {
            // There may always be more: the end of a connection is told otherwise.
            return Poll::Pending;
        }
        let bytes = buf.remaining().min(buffers.input.len());
        buf.put_slice(&buffers.input[..bytes]);
        if bytes == buffers.input.len() {
            // The room is kept for the next input.
            buffers.input.clear();
        } else {
            buffers.input.advance(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffers = self.buffers();
        if !buffers.has_room() {
            return Poll::Pending;
        }
        buffers.reserve(bytes.len());
        buffers.output.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut buffers = self.buffers();
        if !buffers.has_room() {
            return Poll::Pending;
        }
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        buffers.reserve(bytes);
        for slice in slices {
            buffers.output.extend_from_slice(slice);
        }
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
