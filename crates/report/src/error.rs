//! What can go wrong with a report.

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The report could not be written as JSON, or the JSON is not a report.
    #[error("report as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The JSON is a report of another make.
    #[error("the report's schema is {0:?}, this program reads {expected:?}", expected = crate::SCHEMA)]
    Schema(String),
}
