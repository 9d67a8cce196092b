//! No panic on any input: what is unwrapped has a proof beside it.

use anyhow::Result;

use super::fault::Fault;
use super::tree::Tree;

const PROOF: &str = "// proof:";

/// Fails for `unwrap` and `expect` outside tests, unless the line or the one above says why it
/// cannot fail.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for file in &tree.rust {
        let text: Vec<&str> = file.text.lines().collect();
        for (number, line) in file.production_lines() {
            // A parser's own `expect` is a method of `self`.
            let unwraps =
                line.contains(".unwrap()") || line.replace("self.expect(", "").contains(".expect(");
            let from = number.saturating_sub(2);
            let proven = text[from..number].iter().any(|line| line.contains(PROOF));
            if unwraps && !proven {
                let message =
                    format!("unwrapped without a proof: return an error, or say `{PROOF}`");
                faults.push(Fault::failure(&file.path, number, message));
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let tree = Tree::made_up(&[("crates/a/src/a.rs", text)]);
        check(&tree).unwrap().into_iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn an_unwrap_without_a_proof_fails() {
        assert_eq!(lines("a.unwrap();\nb.expect(\"c\");"), [1, 2]);
        assert_eq!(lines("// proof: too far\n\na.unwrap();"), [3]);
    }

    #[test]
    fn a_proof_a_test_and_other_methods_pass() {
        assert_eq!(lines("// proof: b was checked\na.unwrap();"), [0; 0]);
        assert_eq!(lines("a.unwrap(); // proof: b was checked"), [0; 0]);
        assert_eq!(lines("a.unwrap_or(b); self.expect(Token::A); \".unwrap()\""), [0; 0]);
        assert_eq!(lines("#[cfg(test)]\nmod tests {\n    a.unwrap();\n}"), [0; 0]);
    }
}
