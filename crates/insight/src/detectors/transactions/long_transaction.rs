use std::collections::BTreeMap;
use std::time::Duration;

use model::{Finding, FingerprintId, Severity, ShapeId};

use super::finding::{change, evidence, finding};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms};

/// # `long_transaction`: a transaction has been open for a long time
///
/// **What it sees.** How long transactions last, those that are open now too, by application. It
/// speaks from two minutes on (warning), and from thirty on critically. A client that is silent
/// inside of its transaction is `idle_in_transaction`.
///
/// **Why it hurts.** Every row that was changed since the transaction began is kept twice, since the
/// transaction might still want to see it: tables grow, and all statements on them get slower. What
/// it has locked stays locked, and its server connection is nobody else's.
///
/// **How to fix.** Divide the work: change some thousand rows in each transaction, and commit. Move
/// reports to a replica. As a net: `query_timeout` and `transaction_timeout` in pgweir's settings,
/// for those users whose transactions ought to be short.
///
/// **How sure.** High: the time was measured.
///
/// **Example.** A nightly clean-up deletes thirty million rows with one statement. Until it is done,
/// VACUUM can remove nothing in any table of the database.
pub struct LongTransaction;

thresholds! {
    /// When `long_transaction` speaks.
    LongTransactionThresholds {
        /// A transaction this long is a warning: reports and index builds are usually shorter.
        warning: Duration = Duration::from_secs(120),
        /// A transaction this long is critical: busy tables have grown notably by then.
        critical: Duration = Duration::from_secs(1800),
    }
}

/// The long transactions of one application.
#[derive(Default)]
struct Long {
    longest: Duration,
    open: u64,
    statement: Option<ShapeId>,
}

impl Detector for LongTransaction {
    fn name(&self) -> &'static str {
        "long_transaction"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.long_transaction;
        let mut by_client: BTreeMap<(String, String, String), Long> = BTreeMap::new();
        for (id, stats) in &inputs.window.transactions {
            let longest = Duration::from_secs_f64(stats.block_duration.max_ms() / 1e3);
            // Mostly silent: another detector's.
            let silent = stats.longest_idle * 2 >= longest;
            if let Some(labels) = inputs.snapshot.labels.get(id)
                && longest >= thresholds.warning
                && !silent
            {
                let key = (&labels.database, &labels.user, &labels.application);
                let long = by_client.entry(key_of(key.0, key.1, key.2)).or_default();
                long.longest = long.longest.max(longest);
            }
        }
        for open in &inputs.snapshot.open_transactions {
            let now = inputs.snapshot.taken_at;
            let age = Duration::try_from(now.duration_since(open.began)).unwrap_or_default();
            if age < thresholds.warning || open.silent_since.is_some() {
                continue;
            }
            let key = key_of(&open.pool.database, &open.pool.user, &open.application);
            let long = by_client.entry(key).or_default();
            long.open += 1;
            if age > long.longest || long.statement.is_none() {
                long.statement = Some(open.statement);
            }
            long.longest = long.longest.max(age);
        }
        by_client.iter().map(|(key, long)| self.finding(key, long, inputs)).collect()
    }
}

fn key_of(database: &str, user: &str, application: &str) -> (String, String, String) {
    (database.to_owned(), user.to_owned(), application.to_owned())
}

impl LongTransaction {
    fn finding(
        &self,
        (database, user, application): &(String, String, String),
        long: &Long,
        inputs: &Inputs<'_>,
    ) -> Finding {
        let thresholds = &inputs.settings.of.long_transaction;
        let critical = long.longest >= thresholds.critical;
        let longest_ms = long.longest.as_secs_f64() * 1e3;
        let who = match application.as_str() {
            "" => format!("user {user}"),
            name => format!("application {name}"),
        };
        let statement: Option<FingerprintId> =
            long.statement.and_then(|shape| inputs.fingerprint_of(shape));
        let place = statement.map_or_else(String::new, |id| {
            format!(" The oldest that is open now runs: {}.", inputs.title_text(id))
        });
        let state = match long.open {
            0 => "it has ended by now".to_owned(),
            1 => "one is open now".to_owned(),
            many => format!("{} are open now", count(many as f64)),
        };
        Finding {
            evidence: evidence([
                ("longest_ms", longest_ms.into()),
                ("open_now", long.open.into()),
                ("user", user.as_str().into()),
            ]),
            fingerprints: statement.into_iter().collect(),
            database: Some(database.clone()),
            fix: change(format!(
                "Divide the work into transactions of some thousand rows, or move it to a replica.\
                 {place} `transaction_timeout` in [users.{user}] ends those that must be short."
            )),
            // It is not this client that pays.
            harm_ms: 0.0,
            ..finding(
                self.name(),
                if critical { Severity::Critical } else { Severity::Warning },
                format!("{who} has transactions of up to {}", duration_ms(longest_ms)),
                format!(
                    "A transaction lasted {} ({state}). Rows changed meanwhile, in any table of \
                     {database}, cannot be cleaned up until it ends, and what it has locked stays \
                     locked",
                    duration_ms(longest_ms)
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{ClientId, OpenTransaction, PoolKey};

    use super::*;
    use crate::scene::Scene;

    const DELETE: &str = "DELETE FROM visits WHERE day < $1";

    fn ended(work_ms: u64, idle_ms: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        scene.begin();
        scene.statement(DELETE).work_ms(work_ms).run();
        scene.idle(idle_ms);
        scene.commit();
        scene.look(|inputs| LongTransaction.detect(inputs))
    }

    fn open(seconds: u64, silent: bool) -> Vec<Finding> {
        let mut scene = Scene::new();
        scene.statement(DELETE).run();
        scene.pause(seconds * 1_000);
        let statement = scene.shapes.observe_one(DELETE.as_bytes()).shape.id;
        let began = scene.now() - Duration::from_secs(seconds);
        scene.aggregator.note_open_transactions(vec![OpenTransaction {
            client: ClientId(1),
            pool: PoolKey { database: "shop".into(), user: "web".into() },
            application: "cleaner".into(),
            began,
            silent_since: silent.then_some(began),
            statement,
        }]);
        scene.look(|inputs| LongTransaction.detect(inputs))
    }

    #[test]
    fn two_minutes_are_a_warning_and_half_an_hour_is_critical() {
        assert_eq!(ended(125_000, 0)[0].severity, Severity::Warning);
        let findings = open(1_801, false);
        assert_eq!(findings[0].severity, Severity::Critical);
        let advice = findings[0].fix.advice.as_deref().unwrap_or_default();
        assert!(advice.contains("runs: DELETE FROM visits"), "{advice}");
    }

    #[test]
    fn shorter_ones_and_silent_ones_are_quiet() {
        assert!(ended(110_000, 0).is_empty());
        assert!(ended(10, 125_000).is_empty(), "idle_in_transaction's business");
        assert!(open(119, false).is_empty());
        assert!(open(600, true).is_empty());
    }
}
