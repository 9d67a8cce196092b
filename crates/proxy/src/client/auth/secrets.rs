//! What a user's password is checked against.

use wire::auth::Secret;
use wire::error_response::ErrorFields;

use super::{Authenticator, Claim};
use crate::login_settings::LoginSettings;

/// What is known of a user.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// What its password is checked against.
    Secret(Secret),
    /// There is no such user, or none that may log in by password.
    Nobody,
    /// It cannot be found out now; the client is told this, whatever its password.
    Unavailable(Box<ErrorFields>),
}

impl Known {
    pub(super) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Nobody | Self::Unavailable(_) => None,
        }
    }
}

impl Authenticator {
    /// Users that are configured are not asked for: the configuration outranks the server.
    pub(super) async fn known(&self, login: &LoginSettings, claim: Claim<'_>) -> Known {
        if claim.to_console
            && let Some((own, secret)) = &login.own_user
            && own == claim.user
        {
            return Known::Secret(secret.clone());
        }
        if let Some(secret) = login.users.get(claim.user) {
            return Known::Secret(secret.clone());
        }
        let Some(target) = (login.find_lookup)(claim.database) else { return Known::Nobody };
        match self.lookups.ask(target, claim.user).await {
            Ok(Some(secret)) => Known::Secret(secret),
            Ok(None) => Known::Nobody,
            Err(error) => Known::Unavailable(error),
        }
    }
}
