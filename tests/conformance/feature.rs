//! What every driver is asked to do.

/// One thing that a driver does, through connections of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Feature {
    /// Its name, also the argument of the driver's program.
    pub(crate) name: &'static str,
    /// What is done, for the page.
    pub(crate) what: &'static str,
    /// The reason for which a client that does this has to be pinned.
    pub(crate) pins: Option<&'static str>,
}

/// All, in the order of the table's columns.
pub(crate) const FEATURES: &[Feature] = &[
    feature("connect", "connects as usual, with startup parameters and `options`"),
    Feature {
        name: "prepared",
        what: "prepares statements, uses them again in later transactions while another client \
               works, and again after 250 others; by SQL's PREPARE where the driver has no other way",
        pins: Some("PREPARE"),
    },
    feature(
        "transactions",
        "commits, rolls back, rolls back to a savepoint, goes on after an error",
    ),
    feature("pipeline", "sends a batch whose middle statement fails, then goes on"),
    feature("copy", "COPY of 10,000 rows in and out; goes on after a COPY that fails"),
    feature("cancel", "cancels a running pg_sleep, then goes on"),
    feature("large", "a parameter and a result of 10 MB"),
    feature(
        "set",
        "SET search_path, TimeZone and statement_timeout hold for its later transactions and for no \
         other client; SET LOCAL and a rolled-back SET do not",
    ),
    Feature {
        name: "notify",
        what: "LISTEN, is notified of another client's NOTIFY, UNLISTEN",
        pins: Some("LISTEN"),
    },
    Feature {
        name: "temp",
        what: "a temporary table over several transactions, invisible to another client",
        pins: Some("temporary table"),
    },
    feature("orm", "makes its tables, then creates, reads, updates and deletes with relations"),
];

/// The argument that makes a program do ordinary work with many clients.
pub(crate) const SHARE: Feature =
    feature("share", "50 clients at once: connect, prepared statements, transactions, savepoints");

const fn feature(name: &'static str, what: &'static str) -> Feature {
    Feature { name, what, pins: None }
}
