//! Catalogue facts, EXPLAIN and HypoPG through pgweir's own connections to the upstream.
//!
//! [`Catalog`] is all that others see: it reads [`model::CatalogFacts`], answers a
//! [`model::PlanQuestion`] and runs DDL. Everything but the DDL happens in read-only transactions
//! that are rolled back, under short timeouts, as `pgweir-catalog` in `pg_stat_activity`.

mod back_off;
mod carry_over;
mod catalog;
mod connections;
mod error;
mod explain;
mod facts;
mod generic;
mod identifier;
mod plan_text;
mod plan_tree;
mod redact;
mod server;
mod settings;
mod tls;
mod transaction;
mod what_if;
mod what_if_session;

pub use catalog::Catalog;
pub use error::CatalogError;
pub use identifier::quote_identifier;
pub use settings::{CatalogSettings, Upstream};
pub use tls::{Connector, Encrypted, Handshake, Tls};
pub use what_if_session::{ImaginedPlanner, WhatIfSession};
