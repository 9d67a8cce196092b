//! Operators: arithmetic with times, comparisons, patterns.

use sqlparser::ast::{BinaryOperator as Op, UnaryOperator};
use sqlparser::tokenizer::Span;

use super::{Piece, Source, Translator};
use crate::refusal::Refusal;
use crate::table::Kind;

impl Translator<'_> {
    pub(super) fn binary(
        &mut self,
        left: Piece,
        op: &Op,
        right: Piece,
        place: Span,
    ) -> Result<Piece, Refusal> {
        let custom = match op {
            Op::PGCustomBinaryOperator(parts) => parts.last().map(String::as_str),
            _ => None,
        };
        match op {
            Op::And | Op::Or => {
                let (left, right) =
                    (self.coerce(left, Kind::Bool)?, self.coerce(right, Kind::Bool)?);
                Ok(infix(&left, &op.to_string(), &right, Kind::Bool))
            }
            Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq => {
                self.compare(left, &op.to_string(), right)
            }
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => {
                self.arithmetic(left, op, right, place)
            }
            Op::StringConcat => {
                let (left, right) = (self.text(left)?, self.text(right)?);
                Ok(infix(&left, "||", &right, Kind::Text))
            }
            Op::PGExp => {
                let sql = format!("pg_power({}, {})", left.sql, right.sql);
                Ok(Piece::new(sql, Kind::Float8))
            }
            Op::BitwiseAnd | Op::BitwiseOr | Op::PGBitwiseShiftLeft | Op::PGBitwiseShiftRight => {
                Ok(infix(&left, &op.to_string(), &right, Kind::Int8))
            }
            Op::PGRegexMatch => self.regex(left, right, "pg_matches", false),
            Op::PGRegexIMatch => self.regex(left, right, "pg_imatches", false),
            Op::PGRegexNotMatch => self.regex(left, right, "pg_matches", true),
            Op::PGRegexNotIMatch => self.regex(left, right, "pg_imatches", true),
            Op::PGLikeMatch => self.like(left, right, None, false, false),
            Op::PGILikeMatch => self.like(left, right, None, true, false),
            Op::PGNotLikeMatch => self.like(left, right, None, false, true),
            Op::PGNotILikeMatch => self.like(left, right, None, true, true),
            _ => match custom {
                Some("~") => self.regex(left, right, "pg_matches", false),
                Some("~*") => self.regex(left, right, "pg_imatches", false),
                Some("!~") => self.regex(left, right, "pg_matches", true),
                Some("~~") => self.like(left, right, None, false, false),
                Some(comparison @ ("=" | "<>" | "<" | "<=" | ">" | ">=")) => {
                    self.compare(left, comparison, right)
                }
                _ => Err(self.unsupported(&format!("the operator {op}"), place)),
            },
        }
    }

    /// Both sides get one type, where one of them is open.
    pub(super) fn alike(&mut self, left: Piece, right: Piece) -> Result<(Piece, Piece), Refusal> {
        Ok(match (left.kind, right.kind) {
            (Some(kind), None) => {
                let right = self.coerce(right, kind)?;
                (left, right)
            }
            (None, Some(kind)) => {
                let left = self.coerce(left, kind)?;
                (left, right)
            }
            (None, None) => (self.coerce(left, Kind::Text)?, self.coerce(right, Kind::Text)?),
            _ => (left, right),
        })
    }

    pub(super) fn compare(
        &mut self,
        left: Piece,
        op: &str,
        right: Piece,
    ) -> Result<Piece, Refusal> {
        let (left, right) = self.alike(left, right)?;
        let is_text = |piece: &Piece| piece.kind == Some(Kind::Text);
        if is_text(&left) != is_text(&right) && left.kind.is_some() && right.kind.is_some() {
            let kinds = [left.kind, right.kind].map(|kind| kind.map_or("unknown", Kind::name));
            let message = format!("operator does not exist: {} {op} {}", kinds[0], kinds[1]);
            return Err(Refusal::error("42883", message)
                .with_hint("You might need to add explicit type casts."));
        }
        Ok(infix(&left, op, &right, Kind::Bool))
    }

    fn arithmetic(
        &mut self,
        left: Piece,
        op: &Op,
        right: Piece,
        place: Span,
    ) -> Result<Piece, Refusal> {
        use Kind::{Date, Float8, Int4, Int8, Interval, Numeric, Timestamptz};

        let (left, right) = self.operands(left, op, right)?;
        let sign = op.to_string();
        let number =
            |kind: Option<Kind>| matches!(kind, None | Some(Int4 | Int8 | Float8 | Numeric));
        match (left.kind, op, right.kind) {
            (Some(Timestamptz | Date), Op::Plus | Op::Minus, Some(Interval)) => {
                Ok(shifted(&left, op, &right))
            }
            (Some(Interval), Op::Plus, Some(Timestamptz | Date)) => Ok(shifted(&right, op, &left)),
            (Some(Timestamptz | Date), Op::Minus, Some(Timestamptz | Date))
            | (Some(Interval), Op::Plus | Op::Minus, Some(Interval)) => {
                Ok(infix(&left, &sign, &right, Interval))
            }
            (Some(Date), Op::Plus | Op::Minus, Some(Int4 | Int8)) => {
                let days =
                    format!("({} {sign} {} * {})", left.sql, right.sql, super::super::time::DAY);
                Ok(Piece::new(days, Date))
            }
            (Some(Interval), Op::Multiply | Op::Divide, kind) if number(kind) => {
                let product =
                    format!("CAST({} {sign} CAST({} AS REAL) AS INTEGER)", left.sql, right.sql);
                Ok(Piece::new(product, Interval))
            }
            (kind, Op::Multiply, Some(Interval)) if number(kind) => {
                let product = format!("CAST({} * {} AS INTEGER)", left.sql, right.sql);
                Ok(Piece::new(product, Interval))
            }
            (Some(Interval), Op::Divide, Some(Interval)) => {
                // Not PostgreSQL's, but how often one fits into the other has one meaning only.
                let ratio = format!("(CAST({} AS REAL) / {})", left.sql, right.sql);
                Ok(Piece::new(ratio, Float8))
            }
            (a, _, b) if number(a) && number(b) => {
                let kind = if [a, b].contains(&Some(Float8)) || [a, b].contains(&Some(Numeric)) {
                    Float8
                } else if [a, b].contains(&Some(Int8)) {
                    Int8
                } else {
                    Int4
                };
                if *op == Op::Modulo && kind == Float8 {
                    let sql = format!("pg_mod({}, {})", left.sql, right.sql);
                    return Ok(Piece::new(sql, Float8));
                }
                Ok(infix(&left, &sign, &right, kind))
            }
            (a, _, b) => {
                let [a, b] = [a, b].map(|kind| kind.map_or("unknown", Kind::name));
                let message = format!("operator does not exist: {a} {sign} {b}");
                Err(self.at(Refusal::error("42883", message), place))
            }
        }
    }

    /// Types for what is open beside `+` and its like: beside a time a difference is a time, and
    /// what is added is an interval.
    fn operands(&mut self, left: Piece, op: &Op, right: Piece) -> Result<(Piece, Piece), Refusal> {
        let is_time = |kind| matches!(kind, Some(Kind::Timestamptz | Kind::Date));
        let beside_time = if *op == Op::Minus { Kind::Timestamptz } else { Kind::Interval };
        Ok(match (left.kind, right.kind) {
            (time, None) if is_time(time) => {
                // '15 minutes' or a time: the literal itself says which.
                let interval = matches!(&right.source, Source::Literal(text)
                    if super::super::time::parse_timestamp(text).is_none());
                let kind = if interval { Kind::Interval } else { beside_time };
                (left, self.coerce(right, kind)?)
            }
            (None, time) if is_time(time) => (self.coerce(left, beside_time)?, right),
            (Some(kind), None) => (left, self.coerce(right, kind)?),
            (None, Some(kind)) => (self.coerce(left, kind)?, right),
            (None, None) => (self.coerce(left, Kind::Int4)?, self.coerce(right, Kind::Int4)?),
            _ => (left, right),
        })
    }

    fn regex(
        &mut self,
        left: Piece,
        right: Piece,
        function: &str,
        negated: bool,
    ) -> Result<Piece, Refusal> {
        let (left, right) = (self.text(left)?, self.text(right)?);
        let not = if negated { "NOT " } else { "" };
        Ok(Piece::new(format!("({not}{function}({}, {}))", left.sql, right.sql), Kind::Bool))
    }

    pub(super) fn like(
        &mut self,
        left: Piece,
        pattern: Piece,
        escape: Option<Piece>,
        ignore_case: bool,
        negated: bool,
    ) -> Result<Piece, Refusal> {
        let (left, pattern) = (self.text(left)?, self.text(pattern)?);
        let (left, pattern) = if ignore_case {
            (format!("pg_lower({})", left.sql), format!("pg_lower({})", pattern.sql))
        } else {
            (left.sql, pattern.sql)
        };
        let escape = match escape {
            Some(Piece { source: Source::Literal(text), .. }) if text.is_empty() => String::new(),
            Some(escape) => format!(" ESCAPE {}", self.text(escape)?.sql),
            None => " ESCAPE '\\'".to_owned(),
        };
        let not = if negated { "NOT " } else { "" };
        Ok(Piece::new(format!("({left} {not}LIKE {pattern}{escape})"), Kind::Bool))
    }

    pub(super) fn unary(
        &mut self,
        op: UnaryOperator,
        piece: Piece,
        place: Span,
    ) -> Result<Piece, Refusal> {
        match op {
            UnaryOperator::Not => {
                let piece = self.coerce(piece, Kind::Bool)?;
                Ok(Piece::new(format!("(NOT {})", piece.sql), Kind::Bool))
            }
            UnaryOperator::Minus | UnaryOperator::Plus => {
                let piece = self.coerce(piece, Kind::Float8)?;
                let kind = piece.kind.unwrap_or(Kind::Int4);
                let sign = if op == UnaryOperator::Minus { "- " } else { "" };
                let source = match piece.source {
                    Source::Interval(months, micros) if op == UnaryOperator::Minus => {
                        Source::Interval(-months, micros.saturating_neg())
                    }
                    source => source,
                };
                Ok(Piece { sql: format!("({sign}{})", piece.sql), kind: Some(kind), source })
            }
            _ => Err(self.unsupported(&format!("the operator {op}"), place)),
        }
    }
}

/// A time and an interval; months are as long as the calendar says.
fn shifted(time: &Piece, op: &Op, interval: &Piece) -> Piece {
    let sign = if *op == Op::Minus { "-" } else { "+" };
    let sql = match interval.source {
        Source::Interval(months, micros) if months != 0 => {
            format!("(pg_add_months({}, {sign}{months}) {sign} {micros})", time.sql)
        }
        _ => format!("({} {sign} {})", time.sql, interval.sql),
    };
    Piece::new(sql, Kind::Timestamptz)
}

fn infix(left: &Piece, op: &str, right: &Piece, kind: Kind) -> Piece {
    Piece::new(format!("({} {op} {})", left.sql, right.sql), kind)
}
