//! `cargo xtask docs`: the pages of docs/ that pgweir writes about itself.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::repository::{cargo, root};
use crate::step::shown;
use crate::{detector_pages, survival};

/// Whether pages are written or only compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

/// A page, and the arguments with which pgweir prints it.
struct Page {
    path: &'static str,
    arguments: &'static [&'static str],
}

const PAGES: &[Page] = &[
    Page { path: "docs/settings.md", arguments: &["settings", "--markdown"] },
    Page { path: "docs/metrics.md", arguments: &["metrics", "--markdown"] },
    Page { path: "docs/migrating-from-pgbouncer.md", arguments: &["settings", "--migrating"] },
    Page { path: "docs/console-tables.md", arguments: &["settings", "--console-tables"] },
];

/// Writes the generated pages, or fails when one is not what pgweir prints now.
pub(crate) fn run(mode: Mode) -> Result<()> {
    for page in PAGES {
        let text = print(page)?;
        settle(&root(), page.path, &text, mode)?;
    }
    let (path, text) = survival::page(&root())?;
    settle(&root(), &path, &text, mode)?;
    for (path, text) in detector_pages::pages(&root())? {
        settle(&root(), &path, &text, mode)?;
    }
    Ok(())
}

fn print(page: &Page) -> Result<String> {
    let mut command = cargo(&["run", "--quiet", "--package", "pgweir", "--"]);
    command.args(page.arguments);
    let output = command.output().with_context(|| format!("starting {}", shown(&command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}\n{said}", shown(&command), output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{} is not UTF-8", page.path))
}

fn settle(root: &Path, path: &str, text: &str, mode: Mode) -> Result<()> {
    ensure!(!text.trim().is_empty(), "{path}: there is nothing to write");
    let file = root.join(path);
    if fs::read_to_string(&file).is_ok_and(|present| present == text) {
        return Ok(());
    }
    if mode == Mode::Check {
        bail!("{path} is not up to date; run `cargo xtask docs` and commit the result");
    }
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    fs::write(&file, text).with_context(|| format!("writing {path}"))?;
    eprintln!("{path}: written");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_or_missing_page_fails_the_check_until_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        let settle = |text, mode| settle(root.path(), "docs/page.md", text, mode);
        assert!(settle("new", Mode::Check).is_err());
        settle("new", Mode::Write).unwrap();
        settle("new", Mode::Check).unwrap();
        let error = settle("newer", Mode::Check).unwrap_err().to_string();
        assert!(error.contains("docs/page.md") && error.contains("cargo xtask docs"), "{error}");
    }

    #[test]
    fn nothing_printed_is_never_a_page() {
        let root = tempfile::tempdir().unwrap();
        assert!(settle(root.path(), "docs/page.md", "\n", Mode::Write).is_err());
    }
}
