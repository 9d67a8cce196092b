//! The project's own commands: `cargo xtask COMMAND`.

// A program for people at a terminal: what it prints is its purpose.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod chaos;
mod conformance;
mod demo;
mod detector_pages;
mod docs;
mod fuzz;
mod package;
mod repository;
mod setup;
mod step;
mod survival;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  setup               install what this machine lacks: PostgreSQL 13 or newer with its client
                      programs (apt on Debian and Ubuntu, brew on macOS), rustfmt, clippy
  demo [ARGUMENT…]    setup, build, and run `pgweir demo ARGUMENT…`
  test [ARGUMENT…]    setup, then everything that must hold before a commit; the arguments go to
                      `cargo test --workspace`
  fuzz [--seconds N] [TARGET…]
                      every parser, or those named, against random input, for N seconds each
                      (60); needs a C++ compiler; docs/fuzzing.md says what is what
  conformance [NAME…] real drivers and ORMs through transaction mode, all or those whose names contain
                      NAME; all of them write docs/conformance.md; --release builds pgweir so
  chaos [--minutes 10] [--clients 500] [--pool 10] [--think 200] [--seed 1]
                      connections are killed, cut and stalled under load, for minutes; a table of
                      what clients saw, and a verdict
  storm [--idle 10000] [--busy 200] [--logins 2000] [--rounds 5] [--calm_ms 5000] [--pool 20]
                      idle and busy clients, and a storm of logins beside them
  soak [--minutes 30] [--pace 100] [--analyse 1]
                      a shop's day of connects, queries, kills and reloads; what pgweir holds
                      afterwards is what it held before
  bench [--rounds 5] [--seconds 5] [--only WORKLOAD,…] [--clients 1,50,1000] [--peers PEER,…]
        [--pgbouncer PATH] [--pgweir PATH] [--quick] [--write]
                      pgweir beside PgBouncer, HAProxy and no proxy at all, interleaved in one run;
                      docs/performance.md says how to read it
  bench --instructions [--accept]
                      instructions of the pure core, counted by valgrind; --accept notes them
  overload [--seconds 10] [--pool 10] [--statement_ms 20] [--age_ms 100] [--urgent 30]
           [--clients 1000] [--share 100] [--timed 1]
                      1, 2, 5 and 10 times the load that a pool can do; a table of what was served and
                      what was refused, and a verdict
  tidy                what the compiler cannot check: which crate may use which, sizes, names, links
  package [--no-build]
                      the Debian package, with manual pages and completions, in target/package;
                      needs cargo-deb; --no-build packs target/release/pgweir as it is
  docs [--check]      write the generated pages of docs/, or only compare them
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let done = match (command, rest) {
        ("setup", []) => setup::run(),
        ("demo", rest) => demo::run(rest),
        ("test", rest) => test::run(rest),
        ("conformance", rest) => conformance::run(rest),
        ("bench", rest) => bench::run(rest),
        ("chaos", rest) => chaos::chaos(rest),
        ("storm", rest) => chaos::storm(rest),
        ("soak", rest) => chaos::soak(rest),
        ("overload", rest) => chaos::overload(rest),
        ("tidy", []) => tidy::run(),
        ("fuzz", rest) => fuzz::run(rest),
        ("package", []) => package::run(package::Build::First),
        ("package", [flag]) if flag == "--no-build" => package::run(package::Build::Done),
        ("docs", []) => docs::run(docs::Mode::Write),
        ("docs", [flag]) if flag == "--check" => docs::run(docs::Mode::Check),
        ("help" | "--help" | "-h", _) => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("`{}` is not a command.\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
