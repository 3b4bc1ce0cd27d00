//! Replies of this dialect: compact JSON, `type` first.

use serde::Serialize;

/// The answer to a filter message. Fields are written in this order.
#[derive(Serialize)]
struct FilterResponse<'r> {
    r#type: &'r str,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'r str>,
}

/// The answer to what is no message of this dialect.
#[derive(Serialize)]
struct Failure<'r> {
    r#type: &'r str,
    error: &'r str,
}

/// As many filters as came are in force.
pub(super) fn filtered(count: usize) -> Vec<u8> {
    write(&FilterResponse {
        r#type: "filterResponse",
        success: true,
        filters: Some(count),
        error: None,
    })
}

/// The old filters stay in force, and why.
pub(super) fn refused(error: &str) -> Vec<u8> {
    write(&FilterResponse {
        r#type: "filterResponse",
        success: false,
        filters: None,
        error: Some(error),
    })
}

/// What came cannot be understood, and why.
pub(super) fn error(error: &str) -> Vec<u8> {
    write(&Failure {
        r#type: "error",
        error,
    })
}

fn write(reply: &impl Serialize) -> Vec<u8> {
    // Text and numbers: serializing them cannot fail.
    serde_json::to_vec(reply).unwrap_or_default()
}
