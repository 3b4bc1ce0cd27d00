//! `fanfare serve`: the configuration file, the command line over it, and then the server.

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tracing_subscriber::EnvFilter;

use crate::config::{Driver, LogFormat, Words as _, parse_address};
use crate::dialect::Config;
use crate::limits;

/// The options of a server; each wins over the file.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ServeArgs {
    /// Configuration file (TOML); without it every key has its default.
    #[arg(long, value_name = "PATH")]
    pub(super) config: Option<PathBuf>,
    /// Address to listen on, such as 127.0.0.1:7400 or localhost:7400.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Threads, each with its own connections and logs; 0 is one for every core.
    #[arg(long, value_name = "COUNT")]
    shards: Option<u16>,
    /// Kernel interface for sockets.
    #[arg(long, value_parser = drivers())]
    driver: Option<Driver>,
    /// Listen beyond loopback although everyone who reaches this server may do everything.
    #[arg(long)]
    open: bool,
    /// Serve /echo for protocol test suites, on loopback only.
    #[arg(long)]
    echo: bool,
    /// Format of log lines.
    #[arg(long, value_parser = log_formats())]
    log_format: Option<LogFormat>,
    /// Log more: -v for debug, -vv for trace.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Resolves an address, or a host's: its IPv4 address if it has both, as `localhost` does without a
/// resolver.
fn resolve(text: &str) -> Option<SocketAddr> {
    parse_address(text).or_else(|| {
        let found: Vec<SocketAddr> = text.to_socket_addrs().ok()?.collect();
        let first = found.iter().find(|address| address.is_ipv4());
        first.or(found.first()).copied()
    })
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    resolve(text)
        .ok_or("not an address and port, nor the name of a host that is known here and a port")
}

fn drivers() -> impl TypedValueParser<Value = Driver> {
    PossibleValuesParser::new(Driver::WORDS.iter().copied())
        .try_map(|word| Driver::parse(&word).ok_or("not a driver"))
}

fn log_formats() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(LogFormat::WORDS.iter().copied())
        .try_map(|word| LogFormat::parse(&word).ok_or("not a log format"))
}

/// Starts a server if its configuration is sound.
pub(super) fn run(args: &ServeArgs, serve: fn(Config) -> ExitCode) -> ExitCode {
    match args.config() {
        Ok(config) => serve(config),
        Err(problem) => super::fail(2, problem),
    }
}

impl ServeArgs {
    /// Returns the values in effect, checked. Errors with the file or key that is wrong, and the
    /// reason.
    pub(super) fn config(&self) -> Result<Config, String> {
        let mut config = match &self.config {
            Some(path) => read(path)?,
            None => Config::default(),
        };
        self.override_config(&mut config);
        config.check().map_err(|error| error.to_string())?;
        // Only the subscriber knows its directives, and configuration must not know the subscriber.
        EnvFilter::try_new(&config.log.level).map_err(|error| {
            let level = &config.log.level;
            format!("log.level: expected directives such as \"info\", found \"{level}\": {error}")
        })?;
        Ok(config)
    }

    fn override_config(&self, config: &mut Config) {
        let server = &mut config.server;
        server.listen = self.listen.unwrap_or(server.listen);
        server.shards = self.shards.map_or(server.shards, NonZeroU16::new);
        server.driver = self.driver.unwrap_or(server.driver);
        server.open |= self.open;
        server.echo |= self.echo;
        config.log.format = self.log_format.unwrap_or(config.log.format);
        let level = match self.verbose {
            0 => return,
            1 => "debug",
            _ => "trace",
        };
        level.clone_into(&mut config.log.level);
    }
}

fn read(path: &Path) -> Result<Config, String> {
    let shown = path.display();
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| {
            // One byte more than is allowed, so that reading it can tell.
            let bytes_max = limits::CONFIG_BYTES_MAX as u64 + 1;
            file.take(bytes_max).read_to_end(&mut text)
        })
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    let text = String::from_utf8(text).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        format!("{shown}: not UTF-8 at byte {position}")
    })?;
    Config::from_toml_with(&text, resolve).map_err(|errors| {
        let errors = errors.iter().map(|error| format!("{shown}: {error}"));
        errors.collect::<Vec<String>>().join("\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_command_line_wins_over_the_file() {
        let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
        file.write_all(b"[server]\nshards = 2\nopen = true\n[log]\nlevel = \"warn\"\n")
            .expect("written");
        let mut args = ServeArgs {
            config: Some(file.path().to_owned()),
            ..ServeArgs::default()
        };
        let config = args.config().expect("valid");
        assert_eq!(config.server.shards, NonZeroU16::new(2));
        assert_eq!(config.log.level, "warn");

        args.shards = Some(0);
        args.listen = Some("0.0.0.0:1".parse().expect("an address"));
        args.driver = Some(Driver::Epoll);
        args.log_format = Some(LogFormat::Json);
        args.verbose = 1;
        let config = args.config().expect("open = true stands in the file");
        assert_eq!(config.server.shards, None);
        assert_eq!(config.server.listen.port(), 1);
        assert_eq!(config.server.driver, Driver::Epoll);
        assert_eq!(config.log.format, LogFormat::Json);
        assert_eq!(config.log.level, "debug");
        args.verbose = 2;
        assert_eq!(args.config().expect("valid").log.level, "trace");
    }

    #[test]
    fn directives_that_the_subscriber_refuses_are_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
        file.write_all(b"[log]\nlevel = \"fanfare=loud\"\n")
            .expect("written");
        let args = ServeArgs {
            config: Some(file.path().to_owned()),
            ..ServeArgs::default()
        };
        let problem = args.config().expect_err("not a level");
        assert!(problem.contains("log.level: "), "{problem}");
    }

    #[test]
    fn words_are_parsed_from_the_same_list() {
        for word in Driver::WORDS {
            assert_eq!(Driver::parse(word).map(Driver::as_str), Some(*word));
        }
        for word in LogFormat::WORDS {
            assert_eq!(LogFormat::parse(word).map(LogFormat::as_str), Some(*word));
        }
    }
}
