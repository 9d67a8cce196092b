use std::collections::BTreeMap;

use model::{Finding, Severity, SqlState};

use super::finding::{change, evidence, finding};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::count;

/// # `connect_failures`: connections cannot be made
///
/// **What it sees.** Clients that were refused before they were logged in, and server connections
/// that pgweir could not open, by SQLSTATE. It speaks from ten refused clients or three failed server
/// connections with one code on.
///
/// **Why it hurts.** Who cannot connect has no database at all. Where the server refuses pgweir, all
/// clients of the pool wait, and get an error after `query_wait_timeout`.
///
/// **How to fix.** It depends on the code; the finding says what it usually means. 53300: the
/// server's `max_connections` or pgweir's `max_client_conn` is reached. 28P01: a password is wrong,
/// most often one that was changed in one place only.
///
/// **How sure.** High: the failures were counted.
///
/// **Example.** The password of the user `web` was changed on the server, and one of four
/// applications was forgotten.
pub struct ConnectFailures;

thresholds! {
    /// When `connect_failures` speaks.
    ConnectFailuresThresholds {
        /// Clients refused with one code in the window. People mistype passwords.
        least_refused: Count = 10,
        /// Server connections that failed with one code in the window: one may be a restart.
        least_failed: Count = 3,
    }
}

impl Detector for ConnectFailures {
    fn name(&self) -> &'static str {
        "connect_failures"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.connect_failures;
        let refused = inputs.window.connections.refused.iter();
        let mut findings: Vec<_> = refused
            .filter(|(_, number)| **number >= thresholds.least_refused)
            .map(|(code, number)| self.refused(*code, *number))
            .collect();
        for (key, pool) in &inputs.window.pools {
            let failures = pool.connect_failures.iter();
            for (code, number) in failures.filter(|(_, n)| **n >= thresholds.least_failed) {
                let waited_ms = pool.wait.sum_ms();
                let mut finding = self.failed(*code, *number, &key.to_string());
                finding.database = Some(key.database.to_string());
                finding.harm_ms = waited_ms;
                findings.push(finding);
            }
        }
        findings
    }
}

impl ConnectFailures {
    fn refused(&self, code: SqlState, number: u64) -> Finding {
        let (meaning, advice) = meaning(code, false);
        Finding {
            evidence: self.numbers(code, number),
            fix: change(advice),
            ..finding(
                self.name(),
                Severity::Critical,
                format!("{} clients were refused: {meaning} ({code})", count(number as f64)),
                "Who is refused has no database at all; most applications try again at once, which \
                 costs a password check each time"
                    .to_owned(),
            )
        }
    }

    fn failed(&self, code: SqlState, number: u64, pool: &str) -> Finding {
        let (meaning, advice) = meaning(code, true);
        Finding {
            evidence: self.numbers(code, number),
            fix: change(advice),
            ..finding(
                self.name(),
                Severity::Critical,
                format!(
                    "{} server connections of pool {pool} could not be opened: {meaning} ({code})",
                    count(number as f64)
                ),
                "Clients of the pool wait for the connections that are left, and get an error when \
                 query_wait_timeout is over"
                    .to_owned(),
            )
        }
    }

    fn numbers(&self, code: SqlState, number: u64) -> BTreeMap<String, model::Evidence> {
        evidence([("sqlstate", code.as_str().into()), ("failures", number.into())])
    }
}

/// What a code means here, and what to do (PostgreSQL manual, appendix A).
fn meaning(code: SqlState, by_server: bool) -> (&'static str, &'static str) {
    match (code.as_str(), by_server) {
        ("28P01" | "28000", false) => (
            "wrong password, or not allowed to log in",
            "Compare the application's password with pgweir's auth_file, [users] or auth_query. \
             pgweir's log names the address and the user of each.",
        ),
        ("28P01" | "28000", true) => (
            "the server does not accept pgweir's password",
            "Compare the password in the URL, in [users] or in auth_file with the server's, and \
             look at its pg_hba.conf.",
        ),
        ("53300", false) => (
            "too many clients",
            "max_client_conn, or the limit of the user or the database, is reached. Raise it, or \
             see which application opens so many (SHOW CLIENTS).",
        ),
        ("53300", true) => (
            "the server has too many connections",
            "The pools together want more than the server's max_connections. Lower \
             default_pool_size, or see who else connects to the server.",
        ),
        ("3D000", _) => (
            "the database does not exist",
            "Compare the name in the application's URL with [databases] and with the server's.",
        ),
        ("57P03" | "57P01" | "57P02", _) => (
            "the server starts, stops, or is stopped",
            "Look at the server's log. pgweir connects again by itself when it is back.",
        ),
        ("08006" | "08001" | "08004", _) => (
            "the server cannot be reached",
            "Look whether the server runs, and at the network between it and pgweir. The log of \
             pgweir has the system's words for it.",
        ),
        _ => (
            "see appendix A of the PostgreSQL manual",
            "The log of pgweir has the message that came with it.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use model::{ConnectionEvent, Event, PoolKey};

    use super::*;
    use crate::scene::Scene;

    fn detect(refused: u64, failed: u64, code: &str) -> Vec<Finding> {
        let mut scene = Scene::new();
        let sqlstate = SqlState::from_bytes(code.as_bytes());
        let pool = PoolKey { database: "shop".into(), user: "web".into() };
        let refused = (0..refused).map(|_| ConnectionEvent::Refused { pool: None, sqlstate });
        let failed =
            (0..failed).map(|_| ConnectionEvent::ServerFailed { pool: pool.clone(), sqlstate });
        for event in refused.chain(failed) {
            scene.aggregator.apply(
                &mut Event::Connection(event),
                scene.now(),
                &scene.shapes,
                &scene.labels,
            );
        }
        scene.look(|inputs| ConnectFailures.detect(inputs))
    }

    #[test]
    fn both_sides_are_told_apart() {
        let clients = detect(10, 0, "28P01");
        assert!(clients[0].title.starts_with("10 clients were refused"), "{}", clients[0].title);
        let server = detect(0, 3, "28P01");
        assert!(server[0].title.contains("pool shop/web"), "{}", server[0].title);
        assert!(server[0].title.contains("pgweir's password"), "{}", server[0].title);
        assert_eq!(server[0].severity, Severity::Critical);
    }

    #[test]
    fn a_few_are_quiet() {
        assert!(detect(9, 2, "28P01").is_empty());
    }
}
