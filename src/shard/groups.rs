//! This tick's frames, and who is to get which: connections with the same frames share one buffer.
//!
//! An event is rendered once per encoding; a subscriber that it is for moves from its *group* to
//! the one with a frame more. Subscribers who hear the same pass through the same groups, so each
//! of them costs one comparison per event, and at the end the frames of a group are put together
//! once, for all. Events that come one after the other and are for the same subscribers become one
//! *piece*: these cost nothing per subscriber but for the first.

use bytes::{Bytes, BytesMut};

use crate::buf::Meter;
use crate::dialect::Encoding;
use crate::limits::{FANOUT_BYTES_MAX, FANOUT_GROUPS_MAX};

/// A sequence of this tick's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupId(u32);

impl GroupId {
    /// No group at all.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// The empty sequence of one encoding. Each has its own, so that only frames of one encoding
    /// follow it.
    pub(super) fn empty(encoding: Encoding) -> Self {
        Self(encoding.index() as u32)
    }
}

/// One rendering of one event, or of several that go to the same subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PieceId(u32);

/// Frames that are never parted.
#[derive(Debug)]
enum Piece {
    /// There may be more.
    Open(BytesMut, u32),
    /// So many frames.
    Closed(Bytes, u32),
}

#[derive(Debug)]
struct Group {
    /// The sequence without its last piece; none has none itself.
    parent: GroupId,
    /// Its last piece.
    piece: PieceId,
    /// Its bytes and how many frames they are, once somebody asked.
    joined: Option<(Bytes, u32)>,
    /// The group that a later piece led to last. Pieces come one after the other, so the one that
    /// is being handed out now is either there or nowhere.
    next: Option<(PieceId, GroupId)>,
}

impl Group {
    const EMPTY: Self = Self {
        parent: GroupId::NONE,
        piece: PieceId(0),
        joined: None,
        next: None,
    };
}

/// All groups of a tick.
#[derive(Debug)]
pub(super) struct Groups {
    meter: Meter,
    pieces: Vec<Piece>,
    all: Vec<Group>,
    bytes: usize,
    /// The pieces of the last event, if the next one may join them.
    run: Option<Run>,
}

/// A piece for each encoding that somebody has.
type Run = [Option<(Encoding, PieceId)>; Encoding::COUNT];

impl Groups {
    /// No groups yet; what they send is counted by `meter`.
    pub(super) fn new(meter: Meter) -> Self {
        Self {
            meter,
            pieces: Vec::new(),
            all: Vec::from([const { Group::EMPTY }; Encoding::COUNT]),
            bytes: 0,
            run: None,
        }
    }

    /// Forgets everything: nobody is in a group any more.
    pub(super) fn clear(&mut self) {
        self.run = None;
        if self.pieces.is_empty() {
            return;
        }
        self.pieces.clear();
        self.all.clear();
        self.bytes = 0;
        self.all.extend([const { Group::EMPTY }; Encoding::COUNT]);
    }

    /// Whether there is so much that it should be handed over before there is more.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes > FANOUT_BYTES_MAX || self.all.len() > FANOUT_GROUPS_MAX
    }

    /// Adds a piece of one frame, which `render` writes. Until the next of its encoding it alone is
    /// handed out in that.
    pub(super) fn add(&mut self, render: impl FnOnce(&mut BytesMut)) -> PieceId {
        let mut frame = BytesMut::new();
        render(&mut frame);
        self.bytes += frame.len();
        self.pieces.push(Piece::Open(frame, 1));
        PieceId(self.pieces.len() as u32 - 1)
    }

    /// An event begins: those who have none yet get a piece of it.
    pub(super) const fn begin_run(&mut self) {
        self.run = Some([None; Encoding::COUNT]);
    }

    /// The event's piece in an encoding, which `render` writes if nobody had it before.
    #[inline]
    pub(super) fn piece(
        &mut self,
        encoding: Encoding,
        render: impl FnOnce(&mut BytesMut),
    ) -> PieceId {
        if let Some((_, piece)) = self.run.and_then(|run| run[encoding.index()]) {
            return piece;
        }
        let piece = self.add(render);
        if let Some(run) = &mut self.run {
            run[encoding.index()] = Some((encoding, piece));
        }
        piece
    }

    /// No later event joins the pieces of the last.
    pub(super) const fn end_run(&mut self) {
        self.run = None;
    }

    /// Adds an event that is for those who got the last one: its frames join that one's pieces.
    /// Answers no, and adds nothing, if some of these were taken already.
    pub(super) fn repeat(&mut self, mut render: impl FnMut(Encoding, &mut BytesMut)) -> bool {
        let Some(run) = self.run else {
            return false;
        };
        let is_open = |piece: PieceId| matches!(self.pieces[piece.0 as usize], Piece::Open(..));
        if !run.iter().flatten().all(|&(_, piece)| is_open(piece)) {
            return false;
        }
        for (encoding, piece) in run.into_iter().flatten() {
            if let Piece::Open(frames, count) = &mut self.pieces[piece.0 as usize] {
                let before = frames.len();
                render(encoding, frames);
                self.bytes += frames.len() - before;
                *count += 1;
            }
        }
        true
    }

    /// The group that has one piece more.
    #[inline]
    pub(super) fn extend(&mut self, group: GroupId, piece: PieceId) -> GroupId {
        match self.all[group.0 as usize].next {
            Some((last, next)) if last == piece => next,
            _ => self.insert(group, piece),
        }
    }

    fn insert(&mut self, parent: GroupId, piece: PieceId) -> GroupId {
        let id = GroupId(self.all.len() as u32);
        self.all[parent.0 as usize].next = Some((piece, id));
        self.all.push(Group {
            parent,
            piece,
            ..Group::EMPTY
        });
        id
    }

    /// The bytes of a group's frames, and how many frames they are.
    pub(super) fn join(&mut self, id: GroupId) -> (Bytes, u32) {
        let group = &self.all[id.0 as usize];
        if let Some(joined) = &group.joined {
            return joined.clone();
        }
        let joined = if group.parent == GroupId::NONE {
            (Bytes::new(), 0)
        } else if self.all[group.parent.0 as usize].parent == GroupId::NONE {
            self.close(group.piece)
        } else {
            self.put_together(id)
        };
        self.all[id.0 as usize].joined = Some(joined.clone());
        joined
    }

    /// A piece as it will stay, and how many frames it has.
    fn close(&mut self, id: PieceId) -> (Bytes, u32) {
        let piece = &mut self.pieces[id.0 as usize];
        if let Piece::Open(frames, count) = piece {
            *piece = Piece::Closed(self.meter.seal(std::mem::take(frames)), *count);
        }
        match piece {
            Piece::Closed(bytes, count) => (bytes.clone(), *count),
            Piece::Open(..) => (Bytes::new(), 0),
        }
    }

    fn put_together(&mut self, id: GroupId) -> (Bytes, u32) {
        let mut sequence = Vec::new();
        let mut group = &self.all[id.0 as usize];
        while group.parent != GroupId::NONE {
            sequence.push(group.piece);
            group = &self.all[group.parent.0 as usize];
        }
        sequence.reverse();
        let pieces: Vec<_> = sequence
            .into_iter()
            .map(|piece| self.close(piece))
            .collect();
        let bytes = pieces.iter().map(|(bytes, _)| bytes.len()).sum();
        let (mut out, mut events) = (BytesMut::with_capacity(bytes), 0);
        for (bytes, count) in pieces {
            out.extend_from_slice(&bytes);
            events += count;
        }
        (self.meter.seal(out), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_frames_are_one_buffer() {
        let mut groups = Groups::new(Meter::default());
        let mut members = [GroupId::empty(Encoding::TWO[0]); 3];
        for text in ["a", "b", "c"] {
            let piece = groups.add(|out| out.extend_from_slice(text.as_bytes()));
            for member in &mut members {
                *member = groups.extend(*member, piece);
            }
        }
        let joined: Vec<_> = members.iter().map(|&m| groups.join(m).0).collect();
        assert_eq!(joined[0], "abc");
        assert!(
            joined
                .iter()
                .all(|other| other.as_ptr() == joined[0].as_ptr())
        );
        assert_eq!(groups.all.len(), Encoding::COUNT + 3);
    }

    #[test]
    fn encodings_do_not_part_each_others_members() {
        let encodings = Encoding::TWO;
        let mut groups = Groups::new(Meter::default());
        let mut members: Vec<GroupId> = (0..6).map(|i| GroupId::empty(encodings[i % 2])).collect();
        for text in ["a", "b"] {
            let pieces = ["<", ">"].map(|side| {
                groups.add(|out| out.extend_from_slice(format!("{side}{text}").as_bytes()))
            });
            for (index, member) in members.iter_mut().enumerate() {
                *member = groups.extend(*member, pieces[index % 2]);
            }
        }
        let joined: Vec<_> = members.iter().map(|&m| groups.join(m).0).collect();
        assert_eq!(
            (&joined[0][..], &joined[1][..]),
            (&b"<a<b"[..], &b">a>b"[..])
        );
        assert_eq!(joined[0].as_ptr(), joined[4].as_ptr());
        assert_eq!(groups.all.len(), Encoding::COUNT + 4);
    }

    /// What happens to six members of which each has its own frames.
    #[derive(Clone, Debug)]
    enum Step {
        /// An event for some of them.
        Event([bool; 6]),
        /// An event for those who got the last one.
        Again,
        /// One takes what it has so far.
        Take(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            any::<[bool; 6]>().prop_map(Step::Event),
            Just(Step::Again),
            Just(Step::Again),
            (0..6usize).prop_map(Step::Take),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        /// Each member gets exactly the frames it was given, in order, whoever else got which and
        /// when.
        #[test]
        fn members_get_their_own_sequence(given in steps()) {
            let encodings = Encoding::TWO;
            let mut groups = Groups::new(Meter::default());
            let mut members: Vec<GroupId> = (0..6).map(|i| GroupId::empty(encodings[i % 2])).collect();
            let (mut taken, mut expected) = (vec![String::new(); 6], vec![String::new(); 6]);
            let mut last = [false; 6];
            let given = given.into_iter().chain((0..6).map(Step::Take));
            for (number, step) in given.enumerate() {
                let text = |encoding: Encoding| format!("<{number}{encoding:?}>");
                let wanted = match step {
                    Step::Take(index) => {
                        let group = GroupId::empty(encodings[index % 2]);
                        let group = std::mem::replace(&mut members[index], group);
                        let (joined, events) = groups.join(group);
                        let joined = std::str::from_utf8(&joined).expect("text");
                        prop_assert_eq!(events as usize, joined.matches('<').count());
                        taken[index].push_str(joined);
                        continue;
                    }
                    Step::Event(wanted) => wanted,
                    Step::Again => last,
                };
                for index in (0..6).filter(|&index| wanted[index]) {
                    expected[index].push_str(&text(encodings[index % 2]));
                }
                let repeats = wanted == last;
                last = wanted;
                let write = |encoding, out: &mut BytesMut| {
                    out.extend_from_slice(text(encoding).as_bytes());
                };
                if repeats && groups.repeat(write) {
                    continue;
                }
                groups.begin_run();
                for index in (0..6).filter(|&index| wanted[index]) {
                    let encoding = encodings[index % 2];
                    let piece = groups.piece(encoding, |out| write(encoding, out));
                    members[index] = groups.extend(members[index], piece);
                }
            }
            prop_assert_eq!(taken, expected);
        }
    }
}
