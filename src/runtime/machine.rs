//! The machine's own figures, from `/proc`. An unreadable one is empty or zero: a node that cannot
//! tell its load still serves.

use std::fs;

use crate::shard::Machine;

/// Reads the machine's present state.
pub(super) fn look() -> Machine {
    let processors = std::thread::available_parallelism();
    Machine {
        hostname: hostname(),
        load: load(&read("/proc/loadavg")),
        processors: processors.map_or(1, std::num::NonZeroUsize::get),
        memory: memory(&read("/proc/meminfo")),
    }
}

/// The machine's name.
pub(super) fn hostname() -> Box<str> {
    read("/proc/sys/kernel/hostname").trim().into()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// proc(5): the first three fields are the averages.
fn load(text: &str) -> [f64; 3] {
    let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    [(); 3].map(|()| numbers.next().unwrap_or_default())
}

/// proc(5): lines such as `MemTotal: 24576 kB`. Returns the total, and the memory available without
/// swapping.
fn memory(text: &str) -> (u64, u64) {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or_default() * 1_024
    };
    (field("MemTotal:"), field("MemAvailable:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let in_hundredths = |text| load(text).map(|number| (number * 100.0).round() as u32);
        assert_eq!(in_hundredths("0.52 0.25 0.10 1/234 5678\n"), [52, 25, 10]);
        assert_eq!(in_hundredths("nonsense"), [0; 3]);
        let text = "MemTotal:       24576 kB\nMemFree: 1 kB\nMemAvailable:   12288 kB\n";
        assert_eq!(memory(text), (24_576 * 1_024, 12_288 * 1_024));
        assert_eq!(memory(""), (0, 0));
    }

    #[test]
    fn this_machine_has_a_name_and_memory() {
        let machine = look();
        assert!(!machine.hostname.is_empty() && machine.memory.0 >= machine.memory.1);
        assert!(machine.processors > 0);
    }
}
