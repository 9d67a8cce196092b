//! How long, how much. The test runs the defaults; `cargo xtask overload` sets what it is given in a
//! variable, as `seconds=10 pool=10`.

use std::time::Duration;

/// What a run is to be; `PGWEIR_OVERLOAD` says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How long each load is offered.
    pub(crate) time: Duration,
    /// `default_pool_size`.
    pub(crate) pool: usize,
    /// How long a statement takes.
    pub(crate) statement: Duration,
    /// `max_queue_age`; zero is none.
    pub(crate) age: Duration,
    /// Of the capacity, what the application of high priority asks for, in percent, at every load.
    pub(crate) urgent: u64,
    /// Client connections of each of the two applications.
    pub(crate) clients: usize,
    /// `low_priority_share`.
    pub(crate) share: u64,
    /// Whether throughput and times must be what the documentation says: not where others use the
    /// machine too.
    pub(crate) timed: bool,
}

impl Plan {
    pub(crate) fn read() -> Self {
        let given = std::env::var("PGWEIR_OVERLOAD").unwrap_or_default();
        let number = |name: &str, default: u64| {
            let found = given.split_whitespace().find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                (key == name).then(|| value.parse().unwrap_or_else(|_| panic!("{pair}: a number")))
            });
            found.unwrap_or(default)
        };
        Self {
            time: Duration::from_millis(1_000 * number("seconds", 0).max(1)),
            pool: number("pool", 4) as usize,
            statement: Duration::from_millis(number("statement_ms", 20)),
            age: Duration::from_millis(number("age_ms", 100)),
            urgent: number("urgent", 30),
            clients: number("clients", 150) as usize,
            share: number("share", 100),
            timed: number("timed", 0) != 0,
        }
    }

    /// What is offered, in times of the capacity.
    pub(crate) fn loads(&self) -> &'static [f64] {
        if self.timed { &[1.0, 2.0, 5.0, 10.0] } else { &[1.0, 10.0] }
    }
}
