//! Times, days and intervals between PostgreSQL's text and the whole µs that the engine computes
//! with.

use std::fmt::Write as _;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Unit};

/// 2000-01-01, µs after the Unix epoch: what PostgreSQL's binary formats count from.
pub(crate) const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// One day, µs.
pub(crate) const DAY: i64 = 86_400_000_000;
/// What a month counts for where no date says how long it is, as in PostgreSQL, µs.
const MONTH: i64 = 30 * DAY;

/// An interval as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenInterval {
    /// Whole months, which are as long as the date that they are added to says.
    pub(crate) months: i32,
    /// The rest, µs.
    pub(crate) micros: i64,
}

impl WrittenInterval {
    /// All of it, µs, with months of thirty days.
    pub(crate) fn total(self) -> i64 {
        self.micros.saturating_add(i64::from(self.months).saturating_mul(MONTH))
    }
}

/// Reads a time; one without a zone is in UTC, which is the console's.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("epoch") {
        return Some(0);
    }
    let text = text.strip_suffix("UTC").or_else(|| text.strip_suffix("utc")).unwrap_or(text).trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_microsecond());
    }
    let civil = text.parse::<DateTime>().ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_microsecond())
}

/// Reads an interval, such as `15 minutes` or `1 day 02:30:00`.
pub(crate) fn parse_interval(text: &str) -> Option<WrittenInterval> {
    let text = text.trim();
    if let Some(micros) = clock(text) {
        return Some(WrittenInterval { months: 0, micros });
    }
    let span: Span = text.parse().ok()?;
    let months = i32::from(span.get_years()).checked_mul(12)?.checked_add(span.get_months())?;
    let days =
        i64::from(span.get_weeks()).checked_mul(7)?.checked_add(i64::from(span.get_days()))?;
    let rest = span.years(0).months(0).weeks(0).days(0);
    let micros = rest.total(Unit::Microsecond).ok()?;
    // An f64 holds 285 years to the µs.
    let micros = days.checked_mul(DAY)?.checked_add(micros as i64)?;
    Some(WrittenInterval { months, micros })
}

/// `HH:MM` or `HH:MM:SS`, µs.
fn clock(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok().filter(|hours| (0..1_000_000).contains(hours))?;
    let minutes: i64 = parts.next()?.parse().ok().filter(|minutes| (0..60).contains(minutes))?;
    let seconds: f64 = parts.next().map_or(Some(0.0), |text| text.parse().ok())?;
    (parts.next().is_none() && (0.0..61.0).contains(&seconds))
        .then(|| sign * ((hours * 60 + minutes) * 60_000_000 + (seconds * 1e6).round() as i64))
}

/// `micros` later or earlier by whole months.
pub(crate) fn add_months(micros: i64, months: i64) -> Option<i64> {
    let time = Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC);
    let span = Span::new().try_months(months).ok()?;
    Some(time.checked_add(span).ok()?.timestamp().as_microsecond())
}

/// The beginning of the unit of time that `micros` lies in.
pub(crate) fn truncate(unit: &str, micros: i64) -> Option<i64> {
    let fixed = match unit {
        "microsecond" | "microseconds" => Some(1),
        "millisecond" | "milliseconds" => Some(1_000),
        "second" => Some(1_000_000),
        "minute" => Some(60_000_000),
        "hour" => Some(3_600_000_000),
        "day" => Some(DAY),
        _ => None,
    };
    if let Some(width) = fixed {
        return Some(micros.div_euclid(width) * width);
    }
    let date = Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC).date();
    let first = match unit {
        "week" => {
            date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).ok()?
        }
        "month" => date.first_of_month(),
        "quarter" => {
            let month = (date.month() - 1) / 3 * 3 + 1;
            jiff::civil::Date::new(date.year(), month, 1).ok()?
        }
        "year" => date.first_of_year(),
        _ => return None,
    };
    let zoned = first.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_microsecond())
}

/// A part of a time, as `extract` gives it.
pub(crate) fn part(field: &str, micros: i64) -> Option<f64> {
    let seconds = micros as f64 / 1e6;
    if field == "epoch" {
        return Some(seconds);
    }
    let zoned = Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC);
    let in_minute = micros.rem_euclid(60_000_000) as f64;
    Some(match field {
        "year" => f64::from(zoned.year()),
        "quarter" => f64::from((zoned.month() - 1) / 3 + 1),
        "month" => f64::from(zoned.month()),
        "week" => f64::from(zoned.date().iso_week_date().week()),
        "day" => f64::from(zoned.day()),
        "dow" => f64::from(zoned.weekday().to_sunday_zero_offset()),
        "isodow" => f64::from(zoned.weekday().to_monday_one_offset()),
        "doy" => f64::from(zoned.day_of_year()),
        "hour" => f64::from(zoned.hour()),
        "minute" => f64::from(zoned.minute()),
        "second" => in_minute / 1e6,
        "milliseconds" | "millisecond" => in_minute / 1e3,
        "microseconds" | "microsecond" => in_minute,
        _ => return None,
    })
}

/// A part of an interval, as `extract` gives it.
pub(crate) fn interval_part(field: &str, micros: i64) -> Option<f64> {
    let (days, rest) = days_and_micros(micros);
    Some(match field {
        "epoch" => micros as f64 / 1e6,
        "day" => f64::from(days),
        "hour" => (rest / 3_600_000_000) as f64,
        "minute" => (rest / 60_000_000 % 60) as f64,
        "second" => (rest % 60_000_000) as f64 / 1e6,
        _ => return None,
    })
}

/// A time with a pattern of `to_char`: `YYYY`, `MM`, `DD`, `HH24`, `MI`, `SS`, `MS`, `US`; all else
/// as it stands.
pub(crate) fn to_char(micros: i64, pattern: &str) -> Option<String> {
    const PARTS: [(&str, &str); 8] = [
        ("YYYY", "%Y"),
        ("HH24", "%H"),
        ("MM", "%m"),
        ("DD", "%d"),
        ("MI", "%M"),
        ("SS", "%S"),
        ("MS", "%3f"),
        ("US", "%6f"),
    ];
    let zoned = Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC);
    let (mut format, mut rest) = (String::new(), pattern);
    while let Some(next) = rest.chars().next() {
        let part = PARTS.iter().find(|(name, _)| rest.starts_with(name));
        rest = match part {
            Some((name, code)) => {
                format.push_str(code);
                &rest[name.len()..]
            }
            None => {
                format.push_str(if next == '%' { "%%" } else { &rest[..next.len_utf8()] });
                &rest[next.len_utf8()..]
            }
        };
    }
    let mut text = String::new();
    write!(text, "{}", zoned.strftime(&format)).ok()?;
    Some(text)
}

/// As PostgreSQL writes a timestamptz with DateStyle ISO and TimeZone UTC.
pub(crate) fn timestamp_text(micros: i64) -> String {
    let Ok(time) = Timestamp::from_microsecond(micros) else {
        return if micros > 0 { "infinity".to_owned() } else { "-infinity".to_owned() };
    };
    let mut text = time.strftime("%Y-%m-%d %H:%M:%S").to_string();
    text.push_str(&fraction(micros.rem_euclid(1_000_000)));
    text.push_str("+00");
    text
}

/// As PostgreSQL writes a date.
pub(crate) fn date_text(micros: i64) -> String {
    match Timestamp::from_microsecond(micros) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "infinity".to_owned(),
    }
}

/// As PostgreSQL writes an interval with IntervalStyle postgres.
pub(crate) fn interval_text(micros: i64) -> String {
    let (days, rest) = days_and_micros(micros);
    let mut text = match days {
        0 => String::new(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if rest != 0 || days == 0 {
        let sign = if rest < 0 { "-" } else { "" };
        let rest = rest.unsigned_abs();
        let seconds = rest / 1_000_000;
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        let space = if text.is_empty() { "" } else { " " };
        let fraction = fraction(i64::try_from(rest % 1_000_000).unwrap_or_default());
        let _ = write!(text, "{space}{sign}{hours:02}:{minutes:02}:{:02}{fraction}", seconds % 60);
    }
    text
}

/// The fraction of a second, with its point; nothing for none.
fn fraction(micros: i64) -> String {
    if micros == 0 {
        return String::new();
    }
    format!(".{micros:06}").trim_end_matches('0').to_owned()
}

/// Whole days, and what is left of an interval.
pub(crate) fn days_and_micros(micros: i64) -> (i32, i64) {
    (i32::try_from(micros / DAY).unwrap_or(i32::MAX), micros % DAY)
}

/// What a binary date counts.
pub(crate) fn days_since_2000(micros: i64) -> i32 {
    let days = micros.saturating_sub(POSTGRES_EPOCH).div_euclid(DAY);
    i32::try_from(days).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_796_126_400_000_000;

    #[test]
    fn times_are_read_in_every_common_spelling() {
        assert_eq!(timestamp_text(NOON), "2026-12-01 12:00:00+00");
        for text in [
            "2026-12-01 12:00:00+00",
            "2026-12-01T12:00:00Z",
            "2026-12-01 12:00",
            "2026-12-01 14:00:00.000+02:00",
            "2026-12-01 12:00:00 UTC",
        ] {
            assert_eq!(parse_timestamp(text), Some(NOON), "{text}");
        }
        assert_eq!(parse_timestamp("2026-12-01"), Some(NOON - DAY / 2));
        assert_eq!(parse_timestamp("soon"), None);
    }

    #[test]
    fn intervals_are_read_and_written_as_postgres_does() {
        let micros = |text: &str| parse_interval(text).map(WrittenInterval::total);
        assert_eq!(micros("15 minutes"), Some(900_000_000));
        assert_eq!(micros("2 hours"), Some(7_200_000_000));
        assert_eq!(micros("1 day 02:30:00"), Some(DAY + 9_000_000_000));
        assert_eq!(micros("00:00:01.5"), Some(1_500_000));
        assert_eq!(micros("-5 minutes"), Some(-300_000_000));
        assert_eq!(parse_interval("1 month"), Some(WrittenInterval { months: 1, micros: 0 }));
        assert_eq!(micros("a while"), None);
        assert_eq!(interval_text(DAY + 9_000_500_000), "1 day 02:30:00.5");
        assert_eq!(interval_text(0), "00:00:00");
        assert_eq!(interval_text(-1_500_000), "-00:00:01.5");
    }

    #[test]
    fn months_have_the_length_of_the_date() {
        let leap = parse_timestamp("2024-01-31").unwrap();
        assert_eq!(add_months(leap, 1).map(date_text).as_deref(), Some("2024-02-29"));
    }

    #[test]
    fn parts_and_beginnings() {
        let time = parse_timestamp("2026-11-30 10:44:57.5").unwrap();
        assert_eq!(truncate("hour", time).map(timestamp_text).unwrap(), "2026-11-30 10:00:00+00");
        assert_eq!(truncate("week", time).map(date_text).unwrap(), "2026-11-30");
        assert_eq!(truncate("quarter", time).map(date_text).unwrap(), "2026-10-01");
        assert_eq!(truncate("fortnight", time), None);
        assert_eq!((part("second", time), part("dow", time)), (Some(57.5), Some(1.0)));
        assert_eq!(to_char(time, "YYYY-MM-DD HH24:MI:SS %").unwrap(), "2026-11-30 10:44:57 %");
    }
}
