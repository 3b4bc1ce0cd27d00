//! What was received of a message that has not come to its end.

/// Bytes that wait for those that follow them.
#[derive(Debug, Default)]
pub(crate) struct Partial(Vec<u8>);

impl Partial {
    /// Takes what was received. `take` understands what bytes begin with and says how many it took;
    /// 0 means that more are needed.
    pub(crate) fn feed<E>(
        &mut self,
        bytes: &[u8],
        take: impl FnMut(&[u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        // Nearly always a read ends where a message ends, and nothing is copied.
        if self.0.is_empty() {
            let used = take_all(bytes, take)?;
            self.0.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        self.0.extend_from_slice(bytes);
        let used = take_all(&self.0, take)?;
        if used == self.0.len() {
            // There are thousands of these, and most are empty.
            self.0 = Vec::new();
        } else {
            self.0.drain(..used);
        }
        Ok(())
    }
}

fn take_all<E>(bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
    let mut used = 0;
    while used < bytes.len() {
        let taken = take(&bytes[used..])?;
        if taken == 0 {
            break;
        }
        used += taken;
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_however_they_are_cut() {
        let transcript = b"one,two,,three,";
        for piece in 1..=transcript.len() {
            let (mut partial, mut lines) = (Partial::default(), Vec::new());
            for bytes in transcript.chunks(piece) {
                let fed: Result<(), String> = partial.feed(bytes, |rest| {
                    let Some(end) = rest.iter().position(|&byte| byte == b',') else {
                        return Ok(0);
                    };
                    lines.push(rest[..end].to_vec());
                    Ok(end + 1)
                });
                fed.expect("sound");
            }
            assert_eq!(lines, [&b"one"[..], b"two", b"", b"three"]);
            assert!(partial.0.is_empty());
        }
    }
}
