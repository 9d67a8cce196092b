use model::IndexFacts;

use super::*;
use crate::scene::{index, shop, table};

/// The candidates for `text` over `tables`, as `table(columns)`.
fn wanted(text: &str, tables: Vec<TableFacts>) -> Vec<String> {
    let facts = sql::facts(text).expect("the parser reads it");
    candidates(&facts, &shop(tables), &DetectionSettings::default())
        .iter()
        .map(|one| format!("{}({})", one.table, one.columns.join(",")))
        .collect()
}

fn orders() -> TableFacts {
    table(
        "orders",
        1_000_000.0,
        &[
            ("id", -1.0),
            ("customer_id", 50_000.0),
            ("state", 4.0),
            ("created_at", -0.9),
            ("shop_id", 200.0),
        ],
    )
}

fn with_index(mut table: TableFacts, index: IndexFacts) -> TableFacts {
    table.indexes.push(index);
    table
}

#[test]
fn one_equality() {
    let text = "SELECT * FROM orders WHERE customer_id = $1";
    assert_eq!(wanted(text, vec![orders()]), ["orders(customer_id)"]);
    assert_eq!(
        wanted("UPDATE orders SET state = 1 WHERE customer_id = $1", vec![orders()]),
        ["orders(customer_id)"]
    );
    assert_eq!(
        wanted("DELETE FROM orders WHERE customer_id IN ($1, $2)", vec![orders()]),
        ["orders(customer_id)"]
    );
}

#[test]
fn the_most_selective_equality_first_and_no_more_than_needed() {
    // 20 rows a customer: the state adds nothing worth a column but comes second.
    let text = "SELECT * FROM orders WHERE state = $1 AND customer_id = $2";
    assert_eq!(wanted(text, vec![orders()]), ["orders(customer_id,state)"]);
    let carts = table("carts", 100_000.0, &[("id", -1.0), ("token", -0.9), ("state", 4.0)]);
    let text = "SELECT * FROM carts WHERE state = $1 AND token = $2";
    assert_eq!(wanted(text, vec![carts]), ["carts(token)"]);
}

#[test]
fn the_order_behind_the_equality_where_a_limit_cuts() {
    let text = "SELECT * FROM orders WHERE shop_id = $1 ORDER BY created_at DESC LIMIT 10";
    assert_eq!(wanted(text, vec![orders()]), ["orders(shop_id,created_at)", "orders(shop_id)"]);
    let without = "SELECT * FROM orders WHERE shop_id = $1 ORDER BY created_at DESC";
    assert_eq!(wanted(without, vec![orders()]), ["orders(shop_id)"]);
    let few = "SELECT * FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 10";
    assert_eq!(wanted(few, vec![orders()]), ["orders(customer_id)"], "20 rows are soon sorted");
    let mixed = "SELECT * FROM orders WHERE shop_id = $1 ORDER BY created_at DESC, id LIMIT 10";
    assert_eq!(wanted(mixed, vec![orders()]), ["orders(shop_id)"]);
    let alone = "SELECT * FROM orders ORDER BY created_at DESC LIMIT 10";
    assert_eq!(wanted(alone, vec![orders()]), ["orders(created_at)"]);
}

#[test]
fn a_range_behind_the_equality() {
    let text = "SELECT * FROM orders WHERE shop_id = $1 AND created_at > $2";
    assert_eq!(wanted(text, vec![orders()]), ["orders(shop_id,created_at)", "orders(shop_id)"]);
}

#[test]
fn nothing_for_conditions_that_keep_much() {
    assert!(wanted("SELECT * FROM orders WHERE state = $1", vec![orders()]).is_empty());
}

#[test]
fn nothing_for_small_and_unknown_tables() {
    let small = table("orders", 900.0, &[("id", -1.0), ("customer_id", 300.0)]);
    let text = "SELECT * FROM orders WHERE customer_id = $1";
    assert!(wanted(text, vec![small]).is_empty());
    assert!(wanted(text, Vec::new()).is_empty());
    let elsewhere = TableFacts { schema: "archive".to_owned(), ..orders() };
    assert!(wanted(text, vec![elsewhere.clone()]).is_empty(), "not in the search path");
    let qualified = "SELECT * FROM archive.orders WHERE customer_id = $1";
    assert_eq!(wanted(qualified, vec![elsewhere]), ["orders(customer_id)"]);
}

#[test]
fn nothing_where_an_index_does_the_work() {
    let text = "SELECT * FROM orders WHERE id = $1 AND customer_id = $2";
    assert!(wanted(text, vec![orders()]).is_empty(), "the primary key");
    let text = "SELECT * FROM orders WHERE customer_id = $1 AND state = $2";
    let served = with_index(orders(), index(&["customer_id", "created_at"]));
    assert!(wanted(text, vec![served]).is_empty(), "20 rows are soon looked through");
    let useless = with_index(orders(), index(&["state"]));
    assert_eq!(wanted(text, vec![useless]), ["orders(customer_id,state)"]);
}

#[test]
fn an_index_that_cannot_be_used_does_not_count() {
    let text = "SELECT * FROM orders WHERE customer_id = $1";
    for unusable in [
        IndexFacts { valid: false, ..index(&["customer_id"]) },
        IndexFacts { predicate: Some("state = 1".to_owned()), ..index(&["customer_id"]) },
        IndexFacts { method: "gin".to_owned(), ..index(&["customer_id"]) },
        index(&["created_at", "customer_id"]),
    ] {
        let table = with_index(orders(), unusable);
        assert_eq!(wanted(text, vec![table]), ["orders(customer_id)"]);
    }
}

#[test]
fn the_inner_side_of_a_join() {
    let lines = table("lines", 3_000_000.0, &[("id", -1.0), ("order_id", -0.33), ("sku", 9_000.0)]);
    let text = "SELECT l.* FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.id = $1";
    assert_eq!(wanted(text, vec![orders(), lines.clone()]), ["lines(order_id)"]);
    let both = "SELECT count(*) FROM orders o JOIN lines l ON l.order_id = o.id";
    assert!(wanted(both, vec![orders(), lines]).is_empty(), "all of both is wanted");
}

#[test]
fn columns_are_found_in_the_only_table_that_has_them() {
    let lines = table("lines", 3_000_000.0, &[("id", -1.0), ("order_id", -0.33), ("sku", 9_000.0)]);
    let text = "SELECT 1 FROM orders, lines WHERE customer_id = $1 AND order_id = orders.id";
    let all = wanted(text, vec![orders(), lines]);
    assert_eq!(all, ["orders(customer_id)", "lines(order_id)"]);
}

#[test]
fn types_without_a_btree_are_left_alone() {
    let mut documents = table("documents", 100_000.0, &[("id", -1.0), ("body", -1.0)]);
    documents.columns[1].type_name = "json".to_owned();
    assert!(wanted("SELECT id FROM documents WHERE body = $1", vec![documents]).is_empty());
}

#[test]
fn an_index_that_sorts_otherwise_serves_equality_alone() {
    let by = |clause: &str| {
        let clauses = vec![String::new(), clause.to_owned()];
        IndexFacts { key_clauses: clauses, ..index(&["shop_id", "created_at"]) }
    };
    for (clause, serves) in
        [("", true), ("DESC", true), ("DESC NULLS LAST", false), ("COLLATE \"C\"", false)]
    {
        assert_eq!(covers(&by(clause), &["shop_id"], &["created_at"]), serves, "{clause}");
    }
    let customer = |clause: &str| IndexFacts {
        key_clauses: vec![clause.to_owned()],
        ..index(&["customer_id"])
    };
    let equal = "SELECT * FROM orders WHERE customer_id = $1";
    for (clause, serves) in [("DESC", true), ("text_pattern_ops", true), ("COLLATE \"C\"", false)] {
        let found = wanted(equal, vec![with_index(orders(), customer(clause))]);
        assert_eq!(found.is_empty(), serves, "{clause}");
    }
}
