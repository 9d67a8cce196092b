//! Ids are kept in histories and compared between machines, so they may never change. A line of
//! `golden_ids.txt` is the strict id, the fingerprint, and the statement. If this test fails, the
//! change that made it fail is wrong, not the file.

use pgweir_sql::ShapeRegistry;

#[test]
fn ids_never_change() {
    let registry = ShapeRegistry::new(1_000);
    let mut checked = 0;
    for line in include_str!("golden_ids.txt").lines() {
        let Some((ids, statement)) = line.split_once(" | ") else {
            continue;
        };
        let shape = registry.observe_one(statement.as_bytes()).shape;
        assert_eq!(format!("{} {}", shape.id, shape.fingerprint), ids, "{statement}");
        checked += 1;
    }
    assert_eq!(checked, 29);
}
