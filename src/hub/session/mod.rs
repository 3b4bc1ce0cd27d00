//! Sessions: the leaves of the tree. Each owns a log and knows the readers attached to it.
//!
//! A log ([`Log`]) numbers events densely and tells where a [`Cursor`] resumes, with the [`Gap`] if
//! there is one. Readers pull from logs and hold no queue of their own.

mod cursor;
mod index;
mod log;
mod readers;
mod table;

pub use cursor::{Cursor, Gap};
pub use index::SessionIndex;
pub use log::{Log, Resume, Retention};
pub use readers::ReaderId;
pub(super) use readers::{ReaderList, Readers};
pub(super) use table::{Session, SessionTable};
