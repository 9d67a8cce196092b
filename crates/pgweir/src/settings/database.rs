//! Databases and users, and the one question that the data path asks of them.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use model::{PoolMode, Priority, UserStatus};
use proxy::{ServerTlsFiles, Timeouts, Wish};

use super::authentication::LookupKeys;
use super::hosts::{HostChoice, HostList};
use super::limits::{DatabaseLimits, PoolLimits, UserLimits};
use super::password::{Password, Secret};
use super::upstream::Upstream;
use super::used::Settings;

/// A database that clients may name, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Host names or addresses of its server, with their ports.
    pub hosts: HostList,
    /// Which of them will do.
    pub choice: HostChoice,
    /// Its name on the server; none is the name that the client used.
    pub dbname: Option<String>,
    /// How connections to its server are encrypted.
    pub tls: ServerTlsFiles,
    /// The user that every server connection logs in as, whoever the client is.
    pub forced_user: Option<String>,
    /// Password of `forced_user`.
    pub forced_password: Option<Secret>,
    /// Who asks about users that want to come here, where it is not as for all.
    pub lookup: LookupKeys,
    /// Sizes and maxima of its pools.
    pub limits: DatabaseLimits,
    /// Mode of its pools, where not `pool_mode`.
    pub pool_mode: Option<PoolMode>,
    /// What is run on each of its server connections first.
    pub connect_query: Option<String>,
    /// Settings that its server connections ask for at login, by name.
    pub startup: Vec<(String, String)>,
}

/// A user that clients may log in as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// What checks the client and, where it can, logs in to the server.
    pub password: Option<Password>,
    /// Mode of this user's pools, before that of the database.
    pub pool_mode: Option<PoolMode>,
    /// Sizes and maxima of this user's pools.
    pub limits: UserLimits,
    /// What the user has of its own; zero is none.
    pub timeouts: UserTimeouts,
    /// How urgent its queries are, where anybody says so.
    pub priority: Option<Priority>,
}

/// Timeouts of a user's own; none leaves it to the general setting, zero is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserTimeouts {
    /// `query_timeout`.
    pub query: Option<Duration>,
    /// `transaction_timeout`.
    pub transaction: Option<Duration>,
    /// `idle_transaction_timeout`.
    pub idle_transaction: Option<Duration>,
    /// `client_idle_timeout`.
    pub client_idle: Option<Duration>,
}

impl Settings {
    /// Users that are known by name, of `auth_file` too, as SHOW USERS prints them: what is set for
    /// them alone, and maxima, which are those for all where a user has none of its own.
    #[must_use]
    pub fn user_status(&self) -> Vec<UserStatus> {
        let listed = self.authentication.userlist.keys();
        let names: BTreeSet<&String> = self.users.keys().chain(listed).collect();
        let status = |name: &String| {
            let user = self.users.get(name);
            let limits = user.map(|user| user.limits).unwrap_or_default();
            let bound = |own: Option<u32>, of_all: Option<NonZeroU32>| match own {
                Some(own) => (own > 0).then_some(own),
                None => of_all.map(NonZeroU32::get),
            };
            UserStatus {
                name: name.clone(),
                pool_size: limits.pool_size.map(NonZeroU32::get),
                reserve_pool_size: limits.reserve_pool_size,
                pool_mode: user.and_then(|user| user.pool_mode),
                max_connections: bound(limits.max_user_connections, self.max_user_connections),
                max_client_connections: bound(
                    limits.max_user_client_connections,
                    self.max_user_client_connections,
                ),
            }
        };
        names.into_iter().map(status).collect()
    }
}

/// All that a pool of server connections needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Host names or addresses of the server, with their ports.
    pub hosts: HostList,
    /// Which of them will do.
    pub wish: Wish,
    /// The database to log in to.
    pub dbname: String,
    /// The user to log in as.
    pub user: String,
    /// What to log in with; none where the server should not ask.
    pub password: Option<Password>,
    /// How connections to the server are encrypted.
    pub tls: ServerTlsFiles,
    /// What is run on each server connection first.
    pub connect_query: Option<String>,
    /// Settings that server connections ask for at login, by name.
    pub startup: Vec<(String, String)>,
    /// Sizes and maxima.
    pub limits: PoolLimits,
    /// Whether the database is not configured by name.
    pub on_demand: bool,
    /// Whether every server connection of the database logs in as `user`, whoever the client is.
    pub forced_user: bool,
    /// When a server connection goes back to the pool.
    pub pool_mode: PoolMode,
    /// How long its clients may take over what.
    pub timeouts: Timeouts,
}

/// How users that are not configured are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The server, the database there, and as whom.
    pub server: PoolSettings,
    /// What is asked.
    pub query: String,
}

impl Settings {
    /// The pool that a client gets who asks for `database` as `user`; none if there is no such
    /// database. Whether the client is that user is another question: see [`Self::users`].
    #[must_use]
    pub fn pool(&self, database: &str, user: &str) -> Option<PoolSettings> {
        let found = self.databases.get(database).or(self.fallback.as_ref())?;
        let account = self.users.get(user);
        let user_there = found.forced_user.as_deref().unwrap_or(user);
        let password = match &found.forced_password {
            Some(password) => Some(Password::Plain(password.clone())),
            None => self.server_password(found, user_there),
        };
        Some(PoolSettings {
            hosts: found.hosts.clone(),
            wish: found.choice.wish(&found.hosts),
            dbname: found.dbname.clone().unwrap_or_else(|| database.to_owned()),
            user: user_there.to_owned(),
            password,
            tls: found.tls.clone(),
            connect_query: found.connect_query.clone(),
            startup: found.startup.clone(),
            limits: self.limits(&found.limits, user, user_there),
            on_demand: !self.databases.contains_key(database),
            forced_user: found.forced_user.is_some(),
            pool_mode: account
                .and_then(|user| user.pool_mode)
                .or(found.pool_mode)
                .unwrap_or(self.pool_mode),
            timeouts: self.timeouts(account.map(|user| user.timeouts).unwrap_or_default()),
        })
    }

    fn timeouts(&self, own: UserTimeouts) -> Timeouts {
        let choose = |own: Option<Duration>, general: Option<Duration>| match own {
            Some(own) => (!own.is_zero()).then_some(own),
            None => general,
        };
        Timeouts {
            query: choose(own.query, self.query_timeout),
            transaction: choose(own.transaction, self.transaction_timeout),
            idle_transaction: choose(own.idle_transaction, self.idle_transaction_timeout),
            client_idle: choose(own.client_idle, self.client_idle_timeout),
            query_wait_notify: self.query_wait_notify,
        }
    }

    /// The URL's password for the URL's user on the URL's server, else the user's own.
    fn server_password(&self, database: &Database, user: &str) -> Option<Password> {
        let of_url = self.upstreams.iter().find(|upstream| {
            upstream.user.as_deref() == Some(user) && upstream.hosts == database.hosts
        });
        match of_url.and_then(|upstream| upstream.password.clone()) {
            Some(password) => Some(Password::Plain(password)),
            None => self.password(user).cloned(),
        }
    }

    /// What a user's password is checked against: the configuration outranks the userlist.
    #[must_use]
    pub fn password(&self, user: &str) -> Option<&Password> {
        let configured = self.users.get(user).and_then(|user| user.password.as_ref());
        configured.or_else(|| self.authentication.userlist.get(user))
    }

    /// Whether any server is asked about users.
    #[must_use]
    pub fn asks_about_users(&self) -> bool {
        let known = self.databases.values().chain(&self.fallback);
        known.into_iter().any(|database| self.auth_user(database).is_some())
    }

    /// Who is asked about users that want to go to `database`; none if nobody is. About those who
    /// want to go to the admin console, the server of `auth_dbname` or of any other database is.
    #[must_use]
    pub fn lookup(&self, database: &str) -> Option<Lookup> {
        let all = &self.authentication.lookup;
        let by_name = |name: &str| self.databases.get(name);
        let console = matches!(database, "pgweir" | "pgbouncer");
        let asks = |database: &&Database| self.auth_user(database).is_some();
        let found = by_name(database).or(self.fallback.as_ref()).or_else(|| {
            let instead = all.auth_dbname.as_deref().and_then(by_name);
            instead.or_else(|| self.databases.values().find(asks)).filter(|_| console)
        })?;
        let user = self.auth_user(found)?;
        let dbname = found.lookup.auth_dbname.as_ref().or(all.auth_dbname.as_ref());
        let place = dbname.and_then(|name| by_name(name)).unwrap_or(found);
        let of_url = self.upstreams.iter().find(|upstream| upstream.hosts == place.hosts);
        let dbname = match dbname {
            Some(name) => by_name(name).and_then(|named| named.dbname.as_ref()).or(dbname),
            None => found.dbname.as_ref().or(of_url.and_then(|upstream| upstream.dbname.as_ref())),
        };
        let server = PoolSettings {
            hosts: place.hosts.clone(),
            wish: Wish::default(),
            dbname: dbname.map_or_else(|| "postgres".to_owned(), Clone::clone),
            user: user.to_owned(),
            password: self.server_password(place, user),
            tls: place.tls.clone(),
            connect_query: None,
            startup: Vec::new(),
            limits: self.limits(&place.limits, user, user),
            on_demand: true,
            forced_user: false,
            pool_mode: PoolMode::Session,
            timeouts: self.timeouts(UserTimeouts::default()),
        };
        let query = found.lookup.auth_query.as_ref().or(all.auth_query.as_ref())?.clone();
        Some(Lookup { server, query })
    }

    /// Who asks about users that want to go there: as the database says, or the settings, or the
    /// URL's user on the URL's server.
    fn auth_user<'a>(&'a self, database: &'a Database) -> Option<&'a str> {
        let written = database.lookup.auth_user.as_deref();
        written.or(self.authentication.lookup.auth_user.as_deref()).or_else(|| {
            let here = |upstream: &&Upstream| upstream.hosts == database.hosts;
            self.upstreams.iter().find(here)?.user.as_deref()
        })
    }
}
