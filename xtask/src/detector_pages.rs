//! The detectors' pages in docs/detectors/: what stands in the code above each detector.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where the detectors are.
const SOURCES: &str = "crates/insight/src/detectors";

/// The pages, as path in the repository and text.
pub(crate) fn pages(root: &Path) -> Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    for file in rust_files(&root.join(SOURCES))? {
        let source =
            fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        pages.extend(page(&source));
    }
    pages.sort();
    ensure!(!pages.is_empty(), "no detector's page was found in {SOURCES}");
    Ok(pages)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// The doc comment that begins with "# `name`", if a file has one.
fn page(source: &str) -> Option<(String, String)> {
    let mut lines = source.lines().skip_while(|line| !line.starts_with("/// # `"));
    let title = lines.clone().next()?;
    let name = title.split('`').nth(1)?;
    let mut text = String::new();
    while let Some(line) = lines.next().and_then(|line| line.strip_prefix("///")) {
        text.push_str(line.strip_prefix(' ').unwrap_or(line));
        text.push('\n');
    }
    Some((format!("docs/detectors/{name}.md"), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_doc_comment_above_the_detector() {
        let source = "use x;\n\n/// # `slow`: it is slow\n///\n/// **What it sees.** Much.\npub struct \
                      Slow;\n/// Not this.\n";
        assert_eq!(
            page(source),
            Some((
                "docs/detectors/slow.md".to_owned(),
                "# `slow`: it is slow\n\n**What it sees.** Much.\n".to_owned()
            ))
        );
        assert_eq!(page("/// Something else.\npub struct Other;\n"), None);
    }

    #[test]
    fn the_real_detectors_have_pages() {
        let pages = pages(&crate::repository::root()).unwrap();
        let names: Vec<_> = pages.iter().map(|(path, _)| path.as_str()).collect();
        assert!(names.contains(&"docs/detectors/missing_index.md"), "{names:?}");
    }
}
