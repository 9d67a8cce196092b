//! Steps of a longer command: each is announced and timed, and the first failure ends it.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// Runs one step and says how long it took.
pub(crate) fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("── {name}");
    let start = Instant::now();
    work().with_context(|| format!("FAILED at: {name}"))?;
    eprintln!("── {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command whose output goes where ours goes, and requires success.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", shown(command)))?;
    ensure!(status.success(), "{}: {status}", shown(command));
    Ok(())
}

/// What a command prints, or `None` if it is missing or fails.
pub(crate) fn output_of(
    program: impl AsRef<std::ffi::OsStr>,
    arguments: &[&str],
) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_step_and_the_command() {
        let error = step("clippy", || succeed(&mut Command::new("false"))).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("FAILED at: clippy: false: exit status: 1"), "{text}");
    }

    #[test]
    fn output_is_only_that_of_a_command_that_succeeds() {
        assert_eq!(output_of("echo", &["a"]), Some("a".to_owned()));
        assert_eq!(output_of("false", &[]), None);
        assert_eq!(output_of("/nowhere", &[]), None);
    }
}
