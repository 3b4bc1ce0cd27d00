//! A client's message as a request: `{"namespace", "name", "id", "args"}`, the last two optional.
//!
//! Text that is not to be trusted is read here and nowhere else in this dialect.

use super::reply::Echo;
use crate::json::{Message, Value};

/// What a client asks.
pub(super) struct Request {
    /// What an answer repeats of it.
    pub(super) echo: Echo,
    message: Message,
}

impl Request {
    /// Reads a message; `None` if it is no JSON object, or says no namespace or no name.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let message = Message::parse(message).ok()?;
        let fields = message.value().as_object()?;
        let text = |key| {
            let value = fields.get(key);
            value.and_then(|value| value.as_str()).unwrap_or_default()
        };
        let echo = Echo {
            namespace: text("namespace").into(),
            name: text("name").into(),
            id: text("id").into(),
        };
        let complete = !echo.namespace.is_empty() && !echo.name.is_empty();
        complete.then_some(Self { echo, message })
    }

    /// Whether it is in the namespace `rpc`.
    pub(super) fn is_rpc(&self) -> bool {
        self.echo.namespace.eq_ignore_ascii_case("rpc")
    }

    /// Whether it is in the namespace `events`.
    pub(super) fn is_events(&self) -> bool {
        self.echo.namespace.eq_ignore_ascii_case("events")
    }

    /// What is said under `args`, or the whole message if that says nothing.
    fn args(&self) -> Value<'_> {
        let whole = self.message.value();
        let args = whole.as_object().and_then(|fields| fields.get("args"));
        args.unwrap_or(whole)
    }

    /// A text among the args, which are an object.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.args().as_object()?.get(key)?.as_str()
    }

    /// The args as a list of at least one text, or as one text alone.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        match self.args() {
            Value::String(text) => Some(vec![text]),
            Value::Array(list) => {
                let texts: Option<Vec<&str>> = list.map(|value| value.as_str()).collect();
                texts.filter(|texts| !texts.is_empty())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Option<(String, Vec<String>)> {
        let request = Request::read(message.as_bytes())?;
        let Echo {
            namespace,
            name,
            id,
        } = &request.echo;
        let texts = request.texts().unwrap_or_default();
        let texts = texts.into_iter().map(String::from).collect();
        Some((format!("{namespace} {name} {id}"), texts))
    }

    #[test]
    fn fields_and_their_defaults() {
        let (echo, texts) =
            read(r#" {"namespace":"events","name":"\u0061","id":"7","args":["x","y"]} "#).unwrap();
        assert_eq!(echo, "events a 7");
        assert_eq!(texts, ["x", "y"]);
        let (echo, texts) = read(r#"{"namespace":"n","name":"a","id":7}"#).unwrap();
        assert_eq!(echo, "n a ");
        assert!(texts.is_empty());
        let (_, texts) = read(r#"{"namespace":"n","name":"a","args":"one"}"#).unwrap();
        assert_eq!(texts, ["one"]);
        let text = |message: &str| {
            let request = Request::read(message.as_bytes()).unwrap();
            request.text("x").map(String::from)
        };
        assert_eq!(
            text(r#"{"namespace":"n","name":"a","x":"1"}"#),
            Some("1".into())
        );
        let args = r#"{"namespace":"n","name":"a","x":"1","args":{"x":"2"}}"#;
        assert_eq!(text(args), Some("2".into()));
        assert_eq!(
            text(r#"{"namespace":"n","name":"a","x":"1","args":null}"#),
            None
        );
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
