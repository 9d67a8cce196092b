//! Sizes of pools, and maxima of connections: of all, of a database, of a user.

use std::num::NonZeroU32;
use std::time::Duration;

use super::resolve::Reader;
use super::used::Settings;
use super::values;
use super::written::Section;

/// What `[databases.NAME]` may say of sizes and maxima; 0 of a maximum is none. What it does not say
/// is as in the settings for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseLimits {
    /// Server connections a pool may have.
    pub pool_size: Option<NonZeroU32>,
    /// Server connections kept open in a pool.
    pub min_pool_size: Option<u32>,
    /// Server connections beyond the pool's size.
    pub reserve_pool_size: Option<u32>,
    /// Age at which a server connection is closed when it is next free.
    pub server_lifetime: Option<Duration>,
    /// Server connections of all its pools.
    pub max_db_connections: Option<u32>,
    /// Clients of all its pools.
    pub max_db_client_connections: Option<u32>,
}

/// What `[users.NAME]` may say of sizes and maxima, before what the database says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserLimits {
    /// Server connections a pool of the user may have.
    pub pool_size: Option<NonZeroU32>,
    /// Server connections beyond the pool's size.
    pub reserve_pool_size: Option<u32>,
    /// Server connections that log in as the user.
    pub max_user_connections: Option<u32>,
    /// Clients that have logged in as the user.
    pub max_user_client_connections: Option<u32>,
}

/// Sizes and maxima of one pool; a maximum that is none is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Server connections allowed, the reserve aside.
    pub pool_size: NonZeroU32,
    /// Server connections kept open.
    pub min_pool_size: u32,
    /// Server connections of the reserve.
    pub reserve_pool_size: u32,
    /// Age at which a server connection is closed when it is next free.
    pub server_lifetime: Duration,
    /// Server connections of all pools of the database.
    pub max_db_connections: Option<u32>,
    /// Clients of all pools of the database.
    pub max_db_client_connections: Option<u32>,
    /// Server connections of all pools that log in as the same user.
    pub max_user_connections: Option<u32>,
    /// Clients that have logged in as the same user.
    pub max_user_client_connections: Option<u32>,
}

impl DatabaseLimits {
    pub(super) fn read(reader: &mut Reader, at: (&str, &Section)) -> Self {
        Self {
            pool_size: reader.key(at, "pool_size", values::count),
            min_pool_size: reader.key(at, "min_pool_size", values::number),
            reserve_pool_size: reader.key(at, "reserve_pool_size", values::number),
            server_lifetime: reader.key(at, "server_lifetime", values::duration),
            max_db_connections: reader.key(at, "max_db_connections", values::number),
            max_db_client_connections: reader.key(at, "max_db_client_connections", values::number),
        }
    }
}

impl UserLimits {
    pub(super) fn read(reader: &mut Reader, at: (&str, &Section)) -> Self {
        Self {
            pool_size: reader.key(at, "pool_size", values::count),
            reserve_pool_size: reader.key(at, "reserve_pool_size", values::number),
            max_user_connections: reader.key(at, "max_user_connections", values::number),
            max_user_client_connections: reader.key(
                at,
                "max_user_client_connections",
                values::number,
            ),
        }
    }
}

impl Settings {
    /// Sizes and maxima of the pool of a database and a user that logs in to the server as
    /// `user_there`.
    pub(super) fn limits(
        &self,
        database: &DatabaseLimits,
        user: &str,
        user_there: &str,
    ) -> PoolLimits {
        let of = |name: &str| self.users.get(name).map(|user| user.limits).unwrap_or_default();
        let (user, there) = (of(user), of(user_there));
        let pool_size = there.pool_size.or(database.pool_size).unwrap_or(self.default_pool_size);
        let maximum = |own: Option<u32>, of_all: Option<NonZeroU32>| match own {
            Some(own) => (own > 0).then_some(own),
            None => of_all.map(NonZeroU32::get),
        };
        PoolLimits {
            pool_size,
            min_pool_size: database
                .min_pool_size
                .unwrap_or(self.min_pool_size)
                .min(pool_size.get()),
            reserve_pool_size: there
                .reserve_pool_size
                .or(database.reserve_pool_size)
                .unwrap_or(self.reserve_pool_size),
            server_lifetime: database.server_lifetime.unwrap_or(self.server_lifetime),
            max_db_connections: maximum(database.max_db_connections, self.max_db_connections),
            max_db_client_connections: maximum(
                database.max_db_client_connections,
                self.max_db_client_connections,
            ),
            max_user_connections: maximum(there.max_user_connections, self.max_user_connections),
            max_user_client_connections: maximum(
                user.max_user_client_connections,
                self.max_user_client_connections,
            ),
        }
    }

    /// Databases with the user that is known to use them, where some server connections are to be
    /// kept open: their pools can be filled before the first client comes.
    #[must_use]
    pub fn warm_pools(&self) -> Vec<(String, String)> {
        let forced = self
            .databases
            .iter()
            .filter_map(|(name, database)| Some((name.clone(), database.forced_user.clone()?)));
        let of_urls = self
            .upstreams
            .iter()
            .filter_map(|upstream| Some((upstream.dbname.clone()?, upstream.user.clone()?)));
        let mut pools: Vec<_> = forced
            .chain(of_urls)
            .filter(|(database, user)| {
                self.pool(database, user).is_some_and(|pool| pool.limits.min_pool_size > 0)
            })
            .collect();
        pools.sort();
        pools.dedup();
        pools
    }
}
