//! What is known of the session and the time, and what PostgreSQL's catalogue is asked for.

use sqlparser::ast::FunctionArg;

use super::super::errors;
use super::scope::Scope;
use super::{Piece, Source, Translator, text_literal};
use crate::parameters;
use crate::refusal::Refusal;
use crate::table::Kind;

impl Translator<'_> {
    /// What is known of the session and the time, and what the catalogue is asked for.
    pub(super) fn session_function(
        &mut self,
        name: &str,
        arguments: &[FunctionArg],
        scope: &Scope<'_>,
    ) -> Result<Option<Piece>, Refusal> {
        if let Some(piece) = self.special(name) {
            return Ok(Some(piece));
        }
        Ok(Some(match name {
            "now" | "clock_timestamp" | "statement_timestamp" | "transaction_timestamp" => {
                Piece::new("pg_now()", Kind::Timestamptz)
            }
            "version" => Piece::new(text_literal(&self.identity.version), Kind::Text),
            "current_setting" => {
                let pieces = self.pieces(name, arguments, scope)?;
                let Some(Source::Literal(setting)) = pieces.first().map(|piece| &piece.source)
                else {
                    return Err(errors::undefined_function(name));
                };
                match parameters::find(&setting.to_ascii_lowercase()) {
                    Some((_, value)) => Piece::new(text_literal(value), Kind::Text),
                    None => {
                        let message = format!("unrecognized configuration parameter \"{setting}\"");
                        return Err(Refusal::error("42704", message));
                    }
                }
            }
            "current_schemas" => Piece::new("'{public}'", Kind::Text),
            "pg_backend_pid" => Piece::new("0", Kind::Int4),
            "pg_is_in_recovery" => Piece::new("0", Kind::Bool),
            "pg_get_userbyid" => Piece::new("'pgweir'", Kind::Text),
            "pg_encoding_to_char" => Piece::new("'UTF8'", Kind::Text),
            "pg_table_is_visible"
            | "pg_type_is_visible"
            | "pg_function_is_visible"
            | "has_schema_privilege"
            | "has_table_privilege"
            | "has_database_privilege" => Piece::new("1", Kind::Bool),
            _ => return Ok(None),
        }))
    }

    /// What is written without parentheses.
    pub(super) fn special(&self, name: &str) -> Option<Piece> {
        Some(match name {
            "current_user" | "session_user" | "user" | "current_role" => {
                Piece::new(text_literal(&self.identity.user), Kind::Text)
            }
            "current_database" | "current_catalog" => {
                Piece::new(text_literal(parameters::DATABASE), Kind::Text)
            }
            "current_schema" => Piece::new("'public'", Kind::Text),
            "current_timestamp" | "localtimestamp" => Piece::new("pg_now()", Kind::Timestamptz),
            "current_date" => Piece::new("date_trunc('day', pg_now())", Kind::Date),
            _ => return None,
        })
    }
}
