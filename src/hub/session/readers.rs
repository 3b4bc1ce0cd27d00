//! The readers of each session: attach and detach in O(1), 20 bytes a reader.
//!
//! A reader is a connection's interest in one session. The connection is an opaque number here; the
//! place of the reader in its log is the connection's own business, since readers hold no queue.

use slab::Slab;

use super::index::SessionIndex;

/// A reader that is attached. Reused after it is detached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderId(u32);

impl ReaderId {
    /// Nobody.
    pub const NONE: Self = Self(u32::MAX);
}

/// All readers of a shard.
#[derive(Debug, Default)]
pub(in super::super) struct Readers {
    slab: Slab<Reader>,
}

/// The readers of one session, in no particular order that a caller may rely on.
#[derive(Debug, Default)]
pub(in super::super) struct ReaderList(Vec<ReaderId>);

#[derive(Debug)]
struct Reader {
    session: SessionIndex,
    /// Its index in its session's list.
    position: u32,
    connection: u32,
}

// With 4 bytes in the session's list: under 24 bytes a reader, of which there may be a million.
const _: () = assert!(size_of::<Reader>() == 12);

impl ReaderList {
    pub(in super::super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in super::super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Readers {
    pub(in super::super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Attaches `connection` to `session`, whose list is `list`.
    pub(in super::super) fn attach(
        &mut self,
        session: SessionIndex,
        list: &mut ReaderList,
        connection: u32,
    ) -> ReaderId {
        let position = list.0.len() as u32;
        let reader = ReaderId(self.slab.insert(Reader {
            session,
            position,
            connection,
        }) as u32);
        list.0.push(reader);
        reader
    }

    /// The session that a reader is attached to.
    pub(in super::super) fn session_of(&self, reader: ReaderId) -> Option<SessionIndex> {
        self.slab.get(reader.0 as usize).map(|r| r.session)
    }

    /// Detaches a reader from its session, whose list is `list`.
    pub(in super::super) fn detach(&mut self, reader: ReaderId, list: &mut ReaderList) {
        let Some(Reader { position, .. }) = self.slab.try_remove(reader.0 as usize) else {
            return;
        };
        list.0.swap_remove(position as usize);
        if let Some(&moved) = list.0.get(position as usize) {
            self.slab[moved.0 as usize].position = position;
        }
        if list.0.len() <= list.0.capacity() / 4 {
            list.0.shrink_to(2 * list.0.len());
        }
    }

    /// Appends the connections of a session's readers to `out`.
    pub(in super::super) fn connections(&self, list: &ReaderList, out: &mut Vec<u32>) {
        out.extend(list.0.iter().map(|r| self.slab[r.0 as usize].connection));
    }

    /// Detaches all readers of a session and appends their connections to `out`.
    pub(in super::super) fn detach_all(&mut self, list: ReaderList, out: &mut Vec<u32>) {
        out.extend(
            list.0
                .into_iter()
                .map(|r| self.slab.remove(r.0 as usize).connection),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_match_a_naive_set(ops in prop::collection::vec((any::<bool>(), 0..3usize, 0..100usize), 0..200)) {
            let mut readers = Readers::default();
            let mut lists: [ReaderList; 3] = Default::default();
            let mut model: Vec<(ReaderId, usize, u32)> = Vec::new();
            for (connection, (attach, session, pick)) in (0..).zip(ops) {
                if attach || model.is_empty() {
                    let index = SessionIndex::new(session);
                    let id = readers.attach(index, &mut lists[session], connection);
                    prop_assert!(model.iter().all(|&(other, ..)| other != id));
                    model.push((id, session, connection));
                } else {
                    let (id, session, _) = model.swap_remove(pick % model.len());
                    prop_assert_eq!(readers.session_of(id), Some(SessionIndex::new(session)));
                    readers.detach(id, &mut lists[session]);
                    prop_assert_eq!(readers.session_of(id), None);
                }
                prop_assert_eq!(readers.len(), model.len());
                for (session, list) in lists.iter().enumerate() {
                    let mut actual = Vec::new();
                    readers.connections(list, &mut actual);
                    actual.sort_unstable();
                    let expected: Vec<u32> = {
                        let of_session = model.iter().filter(|&&(_, s, _)| s == session);
                        let mut all: Vec<u32> = of_session.map(|&(.., c)| c).collect();
                        all.sort_unstable();
                        all
                    };
                    prop_assert_eq!(actual, expected);
                }
            }
        }
    }
}
