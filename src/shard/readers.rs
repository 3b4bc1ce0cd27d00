//! Logs and those who read them: polls that wait, feeds that follow.
//!
//! Readers pull. An event only marks its session; at the end of the tick each reader of a marked
//! session is given what it has not seen, however many events that is: a feed piece by piece, a
//! poll as much as one answer holds. Readers that stand at the same place share one rendering.

use bytes::{Bytes, BytesMut};

use super::carry_on::Next;
use super::{Shard, context};
use crate::buf::Meter;
use crate::connection::{Follower, Parked};
use crate::dialect::{
    AllowedOrigin, By, Client, Dialects, Exchange, Follow, Form, LogState, LogView, Position,
    Responder, Show, Standing, Wants,
};
use crate::hub::{Cursor, Epoch, Gap, Log, Number, ReaderId, Refusal};
use crate::limits::{FEED_PULL_BELOW_BYTES, LOG_PULL_BYTES};
use crate::time::Now;

/// A poll's answer as it was last rendered, and all that it depends on.
#[derive(Debug)]
pub(super) struct PollRendering {
    key: PollKey,
    response: Bytes,
    /// What it takes, by the [`Meter`].
    pub(super) size: usize,
    events: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PollKey {
    /// The API in whose form it is.
    dialect: &'static str,
    from: Number,
    log: LogState,
    exchange: Exchange,
    origin: Option<AllowedOrigin>,
    second: u64,
}

/// Events of a feed as they were last rendered, and all that they depend on.
#[derive(Debug)]
pub(super) struct FeedRendering {
    epoch: Epoch,
    view: LogView,
    from: Number,
    log_next: Number,
    next: Number,
    events: u64,
    frames: Bytes,
    /// What they take, by the [`Meter`].
    pub(super) size: usize,
}

impl Shard {
    /// Attaches a reader to a log, here or by way of the log's home, and gives it what it missed.
    pub(super) fn follow(
        &mut self,
        now: Now,
        index: u32,
        follow: Box<Follow>,
        exchange: Exchange,
    ) -> Next {
        if let (Some(hash), Some(id)) = (follow.home(), self.connections.id_of(index)) {
            let home = self.post.placement.home_of_hash(hash);
            if home != self.id {
                self.ask_relay(now, id, home, follow, exchange);
                return Next::Ready;
            }
        }
        let token = follow.token.as_str();
        // Who names no organization reads what exists, and creates nothing.
        let organization = follow
            .organization
            .or_else(|| self.hub.find_any(now, token, follow.hash));
        let attached = match organization {
            Some(organization) => self
                .hub
                .attach(now, organization, token, follow.hash, index),
            None => Err(Refusal::NotFound),
        };
        // Attaching may have found the session's last life over, and reused its readers' ids.
        self.end_readers(now);
        match (attached, follow.by) {
            (Ok(reader), By::Itself) => self.follow_itself(now, index, reader, follow.cursor),
            (Ok(reader), By::Request(client, form)) => {
                self.begin_reading(
                    now,
                    index,
                    (reader, follow.cursor),
                    (client, form, exchange),
                );
            }
            (Err(refusal), By::Itself) => {
                let then = self.work_on(now, index, |connection, ctx| {
                    connection.refuse_follow(refusal, ctx)
                });
                return Next::of(then);
            }
            (Err(refusal), By::Request(client, _)) => {
                self.work_on(now, index, |connection, ctx| {
                    connection.refuse_reading(&client, refusal, exchange, ctx);
                });
            }
        }
        Next::Ready
    }

    /// Gives a client that is there already the log that it has asked for.
    fn follow_itself(&mut self, now: Now, index: u32, reader: ReaderId, cursor: Option<Cursor>) {
        let (Some(log), Some(session)) = (self.hub.log(reader), self.hub.key_of(reader)) else {
            return;
        };
        let (next, gap) = begin(log, cursor);
        let standing = Standing {
            session: session.token.clone(),
            log: LogState::of(log, gap),
        };
        self.metrics().gaps.add(u64::from(gap.is_some()));
        let position = Position { reader, next };
        let followed = self.work_on(now, index, |connection, ctx| {
            connection.follow(position, &standing, ctx)
        });
        if followed != Some(true) {
            self.hub.detach(now, reader);
        }
    }

    /// Answers a request whose reader is attached, or has it wait.
    fn begin_reading(
        &mut self,
        now: Now,
        index: u32,
        (reader, cursor): (ReaderId, Option<Cursor>),
        (mut client, form, exchange): (Client, Form, Exchange),
    ) {
        let Some(log) = self.hub.log(reader) else {
            return;
        };
        let (next, gap) = begin(log, cursor);
        let (has_news, state) = (next < log.next(), LogState::of(log, gap));
        self.metrics().gaps.add(u64::from(gap.is_some()));
        client.set_position(Some(Position { reader, next }));
        if let Form::Poll { timeout } = form {
            let due = timeout.map(|timeout| now.instant + timeout);
            let parked = Parked {
                client,
                gap: gap.map(Box::new),
                exchange,
            };
            self.work_on(now, index, |connection, _| connection.park(parked, due));
            if has_news || timeout.is_some_and(|timeout| timeout.is_zero()) || self.draining {
                self.answer_poll(now, index);
            }
            return;
        }
        self.work_on(now, index, |connection, ctx| {
            let (dialects, date) = (ctx.dialects, ctx.date);
            let origin = connection.origin();
            let head = ctx.arena.write(|out| {
                let mut to = Responder {
                    out,
                    date,
                    now,
                    exchange,
                    origin,
                    lines: b"",
                    status: 0,
                    denied: None,
                };
                dialects.begin_reading(&client, &form, state, &mut to);
                if let (Some(gap), Wants::Shown(view)) = (gap, client.wants(form.envelope())) {
                    dialects.encode_gap(&view, gap, to.out);
                }
            });
            connection.begin_reading(client, &form, head, ctx);
        });
        self.pull(index);
        if self.draining {
            // It has its history, and is told when to come back.
            self.drain_connection(now, index);
        }
    }

    /// Changes what a client is shown of its log: what was published until now is judged by what it
    /// wanted until now, as far as it has room for that. It may be shown what was retained before,
    /// so that is trimmed first.
    pub(super) fn change_view(&mut self, now: Now, index: u32, mut show: Show) {
        self.reading.share(&mut show.view);
        self.refresh_log(now, index);
        self.pull(index);
        self.work_on(now, index, |connection, ctx| connection.show(show, ctx));
        self.pull(index);
    }

    /// Brings the log that a connection reads up to date, for one that reads without having been
    /// woken.
    pub(super) fn refresh_log(&mut self, now: Now, index: u32) {
        let entry = self.connections.get(index);
        if let Some(reader) = entry.and_then(|entry| entry.connection.reader()) {
            self.hub.refresh(now, reader);
        }
    }

    /// Answers a waiting poll with what there is, which may be nothing, or more than one answer
    /// holds. Other connections are left alone.
    pub(super) fn answer_poll(&mut self, now: Now, index: u32) {
        // An answer may be a large one, and many may ask in one turn.
        self.relieve(now);
        let entry = self.connections.get(index);
        let parked = entry.and_then(|entry| {
            let parked = entry.connection.parked()?;
            Some((parked, parked.client.position()?, entry.connection.origin()))
        });
        let Some((parked, position, origin)) = parked else {
            return;
        };
        let mut exchange = parked.exchange;
        exchange.keep_alive &= !self.draining;
        let Some(log) = self.hub.log(position.reader) else {
            return;
        };
        let (from, gap) = catch_up(log, position.next, parked.gap.as_deref().copied());
        let key = PollKey {
            dialect: parked.client.dialect(),
            from,
            log: LogState::of(log, gap),
            exchange,
            origin,
            second: now.unix_ms / 1_000,
        };
        let (response, events) = match &self.reading.poll {
            Some(last) if last.key == key => (last.response.clone(), last.events),
            _ => {
                let mut out = BytesMut::new();
                let mut to = Responder {
                    out: &mut out,
                    date: &self.date,
                    now,
                    exchange,
                    origin: key.origin.clone(),
                    lines: b"",
                    status: 0,
                    denied: None,
                };
                let from = (from, key.log);
                let count = self
                    .dialects
                    .answer_poll(&parked.client, log, from, &mut to);
                let (size, count) = (out.capacity(), count as u64);
                let response = self.budget.meter.seal(out);
                self.reading.poll = Some(PollRendering {
                    key,
                    response: response.clone(),
                    size,
                    events: count,
                });
                (response, count)
            }
        };
        self.metrics().events_delivered.add(events);
        self.work_on(now, index, |connection, ctx| {
            connection.count_events(events);
            connection.answer_poll(response, exchange, ctx);
        });
    }

    /// Gives a follower more of its log, unless it has enough to send already.
    pub(super) fn pull(&mut self, index: u32) {
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        let connection = &mut entry.connection;
        let has_enough = connection.send_queue.len() >= FEED_PULL_BELOW_BYTES;
        let Some(Follower { position, view }) = connection.follower() else {
            return;
        };
        let Some(log) = self.hub.log(position.reader) else {
            return;
        };
        let Some(view) = view else {
            // What nobody wants needs no room, and is not missed either.
            connection.advance_to(position, log.next());
            return;
        };
        if has_enough {
            return;
        }
        let (from, gap) = catch_up(log, position.next, None);
        if from == log.next() && gap.is_none() {
            return;
        }
        let fits = |last: &&FeedRendering| {
            (last.epoch, last.from, last.log_next) == (log.epoch(), from, log.next())
                && last.view == view
        };
        let rendering = match self.reading.feed.take().filter(|last| fits(&last)) {
            Some(rendering) => rendering,
            None => render_feed(&self.dialects, log, view, from, &self.budget.meter),
        };
        let rendering = self.reading.feed.insert(rendering);
        connection.advance_to(position, rendering.next);
        if let Some(gap) = gap {
            let mut news = BytesMut::new();
            self.dialects.encode_gap(&rendering.view, gap, &mut news);
            connection.send_queue.push(news.freeze());
        }
        connection.send_queue.push_shared(rendering.frames.clone());
        let metrics = &self.metrics[self.id.index()];
        metrics.events_delivered.add(rendering.events);
        connection.count_events(rendering.events);
        metrics.gaps.add(u64::from(gap.is_some()));
        self.touch(index);
    }

    /// Shows a reader what its woken session has.
    pub(super) fn show(&mut self, now: Now, index: u32) {
        let Some(entry) = self.connections.get(index) else {
            return;
        };
        if entry.connection.parked().is_none() {
            self.pull(index);
            self.relieve(now);
            return;
        }
        if entry.connection.held_bytes() > 0 {
            self.connections.resume(index);
        }
        self.answer_poll(now, index);
    }

    /// Tells the readers of sessions that are gone. The hub has detached them already, and gives
    /// their ids to others: so this must follow at once whatever may end a session.
    pub(super) fn end_readers(&mut self, now: Now) {
        let mut ended = std::mem::take(&mut self.scratch.ended);
        self.hub.take_ended(&mut ended);
        for index in ended.drain(..) {
            if let Some(entry) = self.connections.get_mut(index) {
                entry.connection.session_gone(&mut context!(self, now));
                self.touch(index);
                self.connections.resume(index);
            }
        }
        self.scratch.ended = ended;
    }
}

/// Where a reader that comes with a cursor, or wants no history, begins, and what it has missed.
fn begin(log: &Log, cursor: Option<Cursor>) -> (Number, Option<Gap>) {
    match cursor {
        None => (log.next(), None),
        Some(cursor) => {
            let resume = log.resume(cursor);
            (resume.from, resume.gap)
        }
    }
}

/// Where a reader that wanted `from` stands now, and what it has missed altogether.
fn catch_up(log: &Log, from: Number, gap: Option<Gap>) -> (Number, Option<Gap>) {
    let oldest = log.oldest();
    if from >= oldest {
        return (from, gap);
    }
    let last = oldest - 1;
    let gap = match gap {
        Some(Gap::Reset) => Gap::Reset,
        Some(Gap::Range { first, .. }) => Gap::Range { first, last },
        None => Gap::Range { first: from, last },
    };
    (oldest, Some(gap))
}

fn render_feed(
    dialects: &Dialects,
    log: &Log,
    view: LogView,
    from: Number,
    meter: &Meter,
) -> FeedRendering {
    let mut out = BytesMut::new();
    let (mut next, mut events) = (from, 0);
    for (number, event) in log.range(from) {
        next = number + 1;
        if !dialects.encode_logged(&view, (log.epoch(), number), event, &mut out) {
            continue;
        }
        events += 1;
        if out.len() >= LOG_PULL_BYTES {
            break;
        }
    }
    FeedRendering {
        epoch: log.epoch(),
        view,
        from,
        log_next: log.next(),
        next,
        events,
        size: out.capacity(),
        frames: meter.seal(out),
    }
}
