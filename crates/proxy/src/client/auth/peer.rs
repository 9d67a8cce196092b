//! Peer authentication: the system knows who is at the other end of a Unix socket.

use nix::unistd::{Uid, User};
use wire::error_response::ErrorFields;

use super::Claim;
use crate::client::login::Talk;
use crate::error::ProxyError;
use crate::login_settings::LoginSettings;

/// Lets those in whom the system calls by the user's name, or by one that is mapped to it.
pub(super) async fn check(
    login: &LoginSettings,
    talk: &Talk,
    claim: Claim<'_>,
    map: Option<&str>,
) -> Result<(), ProxyError> {
    let name = match talk.stream.peer_uid() {
        // The system's list of users may be far away.
        Some(uid) => tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)))
            .await
            .ok()
            .and_then(Result::ok)
            .flatten()
            .map(|user| user.name),
        None => None,
    };
    let allowed = name.as_ref().is_some_and(|name| login.maps.allow(map, name, claim.user));
    if allowed {
        return Ok(());
    }
    let system = name.as_deref().unwrap_or("nobody it can name");
    tracing::info!(user = claim.user, system, map, "peer authentication failed");
    let said = format!("Peer authentication failed for user \"{}\"", claim.user);
    let error = ErrorFields::fatal("28000", said);
    Err(ProxyError::Refused(Box::new(error)))
}
