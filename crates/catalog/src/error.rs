//! What can go wrong between pgweir and the upstream's catalogue.

use std::error::Error;

use deadpool_postgres::{PoolError, TimeoutType};
use model::SqlState;

/// Why the upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No connection could be opened.
    #[error("the server cannot be reached: {reason}")]
    Unreachable {
        /// What the operating system or the driver said.
        reason: String,
    },
    /// The server refused the login or the statement.
    #[error("{sqlstate}: {message}")]
    Server {
        /// Its SQLSTATE.
        sqlstate: SqlState,
        /// Its message, as sent. It may quote values of the statement.
        message: String,
    },
    /// No answer in time, or no connection became free.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke, or what came over it made no sense.
    #[error("the connection failed: {reason}")]
    Connection {
        /// What the driver said.
        reason: String,
    },
    /// Only statements that EXPLAIN takes and that have a plan worth knowing are planned.
    #[error("only SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES and WITH are planned")]
    NotPlannable,
    /// EXPLAIN answered with something that is not a plan.
    #[error("the plan could not be read")]
    UnreadablePlan,
}

/// SQLSTATEs whose message holds names of objects and settings, never a value.
const MESSAGES_WITHOUT_VALUES: [&str; 4] = ["42501", "42P01", "55P03", "57014"];

impl CatalogError {
    /// The server's SQLSTATE, where the server refused.
    #[must_use]
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Server { sqlstate, .. } => Some(*sqlstate),
            _ => None,
        }
    }

    /// The error with no value of the statement in it.
    ///
    /// Server messages quote values (`invalid input syntax for type integer: "secret"`), so all
    /// but a few are replaced by words of our own.
    #[must_use]
    pub fn redacted(&self) -> String {
        let Self::Server { sqlstate, message } = self else {
            return self.to_string();
        };
        let code = sqlstate.as_str();
        if MESSAGES_WITHOUT_VALUES.contains(&code) {
            return self.to_string();
        }
        let words = match code {
            "42601" if message.contains("multiple commands") => "several statements in one text",
            "42601" => "syntax error",
            "42P02" => "a parameter has no value",
            "42P18" => "the type of a parameter cannot be inferred",
            "42703" => "unknown column",
            "22012" => "division by zero",
            "08P01" => "the values do not match the parameters",
            _ if code.starts_with("22") => "a value does not fit its type",
            _ if code.starts_with("42") => "the statement does not fit the schema",
            _ if code.starts_with("53") => "the server lacks resources",
            _ if code.starts_with("57P") => "the server is not available",
            _ => "the server refused to plan it",
        };
        format!("{code}: {words}")
    }

    /// Whether the statement, or the role's rights on its tables, is at fault: then asking again
    /// gives the same answer. Locks, deadlocks and a server in trouble pass.
    pub(crate) fn blames_statement(&self) -> bool {
        match self {
            Self::Server { sqlstate, .. } => {
                let code = sqlstate.as_str();
                let passes = ["08", "28", "3D", "40", "53", "55P03", "57P", "58"];
                code == "08P01" || !passes.iter().any(|class| code.starts_with(class))
            }
            Self::NotPlannable | Self::UnreadablePlan => true,
            Self::Unreachable { .. } | Self::TimedOut | Self::Connection { .. } => false,
        }
    }

    /// Whether the next attempt may well succeed, so that what is known may be kept till then.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Server { sqlstate, .. } => {
                !["28", "3D", "42"].iter().any(|class| sqlstate.as_str().starts_with(class))
            }
            _ => true,
        }
    }

    /// Whether the connection must not be used again.
    pub(crate) fn spoils_connection(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Connection { .. } | Self::Unreachable { .. })
    }

    fn says(&self, words: &str) -> bool {
        matches!(self, Self::Server { message, .. } if message.contains(words))
    }

    /// What would make the catalogue of `database` readable for `user`, where we know.
    pub(crate) fn remedy(&self, database: &str, user: &str) -> Option<String> {
        let sqlstate = match self {
            Self::Server { sqlstate, .. } => sqlstate.as_str(),
            Self::Unreachable { .. } => {
                return Some(
                    "check that the upstream runs and that its host and port are right".into(),
                );
            }
            Self::TimedOut => return Some("it is tried again at the next read".into()),
            _ => return None,
        };
        Some(match sqlstate {
            "28P01" => format!("check the password of role {user}"),
            "28000" if self.says("does not exist") => {
                format!("create role {user}, or name another in catalog_user")
            }
            "28000" => format!("allow role {user} into {database} in pg_hba.conf"),
            "3D000" => "create it, or correct its name".to_owned(),
            "42501" => format!(
                "GRANT CONNECT ON DATABASE {} TO {};",
                crate::quote_identifier(database),
                crate::quote_identifier(user)
            ),
            "53300" => "leave the analyser a connection or two within max_connections".to_owned(),
            "55P03" | "57014" => {
                "the server is busy; it is tried again at the next read".to_owned()
            }
            _ => return None,
        })
    }
}

impl From<tokio_postgres::Error> for CatalogError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => Self::Server {
                sqlstate: SqlState::from_bytes(refusal.code().code().as_bytes()),
                message: refusal.message().to_owned(),
            },
            None => Self::Connection { reason: with_causes(&error) },
        }
    }
}

impl From<PoolError> for CatalogError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::from_login(error),
            PoolError::Timeout(TimeoutType::Create) => {
                Self::Unreachable { reason: "no connection in time".to_owned() }
            }
            PoolError::Timeout(_) => Self::TimedOut,
            other => Self::Connection { reason: other.to_string() },
        }
    }
}

impl CatalogError {
    /// An error while connecting or logging in.
    pub(crate) fn from_login(error: tokio_postgres::Error) -> Self {
        match Self::from(error) {
            Self::Connection { reason } => Self::Unreachable { reason },
            other => other,
        }
    }
}

/// `error` and what caused it, since the driver's own text leaves the cause out.
fn with_causes(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(sqlstate: &str, message: &str) -> CatalogError {
        CatalogError::Server {
            sqlstate: SqlState::from_bytes(sqlstate.as_bytes()),
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_redacted_error_has_no_value() {
        let error = server("22P02", "invalid input syntax for type integer: \"4111-secret\"");
        assert_eq!(error.redacted(), "22P02: a value does not fit its type");
        let error = server("42703", "column \"Bob Secret\" does not exist");
        assert_eq!(error.redacted(), "42703: unknown column");
        let error = server("XX001", "secret");
        assert_eq!(error.redacted(), "XX001: the server refused to plan it");
    }

    #[test]
    fn a_refusal_keeps_the_name_of_the_table() {
        let error = server("42501", "permission denied for table orders");
        assert_eq!(error.redacted(), "42501: permission denied for table orders");
    }

    #[test]
    fn only_the_statement_is_blamed_for_what_it_does() {
        assert!(server("42501", "").blames_statement());
        assert!(server("57014", "").blames_statement());
        assert!(server("08P01", "").blames_statement());
        assert!(!server("57P03", "").blames_statement());
        assert!(!server("53300", "").blames_statement());
        assert!(!server("55P03", "").blames_statement());
        assert!(!CatalogError::TimedOut.blames_statement());
    }

    #[test]
    fn facts_are_kept_over_what_passes() {
        assert!(server("57P03", "").is_passing());
        assert!(server("55P03", "").is_passing());
        assert!(CatalogError::TimedOut.is_passing());
        assert!(!server("3D000", "").is_passing());
        assert!(!server("42501", "").is_passing());
    }
}
