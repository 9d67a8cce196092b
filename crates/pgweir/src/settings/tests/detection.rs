//! Thresholds of detectors.

use std::time::Duration;

use insight::DetectionSettings;

use super::{file, used, wrong};

fn detection(lines: &str) -> DetectionSettings {
    used(file(&format!("upstream = \"postgres://u:p@h\"\n{lines}"))).detection
}

#[test]
fn thresholds_and_switches_are_read() {
    let settings = detection(
        "[detection]\nwindow = \"5m\"\n[detection.error_rate]\nleast_calls = 7\nleast_ratio = 0.5\n\
         [detection.idle_in_transaction]\nwarning = \"3s\"\n[detection.n_plus_one]\nenabled = false\n",
    );
    assert_eq!(settings.window, Duration::from_secs(300));
    assert_eq!(settings.of.error_rate.least_calls, 7);
    assert_eq!(settings.of.error_rate.least_ratio, 0.5);
    assert_eq!(settings.of.idle_in_transaction.warning, Duration::from_secs(3));
    assert_eq!(settings.disabled.iter().collect::<Vec<_>>(), ["n_plus_one"]);
    assert_eq!(detection(""), DetectionSettings::default());
}

#[test]
fn what_is_wrong_is_refused_with_its_place_and_what_would_be_right() {
    for (lines, expected) in [
        ("[detection]\nwindow = \"2h\"", "pgweir.toml:2:10: detection.window: is not between"),
        (
            "[detection]\nwindows = \"2h\"",
            "pgweir.toml:2:1: detection.windows: no such setting; did",
        ),
        (
            "[detection.eror_rate]\nleast_calls = 1",
            "pgweir.toml:1:12: detection.eror_rate: no such setting; did you mean `error_rate`?",
        ),
        (
            "[detection.error_rate]\nleast_call = 1",
            "detection.error_rate.least_call: no such setting; did you mean `least_calls`?",
        ),
        (
            "[detection.error_rate]\nleast_ratio = 5",
            "pgweir.toml:2:15: detection.error_rate.least_ratio: `5` is not a number between 0 and 1",
        ),
        ("[detection.error_rate]\nleast_calls = -1", "`-1` is not a whole number"),
        ("[detection.error_rate]\nenabled = \"perhaps\"", "is neither true nor false"),
        ("[detection.idle_in_transaction]\nwarning = \"soon\"", "is not a duration"),
        ("[detection]\nerror_rate = 5", "write [detection.error_rate] and its keys below"),
        ("detection = 5", "pgweir.toml:1:13: detection: is not a section"),
    ] {
        let problems = wrong(file(lines));
        assert!(problems.contains(expected), "{lines}: {problems}");
    }
}

#[test]
fn the_manual_has_every_threshold_with_its_default() {
    let page = crate::settings::markdown();
    for (section, thresholds) in DetectionSettings::default().reference() {
        assert!(page.contains(&format!("`[detection.{section}]`")), "{section}");
        for one in thresholds {
            assert!(page.contains(&format!("| `{}` | ", one.key)), "{section}.{}", one.key);
            let value = match one.value {
                insight::ThresholdValue::Duration(_) => format!("\"{}\"", one.value),
                _ => one.value.to_string(),
            };
            let written = format!("[detection.{section}]\n{} = {value}", one.key);
            assert_eq!(detection(&written), DetectionSettings::default(), "{written}");
        }
    }
}
