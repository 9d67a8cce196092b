//! What is committed is finished, and every test runs.

use anyhow::Result;

use super::fault::Fault;
use super::source::has_word;
use super::tree::Tree;

const MACROS: &[&str] = &["todo!", "unimplemented!", "#[ignore"];
/// Looked for in comments too; in two parts, so as not to find themselves.
const MARKS: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X")];

/// Fails for marks of unfinished work and for tests that are switched off.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for file in &tree.rust {
        for ((code, text), number) in file.code.lines().zip(file.text.lines()).zip(1..) {
            let macros = MACROS.iter().filter(|word| has_word(code, word));
            let marks = MARKS.iter().filter(|word| stands_alone(text, word));
            faults.extend(macros.chain(marks).map(|word| {
                Fault::failure(&file.path, number, format!("`{word}`: finish it or leave it out"))
            }));
        }
    }
    Ok(faults)
}

/// Whether the word is not a part of a longer one.
fn stands_alone(text: &str, word: &str) -> bool {
    let mut words = text.split(|character: char| !character.is_alphanumeric());
    words.any(|candidate| candidate == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&Tree::made_up(&[("crates/a/src/a.rs", text)])).unwrap().len()
    }

    #[test]
    fn unfinished_work_fails() {
        assert_eq!(count("fn a() { todo!() }"), 1);
        assert_eq!(count("fn a() { unimplemented!(\"b\") }"), 1);
        assert_eq!(count("#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}"), 2);
        assert_eq!(count(concat!("// FIX", "ME: b")), 1);
        assert_eq!(count(concat!("// XX", "X b")), 1);
    }

    #[test]
    fn words_that_only_look_so_pass() {
        assert_eq!(count("let a = \"todo!\"; // todo! is a macro"), 0);
        assert_eq!(count(concat!("let a = \"XX", "XX\";")), 0);
    }
}
