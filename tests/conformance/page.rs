//! The table, for a terminal and as a page of the documentation.

use std::fmt::Write as _;

use crate::feature::{FEATURES, SHARE};
use crate::matrix::{Cell, Report, Row};
use crate::program::Verdict;
use crate::scene::{CLIENTS, POOL};

/// A cell in words, with all that is known of a failure.
pub(crate) fn told(cell: &Cell) -> String {
    let mut text = match &cell.verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Absent(why) => format!("n/a: {why}"),
        Verdict::Fail(why) => format!("FAIL: {why}"),
    };
    for reason in &cell.needed {
        let _ = write!(text, "; pinned as it must be: {reason}");
    }
    for reason in &cell.unexpected {
        let _ = write!(text, "; PINNED: {reason}");
    }
    let transactions = cell.transactions;
    if transactions.all > 0 {
        let _ = write!(text, "; {} transactions, {} pinned", transactions.all, transactions.pinned);
    }
    text
}

/// A cell in few signs.
fn sign(cell: &Cell) -> String {
    let mut text = match &cell.verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Absent(_) => "n/a".to_owned(),
        Verdict::Fail(_) => "**fail**".to_owned(),
    };
    for reason in &cell.needed {
        let _ = write!(text, " ({reason})");
    }
    for reason in &cell.unexpected {
        let _ = write!(text, ", **pinned: {reason}**");
    }
    text
}

fn share(row: &Row) -> String {
    let Some(cell) = &row.share else { return String::new() };
    let transactions = cell.transactions;
    match &cell.verdict {
        Verdict::Absent(_) => "n/a".to_owned(),
        Verdict::Pass => {
            let mut text = format!("{} of {}", transactions.pinned, transactions.all);
            for reason in &cell.unexpected {
                let _ = write!(text, ", **pinned: {reason}**");
            }
            text
        }
        Verdict::Fail(_) => "**fail**".to_owned(),
    }
}

fn table(report: &Report) -> String {
    let mut text = String::from("| driver | version |");
    for feature in FEATURES {
        let _ = write!(text, " {} |", feature.name);
    }
    text.push_str(" pinned transactions |\n|---|---|");
    text.push_str(&"---|".repeat(FEATURES.len() + 1));
    for row in &report.rows {
        let version = row.version.as_deref().unwrap_or("");
        let _ = write!(text, "\n| {} | {version} |", row.driver);
        if row.skipped.is_some() {
            text.push_str(&" not run |".repeat(FEATURES.len() + 1));
            continue;
        }
        for cell in &row.cells {
            let _ = write!(text, " {} |", sign(cell));
        }
        let _ = write!(text, " {} |", share(row));
    }
    text.push('\n');
    text
}

/// What the table's words leave out.
fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    for row in &report.rows {
        if let Some(why) = &row.skipped {
            notes.push(format!("{}: not run, since {why}", row.driver));
        }
        let features = FEATURES.iter().chain([&SHARE]);
        for (feature, cell) in features.zip(row.cells.iter().chain(&row.share)) {
            match &cell.verdict {
                Verdict::Pass => {}
                Verdict::Absent(why) => {
                    notes.push(format!("{}, {}: n/a, since {why}", row.driver, feature.name));
                }
                Verdict::Fail(why) => {
                    let why = why.lines().next().unwrap_or_default();
                    notes.push(format!("{}, {}: failed: {why}", row.driver, feature.name));
                }
            }
        }
    }
    notes
}

/// For people at a terminal.
pub(crate) fn terminal(report: &Report) -> String {
    let mut text = table(report).replace("**", "");
    for note in notes(report) {
        let _ = write!(text, "\n{note}");
    }
    let failed = if report.is_green() { "green" } else { "NOT green" };
    let _ = write!(text, "\n\n{} drivers, pool of {POOL}: {failed}", report.rows.len());
    text
}

/// The page docs/conformance.md.
pub(crate) fn markdown(report: &Report) -> String {
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let mut text = format!(
        "# Drivers and ORMs in transaction mode\n\n\
         Written by `cargo xtask conformance`, which runs every driver's own program through a \
         pgweir in front of a throwaway PostgreSQL: pool_mode transaction, {POOL} server \
         connections for each driver, login by SCRAM as a user without privileges.\n\n\
         {day}, pgweir {}, PostgreSQL {}.\n\n",
        env!("CARGO_PKG_VERSION"),
        report.server_version
    );
    text.push_str(&table(report));
    text.push_str("\n## What is done\n\n");
    for feature in FEATURES {
        let _ = writeln!(text, "- **{}**: {}", feature.name, feature.what);
    }
    let _ = write!(
        text,
        "- **pinned transactions**: {CLIENTS} clients at once doing their ordinary work; of so many \
         transactions, how many ran on a server connection that its client held because it was \
         pinned\n\n\
         Every result is checked against what that client itself sent, so that an answer that \
         belongs to another client fails. *pass* with a reason in parentheses: the client was \
         pinned for it while it needed to be, and not longer. **pinned** in bold: it should not \
         have been.\n"
    );
    let notes = notes(report);
    if !notes.is_empty() {
        text.push_str("\n## Notes\n\n");
        for note in notes {
            let _ = writeln!(text, "- {note}");
        }
    }
    text
}
