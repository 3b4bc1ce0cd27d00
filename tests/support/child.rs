//! A run of the program as a child process: how long it is waited for, and its end.

use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes, shorter than anybody's patience.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for a child to end by itself.
pub(crate) fn await_exit(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            return status;
        }
        if start.elapsed() > DEADLINE {
            child.kill().expect("our own child");
            panic!("the program did not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}
