//! All of a shard's subscriptions, compiled for matching.
//!
//! [`FilterTable::subscribe`] compiles a [`Subscription`] and adds it; [`FilterTable::matches`] finds the
//! subscribers of an event.

mod table;

pub use table::{FilterTable, MatchScratch, SubscriberId, SubscriptionId};
