//! The slowest execution, with its values left out unless they may be shown.

use model::{ParameterFormat, Sample, SampleParameter, ShapeInfo};

use crate::numbers::rounded;
use crate::view::{SampleReport, SampleValue};

/// The most of a value or a text that is shown, characters.
const SHOWN_MOST: usize = 2_000;
/// The most values that are listed.
const VALUES_MOST: usize = 100;

pub(super) fn sample(shape: &ShapeInfo, show_values: bool) -> Option<SampleReport> {
    let sample = shape.sample.as_deref()?;
    let parameters = sample.parameters.iter().take(VALUES_MOST).enumerate();
    Some(SampleReport {
        took_ms: rounded(shape.sample_took.as_secs_f64() * 1e3),
        at: shape.sample_at,
        database: shape.sample_database.as_deref().unwrap_or_default().to_owned(),
        text: show_values.then(|| shortened(&sample.text)),
        parameters: parameters
            .map(|(at, parameter)| value(sample, at, parameter, show_values))
            .collect(),
    })
}

fn value(sample: &Sample, at: usize, parameter: &SampleParameter, show: bool) -> SampleValue {
    let oid = sample.parameter_types.get(at).copied().unwrap_or(0);
    let bytes = parameter.value.as_deref();
    SampleValue {
        type_name: type_name(oid).map(str::to_owned),
        bytes: bytes.map(|bytes| bytes.len() as u64),
        value: bytes.filter(|_| show).map(|bytes| readable(oid, parameter.format, bytes)),
    }
}

/// The common types by OID (pg_type.dat): the only ones whose binary form is read here.
fn type_name(oid: u32) -> Option<&'static str> {
    Some(match oid {
        16 => "boolean",
        17 => "bytea",
        20 => "bigint",
        21 => "smallint",
        23 => "integer",
        25 => "text",
        114 => "json",
        700 => "real",
        701 => "double precision",
        1042 => "character",
        1043 => "character varying",
        1082 => "date",
        1114 => "timestamp",
        1184 => "timestamptz",
        1700 => "numeric",
        2950 => "uuid",
        3802 => "jsonb",
        _ => return None,
    })
}

fn readable(oid: u32, format: ParameterFormat, bytes: &[u8]) -> String {
    let text = match format {
        ParameterFormat::Text => std::str::from_utf8(bytes).ok().map(str::to_owned),
        ParameterFormat::Binary => from_binary(oid, bytes),
    };
    text.map_or_else(|| hexadecimal(bytes), |text| shortened(&text))
}

fn from_binary(oid: u32, bytes: &[u8]) -> Option<String> {
    Some(match oid {
        16 => (*bytes.first()? != 0).to_string(),
        20 => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        21 => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        23 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        700 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        701 => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        25 | 114 | 1042 | 1043 => std::str::from_utf8(bytes).ok()?.to_owned(),
        _ => return None,
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String =
        bytes.iter().take(SHOWN_MOST / 2).map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN_MOST {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MOST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn shape() -> ShapeInfo {
        let bound =
            |format, bytes: Option<&[u8]>| SampleParameter { format, value: bytes.map(Arc::from) };
        let sample = Sample {
            text: "SELECT 'secret', $1".into(),
            parameter_types: Arc::from([23, 25]),
            parameters: vec![
                bound(ParameterFormat::Binary, Some(&[0, 0, 0, 42])),
                bound(ParameterFormat::Text, Some(b"secret")),
                bound(ParameterFormat::Binary, Some(&[1, 2])),
                bound(ParameterFormat::Text, None),
            ],
            ..Sample::default()
        };
        ShapeInfo {
            sample: Some(Arc::new(sample)),
            sample_took: Duration::from_millis(250),
            ..ShapeInfo::default()
        }
    }

    #[test]
    fn values_are_left_out() {
        let report = sample(&shape(), false).expect("a sample");
        let json = serde_json::to_string(&report).expect("JSON");
        assert!(!json.contains("secret") && !json.contains("42"), "{json}");
        assert_eq!(report.parameters[0].type_name.as_deref(), Some("integer"));
        assert_eq!((report.parameters[1].bytes, report.parameters[3].bytes), (Some(6), None));
        assert_eq!(report.took_ms, 250.0);
    }

    #[test]
    fn values_are_read_where_they_may_be_shown() {
        let report = sample(&shape(), true).expect("a sample");
        let values: Vec<_> = report.parameters.iter().map(|one| one.value.as_deref()).collect();
        assert_eq!(values, [Some("42"), Some("secret"), Some("\\x0102"), None]);
        assert_eq!(report.text.as_deref(), Some("SELECT 'secret', $1"));
    }
}
