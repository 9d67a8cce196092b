//! `pgweir metrics`.

use std::io::{self, Write};

use clap::Args;

/// What `pgweir metrics` takes.
#[derive(Args, Clone, Debug)]
pub struct MetricsArguments {
    /// Print the manual page, docs/metrics.md.
    #[arg(long)]
    pub markdown: bool,
}

impl MetricsArguments {
    /// Prints the metrics to `out`.
    ///
    /// # Errors
    /// What writing says.
    pub fn execute(&self, out: &mut impl Write) -> io::Result<()> {
        if self.markdown {
            return out.write_all(http::markdown().as_bytes());
        }
        let families = || http::FAMILIES.iter().flat_map(|(_, families)| *families);
        let width = families().map(|family| family.sample_name().len()).max().unwrap_or(0);
        for family in families() {
            let (name, kind) = (family.sample_name(), family.kind.as_str());
            writeln!(out, "{name:width$}  {kind:9}  {}", family.help)?;
        }
        Ok(())
    }
}
