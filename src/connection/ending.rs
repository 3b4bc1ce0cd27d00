//! How a connection ends that would have gone on: its session is gone, or the server is leaving.

use bytes::BytesMut;

use super::http1::Reading;
use super::{Connection, Context, State};
use crate::hub::Refusal;
use crate::protocol::sse::encode_retry;
use crate::protocol::websocket::CloseCode;

/// Close code for a session that was deleted or expired; 4000–4999 are for applications to use.
const SESSION_GONE: CloseCode = CloseCode(4410);

impl Connection {
    /// The session of this reader is gone: tells it in the way its form allows.
    pub fn session_gone(&mut self, ctx: &mut Context<'_>) {
        self.forget_position();
        match std::mem::replace(&mut self.state, State::Http(Reading::default())) {
            State::Parked(parked) => {
                self.refuse_reading(&parked.client, Refusal::Gone, parked.exchange, ctx);
            }
            state => {
                self.state = state;
                if matches!(self.state, State::EventStream(_) | State::Open(_)) {
                    self.say_goodbye(SESSION_GONE, "the session is gone", ctx);
                }
            }
        }
    }

    /// The server is leaving. Answers whether the connection is of no more use.
    pub fn drain(&mut self, retry_ms: u64, ctx: &mut Context<'_>) -> bool {
        if matches!(&self.state, State::Open(open) if !open.is_open()) {
            // It is told once it has its handshake's answer.
            return false;
        }
        if self.drain_client(retry_ms, ctx) {
            return false;
        }
        if self.web_socket().is_some() {
            self.say_goodbye(CloseCode::GOING_AWAY, "the server is leaving", ctx);
            return false;
        }
        match &self.state {
            State::Http(_) if !self.input.is_empty() => {}
            // Its next request may be on its way: it is answered, and told that it was the last.
            State::Http(_) => self.arm_last_request(ctx.now),
            State::EventStream(_) => {
                let mut retry = BytesMut::new();
                encode_retry(&mut retry, retry_ms);
                self.send_queue.push(retry.freeze());
                self.close();
            }
            // A request that waits is answered; polls are answered by the shard.
            State::Open(_)
            | State::Request(_)
            | State::Waiting(..)
            | State::Parked(_)
            | State::Relayed
            | State::Closing(_) => {}
            State::Http2(_) => self.drain_http2(),
        }
        false
    }
}
