use model::IndexFacts;

use super::*;
use crate::advisor::demand::demands;
use crate::advisor::target;
use crate::scene::{index, shop, table};

fn orders() -> TableFacts {
    let columns = [
        ("id", -1.0),
        ("customer_id", 50_000.0),
        ("state", 4.0),
        ("created_at", -0.9),
        ("deleted_at", 10.0),
        ("total", 5_000.0),
        ("mail", -0.5),
    ];
    let mut orders = table("orders", 1_000_000.0, &columns);
    orders.columns[6].type_name = "text".to_owned();
    orders
}

fn lines() -> TableFacts {
    table("lines", 3_000_000.0, &[("line_id", -1.0), ("order_id", -0.33), ("sku", 9_000.0)])
}

/// All candidates of the statements, without the schema.
fn wanted(texts: &[&str], tables: Vec<TableFacts>) -> Vec<String> {
    let database = shop(tables);
    let facts: Vec<_> = texts.iter().map(|text| sql::facts(text).expect("it is read")).collect();
    let demands: Vec<_> = facts.iter().map(|facts| demands(facts, &database)).collect();
    let mut candidates = Candidates::default();
    demands.iter().for_each(|demands| candidates.count_fixed(demands));
    demands.iter().flatten().for_each(|demand| candidates.add(demand, 1.0));
    let all = candidates.finish(1_000);
    all.iter().map(|one| target(one).replacen("public.", "", 1)).collect()
}

#[track_caller]
fn has(all: &[String], expected: &[&str]) {
    for one in expected {
        assert!(all.iter().any(|known| known == one), "{one} is not in {all:#?}");
    }
}

#[test]
fn equalities_before_ranges_and_order_and_what_is_carried() {
    let text = "SELECT total FROM orders WHERE customer_id = $1 AND created_at > $2 ORDER BY total";
    let all = wanted(&[text], vec![orders()]);
    has(
        &all,
        &[
            "orders (customer_id)",
            "orders (customer_id, created_at)",
            "orders (customer_id, created_at) INCLUDE (total)",
            "orders (customer_id, total)",
            "orders (created_at)",
        ],
    );
    let star = "SELECT * FROM orders WHERE customer_id = $1";
    let all = wanted(&[star], vec![orders()]);
    assert_eq!(all, ["orders (customer_id)"], "nothing is carried for all columns");
}

#[test]
fn joins_and_correlated_subqueries() {
    let join = "SELECT sku FROM orders, lines WHERE order_id = id AND customer_id = $1";
    has(
        &wanted(&[join], vec![orders(), lines()]),
        &["lines (order_id)", "lines (order_id) INCLUDE (sku)", "orders (customer_id, id)"],
    );
    let inner =
        "SELECT count(*) FROM orders WHERE EXISTS (SELECT * FROM lines WHERE order_id = id)";
    has(&wanted(&[inner], vec![orders(), lines()]), &["lines (order_id)"]);
}

#[test]
fn grouping_and_alternatives() {
    let text =
        "SELECT state, count(*) FROM orders WHERE customer_id = $1 OR total > $2 GROUP BY state";
    has(
        &wanted(&[text], vec![orders()]),
        &["orders (state)", "orders (customer_id)", "orders (total)"],
    );
}

#[test]
fn a_part_of_the_table_where_the_workload_is_about_it() {
    let open = "SELECT id FROM orders WHERE deleted_at IS NULL AND customer_id = $1";
    has(&wanted(&[open], vec![orders()]), &["orders (customer_id) WHERE deleted_at IS NULL"]);
    let state =
        |column: &str| format!("SELECT id FROM orders WHERE state = 'new' AND {column} = $1");
    let (one, other) = (state("customer_id"), state("total"));
    has(&wanted(&[&one, &other], vec![orders()]), &["orders (total) WHERE state = 'new'"]);
    let alone = wanted(&[&one], vec![orders()]);
    assert!(!alone.iter().any(|one| one.contains("WHERE")), "a constant may be a parameter");
    let mail = "SELECT id FROM orders WHERE mail = 'bob@shop' AND total = $1";
    let all = wanted(&[mail, mail], vec![orders()]);
    assert!(!all.iter().any(|one| one.contains("bob")), "half a million values are no states");
}

#[test]
fn expressions_and_beginnings() {
    has(
        &wanted(&["SELECT id FROM orders WHERE lower(mail) = $1"], vec![orders()]),
        &["orders ((lower(mail)))"],
    );
    has(
        &wanted(&["SELECT id FROM orders WHERE mail LIKE 'bob%'"], vec![orders()]),
        &["orders (mail text_pattern_ops)"],
    );
}

#[test]
fn none_that_is_there_and_none_on_small_tables() {
    let text = "SELECT * FROM orders WHERE customer_id = $1";
    for existing in [
        index(&["customer_id", "state"]),
        IndexFacts { include: vec!["total".to_owned()], ..index(&["customer_id"]) },
    ] {
        let mut orders = orders();
        orders.indexes.push(existing);
        assert!(wanted(&[text], vec![orders]).is_empty());
    }
    let by_key = "SELECT total FROM orders WHERE id = $1 AND state = $2";
    let all = wanted(&[by_key], vec![orders()]);
    assert!(!all.iter().any(|one| one.starts_with("orders (id)") && !one.contains("INCLUDE")));
    let small = TableFacts { rows: 900.0, ..orders() };
    assert!(wanted(&[text], vec![small]).is_empty());
}
