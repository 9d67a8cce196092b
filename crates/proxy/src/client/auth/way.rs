//! How this client must prove who it is.

use access::hba::{ClientCert, Connection, Interface, Method, Rule};
use wire::error_response::ErrorFields;

use super::Claim;
use crate::login_settings::{AuthType, LoginSettings};

/// How a client must prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) method: Method,
    pub(super) client_cert: Option<ClientCert>,
    pub(super) map: Option<String>,
}

impl From<Method> for Way {
    fn from(method: Method) -> Self {
        Self { method, client_cert: None, map: None }
    }
}

/// Says how, or why not at all.
pub(super) fn decide(login: &LoginSettings, claim: Claim<'_>) -> Result<Way, ErrorFields> {
    if claim.to_console && login.own_user.as_ref().is_some_and(|(own, _)| own == claim.user) {
        return Ok(Method::ScramSha256.into());
    }
    let method = match login.auth_type {
        AuthType::Trust if !is_trusted(login, claim) => {
            let error = ErrorFields::fatal("28P01", format!("no such user: {}", claim.user));
            return Err(error.with_hint("With auth_type trust, users must be in auth_file."));
        }
        AuthType::Any | AuthType::Trust => Method::Trust,
        AuthType::Plain => Method::Password,
        AuthType::Md5 => Method::Md5,
        AuthType::ScramSha256 => Method::ScramSha256,
        AuthType::Cert => Method::Cert,
        AuthType::Hba => return by_rule(login, claim),
    };
    Ok(method.into())
}

/// Whether trust is for this user too.
fn is_trusted(login: &LoginSettings, claim: Claim<'_>) -> bool {
    let listed = login.trusted.as_ref().is_none_or(|users| users.contains(claim.user));
    listed || (login.find_lookup)(claim.database).is_some()
}

fn by_rule(login: &LoginSettings, claim: Claim<'_>) -> Result<Way, ErrorFields> {
    let Claim { user, database, address, encrypted, replication, .. } = claim;
    let connection = Connection { database, user, address, encrypted, replication };
    match login.rules.find(connection, &interfaces) {
        None => Err(refusal(claim, "no pg_hba.conf entry for")),
        Some(Rule { method: Method::Reject, .. }) => {
            Err(refusal(claim, "pg_hba.conf rejects connection for"))
        }
        Some(rule) => {
            Ok(Way { method: rule.method, client_cert: rule.client_cert, map: rule.map.clone() })
        }
    }
}

/// In PostgreSQL's words (ClientAuthentication in auth.c), which administrators look for.
fn refusal(claim: Claim<'_>, why: &str) -> ErrorFields {
    let host = claim.address.map_or_else(|| "[local]".to_owned(), |address| address.to_string());
    let encryption = if claim.encrypted { "SSL encryption" } else { "no encryption" };
    let Claim { user, database, .. } = claim;
    let message = if claim.replication {
        format!("{why} replication connection from host \"{host}\", user \"{user}\", {encryption}")
    } else {
        format!("{why} host \"{host}\", user \"{user}\", database \"{database}\", {encryption}")
    };
    ErrorFields::fatal("28000", message)
}

/// This machine's addresses; none if the system does not say, and then samehost and samenet fit
/// nobody.
fn interfaces() -> Vec<Interface> {
    let Ok(addresses) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let ip = |storage: Option<nix::sys::socket::SockaddrStorage>| {
        let storage = storage?;
        let v4 = storage.as_sockaddr_in().map(|address| address.ip().into());
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| address.ip().into()))
    };
    addresses
        .filter_map(|found| {
            Some(Interface { address: ip(found.address)?, mask: ip(found.netmask) })
        })
        .collect()
}
