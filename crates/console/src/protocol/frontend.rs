//! What a client sends after login.
//!
//! Not read with pgwire: its decoders read past the end of a body that is shorter than its counts
//! say, which panics, and a console client may send anything.

use bytes::{Buf, BytesMut};
use wire::frame::{FrameError, HEAD_BYTES, Head};
use wire::frontend as message;

use crate::error::ConsoleError;
use crate::table::Format;

/// The longest body taken, bytes. Commands are short; what is longer is a mistake or an attack.
const MAX_BODY_BYTES: usize = 1_000_000;

/// A message from the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frontend {
    Query(String),
    Parse {
        statement: String,
        query: String,
        /// The parameters' types as far as the client says them; 0 leaves one open.
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target),
    Close(Target),
    Execute {
        portal: String,
        max_rows: i32,
    },
    Flush,
    Sync,
    Terminate,
    FunctionCall,
    /// CopyData, CopyDone, CopyFail: outside of COPY the server ignores them.
    Copy,
}

/// Makes a portal of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    /// The values bound, and their formats; none is NULL.
    pub(crate) parameters: Vec<(Format, Option<Vec<u8>>)>,
    /// None: all text. One: for all columns. Else one for each column.
    pub(crate) formats: Vec<Format>,
}

/// What Describe and Close are about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Statement(String),
    Portal(String),
}

/// Takes the first message out of `inbox`; none while it is incomplete.
///
/// Type and length are checked before the body is waited for, so that `inbox` never has to hold
/// more than one message of the largest size, and what was read together with it.
pub(crate) fn take_message(inbox: &mut BytesMut) -> Result<Option<Frontend>, ConsoleError> {
    let Some(head) = Head::from_client(inbox)? else {
        return Ok(None);
    };
    if head.body > MAX_BODY_BYTES {
        return Err(ConsoleError::MessageTooLong { bytes: head.body });
    }
    if inbox.len() < head.total() {
        return Ok(None);
    }
    inbox.advance(HEAD_BYTES);
    let body = inbox.split_to(head.body);
    Ok(Some(decode(head.kind, &body)?))
}

fn decode(kind: u8, body: &[u8]) -> Result<Frontend, FrameError> {
    let malformed = FrameError::Body { kind };
    Ok(match kind {
        message::QUERY => match wire::frame::split_cstring(body) {
            Some((query, [])) => Frontend::Query(text(query)),
            _ => return Err(malformed),
        },
        message::PARSE => {
            let parse = message::Parse::read(body)?;
            let types = message::parameter_types(parse.types).collect();
            Frontend::Parse { statement: text(parse.name), query: text(parse.text), types }
        }
        message::BIND => bind(body).map(Frontend::Bind).ok_or(malformed)?,
        message::DESCRIBE => Frontend::Describe(target(kind, body)?),
        message::CLOSE => Frontend::Close(target(kind, body)?),
        message::EXECUTE => {
            let portal = text(message::read_execute(body)?);
            let max_rows = body.last_chunk().ok_or(malformed)?;
            Frontend::Execute { portal, max_rows: i32::from_be_bytes(*max_rows) }
        }
        message::FUNCTION_CALL => Frontend::FunctionCall,
        message::COPY_DATA | message::COPY_DONE | message::COPY_FAIL => Frontend::Copy,
        _ if !body.is_empty() => return Err(malformed),
        message::FLUSH => Frontend::Flush,
        message::SYNC => Frontend::Sync,
        message::TERMINATE => Frontend::Terminate,
        unknown => return Err(FrameError::UnknownType(unknown)),
    })
}

/// What is not UTF-8 becomes U+FFFD: no command and no name has that, so that it is refused with
/// its text shown.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn target(kind: u8, body: &[u8]) -> Result<Target, FrameError> {
    let (target, name) = message::read_target(kind, body)?;
    Ok(match target {
        message::Target::Statement => Target::Statement(text(name)),
        message::Target::Portal => Target::Portal(text(name)),
    })
}

fn bind(body: &[u8]) -> Option<Bind> {
    let names = message::Bind::read(body).ok()?;
    let mut rest = names.rest;
    let given = formats(&mut rest)?;
    let count = usize::from(take_u16(&mut rest)?);
    let mut parameters = Vec::new();
    for place in 0..count {
        let format = if given.len() == 1 { given.first() } else { given.get(place) };
        let length = i32::from_be_bytes(*take(&mut rest, 4)?.first_chunk()?);
        // -1 is NULL.
        let value = match length {
            -1 => None,
            length => Some(take(&mut rest, usize::try_from(length).ok()?)?.to_vec()),
        };
        parameters.push((format.copied().unwrap_or(Format::Text), value));
    }
    let formats = formats(&mut rest)?;
    let (portal, statement) = (text(names.portal), text(names.statement));
    rest.is_empty().then_some(Bind { portal, statement, parameters, formats })
}

/// A list of format codes.
fn formats(rest: &mut &[u8]) -> Option<Vec<Format>> {
    let count = usize::from(take_u16(rest)?);
    let formats = take(rest, count * 2)?.chunks(2).map(|code| match code {
        [0, 0] => Some(Format::Text),
        [0, 1] => Some(Format::Binary),
        _ => None,
    });
    formats.collect()
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn take_u16(rest: &mut &[u8]) -> Option<u16> {
    take(rest, 2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bytes: &[u8]) -> Result<Option<Frontend>, ConsoleError> {
        take_message(&mut BytesMut::from(bytes))
    }

    #[test]
    fn a_length_is_refused_before_its_body_arrives() {
        for length in [i32::MIN, -1, 0, 3, 1_000_005, i32::MAX] {
            let bytes = [&b"Q"[..], &length.to_be_bytes()].concat();
            let refused = taken(&bytes).unwrap_err();
            assert_eq!(refused.sqlstate(), Some("08P01"), "{length}");
        }
        assert!(matches!(taken(b"Q\0\x0f\x42\x40abc"), Ok(None)));
    }

    #[test]
    fn bodies_that_lie_about_their_counts_are_refused() {
        let bodies: [(u8, &[u8]); 9] = [
            (b'Q', b"SHOW POOLS"),
            (b'Q', b"SHOW POOLS\0more"),
            (b'P', b"\0SHOW POOLS\0\xff\xff"),
            (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"),
            (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
            (b'B', b"\0\0\0\0\0\0\0\x01\0\x02"),
            (b'D', b"Xname\0"),
            (b'E', b"\0\0\0"),
            (b'S', b"x"),
        ];
        for (kind, body) in bodies {
            let length = i32::try_from(body.len() + 4).unwrap();
            let bytes = [&[kind][..], &length.to_be_bytes(), body].concat();
            let refused = taken(&bytes).unwrap_err();
            assert!(matches!(refused, ConsoleError::Frame(FrameError::Body { .. })), "{bytes:?}");
        }
    }

    #[test]
    fn messages_are_taken_one_at_a_time() {
        let mut inbox = BytesMut::from(&b"E\0\0\0\x0ap\0\0\0\0\x07S\0\0\0\x04X\0\0"[..]);
        let execute = Frontend::Execute { portal: "p".to_owned(), max_rows: 7 };
        assert_eq!(take_message(&mut inbox).unwrap(), Some(execute));
        assert_eq!(take_message(&mut inbox).unwrap(), Some(Frontend::Sync));
        assert_eq!(take_message(&mut inbox).unwrap(), None);
        assert_eq!(&inbox[..], b"X\0\0");
    }
}
