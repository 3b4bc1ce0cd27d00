//! The real program on real loopback sockets, spoken to by clients that were written elsewhere: the
//! `curl` program, `ureq`, `tungstenite`, `tonic`, gRPC for Python, Node and Chromium. Every test
//! runs on both drivers.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests of the program have sockets, threads and a clock"
)]

#[path = "../support/cable.rs"]
mod cable;
#[path = "../support/child.rs"]
mod child;
#[path = "../support/browser.rs"]
mod chromium;
#[path = "../support/output.rs"]
mod output;
#[path = "../support/server.rs"]
mod server;

/// Runs each test on both drivers with one and with two shards.
macro_rules! on_every_setting {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use crate::server::{Setting, run_in};

            #[test]
            fn io_uring_1() {
                run_in(Setting { driver: "io_uring", shards: 1 }, super::$name);
            }

            #[test]
            fn io_uring_2() {
                run_in(Setting { driver: "io_uring", shards: 2 }, super::$name);
            }

            #[test]
            fn epoll_1() {
                run_in(Setting { driver: "epoll", shards: 1 }, super::$name);
            }

            #[test]
            fn epoll_2() {
                run_in(Setting { driver: "epoll", shards: 2 }, super::$name);
            }
        }
    )+};
}

/// Runs each test on both drivers with two shards: for what shards do not share, or what takes
/// long.
macro_rules! on_both_drivers {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use crate::server::{Setting, run_in};

            #[test]
            fn io_uring() {
                run_in(Setting { driver: "io_uring", shards: 2 }, super::$name);
            }

            #[test]
            fn epoll() {
                run_in(Setting { driver: "epoll", shards: 2 }, super::$name);
            }
        }
    )+};
}

mod access;
mod browser;
mod calls;
mod clients;
mod curl_http;
mod curl_stream;
mod echo;
mod events;
mod faults;
mod grpc;
mod grpc_web;
mod http2;
mod io_uring;
mod leaving;
mod leaving_streams;
mod logins;
mod matrix;
mod memory;
mod program;
mod pubsub;
mod pubsub_client;
mod python;
mod rate_limit;
mod readme;
mod resets;
mod secure;
mod sessions;
mod shares;
mod skipping;
mod sockets;
mod state;
mod stream_sockets;
mod tokens;
mod web_socket;
