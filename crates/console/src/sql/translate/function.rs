//! Functions: which there are, what they give, and what SQLite calls them.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, ObjectNamePart,
    Spanned,
};

use super::super::errors;
use super::aggregate::AGGREGATES;
use super::scope::Scope;
use super::{Piece, Source, Translator};
use crate::refusal::Refusal;
use crate::table::Kind;

/// What a function gives.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    /// This.
    Kind(Kind),
    /// What its first argument is.
    First,
    /// int8 of whole numbers, float8 of others, as `sum` does here.
    Sum,
    /// float8 of numbers, an interval of intervals.
    Average,
}

use Gives::{Average, First, Sum};

pub(super) const TEXT: Gives = Gives::Kind(Kind::Text);
pub(super) const INT4: Gives = Gives::Kind(Kind::Int4);
pub(super) const INT8: Gives = Gives::Kind(Kind::Int8);
pub(super) const FLOAT8: Gives = Gives::Kind(Kind::Float8);
pub(super) const BOOL: Gives = Gives::Kind(Kind::Bool);

/// Functions of values; the arguments' types by letter: t text, n number, w timestamptz, * any.
const SCALARS: &[(&str, &str, &str, usize, Gives)] = &[
    ("lower", "pg_lower", "t", 1, TEXT),
    ("upper", "pg_upper", "t", 1, TEXT),
    ("length", "length", "t", 1, INT4),
    ("char_length", "length", "t", 1, INT4),
    ("character_length", "length", "t", 1, INT4),
    ("octet_length", "octet_length", "t", 1, INT4),
    ("btrim", "trim", "tt", 1, TEXT),
    ("trim", "trim", "tt", 1, TEXT),
    ("ltrim", "ltrim", "tt", 1, TEXT),
    ("rtrim", "rtrim", "tt", 1, TEXT),
    ("substr", "substr", "tnn", 2, TEXT),
    ("substring", "substr", "tnn", 2, TEXT),
    ("replace", "replace", "ttt", 3, TEXT),
    ("strpos", "instr", "tt", 2, INT4),
    ("left", "pg_left", "tn", 2, TEXT),
    ("right", "pg_right", "tn", 2, TEXT),
    ("split_part", "pg_split_part", "ttn", 3, TEXT),
    ("starts_with", "pg_starts_with", "tt", 2, BOOL),
    ("quote_ident", "pg_quote_ident", "t", 1, TEXT),
    ("quote_literal", "quote", "t", 1, TEXT),
    ("abs", "abs", "n", 1, First),
    ("round", "pg_round", "nn", 1, FLOAT8),
    ("trunc", "pg_trunc", "n", 1, FLOAT8),
    ("floor", "pg_floor", "n", 1, FLOAT8),
    ("ceil", "pg_ceil", "n", 1, FLOAT8),
    ("ceiling", "pg_ceil", "n", 1, FLOAT8),
    ("sqrt", "pg_sqrt", "n", 1, FLOAT8),
    ("power", "pg_power", "nn", 2, FLOAT8),
    ("ln", "pg_ln", "n", 1, FLOAT8),
    ("log", "pg_log10", "n", 1, FLOAT8),
    ("exp", "pg_exp", "n", 1, FLOAT8),
    ("mod", "pg_mod", "nn", 2, FLOAT8),
    ("date_trunc", "date_trunc", "tw", 2, Gives::Kind(Kind::Timestamptz)),
    ("date_bin", "pg_date_bin", "iww", 2, Gives::Kind(Kind::Timestamptz)),
    ("to_char", "pg_to_char", "wt", 2, TEXT),
    ("pg_size_pretty", "pg_size_pretty", "n", 1, TEXT),
    ("format_type", "pg_format_type", "**", 1, TEXT),
];

/// What drivers and tools ask of the catalogue besides the functions that begin with `pg_`.
const CATALOGUE: &[&str] =
    &["array_length", "array_to_string", "parse_ident", "to_regclass", "to_regtype"];

impl Translator<'_> {
    pub(super) fn function(
        &mut self,
        function: &Function,
        scope: &Scope<'_>,
    ) -> Result<Piece, Refusal> {
        let (name, of_catalogue) = name_of(&function.name);
        let place = function.span();
        let arguments = match &function.args {
            FunctionArguments::None => &[][..],
            FunctionArguments::List(list) => &list.args,
            // ARRAY(SELECT …), of which the catalogue's queries make lists of rights and options.
            FunctionArguments::Subquery(_) if name == "array" => return Ok(Piece::null()),
            FunctionArguments::Subquery(_) => {
                return Err(self.unsupported("a query in the place of arguments", place));
            }
        };
        if let Some(piece) = self.session_function(&name, arguments, scope)? {
            return Ok(piece);
        }
        let result = if name.starts_with("percentile_") {
            self.percentile(&name, function, arguments, scope)
        } else if let Some(aggregate) = AGGREGATES.iter().find(|known| known.0 == name) {
            self.aggregate(aggregate, function, arguments, scope)
        } else if function.over.is_some() || function.filter.is_some() {
            Err(errors::undefined_function(&name))
        } else {
            self.scalar_function(&name, of_catalogue, arguments, scope)
        };
        result.map_err(|refusal| match refusal.position {
            None => self.at(refusal, place),
            Some(_) => refusal,
        })
    }

    fn scalar_function(
        &mut self,
        name: &str,
        of_catalogue: bool,
        arguments: &[FunctionArg],
        scope: &Scope<'_>,
    ) -> Result<Piece, Refusal> {
        let of_catalogue = of_catalogue || CATALOGUE.contains(&name);
        if of_catalogue && !SCALARS.iter().any(|known| known.0 == name) && !is_own(name) {
            // What clients ask PostgreSQL's catalogue, and the console has no answer to.
            return Ok(Piece::null());
        }
        let mut pieces = self.pieces(name, arguments, scope)?;
        match name {
            "coalesce" | "greatest" | "least" => {
                let (pieces, kind) = self.unify(pieces)?;
                let function = match name {
                    "coalesce" if pieces.len() == 1 => "",
                    "coalesce" => "coalesce",
                    "greatest" => "pg_greatest",
                    _ => "pg_least",
                };
                if pieces.is_empty() {
                    return Err(errors::undefined_function(name));
                }
                return Ok(super::expression::open(call(function, &pieces), kind));
            }
            "nullif" if pieces.len() == 2 => {
                let (right, left) = (pieces.pop(), pieces.pop());
                let (Some(left), Some(right)) = (left, right) else {
                    return Err(errors::undefined_function(name));
                };
                let (left, right) = self.alike(left, right)?;
                let kind = left.kind;
                return Ok(super::expression::open(call("nullif", &[left, right]), kind));
            }
            "concat" | "concat_ws" if !pieces.is_empty() => {
                let pieces = pieces
                    .into_iter()
                    .map(|piece| self.text(piece))
                    .collect::<Result<Vec<_>, _>>()?;
                return Ok(Piece::new(call(name, &pieces), Kind::Text));
            }
            "age" if matches!(pieces.len(), 1 | 2) => {
                let pieces = pieces
                    .into_iter()
                    .map(|piece| self.coerce(piece, Kind::Timestamptz))
                    .collect::<Result<Vec<_>, _>>()?;
                let (from, to) = match pieces.as_slice() {
                    [to, from] => (from.sql.clone(), to.sql.clone()),
                    _ => (pieces[0].sql.clone(), "date_trunc('day', pg_now())".to_owned()),
                };
                return Ok(Piece::new(format!("({to} - {from})"), Kind::Interval));
            }
            "to_timestamp" if pieces.len() == 1 => {
                let piece = pieces.remove(0);
                let piece = self.coerce(piece, Kind::Float8)?;
                let micros = format!("CAST({} * 1e6 AS INTEGER)", piece.sql);
                return Ok(Piece::new(micros, Kind::Timestamptz));
            }
            "date_part" if pieces.len() == 2 => {
                let piece = pieces.remove(1);
                let Source::Literal(field) = &pieces[0].source else {
                    return Err(Refusal::error(
                        "0A000",
                        "the field of date_part must be a constant",
                    ));
                };
                return self.extract(&field.to_ascii_lowercase(), piece);
            }
            "date" if pieces.len() == 1 => {
                let piece = pieces.remove(0);
                return self.convert(piece, Kind::Date);
            }
            _ => {}
        }
        let known = SCALARS.iter().find(|known| known.0 == name);
        let Some((_, own, kinds, least, gives)) = known else {
            return Err(errors::undefined_function(name));
        };
        if pieces.len() < *least || pieces.len() > kinds.len() {
            return Err(errors::undefined_function(name));
        }
        let mut arguments = Vec::new();
        for (piece, kind) in pieces.into_iter().zip(kinds.chars()) {
            arguments.push(match kind {
                't' => self.text(piece)?,
                'n' => self.coerce(piece, Kind::Float8)?,
                'w' => match piece.kind {
                    Some(Kind::Text) | None => self.convert(piece, Kind::Timestamptz)?,
                    Some(Kind::Timestamptz | Kind::Date) => piece,
                    Some(kind) => {
                        let message = format!("function {name} does not take {}", kind.name());
                        return Err(Refusal::error("42883", message));
                    }
                },
                'i' => self.coerce(piece, Kind::Interval)?,
                _ => piece,
            });
        }
        // An integer without its places stays one.
        if name == "round" && matches!(arguments[0].kind, Some(Kind::Int4 | Kind::Int8)) {
            arguments[0].sql = format!("CAST({} AS REAL)", arguments[0].sql);
        }
        let kind = self.given(*gives, &arguments)?;
        Ok(super::expression::open(call(own, &arguments), kind))
    }

    pub(super) fn pieces(
        &mut self,
        name: &str,
        arguments: &[FunctionArg],
        scope: &Scope<'_>,
    ) -> Result<Vec<Piece>, Refusal> {
        let pieces = arguments.iter().map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expression(expr, scope),
            _ => Err(errors::undefined_function(name)),
        });
        pieces.collect()
    }

    pub(super) fn given(
        &mut self,
        gives: Gives,
        arguments: &[Piece],
    ) -> Result<Option<Kind>, Refusal> {
        let first = arguments.first().and_then(|piece| piece.kind);
        Ok(match gives {
            Gives::Kind(kind) => Some(kind),
            First => first,
            Sum | Average => match (gives, first) {
                (_, Some(Kind::Interval)) => Some(Kind::Interval),
                (Sum, Some(Kind::Int4 | Kind::Int8)) => Some(Kind::Int8),
                (_, Some(Kind::Float8 | Kind::Int4 | Kind::Int8 | Kind::Numeric) | None) => {
                    Some(Kind::Float8)
                }
                (_, Some(kind)) => {
                    let message = format!("there is no sum or average of type {}", kind.name());
                    return Err(Refusal::error("42883", message));
                }
            },
        })
    }
}

fn call(function: &str, arguments: &[Piece]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|piece| piece.sql.as_str()).collect();
    format!("{function}({})", arguments.join(", "))
}

/// Functions that are more than a line of [`SCALARS`].
fn is_own(name: &str) -> bool {
    ["coalesce", "greatest", "least", "nullif", "concat", "concat_ws", "age", "to_timestamp"]
        .contains(&name)
        || ["date_part", "date"].contains(&name)
}

/// The function's name, and whether `pg_catalog.` stands before it, or it begins with `pg_`.
pub(super) fn name_of(name: &ObjectName) -> (String, bool) {
    let parts: Vec<_> =
        name.0.iter().filter_map(ObjectNamePart::as_ident).map(super::expression::folded).collect();
    let last = parts.last().cloned().unwrap_or_default();
    let own = parts.first().is_some_and(|first| first == "pg_catalog" && parts.len() > 1);
    let of_catalogue = own || last.starts_with("pg_") || last.ends_with("_description");
    (last, of_catalogue)
}

/// The name that PostgreSQL gives the column of an expression.
pub(super) fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => super::expression::folded(ident),
        Expr::CompoundIdentifier(parts) => {
            parts.last().map(super::expression::folded).unwrap_or_default()
        }
        Expr::Function(function) => name_of(&function.name).0,
        Expr::Nested(expr) | Expr::Collate { expr, .. } => column_name(expr),
        Expr::Cast { expr, data_type, .. } => match column_name(expr) {
            name if name == "?column?" => data_type.to_string().to_ascii_lowercase(),
            name => name,
        },
        Expr::Case { else_result, .. } => match else_result.as_deref().map(column_name) {
            Some(name) if name != "?column?" => name,
            _ => "case".to_owned(),
        },
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Interval(_) => "interval".to_owned(),
        Expr::AtTimeZone { .. } => "timezone".to_owned(),
        _ => "?column?".to_owned(),
    }
}
