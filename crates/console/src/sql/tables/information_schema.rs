//! The standard's way to look around: `information_schema`.

use super::SqlTable;
use super::catalogue::{catalogue, tables};
use crate::parameters;
use crate::table::{Column, Value};

pub(super) static TABLES: SqlTable = catalogue(
    "tables",
    "information_schema.tables",
    || ["table_catalog", "table_schema", "table_name", "table_type"].map(Column::text).into(),
    |_| {
        let row = |(_, table): (i64, &'static SqlTable)| {
            [parameters::DATABASE, "public", table.name, "BASE TABLE"].map(Value::text).into()
        };
        Ok(tables().map(row).collect())
    },
);

pub(super) static COLUMNS: SqlTable = catalogue(
    "columns",
    "information_schema.columns",
    || {
        vec![
            Column::text("table_catalog"),
            Column::text("table_schema"),
            Column::text("table_name"),
            Column::text("column_name"),
            Column::int4("ordinal_position"),
            Column::text("is_nullable"),
            Column::text("data_type"),
            Column::text("udt_name"),
        ]
    },
    |_| {
        let columns = |(_, table): (i64, &'static SqlTable)| {
            (1usize..).zip(table.columns()).map(move |(place, column)| {
                let name = column.kind.name();
                vec![
                    Value::text(parameters::DATABASE),
                    Value::text("public"),
                    Value::text(table.name),
                    Value::text(column.name),
                    Value::int4(place),
                    Value::text("YES"),
                    Value::text(name),
                    Value::text(name),
                ]
            })
        };
        Ok(tables().flat_map(columns).collect())
    },
);

pub(super) static SCHEMATA: SqlTable = catalogue(
    "schemata",
    "information_schema.schemata",
    || ["catalog_name", "schema_name", "schema_owner"].map(Column::text).into(),
    |_| {
        let row = |name| [parameters::DATABASE, name, "pgweir"].map(Value::text).into();
        Ok(["public", "pg_catalog", "information_schema"].map(row).into())
    },
);
