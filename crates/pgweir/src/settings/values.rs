//! From a value as written to a value with a type. Each function's error says what the value is
//! not, and what would be right.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use model::{PoolMode, Priority};

/// A value before anybody knows what it should be.
#[derive(Clone)]
pub(crate) enum Raw {
    /// Text: a TOML string, a flag or an environment variable.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML float.
    Float(f64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    List(Vec<Raw>),
    /// Something that no setting can be, by its name.
    Other(&'static str),
}

impl Raw {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Other(kind) => kind,
        }
    }

    /// The value as the reader of an error will recognise it.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("`{text}`"),
            Self::Integer(number) => format!("`{number}`"),
            Self::Float(number) => format!("`{number}`"),
            Self::Boolean(value) => format!("`{value}`"),
            Self::List(_) | Self::Other(_) => self.kind().to_owned(),
        }
    }
}

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthType {
    /// They are believed, and who they say they are does not matter.
    Any,
    /// They are believed.
    Trust,
    /// Cleartext password.
    Plain,
    /// MD5 of password, user and a salt.
    Md5,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// By their TLS certificate.
    Cert,
    /// As auth_hba_file says.
    Hba,
}

impl fmt::Display for AuthType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Trust => "trust",
            Self::Plain => "plain",
            Self::Md5 => "md5",
            Self::ScramSha256 => "scram-sha-256",
            Self::Cert => "cert",
            Self::Hba => "hba",
        })
    }
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

type Checked<T> = Result<T, String>;

/// Any text that is not empty.
pub(crate) fn text(raw: &Raw) -> Checked<String> {
    match raw {
        Raw::Text(text) if text.trim().is_empty() => Err("is empty".to_owned()),
        Raw::Text(text) if text.contains('\0') => Err("contains a zero byte".to_owned()),
        Raw::Text(text) => Ok(text.clone()),
        other => Err(format!("is {}; write it as text in quotes", other.kind())),
    }
}

/// A path that is not empty.
pub(crate) fn path(raw: &Raw) -> Checked<PathBuf> {
    text(raw).map(PathBuf::from)
}

/// `[text, …]`, or text with commas between, as PgBouncer has it. May be empty.
pub(crate) fn list(raw: &Raw) -> Checked<Vec<String>> {
    match raw {
        Raw::Text(names) => Ok(names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()),
        Raw::List(items) => items.iter().map(text).collect(),
        other => Err(format!("is {}; write a list of names: [\"a\", \"b\"]", other.kind())),
    }
}

/// Text, or a list of texts: the URLs of `upstream`. Their own form is not looked at here.
pub(crate) fn urls(raw: &Raw) -> Checked<Vec<String>> {
    match raw {
        Raw::Text(urls) => Ok(urls.split_whitespace().map(str::to_owned).collect()),
        Raw::List(items) => items.iter().map(text).collect(),
        other => Err(format!("is {}; write a URL in quotes", other.kind())),
    }
}

/// `true` or `false`; PgBouncer's 1 and 0 too.
pub(crate) fn boolean(raw: &Raw) -> Checked<bool> {
    match raw {
        Raw::Boolean(value) => Ok(*value),
        Raw::Integer(1) => Ok(true),
        Raw::Integer(0) => Ok(false),
        Raw::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(format!("{} is neither true nor false", raw.shown())),
        },
        other => Err(format!("{} is neither true nor false", other.shown())),
    }
}

/// A whole number from `least` to `most`.
pub(crate) fn whole(raw: &Raw, least: u32, most: u32) -> Checked<u32> {
    let number = match raw {
        Raw::Integer(number) => Some(*number),
        Raw::Text(text) => text.trim().parse::<i64>().ok(),
        _ => None,
    };
    number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{} is not a whole number between {least} and {most}", raw.shown()))
}

/// Any whole number that is not negative.
pub(crate) fn whole_number(raw: &Raw) -> Checked<u64> {
    let number = match raw {
        Raw::Integer(number) => u64::try_from(*number).ok(),
        Raw::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("{} is not a whole number of 0 or more", raw.shown()))
}

/// A number between 0 and `most`.
pub(crate) fn decimal(raw: &Raw, most: f64) -> Checked<f64> {
    let number = match raw {
        Raw::Integer(number) => Some(*number as f64),
        Raw::Float(number) => Some(*number),
        Raw::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| (0.0..=most).contains(number)).ok_or_else(|| match most {
        f64::MAX => format!("{} is not a number of 0 or more", raw.shown()),
        most => format!("{} is not a number between 0 and {most}", raw.shown()),
    })
}

/// A count of at least one, at most a million.
pub(crate) fn count(raw: &Raw) -> Checked<NonZeroU32> {
    let number = whole(raw, 1, 1_000_000)?;
    NonZeroU32::new(number).ok_or_else(|| "must be at least 1".to_owned())
}

/// A count, or none at all.
pub(crate) fn number(raw: &Raw) -> Checked<u32> {
    whole(raw, 0, 1_000_000)
}

/// A limit; 0 is none.
pub(crate) fn limit(raw: &Raw) -> Checked<Option<NonZeroU32>> {
    whole(raw, 0, 1_000_000).map(NonZeroU32::new)
}

/// Threads; 0 leaves it to the machine.
pub(crate) fn threads(raw: &Raw) -> Checked<Option<NonZeroUsize>> {
    whole(raw, 0, 1024).map(|n| NonZeroUsize::new(n as usize))
}

/// A TCP port.
pub(crate) fn port(raw: &Raw) -> Checked<u16> {
    let number = whole(raw, 1, u32::from(u16::MAX))?;
    u16::try_from(number).map_err(|_| format!("{} is not a port", raw.shown()))
}

/// `ADDRESS:PORT`; `localhost` and PgBouncer's `*` are understood as addresses. Port 0 takes a
/// free one.
pub(crate) fn address(raw: &Raw) -> Checked<SocketAddr> {
    let wrong = || {
        format!(
            "{} is not an address and a port; write 127.0.0.1:6432, [::1]:6432, or *:6432 for \
             every IPv4 address",
            raw.shown()
        )
    };
    let text = text(raw)?;
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let address = match host {
        "localhost" => Ipv4Addr::LOCALHOST,
        "*" => Ipv4Addr::UNSPECIFIED,
        _ => return Err(wrong()),
    };
    Ok(SocketAddr::from((address, port.parse::<u16>().map_err(|_| wrong())?)))
}

/// Addresses as [`address`] reads them, in a list or with commas between, or `off`.
pub(crate) fn addresses(raw: &Raw) -> Checked<Vec<SocketAddr>> {
    match raw {
        Raw::Text(text) if text.trim() == "off" => Ok(Vec::new()),
        Raw::Text(text) if text.contains(',') => {
            text.split(',').map(|one| address(&Raw::Text(one.trim().to_owned()))).collect()
        }
        Raw::List(items) if items.is_empty() => {
            Err("is an empty list; write an address, or \"off\"".to_owned())
        }
        Raw::List(items) => items.iter().map(address).collect(),
        other => address(other).map(|address| vec![address]),
    }
}

/// An address as [`address`] reads it, or `off`.
pub(crate) fn address_or_off(raw: &Raw) -> Checked<Option<SocketAddr>> {
    match raw {
        Raw::Boolean(false) => Ok(None),
        Raw::Text(text) if matches!(text.trim(), "" | "off") => Ok(None),
        other => address(other).map(Some).map_err(|wrong| format!("{wrong}; or write off")),
    }
}

/// `"15s"`, `"2m"`, `"500ms"`, or a number of seconds as PgBouncer has it.
pub(crate) fn duration(raw: &Raw) -> Checked<Duration> {
    /// More than anyone means, and far from where adding to an `Instant` would overflow.
    const MOST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    let wrong = || {
        format!(
            "{} is not a duration; write \"15s\", \"2m\", \"500ms\" or 15 (seconds)",
            raw.shown()
        )
    };
    let seconds = |number: f64| Duration::try_from_secs_f64(number).map_err(|_| wrong());
    let duration = match raw {
        Raw::Integer(number) => Duration::from_secs(u64::try_from(*number).map_err(|_| wrong())?),
        Raw::Float(number) => seconds(*number)?,
        Raw::Text(text) => match text.trim().parse::<f64>() {
            Ok(number) => seconds(number)?,
            Err(_) if text.trim().ends_with('d') => {
                let days = text.trim().trim_end_matches('d').trim_end().parse::<u32>();
                let days = days.map_err(|_| wrong())?;
                Duration::from_secs(u64::from(days) * 24 * 3_600)
            }
            Err(_) => {
                let signed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
                Duration::try_from(signed).map_err(|_| wrong())?
            }
        },
        _ => return Err(wrong()),
    };
    if duration > MOST {
        return Err(format!("{} is longer than ten years", raw.shown()));
    }
    Ok(duration)
}

/// Bytes: `"500MB"`, `"2GB"` with PostgreSQL's units (`kB` is 1024 bytes, `MB` 1024 of those), or a
/// number.
pub(crate) fn size(raw: &Raw) -> Checked<u64> {
    let wrong = || format!("{} is not a size; write \"500MB\", \"2GB\" or bytes", raw.shown());
    match raw {
        Raw::Integer(bytes) => u64::try_from(*bytes).map_err(|_| wrong()),
        Raw::Text(text) => crate::cli::parse_size(text).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// A duration longer than nothing, as the command line and the settings write it.
///
/// # Errors
/// What the text is not, and what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    some_duration(&Raw::Text(text.to_owned()))
}

/// A duration that must be longer than nothing.
pub(crate) fn some_duration(raw: &Raw) -> Checked<Duration> {
    match duration(raw)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

/// A timeout; 0 is none.
pub(crate) fn timeout(raw: &Raw) -> Checked<Option<Duration>> {
    duration(raw).map(|duration| (!duration.is_zero()).then_some(duration))
}

/// A whole number of percent from 1 to 100.
pub(crate) fn percent(raw: &Raw) -> Checked<u32> {
    whole(raw, 1, 100)
}

/// `high`, `normal` or `low`.
pub(crate) fn priority(raw: &Raw) -> Checked<Priority> {
    Priority::parse(&text(raw)?)
        .ok_or_else(|| format!("{} is not a priority; use high, normal or low", raw.shown()))
}

/// PgBouncer's modes, and one of ours.
pub(crate) fn pool_mode(raw: &Raw) -> Checked<PoolMode> {
    match text(raw)?.as_str() {
        "transaction" => Ok(PoolMode::Transaction),
        "transaction_strict" => Ok(PoolMode::TransactionStrict),
        "session" => Ok(PoolMode::Session),
        "statement" => Ok(PoolMode::Statement),
        _ => Err(format!(
            "{} is not a pool mode; use transaction, session, statement or transaction_strict",
            raw.shown()
        )),
    }
}

/// PgBouncer's values, but for those that need libraries of the system.
pub(crate) fn auth_type(raw: &Raw) -> Checked<AuthType> {
    const OFFERED: &str = "scram-sha-256, md5, plain, cert, hba, trust or any";
    match text(raw)?.as_str() {
        "any" => Ok(AuthType::Any),
        "trust" => Ok(AuthType::Trust),
        "plain" => Ok(AuthType::Plain),
        "md5" => Ok(AuthType::Md5),
        "scram-sha-256" => Ok(AuthType::ScramSha256),
        "cert" => Ok(AuthType::Cert),
        "hba" => Ok(AuthType::Hba),
        other @ ("ldap" | "pam") => Err(format!("`{other}` is not supported; use {OFFERED}")),
        _ => Err(format!("{} is not a way to authenticate; use {OFFERED}", raw.shown())),
    }
}

/// `human` or `json`.
pub(crate) fn log_format(raw: &Raw) -> Checked<LogFormat> {
    match text(raw)?.as_str() {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{} is not a log format; use human or json", raw.shown())),
    }
}

/// `error`, `warn`, `info`, `debug` or `trace`.
pub(crate) fn log_level(raw: &Raw) -> Checked<tracing::Level> {
    match text(raw)?.as_str() {
        "error" => Ok(tracing::Level::ERROR),
        "warn" => Ok(tracing::Level::WARN),
        "info" => Ok(tracing::Level::INFO),
        "debug" => Ok(tracing::Level::DEBUG),
        "trace" => Ok(tracing::Level::TRACE),
        _ => Err(format!(
            "{} is not a log level; use error, warn, info, debug or trace",
            raw.shown()
        )),
    }
}
