//! The program's commands, run as a user runs them, against a server of canned bytes.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests are the other end of real sockets and real processes"
)]

mod access;
#[path = "../support/child.rs"]
mod child;
mod config;
mod publish;
mod support;
mod tail;
