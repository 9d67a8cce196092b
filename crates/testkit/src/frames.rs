//! Messages of protocol 3 as bytes, written down from PostgreSQL's manual, chapter "Message
//! Formats". On purpose not built on the crate `wire`: what checks the protocol must not share its
//! mistakes.

use std::fmt;

/// A message as it came: its type byte and its body, without the length.
pub type Frame = (u8, Vec<u8>);

/// Protocol 3.0, as a startup packet says it.
pub const PROTOCOL_3_0: u32 = 196_608;
/// Protocol 3.2.
pub const PROTOCOL_3_2: u32 = 196_610;
/// The "version" of an SSLRequest.
pub const SSL_REQUEST: u32 = 80_877_103;
/// The "version" of a GSSENCRequest.
pub const GSSENC_REQUEST: u32 = 80_877_104;
/// The "version" of a CancelRequest.
pub const CANCEL_REQUEST: u32 = 80_877_102;

/// A message: type, length that counts itself, body.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(length_of(body));
    bytes.extend(body);
    bytes
}

/// A message without a type byte, as all first packets are: length, then body.
pub fn untyped(body: &[u8]) -> Vec<u8> {
    let mut bytes = length_of(body).to_vec();
    bytes.extend(body);
    bytes
}

/// A header that promises `length` bytes (counting itself, as on the wire) and no body.
pub fn header(kind: u8, length: u32) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(length.to_be_bytes());
    bytes
}

fn length_of(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).expect("a test's message is below 4 GiB").to_be_bytes()
}

fn count(items: usize) -> [u8; 2] {
    u16::try_from(items).expect("a test's message has below 65536 items").to_be_bytes()
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// SSLRequest, GSSENCRequest: a first packet that is only a code.
pub fn request_code(code: u32) -> Vec<u8> {
    untyped(&code.to_be_bytes())
}

/// StartupMessage of `version` with `parameters`, in the order given.
pub fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend(text(name));
        body.extend(text(value));
    }
    body.push(0);
    untyped(&body)
}

/// CancelRequest for the key that BackendKeyData gave.
pub fn cancel(process_id: i32, secret: &[u8]) -> Vec<u8> {
    let mut body = CANCEL_REQUEST.to_be_bytes().to_vec();
    body.extend(process_id.to_be_bytes());
    body.extend(secret);
    untyped(&body)
}

/// Query: the simple protocol.
pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &text(sql))
}

/// Parse, with no parameter types given.
pub fn parse(statement: &str, sql: &str) -> Vec<u8> {
    let mut body = text(statement);
    body.extend(text(sql));
    body.extend(count(0));
    message(b'P', &body)
}

/// Bind with text parameters (`None` is NULL) and text results.
pub fn bind(portal: &str, statement: &str, parameters: &[Option<&str>]) -> Vec<u8> {
    let mut body = text(portal);
    body.extend(text(statement));
    body.extend(count(0));
    body.extend(count(parameters.len()));
    for parameter in parameters {
        match parameter {
            Some(value) => body.extend(untyped_value(value.as_bytes())),
            None => body.extend((-1_i32).to_be_bytes()),
        }
    }
    body.extend(count(0));
    message(b'B', &body)
}

fn untyped_value(value: &[u8]) -> Vec<u8> {
    let mut bytes =
        i32::try_from(value.len()).expect("a test's value is below 2 GiB").to_be_bytes().to_vec();
    bytes.extend(value);
    bytes
}

/// Describe a statement (`b'S'`) or a portal (`b'P'`).
pub fn describe(target: u8, name: &str) -> Vec<u8> {
    named(b'D', target, name)
}

/// Close a statement (`b'S'`) or a portal (`b'P'`).
pub fn close(target: u8, name: &str) -> Vec<u8> {
    named(b'C', target, name)
}

fn named(kind: u8, target: u8, name: &str) -> Vec<u8> {
    let mut body = vec![target];
    body.extend(text(name));
    message(kind, &body)
}

/// Execute; `max_rows` 0 means all.
pub fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    let mut body = text(portal);
    body.extend(max_rows.to_be_bytes());
    message(b'E', &body)
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', &[])
}

/// Flush.
pub fn flush() -> Vec<u8> {
    message(b'H', &[])
}

/// Terminate.
pub fn terminate() -> Vec<u8> {
    message(b'X', &[])
}

/// PasswordMessage in clear.
pub fn password(password: &str) -> Vec<u8> {
    message(b'p', &text(password))
}

/// CopyData.
pub fn copy_data(data: &[u8]) -> Vec<u8> {
    message(b'd', data)
}

/// CopyDone.
pub fn copy_done() -> Vec<u8> {
    message(b'c', &[])
}

/// CopyFail.
pub fn copy_fail(reason: &str) -> Vec<u8> {
    message(b'f', &text(reason))
}

/// An Authentication message: its code and what follows it.
pub fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(rest);
    message(b'R', &body)
}

/// AuthenticationSASL, offering `mechanisms`.
pub fn authentication_sasl(mechanisms: &[&str]) -> Vec<u8> {
    let mut names: Vec<u8> = mechanisms.iter().flat_map(|name| text(name)).collect();
    names.push(0);
    authentication(10, &names)
}

/// ParameterStatus.
pub fn parameter_status(name: &str, value: &str) -> Vec<u8> {
    let mut body = text(name);
    body.extend(text(value));
    message(b'S', &body)
}

/// BackendKeyData.
pub fn backend_key_data(process_id: i32, secret: &[u8]) -> Vec<u8> {
    let mut body = process_id.to_be_bytes().to_vec();
    body.extend(secret);
    message(b'K', &body)
}

/// ReadyForQuery with `I`, `T` or `E`.
pub fn ready_for_query(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

/// CommandComplete.
pub fn command_complete(tag: &str) -> Vec<u8> {
    message(b'C', &text(tag))
}

/// RowDescription of text columns.
pub fn row_description(columns: &[&str]) -> Vec<u8> {
    let mut body = count(columns.len()).to_vec();
    for column in columns {
        body.extend(text(column));
        // Table, attribute, type 25 = text, size -1, modifier -1, format text.
        body.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]);
    }
    message(b'T', &body)
}

/// DataRow of text values.
pub fn data_row(values: &[Option<&str>]) -> Vec<u8> {
    let mut body = count(values.len()).to_vec();
    for value in values {
        match value {
            Some(value) => body.extend(untyped_value(value.as_bytes())),
            None => body.extend((-1_i32).to_be_bytes()),
        }
    }
    message(b'D', &body)
}

/// ErrorResponse with the fields given, so that any may be missing.
pub fn error_response(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (code, value) in fields {
        body.push(*code);
        body.extend(text(value));
    }
    body.push(0);
    message(b'E', &body)
}

/// The fields of an ErrorResponse or a NoticeResponse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorFields {
    fields: Vec<(u8, String)>,
}

impl ErrorFields {
    /// Reads a body; what is not UTF-8 is replaced.
    pub fn read(body: &[u8]) -> Self {
        let fields = body
            .split(|byte| *byte == 0)
            .filter_map(|field| field.split_first())
            .map(|(code, value)| (*code, String::from_utf8_lossy(value).into_owned()))
            .collect();
        Self { fields }
    }

    /// The field with this code, or "".
    pub fn get(&self, code: u8) -> &str {
        self.fields.iter().find(|field| field.0 == code).map_or("", |field| &field.1)
    }

    /// `ERROR`, `FATAL`, in the server's language.
    pub fn severity(&self) -> &str {
        self.get(b'S')
    }

    /// The SQLSTATE.
    pub fn sqlstate(&self) -> &str {
        self.get(b'C')
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        self.get(b'M')
    }

    /// The hint.
    pub fn hint(&self) -> &str {
        self.get(b'H')
    }

    /// The detail.
    pub fn detail(&self) -> &str {
        self.get(b'D')
    }
}

impl fmt::Display for ErrorFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity(), self.sqlstate(), self.message())
    }
}

/// The values of a DataRow as text.
pub fn row_values(body: &[u8]) -> Vec<Option<String>> {
    let mut values = Vec::new();
    let mut rest = body.get(2..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, after) = after.split_at_checked(length).unwrap_or((after, &[]));
                values.push(Some(String::from_utf8_lossy(value).into_owned()));
                rest = after;
            }
            Err(_) => {
                values.push(None);
                rest = after;
            }
        }
    }
    values
}

/// The only error among these messages.
pub fn only_error(frames: &[Frame]) -> ErrorFields {
    let errors: Vec<_> = frames.iter().filter(|(kind, _)| *kind == b'E').collect();
    match errors[..] {
        [(_, body)] => ErrorFields::read(body),
        _ => panic!("{} errors in {:?}", errors.len(), kinds(frames)),
    }
}

/// Message types as text, e.g. `"TDCZ"`, so that an order of messages fits in an assertion.
pub fn kinds(frames: &[Frame]) -> String {
    frames.iter().map(|(kind, _)| char::from(*kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_typed_counted_and_terminated() {
        assert_eq!(query("SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0");
    }

    #[test]
    fn a_startup_packet_has_no_type() {
        assert_eq!(startup(PROTOCOL_3_0, &[("user", "a")]), b"\0\0\0\x10\0\x03\0\0user\0a\0\0",);
    }

    #[test]
    fn a_bind_tells_null_from_empty() {
        assert_eq!(
            bind("", "s", &[Some(""), None]),
            b"B\0\0\0\x15\0s\0\0\0\0\x02\0\0\0\0\xff\xff\xff\xff\0\0",
        );
    }

    #[test]
    fn rows_and_errors_come_back_as_written() {
        let row = data_row(&[Some("a"), None, Some("")]);
        assert_eq!(row_values(&row[5..]), [Some("a".into()), None, Some(String::new())]);
        let error = error_response(&[(b'S', "ERROR"), (b'C', "42P01"), (b'M', "no table")]);
        let fields = ErrorFields::read(&error[5..]);
        assert_eq!(fields.to_string(), "ERROR 42P01: no table");
        assert_eq!(fields.hint(), "");
    }
}
