//! Every metric that is served: its name, its kind, its unit, its labels and what it means. What is
//! scraped, what is exported and docs/metrics.md come from this one table.

/// What kind of metric it is (OpenMetrics 1.0, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that goes up and down.
    Gauge,
    /// A number that only goes up, but for a restart.
    Counter,
    /// Durations by bucket, each of which only goes up.
    Histogram,
    /// Always 1: its labels are what it says.
    Info,
}

impl Kind {
    /// As OpenMetrics calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// A metric with all its label sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name without the suffix of its kind (`_total`, `_info`).
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its unit, with which the name ends: `seconds`, `bytes`, or none.
    pub unit: &'static str,
    /// The labels of every sample.
    pub labels: &'static [&'static str],
    /// What it means, in a sentence.
    pub help: &'static str,
}

impl Family {
    /// The name of its samples; a histogram's have one of `_bucket`, `_sum` and `_count` behind it.
    #[must_use]
    pub fn sample_name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Info => format!("{}_info", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

const NONE: &[&str] = &[];
const POOL: &[&str] = &["database", "user"];
const POOL_STATE: &[&str] = &["database", "user", "state"];
const POOL_REASON: &[&str] = &["database", "user", "reason"];
const POOL_CODE: &[&str] = &["database", "user", "sqlstate"];
const HOST: &[&str] = &["database", "host", "address"];
const FINGERPRINT: &[&str] = &["fingerprint"];

const fn gauge(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: Kind::Gauge, unit, labels, help }
}

const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: Kind::Counter, unit, labels, help }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: Kind::Histogram, unit: "seconds", labels, help }
}

macro_rules! families {
    ($($title:literal { $($name:ident = $family:expr;)* })*) => {
        $($(
            #[allow(missing_docs, reason = "the help text beside it is its documentation")]
            pub(crate) const $name: Family = $family;
        )*)*

        /// All families, under the headings of the manual, in the order in which they are served.
        pub const FAMILIES: &[(&str, &[Family])] = &[$(($title, &[$($name),*])),*];
    };
}

families! {
    "Pools" {
        POOL_CLIENTS = gauge("pgweir_pool_clients", "", POOL_STATE,
            "Clients of the pool: `active` are idle or hold a server connection, `waiting` are in \
             its queue.");
        POOL_PINNED_CLIENTS = gauge("pgweir_pool_pinned_clients", "", POOL,
            "Of the active clients, those that keep their server connection between transactions.");
        POOL_SERVER_CONNECTIONS = gauge("pgweir_pool_server_connections", "", POOL_STATE,
            "Server connections: `active` are held by clients, `idle` are ready, `tested` are being \
             checked or cleaned, `login` are being opened.");
        POOL_SIZE = gauge("pgweir_pool_size", "", POOL,
            "Server connections that the pool may have.");
        POOL_OLDEST_WAIT = gauge("pgweir_pool_oldest_wait_seconds", "seconds", POOL,
            "How long the first client in the queue has waited; 0 if none waits.");
        POOL_CANCELS = gauge("pgweir_pool_cancel_requests", "", POOL,
            "Cancel requests that are on their way to the server.");
        POOL_PAUSED = gauge("pgweir_pool_paused", "", POOL,
            "1 while PAUSE holds the pool, else 0.");
        POOL_FAILING = gauge("pgweir_pool_connect_failing", "", POOL,
            "1 if the last attempt to open a server connection failed, else 0.");
        POOL_CONNECT_FAILURES = counter("pgweir_pool_connect_failures", "", POOL_CODE,
            "Attempts to open a server connection that failed, by SQLSTATE; 08006 where the server \
             said nothing.");
        POOL_REJECTIONS = counter("pgweir_pool_rejections", "", POOL_REASON,
            "Queries refused since there was too much to do: `queue_full` (max_wait_queue), \
             `queue_age` (max_queue_age), `displaced` (for a higher priority), `timed_out` \
             (query_wait_timeout).");
        POOL_WAIT = histogram("pgweir_pool_wait_seconds", POOL,
            "How long each transaction waited for a server connection; most wait for nothing.");
    }
    "Hosts" {
        HOST_UP = gauge("pgweir_host_up", "", HOST,
            "0 if the last attempt to reach this server of the database failed, else 1.");
        HOST_ROLE = gauge("pgweir_host_role", "", &["database", "host", "address", "role"],
            "1 for what the server last said it is, `primary` or `standby`, and 0 for the other; \
             neither before it was asked.");
        HOST_LAG = gauge("pgweir_host_replica_lag_seconds", "seconds", HOST,
            "How far a standby is behind, where it was asked and can tell.");
        HOST_CHECK_AGE = gauge("pgweir_host_check_age_seconds", "seconds", HOST,
            "How long ago the server last said what it is; about host_check_interval if all is \
             well.");
        HOST_CONNECT_FAILURES = counter("pgweir_host_connect_failures", "", HOST,
            "Attempts to reach the server that failed: connections for pools, and health checks.");
        FAILOVERS = counter("pgweir_failovers", "", &["database"],
            "How often another host of the database was found to be the primary than before.");
    }
    "Clients" {
        CLIENTS = gauge("pgweir_clients", "", NONE, "Client connections.");
        CLIENTS_LIMIT = gauge("pgweir_clients_limit", "", NONE,
            "Client connections allowed (max_client_conn).");
        CLIENTS_OPENED = counter("pgweir_client_logins", "", POOL, "Clients that logged in.");
        CLIENTS_CLOSED = counter("pgweir_client_disconnects", "", POOL,
            "Logged-in clients that went away.");
        CLIENTS_REFUSED = counter("pgweir_client_refusals", "", &["sqlstate"],
            "Connections refused before they were logged in, by the SQLSTATE they were told.");
        CLIENT_RECEIVED = counter("pgweir_client_received_bytes", "bytes", POOL,
            "Bytes from clients.");
        CLIENT_SENT = counter("pgweir_client_sent_bytes", "bytes", POOL, "Bytes to clients.");
    }
    "Transactions" {
        TRANSACTION_DURATION = histogram("pgweir_transaction_duration_seconds", POOL,
            "How long transactions took, single statements and waiting for a server connection \
             included.");
        PINNED_TRANSACTIONS = counter("pgweir_pinned_transactions", "", POOL,
            "Transactions of clients that kept their server connection from before.");
        IDLE_IN_TRANSACTION = counter("pgweir_idle_in_transaction_seconds", "seconds", POOL,
            "Time in which a transaction block was open and the server had nothing to do.");
        CLIENT_PARSES = counter("pgweir_client_parses", "", POOL, "Parse messages from clients.");
        SERVER_PARSES = counter("pgweir_server_parses", "", POOL,
            "Parse messages to servers; those that a server need not see again are left out.");
        BINDS = counter("pgweir_binds", "", POOL, "Bind messages from clients.");
    }
    "Statements" {
        QUERY_DURATION = histogram("pgweir_query_duration_seconds", POOL,
            "How long statements took, from their arrival to the end of the answer, waiting for a \
             server connection included; failed ones too.");
        QUERY_ERRORS = counter("pgweir_query_errors", "", POOL_CODE,
            "Failed statements by SQLSTATE. Of one pool 32 codes are told apart, further ones count \
             as XX000.");
        QUERIES_LOST = counter("pgweir_queries_lost", "", POOL,
            "Statements cut off because the client or the server went away.");
        QUERY_ROWS = counter("pgweir_query_rows", "", POOL, "Rows returned or affected.");
    }
    "Busiest fingerprints" {
        FINGERPRINT_INFO = Family { name: "pgweir_fingerprint", kind: Kind::Info, unit: "",
            labels: &["fingerprint", "operation", "summary"],
            help: "What a fingerprint stands for: its operation, and that with its tables. As many \
             as metrics_fingerprints are told apart, those that take the most time; \
             `0000000000000000` stands for all others." };
        FINGERPRINT_DURATION = histogram("pgweir_fingerprint_duration_seconds", FINGERPRINT,
            "How long statements of this fingerprint took, waiting for a server connection \
             included, since it is one of the busiest.");
        FINGERPRINT_ERRORS = counter("pgweir_fingerprint_errors", "", FINGERPRINT,
            "Failed statements of this fingerprint.");
        FINGERPRINT_ROWS = counter("pgweir_fingerprint_rows", "", FINGERPRINT,
            "Rows that statements of this fingerprint returned or affected.");
    }
    "Findings" {
        FINDINGS = gauge("pgweir_findings", "", &["detector", "severity"],
            "What the detectors find now; `pgweir report` says what and how to mend it.");
    }
    "pgweir itself" {
        BUILD = Family { name: "pgweir_build", kind: Kind::Info, unit: "", labels: &["version"],
            help: "The version that runs." };
        READY = gauge("pgweir_ready", "", NONE,
            "1 while /ready says yes, else 0.");
        LOOP_LAG = histogram("pgweir_loop_lag_seconds", NONE,
            "By how much a task that wakes twice a second wakes too late: how long a client may \
             have to wait until its turn comes.");
        EVENTS_DROPPED = counter("pgweir_events_dropped", "", NONE,
            "Measurements lost because the analyser fell behind; clients are not held up for it.");
        STATEMENTS = counter("pgweir_statements_measured", "", NONE, "Statements measured.");
        STATEMENTS_OTHERS = counter("pgweir_statements_in_others", "", NONE,
            "Of these, counted in the others row because max_fingerprints are known.");
        FINGERPRINTS = gauge("pgweir_fingerprints", "", NONE, "Fingerprints known.");
        FINGERPRINTS_LIMIT = gauge("pgweir_fingerprints_limit", "", NONE,
            "Fingerprints that may be known (max_fingerprints).");
        SHAPES = gauge("pgweir_shapes", "", NONE,
            "Shapes of statements known: a fingerprint has as many as its lists have lengths.");
        SHAPES_LIMIT = gauge("pgweir_shapes_limit", "", NONE,
            "Shapes that may be known; what is not seen for some minutes makes room.");
        LABELS = gauge("pgweir_labels", "", NONE,
            "Combinations of database, user, application and tags that are told apart now.");
        LABELS_LIMIT = gauge("pgweir_labels_limit", "", NONE,
            "Combinations that may be told apart; those that no client uses any more make room for new \
             ones, and only what is beyond counts as `(others)`.");
        CANCEL_KEYS = gauge("pgweir_cancel_keys", "", NONE,
            "Keys for cancel requests that are good, of clients and of the admin console.");
        TASKS = gauge("pgweir_tasks", "", NONE,
            "Tasks that are alive in the runtime of the data path: one for each client, those of \
             server connections that are being opened, and pgweir's own.");
        ANALYSIS_AGE = gauge("pgweir_analysis_age_seconds", "seconds", NONE,
            "How long ago the detectors last looked; every five seconds if all is well.");
        STORE_LAG = gauge("pgweir_store_lag_seconds", "seconds", NONE,
            "How old the oldest history is that is not written yet; served where history is kept.");
        LOG_SUPPRESSED = counter("pgweir_log_lines_suppressed", "", NONE,
            "Log lines left out because they were like one that was just written.");
        SPANS_EXPORTED = counter("pgweir_otlp_spans_exported", "", NONE,
            "Spans that the collector took.");
        SPANS_DROPPED = counter("pgweir_otlp_spans_dropped", "", NONE,
            "Spans lost because the collector was away for too long or refused them.");
        EXPORT_FAILURES = counter("pgweir_otlp_export_failures", "", &["signal"],
            "Requests to the collector that failed; they are tried again.");
    }
    "The process" {
        PROCESS_CPU = counter("process_cpu_seconds", "seconds", NONE,
            "Processor time, user and system.");
        PROCESS_MEMORY = gauge("process_resident_memory_bytes", "bytes", NONE,
            "Resident memory.");
        PROCESS_FILES = gauge("process_open_fds", "", NONE, "Open file descriptors.");
        PROCESS_FILES_LIMIT = gauge("process_max_fds", "", NONE,
            "File descriptors that may be open.");
        PROCESS_START = gauge("process_start_time_seconds", "seconds", NONE,
            "When the process started, seconds since 1970.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let mut names = Vec::new();
        for family in FAMILIES.iter().flat_map(|(_, families)| *families) {
            let name = family.name;
            assert!(name.starts_with("pgweir_") || name.starts_with("process_"), "{name}");
            assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}");
            let ends_with_unit = family.unit.is_empty() || name.ends_with(family.unit);
            assert!(ends_with_unit, "{name} ends with its unit");
            for unit in ["seconds", "bytes"] {
                assert_eq!(name.ends_with(&format!("_{unit}")), family.unit == unit, "{name}");
            }
            assert!(family.help.ends_with('.') && !family.help.contains('|'), "{name}");
            names.push(name);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "each name once");
    }
}
