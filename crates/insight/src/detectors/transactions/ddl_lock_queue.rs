use std::collections::BTreeSet;
use std::time::Duration;

use model::{Finding, FingerprintId, Severity, SlowStatement};

use super::finding::{change, evidence, finding};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{contains_ignoring_case, count, duration_ms};

/// # `ddl_lock_queue`: a change of the schema holds up all statements on its table
///
/// **What it sees.** ALTER TABLE, CREATE INDEX without CONCURRENTLY, DROP, TRUNCATE, LOCK, VACUUM
/// FULL and the like (not a plain VACUUM, VALIDATE CONSTRAINT, SET STATISTICS or SET of storage
/// parameters, beside which others go on), from the time that they were sent to the end of their transaction; and
/// statements on the same table that were sent meanwhile and ended only when it was over. It speaks
/// when three or more waited.
///
/// **Why it hurts.** Such a statement needs the table for itself. It waits for the longest
/// transaction that uses the table; and while it waits, everyone who comes later waits behind it, be
/// it only to read.
///
/// **How to fix.** Set `lock_timeout` for migrations, to two seconds or so, and try again: then
/// nobody waits for longer than that. CREATE INDEX and DROP INDEX have CONCURRENTLY. Constraints can
/// be added NOT VALID and validated later. Nothing else belongs into the transaction.
///
/// **How sure.** High where the statement itself took long; medium where it was its transaction that
/// stayed open.
///
/// **Example.** `ALTER TABLE orders ADD COLUMN note text` takes a millisecond, but a report has been
/// reading `orders` for ten minutes. For ten minutes nobody can order anything.
pub struct DdlLockQueue;

thresholds! {
    /// When `ddl_lock_queue` speaks.
    DdlLockQueueThresholds {
        /// Statements that waited for one change. One or two may have been slow by themselves.
        least_waiting: Count = 3,
        /// The least time for which the change kept others waiting: below it no user notices.
        least_time: Duration = Duration::from_millis(500),
    }
}

/// A statement that waited ends within this time after what it waited for.
const GRACE: Duration = Duration::from_secs(10);
/// Findings at one tick.
const MOST: usize = 10;

impl Detector for DdlLockQueue {
    fn name(&self) -> &'static str {
        "ddl_lock_queue"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let slow = &inputs.window.slow;
        let changes = slow.iter().filter_map(|one| {
            let table = locked_table(inputs.text(one.fingerprint))?;
            Some((one, table))
        });
        changes
            .filter_map(|(change, table)| self.finding(change, &table, slow, inputs))
            .take(MOST)
            .collect()
    }
}

impl DdlLockQueue {
    fn finding(
        &self,
        ddl: &SlowStatement,
        table: &str,
        slow: &[SlowStatement],
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.ddl_lock_queue;
        let labels = inputs.snapshot.labels.get(&ddl.labels)?;
        let lasted = Duration::try_from(ddl.ended.duration_since(ddl.began)).unwrap_or_default();
        if lasted < thresholds.least_time {
            return None;
        }
        let until = ddl.ended + GRACE;
        let mut waited = Duration::ZERO;
        let mut statements = BTreeSet::new();
        let mut waiting = 0u64;
        for other in slow {
            let during = other.began >= ddl.began && other.began < ddl.ended;
            let freed = other.ended >= ddl.ended && other.ended <= until;
            let same_database = inputs
                .snapshot
                .labels
                .get(&other.labels)
                .is_some_and(|other| other.database == labels.database);
            if other.client != ddl.client
                && during
                && freed
                && same_database
                && uses(other.fingerprint, table, inputs)
            {
                waiting += 1;
                waited +=
                    Duration::try_from(ddl.ended.duration_since(other.began)).unwrap_or_default();
                statements.insert(other.fingerprint);
            }
        }
        if waiting < thresholds.least_waiting {
            return None;
        }
        let waited_ms = waited.as_secs_f64() * 1e3;
        let text = inputs.title_text(ddl.fingerprint);
        Some(Finding {
            evidence: evidence([
                ("waiting", waiting.into()),
                ("waited_ms", waited_ms.into()),
                ("held_up_ms", (lasted.as_secs_f64() * 1e3).into()),
                ("at", ddl.began.to_string().into()),
                ("user", (&*labels.user).into()),
            ]),
            fingerprints: std::iter::once(ddl.fingerprint).chain(statements).collect(),
            tables: vec![table.to_owned()],
            database: Some(labels.database.to_string()),
            fix: change(
                "In migrations: SET lock_timeout = '2s', and try again when it strikes. Use \
                 CONCURRENTLY for indexes, NOT VALID and then VALIDATE for constraints, and keep \
                 anything else out of the transaction.",
            ),
            harm_ms: waited_ms,
            ..finding(
                self.name(),
                Severity::Critical,
                format!("{} statements on {table} had to wait for: {text}", count(waiting as f64)),
                format!(
                    "It kept {table} locked, or waited for it with everyone else behind it, for {}; \
                     {} statements waited for {} together",
                    duration_ms(lasted.as_secs_f64() * 1e3),
                    count(waiting as f64),
                    duration_ms(waited_ms)
                ),
            )
        })
    }
}

/// Whether a statement reads or changes the table, whatever the schema.
fn uses(fingerprint: FingerprintId, table: &str, inputs: &Inputs<'_>) -> bool {
    let name = table.rsplit('.').next().unwrap_or(table);
    inputs.facts(fingerprint).is_some_and(|facts| facts.tables.iter().any(|used| used.name == name))
}

/// The table that a statement locks so that changes or reads of it must wait, as its text names it
/// (PostgreSQL manual, 13.3.1).
fn locked_table(text: &str) -> Option<String> {
    const SKIPPED: &[&str] = &[
        "table", "if", "exists", "only", "not", "unique", "full", "freeze", "verbose", "analyze",
        "(",
    ];
    if contains_ignoring_case(text, "concurrently") {
        return None;
    }
    let (verb, rest) = text.trim_start().split_once(char::is_whitespace)?;
    let verb = verb.to_ascii_lowercase();
    let (options, rest) = options(rest);
    let words = rest.split_whitespace();
    let mut words: Box<dyn Iterator<Item = &str>> = match verb.as_str() {
        "vacuum" if !is_full(options, rest) => return None,
        "alter" if lets_others_work(rest) => return None,
        "alter" | "drop" | "truncate" | "lock" | "cluster" | "reindex" | "vacuum" => {
            Box::new(words)
        }
        // … ON table
        "create" => Box::new(words.skip_while(|word| !word.eq_ignore_ascii_case("on")).skip(1)),
        _ => return None,
    };
    let name = words.find(|word| !SKIPPED.iter().any(|skip| word.eq_ignore_ascii_case(skip)))?;
    let name = name.split(['(', ',', ';']).next().unwrap_or(name);
    let name = name.replace('"', "").to_lowercase();
    // ALTER SEQUENCE, DROP INDEX and the like lock no table that could be told from the text.
    const OTHERS: &[&str] = &[
        "index",
        "sequence",
        "view",
        "function",
        "role",
        "user",
        "database",
        "type",
        "schema",
        "materialized",
        "extension",
        "system",
        "default",
        "trigger",
        "policy",
        "publication",
    ];
    (!name.is_empty() && !OTHERS.contains(&name.as_str())).then_some(name)
}

/// `(FULL, ANALYZE)` after the verb, without the parentheses, and the rest.
fn options(rest: &str) -> (&str, &str) {
    let list = rest.trim_start().strip_prefix('(').and_then(|list| list.split_once(')'));
    list.unwrap_or(("", rest))
}

/// Whether it is a VACUUM FULL. A plain one locks out nobody who reads or changes rows.
fn is_full(options: &str, rest: &str) -> bool {
    let among_options = options.split(',').any(|option| {
        let mut words = option.split_whitespace();
        let full = words.next().is_some_and(|word| word.eq_ignore_ascii_case("full"));
        full && !words.next().is_some_and(|word| {
            ["false", "off", "0"].iter().any(|no| word.eq_ignore_ascii_case(no))
        })
    });
    among_options
        || rest.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("full"))
}

/// Whether all that an ALTER TABLE does takes no more than SHARE UPDATE EXCLUSIVE, so that reads and
/// changes of the table go on (PostgreSQL manual, ALTER TABLE).
fn lets_others_work(rest: &str) -> bool {
    let rest = rest.to_ascii_lowercase();
    let mut depth = 0u32;
    let actions = rest.split(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    let mut actions = actions.map(|action| {
        let action = action.replace('(', " ( ");
        let words: Vec<&str> = action.split_whitespace().collect();
        words.windows(2).any(|pair| {
            matches!(
                pair,
                ["validate", "constraint"] | ["set", "statistics" | "("] | ["reset", "("]
            )
        })
    });
    actions.all(|mild| mild)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    const ALTER: &str = "ALTER TABLE orders ADD COLUMN note text";

    /// An ALTER that takes two seconds, and readers that come 0.1 s apart meanwhile.
    fn detect(readers: u64, text: &str, ddl: &str, ends_with_it: bool) -> Vec<Finding> {
        let mut scene = Scene::new();
        scene.client = 1;
        scene.statement(ddl).work_ms(2_000).run();
        scene.back(2_000);
        for reader in 0..readers {
            scene.client = 2 + reader;
            scene.pause(100);
            let waits = if ends_with_it { 2_010 - 100 * (reader + 1) } else { 300 };
            scene.statement(text).values(reader).work_ms(waits).run();
            scene.back(waits);
        }
        scene.pause(5_000);
        scene.look(|inputs| DdlLockQueue.detect(inputs))
    }

    #[test]
    fn statements_that_come_behind_it_and_end_with_it_have_waited() {
        let findings = detect(3, "SELECT * FROM orders WHERE id = $1", ALTER, true);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Critical);
        assert_eq!(findings[0].tables, ["orders"]);
        assert_eq!(findings[0].fingerprints.len(), 2);
        let index = "CREATE INDEX ON public.orders (note)";
        assert_eq!(detect(4, "INSERT INTO orders VALUES ($1)", index, true).len(), 1);
    }

    #[test]
    fn others_tables_slow_statements_and_concurrent_builds_are_quiet() {
        assert!(detect(9, "SELECT * FROM carts WHERE id = $1", ALTER, true).is_empty());
        assert!(detect(9, "SELECT * FROM orders WHERE id = $1", ALTER, false).is_empty());
        assert!(detect(2, "SELECT * FROM orders WHERE id = $1", ALTER, true).is_empty());
        let concurrent = "create index concurrently on orders (note)";
        assert!(detect(9, "SELECT * FROM orders WHERE id = $1", concurrent, true).is_empty());
        let vacuum = "VACUUM (ANALYZE) orders";
        assert!(detect(9, "SELECT * FROM orders WHERE id = $1", vacuum, true).is_empty());
    }

    #[test]
    fn tables_are_read_from_the_text() {
        for (text, table) in [
            ("alter table if exists only public.\"Orders\" drop column a", Some("public.orders")),
            ("CREATE UNIQUE INDEX i ON orders(a)", Some("orders")),
            ("TRUNCATE orders, lines", Some("orders")),
            ("VACUUM FULL orders", Some("orders")),
            ("vacuum (full, analyze) orders", Some("orders")),
            ("VACUUM (FULL off) orders", None),
            ("VACUUM orders", None),
            ("VACUUM (VERBOSE, ANALYZE) orders", None),
            ("VACUUM ANALYZE full_orders", None),
            ("ALTER TABLE orders VALIDATE CONSTRAINT positive", None),
            ("ALTER TABLE orders ALTER COLUMN note SET STATISTICS 500", None),
            ("ALTER TABLE orders SET (fillfactor = 80, autovacuum_enabled = $1)", None),
            ("ALTER TABLE orders RESET (fillfactor), VALIDATE CONSTRAINT positive", None),
            ("ALTER TABLE orders VALIDATE CONSTRAINT p, ADD COLUMN note text", Some("orders")),
            ("ALTER TABLE orders ALTER COLUMN note SET NOT NULL", Some("orders")),
            ("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", Some("orders")),
            ("ALTER SEQUENCE s RESTART", None),
            ("SELECT * FROM orders", None),
            ("DROP", None),
        ] {
            assert_eq!(locked_table(text).as_deref(), table, "{text}");
        }
    }
}
