//! `cargo xtask tidy`: what the compiler cannot check. One module a rule.

mod edges;
mod fault;
mod links;
mod names;
mod purity;
mod root;
mod size;
mod source;
mod state;
mod tree;
mod unfinished;
mod unwraps;

use anyhow::{Result, ensure};

use crate::repository::root;
use fault::{Fault, Severity};
use tree::Tree;

type Rule = fn(&Tree) -> Result<Vec<Fault>>;

const RULES: &[Rule] = &[
    edges::check,
    purity::check,
    root::check,
    size::check,
    names::check,
    unfinished::check,
    state::check,
    unwraps::check,
    links::check,
];

/// Checks the repository and prints what is wrong, a line each.
pub(crate) fn run() -> Result<()> {
    let faults = check(&Tree::read(&root())?)?;
    for fault in &faults {
        eprintln!("{fault}");
    }
    let failures = faults.iter().filter(|fault| fault.severity == Severity::Failure).count();
    ensure!(failures == 0, "{failures} of the project's rules are broken");
    Ok(())
}

fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for rule in RULES {
        faults.extend(rule(tree)?);
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_edge_fails_the_whole_check() {
        let root = "[workspace.dependencies]\nsql = { path = \"crates/sql\" }";
        let wire = "[dependencies]\nsql.workspace = true";
        let tree = Tree::made_up(&[("Cargo.toml", root), ("crates/wire/Cargo.toml", wire)]);
        let faults = check(&tree).unwrap();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].severity, Severity::Failure);
        assert!(faults[0].message.contains("`wire` may not use `sql`"), "{}", faults[0]);
    }
}
