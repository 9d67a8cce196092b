//! How many files the process may have open: each client and each server connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::settings::Settings;

/// What is neither a client nor a server connection of a pool, and what is kept for pools that nobody
/// knows of beforehand.
const OTHERS: u64 = 500;

/// Raises the soft limit to the hard one, which any process may. The soft one is commonly 1,024, for
/// programs that use select(2).
///
/// Returns what to warn of: `max_client_conn` clients do not fit.
pub(super) fn raise(settings: &Settings) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    // Refused where the hard limit is none (macOS): then the soft one stays.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    shortfall(files, settings)
}

/// How many files the process may have open; none is no limit.
pub(super) fn files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Clients that there are files for, when the pools have theirs: a client more would take what those
/// before it need to be served.
pub(super) fn room_for_clients(settings: &Settings) -> usize {
    usize::try_from(room(files(), settings)).unwrap_or(usize::MAX)
}

fn room(files: Option<u64>, settings: &Settings) -> u64 {
    let Some(files) = files else { return u64::MAX };
    // Where there are few, half of them.
    files - others(settings).min(files / 2)
}

/// Files that are not for clients: those of configured databases' pools, as if each had one, at least.
fn others(settings: &Settings) -> u64 {
    let pools = settings.databases.values().map(|database| {
        let limits = &database.limits;
        let size = limits.pool_size.unwrap_or(settings.default_pool_size).get();
        u64::from(size.max(limits.max_db_connections.unwrap_or_default()))
    });
    OTHERS.max(pools.sum::<u64>().saturating_add(OTHERS / 5))
}

fn shortfall(files: Option<u64>, settings: &Settings) -> Option<String> {
    let most = u64::from(settings.max_client_conn.get());
    let room = room(files, settings);
    let files = files.filter(|_| room < most)?;
    Some(format!(
        "this process may open {files} files, and each connection is one: of max_client_conn {most} \
         clients no more than {room} are let in; raise the hard limit (`LimitNOFILE=` of a systemd \
         unit, `ulimit -Hn`), or lower max_client_conn"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Database;

    fn settings(pools: u32) -> Settings {
        let mut settings = Settings::default();
        let upstream = crate::settings::Upstream::parse("postgres://h/x").unwrap().0;
        for number in 0..pools {
            let database = Database {
                hosts: upstream.hosts.clone(),
                choice: upstream.choice,
                dbname: None,
                tls: settings.server_tls.clone(),
                forced_user: None,
                forced_password: None,
                lookup: crate::settings::LookupKeys::default(),
                limits: crate::settings::DatabaseLimits::default(),
                pool_mode: None,
                connect_query: None,
                startup: Vec::new(),
            };
            settings.databases.insert(format!("db{number}"), database);
        }
        settings
    }

    #[test]
    fn clients_that_do_not_fit_are_warned_of_and_not_let_in() {
        let settings = settings(0);
        assert_eq!(shortfall(None, &settings), None);
        assert_eq!(shortfall(Some(20_000), &settings), None);
        let warning = shortfall(Some(4_096), &settings).unwrap_or_default();
        assert!(warning.contains("4096 files") && warning.contains("max_client_conn 10000"));
        assert!(warning.contains("no more than 3596 are let in"), "{warning}");
        assert_eq!(room(Some(64), &settings), 32, "half of few");
        assert_eq!(room(Some(0), &settings), 0);
    }

    #[test]
    fn pools_have_theirs_first() {
        // 100 databases of 20 connections, and 100 more.
        assert_eq!(room(Some(10_000), &settings(100)), 10_000 - 2_100);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise(&settings(0));
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
