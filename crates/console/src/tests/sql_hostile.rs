//! SQL that nobody means well with: no panic, always an answer, and then the next one.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::client::Client;
use super::live::FakeLive;
use crate::live::Role;
use crate::sql::Identity;

/// Words that the translation knows, in any order.
fn words() -> impl Strategy<Value = String> {
    let known = "SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET JOIN LEFT ON USING UNION ALL \
        WITH RECURSIVE AS DISTINCT CASE WHEN THEN ELSE END AND OR NOT IN EXISTS LIKE ILIKE BETWEEN \
        IS NULL OVER ( ) PARTITION , , * + - / || = < > ~ :: int text interval timestamptz date bool \
        clients servers queries query_minutes pg_class n id user text calls total_ms minute sum \
        count(*) max now() date_trunc extract(epoch coalesce lag percentile_cont $1 1 2.5 'x' \
        '1 day' '2026-01-01' \"q\" true ARRAY[ ] ANY VALUES TABLE generate_series ; E'\\n' $$a$$ \
        OPERATOR(pg_catalog.~) COLLATE FILTER WITHIN ROW ROWS PRECEDING CURRENT FETCH FIRST ONLY";
    let known: Vec<_> = known.split_whitespace().map(str::to_owned).collect();
    prop::collection::vec(prop::sample::select(known), 0..25).prop_map(|words| words.join(" "))
}

/// Expressions that are mostly right.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "2.5",
        "'x'",
        "NULL",
        "calls",
        "text",
        "total_ms",
        "first_seen",
        "now()",
        "'1 day'",
        "interval '1 hour'",
        "true",
        "'2026-01-01'::timestamptz",
        "user",
        "$1",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(4, 30, 3, |inner| {
        let ops = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "||", "=", "<", "AND", "OR", "~", "LIKE", "IN",
        ]);
        let functions = prop::sample::select(vec![
            "sum",
            "max",
            "coalesce",
            "length",
            "round",
            "date_trunc",
            "abs",
            "lower",
            "to_char",
            "split_part",
            "right",
            "pg_get_expr",
            "nullif",
            "greatest",
            "age",
        ]);
        let kinds =
            prop::sample::select(vec!["int", "text", "interval", "timestamptz", "bool", "date"]);
        prop_oneof![
            (inner.clone(), ops, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} ({b}))")),
            (functions, prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(name, arguments)| format!("{name}({})", arguments.join(", "))),
            (inner.clone(), kinds).prop_map(|(a, kind)| format!("{a}::{kind}")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("CASE WHEN {a} THEN {b} ELSE {c} END")),
        ]
    })
}

fn answered(text: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let live =
            FakeLive { query_timeout: Some(Duration::from_millis(500)), ..FakeLive::default() };
        let mut client = Client::new(Role::Admin, Arc::new(live));
        let text = text.replace('\0', " ");
        let lines = tokio::time::timeout(Duration::from_secs(20), client.query(&text));
        let lines = lines.await.expect("the console hangs");
        assert!(!lines.iter().any(|line| line.contains("XX000")), "{text}: {lines:?}");
        lines
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_words_are_answered(text in words()) {
        answered(&format!("SELECT {text}"));
        answered(&text);
    }

    #[test]
    fn any_expression_is_typed_or_refused(expr in expressions()) {
        let lines = answered(&format!("SELECT {expr} FROM queries"));
        // What was typed before has rows of that type, or runs into an error of its values.
        let internal = lines.iter().any(|line| line.contains("not of its column's type"));
        prop_assert!(!internal, "{expr}: {lines:?}");
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        let _ = crate::sql::read(&text, &Identity::default());
        let _ = crate::sql::read(&format!("SELECT {text}"), &Identity::default());
    }
}

#[test]
fn deep_and_long_statements_are_refused() {
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let long = format!("SELECT 1{}", " + 1".repeat(15_000));
    let wide = format!("SELECT 1{}", ", 1".repeat(2_000));
    let nots = format!("SELECT {}true", "NOT ".repeat(10_000));
    let tables = format!(
        "SELECT 1 FROM clients a0{}",
        (1..100).map(|n| format!(", clients a{n}")).collect::<String>()
    );
    let too_long = format!("SELECT '{}'", "x".repeat(70_000));
    for text in [deep, long, wide, nots, tables, too_long] {
        let lines = answered(&text);
        let refused = lines.iter().any(|line| line.starts_with("ERROR 5"));
        let plain = lines.iter().any(|line| line.starts_with("ERROR 42601"));
        assert!(refused || plain, "{}: {lines:?}", &text[..40]);
    }
}
