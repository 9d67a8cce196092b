//! `CAST(x AS type)` and `x::type`.

use sqlparser::ast::DataType;
use sqlparser::tokenizer::Span;

use super::super::{errors, tables};
use super::literal::constant;
use super::{Piece, Source, Translator};
use crate::refusal::Refusal;
use crate::table::Kind;

/// What a type's name stands for.
enum Target {
    /// A type of the console's own.
    Kind(Kind),
    /// A name that stands for an object of the catalogue.
    Object,
}

impl Translator<'_> {
    pub(super) fn cast(
        &mut self,
        piece: Piece,
        to: &DataType,
        place: Span,
    ) -> Result<Piece, Refusal> {
        match target(to) {
            Some(Target::Kind(kind)) => {
                self.convert(piece, kind).map_err(|refusal| self.at(refusal, place))
            }
            Some(Target::Object) => match &piece.source {
                Source::Literal(name) if piece.kind.is_none() => {
                    let name = name.rsplit('.').next().unwrap_or_default().trim_matches('"');
                    let own = tables::oid(name);
                    // The catalogue's own tables have none here.
                    let catalogue = tables::is_catalogue(None, name).then_some(0);
                    let oid = own.or(catalogue).ok_or_else(|| errors::undefined_table(name))?;
                    Ok(Piece::new(oid.to_string(), Kind::Int8))
                }
                _ => Ok(Piece::new(format!("pg_object_name({})", piece.sql), Kind::Text)),
            },
            None => Err(self.unsupported(&format!("the type {to}"), place)),
        }
    }

    /// An expression as one of another type.
    pub(super) fn convert(&mut self, piece: Piece, to: Kind) -> Result<Piece, Refusal> {
        let piece = match (&piece.source, piece.kind) {
            (Source::Literal(text), None) => return constant(to, text),
            (Source::Parameter(_), None) => return self.coerce(piece, to),
            _ => piece,
        };
        let Some(from) = piece.kind else { return Ok(Piece { kind: Some(to), ..piece }) };
        let sql = piece.sql;
        let sql = match (from, to) {
            (from, to) if from == to => return Ok(Piece { sql, ..piece }),
            (_, Kind::Text) => as_text(&sql, from),
            (Kind::Text, Kind::Interval) => format!("pg_interval({sql})"),
            (Kind::Text, Kind::Timestamptz) => format!("pg_timestamp({sql})"),
            (Kind::Text, Kind::Date) => format!("date_trunc('day', pg_timestamp({sql}))"),
            (Kind::Text, Kind::Bool) => format!("pg_bool({sql})"),
            (Kind::Text, Kind::Int4 | Kind::Int8) => format!("pg_int({sql})"),
            (Kind::Text, Kind::Float8 | Kind::Numeric) => format!("pg_float({sql})"),
            (Kind::Timestamptz, Kind::Date) => format!("date_trunc('day', {sql})"),
            (Kind::Date, Kind::Timestamptz) | (Kind::Int4, Kind::Int8) => sql,
            (Kind::Int8 | Kind::Bool, Kind::Int4) | (Kind::Bool, Kind::Int8) => sql,
            (Kind::Float8 | Kind::Numeric, Kind::Int4 | Kind::Int8) => {
                format!("CAST(pg_round({sql}) AS INTEGER)")
            }
            (
                Kind::Int4 | Kind::Int8 | Kind::Numeric | Kind::Float8,
                Kind::Float8 | Kind::Numeric,
            ) => {
                format!("CAST({sql} AS REAL)")
            }
            (Kind::Int4 | Kind::Int8, Kind::Bool) => format!("({sql} <> 0)"),
            (from, to) => {
                let message = format!("cannot cast type {} to {}", from.name(), to.name());
                return Err(Refusal::error("42846", message));
            }
        };
        // Numeric is computed as float8.
        let to = if to == Kind::Numeric { Kind::Float8 } else { to };
        Ok(Piece::new(sql, to))
    }

    /// An expression as text, as `||` and its like take it.
    pub(super) fn text(&mut self, piece: Piece) -> Result<Piece, Refusal> {
        self.convert(piece, Kind::Text)
    }
}

fn as_text(sql: &str, from: Kind) -> String {
    match from {
        Kind::Text => sql.to_owned(),
        Kind::Int4 | Kind::Int8 => format!("CAST({sql} AS TEXT)"),
        Kind::Float8 | Kind::Numeric => format!("pg_float_text({sql})"),
        Kind::Bool => format!("CASE {sql} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END"),
        Kind::Date => format!("pg_date_text({sql})"),
        Kind::Timestamptz => format!("pg_timestamp_text({sql})"),
        Kind::Interval => format!("pg_interval_text({sql})"),
    }
}

fn target(to: &DataType) -> Option<Target> {
    let name = to.to_string().to_ascii_lowercase();
    let name = name.split('(').next().unwrap_or_default().trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name).trim_matches('"');
    Some(Target::Kind(match name {
        "text" | "varchar" | "character varying" | "char" | "character" | "bpchar" | "name"
        | "uuid" | "json" | "jsonb" | "regtype" | "regproc" | "xml" => Kind::Text,
        "int2" | "smallint" | "int" | "int4" | "integer" => Kind::Int4,
        "int8" | "bigint" | "oid" | "xid" => Kind::Int8,
        "float" | "float4" | "float8" | "real" | "double precision" | "double" => Kind::Float8,
        "numeric" | "decimal" => Kind::Numeric,
        "bool" | "boolean" => Kind::Bool,
        "date" => Kind::Date,
        "interval" => Kind::Interval,
        "regclass" => return Some(Target::Object),
        _ if name.starts_with("timestamp") => Kind::Timestamptz,
        _ => return None,
    }))
}
