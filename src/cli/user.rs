//! `fanfare user new`: a user's entry in the configuration: a name, and a password's argon2id hash.
//!
//! The password comes from standard input, so that it stands in no list of processes and no shell's
//! history. At a terminal it is asked for twice and not shown.
//! history. At a terminal it is asked for twice and not shown.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;

use super::grants::{GrantArgs, toml_list};
use crate::auth::{PASSWORD_SALT_BYTES, Secret, hash_password};
use crate::config::{OrganizationConfig, UserConfig};
use crate::dialect::Config;
use crate::limits::PASSWORD_BYTES_MAX;

/// Operations on users.
#[derive(Debug, clap::Subcommand)]
pub(super) enum UserCommand {
    /// Read a password from standard input; print the table to put under an organization.
    New(NewArgs),
}

/// Description of the new user.
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    /// The name to log in by, unique among all organizations.
    name: String,
    #[command(flatten)]
    grants: GrantArgs,
}

/// Prints the table, or the reason why there is none.
pub(super) fn run(command: &UserCommand) -> ExitCode {
    let UserCommand::New(args) = command;
    match new(args) {
        Ok(table) => match io::stdout().write_all(table.as_bytes()) {
            Err(error) => super::fail(1, error),
            Ok(()) => ExitCode::SUCCESS,
        },
        Err(problem) => super::fail(1, problem),
    }
}

fn new(args: &NewArgs) -> Result<String, String> {
    let password = if io::stdin().is_terminal() {
        ask()?
    } else {
        read(io::stdin().lock())?
    };
    let mut salt = [0; PASSWORD_SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let hash =
        hash_password(&password, salt).ok_or("there is no memory to hash the password in")?;
    table(&args.name, &hash, &args.grants.or(&["subscribe"]))
}

/// Returns the table. Errors if a server would refuse it: the name is checked by the server's own
/// rule.
fn table(name: &str, hash: &str, grants: &[String]) -> Result<String, String> {
    let mut config = Config::default();
    config.organizations.push(OrganizationConfig {
        name: "any".to_owned(),
        users: vec![UserConfig {
            name: name.to_owned(),
            password: hash.to_owned(),
            grants: grants.to_vec(),
        }],
        ..OrganizationConfig::default()
    });
    config
        .check()
        .map_err(|error| format!("the name: {}", error.problem()))?;
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    let grants = toml_list(grants);
    Ok(format!(
        "[[organizations.users]]\nname = \"{name}\"\npassword = \"{hash}\"\ngrants = {grants}\n"
    ))
}

/// Asks at the terminal, on standard error: standard output is for the table.
fn ask() -> Result<Secret, String> {
    let prompt = |text: &str| {
        let mut err = io::stderr().lock();
        // A closed standard error is ignored.
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        rpassword::read_password().map_err(|error| format!("cannot read the password: {error}"))
    };
    let password = judge(&prompt("password: ")?)?;
    if prompt("once more: ")? != password.reveal() {
        return Err("the two are not the same".to_owned());
    }
    Ok(password)
}

/// The first line of an input.
fn read(input: impl Read) -> Result<Secret, String> {
    let mut line = Vec::new();
    // The password, its line's end, and one byte more so that a longer one is noticed.
    let bytes_max = PASSWORD_BYTES_MAX as u64 + 3;
    io::BufReader::new(input.take(bytes_max))
        .read_until(b'\n', &mut line)
        .map_err(|error| format!("cannot read the password from standard input: {error}"))?;
    let text = String::from_utf8(line).map_err(|_| "the password is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    judge(text.strip_suffix('\r').unwrap_or(text))
}

/// RFC 7617 §2: errors if the password has control characters, which could not be sent.
fn judge(password: &str) -> Result<Secret, String> {
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!("the password is over {PASSWORD_BYTES_MAX} bytes"));
    }
    if password.contains(char::is_control) {
        return Err("the password has control characters, which cannot be sent".to_owned());
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line() {
        let password = |input: &[u8]| read(input).map(|secret| secret.reveal().to_owned());
        for input in ["a b\n", "a b\r\n", "a b", "a b\nmore\n"] {
            assert_eq!(
                password(input.as_bytes()).as_deref(),
                Ok("a b"),
                "{input:?}"
            );
        }
        assert_eq!(password(" ö \n".as_bytes()).as_deref(), Ok(" ö "));
        let longest = "x".repeat(PASSWORD_BYTES_MAX);
        let with_end = format!("{longest}\r\n");
        assert_eq!(password(with_end.as_bytes()).as_deref(), Ok(&*longest));
        let longer = format!("{longest}x");
        for bad in [
            &b""[..],
            b"\n",
            b"\r\n",
            b"a\tb\n",
            b"\xff\n",
            longer.as_bytes(),
        ] {
            assert!(password(bad).is_err(), "{bad:?}");
        }
    }
}
