//! `pgweir takeover`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::run::local_admin::state_directory;
use crate::run::takeover;

/// What `pgweir takeover` takes.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The running pgweir starts the program that is now where its own was, with its own arguments, and hands \
over to it: listening sockets, clients, history. If the new one does not come up, the running one goes \
on as if nothing had been. docs/operation.md says what becomes of which clients.

Example, after an upgrade of the package:
  pgweir takeover --data-dir /var/lib/pgweir")]
pub struct TakeoverArguments {
    /// Where the running pgweir keeps its history [default: the platform's state folder].
    #[arg(long, value_name = "DIR", env = "PGWEIR_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// The port that it listens at, if several run here.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

impl TakeoverArguments {
    /// Returns when the successor serves.
    ///
    /// # Errors
    /// Nobody runs here, or the successor did not come up.
    pub async fn execute(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let directory = state_directory(self.data_dir.as_deref())
            .context("there is no state folder: say --data-dir")?;
        let Some(running) = takeover::find(&directory, self.port).await? else {
            bail!(
                "no pgweir that keeps its state in {} is running; --data-dir names another folder",
                directory.display()
            );
        };
        let pid = takeover::ask_to_be_succeeded(running).await?;
        writeln!(out, "process {pid} has taken over")?;
        Ok(())
    }
}
