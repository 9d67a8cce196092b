//! Settings of the way in: who may log in, and how they prove who they are.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use access::IdentMaps;
use access::hba::Rules;
use pooling::hosts::Wish;
use wire::auth::Secret;

use crate::server::Upstream;
use crate::settings::PoolTarget;

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthType {
    /// They need not, and every server connection is somebody else's than theirs.
    Any,
    /// They need not.
    Trust,
    /// Password in clear text.
    Plain,
    /// MD5, or SCRAM for users whose secret is a SCRAM verifier.
    Md5,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// By the common name of their TLS certificate.
    Cert,
    /// As [`LoginSettings::rules`] say.
    Hba,
}

/// How the secrets of users that are not configured are asked for.
#[derive(Clone, Debug)]
pub struct LookupTarget {
    /// The server, and as whom; its `size` and `mode` mean nothing.
    pub server: PoolTarget,
    /// Returns the user's name and secret, or no row; `$1` is the name.
    pub query: Arc<str>,
    /// How long connecting, logging in and asking may take.
    pub timeout: Duration,
}

impl LookupTarget {
    pub(crate) fn upstream(&self) -> Upstream {
        // A standby knows the users too.
        let server = PoolTarget { wish: Wish::default(), ..self.server.clone() };
        Upstream::new(server, self.timeout, self.timeout, 0)
    }
}

/// Says who is asked about users that want to go to this database, if anybody is.
pub type FindLookup = Arc<dyn Fn(&str) -> Option<LookupTarget> + Send + Sync>;

/// Who may log in, and how they prove who they are.
#[derive(Clone)]
pub struct LoginSettings {
    /// How clients prove who they are.
    pub auth_type: AuthType,
    /// The lines of the HBA file, for [`AuthType::Hba`].
    pub rules: Rules,
    /// Whom a name of the system or of a certificate may log in as.
    pub maps: IdentMaps,
    /// With [`AuthType::Trust`], who may log in besides those whom somebody is asked about; none: anybody.
    pub trusted: Option<BTreeSet<String>>,
    /// Users that are configured, and what their passwords are checked against.
    pub users: HashMap<String, Secret>,
    /// A user of our own, who may log in to the admin console by SCRAM whatever the rules say.
    pub own_user: Option<(String, Secret)>,
    /// Finds out about all other users.
    pub find_lookup: FindLookup,
}

impl std::fmt::Debug for LoginSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginSettings").field("auth_type", &self.auth_type).finish_non_exhaustive()
    }
}
