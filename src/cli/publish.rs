//! `fanfare publish`: one event to one session, over the sessions dialect.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use serde_json::value::RawValue;
use ureq::http::StatusCode;

use super::client::{self, ServerArgs, field};
use super::output::visible;
use crate::limits;

/// The event to publish, and its session.
#[derive(Debug, clap::Args)]
pub(super) struct PublishArgs {
    /// The session's token.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    session: String,
    /// The event's type: text, or JSON with --type-json.
    #[arg(long = "type", value_name = "TYPE")]
    name: String,
    /// Read --type as JSON, because a type may be any JSON value.
    #[arg(long)]
    type_json: bool,
    /// The event's data as JSON, or - to read it from standard input.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    data: String,
    #[command(flatten)]
    server: ServerArgs,
    /// A repeat with the same key publishes nothing and prints the first answer.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Publishes and prints the event's number and id.
pub(super) fn run(args: &PublishArgs) -> ExitCode {
    let authorization = match args.server.authorization() {
        Ok(authorization) => authorization,
        Err(problem) => return super::fail(2, problem),
    };
    match publish(args, authorization) {
        Ok(line) => match writeln!(io::stdout(), "{line}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => super::fail(1, error),
            _ => ExitCode::SUCCESS,
        },
        Err(problem) => super::fail(1, problem),
    }
}

fn publish(args: &PublishArgs, authorization: Option<String>) -> Result<String, String> {
    let body = body(args)?;
    let address = args.server.url.events(&args.session);
    let agent = args.server.agent(limits::CLIENT_ANSWER_TIMEOUT)?;
    let mut request = agent
        .post(&address)
        .config()
        .timeout_global(Some(limits::CLIENT_ANSWER_TIMEOUT))
        .build()
        .header("Content-Type", "application/json");
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    if let Some(key) = &args.idempotency_key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = request
        .send(&body)
        .map_err(|error| format!("cannot publish to {address}: {error}"))?;
    if answer.status() != StatusCode::OK {
        return Err(client::refusal(answer));
    }
    let number = field(&answer, "Fanfare-Number").and_then(|number| number.parse().ok());
    let id = field(&answer, "Fanfare-Id");
    Ok(receipt(number, id, io::stdout().is_terminal()))
}

/// The request's body: the data goes out byte for byte as it came in.
fn body(args: &PublishArgs) -> Result<String, String> {
    let name = if args.type_json {
        json(&args.name).map_err(|error| format!("--type is not JSON: {error}"))?
    } else {
        serde_json::Value::from(args.name.as_str()).to_string()
    };
    let data = if args.data == "-" {
        let text = read_bounded(io::stdin().lock())?;
        json(&text).map_err(|error| format!("standard input is not JSON: {error}"))?
    } else {
        json(&args.data).map_err(|error| {
            format!("--data is not JSON: {error} (text needs its own quotes: --data '\"text\"')")
        })?
    };
    Ok(format!(r#"{{"type":{name},"data":{data}}}"#))
}

fn json(text: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str::<&RawValue>(text).map(|json| json.get().to_owned())
}

fn read_bounded(input: impl Read) -> Result<String, String> {
    let bytes_max = limits::PUBLISH_BYTES_MAX;
    let mut text = Vec::new();
    input
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    if text.len() > bytes_max {
        return Err(format!(
            "standard input is over {bytes_max} bytes, the most that an event holds"
        ));
    }
    String::from_utf8(text).map_err(|_| "standard input is not UTF-8".to_owned())
}

/// Returns the output: words for a person, one JSON object for the next program.
fn receipt(number: Option<u64>, id: Option<&str>, terminal: bool) -> String {
    if !terminal {
        let receipt = serde_json::json!({ "number": number, "id": id });
        return receipt.to_string();
    }
    let number = number.map_or_else(
        || "without a number".to_owned(),
        |n| format!("as number {n}"),
    );
    let id = id.map(|id| format!(", id {}", visible(id)));
    format!("published {number}{}", id.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: PublishArgs,
    }

    fn args(name: &str, type_json: bool, data: &str) -> PublishArgs {
        let type_json = type_json.then_some("--type-json");
        let fixed = ["fanfare", "s", "--type", name, "--data", data];
        let line = fixed.into_iter().chain(type_json);
        <Line as clap::Parser>::try_parse_from(line)
            .expect("valid")
            .args
    }

    #[test]
    fn bodies_keep_the_data_as_it_was_typed() {
        let sent = |name, type_json, data| body(&args(name, type_json, data));
        let expected = r#"{"type":"a\"b","data":{"a": 1.50, "a": 2}}"#;
        assert_eq!(
            sent("a\"b", false, r#" {"a": 1.50, "a": 2} "#).as_deref(),
            Ok(expected)
        );
        assert_eq!(
            sent("7", false, "-1").as_deref(),
            Ok(r#"{"type":"7","data":-1}"#)
        );
        assert_eq!(
            sent("7", true, "null").as_deref(),
            Ok(r#"{"type":7,"data":null}"#)
        );
    }

    #[test]
    fn text_that_is_not_json_is_explained() {
        let problem = body(&args("a", false, "hello")).expect_err("not JSON");
        assert!(problem.starts_with("--data is not JSON: "), "{problem}");
        assert!(problem.contains("quotes"), "{problem}");
        let problem = body(&args("a", true, "1")).expect_err("not JSON");
        assert!(problem.starts_with("--type is not JSON: "), "{problem}");
        body(&args("a", false, "1 2")).expect_err("two values");
        body(&args("a", false, "")).expect_err("no value");
    }

    #[test]
    fn input_is_bounded() {
        let full = vec![b' '; limits::PUBLISH_BYTES_MAX];
        assert!(read_bounded(&full[..]).is_ok());
        assert!(read_bounded(&[&full[..], b" "].concat()[..]).is_err());
        assert!(read_bounded(&b"\xff"[..]).is_err());
    }

    #[test]
    fn receipts() {
        assert_eq!(
            receipt(Some(7), Some("ab"), false),
            r#"{"id":"ab","number":7}"#
        );
        assert_eq!(
            receipt(Some(7), Some("ab"), true),
            "published as number 7, id ab"
        );
        assert_eq!(receipt(None, None, true), "published without a number");
    }
}
