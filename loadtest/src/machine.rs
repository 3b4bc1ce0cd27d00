//! What the kernel knows about processes: cpu clocks, memory, children, cores, descriptor limits.
//!
//! cpu is read from a process's cpu clock (nanoseconds of user and system time of all its threads):
//! `utime` and `stime` of `/proc/<pid>/stat` count in hundredths of a second, which is coarser than
//! what is measured here. They only say how the sum is shared.

use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::failure::{During, Failure};

/// Descriptors a mode needs beside its readers: servers, publishers, pipes, epoll.
pub(crate) const DESCRIPTORS_RESERVED: usize = 256;

/// Raises the soft limit of descriptors to the hard one, and refuses `needed` beyond it.
pub(crate) fn reserve_descriptors(needed: usize) -> Result<(), Failure> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).during("reading the descriptor limit")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).during("raising the descriptor limit")?;
    let needed = (needed + DESCRIPTORS_RESERVED) as u64;
    if needed > hard {
        return Err(Failure::new(format!(
            "{needed} descriptors are needed and this process may open {hard}"
        )));
    }
    Ok(())
}

/// The most descriptors that this process may open.
pub(crate) fn descriptors_max() -> Result<usize, Failure> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).during("reading the descriptor limit")?;
    Ok(usize::try_from(hard).unwrap_or(usize::MAX))
}

/// Lets the calling thread, and what it starts from now on, run on one core only.
pub(crate) fn pin(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core).during("choosing a core")?;
    sched_setaffinity(Pid::from_raw(0), &set).during("pinning to a core")
}

/// Runs `start` on `core`, so that the process it starts inherits it, and moves back.
pub(crate) fn on_core<T>(
    core: usize,
    start: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let this_thread = Pid::from_raw(0);
    let before = sched_getaffinity(this_thread).during("reading the allowed cores")?;
    pin(core)?;
    let started = start();
    sched_setaffinity(this_thread, &before).during("returning to the allowed cores")?;
    started
}

/// User and system time of the calling thread.
pub(crate) fn thread_cpu() -> Result<Duration, Failure> {
    let now = ClockId::CLOCK_THREAD_CPUTIME_ID
        .now()
        .during("reading this thread's cpu clock")?;
    Ok(now.into())
}

/// cpu that a set of processes has used since each began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Time that a thread could have run and its core was somebody else's.
    pub(crate) waited: Duration,
    /// Hundredths of a second in user space.
    user_ticks: u64,
    /// Hundredths of a second in the kernel.
    system_ticks: u64,
}

impl Usage {
    /// Sums over processes, which must all be alive.
    pub(crate) fn of(pids: &[Pid]) -> Result<Self, Failure> {
        let mut sum = Self::default();
        for &pid in pids {
            let clock = clock_getcpuclockid(pid).during("finding a process's cpu clock")?;
            let now = clock.now().during("reading a process's cpu clock")?;
            sum.cpu += Duration::from(now);
            sum.waited += waited(pid)?;
            let (user, system) = parse_stat(&read(pid, "stat")?)
                .ok_or_else(|| Failure::new("unreadable /proc/<pid>/stat"))?;
            sum.user_ticks += user;
            sum.system_ticks += system;
        }
        Ok(sum)
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            waited: self.waited.saturating_sub(earlier.waited),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }

    /// Microseconds for each of `count`.
    pub(crate) fn micros_per(self, count: u64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count.max(1) as f64
    }

    /// The kernel's share of the time, in percent, as far as hundredths of a second tell.
    pub(crate) fn system_percent(self) -> f64 {
        let ticks = self.user_ticks + self.system_ticks;
        self.system_ticks as f64 * 100.0 / ticks.max(1) as f64
    }
}

/// Memory of one process, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Everything resident.
    pub(crate) resident: u64,
    /// The part that is its own: heap and stacks.
    pub(crate) anonymous: u64,
}

impl Memory {
    /// Of one process, which must be alive.
    pub(crate) fn of(pid: Pid) -> Result<Self, Failure> {
        parse_status(&read(pid, "status")?)
            .ok_or_else(|| Failure::new("unreadable /proc/<pid>/status"))
    }
}

/// How many descriptors a process has open.
pub(crate) fn descriptors_of(pid: Pid) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).during(&path)?.count() as u64)
}

/// The processes that `pid`'s main thread started.
pub(crate) fn children_of(pid: Pid) -> Result<Vec<Pid>, Failure> {
    let text = read(pid, &format!("task/{pid}/children"))?;
    Ok(text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .map(Pid::from_raw)
        .collect())
}

/// What the scheduler's `schedstat` files say of a process's threads, added up; nothing where the
/// kernel keeps none.
fn waited(pid: Pid) -> Result<Duration, Failure> {
    let folder = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&folder).during(&folder)?;
    // A thread may end between being listed and being read.
    let texts = threads
        .filter_map(Result::ok)
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    Ok(texts.filter_map(|text| parse_schedstat(&text)).sum())
}

/// The second number: nanoseconds spent waiting on a run queue (the kernel's `sched-stats`
/// document).
fn parse_schedstat(text: &str) -> Option<Duration> {
    let nanos = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

fn read(pid: Pid, file: &str) -> Result<String, Failure> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).during(&path)
}

/// `utime` and `stime`, fields 14 and 15 of proc(5)'s `/proc/<pid>/stat`.
fn parse_stat(text: &str) -> Option<(u64, u64)> {
    // Field 2 is the program's name in parentheses, and may hold blanks and parentheses itself.
    let (_, after_name) = text.rsplit_once(") ")?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// `VmRSS` and `RssAnon` of proc(5)'s `/proc/<pid>/status`.
fn parse_status(text: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(Memory {
        resident: kib("VmRSS")?,
        anonymous: kib("RssAnon")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_a_hostile_name() {
        let text = "71 (a) b (c) S 1 71 71 0 -1 4194560 1 2 3 4 1234 567 8 9 20 0 1 0 100\n";
        assert_eq!(parse_stat(text), Some((1234, 567)));
        assert_eq!(parse_stat("71 (a) S 1 2"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn the_time_on_a_run_queue_is_read() {
        let found = parse_schedstat("138235568 39808552 1257\n");
        assert_eq!(found, Some(Duration::from_nanos(39_808_552)));
        assert_eq!(parse_schedstat("1"), None);
        waited(Pid::this()).expect("alive");
    }

    #[test]
    fn status_names_memory() {
        let text = "Name:\tVmRSS\nVmRSS:\t   12345 kB\nRssAnon:\t    678 kB\nRssFile:\t1 kB\n";
        assert_eq!(
            parse_status(text),
            Some(Memory {
                resident: 12_345,
                anonymous: 678
            })
        );
        assert_eq!(parse_status("VmRSS:\t 12345 kB\n"), None);
        assert_eq!(parse_status("VmRSS:\t 1 MB\nRssAnon:\t1 kB\n"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let this = Pid::this();
        assert!(Usage::of(&[this]).expect("alive").cpu > Duration::ZERO);
        assert!(Memory::of(this).expect("alive").resident > 0);
        thread_cpu().expect("a clock");
        assert!(descriptors_of(this).expect("alive") > 2);
        children_of(this).expect("alive");
    }

    #[test]
    fn usage_is_shared_out() {
        let earlier = Usage {
            cpu: Duration::from_millis(10),
            waited: Duration::from_millis(1),
            user_ticks: 1,
            system_ticks: 1,
        };
        let later = Usage {
            cpu: Duration::from_millis(40),
            waited: Duration::from_millis(3),
            user_ticks: 2,
            system_ticks: 4,
        };
        let used = later.since(earlier);
        assert_eq!(used.waited, Duration::from_millis(2));
        assert!((used.micros_per(10_000) - 3.0).abs() < 1e-9);
        assert!((used.system_percent() - 75.0).abs() < 1e-9);
    }
}
