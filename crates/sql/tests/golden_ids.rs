//! Ids are kept in histories and compared between machines, so they may never change. A line of
//! `golden_ids.txt` is the shape, the strict id, the fingerprint, and the statement. If this test
//! fails, the change that made it fail is wrong, not the file; a change that is meant needs a new
//! version of the ids (`canonical::VERSION`) and is announced as one.

use pgweir_sql::{IDS_VERSION, ShapeRegistry};

#[test]
fn ids_never_change() {
    let registry = ShapeRegistry::new(1_000);
    let mut lines = include_str!("golden_ids.txt").lines();
    assert_eq!(lines.next(), Some(format!("version {IDS_VERSION}").as_str()));
    let mut checked = 0;
    let mut changed = Vec::new();
    for line in lines {
        let Some((ids, statement)) = line.split_once(" | ") else {
            continue;
        };
        let shape = registry.observe_one(statement.as_bytes()).shape;
        let now = format!("{} {} {}", shape.id, shape.strict(), shape.fingerprint());
        if now != ids {
            changed.push(format!("{now} | {statement}"));
        }
        checked += 1;
    }
    assert!(changed.is_empty(), "these changed:\n{}", changed.join("\n"));
    assert_eq!(checked, 58);
}
