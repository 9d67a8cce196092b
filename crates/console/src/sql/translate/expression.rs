//! Expressions.

use sqlparser::ast::{CaseWhen, DateTimeField, Expr, Ident, Query, Spanned, TrimWhereField, Value};

use super::scope::Scope;
use super::{Piece, Translator};
use crate::refusal::Refusal;
use crate::table::Kind;

impl Translator<'_> {
    pub(super) fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Piece, Refusal> {
        self.nested(|this| this.expression_inside(expr, scope))
    }

    /// An expression that is true or not.
    pub(super) fn condition(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<String, Refusal> {
        let piece = self.expression(expr, scope)?;
        let piece = self.coerce(piece, Kind::Bool)?;
        if piece.kind.is_some_and(|kind| kind != Kind::Bool) {
            let kind = piece.kind.map_or("unknown", Kind::name);
            let message = format!("argument of WHERE must be type boolean, not type {kind}");
            return Err(self.at(Refusal::error("42804", message), expr.span()));
        }
        Ok(piece.sql)
    }

    fn expression_inside(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Piece, Refusal> {
        let place = expr.span();
        let inner = |this: &mut Self, expr: &Expr| this.expression(expr, scope);
        match expr {
            Expr::Identifier(name) => self.column(name, scope),
            Expr::CompoundIdentifier(parts) => self.qualified_column(parts, scope),
            Expr::Value(value) => self.value(value),
            Expr::Nested(expr) => inner(self, expr),
            Expr::TypedString(typed) => {
                let text = super::literal::text_of(&typed.value.value).unwrap_or_default();
                self.cast(super::literal::literal(text), &typed.data_type, typed.value.span)
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::Cast { expr, data_type, .. } => {
                let piece = inner(self, expr)?;
                self.cast(piece, data_type, place)
            }
            Expr::BinaryOp { left, op, right } => {
                let (left, right) = (inner(self, left)?, inner(self, right)?);
                self.binary(left, op, right, place).map_err(|refusal| match refusal.position {
                    None => self.at(refusal, place),
                    Some(_) => refusal,
                })
            }
            Expr::UnaryOp { op, expr } => {
                let piece = inner(self, expr)?;
                self.unary(*op, piece, place)
            }
            Expr::IsNull(expr) => postfix(&inner(self, expr)?, "IS NULL"),
            Expr::IsNotNull(expr) => postfix(&inner(self, expr)?, "IS NOT NULL"),
            Expr::IsTrue(expr) => postfix(&inner(self, expr)?, "IS TRUE"),
            Expr::IsNotTrue(expr) => postfix(&inner(self, expr)?, "IS NOT TRUE"),
            Expr::IsFalse(expr) => postfix(&inner(self, expr)?, "IS FALSE"),
            Expr::IsNotFalse(expr) => postfix(&inner(self, expr)?, "IS NOT FALSE"),
            Expr::IsUnknown(expr) => postfix(&inner(self, expr)?, "IS NULL"),
            Expr::IsNotUnknown(expr) => postfix(&inner(self, expr)?, "IS NOT NULL"),
            Expr::IsDistinctFrom(left, right) => {
                let (left, right) = (inner(self, left)?, inner(self, right)?);
                self.compare(left, "IS NOT", right)
            }
            Expr::IsNotDistinctFrom(left, right) => {
                let (left, right) = (inner(self, left)?, inner(self, right)?);
                self.compare(left, "IS", right)
            }
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated, scope),
            Expr::InSubquery { expr, subquery, negated } => {
                let left = inner(self, expr)?;
                let right = self.query(subquery, Some(scope))?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Piece::new(format!("({} {not}IN ({}))", left.sql, right.sql), Kind::Bool))
            }
            Expr::AnyOp { left, right, .. } => self.any(left, right, scope),
            Expr::Between { expr, negated, low, high } => {
                let (value, low, high) =
                    (inner(self, expr)?, inner(self, low)?, inner(self, high)?);
                let from = self.compare(value.clone(), ">=", low)?;
                let to = self.compare(value, "<=", high)?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Piece::new(format!("({not}({} AND {}))", from.sql, to.sql), Kind::Bool))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let (left, pattern) = (inner(self, expr)?, inner(self, pattern)?);
                let escape =
                    escape_char.as_deref().map(|escape| inner(self, escape)).transpose()?;
                self.like(left, pattern, escape, false, *negated)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                let (left, pattern) = (inner(self, expr)?, inner(self, pattern)?);
                let escape =
                    escape_char.as_deref().map(|escape| inner(self, escape)).transpose()?;
                self.like(left, pattern, escape, true, *negated)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope)
            }
            Expr::Exists { subquery, negated } => {
                let query = self.query(subquery, Some(scope))?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Piece::new(format!("({not}EXISTS ({}))", query.sql), Kind::Bool))
            }
            Expr::Subquery(query) => self.scalar(query, scope),
            Expr::Collate { expr, .. } => inner(self, expr),
            Expr::Extract { field, expr, .. } => {
                let piece = inner(self, expr)?;
                self.extract(&field_name(field), piece)
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let zone = match &**time_zone {
                    Expr::Value(value) => super::literal::text_of(&value.value).unwrap_or_default(),
                    _ => "",
                };
                if !["utc", "gmt", "etc/utc"].contains(&zone.to_ascii_lowercase().as_str()) {
                    return Err(self.unsupported("any time zone but UTC", place));
                }
                inner(self, timestamp)
            }
            Expr::Ceil { expr, .. } => {
                let piece = inner(self, expr)?;
                Ok(Piece::new(format!("pg_ceil({})", piece.sql), Kind::Float8))
            }
            Expr::Floor { expr, .. } => {
                let piece = inner(self, expr)?;
                Ok(Piece::new(format!("pg_floor({})", piece.sql), Kind::Float8))
            }
            Expr::Position { expr, r#in } => {
                let (needle, hay) = (inner(self, expr)?, inner(self, r#in)?);
                let (needle, hay) = (self.text(needle)?, self.text(hay)?);
                Ok(Piece::new(format!("instr({}, {})", hay.sql, needle.sql), Kind::Int4))
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let text = inner(self, expr)?;
                let text = self.text(text)?.sql;
                let from = match substring_from {
                    Some(from) => inner(self, from)?.sql,
                    None => "1".to_owned(),
                };
                let length = match substring_for {
                    Some(length) => format!(", {}", inner(self, length)?.sql),
                    None => String::new(),
                };
                Ok(Piece::new(format!("substr({text}, {from}{length})"), Kind::Text))
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let text = inner(self, expr)?;
                let text = self.text(text)?.sql;
                let function = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "trim",
                };
                let what = match trim_what {
                    Some(what) => format!(", {}", inner(self, what)?.sql),
                    None => String::new(),
                };
                Ok(Piece::new(format!("{function}({text}{what})"), Kind::Text))
            }
            Expr::Function(function) => self.function(function, scope),
            // A part of what the catalogue has no answer to.
            Expr::CompoundFieldAccess { root, .. } => match inner(self, root)? {
                piece if piece.sql == "NULL" => Ok(piece),
                _ => Err(self.unsupported("parts of values", place)),
            },
            _ => Err(self.unsupported("this expression", place)),
        }
    }

    fn in_list(
        &mut self,
        expr: &Expr,
        list: &[Expr],
        negated: bool,
        scope: &Scope<'_>,
    ) -> Result<Piece, Refusal> {
        let mut left = self.expression(expr, scope)?;
        let mut items = Vec::new();
        for item in list {
            let item = self.expression(item, scope)?;
            let (alike, item) = self.alike(left, item)?;
            left = alike;
            items.push(item.sql);
        }
        let not = if negated { "NOT " } else { "" };
        Ok(Piece::new(format!("({} {not}IN ({}))", left.sql, items.join(", ")), Kind::Bool))
    }

    /// `x = ANY (ARRAY[…])` and `x = ANY ('{…}')`.
    fn any(&mut self, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Result<Piece, Refusal> {
        match right {
            Expr::Nested(inner) => self.any(left, inner, scope),
            Expr::Cast { expr, .. } => self.any(left, expr, scope),
            Expr::Array(array) => self.in_list(left, &array.elem, false, scope),
            Expr::Subquery(query) => {
                let left = self.expression(left, scope)?;
                let query = self.query(query, Some(scope))?;
                Ok(Piece::new(format!("({} IN ({}))", left.sql, query.sql), Kind::Bool))
            }
            Expr::Value(value) => {
                let text = super::literal::text_of(&value.value)
                    .and_then(|text| text.trim().strip_prefix('{')?.strip_suffix('}'));
                let Some(text) = text else {
                    return Err(self.unsupported("this array", value.span));
                };
                let items = text.split(',').map(|item| {
                    let item = item.trim().trim_matches('"').to_owned();
                    Expr::Value(Value::SingleQuotedString(item).into())
                });
                self.in_list(left, &items.collect::<Vec<_>>(), false, scope)
            }
            _ => Err(self.unsupported("ANY of this", right.span())),
        }
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Result<Piece, Refusal> {
        let operand = operand.map(|operand| self.expression(operand, scope)).transpose()?;
        let (mut tests, mut results) = (Vec::new(), Vec::new());
        for when in conditions {
            tests.push(match &operand {
                Some(operand) => {
                    let test = self.expression(&when.condition, scope)?;
                    self.compare(operand.clone(), "=", test)?.sql
                }
                None => self.condition(&when.condition, scope)?,
            });
            results.push(self.expression(&when.result, scope)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.expression(otherwise, scope)?,
            None => Piece::null(),
        });
        let (results, kind) = self.unify(results)?;
        let mut sql = "CASE".to_owned();
        for (test, result) in tests.iter().zip(&results) {
            sql.push_str(&format!(" WHEN {test} THEN {}", result.sql));
        }
        let last = results.last().map_or("NULL", |result| &result.sql);
        Ok(open(format!("({sql} ELSE {last} END)"), kind))
    }

    /// One type for several expressions of which any may be the result.
    pub(super) fn unify(
        &mut self,
        pieces: Vec<Piece>,
    ) -> Result<(Vec<Piece>, Option<Kind>), Refusal> {
        let kind = common(pieces.iter().filter_map(|piece| piece.kind))
            .map_err(|[a, b]| mismatch(a, b))?;
        // Open ones, but a constant among them.
        let is_literal = |piece: &Piece| matches!(piece.source, super::Source::Literal(_));
        let kind = kind.or_else(|| pieces.iter().any(is_literal).then_some(Kind::Text));
        let Some(kind) = kind else { return Ok((pieces, None)) };
        let pieces = pieces.into_iter().map(|piece| match piece.kind {
            None => self.coerce(piece, kind),
            Some(_) => self.convert(piece, kind),
        });
        Ok((pieces.collect::<Result<_, _>>()?, Some(kind)))
    }

    fn scalar(&mut self, query: &Query, scope: &Scope<'_>) -> Result<Piece, Refusal> {
        let translated = self.query(query, Some(scope))?;
        match translated.columns.as_slice() {
            [(_, kind)] => Ok(open(format!("({})", translated.sql), *kind)),
            _ => Err(self
                .at(Refusal::error("42601", "subquery must return only one column"), query.span())),
        }
    }

    pub(super) fn extract(&mut self, field: &str, piece: Piece) -> Result<Piece, Refusal> {
        let piece = self.coerce(piece, Kind::Timestamptz)?;
        let function =
            if piece.kind == Some(Kind::Interval) { "pg_interval_part" } else { "pg_part" };
        let field = super::text_literal(field);
        Ok(Piece::new(format!("{function}({field}, {})", piece.sql), Kind::Float8))
    }
}

/// The type that values of all these can have.
pub(super) fn common(kinds: impl Iterator<Item = Kind>) -> Result<Option<Kind>, [Kind; 2]> {
    use Kind::{Date, Float8, Int4, Int8, Numeric, Timestamptz};

    let mut all: Option<Kind> = None;
    for kind in kinds {
        all = Some(match (all, kind) {
            (None, kind) => kind,
            (Some(all), kind) if all == kind => all,
            (Some(Int4 | Int8), Int4 | Int8) => Int8,
            (Some(Int4 | Int8 | Float8 | Numeric), Int4 | Int8 | Float8 | Numeric) => Float8,
            (Some(Date | Timestamptz), Date | Timestamptz) => Timestamptz,
            (Some(all), kind) => return Err([all, kind]),
        });
    }
    Ok(all)
}

pub(super) fn mismatch(a: Kind, b: Kind) -> Refusal {
    Refusal::error("42804", format!("types {} and {} cannot be matched", a.name(), b.name()))
}

/// A name as PostgreSQL folds it.
pub(super) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn field_name(field: &DateTimeField) -> String {
    field.to_string().to_ascii_lowercase().trim_matches(['\'', '"']).to_owned()
}

pub(super) fn open(sql: String, kind: Option<Kind>) -> Piece {
    Piece { sql, kind, source: super::Source::Other }
}

fn postfix(piece: &Piece, test: &str) -> Result<Piece, Refusal> {
    Ok(Piece::new(format!("({} {test})", piece.sql), Kind::Bool))
}
