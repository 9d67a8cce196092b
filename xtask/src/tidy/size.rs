//! Files stay small enough to be read whole.

use anyhow::Result;

use super::fault::Fault;
use super::tree::Tree;

/// More lines than this are told.
const LONG: usize = 350;
/// More lines than this fail.
const TOO_LONG: usize = 500;

/// Fails for files that are too long, warns of those that become so.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let sizes = tree.rust.iter().map(|file| (file, file.text.lines().count()));
    let long = sizes.filter(|(_, lines)| *lines > LONG);
    Ok(long
        .map(|(file, lines)| {
            let message = format!("{lines} lines: split it by what it is about");
            if lines > TOO_LONG {
                Fault::failure(&file.path, 0, message)
            } else {
                Fault::warning(&file.path, 0, message)
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fault::Severity;

    fn severity(lines: usize) -> Option<Severity> {
        let text = "//\n".repeat(lines);
        let tree = Tree::made_up(&[("crates/a/src/a.rs", &text)]);
        check(&tree).unwrap().first().map(|fault| fault.severity)
    }

    #[test]
    fn a_long_file_is_warned_of_and_a_longer_one_fails() {
        assert_eq!(severity(350), None);
        assert_eq!(severity(351), Some(Severity::Warning));
        assert_eq!(severity(500), Some(Severity::Warning));
        assert_eq!(severity(501), Some(Severity::Failure));
    }
}
