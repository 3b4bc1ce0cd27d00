//! A WebSocket whose events are counted and not read: with several in one write a server needs a
//! fraction of a microsecond for each, and must stay the one that works.

use std::rc::Rc;
use std::sync::Arc;

use super::{Event, Heard, Voice};
use crate::fault::Fault;
use crate::frames::{Counted, FrameCounter, sequence};
use crate::http::Head;
use crate::websocket;

/// One subscriber of so many keeps its frames, so that their contents can be compared.
const KEPT_EVERY: usize = 100;
/// The longest frame that only shows that the server lives:
/// `{"action":"heartbeat","data":{"next":12}}`. No event is as short.
const HEARTBEAT_FRAME_BYTES_MAX: usize = 64;

/// How a connection becomes one that is sent events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opening {
    /// The path of the handshake; without it the request is one that nobody answers, and frames
    /// follow at once.
    pub(crate) path: Option<String>,
    /// The first message, whose answer is waited for.
    pub(crate) hello: Option<String>,
    /// A word in that answer.
    pub(crate) answer: &'static str,
    /// Frames that the server sends by itself before it.
    pub(crate) unasked: u64,
}

impl Opening {
    /// Subscribers of the live dialect, filtered by the type of what is published here.
    pub(crate) fn of_live() -> Self {
        let filter = r#"{"type":"filter","filters":[{"property":"type","value":"probe"}]}"#;
        Self {
            path: Some("/live/ws".to_owned()),
            hello: Some(filter.to_owned()),
            ..Self::default()
        }
    }
}

/// The subscriber.
#[derive(Debug)]
pub(crate) struct FrameVoice {
    opening: Rc<Opening>,
    host: Arc<str>,
    handshake: Handshake,
    counter: FrameCounter,
    /// Frames that come before events do.
    greetings: u64,
}

impl FrameVoice {
    /// The `index`th subscriber of a server.
    pub(crate) fn new(opening: &Rc<Opening>, host: &Arc<str>, index: usize) -> Self {
        let keeps = opening.path.is_some() && index.is_multiple_of(KEPT_EVERY);
        let hello = opening.hello.as_ref();
        Self {
            opening: Rc::clone(opening),
            host: Arc::clone(host),
            handshake: Handshake::default(),
            counter: FrameCounter::new(keeps),
            greetings: hello.map_or(0, |_| opening.unasked + 1),
        }
    }
}

impl Voice for FrameVoice {
    fn is_silent(&self) -> bool {
        self.opening.path.is_none()
    }

    fn hello(&mut self, request: &mut Vec<u8>) {
        let path = self.opening.path.as_deref();
        let fields = path.map_or(String::new(), |_| websocket::handshake_fields());
        let (path, host) = (path.unwrap_or("/"), &self.host);
        let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        request.extend_from_slice(text.as_bytes());
        if !self.is_silent() {
            self.handshake.begin();
        }
    }

    #[inline]
    fn feed<F>(&mut self, bytes: &[u8], replies: &mut Vec<u8>, each: &mut F) -> Result<(), Fault>
    where
        F: FnMut(usize, Heard<'_>) -> Result<(), String>,
    {
        let rest;
        let mut frames = bytes;
        if self.handshake.is_under_way() {
            let Some(after) = self.handshake.feed(bytes)? else {
                return Ok(());
            };
            match &self.opening.hello {
                Some(hello) => websocket::encode_text(hello, replies),
                None => each(0, Heard::Opened)?,
            }
            rest = after;
            frames = &rest;
        }
        let (greetings, answer) = (&mut self.greetings, self.opening.answer);
        let mut heard = Ok(());
        self.counter.feed(frames, replies, |counted| {
            if *greetings == 0 {
                if counted.bytes > HEARTBEAT_FRAME_BYTES_MAX && heard.is_ok() {
                    heard = event(counted).and_then(|event| each(0, Heard::Event(event)));
                }
                return;
            }
            *greetings -= 1;
            if *greetings == 0 && heard.is_ok() {
                heard = is_answer(counted.kept, answer).and_then(|()| each(0, Heard::Opened));
            }
        })?;
        Ok(heard?)
    }
}

#[inline]
fn event(counted: Counted<'_>) -> Result<Event<'_>, String> {
    let mut event = Event {
        bytes: counted.bytes,
        ..Event::default()
    };
    if let Some(frame) = counted.kept {
        let sequence = sequence(frame).ok_or("a frame without a sequence number")?;
        (event.sequence, event.frame) = (Some(sequence), frame);
    }
    Ok(event)
}

/// Fails if a first frame was kept and is not the answer that was wanted.
fn is_answer(frame: Option<&[u8]>, wanted: &str) -> Result<(), String> {
    let text = String::from_utf8_lossy(frame.unwrap_or(wanted.as_bytes()));
    if text.contains(wanted) {
        return Ok(());
    }
    Err(format!("the first message was answered {text}"))
}

/// The answer to a WebSocket's handshake, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Handshake(Option<Vec<u8>>);

impl Handshake {
    /// An answer is to come.
    pub(crate) fn begin(&mut self) {
        self.0 = Some(Vec::new());
    }

    /// Whether it has not come to its end.
    #[inline]
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// Takes what was received, and returns what is behind the answer once that is whole.
    ///
    /// # Errors
    ///
    /// It does not accept the handshake.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let mut received = self.0.take().unwrap_or_default();
        received.extend_from_slice(bytes);
        match Head::parse(&received)? {
            None => {
                self.0 = Some(received);
                Ok(None)
            }
            Some((head, used)) if websocket::is_accepted(&head) => {
                Ok(Some(received.split_off(used)))
            }
            Some((head, _)) => Err(format!("the handshake was answered {}", head.status).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_field;
    use crate::voice::{told, told_however_cut};
    use crate::websocket::server::{ACCEPTED, text};

    fn voice(index: usize, path: Option<&str>, hello: Option<&str>) -> FrameVoice {
        let opening = Opening {
            path: path.map(str::to_owned),
            hello: hello.map(str::to_owned),
            answer: "\"subscribed\"",
            unasked: 1,
        };
        FrameVoice::new(&Rc::new(opening), &Arc::from("h"), index)
    }

    fn frame(sequence: u64) -> Vec<u8> {
        let field = sequence_field(sequence);
        text(&format!("{{{field},\"padding\":\"{:x<40}\"}}", ""))
    }

    #[test]
    fn events_are_counted_after_the_answer_and_heartbeats_are_not() {
        let parts = [
            ACCEPTED.as_bytes(),
            &text("welcome"),
            &text(r#"{"action":"subscribed"}"#),
            &frame(7),
            &text(r#"{"action":"heartbeat"}"#),
            &frame(8),
        ];
        for (index, is_kept) in [(0, true), (1, false)] {
            let voice = || voice(index, Some("/x"), Some("hello"));
            let (told, replies, fed) = told_however_cut(voice, &parts.concat());
            assert_eq!((told.len(), fed), (3, Ok(())), "{told:?}");
            assert_eq!((told[0].as_str(), replies.len()), ("0 Opened", 2 + 4 + 5));
            assert_eq!(told[1].contains("sequence: Some(7)"), is_kept);
            assert!(told[2].contains("bytes: 77"), "{told:?}");
        }
    }

    #[test]
    fn without_a_first_message_events_follow_the_handshake() {
        let bytes = [ACCEPTED.as_bytes(), &frame(1)].concat();
        let (told, replies, _) = told_however_cut(|| voice(1, Some("/x"), None), &bytes);
        assert_eq!((told.len(), replies.len()), (2, 0));
        let mut floor = voice(0, None, None);
        let mut request = Vec::new();
        floor.hello(&mut request);
        assert_eq!(request, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(floor.is_silent());
        assert_eq!(
            told_however_cut(|| voice(0, None, None), &frame(1)).0.len(),
            1
        );
    }

    #[test]
    fn what_is_refused_is_said() {
        let refused = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";
        let other = [ACCEPTED.as_bytes(), &text("welcome"), &text("no")].concat();
        let nameless = [ACCEPTED.as_bytes(), &text(&"x".repeat(100))].concat();
        for (hello, bytes, said) in [
            (None, &refused[..], "answered 503"),
            (Some("hello"), &other, "was answered"),
            (None, &nameless, "without a sequence"),
        ] {
            let (_, _, fed) = told(voice(0, Some("/x"), hello), [bytes]);
            let why = fed.expect_err("refused").to_string();
            assert!(why.contains(said), "{why}");
        }
    }
}
