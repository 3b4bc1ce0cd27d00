//! wrk: a load generator of its own, so that no server is measured with a client made for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program;
use crate::failure::{During, Failure};

/// Finds it, or says that it is missing.
pub(crate) fn installed() -> Result<PathBuf, &'static str> {
    program("wrk").ok_or("wrk is not installed")
}

/// What wrk is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// Where to POST.
    pub(crate) url: &'a str,
    /// The body of every request.
    pub(crate) body: &'a str,
    /// Kept-alive connections, one request in flight on each.
    pub(crate) connections: u32,
    /// How long.
    pub(crate) seconds: u32,
}

/// What wrk counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Requests that were answered.
    pub(crate) requests: u64,
    /// How long it took, in microseconds.
    pub(crate) micros: u64,
    /// Answers of 400 and above, and failed connections, reads, writes and timeouts.
    pub(crate) errors: u64,
    /// Half of the answers took at most so many microseconds.
    pub(crate) median_micros: u64,
    /// 99 of 100 did.
    pub(crate) p99_micros: u64,
}

/// Runs wrk with one thread, on the cores of the calling thread.
pub(crate) fn run(wrk: &Path, load: Load<'_>) -> Result<Counted, Failure> {
    let folder = tempfile::TempDir::with_prefix("fanfare-loadtest-").during("wrk's script")?;
    let file = folder.path().join("post.lua");
    fs::write(&file, script(load.body)).during("wrk's script")?;
    let mut command = Command::new(wrk);
    command.args([
        "-t1",
        &format!("-c{}", load.connections),
        &format!("-d{}s", load.seconds),
    ]);
    command
        .arg("-s")
        .arg(&file)
        .arg(load.url)
        .stdin(Stdio::null());
    let output = command.output().during("wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        Failure::new(format!("wrk did not finish: {text} {said}"))
    })
}

fn script(body: &str) -> String {
    format!(
        "wrk.method = \"POST\"
wrk.body = [==[{body}]==]
wrk.headers[\"Content-Type\"] = \"application/json\"
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(\"counted %d %d %d %d %d\\n\", summary.requests, summary.duration,
        e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"
    )
}

/// The line that [`script`] writes.
fn parse(text: &str) -> Option<Counted> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("counted "))?;
    let numbers: Vec<u64> = line
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [requests, micros, errors, median_micros, p99_micros] = numbers[..] else {
        return None;
    };
    Some(Counted {
        requests,
        micros,
        errors,
        median_micros,
        p99_micros,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_script_is_read() {
        let text = "Running 5s test\nRequests/sec: 10.0\ncounted 500 5000001 3 90 480\n";
        let counted = Counted {
            requests: 500,
            micros: 5_000_001,
            errors: 3,
            median_micros: 90,
            p99_micros: 480,
        };
        assert_eq!(parse(text), Some(counted));
        assert_eq!(parse("counted 1 2 3\n"), None);
        assert_eq!(parse("unable to connect\n"), None);
    }

    #[test]
    fn the_script_posts_the_body() {
        assert!(script(r#"{"a":1}"#).contains(r#"wrk.body = [==[{"a":1}]==]"#));
    }
}
