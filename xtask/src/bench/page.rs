//! What is written into `docs/`: the results between two marks of the page, and the picture.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::options::Options;
use super::peers::{Peer, Programs};
use super::results::Results;
use super::server::Server;
use super::{picture, table};
use crate::step::output_of;

const PAGE: &str = "docs/performance.md";
const PICTURE: &str = "docs/performance.svg";
const BEGIN: &str = "<!-- results: written by `cargo xtask bench --write` -->";
const END: &str = "<!-- end of results -->";

/// Writes both.
pub(super) fn write(root: &Path, results: &Results, conditions: &str) -> Result<()> {
    let path = root.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| PAGE.to_owned())?;
    let tables = table::markdown(results);
    let rounds = match results.rounds() {
        (least, most) if least == most => most.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    let text = format!(
        "{conditions}\nMedians of {rounds} rounds, the least and the most in parentheses.\n\n\
         ![Ratios to PgBouncer as bars]({})\n\n{tables}",
        PICTURE.trim_start_matches("docs/")
    );
    fs::write(&path, between(&page, &text)?)?;
    fs::write(root.join(PICTURE), picture::svg(results))?;
    eprintln!("wrote {PAGE} and {PICTURE}");
    Ok(())
}

/// The page with `text` between its marks.
fn between(page: &str, text: &str) -> Result<String> {
    let parts = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let (before, after) = parts.with_context(|| format!("{PAGE} lacks {BEGIN} or {END}"))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim()))
}

/// The machine and the versions, as lines of Markdown.
pub(super) fn conditions(options: &Options, programs: &Programs, server: &Server) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut lines = vec![format!(
        "- Machine: {processors} processors ({}), {} of memory, {}; pgbench, the proxies and the \
         server share it",
        processor().unwrap_or_else(|| "unknown".into()),
        memory().unwrap_or_else(|| "an unknown amount".into()),
        output_of("uname", &["-s", "-r", "-m"]).unwrap_or_default(),
    )];
    lines.push(format!("- Server: {}", server.version()));
    for peer in options.peers.iter().filter(|peer| **peer != Peer::Direct) {
        lines.push(format!("- {}: {}", peer.name(), programs.version(*peer)));
    }
    lines.push(format!("- {} s for each run", options.seconds));
    lines.join("\n") + "\n"
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(": ")?.1.trim().to_owned())
}

fn memory() -> Option<String> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(format!("{} GiB", kib.div_ceil(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\n## More\n");
        let new = format!("# Title\n{BEGIN}\n\nnew\n\n{END}\n## More\n");
        assert_eq!(between(&page, "new\n\n").unwrap(), new);
        assert_eq!(between(&new, "new").unwrap(), new);
        assert!(between("# Title\n", "new").is_err());
    }

    #[test]
    fn the_page_has_its_marks() {
        let page = fs::read_to_string(crate::repository::root().join(PAGE)).unwrap();
        assert!(between(&page, "").is_ok());
    }
}
