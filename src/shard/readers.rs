//! Logs and those who read them: polls that wait, feeds that follow.
//!
//! Readers pull. An event only marks its session; at the end of the tick each reader of a marked
//! session is given what it has not seen, however many events that is: a feed piece by piece, a poll as much as
//! one answer holds. Readers that stand at the same place share one rendering.

use bytes::{Bytes, BytesMut};

use super::{Shard, context};
use crate::buf::Meter;
use crate::connection::{Connection, Follower, Parked, View};
use crate::dialect::sessions::render::{self, FeedForm, encode_gap};
use crate::dialect::sessions::{Form, Listen, LogHeaders};
use crate::dialect::{AllowedOrigin, Exchange, pubsub};
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
    from: Number,
    headers: LogHeaders,
    exchange: Exchange,
    origin: Option<AllowedOrigin>,
    second: u64,
}

/// Events of a feed as they were last rendered, and all that they depend on.
#[derive(Debug)]
pub(super) struct FeedRendering {
    epoch: Epoch,
    view: View,
    from: Number,
    log_next: Number,
    next: Number,
    events: u64,
    frames: Bytes,
    /// What they take, by the [`Meter`].
    pub(super) size: usize,
}

impl Shard {
    /// Attaches a reader to a log of this shard and gives it what it missed.
    pub(super) fn listen(&mut self, now: Now, index: u32, listen: &Listen, exchange: Exchange) {
        let token = listen.token.as_str();
        // Who names no organization reads what exists, and creates nothing.
        let organization = listen
            .organization
            .or_else(|| self.hub.find_any(now, token, listen.hash));
        let attached = match organization {
            Some(organization) => self
                .hub
                .attach(now, organization, token, listen.hash, index),
            None => Err(Refusal::NotFound),
        };
        // Attaching may have found the session's last life over, and reused its readers' ids.
        self.end_readers(now);
        let reader = match attached {
            Ok(reader) => reader,
            Err(refusal) => {
                self.work_on(now, index, |connection, ctx| {
                    connection.refuse_listen(refusal, exchange, ctx);
                });
                return;
            }
        };
        let Some(log) = self.hub.log(reader) else {
            return;
        };
        let (from, gap) = begin(log, listen.cursor);
        let has_news = from < log.next();
        if gap.is_some() {
            self.metrics().gaps.add(1);
        }
        match &listen.form {
            Form::Poll { timeout } => {
                let due = timeout.map(|timeout| now.instant + timeout);
                let parked = Parked {
                    reader,
                    from,
                    gap: gap.map(Box::new),
                    exchange,
                };
                self.work_on(now, index, |connection, _| connection.park(parked, due));
                if has_news || timeout.is_some_and(|timeout| timeout.is_zero()) || self.draining {
                    self.answer_poll(now, index);
                }
            }
            Form::EventStream | Form::WebSocket(_) => {
                self.begin_feed(now, index, listen, reader, (from, gap), exchange);
                if self.draining {
                    // It has its history, and is told when to come back.
                    self.drain_connection(now, index);
                }
            }
        }
    }

    fn begin_feed(
        &mut self,
        now: Now,
        index: u32,
        listen: &Listen,
        reader: ReaderId,
        (from, gap): (Number, Option<Gap>),
        exchange: Exchange,
    ) {
        let Some(log) = self.hub.log(reader) else {
            return;
        };
        let headers = LogHeaders::of(log, gap);
        let encoding = match &listen.form {
            Form::WebSocket(_) => FeedForm::WebSocket,
            Form::EventStream | Form::Poll { .. } => FeedForm::EventStream,
        };
        self.work_on(now, index, |connection, ctx| {
            let (dialects, date) = (ctx.dialects, ctx.date);
            let origin = connection.origin();
            let head = ctx.arena.write(|out| {
                match &listen.form {
                    Form::WebSocket(handshake) => {
                        dialects.sessions.begin_websocket(handshake, headers, out);
                    }
                    Form::EventStream | Form::Poll { .. } => {
                        let mut to = crate::dialect::Responder {
                            out,
                            date,
                            now,
                            exchange,
                            origin,
                            status: 0,
                            denied: None,
                        };
                        dialects.sessions.begin_event_stream(headers, &mut to);
                    }
                }
                if let Some(gap) = gap {
                    encode_gap(out, encoding, gap);
                }
            });
            ctx.metrics.http_requests.add(1);
            connection.send_queue.push(head);
            connection.become_feed(reader, from, encoding, now);
        });
        self.pull(index);
    }

    /// Brings the log that a connection reads up to date, for one that reads without having been woken.
    pub(super) fn refresh_log(&mut self, now: Now, index: u32) {
        let entry = self.connections.get(index);
        if let Some(reader) = entry.and_then(|entry| entry.connection.reader()) {
            self.hub.refresh(now, reader);
        }
    }

    /// Answers a waiting poll with what there is, which may be nothing, or more than one answer holds. Other connections are left
    /// alone.
    pub(super) fn answer_poll(&mut self, now: Now, index: u32) {
        // An answer may be a large one, and many may ask in one turn.
        self.relieve(now);
        let connection = self.connections.get(index).map(|e| &e.connection);
        let parked = connection.and_then(Connection::parked);
        let origin = connection.and_then(Connection::origin);
        let Some(&Parked {
            reader,
            from,
            ref gap,
            mut exchange,
        }) = parked
        else {
            return;
        };
        let gap = gap.as_deref().copied();
        exchange.keep_alive &= !self.draining;
        let Some(log) = self.hub.log(reader) else {
            return;
        };
        let (from, gap) = catch_up(log, from, gap);
        let key = PollKey {
            from,
            headers: LogHeaders::of(log, gap),
            exchange,
            origin,
            second: now.unix_ms / 1_000,
        };
        let (response, events) = match &self.reading.poll {
            Some(last) if last.key == key => (last.response.clone(), last.events),
            _ => {
                let mut out = BytesMut::new();
                let count = self.dialects.sessions.respond_events(
                    key.headers,
                    || log.range(from),
                    (exchange, key.origin.clone()),
                    (&self.date, now),
                    &mut out,
                );
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
        let Some(Follower { reader, next, view }) = connection.follower() else {
            return;
        };
        let Some(log) = self.hub.log(reader) else {
            return;
        };
        let Some(view) = view else {
            // What nobody wants needs no room, and is not missed either.
            *next = log.next();
            return;
        };
        if has_enough {
            return;
        }
        let (from, gap) = catch_up(log, *next, None);
        if from == log.next() && gap.is_none() {
            return;
        }
        let fits = |last: &&FeedRendering| {
            (last.epoch, last.from, last.log_next) == (log.epoch(), from, log.next())
                && last.view == view
        };
        let rendering = match self.reading.feed.take().filter(|last| fits(&last)) {
            Some(rendering) => rendering,
            None => render_feed(log, view, from, &self.budget.meter),
        };
        let rendering = self.reading.feed.insert(rendering);
        *next = rendering.next;
        if let Some(gap) = gap {
            let mut news = BytesMut::new();
            match &rendering.view {
                View::Feed(encoding) => encode_gap(&mut news, *encoding, gap),
                View::Names(_) => pubsub::encode_gap(gap, &mut news),
            }
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
pub(super) fn begin(log: &Log, cursor: Option<Cursor>) -> (Number, Option<Gap>) {
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

fn render_feed(log: &Log, view: View, from: Number, meter: &Meter) -> FeedRendering {
    let mut out = BytesMut::new();
    let (mut next, mut events) = (from, 0);
    for (number, event) in log.range(from) {
        next = number + 1;
        match &view {
            View::Feed(encoding) => {
                render::encode_event(&mut out, *encoding, log.epoch(), number, event);
            }
            View::Names(wanted) if !wanted.has(event) => continue,
            View::Names(_) => pubsub::encode_event(number, event, &mut out),
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
