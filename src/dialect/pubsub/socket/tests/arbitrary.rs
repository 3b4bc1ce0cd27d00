//! Whatever a client says, it is answered, and in the contract's form.

use proptest::prelude::*;

use super::*;

/// Texts that are nearly requests.
fn nearly_requests() -> impl Strategy<Value = String> {
    let actions = prop_oneof![
        Just(r#""subscribe-event""#),
        Just(r#""unsubscribe-event""#),
        Just(r#""publish-event""#),
        Just(r#""authenticate""#),
        Just("7"),
    ];
    let value = prop_oneof![
        Just(String::from("null")),
        Just(String::from("\"session\"")),
        Just(String::from("[\"a\",\"\\ud800\"]")),
        Just(String::from("{\"a\":[1.50]}")),
        "\"[a-c]{0,3}\"",
        "-?[0-9]{1,3}",
        ".{0,6}",
    ];
    let field = prop_oneof![
        Just("eventName"),
        Just("eventNames"),
        Just("data"),
        Just("scope"),
        Just("token"),
    ];
    let data = proptest::collection::vec((field, value.clone()), 0..4).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
        fields.join(",")
    });
    (actions, data, value).prop_map(|(action, data, reference)| {
        format!("{{\"action\":{action},\"data\":{{{data}}},\"ref\":{reference}}}")
    })
}

/// That a message is answered, one way or another.
fn check(tester: &mut Tester, message: Message<'_>) -> Result<(), TestCaseError> {
    match tester.message(message) {
        Reaction::Reply(text) => {
            if !text.is_empty() {
                let text = std::str::from_utf8(&text).expect("text");
                let valid = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                prop_assert!(valid, "{text}");
                prop_assert!(text.starts_with("{\"action\":\""), "{text}");
            }
        }
        Reaction::Show(show) => prop_assert!(!show.reply.is_empty()),
        Reaction::Execute(_) => {}
        Reaction::Close(last, code, _) => {
            prop_assert!(!last.is_empty() && code.is_valid_on_wire());
        }
        other => prop_assert!(false, "{other:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_message_is_answered(bytes in proptest::collection::vec(any::<u8>(), 0..80), known: bool) {
        let mut tester = if known { Tester::welcomed_as("a-all") } else { Tester::bearer("", "") };
        check(&mut tester, Message::Binary(&bytes))?;
        check(&mut tester, Message::Text(&bytes))?;
    }

    #[test]
    fn what_is_nearly_a_request_is_answered(texts in proptest::collection::vec(nearly_requests(), 1..6)) {
        let mut tester = Tester::welcomed_as("a-all");
        for text in texts {
            check(&mut tester, Message::Text(text.as_bytes()))?;
        }
    }
}
