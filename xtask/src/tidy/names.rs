//! A module's name says what it is about.

use anyhow::Result;

use super::fault::Fault;
use super::source::has_word;
use super::tree::Tree;

const EMPTY_WORDS: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager", "misc"];

/// Fails for modules, as files, folders or declarations, whose name says nothing.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for file in &tree.rust {
        let parts = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
        faults.extend(parts.filter(|part| EMPTY_WORDS.contains(part)).map(|part| {
            Fault::failure(&file.path, 0, format!("`{part}` does not say what is in it"))
        }));
        for (line, number) in file.code.lines().zip(1..) {
            let declared = EMPTY_WORDS.iter().find(|word| {
                [" {", ";"].iter().any(|end| has_word(line, &format!("mod {word}{end}")))
            });
            faults.extend(declared.map(|word| {
                Fault::failure(
                    &file.path,
                    number,
                    format!("`mod {word}` does not say what is in it"),
                )
            }));
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::made_up(&[(path, text)])).unwrap().len()
    }

    #[test]
    fn empty_words_fail_as_file_folder_and_declaration() {
        assert_eq!(count("crates/a/src/utils.rs", ""), 1);
        assert_eq!(count("crates/a/src/common/mod.rs", ""), 1);
        assert_eq!(count("crates/a/src/a.rs", "pub(crate) mod helpers {}"), 1);
        assert_eq!(count("crates/a/src/a.rs", "mod misc;"), 1);
    }

    #[test]
    fn other_words_pass() {
        assert_eq!(count("crates/a/src/commonly.rs", "mod utils_of_war; // mod utils;"), 0);
    }
}
