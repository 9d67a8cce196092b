use std::collections::BTreeMap;

use model::{DatabaseFacts, Finding, Fix, HorizonHolder, NotChecked, ServerFacts, Severity};

use super::horizon::{named, release};
use crate::advisor::quoted;
use crate::detectors::catalogue::{blind, finding, list, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `wraparound`: the database will stop taking writes
///
/// **What it sees.** The age of the oldest transaction id that the database still holds
/// (`age(datfrozenxid)`), and the same of multixacts, as a share of the two thousand million there
/// are; the tables that hold it; and whoever keeps VACUUM from freezing them.
///
/// **Why it hurts.** Three million transactions before the end the server refuses every write, until
/// VACUUM has frozen the oldest tables, which takes hours.
///
/// **How to fix.** First end whoever holds VACUUM back, then VACUUM the oldest tables. Autovacuum tries
/// from `autovacuum_freeze_max_age` on; if it does not get there, it is too slow
/// (`autovacuum_vacuum_cost_limit`), or something stands in its way.
///
/// **How sure.** High: the age is exact.
///
/// **Privilege.** None beyond CONNECT; `pg_monitor` to see who holds VACUUM back.
///
/// **Example.** 1,700,000,000 of 2,147,483,648 transaction ids are used, because of a replication slot
/// that nobody reads.
pub struct Wraparound;

thresholds! {
    /// When `wraparound` speaks.
    WraparoundThresholds {
        /// The share of transaction ids used that is a warning: autovacuum should have frozen the
        /// tables long before, at a tenth by default.
        warning_ratio: Ratio = 0.5,
        /// The share that is critical. Weeks are left then, or on a busy server days.
        critical_ratio: Ratio = 0.75,
    }
}

/// Ids there are before the oldest is in the future (PostgreSQL manual, 25.1.5).
const IDS: f64 = 2_147_483_648.0;
/// Ids before the end at which the server refuses writes.
const RESERVE: f64 = 3e6;
/// Tables named.
const NAMED: usize = 3;

impl Detector for Wraparound {
    fn name(&self) -> &'static str {
        "wraparound"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let databases = inputs.catalog.databases.iter();
        databases.filter_map(|(name, database)| self.finding(name, database, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        let mut list = unread(self.name(), inputs);
        let buys = "show which transaction keeps VACUUM from freezing rows";
        list.extend(blind(self.name(), "who holds VACUUM back", buys, inputs));
        list
    }
}

impl Wraparound {
    fn finding(
        &self,
        name: &str,
        database: &DatabaseFacts,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.wraparound;
        let upkeep = &database.upkeep;
        let multixacts = upkeep.multixact_age > upkeep.frozen_age;
        let age = upkeep.frozen_age.max(upkeep.multixact_age);
        let used = age as f64 / IDS;
        let severity = match used {
            used if used >= thresholds.critical_ratio => Severity::Critical,
            used if used >= thresholds.warning_ratio => Severity::Warning,
            _ => return None,
        };
        let (tables, vacuum) = oldest(database);
        let ids = if multixacts { "multixact ids" } else { "transaction ids" };
        let holder = inputs.catalog.servers.get(&database.server).and_then(oldest_holder);
        let title = format!("{} of all {ids} are used in {name}", percent(used));
        let why = format!(
            "{} are left before the server refuses every write; the oldest are held by {}{}",
            count(IDS - RESERVE - age as f64),
            if tables.is_empty() { "system tables".to_owned() } else { list(&tables, NAMED) },
            holder.map_or_else(String::new, |one| format!("; {} holds VACUUM back", named(one)))
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("age".to_owned(), age.into()),
                ("used_ratio".to_owned(), used.into()),
                ("ids".to_owned(), ids.into()),
            ]),
            tables,
            database: Some(name.to_owned()),
            fix: Fix { sql: Some(vacuum), undo: None, advice: holder.map(|one| release(one).1) },
            ..finding(self.name(), severity, title, why)
        })
    }
}

/// The tables that were frozen longest ago, and how to freeze them.
fn oldest(database: &DatabaseFacts) -> (Vec<String>, String) {
    let mut oldest: Vec<_> =
        database.tables.iter().filter(|table| table.upkeep.frozen_age > 0).collect();
    oldest.sort_by_key(|table| std::cmp::Reverse(table.upkeep.frozen_age));
    oldest.truncate(NAMED);
    let names = oldest.iter().map(|table| format!("{}.{}", table.schema, table.name)).collect();
    let vacuum: Vec<String> = oldest
        .iter()
        .map(|table| format!("VACUUM (FREEZE) {}.{};", quoted(&table.schema), quoted(&table.name)))
        .collect();
    let vacuum = if vacuum.is_empty() { "VACUUM (FREEZE);".to_owned() } else { vacuum.join("\n") };
    (names, vacuum)
}

/// Who is old enough to be the reason.
fn oldest_holder(server: &ServerFacts) -> Option<&HorizonHolder> {
    let least = server.settings.freeze_max_age.max(1_000_000);
    server.horizon.iter().find(|one| one.age >= least)
}

#[cfg(test)]
mod tests {
    use model::{DatabaseUpkeep, TableUpkeep};

    use super::*;
    use crate::scene::{Scene, shop, table};

    fn detect(frozen_age: u64, multixact_age: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        let mut old = table("Old", 10.0, &[("id", -1.0)]);
        old.upkeep = TableUpkeep { frozen_age, ..TableUpkeep::default() };
        let upkeep = DatabaseUpkeep { frozen_age, multixact_age, ..DatabaseUpkeep::default() };
        let database = DatabaseFacts { upkeep, ..shop(vec![old]) };
        scene.catalog.databases.insert("shop".to_owned(), database);
        scene.look(|inputs| Wraparound.detect(inputs))
    }

    #[test]
    fn half_is_a_warning_and_three_quarters_are_critical() {
        let findings = detect(1_100_000_000, 5);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(findings[0].title, "51 % of all transaction ids are used in shop");
        assert_eq!(findings[0].fix.sql.as_deref(), Some("VACUUM (FREEZE) public.\"Old\";"));
        assert_eq!(detect(1_700_000_000, 5)[0].severity, Severity::Critical);
        assert!(detect(5, 1_700_000_000)[0].title.contains("multixact"));
    }

    #[test]
    fn what_autovacuum_deals_with_is_fine() {
        assert!(detect(1_000_000_000, 1_000_000_000).is_empty());
    }
}
