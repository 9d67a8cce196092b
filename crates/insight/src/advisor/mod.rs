//! Index advice: which indexes might help a statement, what to ask of the planner about them, and
//! how to name them.

mod advice;
mod candidates;
mod definition;
mod demand;
mod expressions;
mod identifier;
mod questions;
mod scans;
mod search;
mod statistics;
mod workload_candidates;

use std::sync::Arc;
use std::time::Duration;

use model::{CatalogFacts, FingerprintId, PlanAnswer, Snapshot};
use sql::{Facts, ShapeRegistry};

use crate::settings::thresholds;

pub use advice::{
    Advice, AdviceSettings, Basis, DatabaseReading, Drop, Pick, PlanNow, WorkloadStatement, advise,
};
pub use candidates::candidates;
pub(crate) use candidates::{Proposal, proposals};
pub use definition::{build_and_undo, definition, is_built, makes_needless, target};
pub(crate) use definition::{drop_and_undo, is_partitioned};
pub(crate) use expressions::{is_immutable, is_indexed};
pub(crate) use identifier::{index_name, quoted};
pub use questions::questions;
pub(crate) use scans::{WholeScan, scanned_table, whole_scans};
pub use search::{Judged, Planner};
pub(crate) use statistics::index_bytes;

thresholds! {
    /// How often the server's planner is asked.
    PlanThresholds {
        /// Plans asked for at one tick; the server has other work to do.
        each_tick: Count = 10,
        /// A statement is not planned again before: plans change with the data, which is slow.
        again_after: Duration = Duration::from_secs(60),
        /// A statement whose plan failed is not planned again before: what failed once, fails again.
        again_after_failure: Duration = Duration::from_secs(600),
    }
}

/// What the parser found in the statement, where it could read it and the registry remembers it.
///
/// Names without a schema are looked up along the search path of whoever reads the catalogue. Where the
/// client has another one, they are those that the planner found with the client's.
pub(crate) fn facts_of(
    fingerprint: FingerprintId,
    snapshot: &Snapshot,
    catalog: &CatalogFacts,
    shapes: &ShapeRegistry,
) -> Option<Arc<Facts>> {
    let info = snapshot.shapes.get(&fingerprint)?;
    let facts = info.shapes.iter().find_map(|id| shapes.get(*id)?.facts().cloned())?;
    let path = info.sample.as_ref().and_then(|sample| sample.search_path());
    let Some(path) = path else { return Some(facts) };
    let database = info.sample_database.as_ref();
    match database.and_then(|name| catalog.databases.get(&**name)) {
        Some(database) if database.search_path == path => Some(facts),
        database => {
            let plan = database.and_then(|database| database.plans.get(&fingerprint));
            Some(Arc::new(as_planned(&facts, plan)))
        }
    }
}

/// The same with the schemas that the plan's scans have; none of the catalogue's tables where the plan
/// does not say, or the table stands in it in two schemas.
fn as_planned(facts: &Facts, plan: Option<&PlanAnswer>) -> Facts {
    let mut facts = facts.clone();
    let scans = plan.map_or(&[][..], |plan| plan.scans.as_slice());
    for table in facts.tables.iter_mut().filter(|table| table.schema.is_none()) {
        let mut schemas = scans.iter().filter(|scan| scan.table == table.name);
        let schema = schemas.next().map(|scan| scan.schema.clone()).unwrap_or_default();
        let is_one = schemas.all(|scan| scan.schema == schema);
        // No schema has no name.
        table.schema = Some(if is_one { schema } else { String::new() });
    }
    facts
}

#[cfg(test)]
mod tests {
    use model::ScanFacts;

    use super::*;
    use crate::scene::{Scene, shop, table};

    #[test]
    fn names_mean_what_they_mean_to_the_client() {
        const TEXT: &str = "SELECT total FROM orders WHERE customer_id = $1";
        let mut scene = Scene::new();
        for _ in 0..2 {
            scene.statement(TEXT).with_setting("search_path", "tenant_7, public").run();
        }
        let fingerprint = scene.shapes.observe_one(TEXT.as_bytes()).shape.fingerprint();
        let snapshot = scene.snapshot();
        let schema = |scene: &Scene| {
            let facts = facts_of(fingerprint, &snapshot, &scene.catalog, &scene.shapes);
            facts.expect("it is read").tables[0].schema.clone()
        };
        let mut database = shop(vec![table("orders", 1e6, &[("id", -1.0)])]);
        scene.catalog.databases.insert("shop".to_owned(), database.clone());
        assert_eq!(schema(&scene).as_deref(), Some(""), "not public's, for all that is known");
        let scan = ScanFacts {
            schema: "tenant_7".to_owned(),
            table: "orders".to_owned(),
            ..ScanFacts::default()
        };
        let plan = PlanAnswer { scans: vec![scan], ..PlanAnswer::default() };
        database.plans.insert(fingerprint, plan);
        scene.catalog.databases.insert("shop".to_owned(), database.clone());
        assert_eq!(schema(&scene).as_deref(), Some("tenant_7"));
        database.search_path = vec!["tenant_7".to_owned(), "public".to_owned()];
        scene.catalog.databases.insert("shop".to_owned(), database);
        assert_eq!(schema(&scene), None, "both look in the same places");
    }
}
