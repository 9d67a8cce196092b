//! How long, how many, how hard. The tests run the defaults; `cargo xtask chaos` and `cargo xtask
//! storm` set what they are given in a variable, as `seconds=600 clients=500`.

use std::time::Duration;

/// What a chaos run is to be; `PGWEIR_CHAOS` says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How long there are faults.
    pub(crate) seconds: u64,
    /// Clients.
    pub(crate) clients: usize,
    /// `default_pool_size`.
    pub(crate) pool: usize,
    /// Of all that is random.
    pub(crate) seed: u64,
    /// The longest that a client waits for an answer before it counts as stuck.
    pub(crate) patience: Duration,
    /// The longest pause of a client between two requests, in milliseconds.
    pub(crate) think_ms: u64,
}

/// What a storm is to be; `PGWEIR_STORM` says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StormPlan {
    /// Clients that have run one query and do nothing more.
    pub(crate) idle: usize,
    /// Clients that run a query each `think_ms`.
    pub(crate) busy: usize,
    /// Logins in one storm.
    pub(crate) logins: usize,
    /// Storms.
    pub(crate) rounds: usize,
    /// How long is measured before each storm.
    pub(crate) calm: Duration,
    pub(crate) pool: usize,
    pub(crate) think_ms: u64,
    /// Whether the busy clients' p99 may not double: not where others use the machine too.
    pub(crate) timed: bool,
}

impl Plan {
    pub(crate) fn read() -> Self {
        let number = given("PGWEIR_CHAOS");
        Self {
            seconds: number("seconds", 8),
            clients: number("clients", 50) as usize,
            pool: number("pool", 4) as usize,
            seed: number("seed", 20_261_123),
            patience: Duration::from_secs(number("patience", 40)),
            think_ms: number("think", 60),
        }
    }
}

impl StormPlan {
    pub(crate) fn read() -> Self {
        let number = given("PGWEIR_STORM");
        Self {
            idle: number("idle", 500) as usize,
            busy: number("busy", 20) as usize,
            logins: number("logins", 100) as usize,
            rounds: number("rounds", 1) as usize,
            calm: Duration::from_millis(number("calm_ms", 300)),
            pool: number("pool", 10) as usize,
            think_ms: number("think", 100),
            timed: number("timed", 0) != 0,
        }
    }
}

/// Numbers by name, from a variable's `name=value` pairs.
fn given(variable: &str) -> impl Fn(&str, u64) -> u64 {
    let given = std::env::var(variable).unwrap_or_default();
    move |name, default| {
        let found = given.split_whitespace().find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| value.parse().unwrap_or_else(|_| panic!("{pair}: a number")))
        });
        found.unwrap_or(default)
    }
}
