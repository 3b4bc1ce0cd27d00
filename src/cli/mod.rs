//! The command line: `serve`, `check-config`, `token`, `user`, `publish` and `tail`.
//!
//! One file a command. The server itself is handed in by `main`, so that this module can start one
//! without knowing it. Exit codes: 0 done, 1 it did not work, 2 the command line or the
//! configuration is wrong (also clap's own).

mod backoff;
mod check_config;
mod client;
mod event_stream;
mod grants;
mod output;
mod position;
mod publish;
mod serve;
mod tail;
mod token;
mod trust;
mod user;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::dialect::Config;

/// One event hub that speaks several documented event APIs from one binary.
#[derive(Debug, Parser)]
#[command(name = "fanfare", version, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Without a command, the server is started.
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (the default).
    Serve(serve::ServeArgs),
    /// Check a configuration as `serve` would, and print the values in effect.
    CheckConfig(check_config::CheckConfigArgs),
    /// API tokens, which identify programs.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Users, for the dialects that log in by name.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Publish one event to a session.
    Publish(publish::PublishArgs),
    /// Follow a session's events, across disconnects.
    Tail(tail::TailArgs),
}

/// Runs the program on the process's arguments; `serve` runs a server until it has drained.
pub fn main(serve: fn(Config) -> ExitCode) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; if they cannot be printed, there is no place to
            // say so.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(&args, serve),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Token(command) => token::run(&command),
        Command::User(command) => user::run(&command),
        Command::Publish(args) => publish::run(&args),
        Command::Tail(args) => tail::run(&args),
    }
}

/// Prints a problem on standard error. Returns the exit code for it.
fn fail(code: u8, problem: impl Display) -> ExitCode {
    note(problem);
    ExitCode::from(code)
}

/// Prints one line on standard error; a closed standard error is ignored.
fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "fanfare: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_means_serve() {
        let cli = Cli::try_parse_from(["fanfare", "--echo"]).expect("valid");
        assert!(cli.command.is_none());
        assert!(cli.serve.config().expect("valid").server.echo);
        Cli::try_parse_from(["fanfare", "--echo", "tail", "s"]).expect_err("flags of serve");
    }
}
