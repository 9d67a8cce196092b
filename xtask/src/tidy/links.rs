//! Links between the repository's pages lead somewhere.

use std::collections::HashSet;

use anyhow::Result;

use super::fault::Fault;
use super::tree::{TextFile, Tree};

/// Fails for links to files that are not there, and to headings that are not in them.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let paths: HashSet<&str> = tree.paths.iter().map(String::as_str).collect();
    let mut faults = Vec::new();
    for page in &tree.markdown {
        for (number, target) in links(&page.text) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let leads_to =
                if file.is_empty() { page.path.clone() } else { resolve(&page.path, file) };
            if !leads_to.is_empty() && !paths.contains(leads_to.as_str()) {
                let message = format!("the link to `{target}` leads nowhere");
                faults.push(Fault::failure(&page.path, number, message));
            } else if !anchor.is_empty() && !has_heading(tree, &leads_to, anchor) {
                let message = format!("the link to `{target}` leads to no heading");
                faults.push(Fault::failure(&page.path, number, message));
            }
        }
    }
    Ok(faults)
}

/// The targets of inline and reference links within the repository, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        if let Some((_, target)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
            found.push((number, target));
        }
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            found.push((number, target));
            rest = after;
        }
    }
    let local = |target: &str| {
        !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
    };
    found
        .into_iter()
        .filter_map(|(number, target)| Some((number, target.split_whitespace().next()?)))
        .map(|(number, target)| (number, target.trim_matches(['<', '>'])))
        .filter(|(_, target)| local(target))
        .collect()
}

/// The lines outside fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// A link's target as a path from the root.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = match target.starts_with('/') {
        true => Vec::new(),
        false => {
            page.rsplit_once('/').map_or_else(Vec::new, |(folder, _)| folder.split('/').collect())
        }
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.is_empty() => parts.push(part),
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn has_heading(tree: &Tree, path: &str, anchor: &str) -> bool {
    let Some(page) = tree.markdown.iter().find(|page| page.path == path) else {
        // A line of a source file, `#L10`: nothing to compare with.
        return true;
    };
    headings(page).contains(anchor)
}

/// The anchors that GitHub gives to headings; the second of the same name ends in `-1`.
fn headings(page: &TextFile) -> HashSet<String> {
    let mut anchors = HashSet::new();
    for (_, line) in prose(&page.text) {
        let Some((_, title)) = line.split_once("# ").filter(|_| line.starts_with('#')) else {
            continue;
        };
        let anchor: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|character| match character {
                ' ' => Some('-'),
                '-' | '_' => Some(character),
                other => other.is_alphanumeric().then_some(other),
            })
            .collect();
        let again = (1..).map(|number| format!("{anchor}-{number}"));
        let mut candidates = std::iter::once(anchor.clone()).chain(again);
        // The first that is free; there is always one.
        candidates.find(|candidate| anchors.insert(candidate.clone()));
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(page: &str) -> Vec<String> {
        let other = "# First things\n## `b`, and c\n# First things\n";
        let tree =
            Tree::made_up(&[("docs/page.md", page), ("docs/other.md", other), ("LICENSE", "")]);
        check(&tree).unwrap().into_iter().map(|fault| fault.message).collect()
    }

    #[test]
    fn links_to_nothing_fail() {
        assert_eq!(messages("[a](missing.md)"), ["the link to `missing.md` leads nowhere"]);
        assert_eq!(messages("[a](/other.md) [b](other.md)").len(), 1);
        assert_eq!(messages("[a](../../LICENSE)").len(), 1);
        assert_eq!(messages("[a]: missing.md").len(), 1);
        assert_eq!(
            messages("[a](other.md#second)"),
            ["the link to `other.md#second` leads to no heading"]
        );
        assert_eq!(messages("[a](#here)").len(), 1);
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let page = "# Here\n[a](other.md) ![b](../LICENSE \"title\") [c](/docs) [d](#here)\n\
                    [e](other.md#first-things-1) [f](other.md#b-and-c) [g](https://a.b/c)\n\
                    ```\n[h](missing.md)\n```\n[i]: ../LICENSE\n";
        assert_eq!(messages(page), [""; 0]);
    }
}
