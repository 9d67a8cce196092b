//! `pgweir settings`.

use std::io::{self, Write};

use clap::Args;

use crate::settings;

/// What `pgweir settings` takes.
#[derive(Args, Clone, Debug)]
pub struct SettingsArguments {
    /// Print the manual page, docs/settings.md.
    #[arg(long)]
    pub markdown: bool,
    /// Print the manual's list of the admin console's tables, docs/console-tables.md.
    #[arg(long, hide = true, conflicts_with = "markdown")]
    pub console_tables: bool,
    /// Print the manual's page docs/migrating-from-pgbouncer.md.
    #[arg(long, hide = true, conflicts_with_all = ["markdown", "console_tables"])]
    pub migrating: bool,
}

impl SettingsArguments {
    /// Prints the settings to `out`.
    ///
    /// # Errors
    /// What writing says.
    pub fn execute(&self, out: &mut impl Write) -> io::Result<()> {
        let text = match self {
            Self { markdown: true, .. } => settings::markdown(),
            Self { console_tables: true, .. } => console::tables_markdown(),
            Self { migrating: true, .. } => settings::migration_page(),
            _ => settings::plain_text(),
        };
        out.write_all(text.as_bytes())
    }
}
