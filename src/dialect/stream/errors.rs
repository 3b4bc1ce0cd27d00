//! What is wrong with a request, in words for whoever sent it.

use std::borrow::Cow;
use std::fmt::Display;

use crate::limits::{JSON_DEPTH_MAX, STREAM_CORRELATION_BYTES_MAX, STREAM_NAME_CHARS_MAX};
use crate::protocol::grpc::{Code, Status, quoted};

/// `INVALID_ARGUMENT` with a sentence.
pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Status {
    Status::new(Code::InvalidArgument, message)
}

/// A field has a value of another type.
pub(super) fn wrong_type(at: &str, field: &str, wanted: &str) -> Status {
    invalid(format!("\"{at}{field}\" must be {wanted}"))
}

/// A field that must be there is not.
pub(super) fn missing(at: &str, field: &str) -> Status {
    invalid(format!("\"{at}{field}\" is missing"))
}

/// A field has JSON that is nested too deep.
pub(super) fn too_deep(at: &str, field: &str) -> Status {
    invalid(format!(
        "\"{at}{field}\" is nested deeper than {JSON_DEPTH_MAX}"
    ))
}

/// A name is empty or too long; `what` says which.
pub(super) fn check_name(what: impl Display, name: &str) -> Result<(), Status> {
    if name.is_empty() {
        return Err(invalid(format!("{what} is empty")));
    }
    if name.chars().nth(STREAM_NAME_CHARS_MAX).is_some() {
        return Err(invalid(format!(
            "{what} is longer than {STREAM_NAME_CHARS_MAX} characters: \"{}\"",
            quoted(name)
        )));
    }
    Ok(())
}

/// A correlation id that is short enough to be repeated.
pub(super) fn check_correlation_id(id: Cow<'_, str>) -> Result<Box<str>, Status> {
    if id.len() > STREAM_CORRELATION_BYTES_MAX {
        return Err(invalid(format!(
            "the correlation id is longer than {STREAM_CORRELATION_BYTES_MAX} bytes"
        )));
    }
    Ok(id.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_in_characters() {
        assert_eq!(check_name("a", &"é".repeat(128)), Ok(()));
        assert_eq!(check_name("a", "x"), Ok(()));
        let long = check_name("\"name\"", &"é".repeat(129)).unwrap_err();
        assert_eq!(long.code, Code::InvalidArgument);
        assert!(long.message.starts_with("\"name\" is longer than 128"));
        assert!(long.message.len() < 200);
        let empty = check_name("\"name\"", "").unwrap_err();
        assert_eq!(empty.message, "\"name\" is empty");
    }

    #[test]
    fn a_correlation_id_that_is_too_long_is_not_repeated() {
        assert!(check_correlation_id("x".repeat(256).into()).is_ok());
        let error = check_correlation_id("x".repeat(257).into()).unwrap_err();
        assert!(!error.message.contains("xx"));
    }
}
