//! What a room's client asks: `{"action":"…","data":{…},"ref":…}`.
//!
//! The text is validated once, whole; then its spans are lent, so that a payload keeps the bytes
//! that were sent. Unknown fields are ignored, `null` is absent but as an event's payload, of a
//! repeated field the last one counts.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::reply::{Code, Error, Reference};
use crate::hub::{Draft, EventName};
use crate::json::{self, ObjectError, Token, named_fields};
use crate::limits::{
    JSON_DEPTH_MAX, PUBSUB_NAME_BYTES_MAX, PUBSUB_NAMES_MAX, PUBSUB_REF_BYTES_MAX,
};

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Says who this is, with a token.
    Authenticate,
    /// Wants events.
    Subscribe,
    /// Wants them no more.
    Unsubscribe,
    /// Publishes an event.
    Publish,
}

/// One message that is a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request<'m> {
    /// What is asked; `None` is nothing that is known.
    pub(super) action: Option<Action>,
    /// Is repeated with the reply.
    pub(super) reference: Result<Option<Reference>, Error>,
    /// What the action needs to know: JSON of whatever kind.
    data: Option<&'m [u8]>,
}

/// How far an event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The room.
    Session,
    /// All rooms of its group.
    Event,
    /// All rooms.
    Organization,
}

impl<'m> Request<'m> {
    /// Reads a message's text, except for its data.
    pub(super) fn read(text: &'m [u8]) -> Result<Self, Error> {
        let (mut action, mut reference, mut data) = (None, None, None);
        for (name, value) in named_fields(object_of(text)?) {
            match &*name {
                "action" => action = value,
                "ref" => reference = value,
                "data" => data = value,
                _ => {}
            }
        }
        let action = action
            .and_then(json::string)
            .and_then(|action| match &*action {
                "authenticate" => Some(Action::Authenticate),
                "subscribe-event" => Some(Action::Subscribe),
                "unsubscribe-event" => Some(Action::Unsubscribe),
                "publish-event" => Some(Action::Publish),
                _ => None,
            });
        Ok(Self {
            action,
            reference: reference.map(Reference::read).transpose(),
            data,
        })
    }

    /// The token of `authenticate`.
    pub(super) fn token(&self) -> Result<Cow<'m, str>, Error> {
        let mut token = None;
        for (name, value) in named_fields(self.data()?) {
            if name == "token" {
                token = value;
            }
        }
        let token = token.and_then(json::string);
        token.ok_or_else(|| Error::invalid("\"data.token\" must be a string"))
    }

    /// The names of `subscribe-event` and `unsubscribe-event`: at least one.
    pub(super) fn names(&self) -> Result<Vec<Arc<str>>, Error> {
        let (mut one, mut many) = (None, None);
        for (name, value) in named_fields(self.data()?) {
            match &*name {
                "eventName" => one = value,
                "eventNames" => many = value,
                _ => {}
            }
        }
        match (one, many) {
            (Some(_), Some(_)) => Err(Error::invalid(
                "\"data.eventName\" and \"data.eventNames\" are both set",
            )),
            (one, None) => Ok(vec![event_name(one)?.into()]),
            (None, Some(many)) => event_names(many),
        }
    }

    /// The event of `publish-event`, and how far it goes.
    pub(super) fn event(&self) -> Result<(Reach, Draft), Error> {
        let (mut name, mut payload, mut reach) = (None, None, None);
        for field in json::fields(self.data()?) {
            let said = Some(field.value).filter(|value| *value != b"null");
            match &*json::text(field.key) {
                "eventName" => name = said,
                // As in a publish by POST: null is a payload, too.
                "data" => payload = Some(field.value),
                "scope" => reach = said,
                _ => {}
            }
        }
        event_name(name)?;
        let reach = match reach {
            None => Reach::Session,
            Some(reach) => Reach::read(reach)?,
        };
        let payload = payload.unwrap_or(b"{}");
        if json::is_deeper(payload, JSON_DEPTH_MAX) {
            let message = format!("\"data.data\" is nested deeper than {JSON_DEPTH_MAX}");
            return Err(Error::invalid(message));
        }
        let draft = Draft {
            // A string, as it was written.
            name: EventName::from_json(Bytes::copy_from_slice(name.unwrap_or_default())),
            payload: Bytes::copy_from_slice(payload),
            metadata: None,
            origin: None,
            correlation: None,
        };
        Ok((reach, draft))
    }

    fn data(&self) -> Result<&'m [u8], Error> {
        match self.data {
            Some(data @ [b'{', ..]) => Ok(data),
            _ => Err(Error::invalid("\"data\" must be an object")),
        }
    }
}

impl Reference {
    fn read(json: &[u8]) -> Result<Self, Error> {
        let text = match json {
            [b'-' | b'0'..=b'9', ..] => Some(json),
            [b'"', text @ .., b'"'] => Some(text),
            _ => None,
        };
        let fits = text.filter(|text| text.len() <= PUBSUB_REF_BYTES_MAX);
        // What is valid JSON is UTF-8.
        let written = fits.and_then(|_| std::str::from_utf8(json).ok());
        let written = written.ok_or_else(|| {
            Error::invalid(format!(
                "\"ref\" must be a number or a string, of {PUBSUB_REF_BYTES_MAX} bytes at most"
            ))
        })?;
        Ok(Self(written.into()))
    }
}

impl Reach {
    fn read(json: &[u8]) -> Result<Self, Error> {
        match json::string(json).as_deref() {
            Some("session") => Ok(Self::Session),
            Some("event") => Ok(Self::Event),
            Some("organization") => Ok(Self::Organization),
            _ => Err(Error::invalid(
                "\"data.scope\" must be \"session\", \"event\" or \"organization\"",
            )),
        }
    }
}

/// The text of an event name, within its bounds.
fn event_name(json: Option<&[u8]>) -> Result<Cow<'_, str>, Error> {
    let json = json.ok_or_else(|| Error::invalid("\"data.eventName\" is missing"))?;
    let name = json::string(json);
    let name = name.ok_or_else(|| Error::invalid("\"data.eventName\" must be a string"))?;
    check_name(&name)?;
    Ok(name)
}

fn event_names(json: &[u8]) -> Result<Vec<Arc<str>>, Error> {
    let error = || Error::invalid("\"data.eventNames\" must be an array of strings, not empty");
    let mut tokens = json::tokens(json);
    if tokens.next() != Some(Token::Array) {
        return Err(error());
    }
    let mut names = Vec::new();
    loop {
        match tokens.next() {
            // One more than there may be is enough to refuse: a message has room for many
            // thousands.
            Some(Token::String(_)) if names.len() > PUBSUB_NAMES_MAX => {}
            Some(Token::String(raw)) => {
                let name = json::text(raw);
                check_name(&name)?;
                names.push(name.into());
            }
            Some(Token::End) if names.len() > PUBSUB_NAMES_MAX => {
                let message = format!("{PUBSUB_NAMES_MAX} event names of one socket at most");
                return Err(Error::new(Code::TooMany, message));
            }
            Some(Token::End) if !names.is_empty() => return Ok(names),
            _ => return Err(error()),
        }
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if (1..=PUBSUB_NAME_BYTES_MAX).contains(&name.len()) {
        return Ok(());
    }
    let message = format!("an event name has 1 to {PUBSUB_NAME_BYTES_MAX} bytes");
    Err(Error::invalid(message))
}

/// The span of the one object that a message's text is.
fn object_of(text: &[u8]) -> Result<&[u8], Error> {
    json::valid_object(text).map_err(|error| {
        let code = match error {
            ObjectError::NotObject => Code::Invalid,
            _ => Code::InvalidJson,
        };
        Error::new(code, format!("the message is {error}"))
    })
}
