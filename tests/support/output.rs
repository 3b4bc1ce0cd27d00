//! What a program of somebody else's says, which may neither fail nor hang.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use crate::child::await_exit;

/// Runs a program that must succeed and end in time; its output.
pub(crate) fn output_of(mut command: Command) -> String {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it started before");
    let output = read_aside(child.stdout.take());
    let problem = read_aside(child.stderr.take());
    let status = await_exit(&mut child);
    let [output, problem] = [output, problem].map(|text| text.join().expect("it reads"));
    assert!(status.success(), "{command:?}: {output}{problem}");
    output
}

/// Reads to the end on a thread of its own, since a pipe holds only so much.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    let mut pipe = pipe.expect("piped");
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("UTF-8");
        text
    })
}
