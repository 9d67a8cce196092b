//! How much history is kept.

use std::time::Duration;

use super::{file, used, wrong};

const UPSTREAM: &str = "upstream = \"postgres://u:p@h\"\n";

fn with(lines: &str) -> String {
    format!("{UPSTREAM}{lines}")
}

#[test]
fn ages_and_sizes_have_units() {
    let kept = used(file(&with(
        "history_minutes = \"36h\"\nhistory_hours = \"60d\"\nhistory_size = \"500MB\"\n\
         history_flush = 0\ninstance_name = \"eu-1\"\n\
         store = \"postgres://pgweir:secret@history.internal/fleet\"",
    )))
    .history;
    let hour = Duration::from_secs(3_600);
    assert_eq!((kept.minutes, kept.hours, kept.days), (36 * hour, 60 * 24 * hour, 730 * 24 * hour));
    assert_eq!((kept.size_bytes, kept.flush), (500 << 20, None));
    assert_eq!(kept.instance_name.as_deref(), Some("eu-1"));
    let shown = kept.store.unwrap().to_string();
    assert_eq!(shown, "postgres://pgweir@history.internal:5432/fleet");
}

#[test]
fn what_makes_no_sense_is_refused_at_its_place() {
    for (lines, problem) in [
        ("history_minutes = \"10m\"", "pgweir.toml:2:19: history_minutes: must be at least 1h"),
        ("history_minutes = \"40d\"", "history_hours: must not be shorter than history_minutes"),
        ("history_days = \"2d\"", "history_days: must not be shorter than history_hours"),
        ("history_size = \"1kB\"", "history_size: must be at least 8MB"),
        ("history_size = \"much\"", "is not a size; write \"500MB\", \"2GB\" or bytes"),
        ("history_size = -1", "is not a size"),
        ("store = \"postgres://h/d\"", "store: names no user"),
        ("store = \"mysql://u@h/d\"", "store: is a URL of another kind"),
        (
            "store = \"postgres://u@h/d?sslmode=verify-ca&sslrootcert=/no/such/file\"",
            "store: sslrootcert",
        ),
    ] {
        let problems = wrong(file(&with(lines)));
        assert!(problems.contains(problem), "{lines}: {problems}");
    }
}

#[test]
fn a_password_of_the_store_is_never_shown() {
    let settings = used(file(&with("store = \"postgres://u:secret@h/d\"")));
    assert!(!format!("{settings:?}").contains("secret"));
    assert!(settings.describe().iter().all(|row| !row.value.contains("secret")));
    let other = used(file(&with("store = \"postgres://u:other@h/d\"")));
    assert_eq!(settings.needing_restart(&other), ["store"]);
}
