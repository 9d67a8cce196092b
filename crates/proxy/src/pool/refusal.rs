//! What clients are told that get no server connection.

use pooling::scheduler::Refusal;
use wire::error_response::ErrorFields;

use super::Inner;

pub(super) fn refused(inner: &Inner, refusal: Refusal) -> ErrorFields {
    let limits = inner.scheduler.limits();
    match refusal {
        Refusal::QueueFull => ErrorFields::error(
            "53300",
            "too many clients wait for a server connection (max_wait_queue)",
        )
        .with_hint("Raise max_wait_queue or default_pool_size, or make the queries faster."),
        Refusal::TimedOut => {
            let error = ErrorFields::error(
                "53300",
                format!(
                    "query_wait_timeout: no server connection was free within {} s",
                    limits.wait_timeout.as_secs_f64()
                ),
            );
            match &inner.last_failure {
                Some(failure) => error.with_detail(failure.message.clone()),
                None => error.with_hint(format!(
                    "All {} server connections of the pool were busy. SHOW POOLS and SHOW QUERIES \
                     in the admin console say with what.",
                    limits.size
                )),
            }
        }
        Refusal::Unreachable => inner.last_failure.clone().unwrap_or_else(|| {
            ErrorFields::error("08006", "the PostgreSQL server cannot be reached")
        }),
    }
}
