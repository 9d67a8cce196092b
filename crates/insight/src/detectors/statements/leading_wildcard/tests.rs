use model::{IndexFacts, PlanAnswer, ScanFacts};

use super::*;
use crate::scene::{Scene, index, shop, table};

const BY_NAME: &str = "select id from products where name like $1";

/// A statement that searches products.
struct Case<'a> {
    text: &'a str,
    pattern: &'a str,
    rows: f64,
    column_type: &'a str,
    /// A further index.
    index: Option<IndexFacts>,
    /// How a plan reads the table.
    node: Option<&'a str>,
}

const WITHIN: Case<'_> = Case {
    text: BY_NAME,
    pattern: "%shoe%",
    rows: 1e5,
    column_type: "text",
    index: None,
    node: None,
};

impl Case<'_> {
    fn detect(self) -> Vec<Finding> {
        let mut scene = Scene::new();
        for _ in 0..12 {
            let patterns = [self.pattern, self.pattern, self.pattern];
            scene.statement(self.text).bound(&[25, 25, 25], &patterns).work_ms(200).run();
            scene.pause(5_000);
            let _tick = scene.snapshot();
        }
        let columns = [("id", -1.0), ("name", -0.5), ("note", -0.5), ("tenant_id", 40.0)];
        let mut products = table("products", self.rows, &columns);
        for column in &mut products.columns[1..3] {
            column.type_name = self.column_type.to_owned();
        }
        products.indexes.extend(self.index);
        let mut database = shop(vec![products]);
        if let Some(node) = self.node {
            let scan = ScanFacts {
                node: node.to_owned(),
                table: "products".to_owned(),
                filtered: true,
                ..ScanFacts::default()
            };
            let answer = PlanAnswer { cost: Some(9e3), scans: vec![scan], ..PlanAnswer::default() };
            let snapshot = scene.snapshot();
            let fingerprint = *snapshot.shapes.keys().next().expect("one statement was run");
            database.plans.insert(fingerprint, answer);
        }
        scene.catalog.databases.insert("shop".to_owned(), database);
        scene.look(|inputs| LeadingWildcard.detect(inputs))
    }

    fn sql(self) -> Option<String> {
        self.detect()[0].fix.sql.clone()
    }
}

#[test]
fn a_search_within_is_found_and_given_a_trigram_index() {
    let findings = WITHIN.detect();
    assert_eq!((findings.len(), findings[0].confidence), (1, Confidence::Low));
    let sql = findings[0].fix.sql.as_deref().unwrap_or_default();
    assert!(sql.contains("ON public.products USING gin (name gin_trgm_ops);"), "{sql}");
    assert!(findings[0].fix.undo.as_deref().unwrap_or_default().starts_with("DROP INDEX"));
    let planned = Case { node: Some("Seq Scan"), ..WITHIN }.detect();
    assert_eq!(planned[0].confidence, Confidence::Medium);
}

#[test]
fn searches_from_the_start_small_tables_and_trigrams_at_hand_are_quiet() {
    assert!(Case { pattern: "shoe%", ..WITHIN }.detect().is_empty());
    assert!(Case { rows: 5e3, ..WITHIN }.detect().is_empty());
    let trigrams = IndexFacts { method: "gin".to_owned(), ..index(&["name"]) };
    assert!(Case { index: Some(trigrams), ..WITHIN }.detect().is_empty());
}

#[test]
fn where_few_rows_are_compared_it_is_quiet() {
    let by_tenant = || Some(index(&["tenant_id"]));
    for text in [
        "SELECT id FROM products WHERE tenant_id = $2 AND name ILIKE $1",
        "SELECT id FROM products WHERE tenant_id = $2 AND (name ILIKE $1 OR note ILIKE $3)",
        "SELECT id FROM products WHERE tenant_id = $2 AND lower(name) LIKE $1",
    ] {
        assert!(Case { text, index: by_tenant(), ..WITHIN }.detect().is_empty(), "{text}");
        assert_eq!(Case { text, ..WITHIN }.detect().len(), 1, "no index on the tenant: {text}");
    }
    assert!(
        Case { node: Some("Index Scan"), ..WITHIN }.detect().is_empty(),
        "the planner has a way"
    );
}

#[test]
fn trigrams_are_for_text_and_for_each_side_of_an_or() {
    assert_eq!(Case { column_type: "character(40)", ..WITHIN }.sql(), None);
    assert!(Case { column_type: "character varying(40)", ..WITHIN }.sql().is_some());
    let lower = "SELECT id FROM products WHERE lower(name) LIKE $1";
    assert_eq!(Case { text: lower, ..WITHIN }.sql(), None, "it is not the column that is compared");
    let either = "SELECT id FROM products WHERE name ILIKE $1 OR note ILIKE $2";
    let sql = Case { text: either, ..WITHIN }.sql().unwrap_or_default();
    assert!(sql.ends_with("USING gin (name gin_trgm_ops, note gin_trgm_ops);"), "{sql}");
}
