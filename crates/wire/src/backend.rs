//! Messages from servers: type bytes, views of the bodies that the pooler must understand, and
//! writers of those it answers with itself (manual 55.7).

use crate::frame::{split_cstring, write_message};

/// AuthenticationOk and its kin.
pub const AUTHENTICATION: u8 = b'R';
/// BackendKeyData.
pub const BACKEND_KEY_DATA: u8 = b'K';
/// BindComplete.
pub const BIND_COMPLETE: u8 = b'2';
/// CloseComplete.
pub const CLOSE_COMPLETE: u8 = b'3';
/// CommandComplete.
pub const COMMAND_COMPLETE: u8 = b'C';
/// CopyBothResponse.
pub const COPY_BOTH_RESPONSE: u8 = b'W';
/// CopyData.
pub const COPY_DATA: u8 = b'd';
/// CopyDone.
pub const COPY_DONE: u8 = b'c';
/// CopyInResponse.
pub const COPY_IN_RESPONSE: u8 = b'G';
/// CopyOutResponse.
pub const COPY_OUT_RESPONSE: u8 = b'H';
/// DataRow.
pub const DATA_ROW: u8 = b'D';
/// EmptyQueryResponse.
pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
/// ErrorResponse.
pub const ERROR_RESPONSE: u8 = b'E';
/// FunctionCallResponse.
pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
/// NegotiateProtocolVersion.
pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
/// NoData.
pub const NO_DATA: u8 = b'n';
/// NoticeResponse.
pub const NOTICE_RESPONSE: u8 = b'N';
/// NotificationResponse.
pub const NOTIFICATION_RESPONSE: u8 = b'A';
/// ParameterDescription.
pub const PARAMETER_DESCRIPTION: u8 = b't';
/// ParameterStatus.
pub const PARAMETER_STATUS: u8 = b'S';
/// ParseComplete.
pub const PARSE_COMPLETE: u8 = b'1';
/// PortalSuspended.
pub const PORTAL_SUSPENDED: u8 = b's';
/// ReadyForQuery.
pub const READY_FOR_QUERY: u8 = b'Z';
/// RowDescription.
pub const ROW_DESCRIPTION: u8 = b'T';

/// What ReadyForQuery says of the transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: no transaction block is open.
    #[default]
    Idle,
    /// `T`: in a transaction block.
    Block,
    /// `E`: in a transaction block that failed.
    Failed,
}

impl TransactionStatus {
    /// Reads a ReadyForQuery body.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        match body {
            b"I" => Some(Self::Idle),
            b"T" => Some(Self::Block),
            b"E" => Some(Self::Failed),
            _ => None,
        }
    }

    /// The byte on the wire.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Block => b'T',
            Self::Failed => b'E',
        }
    }
}

/// Reads a ParameterStatus body: name and value, where both are UTF-8.
#[must_use]
pub fn read_parameter_status(body: &[u8]) -> Option<(&str, &str)> {
    let (name, rest) = split_cstring(body)?;
    let (value, _) = split_cstring(rest)?;
    Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
}

/// Reads a BackendKeyData body: process id and key (4 bytes in protocol 3.0, up to 256 in 3.2).
#[must_use]
pub fn read_backend_key(body: &[u8]) -> Option<(i32, &[u8])> {
    let (process_id, key) = body.split_first_chunk()?;
    (4..=256).contains(&key.len()).then(|| (i32::from_be_bytes(*process_id), key))
}

/// Reads a DataRow body: the values, none for NULL; none at all where it is malformed.
#[must_use]
pub fn read_data_row(body: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let (count, mut rest) = body.split_first_chunk()?;
    let mut values = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk()?;
        let value = match i32::from_be_bytes(*length) {
            -1 => None,
            length => Some(after.get(..usize::try_from(length).ok()?)?),
        };
        rest = &after[value.map_or(0, <[u8]>::len)..];
        values.push(value);
    }
    rest.is_empty().then_some(values)
}

/// The rows that a command tag counts: the last word of `INSERT 0 5`, `SELECT 3`, `COPY 7`.
#[must_use]
pub fn rows_of_tag(body: &[u8]) -> u64 {
    let tag = split_cstring(body).map_or(body, |(tag, _)| tag);
    let last = tag.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    std::str::from_utf8(last).ok().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Writes a message without a body: ParseComplete, CloseComplete, NoData, ….
pub fn write_empty(out: &mut Vec<u8>, kind: u8) {
    write_message(out, kind, |_| {});
}

/// Writes a ReadyForQuery.
pub fn write_ready(out: &mut Vec<u8>, status: TransactionStatus) {
    write_message(out, READY_FOR_QUERY, |body| body.push(status.byte()));
}

/// Writes a CommandComplete.
pub fn write_command_complete(out: &mut Vec<u8>, tag: &str) {
    write_message(out, COMMAND_COMPLETE, |body| {
        body.extend_from_slice(tag.as_bytes());
        body.push(0);
    });
}

/// Writes a ParameterStatus.
pub fn write_parameter_status(out: &mut Vec<u8>, name: &str, value: &str) {
    write_message(out, PARAMETER_STATUS, |body| {
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        body.extend_from_slice(value.as_bytes());
        body.push(0);
    });
}

/// Writes a BackendKeyData.
pub fn write_backend_key(out: &mut Vec<u8>, process_id: i32, key: &[u8]) {
    write_message(out, BACKEND_KEY_DATA, |body| {
        body.extend_from_slice(&process_id.to_be_bytes());
        body.extend_from_slice(key);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_last_word_of_the_tag() {
        for (tag, rows) in [
            (&b"SELECT 3\0"[..], 3),
            (b"INSERT 0 5\0", 5),
            (b"COPY 7\0", 7),
            (b"BEGIN\0", 0),
            (b"CREATE TABLE\0", 0),
            (b"", 0),
            (b"SELECT 99999999999999999999999\0", 0),
        ] {
            assert_eq!(rows_of_tag(tag), rows, "{tag:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        write_parameter_status(&mut out, "TimeZone", "UTC");
        assert_eq!(read_parameter_status(&out[5..]), Some(("TimeZone", "UTC")));
        out.clear();
        write_backend_key(&mut out, 7, b"abcd");
        assert_eq!(read_backend_key(&out[5..]), Some((7, &b"abcd"[..])));
        assert_eq!(read_backend_key(&out[5..12]), None);
        for status in [TransactionStatus::Idle, TransactionStatus::Block, TransactionStatus::Failed]
        {
            out.clear();
            write_ready(&mut out, status);
            assert_eq!(TransactionStatus::read(&out[5..]), Some(status));
        }
    }

    #[test]
    fn columns_of_a_row() {
        let row = b"\0\x03\0\0\0\x01a\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(read_data_row(row), Some(vec![Some(&b"a"[..]), None, Some(b"")]));
        assert_eq!(read_data_row(&row[..row.len() - 1]), None);
        assert_eq!(read_data_row(b""), None);
    }
}
