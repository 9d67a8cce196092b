//! Several servers: a primary and a standby that follows it by streaming replication, pgweir in front
//! of both, and what clients notice when one is lost, falls behind, or becomes the other.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod metrics;
mod names;
mod promoted;
mod roles;
mod scene;
mod writers;
