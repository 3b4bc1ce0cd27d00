//! The most memory that a server had while something went on, looked at by a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::unistd::Pid;

use crate::failure::Failure;
use crate::machine::Memory;

/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// The thread.
#[derive(Debug)]
pub(crate) struct Peak {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64, Failure>>,
}

impl Peak {
    /// Begins to look.
    pub(crate) fn watch(pid: Pid) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut peak = 0;
            loop {
                let ends = told.load(Ordering::Acquire);
                peak = peak.max(Memory::of(pid)?.resident);
                if ends {
                    return Ok(peak);
                }
                thread::sleep(INTERVAL);
            }
        });
        Self { is_over, thread }
    }

    /// The most that was resident, in KiB.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub(crate) fn finish(self) -> Result<u64, Failure> {
        self.is_over.store(true, Ordering::Release);
        let joined = self.thread.join();
        joined.map_err(|_| Failure::new("the thread that watches memory ended"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_outlasts_what_made_it() {
        let this = Pid::this();
        let before = Memory::of(this).expect("alive").resident;
        let watch = Peak::watch(this);
        let mut held = vec![0_u8; 64 * 1024 * 1024];
        for page in held.chunks_mut(4_096) {
            page[0] = 1;
        }
        // Not a byte of it is optimized away.
        std::hint::black_box(&mut held);
        thread::sleep(5 * INTERVAL);
        drop(held);
        let peak = watch.finish().expect("alive");
        assert!(peak >= before + 60 * 1024, "{peak} KiB after {before} KiB");
    }
}
