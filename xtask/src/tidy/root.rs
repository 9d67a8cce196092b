//! What lies in the root is what a newcomer sees first.

use anyhow::Result;

use super::fault::Fault;
use super::tree::Tree;

/// Files that tools or readers expect there.
const EXPECTED: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
];
const FOLDERS: &[&str] =
    &["benches", "crates", "docs", "fuzz", "packaging", "target", "tests", "xtask"];

/// Fails for what nobody expects in the root, such as the output of a command that was tried there.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let in_root = tree.paths.iter().filter(|path| !path.contains('/') && !path.starts_with('.'));
    let known = |path: &str| EXPECTED.contains(&path) || FOLDERS.contains(&path);
    let stray = in_root.filter(|path| !known(path));
    Ok(stray.map(|path| Fault::failure(path, 0, "nobody expects it in the root")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_behind_fails_and_what_belongs_there_does_not() {
        let tree = Tree {
            paths: ["Cargo.toml", "crates", "crates/a/out2", "out2"].map(String::from).to_vec(),
            ..Tree::default()
        };
        let faults = check(&tree).unwrap();
        assert_eq!(faults.iter().map(|fault| &*fault.path).collect::<Vec<_>>(), ["out2"]);
    }
}
