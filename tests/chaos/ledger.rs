//! What happened, as the clients and the faults saw it.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// An error that a client saw.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    pub(crate) client: usize,
    /// What the client was doing.
    pub(crate) activity: &'static str,
    /// SQLSTATE, or how else it ended.
    pub(crate) state: String,
    pub(crate) message: String,
    /// In what the client was caught: `statement`, `block`, `pinned`, `login`.
    pub(crate) exposure: &'static str,
    /// Since when a fault could hit it: the statement's begin, or that of its block or pin.
    pub(crate) since: Instant,
    pub(crate) at: Instant,
}

/// A fault, from the moment that it could be felt to the last at which it can.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: &'static str,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// How a cancel request for a client stands that others sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cancelled {
    pub(crate) under_way: u32,
    pub(crate) last: Option<Instant>,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) answers: AtomicU64,
    done: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) wrong: Mutex<Vec<String>>,
    pub(crate) stuck: Mutex<Vec<String>>,
    pub(crate) incidents: Mutex<Vec<Incident>>,
    pub(crate) faults: Mutex<Vec<Fault>>,
    /// Tokens that were committed: each is in the table once.
    pub(crate) committed: Mutex<HashSet<String>>,
    /// Tokens whose transaction cannot have been committed.
    pub(crate) absent: Mutex<HashSet<String>>,
}

impl Ledger {
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, activity: &'static str) {
        *self.done.lock().entry(activity).or_default() += 1;
    }

    pub(crate) fn activities(&self) -> BTreeMap<&'static str, u64> {
        self.done.lock().clone()
    }

    pub(crate) fn fault(&self, kind: &'static str, from: Instant, after: Duration) {
        self.faults.lock().push(Fault { kind, from, to: Instant::now() + after });
    }

    /// Incidents that no fault explains: no fault could be felt while the statement ran. A cancelled
    /// query is explained by its cancel request, without which it is a wrong answer.
    pub(crate) fn unexplained(&self) -> Vec<Incident> {
        let faults = self.faults.lock();
        let explained = |incident: &Incident| {
            incident.state == "57014"
                || faults
                    .iter()
                    .any(|fault| fault.from <= incident.at && fault.to >= incident.since)
        };
        self.incidents.lock().iter().filter(|incident| !explained(incident)).cloned().collect()
    }
}
