//! Questions about what there is, of this shard's connections: put to all shards that can answer,
//! which do so a little at a time, and then merged.
//!
//! ```text
//!   a connection asks ──► waits its turn ──► Mail::Asked to the shards ──► each works on it, some steps a turn
//!                                                                               │
//!   the connection is answered ◄── merged ◄── Mail::Told, once from each ◄──────┘
//! ```
//!
//! Who asks and is gone is forgotten, and the others are told (`Mail::Unasked`). A question for one
//! session goes to its home alone, if its id tells which that is. Nothing here holds a shard up:
//! neither asking, nor looking for what is asked, which is done in steps (`answering`), nor merging
//! a page.

mod answering;
mod asking;
mod listeners;
mod merge;

pub(super) use asking::Overview;
