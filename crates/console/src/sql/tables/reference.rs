//! The page of the manual that lists the tables.

use std::fmt::Write as _;

use super::ALL;

const HEAD: &str = "\
# The console's tables

<!-- Made by `pgweir settings --console-tables`; change crates/console/src/sql/tables/ instead. -->

What `SELECT` can be asked of in the admin console; [console.md](console.md) says how. Names carry
their unit (`_ms`, `_bytes`); columns that PgBouncer has too have its names and meanings, with times as
`timestamp with time zone` and counts as `bigint`.
";

/// docs/console-tables.md.
#[must_use]
pub fn tables_markdown() -> String {
    let mut page = HEAD.to_owned();
    for table in ALL {
        let columns: Vec<_> = table
            .columns()
            .iter()
            .map(|column| format!("`{}` {}", column.name, column.kind.name()))
            .collect();
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {}\n{}\n\n{}.\n", table.name, table.what, columns.join(", "));
    }
    page
}
