//! Bodies of the lifecycle calls: create, labels, resume.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::errors::respond_error;
use super::publish::BodyError;
use super::{Pending, Sessions, execute};
use crate::config::parse_duration;
use crate::dialect::{Action, Refused, Responder, Tools};
use crate::hub::{Command, OrganizationId, Parents, ScopeName, SessionKey};
use crate::limits::{LABEL_BYTES_MAX, LABELS_MAX, SCOPE_NAME_BYTES_MAX};

/// What a session is created from. Unknown keys are ignored, as the original does, and what is null
/// is absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Create {
    labels: Option<Vec<String>>,
    expiration_date: Option<serde_json::Value>,
    event_id: Option<String>,
    project_id: Option<String>,
    retention: Option<serde_json::Value>,
}

/// The parts of a creation that wait while the project is declared.
#[derive(Debug)]
pub(super) struct Creation {
    pub(super) organization: OrganizationId,
    pub(super) labels: Vec<String>,
    pub(super) expires_ms: Option<u64>,
    pub(super) retention: Option<Duration>,
}

/// Labels come as an array or as an object that holds one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    Bare(Vec<String>),
    Keyed { labels: Vec<String> },
}

#[derive(Deserialize)]
struct Resume<'b> {
    #[serde(borrow)]
    resume_token: &'b RawValue,
}

impl Sessions {
    /// `POST /api/sessions`.
    pub(super) fn create(
        organization: OrganizationId,
        body: &[u8],
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let create: Create = if body.iter().all(u8::is_ascii_whitespace) {
            Create::default()
        } else {
            Self::parse_object(body, to)?
        };
        let expires_ms = match create.expiration_date {
            None | Some(serde_json::Value::Null) => None,
            Some(date) => Some(Self::expiration(&date, to)?),
        };
        let retention = match create.retention {
            None | Some(serde_json::Value::Null) => None,
            Some(retention) => Some(Self::retention(&retention, to)?),
        };
        let labels = Self::check_labels(create.labels.unwrap_or_default(), to)?;
        let group = Self::parent("event_id", create.event_id, to)?;
        let project = Self::parent("project_id", create.project_id, to)?;
        let creation = Box::new(Creation {
            organization,
            labels,
            expires_ms,
            retention,
        });
        // The project's home shard knows its group, or learns it now.
        match project {
            Some(project) => Ok(execute(
                Command::Declare {
                    organization,
                    project,
                    group,
                },
                Pending::Declared(creation),
            )),
            None => Ok(Self::create_below(
                Parents { group, project },
                *creation,
                tools,
            )),
        }
    }

    /// The second step of a creation, once its parents are known to be consistent.
    pub(super) fn create_below(
        parents: Parents,
        creation: Creation,
        tools: &mut Tools<'_>,
    ) -> Action {
        let session = SessionKey {
            organization: creation.organization,
            token: tools.ids.session_token(),
        };
        execute(
            Command::Create {
                session,
                parents,
                labels: creation.labels,
                expires_ms: creation.expires_ms,
                retention: creation.retention,
            },
            Pending::Created,
        )
    }

    /// `PUT /api/sessions/<token>`: the original's configuration of the tests to run, which are
    /// nothing to this server, here as at the creation. Its client goes on only if this is answered
    /// as it was there.
    pub(super) fn configuration(body: &[u8], to: &mut Responder<'_>) -> Result<(), Refused> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        Self::parse_object::<serde::de::IgnoredAny>(body, to)?;
        Ok(())
    }

    /// `PUT …/labels`.
    pub(super) fn labels(body: &[u8], to: &mut Responder<'_>) -> Result<Vec<String>, Refused> {
        let labels = match Self::parse(body, to)? {
            Labels::Bare(labels) | Labels::Keyed { labels } => labels,
        };
        Self::check_labels(labels, to)
    }

    /// `POST …/resume`: the resume token as JSON text.
    pub(super) fn resume_token(body: &[u8], to: &mut Responder<'_>) -> Result<Bytes, Refused> {
        let resume: Resume<'_> = Self::parse_object(body, to)?;
        Ok(Bytes::copy_from_slice(resume.resume_token.get().as_bytes()))
    }

    /// Like [`parse`](Self::parse), but only an object will do: derived structs also read arrays.
    fn parse_object<'b, T: Deserialize<'b>>(
        body: &'b [u8],
        to: &mut Responder<'_>,
    ) -> Result<T, Refused> {
        let value: &RawValue = Self::parse(body, to)?;
        if !value.get().starts_with('{') {
            respond_error(to, 400, "missing_field", "the body is an object");
            return Err(Refused);
        }
        Self::parse(body, to)
    }

    fn parse<'b, T: Deserialize<'b>>(body: &'b [u8], to: &mut Responder<'_>) -> Result<T, Refused> {
        serde_json::from_slice(body).map_err(|error| {
            let error = BodyError::json(&error, body);
            respond_error(to, 400, error.code, &error.message);
            Refused
        })
    }

    fn check_labels(labels: Vec<String>, to: &mut Responder<'_>) -> Result<Vec<String>, Refused> {
        if labels.len() <= LABELS_MAX && labels.iter().all(|l| l.len() <= LABEL_BYTES_MAX) {
            return Ok(labels);
        }
        let message = format!("at most {LABELS_MAX} labels of at most {LABEL_BYTES_MAX} bytes");
        respond_error(to, 400, "invalid_labels", &message);
        Err(Refused)
    }

    fn parent(
        key: &str,
        name: Option<String>,
        to: &mut Responder<'_>,
    ) -> Result<Option<ScopeName>, Refused> {
        match name {
            None => Ok(None),
            Some(name) if (1..=SCOPE_NAME_BYTES_MAX).contains(&name.len()) => {
                Ok(Some(ScopeName::new(&name)))
            }
            Some(_) => {
                let message = format!("{key} has 1 to {SCOPE_NAME_BYTES_MAX} bytes");
                respond_error(to, 400, "invalid_parent", &message);
                Err(Refused)
            }
        }
    }

    /// An ISO 8601 date with its offset; one without is taken as UTC, as the original does. Or a
    /// number of unix milliseconds, which is what pages of the original send.
    fn expiration(date: &serde_json::Value, to: &mut Responder<'_>) -> Result<u64, Refused> {
        let parse = |text: &str| {
            let timestamp = text.parse::<jiff::Timestamp>().ok();
            let utc = || {
                let civil = text.parse::<jiff::civil::DateTime>().ok()?;
                Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
            };
            u64::try_from(timestamp.or_else(utc)?.as_millisecond()).ok()
        };
        let expires_ms = match date {
            serde_json::Value::String(text) => parse(text),
            serde_json::Value::Number(number) => unix_ms(number),
            _ => None,
        };
        if let Some(expires_ms) = expires_ms {
            return Ok(expires_ms);
        }
        // The original's own answer, word for word.
        let exchange = to.exchange;
        to.begin(400).body(
            Some("application/json"),
            br#"{"error":"Invalid input data!"}"#,
            exchange.keep_alive,
            exchange.head_only,
        );
        Err(Refused)
    }

    /// Whole seconds, or text such as `"90s"`.
    fn retention(
        retention: &serde_json::Value,
        to: &mut Responder<'_>,
    ) -> Result<Duration, Refused> {
        let seconds = retention.as_u64().map(Duration::from_secs);
        let parsed = seconds.or_else(|| retention.as_str().and_then(parse_duration));
        if let Some(age) = parsed.filter(|age| !age.is_zero()) {
            return Ok(age);
        }
        let message = "retention is a number of seconds or text such as \"90s\"";
        respond_error(to, 400, "invalid_retention", message);
        Err(Refused)
    }
}

/// A number of unix milliseconds, if it is a date that can be shown. What is not whole is cut off.
fn unix_ms(number: &serde_json::Number) -> Option<u64> {
    let unix_ms = number.as_u64().or_else(|| {
        let float = number.as_f64().filter(|float| *float >= 0.0)?;
        // A float of this size is a number of milliseconds exactly, and what is larger is no date.
        Some(float as u64)
    })?;
    iso_date(unix_ms).map(|_| unix_ms)
}

/// A session's date as the original writes it: `isoformat()` of UTC and `+00:00`, with six digits
/// of fraction unless it is whole.
pub(super) fn iso_date(unix_ms: u64) -> Option<String> {
    let millis = i64::try_from(unix_ms).ok()?;
    let timestamp = jiff::Timestamp::from_millisecond(millis).ok()?;
    let format = if unix_ms.is_multiple_of(1_000) {
        "%Y-%m-%dT%H:%M:%S+00:00"
    } else {
        "%Y-%m-%dT%H:%M:%S.%6f+00:00"
    };
    Some(timestamp.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::error_body;

    #[test]
    fn dates_read_as_the_original_writes_them() {
        assert_eq!(iso_date(0).as_deref(), Some("1970-01-01T00:00:00+00:00"));
        let fraction = iso_date(1_590_406_627_123);
        assert_eq!(
            fraction.as_deref(),
            Some("2020-05-25T11:37:07.123000+00:00")
        );
        assert_eq!(iso_date(u64::MAX), None);
    }

    #[test]
    fn numbers_are_dates_as_far_as_they_can_be_shown() {
        let date = |text: &str| unix_ms(&serde_json::from_str(text).unwrap());
        assert_eq!(date("1590406627123"), Some(1_590_406_627_123));
        assert_eq!(date("1590406627123.9"), Some(1_590_406_627_123));
        assert_eq!(date("1.5e12"), Some(1_500_000_000_000));
        assert_eq!(date("0"), Some(0));
        for bad in ["-1", "-0.5", "1e300", "18446744073709551615", "9e18"] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

    #[test]
    fn errors_are_objects_with_code_and_message() {
        assert_eq!(
            error_body("a", "b \"c\""),
            br#"{"error":{"code":"a","message":"b \"c\""}}"#
        );
    }
}
