//! Which of a client's timeouts is over.

use std::time::{Duration, Instant};

use model::ClientState;

/// How long the clients of a pool may take over what; none is for ever. Names are PgBouncer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// One statement: it is cancelled then, and the client stays.
    pub query: Option<Duration>,
    /// A transaction, single statements included: the client is disconnected then.
    pub transaction: Option<Duration>,
    /// An open transaction in which nothing happens: the client is disconnected then.
    pub idle_transaction: Option<Duration>,
    /// A client that asks for nothing, outside of transactions: it is disconnected then.
    pub client_idle: Option<Duration>,
    /// A client in the queue: it gets a notice then.
    pub query_wait_notify: Option<Duration>,
}

/// What a client does, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doing {
    /// What.
    pub state: ClientState,
    /// Since when.
    pub since: Instant,
    /// Since when it has been in a transaction; means nothing to a client that is in none.
    pub in_transaction_since: Instant,
}

/// Which timeout is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// `query_timeout`.
    Query,
    /// `transaction_timeout`.
    Transaction,
    /// `idle_transaction_timeout`.
    IdleTransaction,
    /// `client_idle_timeout`.
    ClientIdle,
    /// `query_wait_notify`.
    WaitNotice,
}

impl Timeouts {
    /// Which is over by now, the most severe if several are.
    #[must_use]
    pub fn due(&self, doing: &Doing, now: Instant) -> Option<Due> {
        let over = |since: Instant, timeout: Option<Duration>| {
            timeout.is_some_and(|timeout| now.saturating_duration_since(since) >= timeout)
        };
        match doing.state {
            ClientState::Active | ClientState::IdleInTransaction
                if over(doing.in_transaction_since, self.transaction) =>
            {
                Some(Due::Transaction)
            }
            ClientState::Active if over(doing.since, self.query) => Some(Due::Query),
            ClientState::IdleInTransaction if over(doing.since, self.idle_transaction) => {
                Some(Due::IdleTransaction)
            }
            // In session mode a client has its server connection for as long as it likes.
            ClientState::Idle | ClientState::IdlePinned if over(doing.since, self.client_idle) => {
                Some(Due::ClientIdle)
            }
            ClientState::Waiting if over(doing.since, self.query_wait_notify) => {
                Some(Due::WaitNotice)
            }
            _ => None,
        }
    }

    /// Whether clients that hold a server connection need looking at.
    #[must_use]
    pub fn concern_holders(&self) -> bool {
        self.query.is_some() || self.transaction.is_some() || self.idle_transaction.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Timeouts = Timeouts {
        query: Some(Duration::from_secs(2)),
        transaction: Some(Duration::from_secs(10)),
        idle_transaction: Some(Duration::from_secs(3)),
        client_idle: Some(Duration::from_secs(60)),
        query_wait_notify: Some(Duration::from_secs(5)),
    };

    /// What is due `since` ms after it began to do this, in a transaction for `transaction` ms.
    fn due(timeouts: Timeouts, state: ClientState, since: u64, transaction: u64) -> Option<Due> {
        let begin = Instant::now();
        let now = begin + Duration::from_hours(1);
        let doing = Doing {
            state,
            since: now - Duration::from_millis(since),
            in_transaction_since: now - Duration::from_millis(transaction),
        };
        timeouts.due(&doing, now)
    }

    #[test]
    fn each_state_has_its_timeout() {
        for (state, limit, expected) in [
            (ClientState::Active, 2_000, Due::Query),
            (ClientState::IdleInTransaction, 3_000, Due::IdleTransaction),
            (ClientState::Idle, 60_000, Due::ClientIdle),
            (ClientState::IdlePinned, 60_000, Due::ClientIdle),
            (ClientState::Waiting, 5_000, Due::WaitNotice),
        ] {
            assert_eq!(due(ALL, state, limit - 1, 0), None, "{state:?}");
            assert_eq!(due(ALL, state, limit, 0), Some(expected), "{state:?}");
            assert_eq!(due(Timeouts::default(), state, 3_000_000, 3_000_000), None, "{state:?}");
        }
        for state in [ClientState::Login, ClientState::IdleInSession] {
            assert_eq!(due(ALL, state, 3_000_000, 3_000_000), None, "{state:?}");
        }
    }

    #[test]
    fn a_transaction_ends_whatever_is_done_in_it() {
        for state in [ClientState::Active, ClientState::IdleInTransaction] {
            assert_eq!(due(ALL, state, 0, 9_999), None);
            assert_eq!(due(ALL, state, 9_000, 10_000), Some(Due::Transaction));
        }
        // What was a transaction once is none now.
        assert_eq!(due(ALL, ClientState::Idle, 0, 10_000), None);
        assert_eq!(due(ALL, ClientState::Waiting, 0, 10_000), None);
    }
}
