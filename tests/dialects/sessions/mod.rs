//! The sessions dialect, sentence by sentence.

mod access;
mod bytes_on_the_wire;
mod ended;
mod feeds;
mod lifecycle;
mod listen;
mod overload;
mod parts;
mod publish;
mod sealed;
mod wave;
