//! Long polls: an answer with its events and its gap, and the request that follows it.

use serde_json::value::RawValue;

use super::session::{Asks, NO_EVENT, Numbered, SessionVoice, refused};
use super::{Heard, Hole};
use crate::fault::Fault;
use crate::http::{Head, Response};

impl SessionVoice {
    /// Takes a whole answer, and says how many bytes it took.
    pub(super) fn take_answer(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(usize, Heard<'_>) -> Result<(), String>,
    ) -> Result<usize, Fault> {
        let Some((response, used)) = Response::parse(bytes)? else {
            return Ok(0);
        };
        let head = &response.head;
        if head.status != 200 {
            return Err(refused(head.status));
        }
        if let Asks::Validators(_) = self.asks {
            // The answer is the event.
            let sequence = self.sequence(&response.body);
            self.event(None, sequence, each)?;
            each(0, Heard::Answered)?;
            self.asks = Asks::Validators(validators(head)?);
            self.ask(replies);
            return Ok(used);
        }
        if self.asks == Asks::Cursor
            && let Some(epoch) = head.field("fanfare-epoch")
        {
            self.live(epoch);
        }
        if let Some(gap) = head.field("fanfare-gap") {
            self.hole(parse_gap(gap).ok_or(NO_EVENT)?, each)?;
        }
        if self.asks == Asks::Number {
            // One event, so that the sequence in the answer is its own.
            let events: Vec<Numbered> =
                serde_json::from_slice(&response.body).map_err(|_| NO_EVENT)?;
            let [Numbered { number: Some(_) }] = events[..] else {
                return Err(format!("a poll was answered {} events", events.len()).into());
            };
            let sequence = self.sequence(&response.body);
            self.event(events[0].number, sequence, each)?;
            each(0, Heard::Answered)?;
            self.ask(replies);
            return Ok(used);
        }
        let events: Vec<&RawValue> =
            serde_json::from_slice(&response.body).map_err(|_| NO_EVENT)?;
        for event in &events {
            let parsed: Numbered = serde_json::from_str(event.get()).map_err(|_| NO_EVENT)?;
            let number = Some(parsed.number.ok_or(NO_EVENT)?);
            let sequence = self.sequence(event.get().as_bytes());
            self.event(number, sequence, each)?;
        }
        each(0, Heard::Answered)?;
        if self.asks == Asks::Cursor {
            self.ask(replies);
        }
        Ok(used)
    }
}

/// The fields by which nchan is asked for what comes after an answer.
fn validators(head: &Head<'_>) -> Result<String, Fault> {
    let lacks = "a poll's answer does not say what to ask for next";
    let since = head.field("last-modified").ok_or(lacks)?;
    let tag = head.field("etag").ok_or(lacks)?;
    Ok(format!(
        "If-Modified-Since: {since}\r\nIf-None-Match: {tag}\r\n"
    ))
}

/// `3-9` or `reset`, as the header field says it.
pub(super) fn parse_gap(text: &str) -> Option<Hole> {
    if text == "reset" {
        return Some(Hole::Reset);
    }
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(Hole::Range { first, last })
}
