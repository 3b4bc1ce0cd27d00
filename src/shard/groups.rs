//! This tick's frames, and who is to get which: connections with the same frames share one buffer.
//!
//! An event is rendered once per encoding; a subscriber that it is for moves from its *group* to the one
//! with a frame more. Subscribers who hear the same pass through the same groups, so each of them costs
//! one comparison per event, and at the end the frames of a group are put together once, for all.

use bytes::{Bytes, BytesMut};

use crate::dialect::Encoding;
use crate::limits::{FANOUT_BYTES_MAX, FANOUT_GROUPS_MAX};

/// A sequence of this tick's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupId(u32);

impl GroupId {
    /// No group at all.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// The empty sequence of one encoding. Each has its own, so that only frames of one encoding follow it.
    pub(super) const fn empty(encoding: Encoding) -> Self {
        Self(encoding.index() as u32)
    }
}

/// One rendering of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameId(u32);

#[derive(Debug)]
struct Group {
    /// The sequence without its last frame.
    parent: GroupId,
    /// Its last frame.
    frame: FrameId,
    /// How many frames it has.
    events: u32,
    bytes: usize,
    joined: Option<Bytes>,
    /// The group that a later frame led to last. Frames come one after the other, so the one that is
    /// being handed out now is either there or nowhere.
    next: Option<(FrameId, GroupId)>,
}

impl Group {
    const EMPTY: Self = Self {
        parent: GroupId::NONE,
        frame: FrameId(0),
        events: 0,
        bytes: 0,
        joined: None,
        next: None,
    };
}

/// All groups of a tick.
#[derive(Debug)]
pub(super) struct Groups {
    frames: Vec<Bytes>,
    all: Vec<Group>,
    bytes: usize,
}

impl Default for Groups {
    fn default() -> Self {
        let mut groups = Self {
            frames: Vec::new(),
            all: Vec::new(),
            bytes: 0,
        };
        groups.clear();
        groups
    }
}

impl Groups {
    /// Forgets everything: nobody is in a group any more.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.all.clear();
        self.bytes = 0;
        self.all.extend([const { Group::EMPTY }; Encoding::COUNT]);
    }

    /// Whether there is so much that it should be handed over before there is more.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes > FANOUT_BYTES_MAX || self.all.len() > FANOUT_GROUPS_MAX
    }

    /// Adds a frame. Until the next of its encoding it alone is handed out in that.
    pub(super) fn add(&mut self, frame: Bytes) -> FrameId {
        self.bytes += frame.len();
        self.frames.push(frame);
        FrameId(self.frames.len() as u32 - 1)
    }

    /// The group that has one frame more.
    #[inline]
    pub(super) fn extend(&mut self, group: GroupId, frame: FrameId) -> GroupId {
        match self.all[group.0 as usize].next {
            Some((last, next)) if last == frame => next,
            _ => self.insert(group, frame),
        }
    }

    fn insert(&mut self, parent: GroupId, frame: FrameId) -> GroupId {
        let id = GroupId(self.all.len() as u32);
        let before = &mut self.all[parent.0 as usize];
        before.next = Some((frame, id));
        let (events, bytes) = (before.events, before.bytes);
        self.all.push(Group {
            parent,
            frame,
            events: events + 1,
            bytes: bytes + self.frames[frame.0 as usize].len(),
            joined: None,
            next: None,
        });
        id
    }

    /// The bytes of a group's frames, and how many frames they are.
    pub(super) fn join(&mut self, id: GroupId) -> (Bytes, u32) {
        let group = &self.all[id.0 as usize];
        let events = group.events;
        if let Some(joined) = &group.joined {
            return (joined.clone(), events);
        }
        let joined = match events {
            0 => Bytes::new(),
            1 => self.frames[group.frame.0 as usize].clone(),
            _ => self.put_together(id),
        };
        self.all[id.0 as usize].joined = Some(joined.clone());
        (joined, events)
    }

    fn put_together(&self, id: GroupId) -> Bytes {
        let mut sequence = Vec::new();
        let mut group = &self.all[id.0 as usize];
        while group.events > 0 {
            sequence.push(group.frame);
            group = &self.all[group.parent.0 as usize];
        }
        let mut out = BytesMut::with_capacity(self.all[id.0 as usize].bytes);
        for frame in sequence.iter().rev() {
            out.extend_from_slice(&self.frames[frame.0 as usize]);
        }
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_frames_are_one_buffer() {
        let mut groups = Groups::default();
        let mut members = [GroupId::empty(Encoding::Live); 3];
        for text in ["a", "b", "c"] {
            let frame = groups.add(Bytes::from_static(text.as_bytes()));
            for member in &mut members {
                *member = groups.extend(*member, frame);
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
        let encodings = [Encoding::Live, Encoding::Sysadm];
        let mut groups = Groups::default();
        let mut members: Vec<GroupId> = (0..6).map(|i| GroupId::empty(encodings[i % 2])).collect();
        for text in ["a", "b"] {
            let frames = ["<", ">"].map(|side| groups.add(Bytes::from(format!("{side}{text}"))));
            for (index, member) in members.iter_mut().enumerate() {
                *member = groups.extend(*member, frames[index % 2]);
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

    proptest! {
        /// Each member gets exactly the frames it was given, in order, whoever else got which.
        #[test]
        fn members_get_their_own_sequence(
            given in prop::collection::vec(prop::collection::vec(any::<bool>(), 6), 0..30)
        ) {
            let mut groups = Groups::default();
            let mut members = [GroupId::empty(Encoding::Sysadm); 6];
            let mut expected = vec![String::new(); 6];
            for (number, row) in given.iter().enumerate() {
                let text = format!("<{number}>");
                let frame = groups.add(Bytes::from(text.clone()));
                for (index, _) in row.iter().enumerate().filter(|(_, wanted)| **wanted) {
                    members[index] = groups.extend(members[index], frame);
                    expected[index].push_str(&text);
                }
            }
            for (member, expected) in members.iter().zip(&expected) {
                let (joined, events) = groups.join(*member);
                prop_assert_eq!(&joined[..], expected.as_bytes());
                prop_assert_eq!(events as usize, expected.matches('<').count());
            }
        }
    }
}
