//! What a client's TLS certificate shows of it.

use access::hba::{ClientCert, Method};
use wire::error_response::ErrorFields;

use super::Claim;
use super::way::Way;
use crate::client::login::Talk;
use crate::error::ProxyError;
use crate::login_settings::LoginSettings;

/// Lets those pass whose certificate shows what the way asks for.
pub(super) fn check(
    login: &LoginSettings,
    talk: &Talk,
    claim: Claim<'_>,
    way: &Way,
) -> Result<(), ProxyError> {
    let by_name = way.method == Method::Cert || way.client_cert == Some(ClientCert::VerifyFull);
    if !by_name && way.client_cert.is_none() {
        return Ok(());
    }
    let Some(certificate) = talk.stream.peer_certificate() else {
        let error = ErrorFields::fatal("28000", "connection requires a valid client certificate");
        return Err(ProxyError::Refused(Box::new(error)));
    };
    let name = certificate.common_name.as_deref();
    let map = way.map.as_deref();
    if !by_name || name.is_some_and(|name| login.maps.allow(map, name, claim.user)) {
        return Ok(());
    }
    tracing::info!(
        user = claim.user,
        certificate = certificate.distinguished_name,
        map,
        "certificate authentication failed"
    );
    let said = format!("certificate authentication failed for user \"{}\"", claim.user);
    Err(ProxyError::Refused(Box::new(ErrorFields::fatal("28000", said))))
}
