//! Server-sent events, chunked or not.

use super::Heard;
use super::session::{NO_EVENT, SessionVoice};
use super::websocket::Details;
use crate::event_stream::StreamEvent;
use crate::fault::Fault;
use crate::http::parse_chunk;

impl SessionVoice {
    /// Takes what a stream begins with, and says how many bytes it took.
    pub(super) fn take_stream(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(usize, Heard<'_>) -> Result<(), String>,
    ) -> Result<usize, Fault> {
        let (data, used) = if self.progress.is_chunked {
            match parse_chunk(bytes)? {
                None => return Ok(0),
                Some(chunk) => chunk,
            }
        } else {
            (bytes, bytes.len())
        };
        self.progress.text.extend_from_slice(data);
        let text = std::mem::take(&mut self.progress.text);
        let mut done = 0;
        while let Some((event, taken)) = StreamEvent::parse(&text[done..]).map_err(|_| NO_EVENT)? {
            let whole = &text[done..done + taken];
            done += taken;
            match event.data {
                Some(data) if event.name == Some("fanfare:gap") => {
                    self.hole(Details::parse(data)?.hole()?, each)?;
                }
                Some(_) => {
                    let mut number = None;
                    if self.reads_numbers() {
                        let digits = event.id.and_then(|id| id.rsplit_once(':'));
                        number = digits.and_then(|(_, digits)| digits.parse().ok());
                        number.ok_or(NO_EVENT)?;
                    }
                    let sequence = self.sequence(whole);
                    self.event(number, sequence, each)?;
                }
                None => {}
            }
        }
        self.progress.text.extend_from_slice(&text[done..]);
        Ok(used)
    }
}
