//! The command line as typed.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::admin::{admin_config, show_report};
use super::report::colour;
use super::{Cli, Command, ReportArguments, ReportFormat, RunArguments};
use crate::settings::{AuthType, REFERENCE};

fn run_arguments(arguments: &[&str]) -> RunArguments {
    let typed = ["pgweir", "run"].iter().chain(arguments);
    match Cli::try_parse_from(typed).map(|cli| cli.command) {
        Ok(Command::Run(arguments)) => *arguments,
        Ok(_) => panic!("another command"),
        Err(error) => panic!("{error}"),
    }
}

/// No file: the tests' directory may hold one.
fn no_file() -> (OsString, OsString) {
    ("PGWEIR_CONFIG".into(), "".into())
}

#[test]
fn the_definitions_hold() {
    Cli::command().debug_assert();
}

/// A line that is broken by hand is broken once more where the terminal is narrower.
#[test]
fn prose_is_left_to_be_wrapped_as_wide_as_the_terminal_is() {
    const WIDTH: usize = 100;
    for command in Cli::command().get_subcommands() {
        let Some(text) = command.get_after_help().map(ToString::to_string) else { continue };
        let lines: Vec<&str> = text.lines().collect();
        let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
        for pair in lines.windows(2) {
            let ends = pair[0].ends_with([':', '.']);
            let broken = is_prose(pair[0]) && is_prose(pair[1]) && !ends;
            assert!(!broken, "{}: {:?}", command.get_name(), pair);
        }
        for line in lines.iter().filter(|line| !is_prose(line)) {
            assert!(line.chars().count() <= WIDTH, "{}: {line}", command.get_name());
        }
    }
}

#[test]
fn every_flag_of_run_reaches_its_setting() {
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for argument in run.get_arguments() {
        let Some(long) = argument.get_long() else {
            continue;
        };
        if matches!(long, "config" | "set" | "takeover" | "help") {
            continue;
        }
        let arguments = run_arguments(&["postgres://u:p@h", &format!("--{long}"), " "]);
        let name = long.replace('-', "_");
        assert!(REFERENCE.iter().any(|setting| setting.name == name), "{name}");
        match arguments.settings([no_file()]) {
            // Those to which nothing is a value: instead of the URL's user, nobody; and nowhere.
            Ok(resolved) if name == "http" => assert_eq!(resolved.settings.http, None),
            Ok(resolved) => assert!(name == "admin_users" && !resolved.warnings.is_empty()),
            Err(error) => {
                let problems = error.to_string();
                assert!(problems.starts_with(&format!("--{long}: {name}: ")), "{problems}");
            }
        }
    }
}

#[test]
fn run_reads_the_file_then_the_environment_then_flags() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.toml");
    std::fs::write(
        &file,
        "upstream = \"postgres://u:p@h\"\nmax_client_conn = 1\npool_mode = \"session\"\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let environment = [
        (OsString::from("PGWEIR_MAX_CLIENT_CONN"), OsString::from("2")),
        (OsString::from("PGWEIR_DEFAULT_POOL_SIZE"), OsString::from("2")),
    ];
    let arguments = run_arguments(&[
        "-c",
        file,
        "--default-pool-size",
        "3",
        "--set",
        "server_lifetime=30m",
        "postgres://flag:p@h2",
    ]);
    let settings = arguments.settings(environment).unwrap().settings;
    assert_eq!(settings.max_client_conn.get(), 2);
    assert_eq!(settings.default_pool_size.get(), 3);
    assert_eq!(settings.pool_mode, model::PoolMode::Session);
    assert_eq!(settings.server_lifetime, Duration::from_secs(1800));
    assert_eq!(settings.upstreams[0].hosts.first().0, "h2");
    assert_eq!(settings.admin_users, ["flag"]);
}

#[test]
fn a_named_file_must_be_there() {
    let missing = run_arguments(&["-c", "/nonexistent/pgweir.toml", "postgres://u:p@h"]);
    let error = missing.settings([]).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("--config: /nonexistent/pgweir.toml cannot be read: "), "{error}");

    let variable = ("PGWEIR_CONFIG".into(), "/nonexistent".into());
    let error = run_arguments(&[]).settings([variable]).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("environment variable PGWEIR_CONFIG: /nonexistent"), "{error}");

    let unnamed = run_arguments(&["postgres://u:p@h"]);
    assert!(unnamed.settings([no_file()]).is_ok());
}

fn report_arguments(arguments: &[&str]) -> Result<ReportArguments, String> {
    let typed = ["pgweir", "report"].iter().chain(arguments);
    match Cli::try_parse_from(typed).map(|cli| cli.command) {
        Ok(Command::Report(report)) => Ok(*report),
        Ok(_) => panic!("not a report"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_option_of_report_reaches_the_console() {
    let report = report_arguments(&[
        "--since",
        "2026-11-23T20:00:00Z",
        "--until",
        "90s",
        "--database",
        "it's",
        "--application",
        "web",
        "--fingerprint",
        "00A1",
        "--sort",
        "p95",
        "--top",
        "5",
        "--compare",
        "1h",
        "--show-values",
    ])
    .unwrap();
    assert_eq!(
        show_report(&report.options()),
        "SHOW REPORT (since '2026-11-23T20:00:00Z', sort p95, top 5, until '90000ms', \
         database 'it''s', application 'web', fingerprint '00a1', compare '3600000ms', values on)"
    );
    let plain = report_arguments(&[]).unwrap();
    assert_eq!(show_report(&plain.options()), "SHOW REPORT (since '900000ms', sort total, top 20)");
}

#[test]
fn what_is_wrong_with_report_is_said_with_what_would_be_right() {
    for (wrong, expected) in [
        (["--since", "soon"], "15m"),
        (["--since", "0"], "15m"),
        (["--until", "2026-11-23T20:00:00"], "with its zone"),
        (["--compare", "2026-11-23T20:00:00Z"], "1h 30m"),
        (["--fingerprint", "xyz"], "hexadecimal"),
        (["--sort", "speed"], "total, mean, p95"),
        (["--top", "0"], "1..=10000"),
        (["--format", "pdf"], "text, markdown, html, json"),
    ] {
        let error = report_arguments(&wrong).map(|_| ()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let saved = report_arguments(&["--input", "x.json", "--since", "5m"]).map(|_| ()).unwrap_err();
    assert!(saved.contains("cannot be used with"), "{saved}");
}

#[test]
fn the_format_is_the_one_asked_for_or_the_files() {
    let format = |arguments: &[&str]| report_arguments(arguments).unwrap().format();
    assert_eq!(format(&[]), ReportFormat::Text);
    assert_eq!(format(&["--output", "x.HTML"]), ReportFormat::Html);
    assert_eq!(format(&["--output", "x.md"]), ReportFormat::Markdown);
    assert_eq!(format(&["--output", "x.pdf"]), ReportFormat::Text);
    assert_eq!(format(&["--output", "x.md", "--format", "json"]), ReportFormat::Json);
}

#[test]
fn the_admin_url_is_made_whole() {
    let variable = |name: &str| Some(format!("of {name}"));
    let config = admin_config("postgres://", variable).unwrap();
    assert_eq!(config.get_dbname(), Some("pgweir"));
    assert_eq!(config.get_ports(), [6432]);
    assert_eq!(config.get_user(), Some("of PGUSER"));
    assert_eq!(config.get_password(), Some(b"of PGPASSWORD".as_slice()));
    let config = admin_config("postgres://a:b@h:1/pgbouncer", variable).unwrap();
    assert_eq!((config.get_user(), config.get_dbname()), (Some("a"), Some("pgbouncer")));
    let error = admin_config("postgres://a:hunter2@h:port/x", variable).unwrap_err().to_string();
    assert!(error.contains("port") && !error.contains("hunter2"), "{error}");
}

#[test]
fn colour_only_on_a_terminal_that_wants_it() {
    assert!(colour(false, None, true));
    assert!(colour(false, Some(OsStr::new("")), true));
    assert!(!colour(false, Some(OsStr::new("1")), true));
    assert!(!colour(true, None, true));
    assert!(!colour(false, None, false));
}

#[test]
fn what_has_no_effect_yet_is_not_in_the_help() {
    let mut command = Cli::command();
    let help = command.find_subcommand_mut("run").unwrap().render_long_help().to_string();
    assert!(help.contains("--listen") && help.contains("--http"));
    assert!(help.contains("--data-dir"));
}

#[test]
fn what_the_package_installs_is_enough_to_start() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/debian/pgweir.toml");
    let none = std::iter::empty::<(OsString, OsString)>();
    let resolved = run_arguments(&["--config", file]).settings(none);
    let resolved = resolved.unwrap_or_else(|error| panic!("{error}"));
    assert!(resolved.warnings.is_empty());
    // Nobody is let in without a password because an administrator has not written one yet.
    assert_eq!(resolved.settings.auth_type, AuthType::ScramSha256);
}
