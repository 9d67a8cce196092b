//! Findings, and what became of some.

use std::collections::BTreeMap;

use model::{
    Basis, Confidence, Effect, Finding, FingerprintId, Fix, FixResult, Measured, Severity,
    SideEffect,
};

use super::at;

pub(super) fn missing_index() -> Finding {
    let sql = "CREATE INDEX CONCURRENTLY orders_customer_id_created_at_idx \
               ON public.orders (customer_id, created_at);";
    let undo = "DROP INDEX CONCURRENTLY public.orders_customer_id_created_at_idx;";
    Finding {
        detector: "missing_index".to_owned(),
        severity: Severity::Warning,
        title: "public.orders has no index on (customer_id, created_at)".to_owned(),
        why: "400 executions read the whole table of 1,500,000 rows for a few of them; that is \
              99 % of all time spent in the database"
            .to_owned(),
        evidence: BTreeMap::from([
            ("calls".to_owned(), 400u64.into()),
            ("mean_ms".to_owned(), 185.0.into()),
            ("p95_ms".to_owned(), 287.5.into()),
            ("share_of_time_ratio".to_owned(), 0.99.into()),
            ("table_rows".to_owned(), 1_500_000u64.into()),
        ]),
        fingerprints: vec![FingerprintId(0xa1)],
        tables: vec!["public.orders".to_owned()],
        database: Some("shop".to_owned()),
        fix: Fix { sql: Some(sql.to_owned()), undo: Some(undo.to_owned()), advice: None },
        estimate: BTreeMap::from([
            ("cost_ratio".to_owned(), 0.0004.into()),
            ("index_bytes".to_owned(), 47_185_920u64.into()),
        ]),
        confidence: Confidence::Medium,
        runbook: "detectors/missing_index.md".to_owned(),
        harm_ms: 73_000.0,
    }
}

pub(super) fn saturation() -> Finding {
    Finding {
        detector: "pool_saturation".to_owned(),
        severity: Severity::Critical,
        title: "pool shop/web is too busy: clients wait longer than they work".to_owned(),
        why: "95 % of transactions waited up to 900 ms for one of 10 server connections".to_owned(),
        evidence: BTreeMap::from([("wait_p95_ms".to_owned(), 900.0.into())]),
        fingerprints: Vec::new(),
        tables: Vec::new(),
        database: Some("shop".to_owned()),
        fix: Fix {
            sql: None,
            undo: None,
            advice: Some("Make the top statements faster first. Then raise pool_size.".to_owned()),
        },
        estimate: BTreeMap::new(),
        confidence: Confidence::High,
        runbook: "detectors/pool_saturation.md".to_owned(),
        harm_ms: 90_000.0,
    }
}

fn measured(calls: u64, per_s: f64, mean_ms: f64, p95_ms: f64, share: f64) -> Measured {
    Measured {
        since: at(-800),
        until: at(-400),
        calls,
        calls_per_s: per_s,
        failed: 0,
        mean_ms,
        database_mean_ms: mean_ms,
        p95_ms,
        share_of_time: share,
    }
}

pub(super) fn better() -> FixResult {
    let finding = missing_index();
    FixResult {
        detector: finding.detector,
        severity: finding.severity,
        title: finding.title,
        database: finding.database,
        fingerprints: finding.fingerprints,
        tables: finding.tables,
        change: "index orders_customer_id_created_at_idx was created on public.orders".to_owned(),
        changed_at: at(-330),
        unchanged_at: Some(at(-345)),
        effect: Effect::Better,
        judged_by: Basis::Latency,
        before: measured(400, 1.0, 185.0, 287.5, 0.99),
        after: measured(610, 1.85, 0.91, 1.4, 0.21),
        estimate: finding.estimate,
        undo: finding.fix.undo,
        slower: vec![SideEffect {
            fingerprint: FingerprintId(0xab),
            text: "INSERT INTO orders (customer_id, state) VALUES ($1, $2)".to_owned(),
            before_ms: 0.4,
            after_ms: 0.9,
        }],
    }
}

pub(super) fn worse() -> FixResult {
    FixResult {
        detector: "unused_index".to_owned(),
        title: "index public.products_sku_idx is not used".to_owned(),
        change: "index products_sku_idx was dropped from public.products".to_owned(),
        changed_at: at(-120),
        unchanged_at: Some(at(-135)),
        effect: Effect::Worse,
        before: measured(4_000, 10.0, 0.3, 0.5, 0.2),
        after: measured(1_200, 10.0, 6.2, 11.0, 0.81),
        undo: Some(
            "CREATE INDEX CONCURRENTLY products_sku_idx ON public.products (sku);".to_owned(),
        ),
        slower: Vec::new(),
        ..better()
    }
}

pub(super) fn measuring() -> FixResult {
    FixResult {
        effect: Effect::Measuring,
        after: measured(3, 0.2, 0.9, 1.0, 0.0),
        slower: Vec::new(),
        ..better()
    }
}
