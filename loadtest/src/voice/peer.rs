//! A subscriber of somebody else's server, and of either: what stands side by side in `fan-out` and `latency`.

use std::rc::Rc;

use super::frame::{FrameVoice, Handshake};
use super::{Fault, Heard, Voice};
use crate::peer::server::{Decoder, Running, Subscribing};

/// A peer's subscriber.
#[derive(Debug)]
pub(crate) struct PeerVoice {
    subscribing: Rc<Subscribing>,
    handshake: Handshake,
    decoder: Box<dyn Decoder>,
}

impl PeerVoice {
    /// A subscriber that opens as all of a peer's do.
    pub(crate) fn new(peer: &dyn Running, subscribing: &Rc<Subscribing>) -> Self {
        Self {
            subscribing: Rc::clone(subscribing),
            handshake: Handshake::default(),
            decoder: peer.decoder(),
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
