//! Constants and parameters, and giving them the type that their use asks for.

use sqlparser::ast::{DateTimeField, Expr, Interval, Value, ValueWithSpan};

use super::super::parameters::{BoundValue, ParameterType, read_literal};
use super::super::{errors, time};
use super::{Piece, Source, Translator, text_literal};
use crate::refusal::Refusal;
use crate::table::Kind;

/// The most parameters that a statement may have.
const MAX_PARAMETERS: usize = 100;

impl Translator<'_> {
    pub(super) fn value(&mut self, value: &ValueWithSpan) -> Result<Piece, Refusal> {
        Ok(match &value.value {
            Value::Number(digits, _) => number(digits)
                .ok_or_else(|| self.at(errors::bad_text("numeric", digits), value.span))?,
            Value::Boolean(truth) => Piece::new(if *truth { "1" } else { "0" }, Kind::Bool),
            Value::Null => Piece::null(),
            Value::Placeholder(name) => self.parameter(name, value)?,
            other => match text_of(other) {
                Some(text) => literal(text),
                None => return Err(self.unsupported("this kind of constant", value.span)),
            },
        })
    }

    fn parameter(&mut self, name: &str, value: &ValueWithSpan) -> Result<Piece, Refusal> {
        let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        let Some(number) = number.filter(|number| (1..=MAX_PARAMETERS).contains(number)) else {
            let message = format!("there is no parameter {name}");
            return Err(self.at(Refusal::error("42P02", message), value.span));
        };
        if self.parameters.len() < number {
            self.parameters.resize(number, ParameterType::default());
        }
        let kind = self.parameters[number - 1].kind();
        Ok(Piece { sql: format!("?{number}"), kind, source: Source::Parameter(number - 1) })
    }

    /// Gives an expression whose type is open the type that its use asks for.
    pub(super) fn coerce(&mut self, piece: Piece, kind: Kind) -> Result<Piece, Refusal> {
        if piece.kind.is_some() {
            return Ok(piece);
        }
        match &piece.source {
            Source::Literal(text) => constant(kind, text),
            Source::Parameter(place) => {
                self.parameters[*place].settle(kind);
                Ok(Piece { kind: Some(kind), ..piece })
            }
            Source::Other | Source::Interval(..) => Ok(piece),
        }
    }

    pub(super) fn interval(&mut self, interval: &Interval) -> Result<Piece, Refusal> {
        let Expr::Value(value) = &*interval.value else {
            return Err(self.unsupported("an interval that is computed", interval_place(interval)));
        };
        let text = match &value.value {
            Value::Number(digits, _) => digits.clone(),
            other => text_of(other).unwrap_or_default().to_owned(),
        };
        let unit = interval.leading_field.as_ref().map(DateTimeField::to_string);
        let spelled = match unit {
            Some(unit) if text.trim().parse::<f64>().is_ok() => format!("{text} {unit}"),
            _ => text,
        };
        interval_literal(&spelled).map_err(|refusal| self.at(refusal, value.span))
    }
}

fn interval_place(interval: &Interval) -> sqlparser::tokenizer::Span {
    sqlparser::ast::Spanned::span(&*interval.value)
}

/// The text of a constant in quotes, whichever.
pub(super) fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Some(text),
        Value::DollarQuotedString(quoted) => Some(&quoted.value),
        _ => None,
    }
}

pub(super) fn literal(text: &str) -> Piece {
    Piece { sql: text_literal(text), kind: None, source: Source::Literal(text.to_owned()) }
}

fn number(digits: &str) -> Option<Piece> {
    if let Ok(number) = digits.parse::<i64>() {
        let kind = if i32::try_from(number).is_ok() { Kind::Int4 } else { Kind::Int8 };
        return Some(Piece::new(digits, kind));
    }
    let number: f64 = digits.parse().ok()?;
    number.is_finite().then(|| Piece::new(format!("{number:e}"), Kind::Float8))
}

/// A literal as a constant of a type.
pub(super) fn constant(kind: Kind, text: &str) -> Result<Piece, Refusal> {
    if kind == Kind::Interval {
        return interval_literal(text);
    }
    let value = read_literal(kind, text).ok_or_else(|| errors::bad_text(kind.name(), text))?;
    let sql = match value {
        BoundValue::Null => "NULL".to_owned(),
        BoundValue::Int(number) => number.to_string(),
        BoundValue::Float(number) if number.is_finite() => format!("{number:e}"),
        BoundValue::Float(number) => if number.is_nan() {
            "NULL"
        } else if number > 0.0 {
            "9e999"
        } else {
            "-9e999"
        }
        .to_owned(),
        BoundValue::Text(text) => text_literal(&text),
    };
    Ok(Piece::new(sql, kind))
}

fn interval_literal(text: &str) -> Result<Piece, Refusal> {
    let written = time::parse_interval(text).ok_or_else(|| errors::bad_text("interval", text))?;
    let sql = written.total().to_string();
    let source = Source::Interval(written.months, written.micros);
    Ok(Piece { sql, kind: Some(Kind::Interval), source })
}
