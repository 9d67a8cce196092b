//! The grammar of SCRAM messages: `name=value` attributes between commas (RFC 5802, section 5.1
//! and 7).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::WireError;

/// A message as text, if it is not longer than `limit` bytes.
pub(super) fn text(message: &[u8], limit: usize) -> Result<&str, WireError> {
    if message.len() > limit {
        return Err(WireError::MalformedScram("message too long"));
    }
    let text = str::from_utf8(message).map_err(|_| WireError::MalformedScram("not UTF-8"))?;
    if text.contains('\0') {
        return Err(WireError::MalformedScram("null character"));
    }
    Ok(text)
}

/// The value of an attribute that must stand here; `prefix` is its name and `=`.
pub(super) fn value<'a>(
    attribute: Option<&'a str>,
    prefix: &str,
    missing: &'static str,
) -> Result<&'a str, WireError> {
    attribute
        .and_then(|attribute| attribute.strip_prefix(prefix))
        .ok_or(WireError::MalformedScram(missing))
}

/// A nonce: printable ASCII without commas, at least one character.
pub(super) fn nonce(value: &str) -> Result<&str, WireError> {
    let printable = value.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b',');
    if value.is_empty() || !printable {
        return Err(WireError::MalformedScram("non-printable characters in nonce"));
    }
    Ok(value)
}

pub(super) fn encode_base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

pub(super) fn decode_base64(value: &str, invalid: &'static str) -> Result<Vec<u8>, WireError> {
    STANDARD.decode(value).map_err(|_| WireError::MalformedScram(invalid))
}

/// A value that must be a key or a signature: 32 bytes.
pub(super) fn decode_key(value: &str, invalid: &'static str) -> Result<[u8; 32], WireError> {
    decode_base64(value, invalid)?.try_into().map_err(|_| WireError::MalformedScram(invalid))
}
