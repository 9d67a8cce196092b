//! `max_db_client_connections` and `max_user_client_connections`.

use std::sync::Arc;

use model::PoolKey;
use pooling::quota::Scope;
use wire::error_response::ErrorFields;

use crate::error::ProxyError;
use crate::proxy::{Seat, Shared};
use crate::settings::ProxySettings;

/// The client's place among those of its database and its user.
///
/// # Errors
/// What the client is told if there is none left.
pub(super) fn take(
    shared: &Arc<Shared>,
    settings: &ProxySettings,
    key: &PoolKey,
) -> Result<Seat, ProxyError> {
    let target = (settings.find_pool)(&key.database, &key.user);
    let maxima = target.map(|target| target.maxima).unwrap_or_default();
    let wanted = [
        (Scope::Database(Arc::clone(&key.database)), maxima.db_client_connections),
        (Scope::User(Arc::clone(&key.user)), maxima.user_client_connections),
    ];
    Seat::take(shared, wanted).map_err(|(scope, maximum)| {
        let (setting, whose) = match scope {
            Scope::Database(name) => ("max_db_client_connections", format!("database {name}")),
            Scope::User(name) | Scope::OneUser(name) => {
                ("max_user_client_connections", format!("user {name}"))
            }
        };
        // PgBouncer's words.
        let error = ErrorFields::fatal("53300", format!("client connections exceeded ({setting})"));
        ProxyError::Refused(Box::new(error.with_hint(format!(
            "{setting} of {whose} is {maximum}; raise it, or close connections that are not used."
        ))))
    })
}
