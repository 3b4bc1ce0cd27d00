//! Answers as a peer reads them: heads with `httparse`, bodies by `Content-Length`, event streams
//! by the rules of WHATWG HTML §9.2.6.

use super::node::TestNode;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// The value of a header that occurs at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is repeated in {self:?}");
        value
    }

    /// The code of a JSON error.
    pub(crate) fn error_code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("a JSON error");
        body["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// Takes one whole answer off `received`; `bodiless` for the answer to a `HEAD`. A body without a
/// length is everything that is there.
pub(crate) fn take_response(received: &mut Vec<u8>, bodiless: bool) -> Option<Response> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_bytes) = head.parse(received).expect("a response head")
    else {
        return None;
    };
    assert_eq!(head.version, Some(1), "answers are HTTP/1.1");
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("ASCII");
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|h| (h.name.to_owned(), text(h.value)))
        .collect();
    let status = head.code.expect("a status");
    let mut response = Response {
        status,
        headers,
        body: String::new(),
    };
    let length = response
        .header("content-length")
        .map(|n| n.parse::<usize>().expect("a length"));
    let body_bytes = match length {
        _ if bodiless || status < 200 => 0,
        Some(length) => length,
        None => received.len() - head_bytes,
    };
    if received.len() < head_bytes + body_bytes {
        return None;
    }
    let rest = received.split_off(head_bytes + body_bytes);
    response.body = String::from_utf8(received.split_off(head_bytes)).expect("UTF-8");
    *received = rest;
    Some(response)
}

/// The text of a request with `Host` and, if there is a body, `Content-Length`.
pub(crate) fn request(line: &str, headers: &str, body: &str) -> String {
    let length = match body {
        "" => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n{body}")
}

impl TestNode {
    /// Takes the next answer off what a peer received, if it is all there.
    pub(crate) fn response(&mut self, peer: usize) -> Option<Response> {
        take_response(&mut self.peers[peer].received, false)
    }

    /// Whether a peer was told nothing.
    pub(crate) fn response_is_absent(&self, peer: usize) -> bool {
        self.peers[peer].received.is_empty() && !self.peers[peer].is_over()
    }

    /// Sends a request and returns its answer, which must be the only one.
    pub(crate) fn ask(&mut self, peer: usize, request: impl AsRef<[u8]>) -> Response {
        self.send(peer, request);
        self.settle();
        let response = self.response(peer);
        let received = &self.peers[peer].received;
        let response = response.unwrap_or_else(|| panic!("no answer: {received:?}"));
        assert!(
            received.is_empty(),
            "more than one answer: {response:?} {received:?}"
        );
        response
    }
}

/// One dispatched event of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamEvent {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: String,
}

/// What an event stream said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) events: Vec<StreamEvent>,
    pub(crate) comments: usize,
    pub(crate) retry: Option<u64>,
}

/// Takes all complete blocks off an event stream.
pub(crate) fn take_stream(received: &mut Vec<u8>) -> Stream {
    let mut stream = Stream::default();
    while let Some(end) = received.windows(2).position(|pair| pair == b"\n\n") {
        let block: Vec<u8> = received.drain(..end + 2).collect();
        let block = String::from_utf8(block).expect("UTF-8");
        let mut event = StreamEvent::default();
        let mut data: Option<String> = None;
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').expect("a field");
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => stream.comments += 1,
                "id" => event.id = Some(value),
                "event" => event.event = Some(value),
                "retry" => stream.retry = Some(value.parse().expect("milliseconds")),
                "data" => {
                    data = Some(data.map_or_else(|| value.clone(), |d| format!("{d}\n{value}")));
                }
                other => panic!("the field {other:?}"),
            }
        }
        if let Some(data) = data {
            stream.events.push(StreamEvent { data, ..event });
        }
    }
    stream
}
