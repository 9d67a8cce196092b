//! docs/survival.md: what was somebody's CVE or bug, and the test that says it is none here.
//!
//! A test names what it is for in its doc comment: `Must survive: ITEM; ITEM`. An item without a
//! test and a test of an unknown item are errors, so that the page cannot rot.

mod checklist;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use checklist::{GROUPS, Group};

const PAGE: &str = "docs/survival.md";
const MARK: &str = "Must survive: ";
/// Where tests are.
const FOLDERS: &[&str] = &["crates", "tests"];

const HEAD: &str = "\
# What must be survived

Each line was a CVE or a bug of some pooler, or is what users of poolers report most. Beside it stand
the tests that say it is none here; each names its items in its doc comment. This page is written by
`cargo xtask docs`, which fails when an item has no test.
";

/// The page, as path in the repository and text.
pub(crate) fn page(root: &Path) -> Result<(String, String)> {
    let mut tests = BTreeMap::new();
    for folder in FOLDERS {
        collect(&root.join(folder), folder, &mut tests)?;
    }
    Ok((PAGE.to_owned(), render(GROUPS, &tests)?))
}

/// The tests of each item.
type Tests = BTreeMap<String, Vec<String>>;

fn collect(folder: &Path, path: &str, tests: &mut Tests) -> Result<()> {
    let reading = || format!("reading {}", folder.display());
    let entries = fs::read_dir(folder).with_context(reading)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(reading)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{path}/{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, tests)?;
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).with_context(|| path.clone())?;
            for (item, test) in marked(&path, &text)? {
                tests.entry(item).or_default().push(format!("{path}::{test}"));
            }
        }
    }
    Ok(())
}

/// Items and the names of the tests that name them.
fn marked(path: &str, text: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("/// ").and_then(|doc| doc.strip_prefix(MARK)) else {
            continue;
        };
        let mut items = first.to_owned();
        let mut is_test = false;
        let name = loop {
            let line = lines.next().with_context(|| format!("{path}: {MARK}above nothing"))?;
            if let Some(more) = line.strip_prefix("///") {
                items.push(' ');
                items.push_str(more.trim());
            } else if line.starts_with("#[") {
                is_test |= line.contains("test]") || line.contains("test(");
            } else {
                break function(line).with_context(|| format!("{path}: {MARK}above `{line}`"))?;
            }
        };
        ensure!(is_test, "{path}: {name} is no test");
        found.extend(items.split("; ").map(|item| (item.trim().to_owned(), name.to_owned())));
    }
    Ok(found)
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split('(').next()
}

fn render(groups: &[Group], tests: &Tests) -> Result<String> {
    let mut text = HEAD.to_owned();
    let mut used = 0;
    for group in groups {
        text.push_str(&format!("\n## {}\n\n| what | tests |\n|---|---|\n", group.title));
        for item in group.items {
            let tests = tests.get(*item).with_context(|| format!("no test names \"{item}\""))?;
            used += 1;
            let tests: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
            text.push_str(&format!("| {item} | {} |\n", tests.join("<br>")));
        }
    }
    let known = |item: &str| groups.iter().any(|group| group.items.contains(&item));
    let unknown: Vec<_> = tests.iter().filter(|(item, _)| !known(item)).collect();
    ensure!(unknown.is_empty(), "not in xtask/src/survival/checklist.rs: {unknown:?}");
    ensure!(used == tests.len(), "an item is in the checklist twice");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
        /// Also this.\n    ///\n    /// Must survive: one thing;\n    /// another thing\n    \
        #[tokio::test]\n    async fn first() {\n}\n\n/// Must survive: one thing\n#[test]\nfn second() {\n";

    fn tests(text: &str) -> Result<Tests> {
        let mut tests = Tests::new();
        for (item, test) in marked("a.rs", text)? {
            tests.entry(item).or_default().push(test);
        }
        Ok(tests)
    }

    #[test]
    fn tests_are_found_by_what_they_name() {
        let found = tests(SOURCE).unwrap();
        assert_eq!(found["one thing"], ["first", "second"]);
        assert_eq!(found["another thing"], ["first"]);
        assert!(tests("/// Must survive: x\nfn no_test() {").is_err());
        assert!(tests("/// Must survive: x\n#[test]\nstruct S;").is_err());
    }

    #[test]
    fn an_item_without_a_test_and_a_test_without_an_item_are_errors() {
        let found = tests(SOURCE).unwrap();
        let render = |items| render(&[Group { title: "T", items }], &found);
        let text = render(&["one thing", "another thing"]).unwrap();
        assert!(text.contains("| one thing | `first`<br>`second` |"), "{text}");
        assert!(render(&["one thing"]).unwrap_err().to_string().contains("another thing"));
        let missing = render(&["one thing", "another thing", "a third"]).unwrap_err();
        assert!(missing.to_string().contains("a third"), "{missing}");
    }
}
