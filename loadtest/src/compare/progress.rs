//! How far it is: a bar where there is a terminal, and the tables of measurements above it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{During, Failure};

/// What the bar says: how much of the time is over, and what is run.
const TEMPLATE: &str = "{elapsed_precise} {wide_bar:.cyan} {percent} % of about {len} s\n{msg}";

/// A run of all measurements, in seconds that they usually take.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    /// Measurements that were begun, and all of them.
    begun: usize,
    count: usize,
    /// Expected seconds of those that are over.
    over: u64,
    /// The one that runs: since when, and for how long it is expected to.
    current: (Instant, u64),
}

impl Progress {
    /// Before the first of `count` measurements, which usually take so many seconds together.
    pub(super) fn new(count: usize, seconds: u64) -> Self {
        let bar = ProgressBar::new(seconds);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self {
            bar,
            begun: 0,
            count,
            over: 0,
            current: (Instant::now(), 0),
        }
    }

    /// A measurement begins.
    pub(super) fn begin(&mut self, line: &str, seconds: u64) -> Result<(), Failure> {
        self.begun += 1;
        self.current = (Instant::now(), seconds);
        let line = format!("[{}/{}] {line}", self.begun, self.count);
        self.bar.set_message(line.clone());
        self.say(&format!("\n{line}"))
    }

    /// It goes on.
    pub(super) fn glance(&self) {
        let (since, seconds) = self.current;
        self.bar
            .set_position(self.over + since.elapsed().as_secs().min(seconds));
    }

    /// It is over.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        let (since, seconds) = self.current;
        self.over += seconds;
        self.bar.set_position(self.over);
        let took: Duration = since.elapsed();
        self.say(&format!(
            "[{}/{}] {} s",
            self.begun,
            self.count,
            took.as_secs()
        ))
    }

    /// A line for people, above the bar.
    pub(super) fn say(&self, line: &str) -> Result<(), Failure> {
        self.bar.suspend(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").during("printing")?;
            out.flush().during("printing")
        })
    }

    /// Everything was run.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}
