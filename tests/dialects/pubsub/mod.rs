//! The pubsub dialect, sentence by sentence.

mod post;
mod room;
