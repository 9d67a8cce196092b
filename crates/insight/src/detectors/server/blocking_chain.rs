mod chains;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Confidence, Finding, Fix, NotChecked, ServerFacts, SessionFacts, Severity};

use self::chains::{Chain, chains};
use crate::detectors::catalogue::{Needs, blind, finding, list, since, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms};

/// # `blocking_chain`: others wait for a lock that somebody keeps
///
/// **What it sees.** Every few seconds, who waits for a lock and for whom (`pg_locks`,
/// `pg_blocking_pids`); from that the session at the head of each queue, which waits for nobody, and
/// everybody behind it. Sessions that pgweir's clients hold are named as those clients. It speaks when
/// somebody waited for a second, also when it is over, for as long as the window lasts.
///
/// **Why it hurts.** Each one who waits keeps a server connection; a queue behind one forgotten
/// transaction, or behind an ALTER TABLE that itself waits, fills the pool within seconds.
///
/// **How to fix.** Now: end the session at the head. For good: commit before doing anything slow, change
/// rows in one order, run DDL with `lock_timeout` and try again, set
/// `idle_in_transaction_session_timeout`.
///
/// **How sure.** High: the server says who blocks whom. What lasts less than some seconds may go unseen.
/// Medium where the server does not say since when somebody waits (before PostgreSQL 14, without
/// `pg_monitor`): then it is told from two looks that follow each other.
///
/// **Privilege.** None to see who waits for whom; `pg_monitor` to see what sessions run that are not
/// pgweir's, and before PostgreSQL 14 since when somebody waits.
///
/// **Example.** Session 4711 (psql, idle in transaction) holds a row of `stock`; 38 clients wait for it,
/// the first for 90 seconds.
pub struct BlockingChain;

thresholds! {
    /// When `blocking_chain` speaks.
    BlockingChainThresholds {
        /// Somebody waited for so long. Shorter waits are what locks are for.
        least_wait: Duration = Duration::from_secs(1),
        /// A wait so long is critical; so is any that goes on.
        critical_wait: Duration = Duration::from_secs(10),
    }
}

/// A queue seen so lately still stands: locks are looked at every five seconds or so.
const NOW: Duration = Duration::from_secs(12);
/// Tables named.
const TABLES: usize = 3;

impl Detector for BlockingChain {
    fn name(&self) -> &'static str {
        "blocking_chain"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.blocking_chain;
        let least_ms = thresholds.least_wait.as_millis() as u64;
        let servers = inputs.catalog.servers.values();
        servers
            .flat_map(|server| chains(recent(server, inputs)))
            .filter(|chain| chain.longest_ms >= least_ms)
            .map(|chain| self.finding(&chain, inputs))
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        let mut list = unread(self.name(), &[Needs::Locks], inputs);
        let buys = "show what sessions run that do not come through pgweir, and since when";
        list.extend(blind(self.name(), "what others run", buys, inputs));
        list
    }
}

/// The lock queues of the window.
fn recent<'a>(
    server: &'a ServerFacts,
    inputs: &Inputs<'a>,
) -> impl Iterator<Item = &'a model::LockQueue> {
    let since = inputs.window.since;
    server.lock_queues.iter().filter(move |queue| queue.at >= since)
}

impl BlockingChain {
    fn finding(&self, chain: &Chain<'_>, inputs: &Inputs<'_>) -> Finding {
        let thresholds = &inputs.settings.of.blocking_chain;
        let goes_on = since(chain.last_seen, inputs) <= NOW;
        let longest = Duration::from_millis(chain.longest_ms);
        let severity = if goes_on || longest >= thresholds.critical_wait {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let head = chain
            .head_session
            .map_or_else(|| format!("session {}", chain.head), |session| named(session, inputs));
        let others = if chain.most_waiting == 1 { "session waits" } else { "sessions wait" };
        let past = if chain.most_waiting == 1 { "session waited" } else { "sessions waited" };
        let title = format!(
            "{} {} for {head}",
            count(chain.most_waiting as f64),
            if goes_on { others } else { past }
        );
        let on: Vec<String> = chain.tables.iter().map(|name| (*name).to_owned()).collect();
        let why = format!(
            "The first waited {}{}{}{}; {}",
            if chain.estimated { "at least " } else { "" },
            duration_ms(chain.longest_ms as f64),
            if on.is_empty() { String::new() } else { format!(", on {}", list(&on, TABLES)) },
            doing(chain.head_session, inputs),
            if goes_on { "it goes on" } else { "it is over" }
        );
        let fingerprints = chain
            .head_session
            .and_then(|head| head.shape)
            .and_then(|shape| inputs.fingerprint_of(shape));
        let mut evidence = BTreeMap::from([
            ("head_pid".to_owned(), (chain.head.max(0) as u64).into()),
            ("waiting_most".to_owned(), chain.most_waiting.into()),
            ("longest_wait_ms".to_owned(), chain.longest_ms.into()),
            ("waited_ms".to_owned(), chain.waited_ms.into()),
            ("goes_on".to_owned(), if goes_on { "yes" } else { "no" }.into()),
            ("lock_modes".to_owned(), chain.modes.join(", ").into()),
        ]);
        if let Some(client) = chain.head_session.and_then(|head| head.client) {
            evidence.insert("head_client".to_owned(), client.0.into());
        }
        Finding {
            evidence,
            fingerprints: fingerprints.into_iter().collect(),
            tables: on,
            database: chain.head_session.map(|head| head.database.clone()),
            fix: fix(chain, goes_on),
            confidence: if chain.estimated { Confidence::Medium } else { Confidence::High },
            harm_ms: chain.waited_ms as f64,
            ..finding(self.name(), severity, title, why)
        }
    }
}

/// `session 4711 (client 12 of pgweir, storefront, user web)`.
fn named(session: &SessionFacts, inputs: &Inputs<'_>) -> String {
    let mut about = Vec::new();
    if let Some(client) = session.client {
        about.push(format!("client {} of pgweir", client.0));
    }
    if !session.application.is_empty() {
        about.push(session.application.clone());
    }
    if !session.user.is_empty() {
        about.push(format!("user {}", session.user));
    }
    if let Some(began) = session.transaction_began {
        let age = since(began, inputs);
        about.push(format!("in its transaction for {}", duration_ms(age.as_secs_f64() * 1e3)));
    }
    if session.pid == 0 {
        return "a prepared transaction".to_owned();
    }
    format!("session {} ({})", session.pid, about.join(", "))
}

/// What the head of the queue is doing, where that is known.
fn doing(head: Option<&SessionFacts>, inputs: &Inputs<'_>) -> String {
    let Some(head) = head else { return String::new() };
    let known = head.shape.and_then(|shape| inputs.fingerprint_of(shape));
    let statement = match known {
        Some(fingerprint) => inputs.title_text(fingerprint),
        None => head.statement.chars().take(60).collect(),
    };
    match (&*head.state, &*statement) {
        ("", "") => String::new(),
        (state, "") => format!("; the one it waited for is {state}"),
        ("active", text) => format!("; the one it waited for runs {text}"),
        ("", text) => format!("; the last that it ran is {text}"),
        (state, text) => format!("; the one it waited for is {state} after {text}"),
    }
}

fn fix(chain: &Chain<'_>, goes_on: bool) -> Fix {
    let idle = chain.head_session.is_some_and(|head| head.state.starts_with("idle in transaction"));
    let ddl = chain.modes.contains(&"AccessExclusiveLock");
    let mut advice = Vec::new();
    if chain.head == 0 {
        advice.push(
            "A prepared transaction holds the lock: see pg_prepared_xacts, and COMMIT PREPARED or \
             ROLLBACK PREPARED it.",
        );
    } else if idle {
        advice.push(
            "Its client does something else while the transaction is open: commit before. As a net, \
             set idle_in_transaction_session_timeout.",
        );
    } else {
        advice.push("Make its transaction shorter, and change rows in the same order everywhere.");
    }
    if ddl {
        advice.push(
            "Somebody asked for the whole table (ALTER TABLE and the like), and everybody else queues \
             behind: SET lock_timeout = '2s' before DDL, and try again until it gets through.",
        );
    }
    if goes_on && chain.head > 0 {
        advice.push("The statement ends that connection; its transaction is rolled back.");
    }
    Fix {
        sql: (goes_on && chain.head > 0)
            .then(|| format!("SELECT pg_terminate_backend({});", chain.head)),
        undo: None,
        advice: Some(advice.join(" ")),
    }
}

#[cfg(test)]
mod tests;
