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
}

impl SettingsArguments {
    /// Prints the settings to `out`.
    ///
    /// # Errors
    /// What writing says.
    pub fn execute(&self, out: &mut impl Write) -> io::Result<()> {
        let text = if self.markdown { settings::markdown() } else { settings::plain_text() };
        out.write_all(text.as_bytes())
    }
}
