//! Framing: a type byte, a length that counts itself but not the type, a body (manual 55.2).

use crate::frontend;

/// Bytes of a head: type and length.
pub const HEAD_BYTES: usize = 5;
/// The longest body that is believed: PostgreSQL's own limit for one allocation, 1 GiB − 1.
pub const MAX_BODY_BYTES: usize = 0x3fff_ffff;
/// The longest body of a message that carries no data (PQ_SMALL_MESSAGE_LIMIT in libpq.h).
pub const MAX_SMALL_BODY_BYTES: usize = 10_000;

/// Type and body length of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The type byte.
    pub kind: u8,
    /// Bytes of the body.
    pub body: usize,
}

/// Why a head cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is below four, or above what this type may have.
    #[error("invalid message length {length} for message type {:?}", char::from(*kind))]
    Length {
        /// The type byte.
        kind: u8,
        /// The length as sent.
        length: i32,
    },
    /// No such message from a client.
    #[error("invalid frontend message type {0}")]
    UnknownType(u8),
    /// The body is not what its type asks for.
    #[error("malformed body of message type {:?}", char::from(*kind))]
    Body {
        /// The type byte.
        kind: u8,
    },
}

impl Head {
    /// The whole message, head included, bytes.
    #[must_use]
    pub fn total(self) -> usize {
        HEAD_BYTES + self.body
    }

    /// Reads a head from a server; none while five bytes are not there.
    ///
    /// # Errors
    /// [`FrameError::Length`] for a length that no server sends.
    pub fn from_server(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some((kind, length)) = split(bytes) else { return Ok(None) };
        body_length(kind, length, MAX_BODY_BYTES).map(|body| Some(Self { kind, body }))
    }

    /// Reads a head from a client that is logged in; none while five bytes are not there.
    ///
    /// # Errors
    /// For a type that a client may not send now, and a length that its type may not have. Both are
    /// known before anything is stored.
    pub fn from_client(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        // The type alone shows that it is garbage: do not wait for a length.
        let limit = match bytes.first() {
            None => return Ok(None),
            Some(
                &(frontend::QUERY
                | frontend::PARSE
                | frontend::BIND
                | frontend::COPY_DATA
                | frontend::FUNCTION_CALL),
            ) => MAX_BODY_BYTES,
            Some(
                &(frontend::DESCRIBE
                | frontend::EXECUTE
                | frontend::CLOSE
                | frontend::SYNC
                | frontend::FLUSH
                | frontend::TERMINATE
                | frontend::COPY_DONE
                | frontend::COPY_FAIL),
            ) => MAX_SMALL_BODY_BYTES,
            Some(&other) => return Err(FrameError::UnknownType(other)),
        };
        let Some((kind, length)) = split(bytes) else { return Ok(None) };
        body_length(kind, length, limit).map(|body| Some(Self { kind, body }))
    }
}

fn split(bytes: &[u8]) -> Option<(u8, i32)> {
    let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
    Some((head[0], i32::from_be_bytes([head[1], head[2], head[3], head[4]])))
}

fn body_length(kind: u8, length: i32, limit: usize) -> Result<usize, FrameError> {
    usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4))
        .filter(|body| *body <= limit)
        .ok_or(FrameError::Length { kind, length })
}

/// Where messages begin and end in a stream that is passed on without being looked at.
#[derive(Clone, Debug, Default)]
pub struct Boundaries {
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that are there.
    have: usize,
    /// Bytes of the body that are to come.
    left: usize,
    /// A length was wrong: nobody knows any more.
    lost: bool,
}

impl Boundaries {
    /// These bytes have passed.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            if self.left > 0 {
                let body = self.left.min(bytes.len());
                self.left -= body;
                bytes = &bytes[body..];
                continue;
            }
            self.head[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == HEAD_BYTES {
                self.have = 0;
                match Head::from_server(&self.head) {
                    Ok(Some(head)) => self.left = head.body,
                    _ => self.lost = true,
                }
            }
        }
    }

    /// Whether all messages so far have passed whole.
    #[must_use]
    pub fn are_whole(&self) -> bool {
        !self.lost && self.have == 0 && self.left == 0
    }
}

/// Appends a message: head, then what `body` writes.
pub fn write_message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    // Bodies written here are ours: far below 2 GiB.
    let length = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a head alone, for a body that is streamed after it.
pub fn write_head(out: &mut Vec<u8>, head: Head) {
    out.push(head.kind);
    let length = u32::try_from(head.body + 4).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
}

/// What most names fit into: in so much a zero is found sooner byte by byte.
const NAME_BYTES: usize = 12;

/// Splits a zero-terminated string off the front: the string, then what follows its zero.
#[must_use]
pub fn split_cstring(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    // The text of each statement goes through here, and names, which are short or empty.
    let front = bytes.len().min(NAME_BYTES);
    let end = match bytes[..front].iter().position(|byte| *byte == 0) {
        Some(end) => end,
        None => front + memchr::memchr(0, &bytes[front..])?,
    };
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Must survive: a length that overflows; a cap for every size
    #[test]
    fn lengths_are_checked_before_anything_is_stored() {
        assert_eq!(Head::from_client(b"Q\0\0\0"), Ok(None));
        assert_eq!(Head::from_client(b"Q\0\0\0\x09sel"), Ok(Some(Head { kind: b'Q', body: 5 })));
        for length in [i32::MIN, -1, 0, 3, i32::MAX] {
            let mut bytes = vec![b'Q'];
            bytes.extend_from_slice(&length.to_be_bytes());
            assert_eq!(
                Head::from_client(&bytes),
                Err(FrameError::Length { kind: b'Q', length }),
                "{length}"
            );
        }
        assert_eq!(
            Head::from_client(b"S\0\0\x30\0"),
            Err(FrameError::Length { kind: b'S', length: 0x3000 })
        );
        assert_eq!(Head::from_client(b"\x16"), Err(FrameError::UnknownType(0x16)));
        assert_eq!(Head::from_client(b"p"), Err(FrameError::UnknownType(b'p')));
    }

    #[test]
    fn a_string_ends_at_its_first_zero_wherever_that_is() {
        for length in 0..100 {
            let text = vec![b'x'; length];
            assert_eq!(split_cstring(&text), None);
            let bytes = [&text[..], &b"\0rest\0"[..]].concat();
            assert_eq!(split_cstring(&bytes), Some((&text[..], &b"rest\0"[..])));
        }
    }

    #[test]
    fn a_written_message_reads_back() {
        let mut out = Vec::new();
        write_message(&mut out, b'C', |body| body.extend_from_slice(b"SELECT 1\0"));
        assert_eq!(Head::from_server(&out), Ok(Some(Head { kind: b'C', body: 9 })));
        assert_eq!(split_cstring(&out[HEAD_BYTES..]), Some((&b"SELECT 1"[..], &b""[..])));
    }

    #[test]
    fn a_stream_is_between_messages_only_at_their_ends() {
        let stream = b"Z\0\0\0\x05Id\0\0\0\x04d\0\0\0\x07abc";
        let ends = [0, 6, 11, 19];
        for step in 1..=stream.len() {
            let mut boundaries = Boundaries::default();
            let mut passed = 0;
            for bytes in stream.chunks(step) {
                assert_eq!(boundaries.are_whole(), ends.contains(&passed), "{step} {passed}");
                boundaries.pass(bytes);
                passed += bytes.len();
            }
            assert!(boundaries.are_whole());
        }
        let mut boundaries = Boundaries::default();
        boundaries.pass(b"d\0\0\0\x03");
        assert!(!boundaries.are_whole());
        boundaries.pass(stream);
        assert!(!boundaries.are_whole());
    }
}
