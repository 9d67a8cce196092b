//! Everything before authentication: the startup packet, the requests that may come in its
//! place, and what is sent to a server in the same phase (manual, sections 55.2.1, 55.2.8,
//! 55.2.10, 55.2.11 and 55.7).
//!
//! Written by hand rather than with pgwire's `Startup`, which sorts the parameters, accepts a
//! missing terminator and replaces bytes that are not UTF-8.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::WireError;

/// The largest startup packet, its length field included. PostgreSQL allows 10,000 bytes after
/// the length field.
pub const MAX_STARTUP_BYTES: usize = 10_004;

/// The newest minor version of protocol 3 that is spoken here.
const NEWEST_MINOR: u16 = 2;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_ENCRYPTION_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// A version of the frontend/backend protocol. Ordered, so that `>= V3_2` means what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion {
    /// Before the dot; always 3 in an accepted startup packet.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl ProtocolVersion {
    /// PostgreSQL 7.4 and later.
    pub const V3_0: Self = Self { major: 3, minor: 0 };
    /// PostgreSQL 18 and later: cancel keys of up to 256 bytes.
    pub const V3_2: Self = Self { major: 3, minor: NEWEST_MINOR };

    fn to_wire(self) -> u32 {
        u32::from(self.major) << 16 | u32::from(self.minor)
    }
}

/// What a client may send first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartupRequest {
    /// SSLRequest: answer with one byte, then expect TLS or another request.
    Ssl,
    /// GSSENCRequest: answer with one byte, then expect GSSAPI or another request.
    GssEncryption,
    /// CancelRequest: nothing is answered, the connection is closed.
    Cancel {
        /// From BackendKeyData.
        process_id: i32,
        /// From BackendKeyData: 4 bytes in protocol 3.0, 4 to 256 in 3.2.
        key: Vec<u8>,
    },
    /// StartupMessage: a session begins.
    Startup(StartupParameters),
}

/// What a replication connection is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// The whole server: `replication=true`.
    Physical,
    /// One database: `replication=database`.
    Logical,
}

/// The parameters of a StartupMessage. Of a parameter given twice the last value holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupParameters {
    /// The version that the client asked for; see [`Self::negotiated_version`].
    pub version: ProtocolVersion,
    /// Never empty.
    pub user: String,
    /// Never empty: the user's name if the client named no database.
    pub database: String,
    /// `true`, `database` and the like: a replication connection is wanted.
    pub replication: Option<String>,
    /// Command-line switches; see [`parse_options`]. Weaker than `settings`.
    pub options: Option<String>,
    /// All other parameters are settings of the session: name as written, and value.
    pub settings: Vec<(String, String)>,
    /// Names of the requested protocol extensions (`_pq_.*`), none of which is known here.
    pub protocol_options: Vec<String>,
}

impl StartupParameters {
    /// The version that both sides speak after [`negotiation`].
    pub fn negotiated_version(&self) -> ProtocolVersion {
        self.version.min(ProtocolVersion::V3_2)
    }

    /// Whether a replication connection is wanted, and of which kind; as PostgreSQL's
    /// ProcessStartupPacket reads it.
    ///
    /// # Errors
    /// SQLSTATE 22023 for what is no value of the parameter.
    pub fn replication_kind(&self) -> Result<Option<Replication>, WireError> {
        let Some(value) = self.replication.as_deref() else { return Ok(None) };
        if value == "database" {
            return Ok(Some(Replication::Logical));
        }
        match read_boolean(value) {
            Some(true) => Ok(Some(Replication::Physical)),
            Some(false) => Ok(None),
            None => Err(WireError::Replication(value.to_owned())),
        }
    }
}

/// Reads the first request of a client.
///
/// `Ok(None)`: more bytes are needed; never more than [`MAX_STARTUP_BYTES`] in total, because
/// the length field is judged as soon as it is there. `Ok(Some((request, consumed)))`: the
/// request took the first `consumed` bytes.
///
/// # Errors
/// What is wrong, in PostgreSQL's words and with its SQLSTATE. PostgreSQL closes the connection
/// without a word after [`WireError::StartupLength`] and the errors of CancelRequest.
pub fn parse_startup(bytes: &[u8]) -> Result<Option<(StartupRequest, usize)>, WireError> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if !(8..=MAX_STARTUP_BYTES).contains(&length) {
        return Err(WireError::StartupLength);
    }
    let Some((code, body)) =
        rest.get(..length - 4).and_then(|packet| packet.split_first_chunk::<4>())
    else {
        return Ok(None);
    };
    let request = match u32::from_be_bytes(*code) {
        SSL_REQUEST | GSS_ENCRYPTION_REQUEST if !body.is_empty() => {
            return Err(WireError::StartupLength);
        }
        SSL_REQUEST => StartupRequest::Ssl,
        GSS_ENCRYPTION_REQUEST => StartupRequest::GssEncryption,
        CANCEL_REQUEST => parse_cancel(body)?,
        version => StartupRequest::Startup(parse_parameters(version, body)?),
    };
    Ok(Some((request, length)))
}

fn parse_cancel(body: &[u8]) -> Result<StartupRequest, WireError> {
    let (process_id, key) = body.split_first_chunk::<4>().ok_or(WireError::CancelRequestLength)?;
    if !(4..=256).contains(&key.len()) {
        return Err(WireError::CancelKeyLength);
    }
    Ok(StartupRequest::Cancel { process_id: i32::from_be_bytes(*process_id), key: key.to_vec() })
}

fn parse_parameters(version: u32, body: &[u8]) -> Result<StartupParameters, WireError> {
    let version = ProtocolVersion { major: (version >> 16) as u16, minor: version as u16 };
    if version.major != 3 {
        let ProtocolVersion { major, minor } = version;
        return Err(WireError::UnsupportedProtocol { major, minor });
    }

    let mut user = None;
    let mut database = None;
    let mut replication = None;
    let mut options = None;
    let mut settings = Settings::default();
    let mut protocol_options = Vec::new();
    for (name, value) in split_parameters(body)? {
        match name {
            b"user" => user = Some(utf8(value, "user name")?),
            b"database" => database = Some(utf8(value, "database name")?),
            b"replication" => replication = Some(utf8(value, "replication")?),
            b"options" => options = Some(utf8(value, "options")?),
            _ if name.starts_with(b"_pq_.") => {
                protocol_options.push(utf8(name, "protocol option")?);
            }
            _ => settings.put(utf8(name, "parameter name")?, value)?,
        }
    }
    let user = user.filter(|user| !user.is_empty()).ok_or(WireError::NoUser)?;
    let database = database.filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    let settings = settings.in_order;
    Ok(StartupParameters {
        version,
        user,
        database,
        replication,
        options,
        settings,
        protocol_options,
    })
}

/// As PostgreSQL's parse_bool: any front of a word that no other word has.
fn read_boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let is = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    if is("true", 1) || is("yes", 1) || is("on", 2) || text == "1" {
        Some(true)
    } else if is("false", 1) || is("no", 1) || is("off", 2) || text == "0" {
        Some(false)
    } else {
        None
    }
}

type NameAndValue<'a> = (&'a [u8], &'a [u8]);

/// Splits `name\0value\0 … \0` into pairs; the final `\0` must be the last byte.
fn split_parameters(body: &[u8]) -> Result<Vec<NameAndValue<'_>>, WireError> {
    let list = body.strip_suffix(b"\0").ok_or(WireError::StartupLayout)?;
    let mut pairs = Vec::new();
    let mut texts = list.split_inclusive(|&byte| byte == 0);
    while let Some(name) = texts.next() {
        match (name.strip_suffix(b"\0"), texts.next().and_then(|value| value.strip_suffix(b"\0"))) {
            (Some(name), Some(value)) if !name.is_empty() => pairs.push((name, value)),
            _ => return Err(WireError::StartupLayout),
        }
    }
    Ok(pairs)
}

/// Settings in the order in which they first came. Names of settings ignore case.
#[derive(Default)]
struct Settings {
    in_order: Vec<(String, String)>,
    positions: HashMap<String, usize>,
}

impl Settings {
    fn put(&mut self, name: String, value: &[u8]) -> Result<(), WireError> {
        // PostgreSQL takes any bytes for this one and replaces what is not ASCII.
        let value = if name.eq_ignore_ascii_case("application_name") {
            String::from_utf8_lossy(value).into_owned()
        } else {
            utf8(value, "parameter value")?
        };
        match self.positions.entry(name.to_ascii_lowercase()) {
            Entry::Occupied(position) => self.in_order[*position.get()].1 = value,
            Entry::Vacant(free) => {
                free.insert(self.in_order.len());
                self.in_order.push((name, value));
            }
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8], what: &'static str) -> Result<String, WireError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| WireError::NotUtf8(what))
}

/// The NegotiateProtocolVersion message to send before authentication, if the client asked for a
/// newer minor version or for protocol extensions.
pub fn negotiation(parameters: &StartupParameters) -> Option<Vec<u8>> {
    let version = parameters.negotiated_version();
    let options = &parameters.protocol_options;
    if version == parameters.version && options.is_empty() {
        return None;
    }
    let mut body = Vec::new();
    // The manual says "minor version"; PostgreSQL sends, and libpq expects, the whole number.
    body.extend(version.to_wire().to_be_bytes());
    body.extend((options.len() as u32).to_be_bytes());
    for option in options {
        push_text(&mut body, option);
    }
    let mut message = vec![b'v'];
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(body);
    Some(message)
}

/// Reads the startup parameter `options`: the switches `-c name=value`, `-cname=value` and
/// `--name=value`, as (name, value) in the order given; the last of a name holds.
///
/// As PostgreSQL's `pg_split_opts` and `process_postgres_switches`: blanks separate switches, a
/// backslash takes the next character as it is, and a dash in a name means an underscore. The
/// one-letter switches that are short for a setting (`-e`, `-F`, `-S` …) are not taken.
///
/// # Errors
/// SQLSTATE 42601 for a switch without a value and for anything that is not one of these.
pub fn parse_options(options: &str) -> Result<Vec<(String, String)>, WireError> {
    let mut settings = Vec::new();
    let mut words = split_words(options).into_iter();
    while let Some(word) = words.next() {
        let (switch, assignment) = if let Some(assignment) = word.strip_prefix("--") {
            ("--", assignment.to_owned())
        } else if let Some(assignment) = word.strip_prefix("-c") {
            let next_word = if assignment.is_empty() { words.next() } else { None };
            ("-c ", next_word.unwrap_or_else(|| assignment.to_owned()))
        } else {
            return Err(WireError::CommandLineArgument(word));
        };
        if assignment.is_empty() {
            return Err(WireError::CommandLineArgument(word));
        }
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(WireError::SettingWithoutValue(format!("{switch}{assignment}")));
        };
        if name.is_empty() {
            return Err(WireError::CommandLineArgument(word));
        }
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn split_words(options: &str) -> Vec<String> {
    // What C's isspace() takes for a blank.
    let is_blank = |c: char| matches!(c, ' ' | '\t'..='\r');
    let mut words = Vec::new();
    let mut characters = options.chars().peekable();
    while characters.peek().is_some() {
        let mut word = None;
        while let Some(character) = characters.next() {
            if is_blank(character) {
                break;
            }
            let word = word.get_or_insert_with(String::new);
            match character {
                '\\' => word.extend(characters.next()),
                _ => word.push(character),
            }
        }
        words.extend(word);
    }
    words
}

/// The StartupMessage to a server, protocol 3.0. A setting without a name is left out.
pub fn startup_message(user: &str, database: &str, settings: &[(&str, &str)]) -> Vec<u8> {
    let mut body = ProtocolVersion::V3_0.to_wire().to_be_bytes().to_vec();
    let named = settings.iter().copied().filter(|(name, _)| !name.is_empty());
    for (name, value) in [("user", user), ("database", database)].into_iter().chain(named) {
        push_text(&mut body, name);
        push_text(&mut body, value);
    }
    body.push(0);
    with_length(&body)
}

/// The CancelRequest to a server, with the server's own BackendKeyData.
pub fn cancel_request(process_id: i32, key: &[u8]) -> Vec<u8> {
    let mut body = CANCEL_REQUEST.to_be_bytes().to_vec();
    body.extend(process_id.to_be_bytes());
    body.extend(key);
    with_length(&body)
}

/// The SSLRequest to a server: it answers with one byte, `S` or `N`.
pub fn ssl_request() -> Vec<u8> {
    with_length(&SSL_REQUEST.to_be_bytes())
}

/// Appends a text and its terminator. A NUL in the text would end it early and let its author
/// write further parameters, so it is left out.
fn push_text(body: &mut Vec<u8>, text: &str) {
    body.extend(text.bytes().filter(|&byte| byte != 0));
    body.push(0);
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend(body);
    packet
}
