//! Configuration, in two stages: as written (a file, the environment, flags) and as used.
//!
//! [`Written`] keeps every value as it was written, with where it was written, so that each
//! problem can name its place. [`Settings`] holds checked values with units in their types. All
//! problems are collected before any is reported.

mod access;
mod authentication;
mod database;
mod describe;
mod detection;
mod file;
mod fleet;
mod history;
mod hosts;
mod ini;
mod limits;
mod manual;
mod monitoring;
mod names;
mod password;
mod problem;
mod reference;
mod resolve;
mod tcp;
mod tls;
mod unix_socket;
mod upstream;
mod used;
mod values;
mod written;

pub use authentication::{Authentication, LookupKeys};
pub use database::{Database, Lookup, PoolSettings, User, UserTimeouts};
pub(crate) use describe::check_key;
pub use fleet::{Fleet, Peer};
pub use history::HistoryKept;
pub use hosts::{HostChoice, HostList};
pub(crate) use ini::migration_page;
pub use ini::{
    Becomes, INI_DATABASE_KEYS, INI_PEER_KEYS, INI_SETTINGS, INI_USER_KEYS, IniKey, IniSetting,
    Note, NoteKind, PgBouncerFile,
};
pub use limits::{DatabaseLimits, PoolLimits, UserLimits};
pub use manual::{markdown, plain_text};
pub use monitoring::Monitoring;
pub use password::{Password, Secret};
pub use problem::{Origin, Problem, SettingsError};
pub use reference::{
    APPLICATION_KEYS, DATABASE_KEYS, KeyReference, PEER_KEYS, REFERENCE, SettingReference,
    USER_KEYS,
};
pub use resolve::Resolved;
pub(crate) use tls::for_tokio_postgres;
pub use tls::{LoadedTls, TlsProblem, UrlTls};
pub use unix_socket::{Group, UnixSocket};
pub use upstream::Upstream;
pub use used::Settings;
pub use values::{AuthType, LogFormat, parse_duration};
pub use written::Written;

#[cfg(test)]
mod tests;
