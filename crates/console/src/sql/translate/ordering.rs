//! ORDER BY, the numbers of columns, LIMIT and OFFSET.

use sqlparser::ast::{Expr, LimitClause, OrderByExpr, OrderBySort, Query, Spanned, Value};

use super::expression::folded;
use super::scope::Scope;
use super::{Translator, quoted};
use crate::refusal::Refusal;
use crate::table::Kind;

impl Translator<'_> {
    /// An expression of GROUP BY or ORDER BY: a number counts columns.
    pub(super) fn ordinal(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<String, Refusal> {
        if let Expr::Value(value) = expr
            && let Value::Number(digits, _) = &value.value
            && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Ok(digits.clone());
        }
        Ok(self.expression(expr, scope)?.sql)
    }

    pub(super) fn order_by(
        &mut self,
        by: &[OrderByExpr],
        scope: &Scope<'_>,
    ) -> Result<String, Refusal> {
        if by.is_empty() {
            return Ok(String::new());
        }
        Ok(format!(" ORDER BY {}", self.ordering(by, scope)?))
    }

    /// NULL comes last, or first where the order is descending, as in PostgreSQL.
    pub(super) fn ordering(
        &mut self,
        by: &[OrderByExpr],
        scope: &Scope<'_>,
    ) -> Result<String, Refusal> {
        let mut terms = Vec::new();
        for term in by {
            let output = match &term.expr {
                Expr::Identifier(ident) => Some(folded(ident)),
                _ => None,
            };
            let output = output.filter(|name| scope.outputs.iter().any(|(known, _)| known == name));
            let sql = match output {
                Some(name) => quoted(&name),
                None => self.ordinal(&term.expr, scope)?,
            };
            let descending = match &term.options.sort {
                Some(OrderBySort::Desc) => true,
                Some(OrderBySort::Using(_)) => {
                    return Err(self.unsupported("ORDER BY … USING", term.expr.span()));
                }
                Some(OrderBySort::Asc) | None => false,
            };
            let direction = if descending { " DESC" } else { "" };
            let first = term.options.nulls_first.unwrap_or(descending);
            let nulls = if first { " NULLS FIRST" } else { " NULLS LAST" };
            terms.push(format!("{sql}{direction}{nulls}"));
        }
        Ok(terms.join(", "))
    }

    pub(super) fn limit(&mut self, query: &Query) -> Result<String, Refusal> {
        let (mut limit, mut offset) = (None, None);
        let scope = Scope::inside(None);
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit: most, offset: from, limit_by }) => {
                if !limit_by.is_empty() {
                    return Err(self.unsupported("LIMIT BY", query.span()));
                }
                limit = most.as_ref();
                offset = from.as_ref().map(|from| &from.value);
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => {
                return Err(self.unsupported("LIMIT #,#", query.span()));
            }
        }
        let one = Expr::Value(Value::Number("1".to_owned(), false).into());
        if let Some(fetch) = &query.fetch {
            if fetch.with_ties || fetch.percent {
                return Err(self.unsupported("this FETCH", query.span()));
            }
            limit = Some(fetch.quantity.as_ref().unwrap_or(&one));
        }
        let mut count = |expr: &Expr| {
            let piece = self.expression(expr, &scope)?;
            Ok::<_, Refusal>(self.coerce(piece, Kind::Int8)?.sql)
        };
        Ok(match (limit, offset) {
            (None, None) => String::new(),
            (Some(limit), None) => format!(" LIMIT ifnull({}, -1)", count(limit)?),
            (None, Some(offset)) => format!(" LIMIT -1 OFFSET ifnull({}, 0)", count(offset)?),
            (Some(limit), Some(offset)) => {
                let (limit, offset) = (count(limit)?, count(offset)?);
                format!(" LIMIT ifnull({limit}, -1) OFFSET ifnull({offset}, 0)")
            }
        })
    }
}
