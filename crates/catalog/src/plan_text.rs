//! A plan as EXPLAIN prints it, without values, and the hash that tells its shape from others.

use model::PlanShape;
use serde_json::Value;

use crate::redact::redact;

/// Lines kept of a plan.
const LINES: usize = 120;
/// Characters kept of a condition.
const WIDTH: usize = 200;

/// Conditions worth showing, as EXPLAIN (FORMAT JSON) names them.
const CONDITIONS: [&str; 8] = [
    "Index Cond",
    "Recheck Cond",
    "Filter",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "TID Cond",
    "One-Time Filter",
];
/// Lists of expressions worth showing.
const KEYS: [&str; 3] = ["Sort Key", "Presorted Key", "Group Key"];
/// What makes two plans different. Costs, widths and row counts do not.
const SHAPE: [&str; 10] = [
    "Node Type",
    "Strategy",
    "Partial Mode",
    "Operation",
    "Join Type",
    "Parent Relationship",
    "Scan Direction",
    "Schema",
    "Relation Name",
    "Index Name",
];

/// The tree as EXPLAIN prints it, with `$` in place of every value.
pub(crate) fn text(roots: &[&Value]) -> String {
    let mut lines = Vec::new();
    for root in roots {
        add_lines(root, 0, &mut lines);
    }
    let surplus = lines.len().saturating_sub(LINES);
    if surplus > 0 {
        lines.truncate(LINES);
        lines.push(format!("… {surplus} more lines"));
    }
    lines.join("\n")
}

fn add_lines(node: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth * 3);
    let arrow =
        if depth == 0 { String::new() } else { format!("{}->  ", &indent[2..indent.len() - 2]) };
    let number = |key: &str| node.get(key).and_then(Value::as_f64).unwrap_or_default();
    lines.push(format!(
        "{arrow}{}  (cost={:.2}..{:.2} rows={:.0} width={:.0})",
        title(node),
        number("Startup Cost"),
        number("Total Cost"),
        number("Plan Rows"),
        number("Plan Width")
    ));
    for key in KEYS {
        let list: Vec<&str> = node
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !list.is_empty() {
            lines.push(format!("{indent}  {key}: {}", cut(redact(&list.join(", ")))));
        }
    }
    for key in CONDITIONS {
        if let Some(condition) = node.get(key).and_then(Value::as_str) {
            lines.push(format!("{indent}  {key}: {}", cut(redact(condition))));
        }
    }
    for child in children(node) {
        add_lines(child, depth + 1, lines);
    }
}

/// `Index Scan using orders_pkey on public.orders o`.
fn title(node: &Value) -> String {
    let field = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut title = match field("Operation") {
        "" => field("Node Type").to_owned(),
        operation => operation.to_owned(),
    };
    if node.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
        title.insert_str(0, "Parallel ");
    }
    if !matches!(field("Join Type"), "" | "Inner") {
        title.push_str(&format!(" {} Join", field("Join Type")));
    }
    if !field("Index Name").is_empty() {
        title.push_str(&format!(" using {}", field("Index Name")));
    }
    if !field("Relation Name").is_empty() {
        let schema = field("Schema");
        let dot = if schema.is_empty() { "" } else { "." };
        title.push_str(&format!(" on {schema}{dot}{}", field("Relation Name")));
        if !matches!(field("Alias"), "") && field("Alias") != field("Relation Name") {
            title.push_str(&format!(" {}", field("Alias")));
        }
    }
    title
}

fn cut(text: String) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The hash of what [`SHAPE`] names, node by node (FNV-1a, which is stable across versions).
pub(crate) fn shape(roots: &[&Value]) -> PlanShape {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for root in roots {
        add_shape(root, 0, &mut hash);
    }
    PlanShape(hash)
}

fn add_shape(node: &Value, depth: u8, hash: &mut u64) {
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            *hash = (*hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    add(&[depth]);
    for key in SHAPE {
        add(node.get(key).and_then(Value::as_str).unwrap_or_default().as_bytes());
    }
    for child in children(node) {
        add_shape(child, depth.saturating_add(1), hash);
    }
}

fn children(node: &Value) -> impl Iterator<Item = &Value> {
    node.get("Plans").and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(index: &str, customer: &str) -> Value {
        json!({
            "Node Type": "Limit", "Startup Cost": 0.4, "Total Cost": 9.5, "Plan Rows": 5,
            "Plan Width": 8,
            "Plans": [{
                "Node Type": "Index Scan", "Schema": "public", "Relation Name": "orders",
                "Alias": "o", "Index Name": index, "Startup Cost": 0.4, "Total Cost": 90.0,
                "Plan Rows": 50, "Plan Width": 8,
                "Index Cond": format!("(o.customer = {customer})"),
                "Filter": "(o.note = 'secret'::text)",
            }]
        })
    }

    #[test]
    fn the_text_is_explains_without_values() {
        let expected = "\
Limit  (cost=0.40..9.50 rows=5 width=8)
  ->  Index Scan using by_customer on public.orders o  (cost=0.40..90.00 rows=50 width=8)
        Index Cond: (o.customer = $)
        Filter: (o.note = $::text)";
        assert_eq!(text(&[&plan("by_customer", "7")]), expected);
    }

    #[test]
    fn the_shape_is_that_of_nodes_tables_and_indexes() {
        let of = |index, customer| shape(&[&plan(index, customer)]);
        assert_eq!(of("a", "7"), of("a", "8"));
        assert_ne!(of("a", "7"), of("b", "7"));
    }

    #[test]
    fn a_huge_plan_is_cut() {
        let child = json!({"Node Type": "Result"});
        let plan = json!({"Node Type": "Append", "Plans": vec![child; 500]});
        let text = text(&[&plan]);
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(text.ends_with("… 381 more lines"), "{text}");
    }
}
