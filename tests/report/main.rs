//! What is measured and said of it: from statements through the proxy to the report.

mod findings;
mod measuring;
mod scene;
