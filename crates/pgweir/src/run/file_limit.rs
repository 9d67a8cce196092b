//! How many files the process may have open: each client and each server connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Server connections and everything else that is not a client.
const OTHERS: u64 = 500;

/// Raises the soft limit to the hard one, which any process may. The soft one is commonly 1,024, for
/// programs that use select(2).
///
/// Returns what to warn of: `max_client_conn` clients do not fit.
pub(super) fn raise(max_client_conn: u64) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    // Refused where the hard limit is none (macOS): then the soft one stays.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    shortfall(files, max_client_conn)
}

/// How many files the process may have open; none is no limit.
pub(super) fn files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

fn shortfall(files: Option<u64>, max_client_conn: u64) -> Option<String> {
    let files = files.filter(|files| *files < max_client_conn.saturating_add(OTHERS))?;
    Some(format!(
        "this process may open {files} files, and each connection is one: max_client_conn \
         {max_client_conn} cannot be reached; raise the hard limit (`LimitNOFILE=` of a systemd \
         unit, `ulimit -Hn`), or lower max_client_conn"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_do_not_fit_are_warned_of() {
        assert_eq!(shortfall(None, 10_000), None);
        assert_eq!(shortfall(Some(20_000), 10_000), None);
        let warning = shortfall(Some(4_096), 10_000).unwrap_or_default();
        assert!(warning.contains("4096 files") && warning.contains("max_client_conn 10000"));
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
