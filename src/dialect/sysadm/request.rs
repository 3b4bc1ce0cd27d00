//! A client's message as a request: `{"namespace", "name", "id", "args"}`, the last two optional.
//!
//! Text that is not to be trusted is read here and nowhere else in this dialect.

use std::borrow::Cow;

use super::reply::Echo;
use crate::dialect::message::{as_text, check};
use crate::json;

/// What a client asks. Borrows the message.
pub(super) struct Request<'m> {
    /// What an answer repeats of it.
    pub(super) echo: Echo,
    /// The JSON text of `args`, or of the whole message when there is none.
    args: &'m [u8],
}

impl<'m> Request<'m> {
    /// Reads a message; `None` if it is no JSON object, or says no namespace or no name.
    pub(super) fn read(message: &'m [u8]) -> Option<Self> {
        check(message).ok()?;
        let message = json::trim(message);
        let text = |key| find(message, key).and_then(as_text).unwrap_or_default();
        let echo = Echo {
            namespace: text("namespace").into(),
            name: text("name").into(),
            id: text("id").into(),
        };
        let args = find(message, "args").unwrap_or(message);
        let complete = !echo.namespace.is_empty() && !echo.name.is_empty();
        complete.then_some(Self { echo, args })
    }

    /// Whether it is in the namespace `rpc`.
    pub(super) fn is_rpc(&self) -> bool {
        self.echo.namespace.eq_ignore_ascii_case("rpc")
    }

    /// Whether it is in the namespace `events`.
    pub(super) fn is_events(&self) -> bool {
        self.echo.namespace.eq_ignore_ascii_case("events")
    }

    /// A text among the args, which are an object.
    pub(super) fn text(&self, key: &str) -> Option<Cow<'m, str>> {
        find(self.args, key).and_then(as_text)
    }

    /// The args as a list of at least one text, or as one text alone.
    pub(super) fn texts(&self) -> Option<Vec<Cow<'m, str>>> {
        if self.args.first() != Some(&b'[') {
            return Some(vec![as_text(self.args)?]);
        }
        serde_json::from_slice::<Vec<String>>(self.args)
            .ok()
            .filter(|texts| !texts.is_empty())
            .map(|texts| texts.into_iter().map(Cow::Owned).collect())
    }
}

/// The value of a field of an object that was checked.
fn find<'m>(object: &'m [u8], key: &str) -> Option<&'m [u8]> {
    json::fields(object)
        .find(|field| json::text(field.key) == key)
        .map(|field| field.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Option<(String, Vec<String>, String)> {
        let request = Request::read(message.as_bytes())?;
        let Echo {
            namespace,
            name,
            id,
        } = &request.echo;
        let args = String::from_utf8_lossy(request.args).into_owned();
        let texts = request.texts().unwrap_or_default();
        let texts = texts.into_iter().map(Cow::into_owned).collect();
        Some((format!("{namespace} {name} {id}"), texts, args))
    }

    #[test]
    fn fields_and_their_defaults() {
        let (echo, texts, _) =
            read(r#" {"namespace":"events","name":"\u0061","id":"7","args":["x","y"]} "#).unwrap();
        assert_eq!(echo, "events a 7");
        assert_eq!(texts, ["x", "y"]);
        let whole = r#"{"namespace":"n","name":"a","id":7}"#;
        let (echo, texts, args) = read(whole).unwrap();
        assert_eq!((&*echo, &*args), ("n a ", whole));
        assert!(texts.is_empty());
        let (_, texts, _) = read(r#"{"namespace":"n","name":"a","args":"one"}"#).unwrap();
        assert_eq!(texts, ["one"]);
        let (_, _, args) = read(r#"{"namespace":"n","name":"a","args":null}"#).unwrap();
        assert_eq!(args, "null");
    }

    #[test]
    fn what_is_no_request() {
        let bad = [
            "",
            "7",
            "[]",
            "{}",
            "{",
            r#"{"namespace":"n"}"#,
            r#"{"name":"a"}"#,
            r#"{"namespace":"","name":"a"}"#,
            r#"{"namespace":"n","name":""}"#,
            r#"{"namespace":1,"name":"a"}"#,
            r#"{"namespace":"n","name":null}"#,
            r#"{"namespace":"n","name":"a","name":"a"}"#,
            r#"{"namespace":"n","name":"\ud800"}"#,
            r#"{"namespace":"n","name":"a"} x"#,
        ];
        for message in bad {
            assert!(read(message).is_none(), "{message}");
        }
    }

    #[test]
    fn what_is_no_list_of_texts() {
        for args in ["[]", "{}", "1", "null", "true", r#"["a",1]"#, r#"[["a"]]"#] {
            let message = format!(r#"{{"namespace":"n","name":"a","args":{args}}}"#);
            let request = Request::read(message.as_bytes()).unwrap();
            assert!(request.texts().is_none(), "{args}");
        }
    }
}
