//! What a run measures: the flags of `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::peers::Peer;
use super::workloads::Workload;

/// What is measured, how often and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// How often each peer runs each workload; 0 only writes the table of what was measured before.
    pub(super) rounds: u32,
    /// How long one run of a workload lasts.
    pub(super) seconds: u32,
    pub(super) only: Vec<Workload>,
    /// Numbers of clients; each workload takes those of them that it makes sense with.
    pub(super) clients: Vec<u32>,
    pub(super) peers: Vec<Peer>,
    /// A PgBouncer to use instead of building one.
    pub(super) pgbouncer: Option<PathBuf>,
    /// A pgweir to use instead of building one.
    pub(super) pgweir: Option<PathBuf>,
    /// Whether `docs/performance.md` and its picture are written.
    pub(super) write: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 5,
            seconds: 5,
            only: Workload::ALL.to_vec(),
            clients: vec![1, 50, 1000],
            peers: Peer::ALL.to_vec(),
            pgbouncer: None,
            pgweir: None,
            write: false,
        }
    }
}

impl Options {
    /// Reads the flags; an unknown one is told with those there are.
    pub(super) fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        // Flags win over --quick wherever they stand.
        if arguments.iter().any(|one| one == "--quick") {
            options.rounds = 2;
            options.seconds = 1;
            options.clients = vec![50];
        }
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{flag} takes a value"));
            match flag.as_str() {
                "--quick" => {}
                "--write" => options.write = true,
                "--rounds" => options.rounds = number(flag, value()?)?,
                "--seconds" => options.seconds = number(flag, value()?)?,
                "--only" => options.only = list(value()?, Workload::by_name)?,
                "--clients" => options.clients = list(value()?, |one| number(flag, one))?,
                "--peers" => options.peers = list(value()?, Peer::by_name)?,
                "--pgbouncer" => options.pgbouncer = Some(value()?.into()),
                "--pgweir" => options.pgweir = Some(value()?.into()),
                _ => bail!(
                    "{flag} is none of --rounds N, --seconds S, --only WORKLOAD[,…], --clients \
                     N[,…], --peers PEER[,…], --pgbouncer PATH, --pgweir PATH, --quick, --write"
                ),
            }
        }
        ensure!(options.seconds > 0, "--seconds is 1 or more");
        ensure!(!options.clients.contains(&0), "--clients are 1 or more");
        Ok(options)
    }
}

fn number(flag: &str, text: &str) -> Result<u32> {
    text.parse().with_context(|| format!("{flag} {text}"))
}

fn list<T>(text: &str, read: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    text.split(',').map(|one| read(one.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Options> {
        Options::read(&arguments.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn all_is_measured_unless_flags_say_otherwise() {
        assert_eq!(read(&[]).unwrap(), Options::default());
        let options =
            read(&["--rounds", "3", "--only", "tpcb,wide", "--peers", "pgweir,pgbouncer"]).unwrap();
        assert_eq!(options.rounds, 3);
        assert_eq!(options.only, [Workload::Tpcb, Workload::Wide]);
        assert_eq!(options.peers, [Peer::Pgweir, Peer::PgBouncer]);
    }

    #[test]
    fn quick_is_a_default_for_what_is_not_said() {
        let options = read(&["--rounds", "7", "--quick"]).unwrap();
        assert_eq!((options.rounds, options.seconds), (7, 1));
    }

    #[test]
    fn what_is_unknown_is_told_with_what_there_is() {
        let told = |arguments: &[&str]| read(arguments).unwrap_err().to_string();
        assert!(told(&["--round", "3"]).contains("none of --rounds"));
        assert!(told(&["--rounds"]).contains("takes a value"));
        assert!(told(&["--only", "tpc"]).contains("select-simple"));
        assert!(told(&["--peers", "odyssey"]).contains("haproxy"));
        assert!(read(&["--clients", "0"]).is_err());
        assert!(read(&["--seconds", "0"]).is_err());
    }
}
