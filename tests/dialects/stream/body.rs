//! Responses that do not end, as a client reads them: a head by `httparse`, then chunks (RFC 9112
//! §7.1).

use crate::stage::Stage;
use crate::support::http::{Response, take_response};

/// One peer's response that does not end.
pub(super) struct Streaming {
    pub(super) peer: usize,
    pub(super) head: Response,
    /// The last chunk has come.
    pub(super) ended: bool,
}

impl Streaming {
    /// Sends a request that is answered by a response in chunks.
    #[track_caller]
    pub(super) fn open(stage: &mut Stage, request: impl AsRef<[u8]>) -> Self {
        let peer = stage.connect("t");
        stage.node.send(peer, request);
        stage.node.settle();
        Self::opened(stage, peer)
    }

    /// The response to a peer that sent its request and was answered.
    #[track_caller]
    pub(super) fn opened(stage: &mut Stage, peer: usize) -> Self {
        let received = &mut stage.node.peers[peer].received;
        let end = received.windows(4).position(|four| four == b"\r\n\r\n");
        let rest = received.split_off(end.expect("a head") + 4);
        let head = take_response(received, true).expect("a head");
        *received = rest;
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(
            head.header("transfer-encoding"),
            Some("chunked"),
            "{head:?}"
        );
        assert_eq!(head.header("content-length"), None);
        Self {
            peer,
            head,
            ended: false,
        }
    }

    /// The whole chunks that have come since the last look, without the last one.
    #[track_caller]
    pub(super) fn chunks(&mut self, stage: &mut Stage) -> Vec<Vec<u8>> {
        let received = &mut stage.node.peers[self.peer].received;
        let mut chunks = Vec::new();
        while let Some(line) = received.windows(2).position(|pair| pair == b"\r\n") {
            assert!(!self.ended, "more after the last chunk: {received:?}");
            let size = std::str::from_utf8(&received[..line]).expect("ASCII");
            let size = usize::from_str_radix(size, 16).expect("a size");
            let end = line + 2 + size;
            if received.len() < end + 2 {
                break;
            }
            assert_eq!(&received[end..end + 2], b"\r\n");
            let chunk = received[line + 2..end].to_vec();
            received.drain(..end + 2);
            if size == 0 {
                self.ended = true;
            } else {
                chunks.push(chunk);
            }
        }
        chunks
    }

    /// The lines that have come since the last look, without ids; each is a chunk.
    #[track_caller]
    pub(super) fn lines(&mut self, stage: &mut Stage) -> Vec<String> {
        let chunks = self.chunks(stage).into_iter();
        let lines = chunks.map(|chunk| {
            let text = String::from_utf8(chunk).expect("UTF-8");
            let line = text.strip_suffix('\n').expect("a line feed");
            assert!(!line.contains(['\n', '\r']), "more than a line: {line:?}");
            super::normalized(line)
        });
        lines.collect()
    }
}
