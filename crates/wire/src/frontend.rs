//! Messages from clients: type bytes, views of the bodies that the pooler must understand, and
//! writers of those it sends itself (manual 55.7).

use crate::frame::{FrameError, split_cstring, write_message};

/// Query.
pub const QUERY: u8 = b'Q';
/// Parse.
pub const PARSE: u8 = b'P';
/// Bind.
pub const BIND: u8 = b'B';
/// Describe.
pub const DESCRIBE: u8 = b'D';
/// Execute.
pub const EXECUTE: u8 = b'E';
/// Close.
pub const CLOSE: u8 = b'C';
/// Sync.
pub const SYNC: u8 = b'S';
/// Flush.
pub const FLUSH: u8 = b'H';
/// FunctionCall.
pub const FUNCTION_CALL: u8 = b'F';
/// Terminate.
pub const TERMINATE: u8 = b'X';
/// CopyData.
pub const COPY_DATA: u8 = b'd';
/// CopyDone.
pub const COPY_DONE: u8 = b'c';
/// CopyFail.
pub const COPY_FAIL: u8 = b'f';
/// PasswordMessage, SASLInitialResponse and SASLResponse.
pub const PASSWORD: u8 = b'p';

/// What Describe and Close are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `S`: a prepared statement.
    Statement,
    /// `P`: a portal.
    Portal,
}

/// A Parse body, or the front of one that is too long to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty for the unnamed one.
    pub name: &'a [u8],
    /// The text, or the front of it.
    pub text: &'a [u8],
    /// The parameter types as sent: a count, then the OIDs; empty when the body was cut off.
    pub types: &'a [u8],
}

impl<'a> Parse<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`FrameError::Body`] unless the body is exactly a Parse.
    pub fn read(body: &'a [u8]) -> Result<Self, FrameError> {
        let malformed = FrameError::Body { kind: PARSE };
        let (name, rest) = split_cstring(body).ok_or(malformed)?;
        let (text, types) = split_cstring(rest).ok_or(malformed)?;
        let count = read_u16(types).ok_or(malformed)?;
        if types.len() != 2 + 4 * usize::from(count) {
            return Err(malformed);
        }
        Ok(Self { name, text, types })
    }

    /// Reads the front of a body whose end has not come.
    ///
    /// # Errors
    /// [`FrameError::Body`] when not even the name is there.
    pub fn read_front(front: &'a [u8]) -> Result<Self, FrameError> {
        let (name, rest) = split_cstring(front).ok_or(FrameError::Body { kind: PARSE })?;
        let text = split_cstring(rest).map_or(rest, |(text, _)| text);
        Ok(Self { name, text, types: &[] })
    }
}

/// The OIDs in a Parse body's type list.
pub fn parameter_types(types: &[u8]) -> impl Iterator<Item = u32> + '_ {
    types
        .get(2..)
        .unwrap_or_default()
        .chunks_exact(4)
        .map(|oid| u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]))
}

/// A bound value: its format code, and its bytes unless it is NULL.
pub type Value<'a> = (u16, Option<&'a [u8]>);

/// The front of a Bind body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name.
    pub portal: &'a [u8],
    /// The statement's name.
    pub statement: &'a [u8],
    /// All that follows, or the front of it: formats, values, result formats.
    pub rest: &'a [u8],
}

impl<'a> Bind<'a> {
    /// Reads the front of a body.
    ///
    /// # Errors
    /// [`FrameError::Body`] when the two names are not there.
    pub fn read(front: &'a [u8]) -> Result<Self, FrameError> {
        let malformed = FrameError::Body { kind: BIND };
        let (portal, rest) = split_cstring(front).ok_or(malformed)?;
        let (statement, rest) = split_cstring(rest).ok_or(malformed)?;
        Ok(Self { portal, statement, rest })
    }

    /// The bound values; none where the body is cut off or malformed.
    #[must_use]
    pub fn values(&self) -> Option<Vec<Value<'a>>> {
        let format_count = usize::from(read_u16(self.rest)?);
        let formats = self.rest.get(2..2 + 2 * format_count)?;
        let mut rest = &self.rest[2 + 2 * format_count..];
        let count = usize::from(read_u16(rest)?);
        rest = &rest[2..];
        let mut values = Vec::new();
        for index in 0..count {
            let format = match format_count {
                0 => 0,
                1 => read_u16(formats)?,
                _ => read_u16(formats.get(2 * index..)?)?,
            };
            let length = i32::from_be_bytes(*rest.first_chunk()?);
            rest = &rest[4..];
            // -1 is NULL; anything else below zero is malformed.
            let value = match usize::try_from(length) {
                Ok(length) => Some(rest.get(..length)?),
                Err(_) if length == -1 => None,
                Err(_) => return None,
            };
            rest = &rest[value.map_or(0, <[u8]>::len)..];
            values.push((format, value));
        }
        Some(values)
    }
}

/// Reads a Describe or Close body: its target and name.
///
/// # Errors
/// [`FrameError::Body`] unless the body is exactly that.
pub fn read_target(kind: u8, body: &[u8]) -> Result<(Target, &[u8]), FrameError> {
    let malformed = FrameError::Body { kind };
    let target = match body.first() {
        Some(b'S') => Target::Statement,
        Some(b'P') => Target::Portal,
        _ => return Err(malformed),
    };
    match split_cstring(&body[1..]) {
        Some((name, [])) => Ok((target, name)),
        _ => Err(malformed),
    }
}

/// Reads an Execute body: the portal's name.
///
/// # Errors
/// [`FrameError::Body`] unless the body is exactly a name and a row limit.
pub fn read_execute(body: &[u8]) -> Result<&[u8], FrameError> {
    match split_cstring(body) {
        Some((portal, limit)) if limit.len() == 4 => Ok(portal),
        _ => Err(FrameError::Body { kind: EXECUTE }),
    }
}

/// Reads a Query body, or the front of one: the text without its zero.
#[must_use]
pub fn read_query(front: &[u8]) -> &[u8] {
    split_cstring(front).map_or(front, |(text, _)| text)
}

fn read_u16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|two| u16::from_be_bytes(*two))
}

/// Writes a Query.
pub fn write_query(out: &mut Vec<u8>, text: &[u8]) {
    write_message(out, QUERY, |body| {
        body.extend_from_slice(text);
        body.push(0);
    });
}

/// Writes an Execute of the unnamed portal; 0 rows is all.
pub fn write_execute(out: &mut Vec<u8>, rows: u32) {
    write_message(out, EXECUTE, |body| {
        body.push(0);
        body.extend_from_slice(&rows.to_be_bytes());
    });
}

/// Writes a Parse; `types` as in [`Parse::types`].
pub fn write_parse(out: &mut Vec<u8>, name: &[u8], text: &[u8], types: &[u8]) {
    write_message(out, PARSE, |body| {
        body.extend_from_slice(name);
        body.push(0);
        body.extend_from_slice(text);
        body.push(0);
        body.extend_from_slice(types);
    });
}

/// Writes a Bind of the unnamed statement, without parameters, to the unnamed portal.
pub fn write_bind_unnamed(out: &mut Vec<u8>) {
    // Portal, statement; then no formats, no parameters, no result formats.
    write_message(out, BIND, |body| body.extend_from_slice(&[0; 8]));
}

/// Writes a Bind of `statement` to the unnamed portal. Values and results are text; `write` appends
/// one of the values (manual 55.7).
pub fn write_bind_texts<V>(
    out: &mut Vec<u8>,
    statement: &[u8],
    values: &[V],
    write: impl Fn(&V, &mut Vec<u8>),
) {
    write_message(out, BIND, |body| {
        body.push(0);
        body.extend_from_slice(statement);
        // The name's end, and no formats.
        body.extend_from_slice(&[0; 3]);
        body.extend_from_slice(&(values.len() as u16).to_be_bytes());
        for value in values {
            let at = body.len();
            body.extend_from_slice(&[0; 4]);
            write(value, body);
            let length = (body.len() - at - 4) as u32;
            body[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
        body.extend_from_slice(&[0; 2]);
    });
}

/// Writes a Describe of the unnamed portal.
pub fn write_describe_unnamed_portal(out: &mut Vec<u8>) {
    write_message(out, DESCRIBE, |body| body.extend_from_slice(b"P\0"));
}

/// Writes an Execute of the unnamed portal, for all rows.
pub fn write_execute_unnamed(out: &mut Vec<u8>) {
    write_message(out, EXECUTE, |body| body.extend_from_slice(&[0; 5]));
}

/// Writes a Describe (`kind` = [`DESCRIBE`]) or Close (`kind` = [`CLOSE`]) of a statement.
pub fn write_statement_target(out: &mut Vec<u8>, kind: u8, name: &[u8]) {
    write_message(out, kind, |body| {
        body.push(b'S');
        body.extend_from_slice(name);
        body.push(0);
    });
}

/// Writes a CopyFail.
pub fn write_copy_fail(out: &mut Vec<u8>, why: &str) {
    write_message(out, COPY_FAIL, |body| {
        body.extend_from_slice(why.as_bytes());
        body.push(0);
    });
}

/// Writes a message without a body: Sync, Flush, Terminate, CopyDone.
pub fn write_empty(out: &mut Vec<u8>, kind: u8) {
    write_message(out, kind, |_| {});
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_is_read_whole_or_by_its_front() {
        let body = b"s1\0select $1\0\0\x01\0\0\0\x17";
        let parse = Parse::read(body).unwrap();
        assert_eq!((parse.name, parse.text), (&b"s1"[..], &b"select $1"[..]));
        assert_eq!(parameter_types(parse.types).collect::<Vec<_>>(), [23]);
        for cut in 0..body.len() {
            assert!(Parse::read(&body[..cut]).is_err(), "{cut}");
        }
        assert_eq!(Parse::read_front(&body[..8]).unwrap().text, b"selec");
    }

    #[test]
    fn bind_values_carry_their_formats() {
        let body = b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0";
        let bind = Bind::read(body).unwrap();
        assert_eq!((bind.portal, bind.statement), (&b""[..], &b"s"[..]));
        assert_eq!(bind.values().unwrap(), [(1, Some(&b"ab"[..])), (1, None)]);
        for cut in 3..body.len() - 2 {
            assert_eq!(Bind::read(&body[..cut]).unwrap().values(), None, "{cut}");
        }
    }

    #[test]
    fn targets_are_exact() {
        assert_eq!(read_target(CLOSE, b"Sx\0"), Ok((Target::Statement, &b"x"[..])));
        assert!(read_target(CLOSE, b"Sx\0y").is_err());
        assert!(read_target(CLOSE, b"Qx\0").is_err());
        assert!(read_target(CLOSE, b"").is_err());
        assert_eq!(read_execute(b"\0\0\0\0\0"), Ok(&b""[..]));
        assert!(read_execute(b"\0\0\0").is_err());
    }
}
