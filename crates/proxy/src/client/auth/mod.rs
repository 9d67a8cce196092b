//! Who a client is: the way in which it must prove it, and the proof.

mod certificate;
mod exchange;
mod peer;
mod secrets;
mod verifiers;
mod way;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::FailedLogins;
use access::hba::Method;
use parking_lot::Mutex;
use wire::auth::MockSeed;
use wire::error_response::ErrorFields;

use super::login::Talk;
use crate::error::ProxyError;
use crate::hosts::Clusters;
use crate::login_settings::LoginSettings;
use crate::lookup::Lookups;
use crate::server::Learned;
use verifiers::Verifiers;

/// What a client claims to be, and how it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub(super) user: &'a str,
    pub(super) database: &'a str,
    pub(super) to_console: bool,
    /// Whether it wants to replicate the whole server.
    pub(super) replication: bool,
    /// None is a Unix socket.
    pub(super) address: Option<IpAddr>,
    pub(super) encrypted: bool,
}

/// Checks who clients are.
#[derive(Debug)]
pub(crate) struct Authenticator {
    seed: MockSeed,
    verifiers: Verifiers,
    lookups: Lookups,
    failed: Mutex<FailedLogins>,
}

impl Authenticator {
    pub(crate) fn new(clusters: Arc<Clusters>) -> Self {
        let seed = MockSeed::new(rand::random());
        Self {
            verifiers: Verifiers::new(seed.clone()),
            seed,
            lookups: Lookups::new(clusters),
            failed: Mutex::default(),
        }
    }

    /// Runs the exchange up to, and without, AuthenticationOk. Returns what was learned from it that
    /// is good for a login to the server.
    ///
    /// # Errors
    /// [`ProxyError::Rejected`] if the proof is wrong; [`ProxyError::Refused`] if none would help.
    pub(super) async fn authenticate(
        &self,
        login: &LoginSettings,
        talk: &mut Talk,
        claim: Claim<'_>,
    ) -> Result<Option<Learned>, ProxyError> {
        let way =
            way::decide(login, claim).map_err(|error| ProxyError::Refused(Box::new(error)))?;
        certificate::check(login, talk, claim, &way)?;
        let learned = match way.method {
            // A certificate has been looked at.
            Method::Trust | Method::Cert => None,
            Method::Peer => {
                peer::check(login, talk, claim, way.map.as_deref()).await?;
                None
            }
            Method::Reject => {
                let error = ErrorFields::fatal("28000", "connection rejected");
                return Err(ProxyError::Refused(Box::new(error)));
            }
            Method::Password | Method::Md5 | Method::ScramSha256 => {
                self.check_password(login, talk, claim, way.method).await?
            }
        };
        self.failed.lock().succeeded(claim.address, claim.user);
        Ok(learned)
    }

    /// How long a client whose proof was wrong waits for the answer.
    pub(super) fn pause_after_failure(&self, address: Option<IpAddr>, user: &str) -> Duration {
        self.failed.lock().failed(address, user, Instant::now(), rand::random())
    }

    /// Makes what is expensive to make before anybody waits for it, and forgets what was asked of
    /// servers.
    pub(crate) fn prepare(&self, login: &LoginSettings) {
        self.lookups.forget();
        self.verifiers.prepare(&login.users);
    }
}
