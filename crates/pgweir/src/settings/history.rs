//! How much history is kept, under which name, and where besides.

use std::time::Duration;

use super::resolve::Reader;
use super::upstream::Upstream;
use super::used::Settings;
use super::values::{self, Raw};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Less is soon full of what says what fingerprints mean.
const SIZE_LEAST_BYTES: u64 = 8 << 20;

/// What is kept of what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryKept {
    /// `store`: a fleet's PostgreSQL.
    pub store: Option<Upstream>,
    /// `instance_name`; none: the host's name and the port.
    pub instance_name: Option<String>,
    /// Age of the oldest minutes.
    pub minutes: Duration,
    /// Age of the oldest hours.
    pub hours: Duration,
    /// Age of the oldest days.
    pub days: Duration,
    /// Size of the file, bytes.
    pub size_bytes: u64,
    /// How often the current minute is written before it is over; none: only then.
    pub flush: Option<Duration>,
}

impl Default for HistoryKept {
    fn default() -> Self {
        Self {
            store: None,
            instance_name: None,
            minutes: DAY,
            hours: DAY * 30,
            days: DAY * 730,
            size_bytes: 1 << 30,
            flush: Some(Duration::from_secs(15)),
        }
    }
}

pub(super) fn scalars(reader: &mut Reader, settings: &mut Settings) {
    let kept = &mut settings.history;
    let mut url = None;
    reader.set(&mut url, "store", |raw| values::text(raw).map(Some));
    if let Some(url) = url {
        match store(&url) {
            Ok((upstream, warnings)) => {
                kept.store = Some(upstream);
                warnings.into_iter().for_each(|warning| reader.warn(warning));
            }
            Err(message) => reader.problem(reader.origin("store"), "store", message),
        }
    }
    reader.set(&mut kept.instance_name, "instance_name", |raw| values::text(raw).map(Some));
    reader.set(&mut kept.minutes, "history_minutes", age);
    reader.set(&mut kept.hours, "history_hours", age);
    reader.set(&mut kept.days, "history_days", age);
    reader.set(&mut kept.size_bytes, "history_size", size);
    reader.set(&mut kept.flush, "history_flush", values::timeout);
    let ages = [
        ("history_minutes", kept.minutes),
        ("history_hours", kept.hours),
        ("history_days", kept.days),
    ];
    for pair in ages.windows(2) {
        if let [(fine, finer), (coarse, coarser)] = pair
            && finer > coarser
        {
            let origin = reader.origin(if reader.is_written(coarse) { coarse } else { fine });
            let message = format!("must not be shorter than {fine}");
            reader.problem(origin, *coarse, message);
        }
    }
}

fn store(url: &str) -> Result<(Upstream, Vec<String>), String> {
    let (upstream, warnings) = Upstream::parse(url)?;
    if upstream.user.is_none() {
        return Err("names no user; write postgres://user:password@host:port/dbname".to_owned());
    }
    Ok((upstream, warnings))
}

fn age(raw: &Raw) -> Result<Duration, String> {
    match values::duration(raw)? {
        age if age < HOUR => Err("must be at least 1h".to_owned()),
        age => Ok(age),
    }
}

fn size(raw: &Raw) -> Result<u64, String> {
    match values::size(raw)? {
        size if size < SIZE_LEAST_BYTES => Err("must be at least 8MB".to_owned()),
        size => Ok(size),
    }
}
