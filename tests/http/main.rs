//! What the monitoring gets: metrics, health, spans, slow statements in the log.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails fails the test")]

mod collector;
mod examples;
mod health;
mod logs;
mod many_applications;
mod metrics;
mod openmetrics;
mod scene;
mod traces;
