//! What can go wrong with a report.

use jiff::Timestamp;

use crate::options::Sort;

/// Why a report could not be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The report could not be written as JSON, or the JSON is not a report.
    #[error("report as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The JSON is a report of another make.
    #[error("the report's schema is {0:?}, this program reads {expected:?}", expected = crate::SCHEMA)]
    Schema(String),
    /// Neither a duration nor a time.
    #[error(
        "{0:?} is neither a duration longer than nothing (90s, 15m, 1h 30m) nor a time with its \
         zone (2026-11-23T20:15:00Z)"
    )]
    NoMoment(String),
    /// Not what a comment says.
    #[error("{0:?} is no tag: a name, =, and a value, such as controller=cart")]
    NoTag(String),
    /// Nothing lies between beginning and end.
    #[error(
        "nothing lies between {since} and {until}: since must lie before until, and before now"
    )]
    EmptySpan {
        /// The beginning.
        since: Timestamp,
        /// The end.
        until: Timestamp,
    },
    /// No such order.
    #[error("{0:?} is no order; use {orders}", orders = Sort::ALL.map(Sort::name).join(", "))]
    NoSort(String),
    /// Not the beginning of a fingerprint.
    #[error(
        "{0:?} is no fingerprint: four to sixteen hexadecimal digits, as the report prints them"
    )]
    NoFingerprint(String),
}

impl PartialEq for ReportError {
    fn eq(&self, other: &Self) -> bool {
        // Errors of serde_json cannot be compared but by what they say.
        self.to_string() == other.to_string()
    }
}
