use std::collections::BTreeMap;
use std::time::Duration;

use model::{Finding, Fix, HorizonHolder, NotChecked, Severity};

use super::horizon::{named, release};
use crate::detectors::catalogue::{
    Needs, Place, blind, day_and_minute, longer_ago, since, tables, unread,
};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `vacuum_lag`: dead rows pile up in a table
///
/// **What it sees.** Tables with twice as many dead rows as make autovacuum begin
/// (`autovacuum_vacuum_threshold` and `_scale_factor`), ten thousand or more, not vacuumed for ten
/// minutes. It then looks for whoever keeps VACUUM from removing them: the oldest open transaction,
/// prepared transaction, replication slot or standby.
///
/// **Why it hurts.** Queries read past the dead rows, in the table and in its indexes; the table grows,
/// and the room does not come back by itself.
///
/// **How to fix.** Where somebody holds VACUUM back, end that transaction, or drop that slot: VACUUM
/// would remove nothing before. Else VACUUM the table, and let autovacuum come sooner to it.
///
/// **How sure.** High: the server counted, though roughly.
///
/// **Privilege.** None to see the dead rows; `pg_monitor` to see who holds VACUUM back.
///
/// **Example.** `sessions` has 4,000,000 dead rows because a report has been running since Friday.
pub struct VacuumLag;

thresholds! {
    /// When `vacuum_lag` speaks.
    VacuumLagThresholds {
        /// Dead rows. Fewer slow nothing down.
        least_dead_rows: Count = 10_000,
        /// How many times what makes autovacuum begin: once is always reached.
        times_autovacuum: Number = 2.0,
        /// The last VACUUM was so long ago: autovacuum comes round once a minute, and works.
        least_age: Duration = Duration::from_secs(600),
        /// Transactions begun since by others that make a holder of dead rows worth naming.
        least_holder_age: Count = 10_000,
    }
}

impl Detector for VacuumLag {
    fn name(&self) -> &'static str {
        "vacuum_lag"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        tables(inputs).filter_map(|place| self.finding(place, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        let mut list = unread(self.name(), &[Needs::Upkeep, Needs::Server], inputs);
        let buys = "show which transaction keeps VACUUM from removing dead rows";
        list.extend(blind(self.name(), "who holds VACUUM back", buys, inputs));
        list
    }
}

impl VacuumLag {
    fn finding(&self, place: Place<'_>, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.vacuum_lag;
        let upkeep = &place.table.upkeep;
        let server = place.server(inputs)?;
        let (live, dead) = (upkeep.live_rows as f64, upkeep.dead_rows as f64);
        let begins = server.settings.vacuum_threshold + server.settings.vacuum_scale_factor * live;
        let last = upkeep.last_vacuum.or(place.database.upkeep.counted_since);
        if upkeep.dead_rows < thresholds.least_dead_rows
            || dead < begins * thresholds.times_autovacuum
            || !longer_ago(last, thresholds.least_age, inputs)
        {
            return None;
        }
        let holder = server.horizon.iter().find(|one| one.age >= thresholds.least_holder_age);
        let title = format!("{} dead rows pile up in {}", count(dead), place.table_name());
        let why = format!(
            "They are {} of the table's rows; {}{}",
            percent(dead / (live + dead).max(1.0)),
            upkeep.last_vacuum.map_or_else(
                || "it was never vacuumed".to_owned(),
                |then| format!("it was last vacuumed {}", day_and_minute(then)),
            ),
            holder.map_or_else(String::new, |one| format!("; {} holds VACUUM back", named(one)))
        );
        let mut evidence = BTreeMap::from([
            ("dead_rows".to_owned(), upkeep.dead_rows.into()),
            ("live_rows".to_owned(), upkeep.live_rows.into()),
            ("autovacuum_begins_at_rows".to_owned(), begins.into()),
        ]);
        if let Some(then) = upkeep.last_vacuum {
            let age_s = since(then, inputs).as_secs();
            evidence.insert("since_vacuum_ms".to_owned(), (age_s * 1_000).into());
        }
        if let Some(holder) = holder {
            evidence.insert("held_back_by".to_owned(), named(holder).into());
            evidence.insert("held_back_transactions".to_owned(), holder.age.into());
        }
        Some(Finding {
            evidence,
            fix: fix(place, holder, server.settings.autovacuum),
            ..place.finding(self.name(), Severity::Warning, title, why)
        })
    }
}

fn fix(place: Place<'_>, holder: Option<&HorizonHolder>, autovacuum: bool) -> Fix {
    let table = place.table_sql();
    if let Some(holder) = holder {
        let (sql, advice) = release(holder);
        return Fix { sql, undo: None, advice: Some(format!("{advice} Then VACUUM {table}.")) };
    }
    let advice = if !autovacuum {
        "Autovacuum is switched off on the server: ALTER SYSTEM SET autovacuum = on; SELECT \
         pg_reload_conf()."
            .to_owned()
    } else if !place.table.upkeep.autovacuum {
        format!(
            "Autovacuum is switched off for this table: ALTER TABLE {table} RESET \
             (autovacuum_enabled)."
        )
    } else {
        format!(
            "If it happens again, let autovacuum come sooner: ALTER TABLE {table} SET \
             (autovacuum_vacuum_scale_factor = 0.05)."
        )
    };
    Fix { sql: Some(format!("VACUUM (ANALYZE) {table};")), undo: None, advice: Some(advice) }
}

#[cfg(test)]
mod tests {
    use model::{ClientId, HorizonKind, ServerFacts, ServerSettings, TableUpkeep};

    use super::*;
    use crate::scene::{Scene, shop, table};

    fn detect(dead: u64, vacuumed_s_ago: i64, horizon: Vec<HorizonHolder>) -> Vec<Finding> {
        let mut scene = Scene::new();
        let then = scene.now() - jiff::SignedDuration::from_secs(vacuumed_s_ago);
        let mut orders = table("orders", 1e5, &[("id", -1.0)]);
        orders.upkeep = TableUpkeep {
            live_rows: 100_000,
            dead_rows: dead,
            last_vacuum: Some(then),
            autovacuum: true,
            ..TableUpkeep::default()
        };
        let settings = ServerSettings {
            autovacuum: true,
            vacuum_threshold: 50.0,
            vacuum_scale_factor: 0.2,
            ..ServerSettings::default()
        };
        let server = ServerFacts { settings, horizon, ..ServerFacts::default() };
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![orders]));
        scene.catalog.servers.insert(String::new(), server);
        scene.look(|inputs| VacuumLag.detect(inputs))
    }

    #[test]
    fn dead_rows_that_autovacuum_should_have_removed_are_found() {
        let findings = detect(50_000, 700, Vec::new());
        assert_eq!(findings[0].title, "50,000 dead rows pile up in public.orders");
        assert_eq!(findings[0].fix.sql.as_deref(), Some("VACUUM (ANALYZE) public.orders;"));
    }

    #[test]
    fn what_autovacuum_is_about_to_remove_is_fine() {
        assert!(detect(50_000, 500, Vec::new()).is_empty());
        assert!(detect(39_000, 700, Vec::new()).is_empty());
        assert!(detect(9_000, 700, Vec::new()).is_empty());
    }

    #[test]
    fn whoever_holds_vacuum_back_is_named() {
        let holder = HorizonHolder {
            pid: 4711,
            name: "report".to_owned(),
            user: "web".to_owned(),
            age: 2_000_000,
            open_ms: Some(7_200_000.0),
            client: Some(ClientId(12)),
            ..HorizonHolder::default()
        };
        let findings = detect(50_000, 700, vec![holder]);
        let why = &findings[0].why;
        assert!(why.contains("session 4711 (client 12 of pgweir, report)"), "{why}");
        let sql = findings[0].fix.sql.as_deref();
        assert_eq!(sql, Some("SELECT pg_terminate_backend(4711);"));
        let slot = HorizonHolder {
            kind: HorizonKind::Slot,
            name: "old".to_owned(),
            age: 2_000_000,
            ..HorizonHolder::default()
        };
        assert_eq!(detect(50_000, 700, vec![slot])[0].fix.sql, None);
    }
}
