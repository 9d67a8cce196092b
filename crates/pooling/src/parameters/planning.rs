//! Which of a client's settings decide what a statement means to the planner.

use model::PlannerSetting;

use super::ClientParameters;
use super::difference::source;

/// Settings of the planner, of names, and of how constants are read (manual 20.7, 20.11; memory and
/// parallel workers of 20.4).
const NAMES: [&str; 23] = [
    "constraint_exclusion",
    "cursor_tuple_fraction",
    "datestyle",
    "default_text_search_config",
    "effective_cache_size",
    "from_collapse_limit",
    "hash_mem_multiplier",
    "intervalstyle",
    "join_collapse_limit",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_leader_participation",
    "plan_cache_mode",
    "role",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "temp_buffers",
    "timezone",
    "work_mem",
    "xmlbinary",
    "xmloption",
];
/// So are those whose names begin and end so.
const BEGINNINGS: [&str; 3] = ["enable_", "geqo", "jit"];
const END: &str = "_cost";
/// The most bytes of one value: a plan is not worth more.
const MOST_BYTES: usize = 4 * 1024;

impl ClientParameters {
    /// What this client has set of what decides about names and plans.
    #[must_use]
    pub fn for_planning(&self) -> Vec<PlannerSetting> {
        let matters = |name: &str| {
            NAMES.contains(&name)
                || name.ends_with(END)
                || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        };
        let wanted = self
            .wanted
            .iter()
            .filter(|(name, value)| matters(name) && value.as_str().len() <= MOST_BYTES);
        wanted
            .map(|(name, value)| PlannerSetting {
                name: name.clone(),
                source: source(name, value).into(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_about_plans_is_told_and_nothing_else() {
        let client = ClientParameters::new([
            ("search_path", "tenant_7, public"),
            ("enable_seqscan", "off"),
            ("random_page_cost", "1.1"),
            ("statement_timeout", "5s"),
            ("app.secret", "hidden"),
        ]);
        let told: Vec<_> = client
            .for_planning()
            .into_iter()
            .map(|one| format!("{} = {}", one.name, one.source))
            .collect();
        assert_eq!(
            told,
            [
                "enable_seqscan = 'off'",
                "random_page_cost = '1.1'",
                "search_path = 'tenant_7', 'public'"
            ]
        );
    }
}
