//! The program, so that tests of the server can run it.

#[path = "main.rs"]
#[allow(dead_code, reason = "`main` is the program's alone")]
mod program;

pub use program::hello;
