//! `fanfare check-config`: checks `serve`'s configuration with the same options, without serving.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::serve::ServeArgs;
use crate::dialect::Config;

/// The note on secrets, of which only digests and hashes are shown: this server has nothing else.
const KEPT: &str = "# Tokens are kept as digests and passwords as hashes, which are shown here; only a weak\n\
    # password can be guessed from its hash.\n";

/// The options of `serve`, and the file by position, as a checker of files is usually called.
#[derive(Debug, clap::Args)]
pub(super) struct CheckConfigArgs {
    /// Configuration file (TOML).
    #[arg(value_name = "PATH", conflicts_with = "config")]
    path: Option<PathBuf>,
    /// Print a commented file with every key at its default, and check nothing.
    #[arg(long, exclusive = true)]
    default: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

/// Prints `# ok` and the values in effect as a configuration file, or the problem with exit code 2.
pub(super) fn run(args: &CheckConfigArgs) -> ExitCode {
    let printed = if args.default {
        io::stdout().write_all(Config::default_file().as_bytes())
    } else {
        let mut serve = args.serve.clone();
        serve.config = args.path.clone().or(serve.config);
        match serve.config() {
            Ok(config) => {
                let title = "# ok: these values are in effect\n";
                let kept = if config.organizations.is_empty() {
                    ""
                } else {
                    KEPT
                };
                write!(io::stdout(), "{title}{kept}\n{config}")
            }
            Err(problem) => return super::fail(2, problem),
        }
    };
    match printed.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => super::fail(1, error),
        _ => ExitCode::SUCCESS,
    }
}
