//! What the console understands: from text to [`Statement`].

mod arguments;
mod command;
mod lexer;
mod parse;
mod query;
mod report_options;
mod set;

use model::{Command, SettingStatus};
use report::FingerprintPrefix;

pub(crate) use arguments::{Accepts, Arguments};
pub(crate) use lexer::Token;

use crate::refusal::Refusal;
use crate::show::Show;
use crate::table::{Column, Value};

/// A statement that the console understands.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// `SHOW HELP`: a notice.
    Help,
    /// `SHOW POOLS` and the like.
    Show(&'static Show, Arguments),
    /// `SHOW` of a run-time parameter or a setting, in lower case.
    Parameter(String),
    /// `SELECT` of a constant: a single row of a single column.
    Select(Column, Value),
    /// `SET` of a session's parameter and `RESET`, accepted without effect, since drivers send them
    /// when they connect; with the tag to answer.
    Ignored(&'static str),
    /// `DEALLOCATE` of one prepared statement or all, and `DISCARD ALL`; with the tag to answer.
    Deallocate(Option<String>, &'static str),
    /// Transaction control; there is nothing to roll back, but drivers keep track of it.
    Transaction(TransactionControl),
    /// A command to the process.
    Command(Command),
    /// A query over the console's tables.
    Sql(Sql),
    /// `EXPLAIN FINGERPRINT`: what is known of one statement.
    Explain(FingerprintPrefix),
}

/// A query over the console's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sql {
    /// What is to be run.
    pub(crate) text: String,
    /// Characters that stand before it in the query string.
    pub(crate) before: usize,
    /// Whether it was written as SHOW.
    pub(crate) is_show: bool,
}

/// The statements that begin and end transaction blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionControl {
    Begin,
    StartTransaction,
    Commit,
    Rollback,
    Savepoint,
    Release,
    RollbackToSavepoint,
}

/// Who asks and of what: the names that statements may refer to.
pub(crate) struct Names<'a> {
    /// The user, for `SELECT current_user`.
    pub(crate) user: &'a str,
    /// pgweir's version, for `SELECT version()`.
    pub(crate) version: &'a str,
    /// pgweir's settings, which SHOW reads and SET changes.
    pub(crate) settings: &'a [SettingStatus],
}

impl Names<'_> {
    fn is_setting(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == name)
    }
}

/// Reads a string of statements; empty ones are left out.
pub(crate) fn parse(text: &str, names: &Names<'_>) -> Result<Vec<Statement>, Refusal> {
    let mut lexer = lexer::Lexer::new(text);
    let mut statements = Vec::new();
    while let Some(lexed) = lexer.next_statement()? {
        let mut statement = parse::statement(&lexed, names)?;
        if let Statement::Sql(sql) = &mut statement {
            sql.before = text.get(..lexed.start).unwrap_or_default().chars().count();
        }
        statements.push(statement);
    }
    Ok(statements)
}
