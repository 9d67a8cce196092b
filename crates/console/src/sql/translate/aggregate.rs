//! Aggregates and windows.

use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Spanned, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

use super::super::errors;
use super::function::Gives::{Average, First, Sum};
use super::function::{BOOL, FLOAT8, Gives, INT4, INT8, TEXT};
use super::scope::Scope;
use super::{Piece, Translator};
use crate::refusal::Refusal;
use crate::table::Kind;

/// What an aggregate is: see [`AGGREGATES`].
pub(super) type Aggregate = (&'static str, &'static str, usize, usize, Gives);

/// Aggregates, and what only windows have: PostgreSQL's name, SQLite's, arguments, result.
pub(super) const AGGREGATES: &[Aggregate] = &[
    ("count", "count", 0, 1, INT8),
    ("sum", "sum", 1, 1, Sum),
    ("avg", "avg", 1, 1, Average),
    ("min", "min", 1, 1, First),
    ("max", "max", 1, 1, First),
    ("bool_and", "min", 1, 1, BOOL),
    ("bool_or", "max", 1, 1, BOOL),
    ("every", "min", 1, 1, BOOL),
    ("string_agg", "string_agg", 2, 2, TEXT),
    ("row_number", "row_number", 0, 0, INT8),
    ("rank", "rank", 0, 0, INT8),
    ("dense_rank", "dense_rank", 0, 0, INT8),
    ("percent_rank", "percent_rank", 0, 0, FLOAT8),
    ("cume_dist", "cume_dist", 0, 0, FLOAT8),
    ("ntile", "ntile", 1, 1, INT4),
    ("lag", "lag", 1, 3, First),
    ("lead", "lead", 1, 3, First),
    ("first_value", "first_value", 1, 1, First),
    ("last_value", "last_value", 1, 1, First),
    ("nth_value", "nth_value", 2, 2, First),
];

impl Translator<'_> {
    pub(super) fn aggregate(
        &mut self,
        (name, own, least, most, gives): &Aggregate,
        function: &Function,
        arguments: &[FunctionArg],
        scope: &Scope<'_>,
    ) -> Result<Piece, Refusal> {
        if matches!(arguments, [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
            && *name == "count"
        {
            let tail = self.tail(function, scope)?;
            return Ok(Piece::new(format!("count(*){tail}"), Kind::Int8));
        }
        let mut pieces = self.pieces(name, arguments, scope)?;
        if pieces.len() < *least || pieces.len() > *most {
            return Err(errors::undefined_function(name));
        }
        if *name == "string_agg" {
            pieces = pieces.into_iter().map(|piece| self.text(piece)).collect::<Result<_, _>>()?;
        }
        let kind = self.given(*gives, &pieces)?;
        let distinct = match &function.args {
            FunctionArguments::List(list)
                if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) =>
            {
                "DISTINCT "
            }
            _ => "",
        };
        let order = self.argument_order(function, scope)?;
        let inner: Vec<_> = pieces.iter().map(|piece| piece.sql.as_str()).collect();
        let tail = self.tail(function, scope)?;
        let sql = format!("{own}({distinct}{}{order}){tail}", inner.join(", "));
        let whole = matches!(gives, Average) && kind == Some(Kind::Interval);
        let sql = if whole { format!("CAST({sql} AS INTEGER)") } else { sql };
        Ok(super::expression::open(sql, kind))
    }

    /// `ORDER BY` within an aggregate's parentheses.
    fn argument_order(
        &mut self,
        function: &Function,
        scope: &Scope<'_>,
    ) -> Result<String, Refusal> {
        let FunctionArguments::List(list) = &function.args else { return Ok(String::new()) };
        let mut order = String::new();
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(by) => {
                    order = format!(" ORDER BY {}", self.ordering(by, scope)?);
                }
                _ => return Err(self.unsupported("this clause", function.span())),
            }
        }
        Ok(order)
    }

    /// FILTER and OVER.
    fn tail(&mut self, function: &Function, scope: &Scope<'_>) -> Result<String, Refusal> {
        let mut tail = String::new();
        if let Some(filter) = &function.filter {
            tail = format!(" FILTER (WHERE {})", self.condition(filter, scope)?);
        }
        match &function.over {
            None => {}
            Some(WindowType::NamedWindow(name)) => {
                tail.push_str(&format!(
                    " OVER {}",
                    super::quoted(&super::expression::folded(name))
                ));
            }
            Some(WindowType::WindowSpec(spec)) => {
                tail.push_str(&format!(" OVER {}", self.window(spec, scope)?));
            }
        }
        Ok(tail)
    }

    pub(super) fn window(
        &mut self,
        spec: &WindowSpec,
        scope: &Scope<'_>,
    ) -> Result<String, Refusal> {
        let mut parts = Vec::new();
        if let Some(name) = &spec.window_name {
            parts.push(super::quoted(&super::expression::folded(name)));
        }
        if !spec.partition_by.is_empty() {
            let by = spec.partition_by.iter().map(|expr| Ok(self.expression(expr, scope)?.sql));
            let by = by.collect::<Result<Vec<_>, Refusal>>()?;
            parts.push(format!("PARTITION BY {}", by.join(", ")));
        }
        if !spec.order_by.is_empty() {
            parts.push(format!("ORDER BY {}", self.ordering(&spec.order_by, scope)?));
        }
        if let Some(frame) = &spec.window_frame {
            parts.push(self.frame(frame, scope)?);
        }
        Ok(format!("({})", parts.join(" ")))
    }

    fn frame(&mut self, frame: &WindowFrame, scope: &Scope<'_>) -> Result<String, Refusal> {
        let mut bound = |bound: &WindowFrameBound| {
            Ok::<_, Refusal>(match bound {
                WindowFrameBound::CurrentRow => "CURRENT ROW".to_owned(),
                WindowFrameBound::Preceding(None) => "UNBOUNDED PRECEDING".to_owned(),
                WindowFrameBound::Following(None) => "UNBOUNDED FOLLOWING".to_owned(),
                WindowFrameBound::Preceding(Some(distance)) => {
                    format!("{} PRECEDING", self.expression(distance, scope)?.sql)
                }
                WindowFrameBound::Following(Some(distance)) => {
                    format!("{} FOLLOWING", self.expression(distance, scope)?.sql)
                }
            })
        };
        let start = bound(&frame.start_bound)?;
        Ok(match &frame.end_bound {
            Some(end) => format!("{} BETWEEN {start} AND {}", frame.units, bound(end)?),
            None => format!("{} {start}", frame.units),
        })
    }

    /// `percentile_cont(0.95) WITHIN GROUP (ORDER BY x)`.
    pub(super) fn percentile(
        &mut self,
        name: &str,
        function: &Function,
        arguments: &[FunctionArg],
        scope: &Scope<'_>,
    ) -> Result<Piece, Refusal> {
        let fraction = self.pieces(name, arguments, scope)?;
        let ([fraction], [by]) = (fraction.as_slice(), function.within_group.as_slice()) else {
            return Err(errors::undefined_function(name));
        };
        let own = match name {
            "percentile_cont" => "pg_percentile_cont",
            "percentile_disc" => "pg_percentile_disc",
            _ => return Err(errors::undefined_function(name)),
        };
        let fraction = self.coerce(fraction.clone(), Kind::Float8)?;
        let value = self.expression(&by.expr, scope)?;
        let tail = self.tail(function, scope)?;
        let sql = format!("{own}({}, {}){tail}", value.sql, fraction.sql);
        Ok(Piece::new(sql, Kind::Float8))
    }
}
