//! What `pgweir --version` says: what the program was built of. build.rs notes it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The version, and below it a line for each thing that one asks about when something is odd.
pub(super) fn with() -> &'static str {
    let known = parts().into_iter().filter(|(_, value)| !value.is_empty());
    let lines = known.map(|(what, value)| format!("\n{what:<7} {value}"));
    let text = env!("CARGO_PKG_VERSION").to_owned() + &lines.collect::<String>();
    // clap keeps what lives as long as the program; it asks once, when the command line is read.
    text.leak()
}

/// Empty where it was not known.
fn parts() -> [(&'static str, String); 6] {
    [
        ("commit", env!("BUILT_COMMIT").to_owned()),
        ("sources", day(env!("BUILT_EPOCH"))),
        ("build", format!("{} for {}", env!("BUILT_PROFILE"), env!("BUILT_TARGET"))),
        ("rust", env!("BUILT_RUSTC").to_owned()),
        ("TLS", format!("rustls {} with ring {}", env!("BUILT_RUSTLS"), env!("BUILT_RING"))),
        ("SQLite", store::sqlite_version().to_owned()),
    ]
}

/// The day of SOURCE_DATE_EPOCH, or nothing where that is not a number of seconds.
fn day(epoch: &str) -> String {
    let at = epoch.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or_else(String::new, |at| at.to_zoned(TimeZone::UTC).date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_is_built_of() {
        let text = with();
        assert!(text.starts_with(env!("CARGO_PKG_VERSION")), "{text}");
        for part in ["\nrust    rustc 1.", "\nTLS     rustls 0.", "with ring 0.", "\nSQLite  3."] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn only_a_number_of_seconds_is_a_day() {
        assert_eq!(day("1764460800"), "2025-11-30");
        assert_eq!(day(""), "");
        assert_eq!(day("yesterday"), "");
        assert_eq!(day("99999999999999999"), "");
    }
}
