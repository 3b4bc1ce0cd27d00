//! A subscriber of somebody else's server, and of either: what stands side by side in `fan-out` and
//! `latency`.

use std::rc::Rc;

use super::decoder::EventDecoder;
use super::server::{Running, Subscribing};
use crate::fault::Fault;
use crate::voice::frame::{FrameVoice, Handshake};
use crate::voice::{Heard, Voice};

/// A peer's subscriber.
#[derive(Debug)]
pub(crate) struct PeerVoice {
    subscribing: Rc<Subscribing>,
    handshake: Handshake,
    decoder: EventDecoder,
}

impl PeerVoice {
    /// A subscriber that opens as all of a peer's do.
    pub(crate) fn new(peer: &Running, subscribing: &Rc<Subscribing>) -> Self {
        Self {
            subscribing: Rc::clone(subscribing),
            handshake: Handshake::default(),
            decoder: (peer.decoder)(),
        }
    }
}

impl Voice for PeerVoice {
    fn is_silent(&self) -> bool {
        self.subscribing.handshake.is_none() && !self.subscribing.is_confirmed
    }

    fn hello(&mut self, request: &mut Vec<u8>) {
        let subscribing = &self.subscribing;
        request.extend(subscribing.request());
        if subscribing.handshake.is_some() {
            self.handshake.begin();
        } else {
            request.extend_from_slice(&subscribing.hello);
        }
    }

    #[inline]
    fn feed<F>(&mut self, bytes: &[u8], replies: &mut Vec<u8>, each: &mut F) -> Result<(), Fault>
    where
        F: FnMut(usize, Heard<'_>) -> Result<(), String>,
    {
        let mut told = |heard: Heard<'_>| each(0, heard);
        if !self.handshake.is_under_way() {
            return self.decoder.feed(bytes, replies, &mut told);
        }
        let Some(rest) = self.handshake.feed(bytes)? else {
            return Ok(());
        };
        replies.extend_from_slice(&self.subscribing.hello);
        if !self.subscribing.is_confirmed {
            told(Heard::Opened)?;
        }
        self.decoder.feed(&rest, replies, &mut told)
    }
}

/// A subscriber of ours, or of a peer.
#[derive(Debug)]
pub(crate) enum CountingVoice {
    /// Ours, or the floor's.
    Frames(FrameVoice),
    /// Somebody else's.
    Peer(PeerVoice),
}

impl Voice for CountingVoice {
    fn is_silent(&self) -> bool {
        match self {
            Self::Frames(voice) => voice.is_silent(),
            Self::Peer(voice) => voice.is_silent(),
        }
    }

    fn hello(&mut self, request: &mut Vec<u8>) {
        match self {
            Self::Frames(voice) => voice.hello(request),
            Self::Peer(voice) => voice.hello(request),
        }
    }

    #[inline]
    fn feed<F>(&mut self, bytes: &[u8], replies: &mut Vec<u8>, each: &mut F) -> Result<(), Fault>
    where
        F: FnMut(usize, Heard<'_>) -> Result<(), String>,
    {
        match self {
            Self::Frames(voice) => voice.feed(bytes, replies, each),
            Self::Peer(voice) => voice.feed(bytes, replies, each),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_field;
    use crate::voice::{told, told_however_cut};
    use crate::websocket::server::{ACCEPTED, text};
    use std::net::SocketAddr;

    fn voice(has_handshake: bool, is_confirmed: bool) -> CountingVoice {
        let subscribing = Subscribing {
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            handshake: has_handshake.then(|| ("/x".to_owned(), String::new())),
            hello: b"hello".to_vec(),
            is_confirmed,
        };
        CountingVoice::Peer(PeerVoice {
            subscribing: Rc::new(subscribing),
            handshake: Handshake::default(),
            decoder: EventDecoder::of_events(),
        })
    }

    #[test]
    fn a_peer_says_hello_once_it_is_accepted_or_at_once() {
        let event = text(&format!("{{{}}}", sequence_field(7)));
        let bytes = [ACCEPTED.as_bytes(), &event].concat();
        let (heard, replies, fed) = told_however_cut(|| voice(true, false), &bytes);
        assert_eq!((heard.len(), &*heard[0], fed), (2, "0 Opened", Ok(())));
        assert_eq!(replies, b"hello");
        // Where the server confirms, its protocol says when events come.
        let (heard, _, _) = told(voice(true, true), [&*bytes]);
        assert!(
            heard.len() == 1 && heard[0].contains("Some(7)"),
            "{heard:?}"
        );
        let (mut request, mut plain) = (Vec::new(), voice(false, true));
        plain.hello(&mut request);
        assert_eq!((&*request, plain.is_silent()), (&b"hello"[..], false));
        let (_, _, fed) = told(voice(true, false), [&b"HTTP/1.1 404 x\r\n\r\n"[..]]);
        fed.expect_err("not accepted");
    }
}
