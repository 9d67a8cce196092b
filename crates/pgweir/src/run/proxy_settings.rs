//! Settings of the data path, from those of the process.

use std::sync::Arc;
use std::time::Duration;

use model::PoolKey;
use proxy::{
    AuthType, FindLookup, FindPool, HostSettings, Listening, LoginSettings, LookupTarget, Maxima,
    Peer, PoolTarget, Priorities, ProxySettings, ServerAddress, TcpOptions, UnixSocketPlace,
};
use wire::auth::Secret;

use super::file_limit;
use super::local_admin::LOCAL_ADMIN;
use crate::settings::{self, LoadedTls, PoolSettings, Settings};

/// Connections that may be there without being logged in, however few clients there may be.
const LEAST_NOT_LOGGED_IN: u32 = 1_000;

/// A time that does not pass.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// The data path's part of the settings. `local_password` is that of the user in the file that
/// `pgweir report` reads.
pub(super) fn of(settings: &Arc<Settings>, tls: &LoadedTls, local_password: &str) -> ProxySettings {
    let directory = Arc::clone(settings);
    let find_pool: FindPool = {
        let tls = tls.clone();
        let tcp = settings.tcp;
        Arc::new(move |database, user| target(directory.pool(database, user)?, &tls, tcp))
    };
    let key = |(database, user): (String, String)| PoolKey {
        database: database.into(),
        user: user.into(),
    };
    let mut admin_users = settings.admin_users.clone();
    admin_users.push(LOCAL_ADMIN.to_owned());
    ProxySettings {
        listen: settings.listen.clone(),
        unix_socket: unix_socket(settings),
        listening: Listening {
            reuse_port: settings.fleet.so_reuseport,
            backlog: settings.fleet.listen_backlog.get(),
        },
        tcp: settings.tcp,
        proxy_protocol_from: settings.fleet.proxy_protocol_from.clone(),
        peer_id: settings.fleet.peer_id,
        peers: peers(settings),
        client_tls: tls.clients.clone(),
        find_pool,
        databases: settings.databases.keys().cloned().collect(),
        warm: settings.warm_pools().into_iter().map(key).collect(),
        login: login(settings, tls, local_password),
        admin_users,
        stats_users: settings.stats_users.clone(),
        max_client_conn: settings.max_client_conn.get() as usize,
        clients_that_fit: file_limit::room_for_clients(settings),
        max_not_logged_in: max_not_logged_in(settings),
        max_queue_age: settings.max_queue_age,
        low_priority_share: settings.low_priority_share,
        priorities: priorities(settings),
        max_wait_queue: settings.max_wait_queue.map(|limit| limit.get() as usize),
        share_unnamed_statements: settings.share_unnamed_statements,
        prepare_simple_queries: settings.prepare_simple_queries,
        max_prepared_statements: settings.max_prepared_statements.get() as usize,
        query_wait_timeout: settings.query_wait_timeout.unwrap_or(FOR_EVER),
        server_idle_timeout: settings.server_idle_timeout.unwrap_or(FOR_EVER),
        reserve_pool_timeout: settings.reserve_pool_timeout,
        server_round_robin: settings.server_round_robin,
        autodb_idle_timeout: settings.autodb_idle_timeout,
        server_connect_timeout: settings.server_connect_timeout,
        hosts: HostSettings {
            check_interval: settings.host_check_interval,
            check_timeout: settings.host_check_timeout,
            dns_max_ttl: settings.dns_max_ttl,
        },
        server_login_retry: settings.server_login_retry,
        client_login_timeout: settings.client_login_timeout.unwrap_or(FOR_EVER),
        cancel_wait_timeout: settings.cancel_wait_timeout.unwrap_or(FOR_EVER),
        shutdown_timeout: settings.shutdown_timeout,
        suspend_timeout: settings.suspend_timeout,
    }
}

fn priorities(settings: &Settings) -> Priorities {
    let users = settings.users.iter();
    let users = users.filter_map(|(name, user)| Some((name.clone(), user.priority?)));
    let applications = settings.applications.iter().map(|(name, of)| (name.clone(), *of));
    Priorities::new(users.collect(), applications.collect())
}

fn unix_socket(settings: &Settings) -> Option<UnixSocketPlace> {
    let socket = &settings.unix_socket;
    Some(UnixSocketPlace {
        directory: socket.directory.clone()?,
        port: socket.port,
        mode: socket.mode,
        group: socket.group.as_ref().map(|group| group.id),
    })
}

fn peers(settings: &Settings) -> Vec<Peer> {
    let peer = |(id, peer): (&proxy::PeerId, &settings::Peer)| Peer {
        id: *id,
        address: ServerAddress::new(&peer.host, peer.port),
        pool_size: settings.peer_pool_size(peer),
    };
    settings.fleet.peers.iter().map(peer).collect()
}

/// As many as may log in, who may all come at once, and no less than make room for strangers; but
/// never more than a part of the files that there are.
fn max_not_logged_in(settings: &Settings) -> usize {
    let clients = settings.max_client_conn.get().max(LEAST_NOT_LOGGED_IN);
    let files = file_limit::files().unwrap_or(u64::MAX) / 4;
    usize::try_from(files).unwrap_or(usize::MAX).clamp(1, clients as usize)
}

/// None if its TLS is not loaded; all that databases name is.
fn target(pool: PoolSettings, tls: &LoadedTls, tcp: TcpOptions) -> Option<PoolTarget> {
    let tls = tls.servers.get(&pool.tls)?.clone();
    Some(PoolTarget {
        hosts: pool.hosts.addresses(),
        wish: pool.wish,
        database: pool.dbname,
        user: pool.user,
        password: pool.password.map(|password| Secret::parse(password.reveal())),
        tls,
        tcp,
        connect_query: pool.connect_query,
        startup: pool.startup,
        size: pool.limits.pool_size.get(),
        min_size: pool.limits.min_pool_size,
        reserve_size: pool.limits.reserve_pool_size,
        server_lifetime: pool.limits.server_lifetime,
        mode: pool.pool_mode,
        maxima: Maxima {
            db_connections: pool.limits.max_db_connections,
            user_connections: pool.limits.max_user_connections,
            db_client_connections: pool.limits.max_db_client_connections,
            user_client_connections: pool.limits.max_user_client_connections,
        },
        on_demand: pool.on_demand,
        forced_user: pool.forced_user,
        timeouts: pool.timeouts,
    })
}

fn login(settings: &Arc<Settings>, tls: &LoadedTls, local_password: &str) -> LoginSettings {
    let tls = tls.clone();
    let directory = Arc::clone(settings);
    let (timeout, tcp) = (settings.server_connect_timeout, settings.tcp);
    let find_lookup: FindLookup = Arc::new(move |database| {
        let lookup = directory.lookup(database)?;
        let server = target(lookup.server, &tls, tcp)?;
        Some(LookupTarget { server, query: lookup.query.into(), timeout })
    });
    let names = settings.users.keys().chain(settings.authentication.userlist.keys());
    let users = names.filter_map(|name| {
        let password = settings.password(name)?;
        Some((name.clone(), Secret::parse(password.reveal())))
    });
    LoginSettings {
        auth_type: match settings.auth_type {
            settings::AuthType::Any => AuthType::Any,
            settings::AuthType::Trust => AuthType::Trust,
            settings::AuthType::Plain => AuthType::Plain,
            settings::AuthType::Md5 => AuthType::Md5,
            settings::AuthType::ScramSha256 => AuthType::ScramSha256,
            settings::AuthType::Cert => AuthType::Cert,
            settings::AuthType::Hba => AuthType::Hba,
        },
        rules: settings.authentication.rules.clone(),
        maps: settings.authentication.maps.clone(),
        trusted: settings.authentication.trusted.clone(),
        users: users.collect(),
        own_user: Some((LOCAL_ADMIN.to_owned(), Secret::Plain(local_password.to_owned()))),
        find_lookup,
    }
}
