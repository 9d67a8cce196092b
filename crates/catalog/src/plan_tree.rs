//! What EXPLAIN (FORMAT JSON) says, reduced to what detectors and the advisor need.

use model::{MemoryNode, PlanText, ScanFacts};
use serde_json::Value;

use crate::plan_text;
use crate::redact::{columns_of, redact};

/// What a row that is sorted or hashed takes beside its columns, bytes.
const ROW_OVERHEAD: f64 = 24.0;

/// A plan, without the values that stand in its conditions.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Total cost, in the planner's units.
    pub(crate) cost: f64,
    /// The scans of tables.
    pub(crate) scans: Vec<ScanFacts>,
    /// The indexes it uses.
    pub(crate) indexes: Vec<String>,
    /// Sorts and hashes.
    pub(crate) memory: Vec<MemoryNode>,
    /// Rows expected of the statement; none where a LIMIT decides.
    pub(crate) rows: Option<f64>,
    /// The plan to be shown.
    pub(crate) text: PlanText,
}

impl Plan {
    /// Reads EXPLAIN's answer: an array with one object per query that the rewriter made of the
    /// statement. None when there is no plan in it.
    pub(crate) fn from_explain(answer: &Value) -> Option<Self> {
        let mut plan = Self::default();
        let roots: Vec<&Value> =
            answer.as_array()?.iter().filter_map(|query| query.get("Plan")).collect();
        for root in &roots {
            plan.cost += number(root, "Total Cost")?;
            // Recursion is bounded: serde_json refuses text nested deeper than 128.
            plan.add_node(root, false);
        }
        if let [root] = roots.as_slice() {
            plan.rows = rows_of(root);
        }
        plan.text = PlanText {
            shape: plan_text::shape(&roots),
            cost: plan.cost,
            rows: plan.rows.unwrap_or_default(),
            text: plan_text::text(&roots),
        };
        (!roots.is_empty()).then_some(plan)
    }

    fn add_node(&mut self, node: &Value, limited: bool) {
        if let Some(index) = node.get("Index Name").and_then(Value::as_str) {
            self.indexes.push(index.to_owned());
        }
        let node_type = text(node, "Node Type");
        let rows = number(node, "Plan Rows").unwrap_or_default();
        // Under a LIMIT only the first few are held.
        if node_type == "Hash" || (node_type == "Sort" && !limited) {
            let width = number(node, "Plan Width").unwrap_or_default();
            let bytes = rows * (width + ROW_OVERHEAD);
            self.memory.push(MemoryNode { node: node_type.clone(), rows, bytes });
        }
        // ModifyTable names a relation too, the one that it writes.
        if node_type.ends_with("Scan") && node.get("Relation Name").is_some() {
            self.scans.push(scan(node, node_type.clone(), rows));
        }
        for child in children(node) {
            self.add_node(child, node_type == "Limit");
        }
    }
}

fn scan(node: &Value, node_type: String, rows: f64) -> ScanFacts {
    let filter = node.get("Filter").and_then(Value::as_str);
    // The heap is scanned by what the indexes below it found.
    let below = children(node).next().map(|child| text(child, "Index Name"));
    let index = Some(text(node, "Index Name")).filter(|name| !name.is_empty()).or(below);
    ScanFacts {
        node: node_type,
        schema: text(node, "Schema"),
        table: text(node, "Relation Name"),
        rows,
        cost: number(node, "Total Cost").unwrap_or_default(),
        filtered: filter.is_some(),
        index: index.filter(|name| !name.is_empty()),
        filter_columns: filter
            .map(|filter| columns_of(&text(node, "Alias"), &redact(filter)))
            .unwrap_or_default(),
    }
}

/// Rows that the statement returns or writes.
fn rows_of(root: &Value) -> Option<f64> {
    match text(root, "Node Type").as_str() {
        "Limit" => None,
        // It returns nothing itself, and writes what comes from below.
        "ModifyTable" => children(root).next().and_then(rows_of),
        "LockRows" => children(root).next().and_then(rows_of),
        _ => number(root, "Plan Rows"),
    }
}

fn children(node: &Value) -> impl Iterator<Item = &Value> {
    node.get("Plans").and_then(Value::as_array).into_iter().flatten()
}

fn text(node: &Value, key: &str) -> String {
    node.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(node: &Value, key: &str) -> Option<f64> {
    node.get(key).and_then(Value::as_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scans_are_found_at_any_depth_and_targets_are_not_scans() {
        let answer = json!([{"Plan": {
            "Node Type": "ModifyTable", "Relation Name": "lines", "Schema": "public",
            "Total Cost": 993.5, "Plan Rows": 0,
            "Plans": [{
                "Node Type": "Nested Loop", "Total Cost": 990.0, "Plan Rows": 5,
                "Plans": [
                    {"Node Type": "Seq Scan", "Relation Name": "orders", "Schema": "shop",
                     "Total Cost": 900.0, "Plan Rows": 5, "Filter": "(customer_id = 4111)"},
                    {"Node Type": "Bitmap Heap Scan", "Relation Name": "lines",
                     "Schema": "public", "Total Cost": 8.0, "Plan Rows": 1,
                     "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "lines_order",
                                "Total Cost": 4.0, "Plan Rows": 1}]}
                ]
            }]
        }}]);
        let plan = Plan::from_explain(&answer).unwrap();
        assert_eq!(plan.cost, 993.5);
        assert_eq!(plan.indexes, ["lines_order"]);
        let scans: Vec<_> = plan
            .scans
            .iter()
            .map(|scan| {
                (scan.node.as_str(), scan.schema.as_str(), scan.table.as_str(), scan.filtered)
            })
            .collect();
        assert_eq!(
            scans,
            [("Seq Scan", "shop", "orders", true), ("Bitmap Heap Scan", "public", "lines", false)]
        );
    }

    #[test]
    fn the_queries_of_a_rule_are_added_up() {
        let answer = json!([
            {"Plan": {"Node Type": "Result", "Total Cost": 1.0}},
            {"Plan": {"Node Type": "Result", "Total Cost": 2.5}}
        ]);
        assert_eq!(Plan::from_explain(&answer).unwrap().cost, 3.5);
    }

    #[test]
    fn what_is_filtered_sorted_and_returned_is_read() {
        let answer = json!([{"Plan": {
            "Node Type": "Sort", "Total Cost": 900.0, "Plan Rows": 1000, "Plan Width": 76,
            "Plans": [{"Node Type": "Seq Scan", "Relation Name": "orders", "Alias": "o",
                       "Total Cost": 800.0, "Plan Rows": 1000,
                       "Filter": "((o.status = 'open'::text) AND (o.paid))"}]
        }}]);
        let plan = Plan::from_explain(&answer).unwrap();
        let sort = MemoryNode { node: "Sort".to_owned(), rows: 1000.0, bytes: 100_000.0 };
        assert_eq!(plan.memory, [sort]);
        assert_eq!(
            (plan.rows, plan.scans[0].filter_columns.join(",")),
            (Some(1000.0), "status,paid".to_owned())
        );
        assert!(!plan.text.text.contains("open"), "{}", plan.text.text);

        let limited = json!([{"Plan": {"Node Type": "Limit", "Total Cost": 1.0, "Plan Rows": 10,
                                       "Plans": [answer[0]["Plan"].clone()]}}]);
        let plan = Plan::from_explain(&limited).unwrap();
        assert_eq!((plan.rows, plan.memory), (None, vec![]));
    }

    #[test]
    fn what_is_no_plan_is_none() {
        for answer in [json!([]), json!(["Utility Statement"]), json!({}), json!([{"Plan": {}}])] {
            assert_eq!(Plan::from_explain(&answer), None);
        }
    }
}
