//! All of a shard's subscriptions, compiled for matching.
//!
//! [`FilterTable::subscribe`] compiles a [`Subscription`](super::Subscription) and adds it;
//! [`FilterTable::matches`] finds the subscribers of an event. The cost of matching follows the
//! event's contents and the number of its subscribers, never the number of subscriptions. In
//! reading order: `compile` and `atoms`, `programs`, `access` and `list`, `scan`, `wild` and
//! `pieces` (names with stars), and `table`, which puts them together.

mod access;
mod atom;
mod atoms;
mod audience;
mod compile;
mod ends;
mod index;
mod lengths;
mod list;
mod pages;
mod pieces;
mod programs;
mod properties;
mod scan;
mod scopes;
mod table;
mod wild;

pub use table::{FilterTable, MatchScratch};
