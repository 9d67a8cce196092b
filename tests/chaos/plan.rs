//! How long, how many, how hard. The tests run the defaults; `cargo xtask chaos`, `storm` and
//! `soak` set what they are given in a variable, as `seconds=600 clients=500`.

use std::fmt;
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

/// A day of a shop, and how fast it goes; `PGWEIR_SOAK` says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoakPlan {
    /// How long the shop is open.
    pub(crate) seconds: u64,
    /// Percent of the pace at which a day is over in half an hour.
    pub(crate) pace: u64,
    /// Whether pgweir reads catalogues and asks the planner.
    pub(crate) analyse: bool,
}

/// A day: 24 hours, in half an hour.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SQUEEZED: u32 = 48;
/// Logins in a day: two a second, as of an application that does not keep its connections.
const CONNECTS_EACH_DAY: f64 = 172_800.0;

impl SoakPlan {
    pub(crate) fn read() -> Self {
        let number = given("PGWEIR_SOAK");
        Self {
            seconds: number("seconds", 6),
            pace: number("pace", 25),
            analyse: number("analyse", 0) != 0,
        }
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Whether there is time to wait until memory is at rest.
    pub(crate) fn is_long(&self) -> bool {
        self.seconds >= 60
    }

    /// How long a second of the day is, in the run's.
    fn squeezed(&self) -> f64 {
        100.0 / (f64::from(SQUEEZED) * self.pace as f64)
    }

    pub(crate) fn connects_each_second(&self) -> f64 {
        CONNECTS_EACH_DAY / DAY.as_secs_f64() / self.squeezed()
    }

    /// How often to do what is done so often in a day.
    pub(crate) fn period(&self, each_day: u32) -> Duration {
        (DAY / each_day).mul_f64(self.squeezed())
    }

    /// How often the run says how it goes.
    pub(crate) fn look_every(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// `history_size`.
    pub(crate) fn history_bytes(&self) -> u64 {
        16 << 20
    }
}

impl fmt::Display for SoakPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.seconds as f64 / self.squeezed() / 3_600.0;
        write!(f, "{hours:.1} hours in {} s", self.seconds)
    }
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
