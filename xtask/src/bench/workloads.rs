//! What clients do while a peer is measured.

use anyhow::{Context, Result};

use super::peers::Peer;
use super::pgbench::Length;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Workload {
    /// `pgbench -S`, one row by its key: the simple protocol.
    SelectSimple,
    /// The same, extended protocol: Parse, Bind, Execute each time.
    SelectExtended,
    /// The same, prepared once: Bind and Execute.
    SelectPrepared,
    /// pgbench's TPC-B: seven statements in a transaction block.
    Tpcb,
    /// One row of 1 MB.
    Wide,
    /// COPY TO STDOUT of 1 MB.
    CopyOut,
    /// COPY FROM STDIN of 1 MB, which the server reads and drops.
    CopyIn,
    /// A connection for each query.
    Connect,
    /// Queries that take the server 5 ms: who waits how long.
    Fairness,
    /// `pgbench -S` by very many clients at once, each a few times.
    Crowd,
    /// Many connections: their memory, and a query from each.
    Idle,
}

/// How a workload is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    /// pgbench with these arguments; a script is the text of a file.
    Pgbench { arguments: &'static [&'static str], script: Option<&'static str> },
    /// A client of ours that sends this COPY: pgbench knows none.
    Copy(Copying),
    /// Connections of ours that do nothing most of the time.
    Idle,
}

/// Which way a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copying {
    Out,
    In,
}

/// Connections of the idle workload, and clients of the crowd.
pub(super) const VERY_MANY_CLIENTS: u32 = 10_000;
/// How often each of the crowd's clients runs its query.
const CROWD_ROUNDS: u32 = 5;
/// Clients of the fairness workload.
const FAIRNESS_CLIENTS: u32 = 1000;

impl Workload {
    pub(super) const ALL: [Self; 11] = [
        Self::SelectSimple,
        Self::SelectExtended,
        Self::SelectPrepared,
        Self::Tpcb,
        Self::Wide,
        Self::CopyOut,
        Self::CopyIn,
        Self::Connect,
        Self::Fairness,
        Self::Crowd,
        Self::Idle,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SelectSimple => "select-simple",
            Self::SelectExtended => "select-extended",
            Self::SelectPrepared => "select-prepared",
            Self::Tpcb => "tpcb",
            Self::Wide => "wide",
            Self::CopyOut => "copy-out",
            Self::CopyIn => "copy-in",
            Self::Connect => "connect",
            Self::Fairness => "fairness",
            Self::Crowd => "crowd",
            Self::Idle => "idle",
        }
    }

    pub(super) fn by_name(name: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.with_context(|| format!("{name} is none of the workloads {names}"))
    }

    pub(super) fn driver(self) -> Driver {
        let builtin = |arguments| Driver::Pgbench { arguments, script: None };
        match self {
            Self::SelectSimple | Self::Crowd => builtin(&["--select-only", "--protocol=simple"]),
            Self::SelectExtended => builtin(&["--select-only", "--protocol=extended"]),
            Self::SelectPrepared => builtin(&["--select-only", "--protocol=prepared"]),
            Self::Tpcb => builtin(&["--builtin=tpcb-like", "--protocol=simple"]),
            Self::Connect => builtin(&["--select-only", "--protocol=simple", "--connect"]),
            Self::Wide => Driver::Pgbench {
                arguments: &["--protocol=simple"],
                script: Some("SELECT body FROM wide;\n"),
            },
            Self::Fairness => Driver::Pgbench {
                arguments: &["--protocol=simple"],
                script: Some("SELECT pg_sleep(0.005);\n"),
            },
            Self::CopyOut => Driver::Copy(Copying::Out),
            Self::CopyIn => Driver::Copy(Copying::In),
            Self::Idle => Driver::Idle,
        }
    }

    /// The numbers of clients to run it with, of those that were asked for.
    pub(super) fn clients(self, asked: &[u32]) -> Vec<u32> {
        let most = match self {
            // A thousand connects at a time measure the listen queue; a thousand copies, memory.
            Self::Connect | Self::CopyOut | Self::CopyIn => 100,
            Self::Fairness => return vec![FAIRNESS_CLIENTS],
            Self::Crowd | Self::Idle => return vec![VERY_MANY_CLIENTS],
            _ => u32::MAX,
        };
        asked.iter().copied().filter(|clients| *clients <= most).collect()
    }

    /// Whether it says anything of a peer: some are about sharing connections, which not all do; and a
    /// setting may be about one of them.
    pub(super) fn concerns(self, peer: Peer) -> bool {
        match self {
            _ if peer == Peer::PgweirPrepares => self == Self::SelectSimple,
            Self::Fairness | Self::Crowd | Self::Idle => peer.pools(),
            _ => true,
        }
    }

    /// How long it runs, where `seconds` were asked for. A crowd is not through with logging in by then.
    pub(super) fn length(self, seconds: u32) -> Length {
        match self {
            Self::Crowd => Length::Transactions(CROWD_ROUNDS),
            _ => Length::Seconds(seconds),
        }
    }

    /// Whether its system calls are counted, in a run of its own.
    pub(super) fn counts_system_calls(self) -> bool {
        matches!(
            self,
            Self::SelectSimple | Self::SelectExtended | Self::SelectPrepared | Self::Tpcb
        )
    }

    /// Whether a transaction includes its connection: pgbench's log leaves it out then, but the time
    /// from one end to the next has it.
    pub(super) fn connects_each_time(self) -> bool {
        self == Self::Connect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for workload in Workload::ALL {
            assert_eq!(Workload::by_name(workload.name()).unwrap(), workload);
        }
        assert!(Workload::by_name("").is_err());
    }

    #[test]
    fn a_workload_takes_the_clients_that_suit_it() {
        let asked = [1, 50, 1000];
        assert_eq!(Workload::Tpcb.clients(&asked), asked);
        assert_eq!(Workload::Connect.clients(&asked), [1, 50]);
        assert_eq!(Workload::Fairness.clients(&asked), [1000]);
        assert_eq!(Workload::Crowd.clients(&asked), [10_000]);
    }

    #[test]
    fn what_is_about_sharing_is_asked_of_those_who_share() {
        assert!(!Workload::Fairness.concerns(Peer::Direct));
        assert!(!Workload::Idle.concerns(Peer::Haproxy));
        assert!(!Workload::Crowd.concerns(Peer::Direct));
        assert!(Workload::Idle.concerns(Peer::PgBouncer));
        assert!(Workload::SelectSimple.concerns(Peer::PgweirPrepares));
        assert!(!Workload::SelectPrepared.concerns(Peer::PgweirPrepares));
    }
}
