//! `pgweir check`.

use clap::Args;

use super::RunArguments;

/// What `pgweir check` takes: what `pgweir run` takes, and how to look at it.
#[derive(Args, Clone)]
#[command(after_help = "\
Reads the settings as `pgweir run` would with the same arguments, says what they come to, and logs in to \
the servers. Nothing is changed and nobody is served. The exit status is 0 if pgweir would start and \
every server lets it in, else 1: for CI, and, with --offline, for ExecStartPre= of systemd.

Examples:
  pgweir check -c /etc/pgbouncer/pgbouncer.ini
  pgweir check -c /etc/pgweir.toml --offline
  pgweir check postgres://app:secret@db.internal/shop --json")]
pub struct CheckArguments {
    /// What would be run.
    #[command(flatten)]
    pub run: RunArguments,

    /// Connect to no server.
    #[arg(long)]
    pub offline: bool,

    /// For programs: schema `pgweir.check/1`.
    #[arg(long)]
    pub json: bool,
}
