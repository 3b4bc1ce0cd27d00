//! What a connection waits for, how long, and what happens when it does not come.
//!
//! A connection has one timer of its own and one for writing; the shard asks for the earlier.

use std::time::Duration;

use super::open_client::Peer;
use super::{Connection, Context, State};
use crate::limits::{
    HTTP_BODY_TIMEOUT, HTTP_HEAD_TIMEOUT, HTTP_KEEP_ALIVE_TIMEOUT, HTTP_LAST_REQUEST_TIMEOUT,
    HTTP2_PING_INTERVAL, HTTP2_RESET_DELAY, LINGER_TIMEOUT, SSE_COMMENT_INTERVAL,
    WEBSOCKET_CLOSE_TIMEOUT, WEBSOCKET_PING_INTERVAL, WRITE_TIMEOUT,
};
use crate::protocol::grpc::{Code, Status};
use crate::protocol::sse;
use crate::time::{Instant, Now};

/// What a connection's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Nothing.
    None,
    /// A request must begin.
    Idle,
    /// A request head must be complete.
    Head,
    /// A request body must make progress.
    Body,
    /// A waiting poll must be answered.
    Poll,
    /// An event stream must be kept open.
    Comment,
    /// A response that does not end must not be silent for so long.
    Heartbeat,
    /// A WebSocket must show that it lives.
    Ping,
    /// The peer must answer our close frame, or take what it is told before it is disconnected.
    Goodbye,
    /// The peer must close its half.
    Linger,
    /// A stream that was answered before its request had ended is reset.
    Reset,
    /// An HTTP/2 connection must show that it lives, or what for.
    Http2,
    /// A call must have ended.
    Deadline,
}

/// What the shard must do about a connection whose time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing, or only flush.
    Flush,
    /// Answer the waiting poll with what there is.
    Poll,
    /// Drop it at once.
    Drop,
    /// Drop it: it did not take its bytes.
    SlowConsumer,
    /// Its dialect's own time is up: [`Connection::expire_client`].
    Client,
}

impl Connection {
    /// Starts a timer.
    pub(super) fn arm(&mut self, timer: Timer, now: Now) {
        let after = match timer {
            Timer::None | Timer::Poll | Timer::Deadline | Timer::Heartbeat => {
                self.disarm();
                return;
            }
            Timer::Idle => HTTP_KEEP_ALIVE_TIMEOUT,
            Timer::Head => HTTP_HEAD_TIMEOUT,
            Timer::Body => HTTP_BODY_TIMEOUT,
            Timer::Comment => self.spread(SSE_COMMENT_INTERVAL),
            Timer::Ping => self.spread(WEBSOCKET_PING_INTERVAL),
            Timer::Http2 => self.spread(HTTP2_PING_INTERVAL),
            Timer::Goodbye => WEBSOCKET_CLOSE_TIMEOUT,
            Timer::Linger => LINGER_TIMEOUT,
            Timer::Reset => HTTP2_RESET_DELAY,
        };
        self.timer = timer;
        self.due = now.instant + after;
    }

    /// Between three quarters of `interval` and all of it: who came at once would be written to at
    /// once for ever.
    fn spread(&self, interval: Duration) -> Duration {
        interval / 4 * 3 + interval / 4 * u32::from(u8::MAX - self.spread) / u32::from(u8::MAX)
    }

    /// Ends a call then, if it has not ended before.
    pub(super) const fn arm_deadline(&mut self, due: Instant) {
        self.timer = Timer::Deadline;
        self.due = due;
    }

    /// Has something said after so much silence, from now on.
    pub(super) fn arm_heartbeat(&mut self, now: Now) {
        let heartbeat = self.open_client().and_then(|open| match &open.peer {
            Peer::Response(peer) => peer.heartbeat(),
            Peer::WebSocket(_) | Peer::Call(_) => None,
        });
        if let Some(heartbeat) = heartbeat {
            self.timer = Timer::Heartbeat;
            self.due = now.instant + heartbeat;
        }
    }

    /// Ends a connection between requests soon, unless another comes.
    pub(super) fn arm_last_request(&mut self, now: Now) {
        self.timer = Timer::Idle;
        self.due = now.instant + HTTP_LAST_REQUEST_TIMEOUT;
    }

    /// Stops the timer.
    pub(super) const fn disarm(&mut self) {
        self.timer = Timer::None;
        self.due = Instant::NEVER;
    }

    /// Sets the timer that fits a request under way: `partial` bytes of it are here.
    pub(super) fn arm_reading(&mut self, partial: usize, in_body: bool, now: Now) {
        if in_body {
            self.arm(Timer::Body, now);
        } else if partial == 0 {
            if self.timer != Timer::Idle {
                self.arm(Timer::Idle, now);
            }
        } else if self.timer != Timer::Head {
            // From the first byte: a head that comes byte by byte does not buy time.
            self.arm(Timer::Head, now);
        }
    }

    /// When [`expire`](Self::expire) wants to be called next.
    pub fn due(&self) -> Instant {
        self.due.min(self.write_due).min(self.client_due())
    }

    /// When the client's dialect wants to be asked, until there is nothing to say to it any more.
    fn client_due(&self) -> Instant {
        match &self.state {
            State::Open(open) if open.may_send() => open.client.due(),
            _ => Instant::NEVER,
        }
    }

    /// The kernel takes no more bytes for now.
    pub fn blocked(&mut self, now: Now) {
        if self.write_due == Instant::NEVER {
            self.write_due = now.instant + WRITE_TIMEOUT;
        }
    }

    /// The kernel took `sent` bytes.
    pub fn sent(&mut self, sent: usize, now: Now) {
        if sent == 0 {
            // No progress buys no time.
            return;
        }
        self.send_queue.advance(sent);
        if self.timer == Timer::Heartbeat {
            self.arm_heartbeat(now);
        }
        if self.send_queue.is_empty() {
            self.write_due = Instant::NEVER;
        } else if self.write_due != Instant::NEVER {
            self.write_due = now.instant + WRITE_TIMEOUT;
        }
    }

    /// Everything was sent and our half is closed: waits for the peer to close its own.
    pub fn linger(&mut self, now: Now) {
        self.arm(Timer::Linger, now);
    }

    /// Everything was said on a stream whose request has not ended.
    pub fn await_reset(&mut self, now: Now) {
        self.arm(Timer::Reset, now);
    }

    /// The peer closed its half. Answers whether the connection is of no more use.
    ///
    /// A request that waits for the hub is answered all the same; a poll or a feed that stopped
    /// listening is not kept.
    pub fn end_input(&mut self) -> bool {
        self.input_ended = true;
        match &self.state {
            State::Waiting(..) => false,
            State::Closing(_) => self.send_queue.is_empty(),
            State::Http(_) if !self.send_queue.is_empty() => {
                self.close();
                false
            }
            _ => true,
        }
    }

    /// Does what is due at `ctx.now`.
    pub fn expire(&mut self, ctx: &mut Context<'_>) -> Expired {
        if self.write_due <= ctx.now.instant {
            // Who was told to go was counted then, if it was for being slow.
            let leaves = self.timer == Timer::Goodbye;
            return if leaves {
                Expired::Drop
            } else {
                Expired::SlowConsumer
            };
        }
        if self.due > ctx.now.instant {
            return if self.client_due() <= ctx.now.instant {
                Expired::Client
            } else {
                Expired::Flush
            };
        }
        match self.timer {
            Timer::None => {
                self.disarm();
                Expired::Flush
            }
            Timer::Idle if !self.send_queue.is_empty() => {
                // Its last answer is on its way still, for as long as a write may take.
                self.disarm();
                self.close();
                Expired::Flush
            }
            Timer::Idle | Timer::Goodbye | Timer::Linger | Timer::Reset => Expired::Drop,
            Timer::Head | Timer::Body => {
                self.time_out_request(ctx);
                Expired::Flush
            }
            Timer::Poll => Expired::Poll,
            Timer::Comment => {
                if self.send_queue.is_empty() {
                    let comment = ctx.arena.write(|out| sse::encode_comment(out, ""));
                    self.send_queue.push(comment);
                }
                self.arm(Timer::Comment, ctx.now);
                Expired::Flush
            }
            Timer::Heartbeat => {
                self.disarm();
                if self.send_queue.is_empty() {
                    self.send_empty(ctx);
                }
                self.arm_heartbeat(ctx.now);
                Expired::Flush
            }
            Timer::Ping => self.ping(ctx),
            Timer::Http2 => self.expire_http2(ctx),
            Timer::Deadline => {
                let message = "the open's deadline passed";
                self.end_call(Status::new(Code::DeadlineExceeded, message));
                Expired::Flush
            }
        }
    }
}
