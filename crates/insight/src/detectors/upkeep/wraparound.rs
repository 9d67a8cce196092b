use std::collections::BTreeMap;

use model::{
    CatalogPart, DatabaseFacts, Finding, Fix, HorizonHolder, NotChecked, OldTable, ServerFacts,
    Severity,
};

use super::horizon::{named, release};
use crate::advisor::quoted;
use crate::detectors::catalogue::{Needs, blind, finding, list, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `wraparound`: the database will stop taking writes
///
/// **What it sees.** The age of the oldest transaction id that the database still holds
/// (`age(datfrozenxid)`), and the same of multixacts, as a share of the two thousand million there
/// are; the tables that keep it, system and temporary tables included (a TOAST table goes with its
/// table); and whoever keeps VACUUM from freezing them.
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
        let mut list = unread(self.name(), &[Needs::Upkeep], inputs);
        let databases = inputs.catalog.databases.iter();
        list.extend(
            databases.filter(|(_, database)| database.unread.contains(&CatalogPart::Oldest)).map(
                |(name, _)| NotChecked {
                    check: format!("{}: oldest tables of {name}", self.name()),
                    why: "they could not be read (yet)".to_owned(),
                },
            ),
        );
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
        let oldest = match multixacts {
            true => &upkeep.oldest_multixact,
            false => &upkeep.oldest_frozen,
        };
        let ids = if multixacts { "multixact ids" } else { "transaction ids" };
        let holder = inputs.catalog.servers.get(&database.server).and_then(oldest_holder);
        let title = format!("{} of all {ids} are used in {name}", percent(used));
        let why = format!(
            "{} are left before the server refuses every write; {}{}",
            count((IDS - RESERVE - age as f64).max(0.0)),
            held_by(oldest),
            holder.map_or_else(String::new, |one| format!("; {} holds VACUUM back", named(one)))
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("age".to_owned(), age.into()),
                ("used_ratio".to_owned(), used.into()),
                ("ids".to_owned(), ids.into()),
            ]),
            tables: oldest.iter().map(named_table).collect(),
            database: Some(name.to_owned()),
            fix: fix(oldest, holder),
            ..finding(self.name(), severity, title, why)
        })
    }
}

fn named_table(table: &OldTable) -> String {
    format!("{}.{}", table.schema, table.name)
}

/// Which tables keep the oldest ids.
fn held_by(oldest: &[OldTable]) -> String {
    let names: Vec<String> = oldest
        .iter()
        .map(|table| {
            let temporary = if table.temporary { ", a temporary table" } else { "" };
            format!("{} ({}{temporary})", named_table(table), count(table.age as f64))
        })
        .collect();
    if names.is_empty() {
        return "which tables keep the oldest was not read".to_owned();
    }
    format!("the oldest are kept by {}", list(&names, NAMED))
}

/// How to freeze the oldest tables.
fn fix(oldest: &[OldTable], holder: Option<&HorizonHolder>) -> Fix {
    let permanent = oldest.iter().filter(|table| !table.temporary);
    let vacuum: Vec<String> = permanent
        .map(|table| format!("VACUUM (FREEZE) {}.{};", quoted(&table.schema), quoted(&table.name)))
        .collect();
    let mut advice: Vec<String> = holder.map(|one| release(one).1).into_iter().collect();
    if oldest.iter().any(|table| table.temporary) {
        advice.push(
            "Nobody else can VACUUM a session's temporary table: end the session that keeps it."
                .to_owned(),
        );
    }
    let sql = match (vacuum.is_empty(), oldest.is_empty()) {
        (false, _) => Some(vacuum.join("\n")),
        (true, true) => Some("VACUUM (FREEZE);".to_owned()),
        (true, false) => None,
    };
    let advice = (!advice.is_empty()).then(|| advice.join(" "));
    Fix { sql, undo: None, advice }
}

/// Who is old enough to be the reason.
fn oldest_holder(server: &ServerFacts) -> Option<&HorizonHolder> {
    let least = server.settings.freeze_max_age.max(1_000_000);
    server.horizon.iter().find(|one| one.age >= least)
}

#[cfg(test)]
mod tests {
    use model::DatabaseUpkeep;

    use super::*;
    use crate::scene::{Scene, shop, table};

    fn detect(frozen_age: u64, multixact_age: u64) -> Vec<Finding> {
        let old = |name: &str, age, temporary| OldTable {
            schema: if temporary { "pg_temp_3" } else { "public" }.to_owned(),
            name: name.to_owned(),
            age,
            temporary,
        };
        detect_with(DatabaseUpkeep {
            frozen_age,
            multixact_age,
            oldest_frozen: vec![old("Old", frozen_age, false), old("kept", frozen_age, true)],
            oldest_multixact: vec![old("locked", multixact_age, false)],
            ..DatabaseUpkeep::default()
        })
    }

    fn detect_with(upkeep: DatabaseUpkeep) -> Vec<Finding> {
        let mut scene = Scene::new();
        // The largest tables are not those that matter here.
        let database = DatabaseFacts { upkeep, ..shop(vec![table("large", 1e9, &[("id", -1.0)])]) };
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
    fn the_tables_that_keep_the_oldest_ids_are_named_of_either_kind() {
        let findings = detect(1_700_000_000, 5);
        let why = &findings[0].why;
        assert!(why.contains("public.Old (1,700,000,000) and pg_temp_3.kept"), "{why}");
        let advice = findings[0].fix.advice.as_deref().unwrap_or_default();
        assert!(advice.contains("end the session"), "{advice}");
        let multixacts = detect(5, 1_700_000_000);
        assert_eq!(multixacts[0].fix.sql.as_deref(), Some("VACUUM (FREEZE) public.locked;"));
        assert_eq!(multixacts[0].tables, ["public.locked"]);
    }

    #[test]
    fn no_table_is_named_where_none_was_read() {
        let upkeep = DatabaseUpkeep { frozen_age: 1_700_000_000, ..DatabaseUpkeep::default() };
        let findings = detect_with(upkeep);
        assert!(findings[0].why.ends_with("which tables keep the oldest was not read"));
        assert_eq!(findings[0].fix.sql.as_deref(), Some("VACUUM (FREEZE);"));
    }

    #[test]
    fn what_autovacuum_deals_with_is_fine() {
        assert!(detect(1_000_000_000, 1_000_000_000).is_empty());
    }
}
