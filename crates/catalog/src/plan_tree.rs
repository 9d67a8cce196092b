//! What EXPLAIN (FORMAT JSON) says, reduced to what the advisor needs.

use model::ScanFacts;
use serde_json::Value;

/// A plan, without the values that stand in its conditions.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Total cost, in the planner's units.
    pub(crate) cost: f64,
    /// The scans of tables.
    pub(crate) scans: Vec<ScanFacts>,
    /// The indexes it uses.
    pub(crate) indexes: Vec<String>,
}

impl Plan {
    /// Reads EXPLAIN's answer: an array with one object per query that the rewriter made of the
    /// statement. None when there is no plan in it.
    pub(crate) fn from_explain(answer: &Value) -> Option<Self> {
        let mut plan = Self::default();
        let mut found = false;
        for root in answer.as_array()?.iter().filter_map(|query| query.get("Plan")) {
            found = true;
            plan.cost += number(root, "Total Cost")?;
            // Recursion is bounded: serde_json refuses text nested deeper than 128.
            plan.add_node(root);
        }
        found.then_some(plan)
    }

    fn add_node(&mut self, node: &Value) {
        if let Some(index) = node.get("Index Name").and_then(Value::as_str) {
            self.indexes.push(index.to_owned());
        }
        let node_type = text(node, "Node Type");
        // ModifyTable names a relation too, the one that it writes.
        if node_type.ends_with("Scan") && node.get("Relation Name").is_some() {
            self.scans.push(ScanFacts {
                node: node_type,
                schema: text(node, "Schema"),
                table: text(node, "Relation Name"),
                rows: number(node, "Plan Rows").unwrap_or_default(),
                cost: number(node, "Total Cost").unwrap_or_default(),
                filtered: node.get("Filter").is_some(),
                ..ScanFacts::default()
            });
        }
        for child in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
            self.add_node(child);
        }
    }
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
    fn what_is_no_plan_is_none() {
        for answer in [json!([]), json!(["Utility Statement"]), json!({}), json!([{"Plan": {}}])] {
            assert_eq!(Plan::from_explain(&answer), None);
        }
    }
}
