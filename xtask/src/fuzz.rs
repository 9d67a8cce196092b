//! `cargo xtask fuzz`: every parser of bytes, and the session, against what libFuzzer thinks of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::repository::{cargo, root};
use crate::step::{output_of, shown, step, succeed};

/// For how long each target runs unless it is said.
const SECONDS: u32 = 60;
/// A single input that takes longer than this, in seconds, is a fault.
const TIMEOUT_SECONDS: u32 = 10;
/// So is memory beyond this, in MiB.
const MEMORY_MIB: u32 = 2048;

/// What cargo-fuzz passes too: which comparisons and edges an input has met. Stable compilers take it;
/// a sanitizer, which they do not, would find little, since there is no `unsafe` here.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds all targets and runs those that are named, or all, one after the other.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let folder = root().join("fuzz");
    let wanted = Wanted::parse(arguments, &targets(&folder)?)?;
    let host = host()?;
    step("building the targets", || build(&folder, &host))?;
    let programs = folder.join("target").join(&host).join("release");
    for target in &wanted.targets {
        step(target, || fuzz(&folder, &programs, target, wanted.seconds))?;
    }
    Ok(())
}

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    seconds: u32,
    targets: Vec<String>,
}

impl Wanted {
    fn parse(arguments: &[String], known: &[String]) -> Result<Self> {
        let mut wanted = Self { seconds: SECONDS, targets: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--seconds" {
                let value = rest.next().context("--seconds needs a number")?;
                wanted.seconds = value.parse().with_context(|| format!("--seconds {value}"))?;
            } else if known.contains(argument) {
                wanted.targets.push(argument.clone());
            } else {
                bail!("`{argument}` is no target; there are {}", known.join(", "));
            }
        }
        if wanted.targets.is_empty() {
            wanted.targets = known.to_vec();
        }
        Ok(wanted)
    }
}

/// The targets are the programs in fuzz_targets/.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.join("fuzz_targets");
    let reading = || format!("reading {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(reading)? {
        let name = entry.with_context(reading)?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The machine's own triple: named, it keeps the flags from build scripts and macros.
fn host() -> Result<String> {
    let version = output_of("rustc", &["-vV"]).context("rustc is missing")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

fn build(folder: &Path, host: &str) -> Result<()> {
    let mut build = cargo(&["build", "--release", "--target", host]);
    succeed(build.current_dir(folder).env("RUSTFLAGS", FLAGS))
        .context("libFuzzer is C++: a compiler for it must be there (apt install g++)")
}

fn fuzz(folder: &Path, programs: &Path, target: &str, seconds: u32) -> Result<()> {
    // What is found grows outside of the seeds, which are committed.
    let grown = folder.join("target/corpus").join(target);
    let faults = folder.join("artifacts").join(target);
    for folder in [&grown, &faults] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut command = Command::new(programs.join(target));
    command.arg(&grown).arg(folder.join("corpus").join(target));
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-timeout={TIMEOUT_SECONDS}")).arg(format!("-rss_limit_mb={MEMORY_MIB}"));
    command.arg(format!("-artifact_prefix={}/", faults.display())).arg("-print_final_stats=1");
    command.args(dictionary(folder, target).map(|file| format!("-dict={}", file.display())));
    let output = command.output().with_context(|| format!("starting {}", shown(&command)))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let facts = log.lines().filter(|line| line.contains("DONE") || line.starts_with("stat::"));
    for line in facts {
        eprintln!("   {line}");
    }
    let end: Vec<_> = log.lines().rev().take(60).collect();
    let end: Vec<_> = end.into_iter().rev().collect();
    ensure!(
        output.status.success(),
        "{}\n{target} fails; with the file named above as its only argument it does so again: {}",
        end.join("\n"),
        programs.join(target).display(),
    );
    Ok(())
}

/// Words that the target's language has: `TARGET.dict`, or that of its family, `sql_TEXT` → `sql.dict`.
fn dictionary(folder: &Path, target: &str) -> Option<PathBuf> {
    let family = target.split('_').next().unwrap_or(target);
    let file = |name: &str| folder.join("dictionaries").join(format!("{name}.dict"));
    [file(target), file(family)].into_iter().find(|file| file.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Wanted> {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Wanted::parse(&arguments, &["frame".to_owned(), "url".to_owned()])
    }

    #[test]
    fn all_targets_run_unless_some_are_named() {
        let all = Wanted { seconds: 60, targets: vec!["frame".to_owned(), "url".to_owned()] };
        assert_eq!(parse(&[]).unwrap(), all);
        let one = Wanted { seconds: 5, targets: vec!["url".to_owned()] };
        assert_eq!(parse(&["url", "--seconds", "5"]).unwrap(), one);
        assert!(parse(&["no_such"]).unwrap_err().to_string().contains("frame, url"));
        assert!(parse(&["--seconds"]).is_err());
        assert!(parse(&["--seconds", "long"]).is_err());
    }

    #[test]
    fn every_target_is_built_has_seeds_and_is_known_to_cargo() {
        let folder = root().join("fuzz");
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for target in targets(&folder).unwrap() {
            assert!(manifest.contains(&format!("fuzz_targets/{target}.rs")), "{target}");
            let seeds = fs::read_dir(folder.join("corpus").join(&target));
            assert!(seeds.is_ok_and(|mut seeds| seeds.next().is_some()), "{target} has no seed");
        }
    }
}
