//! Instructions of the pure core for each round of `benches/instructions`, and what they were when
//! somebody last looked. Times vary by a third on a shared machine; these vary by a thousandth.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};

use crate::repository::{cargo, root, target};
use crate::setup;
use crate::step::{output_of, shown, succeed};

/// What is counted; `benches/instructions` knows them by these names.
const CASES: &[&str] = &[
    "simple_query",
    "extended_query",
    "prepared_execute",
    "observe_known_statement",
    "attach_other_settings",
    "scheduler_request_and_free",
];

/// Rounds that a count is of: what happens now and then, such as a map that grows, is spread.
const ROUNDS: u64 = 2_000;

const EXPECTED: &str = "benches/instructions/expected.toml";
const ACCEPT: &str = "cargo xtask bench --instructions --accept";

/// Counts for each round.
type Counts = BTreeMap<String, u64>;

/// What was noted, and of what.
#[derive(Debug, PartialEq)]
struct Expected {
    /// The compiler: another one makes other instructions.
    compiler: String,
    /// How far a count may be off, in per cent: the hashes' seeds and the C library's copying differ.
    tolerance_percent: f64,
    counts: Counts,
}

/// `bench --instructions [--accept]`.
pub(super) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            let counts = count()?;
            counts.iter().for_each(|(case, count)| println!("{count:>8}  {case}"));
            verdict(&Expected::load()?, &counts)
        }
        [flag] if flag == "--accept" => {
            let counts = count()?;
            let expected = Expected { compiler: compiler()?, tolerance_percent: 3.0, counts };
            fs::write(root().join(EXPECTED), expected.text())?;
            println!("wrote {EXPECTED}");
            Ok(())
        }
        _ => bail!("--instructions takes --accept, or nothing"),
    }
}

/// A step of `cargo xtask test`: fails on a count that has changed, and says in one line why it does
/// not count.
pub(crate) fn guard() -> Result<()> {
    setup::offer_each(["valgrind"].into_iter());
    if output_of("valgrind", &["--tool=none", "true"]).is_none() {
        eprintln!("skipped: valgrind is not installed, or does not run here");
        return Ok(());
    }
    let expected = Expected::load()?;
    let compiler = compiler()?;
    if compiler != expected.compiler {
        eprintln!("skipped: the counts are of {}, this is {compiler}", expected.compiler);
        return Ok(());
    }
    verdict(&expected, &count()?)
}

fn verdict(expected: &Expected, counts: &Counts) -> Result<()> {
    let changes = expected.changes(counts);
    ensure!(
        changes.is_empty(),
        "instructions have changed by more than {} %:\n{}\nIf that is meant, `{ACCEPT}` notes it.",
        expected.tolerance_percent,
        changes.join("\n")
    );
    Ok(())
}

impl Expected {
    fn load() -> Result<Self> {
        let text =
            fs::read_to_string(root().join(EXPECTED)).with_context(|| EXPECTED.to_owned())?;
        Self::read(&text).with_context(|| format!("{EXPECTED}; `{ACCEPT}` makes it anew"))
    }

    fn read(text: &str) -> Result<Self> {
        let table: Table = text.parse()?;
        let compiler = table.get("compiler").and_then(Value::as_str).context("no compiler")?;
        let tolerance = table.get("tolerance_percent").context("no tolerance_percent")?;
        let tolerance_percent = tolerance
            .as_float()
            .or_else(|| tolerance.as_integer().map(|whole| whole as f64))
            .context("tolerance_percent is a number")?;
        let counts = table.get("instructions").and_then(Value::as_table).context("no counts")?;
        let count = |(case, value): (&String, &Value)| {
            let count = value.as_integer().and_then(|count| u64::try_from(count).ok());
            Ok((case.clone(), count.with_context(|| format!("{case} is a number"))?))
        };
        Ok(Self {
            compiler: compiler.to_owned(),
            tolerance_percent,
            counts: counts.iter().map(count).collect::<Result<_>>()?,
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Instructions of one round of each case of benches/instructions, as valgrind counts.\n\
             # `cargo xtask test` fails where they change; `{ACCEPT}` writes this file.\n\
             compiler = \"{}\"\ntolerance_percent = {:.1}\n\n[instructions]\n",
            self.compiler, self.tolerance_percent
        );
        for (case, count) in &self.counts {
            text += &format!("{case} = {count}\n");
        }
        text
    }

    /// A line for each count that is too far off, in either direction: what became cheaper is noted
    /// too, or it could become dearer again unseen.
    fn changes(&self, counts: &Counts) -> Vec<String> {
        let change = |(case, count): (&String, &u64)| {
            let Some(expected) = self.counts.get(case) else {
                return Some(format!("  {case}: {count}, and none is noted"));
            };
            let percent = (*count as f64 / *expected as f64 - 1.0) * 100.0;
            let off = percent.is_nan() || percent.abs() > self.tolerance_percent;
            off.then(|| format!("  {case}: {expected} → {count} ({percent:+.1} %)"))
        };
        counts.iter().filter_map(change).collect()
    }
}

/// Builds the cases and counts each.
fn count() -> Result<Counts> {
    let mut build = cargo(&["build", "--quiet", "--profile", "counted"]);
    build.args(["--package", "pgweir-instructions"]);
    // Flags of whoever builds would change the counts.
    succeed(build.env_remove("RUSTFLAGS"))?;
    let program = target().join("counted/pgweir-instructions");
    CASES.iter().map(|case| Ok(((*case).to_owned(), count_case(&program, case)?))).collect()
}

fn count_case(program: &Path, case: &str) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*counted*")
        .arg(program)
        .args([case, &ROUNDS.to_string()])
        .stdin(Stdio::null());
    let output = valgrind.output().with_context(|| shown(&valgrind))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {told}", shown(&valgrind));
    let collected = collected(&told).with_context(|| format!("valgrind does not count: {told}"))?;
    ensure!(collected > ROUNDS, "{case}: valgrind counted {collected} instructions");
    Ok(collected / ROUNDS)
}

/// The number behind `Collected :`, which is what callgrind ends with.
fn collected(told: &str) -> Option<u64> {
    let (_, rest) = told.split_once("Collected : ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The compiler's version and what it compiles for.
fn compiler() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from);
    let told = output_of(rustc, &["--version", "--verbose"]).context("running rustc")?;
    let of = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?");
    Ok(format!("{} {}", of("release: "), of("host: ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        let counts = [("simple_query", 1000), ("prepared_execute", 500)];
        Expected {
            compiler: "1.95.0 x86_64-unknown-linux-gnu".into(),
            tolerance_percent: 3.0,
            counts: counts.map(|(case, count)| (case.to_owned(), count)).into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Expected::read(&expected().text()).unwrap(), expected());
        assert!(Expected::read("").is_err());
    }

    #[test]
    fn the_checked_in_counts_are_of_all_cases() {
        let noted = Expected::load().unwrap().counts;
        let mut cases = CASES.to_vec();
        cases.sort_unstable();
        assert_eq!(noted.keys().collect::<Vec<_>>(), cases);
    }

    #[test]
    fn a_step_either_way_is_told() {
        let counts = |simple, prepared| -> Counts {
            [("simple_query".to_owned(), simple), ("prepared_execute".to_owned(), prepared)].into()
        };
        assert_eq!(expected().changes(&counts(1029, 486)), [""; 0]);
        let dearer = ["  simple_query: 1000 → 1031 (+3.1 %)"];
        assert_eq!(expected().changes(&counts(1031, 500)), dearer);
        let cheaper = ["  prepared_execute: 500 → 400 (-20.0 %)"];
        assert_eq!(expected().changes(&counts(1000, 400)), cheaper);
    }

    #[test]
    fn a_case_that_nobody_noted_is_told() {
        let counts = [("new".to_owned(), 7)].into();
        assert_eq!(expected().changes(&counts), ["  new: 7, and none is noted"]);
    }

    #[test]
    fn the_count_is_read_as_callgrind_prints_it() {
        let told = "==7== Events    : Ir\n==7== Collected : 2120344\n==7== \n";
        assert_eq!(collected(told), Some(2_120_344));
        assert_eq!(collected("==7== Collected : \n"), None);
    }
}
