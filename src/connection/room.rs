//! A client that follows its session's log: where it stands, and what it is told about that.
//!
//! Like a feed it holds no queue: the shard gives it what it wants of the log when there is room. Unlike a
//! feed it talks.

use std::sync::Arc;

use super::{Connection, Context, Feed, State, Then};
use crate::dialect::pubsub::{self, Position, Wanted};
use crate::dialect::sessions::render::FeedForm;
use crate::dialect::{Client, Show, Standing};
use crate::hub::{Number, ReaderId, Refusal};

/// A reader that pulls from its log.
#[derive(Debug)]
pub struct Follower<'c> {
    /// Its place among the session's readers.
    pub reader: ReaderId,
    /// The next number it is to be shown.
    pub next: &'c mut Number,
    /// What it is shown; `None` is nothing, however much there is.
    pub view: Option<View>,
}

/// What of a log a follower is shown, and how. Two that are equal are shown the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// All of it.
    Feed(FeedForm),
    /// The events of some names, as a room's.
    Names(Arc<Wanted>),
}

impl Connection {
    /// The reader that this connection is, if it pulls and may be sent something.
    pub fn follower(&mut self) -> Option<Follower<'_>> {
        if !self.may_send() {
            return None;
        }
        match &mut self.state {
            State::Feed(feed) => {
                let Feed {
                    reader,
                    next,
                    encoding,
                    ..
                } = &mut **feed;
                Some(Follower {
                    reader: *reader,
                    next,
                    view: Some(View::Feed(*encoding)),
                })
            }
            State::Open(open) => match &mut open.client {
                Client::Pubsub(room) => follower_of(room),
                _ => None,
            },
            _ => None,
        }
    }

    fn room(&mut self) -> Option<&mut pubsub::Client> {
        match &mut self.open_client()?.client {
            Client::Pubsub(room) => Some(room),
            _ => None,
        }
    }

    /// Reads a log from now on, and tells the client. No if this is nobody who could.
    pub fn follow(
        &mut self,
        position: Position,
        standing: &Standing,
        ctx: &mut Context<'_>,
    ) -> bool {
        let Some(open) = self.open_client().filter(|open| open.may_send()) else {
            return false;
        };
        let Client::Pubsub(room) = &mut open.client else {
            return false;
        };
        room.position = Some(position);
        for message in ctx.dialects.followed(&mut open.client, standing) {
            self.send_message(&message, ctx);
        }
        true
    }

    /// Tells a client that its log cannot be read.
    pub fn refuse_follow(&mut self, refusal: Refusal, ctx: &mut Context<'_>) -> Then {
        let Some(open) = self.open_client() else {
            return Then::Again;
        };
        let reaction = ctx.dialects.not_followed(&mut open.client, refusal);
        self.react(reaction, ctx)
    }

    /// Changes which events of its log a client is shown from its position on, and tells it.
    pub fn show(&mut self, show: Show, ctx: &mut Context<'_>) {
        if let Some(room) = self.room() {
            room.wanted = show.wanted;
            room.waits = false;
        }
        self.send_message(&show.reply, ctx);
    }

    /// Where a client stands in the log that it follows.
    pub(super) fn position(&mut self) -> Option<Position> {
        self.room().and_then(|room| room.position)
    }

    /// The reader of a client's room is gone, and so is what it followed.
    pub(super) fn forget_position(&mut self) {
        if let Some(room) = self.room() {
            room.position = None;
        }
    }
}

fn follower_of(room: &mut pubsub::Client) -> Option<Follower<'_>> {
    if room.waits {
        return None;
    }
    let position = room.position.as_mut()?;
    Some(Follower {
        reader: position.reader,
        next: &mut position.next,
        view: room.wanted.clone().map(View::Names),
    })
}
