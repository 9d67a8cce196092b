//! What is wrong with the shop, and how one sees that the report has found it.

use model::{Finding, Severity};
use report::Report;

use super::shopper::Visit;

/// Something that is wrong with the shop.
#[derive(Debug)]
pub(super) struct Fault {
    /// In a few words.
    pub(super) what: &'static str,
    /// The detectors that may name it, the best first. It is found when one of them does.
    pub(super) detectors: &'static [&'static str],
    /// What the finding must speak of, in any of its parts; one of these.
    marks: &'static [&'static str],
    /// How it is mended.
    pub(super) mend: Mend,
    /// What shows that it was.
    pub(super) effect: Effect,
}

/// How a fault is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    /// By the SQL of its finding.
    Sql,
    /// In the shop's code.
    Code,
}

/// What shows that a fault was mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A page is faster.
    Faster(Visit),
    /// A page is refused less often.
    Refused(Visit),
    /// A query gives less: its name, and SQL for one number, in bytes.
    Bytes(&'static str, &'static str),
    /// The same, for a share from 0 to 1.
    Share(&'static str, &'static str),
}

/// All that was planted, each with the detectors that see it.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "orders have no index on customer_id",
        detectors: &["missing_index"],
        marks: &["orders (customer_id"],
        mend: Mend::Sql,
        effect: Effect::Faster(Visit::Account),
    },
    Fault {
        what: "carts have no index on session_token",
        detectors: &["missing_index"],
        marks: &["carts (session_token"],
        mend: Mend::Sql,
        effect: Effect::Faster(Visit::Cart),
    },
    Fault {
        what: "an index on reviews was never finished",
        detectors: &["invalid_index"],
        marks: &["reviews_product_id"],
        mend: Mend::Sql,
        effect: Effect::Faster(Visit::Product),
    },
    Fault {
        what: "two indexes on products do the same",
        detectors: &["duplicate_index"],
        marks: &["products_category"],
        mend: Mend::Sql,
        effect: Effect::Bytes(
            "needless index",
            "SELECT coalesce(sum(pg_relation_size(indexrelid)), 0)::float8 FROM pg_index \
             WHERE indexrelid = to_regclass('products_category')",
        ),
    },
    Fault {
        what: "page views have no index on session_id",
        detectors: &["unindexed_foreign_key", "missing_index"],
        marks: &["page_views"],
        mend: Mend::Sql,
        effect: Effect::Faster(Visit::LogOut),
    },
    Fault {
        what: "the numbers of invoices run out",
        detectors: &["sequence_exhaustion"],
        marks: &["invoices_id_seq"],
        mend: Mend::Sql,
        effect: Effect::Share(
            "numbers used up",
            "SELECT last_value::float8 / max_value::float8 FROM pg_sequences \
             WHERE sequencename = 'invoices_id_seq'",
        ),
    },
    Fault {
        what: "customers are looked up by lower(email)",
        detectors: &["function_on_column", "missing_index"],
        marks: &["lower(email)"],
        mend: Mend::Sql,
        effect: Effect::Faster(Visit::LogIn),
    },
    Fault {
        what: "products are searched by LIKE '%…%'",
        detectors: &["leading_wildcard"],
        marks: &["products"],
        mend: Mend::Sql,
        effect: Effect::Faster(Visit::Search),
    },
    Fault {
        what: "events were never analysed",
        detectors: &["stale_statistics", "row_misestimate"],
        marks: &["events"],
        mend: Mend::Sql,
        effect: Effect::Share(
            "unknown events",
            "SELECT 1 - least(greatest(reltuples, 0) / 60000, 1)::float8 FROM pg_class \
             WHERE relname = 'events'",
        ),
    },
    Fault {
        what: "each order line asks for its product",
        detectors: &["n_plus_one"],
        marks: &["products"],
        mend: Mend::Code,
        effect: Effect::Faster(Visit::Order),
    },
    Fault {
        what: "payments wait in open transactions",
        detectors: &["idle_in_transaction"],
        marks: &["shop-payments"],
        mend: Mend::Code,
        effect: Effect::Faster(Visit::Checkout),
    },
    Fault {
        what: "the list of products counts its way down",
        detectors: &["deep_offset"],
        marks: &["OFFSET"],
        mend: Mend::Code,
        effect: Effect::Faster(Visit::Browse),
    },
    Fault {
        what: "a partner fetches all products at once",
        detectors: &["unbounded_result"],
        marks: &["description"],
        mend: Mend::Code,
        effect: Effect::Faster(Visit::Export),
    },
    Fault {
        what: "ids of products are sent as float8",
        detectors: &["bind_type_mismatch"],
        marks: &["stock"],
        mend: Mend::Code,
        effect: Effect::Faster(Visit::Stock),
    },
    Fault {
        what: "NOT IN meets NULL, and gives nothing",
        detectors: &["not_in_nullable"],
        marks: &["parent_id"],
        mend: Mend::Code,
        effect: Effect::Faster(Visit::Menu),
    },
    Fault {
        what: "ids of products are part of the text",
        detectors: &["unparameterised_literals"],
        marks: &["products"],
        mend: Mend::Code,
        effect: Effect::Faster(Visit::Product),
    },
    Fault {
        what: "addresses that are taken are errors",
        detectors: &["error_rate"],
        marks: &["customers"],
        mend: Mend::Code,
        effect: Effect::Refused(Visit::SignUp),
    },
];

/// What follows from faults that were planted, and is none of its own: payments that wait in open
/// transactions make these long and chatty, and hold the shop's pool; an index that was never finished
/// is a missing one; what was never analysed is misjudged.
const CONSEQUENCES: &[(&str, &str)] = &[
    ("pool_saturation", "shop"),
    ("chatty_transaction", "shop-payments"),
    ("long_transaction", "shop-payments"),
    ("missing_index", "reviews"),
    ("row_misestimate", "events"),
];

impl Fault {
    /// The finding that names it, if there is one.
    pub(super) fn found<'a>(&self, report: &'a Report) -> Option<&'a Finding> {
        self.detectors.iter().find_map(|detector| {
            let is_it = |finding: &&Finding| {
                finding.detector == *detector && speaks_of(finding, self.marks, report)
            };
            report.findings.iter().find(is_it)
        })
    }
}

/// Findings above *info* that nobody planted.
pub(super) fn not_planted(report: &Report) -> Vec<&Finding> {
    let is_planted = |finding: &Finding| {
        FAULTS.iter().any(|fault| {
            fault.detectors.contains(&&*finding.detector) && speaks_of(finding, fault.marks, report)
        }) || CONSEQUENCES.iter().any(|(detector, mark)| {
            finding.detector == *detector && speaks_of(finding, &[*mark], report)
        })
    };
    report
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Info && !is_planted(finding))
        .collect()
}

/// Whether one of the marks is in the finding's words, its fix, its tables or its statements.
fn speaks_of(finding: &Finding, marks: &[&str], report: &Report) -> bool {
    let mut text = format!("{} {} {}", finding.title, finding.why, finding.tables.join(" "));
    text.push_str(finding.fix.sql.as_deref().unwrap_or_default());
    for query in &report.queries {
        if finding.fingerprints.contains(&query.fingerprint) {
            text.push_str(&query.text);
        }
    }
    marks.iter().any(|mark| text.contains(mark))
}
