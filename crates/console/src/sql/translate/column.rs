//! Names of columns.

use sqlparser::ast::Ident;

use super::expression::{folded, open};
use super::scope::{Found, Scope};
use super::{Piece, Translator, quoted};
use crate::refusal::Refusal;

impl Translator<'_> {
    pub(super) fn column(&mut self, ident: &Ident, scope: &Scope<'_>) -> Result<Piece, Refusal> {
        let name = folded(ident);
        match scope.find(&name) {
            Some(Found::Column(relation, kind)) => {
                Ok(open(format!("{}.{}", quoted(&relation), quoted(&name)), kind))
            }
            Some(Found::Output(kind)) => Ok(open(quoted(&name), kind)),
            Some(Found::Ambiguous) => {
                let message = format!("column reference \"{name}\" is ambiguous");
                Err(self.at(Refusal::error("42702", message), ident.span))
            }
            found if ident.quote_style.is_none() => match self.special(&name) {
                Some(piece) => Ok(piece),
                None if found.is_some() => Ok(Piece::null()),
                None => Err(self.undefined_column(&name, ident, scope)),
            },
            Some(_) => Ok(Piece::null()),
            None => Err(self.undefined_column(&name, ident, scope)),
        }
    }

    pub(super) fn qualified_column(
        &mut self,
        parts: &[Ident],
        scope: &Scope<'_>,
    ) -> Result<Piece, Refusal> {
        // A schema in front says nothing that the relation does not.
        let [.., relation, ident] = parts else {
            let place = parts.first().map_or(sqlparser::tokenizer::Span::empty(), |part| part.span);
            return Err(self.unsupported("this name", place));
        };
        let (relation, name) = (folded(relation), folded(ident));
        match scope.find_in(&relation, &name) {
            Some(Some(Found::Column(relation, kind))) => {
                Ok(open(format!("{}.{}", quoted(&relation), quoted(&name)), kind))
            }
            Some(Some(_)) => Ok(Piece::null()),
            Some(None) => {
                let message = format!("column {relation}.{name} does not exist");
                Err(self.column_error(message, ident, scope))
            }
            None => {
                let message = format!("missing FROM-clause entry for table \"{relation}\"");
                Err(self.at(Refusal::error("42P01", message), parts[0].span))
            }
        }
    }

    fn undefined_column(&self, name: &str, ident: &Ident, scope: &Scope<'_>) -> Refusal {
        self.column_error(format!("column \"{name}\" does not exist"), ident, scope)
    }

    fn column_error(&self, message: String, ident: &Ident, scope: &Scope<'_>) -> Refusal {
        let refusal = self.at(Refusal::error("42703", message), ident.span);
        match scope.column_names() {
            names if names.is_empty() => refusal,
            names => refusal.with_hint(format!("Columns here are {}.", names.join(", "))),
        }
    }
}
