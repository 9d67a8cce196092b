//! A driver's program at work on one feature.
//!
//! It prints lines: `version TEXT`; `hold LABEL`, after which it waits for a line, its connections
//! open, so that we can look at them; at last `pass`, `n/a WHY` or `fail WHAT`. All else is its log.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// How a feature went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// The driver has no such thing.
    Absent(String),
    Fail(String),
}

/// What a program said.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) verdict: Verdict,
    pub(crate) version: Option<String>,
}

/// Runs it; `held` is called while the program waits, with the label of its `hold`.
pub(crate) async fn run(
    command: std::process::Command,
    patience: Duration,
    mut held: impl AsyncFnMut(&str),
) -> Said {
    let mut log = Vec::new();
    let mut said = Said { verdict: Verdict::Fail("it said nothing".into()), version: None };
    let talk = converse(command, &mut log, &mut said, &mut held);
    match tokio::time::timeout(patience, talk).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => said.verdict = Verdict::Fail(format!("cannot be run: {error}")),
        Err(_) => {
            said.verdict = Verdict::Fail(format!("not done after {} s", patience.as_secs()));
        }
    }
    if let Verdict::Fail(why) = &mut said.verdict {
        let tail = log.len().saturating_sub(12);
        for line in &log[tail..] {
            why.push_str("\n    ");
            why.push_str(line);
        }
    }
    said
}

async fn converse(
    command: std::process::Command,
    log: &mut Vec<String>,
    said: &mut Said,
    held: &mut impl AsyncFnMut(&str),
) -> std::io::Result<()> {
    let mut command = Command::from(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (Some(mut answers), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(std::io::Error::other("no pipes"));
    };
    let errors = tokio::spawn(async move {
        let mut lines = BufReader::new(errors).lines();
        let mut kept = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            kept.push(line);
        }
        kept
    });
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "version" => said.version = Some(rest.to_owned()),
            "hold" => {
                held(rest).await;
                answers.write_all(b"\n").await?;
            }
            "pass" => said.verdict = Verdict::Pass,
            "n/a" => said.verdict = Verdict::Absent(rest.to_owned()),
            "fail" => said.verdict = Verdict::Fail(rest.to_owned()),
            _ => log.push(line),
        }
    }
    let status = child.wait().await?;
    log.extend(errors.await.unwrap_or_default());
    if !status.success() && !matches!(said.verdict, Verdict::Fail(_)) {
        said.verdict = Verdict::Fail(format!("it ended with {status}"));
    }
    Ok(())
}
