//! What readers of this shard's logs share.
//!
//! # Invariants
//!
//! * A rendering is used again only for readers who would get the same bytes: all that these depend
//!   on is kept with it and compared. So to forget one costs time, and changes nothing.
//! * A relay stands here from its coming to its going, once for each stream of another shard.

use std::collections::BTreeMap;

use super::ConnectionId;
use super::readers::{FeedRendering, PollRendering};
use crate::dialect::LogView;
use crate::hub::ShardId;

/// The last renderings, and the readers whose bytes are mailed.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) poll: Option<PollRendering>,
    pub(super) feed: Option<FeedRendering>,
    /// What the last client is shown that changed what it is shown.
    view: Option<LogView>,
    /// Readers for streams of other shards, by those.
    relays: BTreeMap<(ShardId, ConnectionId), u32>,
}

impl Reading {
    /// Drops the renderings, which are kept for whoever asks for the same next.
    pub(super) fn forget_renderings(&mut self) {
        self.poll = None;
        self.feed = None;
    }

    /// Bytes of the renderings, by the meter.
    pub(super) fn kept_bytes(&self) -> usize {
        let poll = self.poll.as_ref().map_or(0, |last| last.size);
        let feed = self.feed.as_ref().map_or(0, |last| last.size);
        poll + feed
    }

    /// Pages of one kind want the same: it is kept once for them.
    pub(super) fn share(&mut self, view: &mut Option<LogView>) {
        if self.view == *view {
            view.clone_from(&self.view);
        } else {
            self.view.clone_from(view);
        }
    }

    /// A reader comes for a stream of another shard.
    pub(super) fn attach_relay(&mut self, shard: ShardId, stream: ConnectionId, reader: u32) {
        self.relays.insert((shard, stream), reader);
    }

    /// The reader for a stream of another shard.
    pub(super) fn relay(&self, shard: ShardId, stream: ConnectionId) -> Option<u32> {
        self.relays.get(&(shard, stream)).copied()
    }

    /// The reader for a stream of another shard is gone.
    pub(super) fn detach_relay(&mut self, shard: ShardId, stream: ConnectionId) {
        self.relays.remove(&(shard, stream));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_its_own_reader() {
        let mut reading = Reading::default();
        let stream = |serial| ConnectionId { index: 0, serial };
        reading.attach_relay(ShardId(1), stream(1), 7);
        reading.attach_relay(ShardId(2), stream(1), 8);
        reading.attach_relay(ShardId(1), stream(2), 9);
        assert_eq!(reading.relay(ShardId(1), stream(1)), Some(7));
        reading.detach_relay(ShardId(1), stream(1));
        assert_eq!(reading.relay(ShardId(1), stream(1)), None);
        assert_eq!(reading.relay(ShardId(2), stream(1)), Some(8));
        assert_eq!(reading.relay(ShardId(1), stream(2)), Some(9));
        assert_eq!(reading.kept_bytes(), 0);
    }
}
