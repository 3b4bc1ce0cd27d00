//! Two organizations with a token each, and a user, for servers that ask everybody who they are.
//!
//! The server's own program draws them: hashes are its business. Credentials of HTTP Basic are
//! known by heart.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{During, Failure};

/// The one who may log in.
const USER: &str = "honest";
const PASSWORD: &str = "right password";
/// What tokens and users may do.
const GRANTS: [&str; 2] = ["--grants", "publish,subscribe"];
/// `honest:right password`, as RFC 7617 has it.
pub(super) const RIGHT: &str = "aG9uZXN0OnJpZ2h0IHBhc3N3b3Jk";
/// `honest:wrong password`.
pub(super) const WRONG: &str = "aG9uZXN0Ondyb25nIHBhc3N3b3Jk";
/// `mallory:wrong password`; nobody has that name.
pub(super) const NOBODY: &str = "bWFsbG9yeTp3cm9uZyBwYXNzd29yZA==";

/// What a server is configured with, and the tokens that open it.
#[derive(Debug)]
pub(super) struct Organizations {
    /// The configuration: one organization of attackers, one of bystanders, who has a user, too.
    pub(super) config: String,
    /// Of the attackers' organization.
    pub(super) attackers: String,
    /// Of the bystanders'.
    pub(super) bystanders: String,
}

impl Organizations {
    /// Has the server's program draw tokens and hash a password.
    pub(super) fn draw(server: &Path) -> Result<Self, Failure> {
        let (attackers, attackers_table) = token(server)?;
        let (bystanders, bystanders_table) = token(server)?;
        let arguments = ["user", "new", GRANTS[0], GRANTS[1], USER];
        let user_table = run(server, &arguments, Some(PASSWORD))?;
        Ok(Self {
            config: format!(
                "[[organizations]]\nname = \"hostile\"\n{attackers_table}\n\
                 [[organizations]]\nname = \"calm\"\n{bystanders_table}\n{user_table}"
            ),
            attackers,
            bystanders,
        })
    }
}

/// The header line that presents a token.
pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A new token, and the table for the configuration.
fn token(server: &Path) -> Result<(String, String), Failure> {
    let drawn = run(server, &["token", "new", GRANTS[0], GRANTS[1]], None)?;
    let parts = drawn.split_once('\n');
    let (token, table) = parts.ok_or_else(|| Failure::new("the server drew no token"))?;
    Ok((token.trim().to_owned(), table.to_owned()))
}

fn run(server: &Path, args: &[&str], input: Option<&str>) -> Result<String, Failure> {
    let what = "asking the server's program for credentials";
    let mut command = Command::new(server);
    let stdin = input.map_or(Stdio::null(), |_| Stdio::piped());
    command.args(args).stdin(stdin);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = piped.spawn().during(what)?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        writeln!(stdin, "{input}").during(what)?;
    }
    let output = child.wait_with_output().during(what)?;
    if !output.status.success() {
        return Err(Failure::new(format!("{what}: {}", output.status)));
    }
    String::from_utf8(output.stdout).during(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 §4, slowly.
    fn decoded(text: &str) -> String {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = Vec::new();
        for four in text.trim_end_matches('=').as_bytes().chunks(4) {
            let value = |digit: &u8| digits.iter().position(|found| found == digit);
            let bits = four.iter().fold(0, |bits, digit| {
                bits << 6 | value(digit).expect("a digit of base64")
            });
            let bits = bits << (6 * (4 - four.len()));
            let all = u32::try_from(bits).expect("24 bits").to_be_bytes();
            bytes.extend_from_slice(&all[1..four.len()]);
        }
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn what_is_known_by_heart_is_right() {
        assert_eq!(decoded(RIGHT), format!("{USER}:{PASSWORD}"));
        assert_eq!(decoded(WRONG), format!("{USER}:wrong password"));
        assert_eq!(decoded(NOBODY), "mallory:wrong password");
        assert_ne!(decoded(WRONG), decoded(RIGHT));
    }
}
