//! A statement in a few words, for people and for traces.

use crate::{Class, Shape, tables_named};

/// The longest summary (OpenTelemetry's semantic conventions for databases: `db.query.summary`).
const LIMIT: usize = 255;

/// What a statement does and to which tables, such as `SELECT orders customers`. As in
/// OpenTelemetry's conventions the tables stand in the order of the text; a table that is named more
/// than once stands once.
#[must_use]
pub fn summary(shape: &Shape) -> String {
    let mut summary = shape.keyword.to_owned();
    for table in tables(shape) {
        if summary.len() + 1 + table.len() > LIMIT {
            break;
        }
        summary.push(' ');
        summary.push_str(&table);
    }
    summary
}

/// The tables of a statement, with their schemas where the text has them; by the words in front of
/// them where the parser could not read it, or does not read tables out of its kind.
#[must_use]
pub fn tables(shape: &Shape) -> Vec<String> {
    let facts = shape.facts().map(|facts| facts.tables.clone());
    let is_query =
        matches!(shape.class, Class::Select | Class::Insert | Class::Update | Class::Delete);
    let tables = match facts {
        Some(tables) if is_query || !tables.is_empty() => tables,
        _ => tables_named(shape.text()),
    };
    let mut names: Vec<String> = Vec::new();
    for table in tables {
        let name = match &table.schema {
            Some(schema) => format!("{schema}.{}", table.name),
            None => table.name,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ShapeRegistry, facts};

    fn of(text: &str) -> String {
        let shape = ShapeRegistry::new(10).observe_one(text.as_bytes()).shape;
        shape.set_facts(facts(shape.text()));
        summary(&shape)
    }

    #[test]
    fn it_names_the_operation_and_each_table_once() {
        assert_eq!(
            of("select * from shop.orders o join customers c on c.id = o.c where o.id in \
                (select id from customers)"),
            "SELECT shop.orders customers"
        );
        assert_eq!(of("insert into t values (1)"), "INSERT t");
        assert_eq!(of("vacuum verbose t"), "VACUUM t");
        assert_eq!(of("truncate a, s.b"), "TRUNCATE a s.b");
        assert_eq!(of("create index i on s.t (a)"), "CREATE s.t");
        assert_eq!(of("begin"), "BEGIN");
        assert_eq!(of("select 'secret'"), "SELECT");
    }

    #[test]
    fn it_is_never_too_long() {
        let many: Vec<_> = (0..100).map(|number| format!("table_{number}")).collect();
        let summary = of(&format!("select 1 from {}", many.join(", ")));
        assert!(summary.len() <= LIMIT && summary.starts_with("SELECT table_0 table_1"));
    }
}
