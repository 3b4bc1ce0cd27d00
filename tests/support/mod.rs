//! What several suites share: a node of shards without sockets, and readers of what it sends.
//!
//! Nothing in here may use the parsers under test: answers are read with `httparse` and
//! `tungstenite`.

#![allow(dead_code, reason = "each suite uses its share of this")]

pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod node;
pub(crate) mod organizations;
pub(crate) mod socket;
pub(crate) mod web_socket;
