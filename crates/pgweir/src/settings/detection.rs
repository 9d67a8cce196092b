//! `[detection]` and `[detection.NAME]`: when detectors speak.

use std::time::Duration;

use insight::{DetectionSettings, ThresholdKind, ThresholdReference, ThresholdValue};
use toml::de::{DeTable, DeValue};

use super::file::{Places, raw};
use super::names::advice;
use super::resolve::Reader;
use super::used::Settings;
use super::values::{self, Raw};
use super::written::{Written, WrittenValue};

/// The shortest and the longest window: statistics are kept by the minute, for an hour.
const WINDOW: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// The key that every detector's section has.
pub(super) const ENABLED: &str = "enabled";

/// A key of `[detection]` (then `section` is empty) or `[detection.SECTION]`, known by name.
#[derive(Clone)]
pub(crate) struct WrittenThreshold {
    section: &'static str,
    key: &'static str,
    value: WrittenValue,
}

/// Reads the section `[detection]` of a file.
pub(super) fn read(written: &mut Written, places: &Places<'_>, table: &DeTable<'_>) {
    let known = DetectionSettings::default().reference();
    for (name, value) in table {
        let section = name.get_ref().as_ref();
        if section == "window" {
            let value =
                WrittenValue { raw: raw(value.get_ref()), origin: places.origin(value.span()) };
            written.detection.push(WrittenThreshold { section: "", key: "window", value });
            continue;
        }
        let path = format!("detection.{section}");
        let Some((section, thresholds)) = known.iter().find(|(known, _)| *known == section) else {
            let names = known.iter().map(|(known, _)| *known).chain(["window"]);
            written.problem(places.origin(name.span()), &path, &advice(section, names));
            continue;
        };
        let DeValue::Table(keys) = value.get_ref() else {
            let message = format!("is not a section; write [{path}] and its keys below");
            written.problem(places.origin(value.span()), &path, &message);
            continue;
        };
        for (key, value) in keys {
            let wanted = key.get_ref().as_ref();
            let mut keys = thresholds.iter().map(|one| one.key).chain([ENABLED]);
            match keys.clone().find(|known| *known == wanted) {
                Some(key) => {
                    let origin = places.origin(value.span());
                    let value = WrittenValue { raw: raw(value.get_ref()), origin };
                    written.detection.push(WrittenThreshold { section, key, value });
                }
                None => {
                    let advice = advice(wanted, keys.by_ref().collect::<Vec<_>>());
                    let origin = places.origin(key.span());
                    written.problem(origin, &format!("{path}.{wanted}"), &advice);
                }
            }
        }
    }
}

/// Checks what was read.
pub(super) fn resolve(reader: &mut Reader, settings: &mut Settings) {
    let detection = &mut settings.detection;
    let known = detection.reference();
    for WrittenThreshold { section, key, value } in std::mem::take(&mut reader.written.detection) {
        let thresholds = known.iter().find(|(known, _)| *known == section);
        let threshold = thresholds.and_then(|(_, all)| all.iter().find(|one| one.key == key));
        let outcome = match threshold {
            Some(threshold) => threshold_value(threshold.kind, &value.raw).map(|value| {
                // The kind is the threshold's own, so that it cannot be refused.
                let _ = detection.set(section, key, value);
            }),
            None if key == "window" => window(&value.raw).map(|window| detection.window = window),
            None => values::boolean(&value.raw).map(|enabled| {
                if !enabled {
                    detection.disabled.insert(section.to_owned());
                }
            }),
        };
        if let Err(message) = outcome {
            let path = ["detection", section, key].into_iter().filter(|part| !part.is_empty());
            let path = path.collect::<Vec<_>>().join(".");
            reader.problem(value.origin, path, message);
        }
    }
}

fn window(raw: &Raw) -> Result<Duration, String> {
    let window = values::duration(raw)?;
    if window < WINDOW.0 || window > WINDOW.1 {
        return Err("is not between \"1m\" and \"1h\": statistics are kept for an hour".to_owned());
    }
    Ok(window)
}

fn threshold_value(kind: ThresholdKind, raw: &Raw) -> Result<ThresholdValue, String> {
    match kind {
        ThresholdKind::Count => values::whole_number(raw).map(ThresholdValue::Count),
        ThresholdKind::Number => values::decimal(raw, f64::MAX).map(ThresholdValue::Number),
        ThresholdKind::Ratio => values::decimal(raw, 1.0).map(ThresholdValue::Ratio),
        ThresholdKind::Duration => values::duration(raw).map(ThresholdValue::Duration),
    }
}

/// What a threshold may be, for the manual.
pub(super) fn kind_text(threshold: &ThresholdReference) -> &'static str {
    match threshold.kind {
        ThresholdKind::Count => super::reference::NUMBER,
        ThresholdKind::Number => "number, decimals too",
        ThresholdKind::Ratio => "share, 0 to 1",
        ThresholdKind::Duration => super::reference::DURATION,
    }
}
