//! `WebSocket`s of the sessions, live and pubsub dialects: each text message is an event or a
//! notice.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::session::{NO_EVENT, Numbered, SessionVoice};
use super::{Heard, Hole};
use crate::fault::Fault;
use crate::kind::Kind;
use crate::websocket::{self, Frame, FrameError, Opcode};

/// What a socket says that is no event of a log, as far as anybody cares.
#[derive(Deserialize)]
struct Notice<'t> {
    #[serde(borrow)]
    action: Option<Cow<'t, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'t, str>>,
    #[serde(borrow)]
    data: Option<&'t RawValue>,
    count: Option<u64>,
    success: Option<bool>,
}

/// The data of a gap, and of a welcome.
#[derive(Deserialize)]
pub(super) struct Details<'t> {
    #[serde(borrow)]
    epoch: Option<Cow<'t, str>>,
    from: Option<u64>,
    to: Option<u64>,
    reset: Option<bool>,
}

impl Details<'_> {
    /// Reads it.
    pub(super) fn parse(text: &str) -> Result<Details<'_>, Fault> {
        serde_json::from_str(text).map_err(|_| NO_EVENT.into())
    }

    /// The hole that it tells of.
    pub(super) fn hole(&self) -> Result<Hole, Fault> {
        match (self.from, self.to, self.reset) {
            (Some(first), Some(last), None) if first <= last => Ok(Hole::Range { first, last }),
            (None, None, Some(true)) => Ok(Hole::Reset),
            _ => Err(NO_EVENT.into()),
        }
    }
}

impl SessionVoice {
    /// Takes a whole frame, and says how many bytes it took.
    pub(super) fn take_frame(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(usize, Heard<'_>) -> Result<(), String>,
    ) -> Result<usize, Fault> {
        let Some((frame, used)) = Frame::parse(bytes)? else {
            return Ok(0);
        };
        match frame.opcode {
            Opcode::Text => self.take_text(frame.payload, replies, each)?,
            Opcode::Binary => return Err(FrameError::Opcode.into()),
            Opcode::Ping => websocket::encode_control(Opcode::Pong, frame.payload, replies),
            Opcode::Pong => {}
            Opcode::Close => return Err(Fault::Closed(websocket::close_code(frame.payload))),
        }
        Ok(used)
    }

    fn take_text(
        &mut self,
        text: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(usize, Heard<'_>) -> Result<(), String>,
    ) -> Result<(), Fault> {
        let sequence = self.sequence(text);
        let (mut number, mut is_event) = (None, sequence.is_some());
        if self.reads_numbers() {
            let parsed: Numbered = serde_json::from_slice(text).map_err(|_| NO_EVENT)?;
            (number, is_event) = (parsed.number, parsed.number.is_some());
        }
        // A live one hears of everything until its filter is in force.
        if is_event && (self.kind != Kind::Live || self.progress.is_filtered) {
            return self.event(number, sequence, each);
        }
        let said: Notice<'_> = serde_json::from_slice(text).map_err(|_| NO_EVENT)?;
        let details = || Details::parse(said.data.map_or("{}", RawValue::get));
        match (said.action.as_deref(), said.kind.as_deref()) {
            (Some("welcome"), _) => {
                if let Some(epoch) = details()?.epoch {
                    self.live(&epoch);
                }
                if let Some(message) = self.kind.on_welcome() {
                    websocket::encode_text(message, replies);
                }
                Ok(())
            }
            (Some("subscribed"), _) => Ok(each(0, Heard::Opened)?),
            (Some("gap"), _) | (None, Some("fanfare:gap")) => self.hole(details()?.hole()?, each),
            (Some("heartbeat" | "reconnect"), _) => Ok(()),
            (None, Some("filterResponse")) if said.success == Some(true) => {
                self.progress.is_filtered = true;
                Ok(each(0, Heard::Opened)?)
            }
            (None, Some("fanfare:dropped")) => {
                let count = said.count.ok_or(NO_EVENT)?;
                self.hole(Hole::Dropped(count), each)
            }
            (None, Some(name)) if self.kind == Kind::Live && !is_reply(name) => {
                if self.progress.is_filtered {
                    self.event(None, None, each)?;
                }
                Ok(())
            }
            _ => Err(NO_EVENT.into()),
        }
    }
}

/// Whether the live dialect says so in reply to its client.
fn is_reply(name: &str) -> bool {
    matches!(name, "filterResponse" | "error")
}
