//! Real drivers and ORMs through transaction mode: what each can do, and whether it pins.
//!
//! `cargo xtask conformance` runs the whole matrix; run as a test without arguments, this does the
//! programs of PostgreSQL itself, which need nothing to be installed.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the run")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod driver;
mod feature;
mod kit;
mod matrix;
mod page;
mod program;
mod scene;
mod watch;

use std::process::ExitCode;

use driver::{DRIVERS, Driver};
use kit::Kit;
use matrix::Report;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, names)) if first == "--matrix" => whole(names).await,
        _ => subset(&arguments).await,
    }
}

/// The drivers whose names contain one of these words; all, and the page of documentation, without
/// any.
async fn whole(names: &[String]) -> ExitCode {
    let asked = |driver: &&Driver| {
        names.is_empty() || names.iter().any(|name| driver.name.contains(name.as_str()))
    };
    let drivers: Vec<&Driver> = DRIVERS.iter().filter(asked).collect();
    if drivers.is_empty() {
        let known: Vec<&str> = DRIVERS.iter().map(|driver| driver.name).collect();
        eprintln!("no such driver; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let report = matrix::run(&drivers).await;
    if names.is_empty() {
        let file = kit::root().join("docs/conformance.md");
        std::fs::write(&file, page::markdown(&report)).unwrap();
        eprintln!("docs/conformance.md: written");
    }
    conclude(&report)
}

/// What `cargo test` runs: takes a filter as other tests do, and none of their options.
async fn subset(arguments: &[String]) -> ExitCode {
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let listed = arguments.iter().any(|argument| argument == "--list");
    let wanted = |driver: &&Driver| {
        filter.is_none_or(|word| "conformance".contains(word.as_str())) && driver.kit == Kit::Shell
    };
    let drivers: Vec<&Driver> = DRIVERS.iter().filter(wanted).collect();
    if listed || drivers.is_empty() {
        return ExitCode::SUCCESS;
    }
    conclude(&matrix::run(&drivers).await)
}

fn conclude(report: &Report) -> ExitCode {
    println!("\n{}", page::terminal(report));
    if report.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
