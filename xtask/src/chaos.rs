//! `cargo xtask chaos`, `cargo xtask storm`, `cargo xtask soak` and `cargo xtask overload`: the long
//! versions of tests in `tests/chaos` and `tests/overload`, with a pgweir that is built for use.

use anyhow::{Context, Result, bail};

use crate::repository::cargo;
use crate::setup;
use crate::step::{step, succeed};

/// One of the long runs.
struct Run {
    /// The folder of `tests/`.
    target: &'static str,
    test: &'static str,
    /// What the test reads its numbers from.
    variable: &'static str,
    /// Numbers that the long run has if no flag says otherwise.
    defaults: &'static [(&'static str, u64)],
}

const CHAOS: Run = Run {
    target: "chaos",
    test: "chaos_harms_nobody_who_was_not_hit",
    variable: "PGWEIR_CHAOS",
    defaults: &[("minutes", 10), ("clients", 500), ("pool", 10), ("think", 200), ("seed", 1)],
};

const STORM: Run = Run {
    target: "chaos",
    test: "idle_clients_cost_nothing_and_a_storm_of_logins_harms_nobody",
    variable: "PGWEIR_STORM",
    defaults: &[
        ("idle", 10_000),
        ("busy", 200),
        ("logins", 2_000),
        ("rounds", 5),
        ("calm_ms", 5_000),
        ("pool", 20),
        ("timed", 1),
    ],
};

const SOAK: Run = Run {
    target: "chaos",
    test: "a_day_in_half_an_hour_leaves_nothing_behind",
    variable: "PGWEIR_SOAK",
    defaults: &[("minutes", 30), ("pace", 100), ("analyse", 1)],
};

const OVERLOAD: Run = Run {
    target: "overload",
    test: "overload_changes_nothing_for_the_urgent_and_the_rest_is_told_at_once",
    variable: "PGWEIR_OVERLOAD",
    defaults: &[
        ("seconds", 10),
        ("pool", 10),
        ("statement_ms", 20),
        ("age_ms", 100),
        ("urgent", 30),
        ("clients", 1_000),
        ("share", 100),
        ("timed", 1),
    ],
};

/// `--minutes`, `--clients`, `--pool`, `--think`, `--seed`.
pub(crate) fn chaos(arguments: &[String]) -> Result<()> {
    run(&CHAOS, arguments)
}

/// `--idle`, `--busy`, `--logins`, `--rounds`, `--calm_ms`, `--pool`, `--timed`.
pub(crate) fn storm(arguments: &[String]) -> Result<()> {
    run(&STORM, arguments)
}

/// `--minutes`, `--pace`, `--analyse`.
pub(crate) fn soak(arguments: &[String]) -> Result<()> {
    run(&SOAK, arguments)
}

/// `--seconds`, `--pool`, `--statement_ms`, `--age_ms`, `--urgent`, `--clients`, `--share`, `--timed`.
pub(crate) fn overload(arguments: &[String]) -> Result<()> {
    run(&OVERLOAD, arguments)
}

fn run(run: &Run, arguments: &[String]) -> Result<()> {
    let numbers = numbers(run, arguments)?;
    step("setup", setup::run)?;
    let mut test = cargo(&["test", "--release", "--package", "pgweir", "--test", run.target]);
    test.args(["--", "--exact", run.test, "--nocapture"]).env(run.variable, numbers);
    step(run.test, || succeed(&mut test))
}

/// The pairs for the test: flags over defaults.
fn numbers(run: &Run, arguments: &[String]) -> Result<String> {
    let mut numbers = run.defaults.to_vec();
    for pair in arguments.chunks(2) {
        let known =
            || run.defaults.iter().map(|(name, _)| format!("--{name} N")).collect::<Vec<_>>();
        let [flag, value] = pair else { bail!("{} takes a number", pair.concat()) };
        let flag = flag.strip_prefix("--").unwrap_or_default();
        let Some(found) = numbers.iter_mut().find(|(name, _)| *name == flag) else {
            bail!("--{flag} is none of {}", known().join(", "));
        };
        found.1 = value.parse().with_context(|| format!("--{flag} {value}"))?;
    }
    let pairs = numbers.into_iter().map(|(name, value)| match name {
        "minutes" => format!("seconds={}", value * 60),
        _ => format!("{name}={value}"),
    });
    Ok(pairs.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<String> {
        numbers(&CHAOS, &arguments.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn flags_go_before_defaults() {
        let given = read(&["--minutes", "2", "--seed", "7"]).unwrap();
        assert_eq!(given, "seconds=120 clients=500 pool=10 think=200 seed=7");
    }

    #[test]
    fn a_wrong_flag_names_the_right_ones() {
        let error = read(&["--clint", "2"]).unwrap_err().to_string();
        assert!(error.contains("--clint is none of --minutes N, --clients N"), "{error}");
        assert!(read(&["--pool"]).unwrap_err().to_string().contains("takes a number"));
        assert!(read(&["--pool", "many"]).is_err());
    }
}
