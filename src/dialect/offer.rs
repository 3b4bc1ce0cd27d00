//! A token among the subprotocols of a WebSocket handshake: browsers cannot set fields, but they
//! can offer subprotocols.

use crate::protocol::http1::Head;

/// What a WebSocket handshake offers as subprotocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer<'b> {
    /// The first one that is known.
    pub subprotocol: Option<&'static str>,
    /// Its neighbour, which stands for a token.
    pub token: Option<&'b str>,
}

impl<'b> Offer<'b> {
    /// Reads the offer (RFC 6455 §4.1: a list, or several fields). The known subprotocols are
    /// compared to the letter: what is chosen must be what was offered, or the client fails the
    /// connection.
    pub fn read(head: &Head<'_, 'b>, known: &[&'static str]) -> Self {
        let lists = head.header_values("sec-websocket-protocol");
        let texts = lists.filter_map(|list| std::str::from_utf8(list).ok());
        let mut offered = texts.flat_map(|list| list.split(',')).map(str::trim);
        let known = |name| known.iter().copied().find(|known| *known == name);
        Self {
            subprotocol: offered.find_map(known),
            token: offered.next().filter(|token| !token.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Parsed;
    use crate::protocol::http1::{Scratch, parse_head};

    fn offer(fields: &str) -> (Option<&'static str>, Option<String>) {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut scratch = Scratch::new();
        let Ok(Parsed::Complete(head, _)) = parse_head(text.as_bytes(), &mut scratch) else {
            panic!("no request: {text}");
        };
        let offer = Offer::read(&head, &["known", "other"]);
        (offer.subprotocol, offer.token.map(String::from))
    }

    #[test]
    fn a_known_subprotocol_and_its_neighbour() {
        let token = || Some(String::from("token"));
        for fields in [
            "Sec-WebSocket-Protocol: known, token\r\n",
            "Sec-WebSocket-Protocol: x,known,token , y\r\n",
            "Sec-WebSocket-Protocol: known\r\nSec-WebSocket-Protocol: token\r\n",
        ] {
            assert_eq!(offer(fields), (Some("known"), token()), "{fields}");
        }
        let both = "Sec-WebSocket-Protocol: other, known\r\n";
        assert_eq!(offer(both), (Some("other"), Some("known".to_owned())));
        for alone in ["known", "known,", "x, known"] {
            let fields = format!("Sec-WebSocket-Protocol: {alone}\r\n");
            assert_eq!(offer(&fields), (Some("known"), None), "{alone}");
        }
        for none in ["", "Sec-WebSocket-Protocol: Known, token\r\n"] {
            assert_eq!(offer(none), (None, None), "{none}");
        }
    }
}
