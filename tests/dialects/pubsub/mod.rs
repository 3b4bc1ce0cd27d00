//! The pubsub dialect, sentence by sentence.

mod room;
