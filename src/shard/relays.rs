//! Readers whose session is at home elsewhere, and who cannot move there: streams of HTTP/2.
//!
//! A connection that reads a session's log moves to the session's home. A stream cannot, for its
//! connection may have others. So its home gets a connection without a socket, which reads the log
//! as any other, and what that would send is mailed:
//!
//! ```text
//!   stream's shard                         session's home
//!           ────► RelayMail::Follow ─────────────►
//!   Relayed ◄──── RelayMail::Bytes (and the end) ─ Parked or EventStream
//!           ────► RelayMail::Taken (how many) ───► sends more
//!           ────► RelayMail::Abandoned ──────────► gone
//! ```

use bytes::{Bytes, BytesMut};

use super::{ConnectionId, Mail, RelayMail, Shard};
use crate::auth::Network;
use crate::connection::{Connection, Ending};
use crate::dialect::{AllowedOrigin, By, Exchange, Follow};
use crate::hub::{OrganizationId, Refusal, ScopeName, ShardId};
use crate::limits::RELAY_BYTES_MAX;
use crate::time::Now;

/// A reader of this shard whose bytes are mailed.
#[derive(Debug)]
pub(super) struct Relay {
    shard: ShardId,
    stream: ConnectionId,
    /// Bytes that were mailed and are not taken yet.
    underway: usize,
    /// The stream knows that this is the end, or is gone.
    ended: bool,
}

/// Where a stream's reader is served.
#[derive(Clone, Debug)]
pub(super) struct Served {
    home: ShardId,
    /// The reader there; unknown until it was heard of.
    reader: Option<ConnectionId>,
    /// Whose session is read, once that is known.
    pub(super) organization: Option<OrganizationId>,
    /// Which.
    pub(super) token: ScopeName,
    /// The API by which it is read.
    pub(super) dialect: &'static str,
    /// By a poll, and not by an event stream.
    pub(super) polls: bool,
}

impl Shard {
    /// Has a session's home serve a stream that wants to read.
    pub(super) fn ask_relay(
        &mut self,
        now: Now,
        stream: ConnectionId,
        home: ShardId,
        follow: Box<Follow>,
        exchange: Exchange,
    ) {
        let By::Request(client, _) = &follow.by else {
            return;
        };
        if !self.post.has_room(home) {
            self.work_on(now, stream.index, |connection, ctx| {
                connection.refuse_reading(client, Refusal::Busy, exchange, ctx);
            });
            return;
        }
        if let Some(stream) = self.stream_mut(stream.index) {
            stream.served = Some(Served {
                home,
                reader: None,
                organization: follow.organization,
                token: follow.token.clone(),
                dialect: client.dialect(),
                polls: follow.polls(),
            });
        }
        let origin = self.work_on(now, stream.index, |connection, _| {
            connection.await_relay();
            connection.origin()
        });
        self.post.send(
            home,
            Mail::Relay(RelayMail::Follow {
                stream,
                follow,
                exchange,
                origin: origin.flatten(),
            }),
        );
    }

    /// Another shard has said something about a stream.
    pub(super) fn relay_mail(&mut self, now: Now, from: ShardId, mail: RelayMail) {
        match mail {
            RelayMail::Follow {
                stream,
                follow,
                exchange,
                origin,
            } => self.begin_relay(now, (from, stream), follow, exchange, origin),
            RelayMail::Bytes {
                reader,
                stream,
                bytes,
                events,
                ended,
            } => self.relayed(now, reader, stream, (bytes, events), ended),
            RelayMail::Attached {
                stream,
                organization,
            } => {
                let served = self.entry(stream).and_then(|entry| entry.stream.as_mut());
                if let Some(served) = served.and_then(|stream| stream.served.as_mut()) {
                    served.organization = Some(organization);
                }
            }
            RelayMail::Taken { reader, bytes } => self.taken(reader, bytes),
            RelayMail::Abandoned { stream } => self.abandoned(now, from, stream),
            RelayMail::GivenUp { stream } => self.give_up_client(now, stream),
        }
    }

    /// A stream of another shard wants to read a log of this one.
    fn begin_relay(
        &mut self,
        now: Now,
        (shard, stream): (ShardId, ConnectionId),
        follow: Box<Follow>,
        exchange: Exchange,
        origin: Option<AllowedOrigin>,
    ) {
        let names_nobody = follow.organization.is_none();
        let mut connection = Connection::new(now, Network::LOOPBACK);
        connection.set_origin(origin);
        let identity = self.new_identity(now);
        let ConnectionId { index, .. } = self.insert(connection, identity);
        if let Some(entry) = self.connections.get_mut(index) {
            entry.relay = Some(Box::new(Relay {
                shard,
                stream,
                underway: 0,
                ended: false,
            }));
        }
        self.reading.attach_relay(shard, stream, index);
        let next = self.follow(now, index, follow, exchange);
        self.follow_up(now, index, next);
        let reader = self.connections.get(index);
        let reader = reader.and_then(|entry| entry.connection.reader());
        if names_nobody && let Some(key) = reader.and_then(|reader| self.hub.key_of(reader)) {
            let organization = key.organization;
            let mail = RelayMail::Attached {
                stream,
                organization,
            };
            self.post.send(shard, Mail::Relay(mail));
        }
    }

    /// Mails what a reader has to send, as much as may be under way.
    pub(super) fn flush_relay(&mut self, now: Now, reader: ConnectionId) {
        let Some(entry) = self.entry(reader) else {
            return;
        };
        let blocked = entry.is_blocked();
        let (Some(relay), false) = (&mut entry.relay, blocked) else {
            return;
        };
        let events = entry.connection.take_events();
        let queue = &entry.connection.send_queue;
        let bytes = queue.len().min(RELAY_BYTES_MAX - relay.underway);
        relay.underway += bytes;
        let ends = !matches!(entry.connection.ending(), Ending::Open);
        let (to, shard) = (relay.stream, relay.shard);
        let ended = ends && bytes == queue.len();
        let mail = Mail::Relay(RelayMail::Bytes {
            reader,
            stream: to,
            bytes: joined(queue.range(0..bytes), bytes),
            events,
            ended,
        });
        // Whether its peer takes too long is judged, and counted, where the stream is.
        let is_blocked = bytes < queue.len();
        self.connections.set_blocked(reader.index, is_blocked);
        if bytes > 0 || ended {
            self.post.send(shard, mail);
        }
        if ended {
            self.remove_relay(now, reader.index);
        } else {
            self.sent(now, reader.index, bytes);
        }
    }

    /// Bytes came for a stream from the home of the session that it reads.
    fn relayed(
        &mut self,
        now: Now,
        reader: ConnectionId,
        stream: ConnectionId,
        (bytes, events): (Bytes, u32),
        ended: bool,
    ) {
        if self.entry(stream).is_none() {
            // Its end was told, and what was under way is of no use.
            return;
        }
        if let Some(stream) = self.stream_mut(stream.index)
            && let Some(served) = &mut stream.served
        {
            served.reader = Some(reader);
            if ended {
                stream.served = None;
            }
        }
        self.work_on(now, stream.index, |connection, _| {
            connection.count_events(u64::from(events));
            connection.relay(bytes, ended);
        });
    }

    /// A stream took bytes: the home may mail more.
    pub(super) fn acknowledge_relay(&mut self, index: u32, bytes: usize) {
        let served = self
            .stream_mut(index)
            .and_then(|stream| stream.served.as_ref());
        if let Some(&Served {
            home,
            reader: Some(reader),
            ..
        }) = served
            && bytes > 0
        {
            self.post
                .send(home, Mail::Relay(RelayMail::Taken { reader, bytes }));
        }
    }

    /// Bytes that were mailed for a reader of this shard have been taken.
    fn taken(&mut self, reader: ConnectionId, bytes: usize) {
        if let Some(entry) = self.entry(reader)
            && let Some(relay) = &mut entry.relay
        {
            relay.underway -= bytes;
            self.connections.set_blocked(reader.index, false);
            self.touch(reader.index);
        }
    }

    /// A stream that is gone had a reader elsewhere.
    pub(super) fn abandon(&mut self, stream: ConnectionId, served: Option<&Served>) {
        if let Some(&Served { home, .. }) = served {
            self.post
                .send(home, Mail::Relay(RelayMail::Abandoned { stream }));
        }
    }

    /// The stream of a reader of this shard is gone.
    fn abandoned(&mut self, now: Now, shard: ShardId, stream: ConnectionId) {
        if let Some(index) = self.reading.relay(shard, stream) {
            self.remove_relay(now, index);
        }
    }

    /// Too much is held for a reader of this shard: its client is cut off, where it is.
    pub(super) fn give_up_relay(&mut self, now: Now, index: u32) {
        let entry = self.connections.get(index);
        if let Some(relay) = entry.and_then(|entry| entry.relay.as_ref()) {
            let (shard, stream) = (relay.shard, relay.stream);
            self.post
                .send(shard, Mail::Relay(RelayMail::GivenUp { stream }));
            self.remove_relay(now, index);
        }
    }

    /// Another shard holds too much for a stream: cuts off the connection that it belongs to.
    fn give_up_client(&mut self, now: Now, stream: ConnectionId) {
        if self.entry(stream).is_none() {
            return;
        }
        let parent = self.stream_mut(stream.index).map(|stream| stream.parent);
        if let Some(parent) = parent {
            self.metrics().holders_cut.add(1);
            self.give_up(now, parent);
        }
    }

    /// Removes a reader whose stream knows that it ends, or is gone.
    fn remove_relay(&mut self, now: Now, index: u32) {
        let entry = self.connections.get_mut(index);
        if let Some(relay) = entry.and_then(|entry| entry.relay.as_mut()) {
            relay.ended = true;
            self.remove(now, index);
        }
    }

    /// A reader of this shard is gone.
    pub(super) fn drop_relay(&mut self, reader: ConnectionId, relay: &Relay) {
        self.reading.detach_relay(relay.shard, relay.stream);
        if relay.ended {
            return;
        }
        let mail = RelayMail::Bytes {
            reader,
            stream: relay.stream,
            bytes: Bytes::new(),
            events: 0,
            ended: true,
        };
        self.post.send(relay.shard, Mail::Relay(mail));
    }
}

/// Slices as one buffer of its own: from now on they wait where the stream is, and are counted
/// there. A part of what is shared here would keep all of it alive.
fn joined(parts: impl Iterator<Item = Bytes>, bytes: usize) -> Bytes {
    let mut all = BytesMut::with_capacity(bytes);
    parts.for_each(|part| all.extend_from_slice(&part));
    all.freeze()
}
