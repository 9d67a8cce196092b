//! What a report is asked for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::FingerprintId;
use serde::{Deserialize, Serialize};

use crate::ReportError;

/// What a report should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportOptions {
    /// Where it begins. Minutes are the grain.
    pub since: Moment,
    /// Where it ends; now, if not given.
    pub until: Option<Moment>,
    /// Only clients of this database.
    pub database: Option<String>,
    /// Only clients that call themselves so (`application_name`, or a tag of their comments).
    pub application: Option<String>,
    /// Only statements whose comments say this.
    pub tag: Option<Tag>,
    /// Only these statements are listed.
    pub fingerprint: Option<FingerprintPrefix>,
    /// What the listed statements are ordered by.
    pub sort: Sort,
    /// The most statements that are listed.
    pub top: usize,
    /// Compare with so much time before `since`.
    pub compare: Option<Duration>,
    /// Show what clients bound. Only where the configuration allows it: the caller asks it.
    pub show_values: bool,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            since: Moment::Ago(Duration::from_secs(15 * 60)),
            until: None,
            database: None,
            application: None,
            tag: None,
            fingerprint: None,
            sort: Sort::Total,
            top: 20,
            compare: None,
            show_values: false,
        }
    }
}

/// What a statement's comments say, as one writes it: `controller=cart`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.to_string()
    }
}

impl TryFrom<String> for Tag {
    type Error = ReportError;

    fn try_from(text: String) -> Result<Self, ReportError> {
        text.parse()
    }
}

impl FromStr for Tag {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<Self, ReportError> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Self { name: name.trim().to_owned(), value: value.to_owned() })
            }
            _ => Err(ReportError::NoTag(text.to_owned())),
        }
    }
}

/// A stretch of time: from, until.
pub(crate) type Span = (Timestamp, Timestamp);

impl ReportOptions {
    /// The span asked for, at `now`.
    pub(crate) fn span(&self, now: Timestamp) -> Result<Span, ReportError> {
        let since = self.since.at(now);
        let until = self.until.map_or(now, |until| until.at(now)).min(now);
        if since >= until {
            return Err(ReportError::EmptySpan { since, until });
        }
        Ok((since, until))
    }
}

/// A point in time, as one says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl Moment {
    /// The time it is, at `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => SignedDuration::try_from(ago)
                .ok()
                .and_then(|ago| now.checked_sub(ago).ok())
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

impl fmt::Display for Moment {
    /// As [`Self::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ago(ago) => write!(f, "{}ms", ago.as_millis()),
            Self::At(time) => time.fmt(f),
        }
    }
}

impl FromStr for Moment {
    type Err = ReportError;

    /// `15m`, `1h 30m`, `90` (seconds), `2026-11-23T20:15:00Z`, `2026-11-23 21:15+01:00`.
    fn from_str(text: &str) -> Result<Self, ReportError> {
        if let Ok(time) = text.trim().parse::<Timestamp>() {
            return Ok(Self::At(time));
        }
        match parse_duration(text) {
            Some(ago) => Ok(Self::Ago(ago)),
            None => Err(ReportError::NoMoment(text.to_owned())),
        }
    }
}

/// A duration longer than nothing: `15m`, `1h 30m`, `7d`, or a number of seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let days = text.strip_suffix('d').and_then(|days| days.trim_end().parse::<u32>().ok());
    let span = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if days.is_some() => Duration::from_secs(u64::from(days?) * 24 * 3_600),
        Err(_) => Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()?,
    };
    (!span.is_zero()).then_some(span)
}

/// What statements are ordered by, the greatest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// Time in the database.
    #[default]
    Total,
    /// Mean as the clients saw it.
    Mean,
    /// 95th percentile as the clients saw it.
    P95,
    /// The longest execution.
    Max,
    /// Executions.
    Calls,
    /// Failed executions.
    Errors,
    /// Rows.
    Rows,
    /// Bytes from and to clients.
    Bytes,
    /// Time waiting for a server connection.
    Wait,
}

impl Sort {
    /// All of them, in the order to offer them.
    pub const ALL: [Self; 9] = [
        Self::Total,
        Self::Mean,
        Self::P95,
        Self::Max,
        Self::Calls,
        Self::Errors,
        Self::Rows,
        Self::Bytes,
        Self::Wait,
    ];

    /// Its name on the command line and in the console.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Mean => "mean",
            Self::P95 => "p95",
            Self::Max => "max",
            Self::Calls => "calls",
            Self::Errors => "errors",
            Self::Rows => "rows",
            Self::Bytes => "bytes",
            Self::Wait => "wait",
        }
    }

    /// What it is, after "by".
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Total => "time in the database",
            Self::Mean => "mean latency",
            Self::P95 => "p95 latency",
            Self::Max => "the longest execution",
            Self::Calls => "calls",
            Self::Errors => "errors",
            Self::Rows => "rows",
            Self::Bytes => "bytes",
            Self::Wait => "time waiting for a server connection",
        }
    }
}

impl FromStr for Sort {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<Self, ReportError> {
        let found = Self::ALL.into_iter().find(|sort| sort.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| ReportError::NoSort(text.to_owned()))
    }
}

/// The beginning of fingerprints, four to sixteen hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FingerprintPrefix(String);

impl FingerprintPrefix {
    /// Whether `id` begins so.
    #[must_use]
    pub fn matches(&self, id: FingerprintId) -> bool {
        id.to_string().starts_with(&self.0)
    }
}

impl fmt::Display for FingerprintPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FingerprintPrefix {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<Self, ReportError> {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits && (4..=16).contains(&text.len()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(ReportError::NoFingerprint(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_durations_or_times() {
        let minutes = |minutes: u64| Moment::Ago(Duration::from_secs(minutes * 60));
        assert_eq!("15m".parse(), Ok(minutes(15)));
        assert_eq!("1h 30m".parse(), Ok(minutes(90)));
        assert_eq!("120".parse(), Ok(minutes(2)));
        assert_eq!("7d".parse(), Ok(minutes(7 * 24 * 60)));
        let at = Moment::At(Timestamp::from_second(1_795_464_900).expect("a time"));
        assert_eq!("2026-11-23T20:15:00Z".parse(), Ok(at));
        assert_eq!("2026-11-23 21:15:00+01:00".parse(), Ok(at));
        for moment in [minutes(90), at] {
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
        for wrong in ["", "0", "soon", "-5m", "2026-11-23T20:15:00", "2026-13-01T00:00:00Z"] {
            let error = wrong.parse::<Moment>().expect_err(wrong);
            assert!(error.to_string().contains("15m"), "{error}");
        }
    }

    #[test]
    fn a_span_must_not_be_empty_and_ends_now_at_the_latest() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let ago = |seconds| Moment::Ago(Duration::from_secs(seconds));
        let options = ReportOptions { since: ago(60), ..ReportOptions::default() };
        let far = Moment::At(now + Duration::from_secs(99));
        let later = ReportOptions { until: Some(far), ..options.clone() };
        assert_eq!(later.span(now).expect("a span").1, now);
        let empty = ReportOptions { until: Some(ago(60)), ..options };
        assert!(matches!(empty.span(now), Err(ReportError::EmptySpan { .. })));
    }

    #[test]
    fn sorts_and_fingerprints_say_what_would_be_right() {
        assert_eq!("P95".parse(), Ok(Sort::P95));
        let error = "speed".parse::<Sort>().expect_err("no such order").to_string();
        assert!(error.contains("total, mean, p95"), "{error}");
        let prefix: FingerprintPrefix = "00A1".parse().expect("four digits");
        assert!(prefix.matches(FingerprintId(0x00a1 << 48)));
        assert!(!prefix.matches(FingerprintId(0xa1)));
        for wrong in ["", "a1", "nonsense", "00000000000000a10"] {
            assert!(wrong.parse::<FingerprintPrefix>().is_err(), "{wrong}");
        }
    }
}
