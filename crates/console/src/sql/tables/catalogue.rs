//! PostgreSQL's catalogue as far as clients look around in it: `\d`, `\dt`, `\d queries`, lists of
//! tables and columns in drivers and tools. Its other tables are empty.

use super::{ALL as OWN, Data, SqlTable, information_schema};
use crate::parameters;
use crate::refusal::Refusal;
use crate::table::{Column, Kind, Row, Value};

/// The OID of the first of the console's tables; below are PostgreSQL's own.
const FIRST_OID: i64 = 16_384;
/// The OIDs that PostgreSQL gives its schemas.
const PUBLIC: i64 = 2_200;
const PG_CATALOG: i64 = 11;
/// Everything belongs to this role.
const OWNER: i64 = 10;

/// The tables of the catalogue that have rows.
pub(super) static ALL: &[&SqlTable] = &[
    &PG_CLASS,
    &PG_NAMESPACE,
    &PG_ATTRIBUTE,
    &PG_TYPE,
    &PG_DATABASE,
    &PG_ROLES,
    &PG_SETTINGS,
    &PG_AM,
    &information_schema::TABLES,
    &information_schema::COLUMNS,
    &information_schema::SCHEMATA,
];

/// The table called `name` in `schema`.
pub(super) fn find(schema: &str, name: &str) -> Option<&'static SqlTable> {
    let key = if schema == "information_schema" {
        format!("information_schema.{name}")
    } else {
        name.to_owned()
    };
    let schema = matches!(schema, "pg_catalog" | "information_schema");
    ALL.iter().copied().find(|table| schema && table.key == key)
}

/// The OID of one of the console's tables.
pub(crate) fn oid(name: &str) -> Option<i64> {
    tables().find(|(_, table)| table.name == name).map(|(oid, _)| oid)
}

/// The name of the table with this OID.
pub(crate) fn name_of(oid: i64) -> Option<&'static str> {
    tables().find(|(known, _)| *known == oid).map(|(_, table)| table.name)
}

/// What `format_type` gives.
pub(crate) fn type_name(oid: i64) -> Option<&'static str> {
    KINDS.into_iter().find(|kind| i64::from(kind.oid()) == oid).map(Kind::name)
}

const KINDS: [Kind; 9] = [
    Kind::Bool,
    Kind::Int8,
    Kind::Int4,
    Kind::Text,
    Kind::Float8,
    Kind::Date,
    Kind::Timestamptz,
    Kind::Interval,
    Kind::Numeric,
];

pub(super) fn tables() -> impl Iterator<Item = (i64, &'static SqlTable)> {
    (FIRST_OID..).zip(OWN.iter().copied())
}

pub(super) const fn catalogue(
    name: &'static str,
    key: &'static str,
    columns: fn() -> Vec<Column>,
    rows: fn(&Data) -> Result<Vec<Row>, Refusal>,
) -> SqlTable {
    SqlTable { name, key, of_catalogue: true, what: "", columns, rows: super::Rows::Made(rows) }
}

fn oids(name: &'static str) -> Column {
    Column::int8(name)
}

static PG_CLASS: SqlTable = catalogue(
    "pg_class",
    "pg_class",
    || {
        vec![
            oids("oid"),
            Column::text("relname"),
            oids("relnamespace"),
            oids("reltype"),
            oids("reloftype"),
            oids("relowner"),
            oids("relam"),
            oids("reltablespace"),
            oids("reltoastrelid"),
            Column::float8("reltuples"),
            Column::int4("relpages"),
            Column::int4("relnatts"),
            Column::int4("relchecks"),
            Column::text("relkind"),
            Column::text("relpersistence"),
            Column::text("relreplident"),
            Column::bool("relhasindex"),
            Column::bool("relhasrules"),
            Column::bool("relhastriggers"),
            Column::bool("relrowsecurity"),
            Column::bool("relforcerowsecurity"),
            Column::bool("relispartition"),
            Column::bool("relisshared"),
        ]
    },
    |_| {
        let rows = tables().map(|(oid, table)| {
            let mut row = vec![
                Value::Int8(oid),
                Value::text(table.name),
                Value::Int8(PUBLIC),
                Value::Int8(0),
                Value::Int8(0),
                Value::Int8(OWNER),
                Value::Int8(0),
                Value::Int8(0),
                Value::Int8(0),
                Value::Float8(-1.0),
                Value::Int4(0),
                Value::int4(table.columns().len()),
                Value::Int4(0),
                Value::text("r"),
                Value::text("p"),
                Value::text("d"),
            ];
            row.extend([const { Value::Bool(false) }; 7]);
            row
        });
        Ok(rows.collect())
    },
);

static PG_NAMESPACE: SqlTable = catalogue(
    "pg_namespace",
    "pg_namespace",
    || vec![oids("oid"), Column::text("nspname"), oids("nspowner"), Column::text("nspacl")],
    |_| {
        let row = |(oid, name)| {
            vec![Value::Int8(oid), Value::text(name), Value::Int8(OWNER), Value::Null]
        };
        let known =
            [(PUBLIC, "public"), (PG_CATALOG, "pg_catalog"), (13_000, "information_schema")];
        Ok(known.map(row).into())
    },
);

static PG_ATTRIBUTE: SqlTable = catalogue(
    "pg_attribute",
    "pg_attribute",
    || {
        vec![
            oids("attrelid"),
            Column::text("attname"),
            oids("atttypid"),
            Column::int4("attlen"),
            Column::int4("attnum"),
            Column::int4("atttypmod"),
            oids("attcollation"),
            Column::text("attidentity"),
            Column::text("attgenerated"),
            Column::text("attstorage"),
            Column::bool("attnotnull"),
            Column::bool("atthasdef"),
            Column::bool("attisdropped"),
        ]
    },
    |_| {
        let columns = |(oid, table): (i64, &'static SqlTable)| {
            (1usize..).zip(table.columns()).map(move |(place, column)| {
                let mut row = vec![
                    Value::Int8(oid),
                    Value::text(column.name),
                    Value::int8(column.kind.oid()),
                    Value::Int4(column.kind.size().into()),
                    Value::int4(place),
                    Value::Int4(-1),
                    Value::Int8(0),
                    Value::text(""),
                    Value::text(""),
                    Value::text("p"),
                ];
                row.extend([const { Value::Bool(false) }; 3]);
                row
            })
        };
        Ok(tables().flat_map(columns).collect())
    },
);

static PG_TYPE: SqlTable = catalogue(
    "pg_type",
    "pg_type",
    || {
        vec![
            oids("oid"),
            Column::text("typname"),
            oids("typnamespace"),
            oids("typowner"),
            Column::int4("typlen"),
            Column::text("typtype"),
            Column::text("typcategory"),
            oids("typrelid"),
            oids("typelem"),
            oids("typarray"),
            oids("typbasetype"),
            oids("typcollation"),
            Column::int4("typtypmod"),
            Column::bool("typnotnull"),
        ]
    },
    |_| {
        let row = |kind: Kind| {
            let (name, category) = match kind {
                Kind::Bool => ("bool", "B"),
                Kind::Int8 => ("int8", "N"),
                Kind::Int4 => ("int4", "N"),
                Kind::Text => ("text", "S"),
                Kind::Float8 => ("float8", "N"),
                Kind::Numeric => ("numeric", "N"),
                Kind::Date => ("date", "D"),
                Kind::Timestamptz => ("timestamptz", "D"),
                Kind::Interval => ("interval", "T"),
            };
            let mut row = vec![
                Value::int8(kind.oid()),
                Value::text(name),
                Value::Int8(PG_CATALOG),
                Value::Int8(OWNER),
                Value::Int4(kind.size().into()),
                Value::text("b"),
                Value::text(category),
            ];
            row.extend([const { Value::Int8(0) }; 5]);
            row.extend([Value::Int4(-1), Value::Bool(false)]);
            row
        };
        Ok(KINDS.map(row).into())
    },
);

static PG_DATABASE: SqlTable = catalogue(
    "pg_database",
    "pg_database",
    || {
        vec![
            oids("oid"),
            Column::text("datname"),
            oids("datdba"),
            Column::int4("encoding"),
            Column::text("datcollate"),
            Column::text("datctype"),
            Column::bool("datistemplate"),
            Column::bool("datallowconn"),
            Column::int4("datconnlimit"),
        ]
    },
    |_| {
        Ok(vec![vec![
            Value::Int8(FIRST_OID - 1),
            Value::text(parameters::DATABASE),
            Value::Int8(OWNER),
            Value::Int4(6),
            Value::text("C"),
            Value::text("C"),
            Value::Bool(false),
            Value::Bool(true),
            Value::Int4(-1),
        ]])
    },
);

static PG_ROLES: SqlTable = catalogue(
    "pg_roles",
    "pg_roles",
    || {
        vec![
            oids("oid"),
            Column::text("rolname"),
            Column::bool("rolsuper"),
            Column::bool("rolinherit"),
            Column::bool("rolcreaterole"),
            Column::bool("rolcreatedb"),
            Column::bool("rolcanlogin"),
            Column::bool("rolreplication"),
            Column::bool("rolbypassrls"),
            Column::int4("rolconnlimit"),
        ]
    },
    |_| {
        let mut row = vec![Value::Int8(OWNER), Value::text("pgweir")];
        row.extend([const { Value::Bool(false) }; 7]);
        row.push(Value::Int4(-1));
        Ok(vec![row])
    },
);

static PG_SETTINGS: SqlTable = catalogue(
    "pg_settings",
    "pg_settings",
    || vec![Column::text("name"), Column::text("setting")],
    |_| {
        let row = |(name, value): (&'static str, &'static str)| {
            vec![Value::text(name.to_ascii_lowercase()), Value::text(value)]
        };
        Ok(parameters::all().map(row).collect())
    },
);

static PG_AM: SqlTable = catalogue(
    "pg_am",
    "pg_am",
    || vec![oids("oid"), Column::text("amname"), Column::text("amtype")],
    |_| Ok(Vec::new()),
);
