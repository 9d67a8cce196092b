//! What clients are told that get no server connection.

use pooling::quota::Scope;
use pooling::scheduler::Refusal;
use wire::error_response::ErrorFields;

use super::{Inner, Pool};

impl Pool {
    pub(super) fn refused(&self, inner: &Inner, refusal: Refusal) -> ErrorFields {
        match refusal {
            Refusal::QueueFull => ErrorFields::error(
                "53300",
                "too many clients wait for a server connection (max_wait_queue)",
            )
            .with_hint("Raise max_wait_queue or default_pool_size, or make the queries faster."),
            Refusal::TimedOut => self.timed_out(inner),
            Refusal::Unreachable => inner.last_failure.clone().unwrap_or_else(|| {
                ErrorFields::error("08006", "the PostgreSQL server cannot be reached")
            }),
        }
    }

    fn timed_out(&self, inner: &Inner) -> ErrorFields {
        let limits = inner.scheduler.limits();
        let error = ErrorFields::error(
            "53300",
            format!(
                "query_wait_timeout: no server connection was free within {} s",
                limits.wait_timeout.as_secs_f64()
            ),
        );
        if let Some(failure) = &inner.last_failure {
            if failure.sqlstate() == "57P03" {
                // There is room for more, and no server for it: it is this that is to be told.
                let error = ErrorFields::error("57P03", error.message);
                let error = error.with_detail(failure.message.clone());
                return match &failure.hint {
                    Some(hint) => error.with_hint(hint.clone()),
                    None => error,
                };
            }
            return error.with_detail(failure.message.clone());
        }
        error.with_hint(match self.shares.obstacle(self.member) {
            Some((Scope::Database(name), maximum)) => format!(
                "All {maximum} server connections that max_db_connections allows the pools of \
                 database {name} were busy."
            ),
            Some((Scope::User(name), maximum)) => format!(
                "All {maximum} server connections that max_user_connections allows the pools of \
                 user {name} were busy."
            ),
            Some((Scope::OneUser(name), maximum)) => format!(
                "All {maximum} server connections that pool_size allows database {name}, for all \
                 its users together, were busy."
            ),
            None => format!(
                "All {} server connections of the pool were busy. SHOW POOLS and SHOW QUERIES in \
                 the admin console say with what.",
                inner.scheduler.total()
            ),
        })
    }
}
