//! `fanfare token new`: an API token, shown once, and the digest of it for the configuration.

use std::io::{self, Write};
use std::process::ExitCode;

use super::grants::{GrantArgs, toml_list};
use crate::auth::{API_TOKEN_SEED_BYTES, TokenDigest, api_token};

/// Operations on tokens.
#[derive(Debug, clap::Subcommand)]
pub(super) enum TokenCommand {
    /// Draw a token; print it, and the table to put under an organization.
    New(NewArgs),
}

/// Description of the new token.
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    #[command(flatten)]
    grants: GrantArgs,
}

/// Prints the token on the first line, and the table after an empty one.
pub(super) fn run(command: &TokenCommand) -> ExitCode {
    let TokenCommand::New(args) = command;
    let mut seed = [0; API_TOKEN_SEED_BYTES];
    if let Err(error) = getrandom::fill(&mut seed) {
        return super::fail(1, error);
    }
    let token = api_token(seed);
    let table = table(&token, &args.grants.or(&["publish", "subscribe"]));
    let mut out = io::stdout().lock();
    if let Err(error) = write!(out, "{token}\n\n{table}").and_then(|()| out.flush()) {
        // A token that was not shown is useless.
        return super::fail(1, error);
    }
    super::note("keep the token, it cannot be shown again; the table goes under an organization");
    ExitCode::SUCCESS
}

fn table(token: &str, grants: &[String]) -> String {
    let sha256 = TokenDigest::of(token);
    let grants = toml_list(grants);
    format!("[[organizations.tokens]]\nsha256 = \"{sha256}\"\ngrants = {grants}\n")
}
