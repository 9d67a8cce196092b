//! Carries statements out, whichever protocol they came by.

use std::borrow::Cow;
use std::sync::Arc;

use model::Command;
use pgwire::messages::response::TransactionStatus;
use wire::error_response::{ErrorFields, Severity};

use crate::explain;
use crate::live::{Live, Role, Session};
use crate::parameters;
use crate::refusal::{self, Refusal};
use crate::show;
use crate::sql::{self, BoundValue, Identity, Stop};
use crate::statement::{self, Names, Sql, Statement, TransactionControl};
use crate::table::{Column, Table, Value};

/// What a statement gave.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Rows, and the tag to send after them.
    Rows(Table, Cow<'static, str>),
    /// Notices before the tag.
    Notices(Vec<ErrorFields>, &'static str),
    /// The connection is to forget a prepared statement, or all, before the tag.
    Deallocate(Option<String>, &'static str),
    /// The tag alone.
    Done(&'static str),
}

/// The console of one connection.
pub(crate) struct Interpreter {
    session: Session,
    live: Arc<dyn Live>,
    block: Block,
}

/// The transaction block that the client believes it is in.
///
/// Commands take effect at once and stay; the state is kept since drivers go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None,
    Open,
    Failed,
}

impl Interpreter {
    pub(crate) fn new(session: Session, live: Arc<dyn Live>) -> Self {
        Self { session, live, block: Block::None }
    }

    /// Reads a string of statements.
    pub(crate) fn parse(&self, text: &str) -> Result<Vec<Statement>, Refusal> {
        let (user, version) = (self.session.user.as_str(), self.live.version());
        let settings = self.live.settings();
        statement::parse(text, &Names { user, version, settings: &settings })
    }

    /// The columns of a statement's rows; none where it gives no rows.
    pub(crate) fn columns(statement: &Statement) -> Option<Vec<Column>> {
        match statement {
            Statement::Show(show, _) => Some(show.columns()),
            Statement::Parameter(name) => Some(vec![parameter_column(name)]),
            Statement::Select(column, _) => Some(vec![column.clone()]),
            Statement::Explain(_) => Some(vec![explain::COLUMN]),
            // Known once it is prepared.
            Statement::Sql(_)
            | Statement::Help
            | Statement::Ignored(_)
            | Statement::Deallocate(..)
            | Statement::Transaction(_)
            | Statement::Command(_) => None,
        }
    }

    /// What ReadyForQuery says.
    pub(crate) fn status(&self) -> TransactionStatus {
        match self.block {
            Block::None => TransactionStatus::Idle,
            Block::Open => TransactionStatus::Transaction,
            Block::Failed => TransactionStatus::Error,
        }
    }

    /// An error was sent: an open block fails with it.
    pub(crate) fn fail(&mut self) {
        if self.block == Block::Open {
            self.block = Block::Failed;
        }
    }

    /// Reads a query; `types` are its parameters' as far as the client says them.
    pub(crate) async fn prepare(
        &self,
        sql: &Sql,
        types: Vec<u32>,
    ) -> Result<sql::Prepared, Refusal> {
        let identity = Identity {
            user: self.session.user.clone(),
            version: parameters::version_text(self.live.version()),
        };
        let limit = self.live.query_timeout();
        let prepared = sql::prepare(sql.text.clone(), types, identity, limit).await;
        prepared.map_err(|mut refusal| {
            let shown = |place: usize| (!sql.is_show).then_some(place + sql.before);
            refusal.position = refusal.position.and_then(shown);
            refusal
        })
    }

    /// Runs a query, read before or not.
    async fn query(
        &self,
        sql: &Sql,
        bound: Option<(Arc<sql::Prepared>, Vec<BoundValue>)>,
        stop: Stop,
    ) -> Result<Outcome, Refusal> {
        let (prepared, values) = match bound {
            Some(bound) => bound,
            None => {
                let prepared = self.prepare(sql, Vec::new()).await?;
                if !prepared.parameters.is_empty() {
                    return Err(Refusal::error("42P02", "there is no parameter $1"));
                }
                (Arc::new(prepared), Vec::new())
            }
        };
        let columns = prepared.columns.clone();
        let (live, role) = (Arc::clone(&self.live), self.session.role);
        let rows = sql::run(prepared, values, live, role, stop).await?;
        let tag = if sql.is_show { "SHOW".into() } else { format!("SELECT {}", rows.len()).into() };
        Ok(Outcome::Rows(Table { columns, rows }, tag))
    }

    /// Carries one statement out; `bound` is what a query has become and its values, if it was read
    /// before. `stop` ends a query.
    ///
    /// Cancel-safe only where [`Live::execute`] is: a command may then have been carried out
    /// or not.
    pub(crate) async fn run(
        &mut self,
        statement: &Statement,
        bound: Option<(Arc<sql::Prepared>, Vec<BoundValue>)>,
        stop: Stop,
    ) -> Result<Outcome, Refusal> {
        if self.block == Block::Failed && !ends_failed_block(statement) {
            let message = "current transaction is aborted, commands ignored until end of \
                           transaction block";
            return Err(Refusal::error("25P02", message));
        }
        match statement {
            Statement::Help => Ok(Outcome::Notices(vec![show::help()], "SHOW")),
            Statement::Show(show, arguments) => {
                let table = show.table(&*self.live, arguments, self.session.role).await?;
                Ok(Outcome::Rows(table, "SHOW".into()))
            }
            Statement::Parameter(name) => {
                let value = self.parameter(name).ok_or_else(|| refusal::unknown_command(name))?;
                Ok(single(parameter_column(name), Value::Text(value), "SHOW"))
            }
            Statement::Select(column, value) => {
                Ok(single(column.clone(), value.clone(), "SELECT 1"))
            }
            Statement::Ignored(tag) => Ok(Outcome::Done(tag)),
            Statement::Deallocate(name, tag) => Ok(Outcome::Deallocate(name.clone(), tag)),
            Statement::Transaction(control) => Ok(Outcome::Done(self.control(*control))),
            Statement::Command(command) => self.command(command, &stop).await,
            Statement::Sql(sql) => self.query(sql, bound, stop).await,
            Statement::Explain(id) => {
                let table = explain::table(id, &*self.live.published().await)?;
                Ok(Outcome::Rows(table, "EXPLAIN".into()))
            }
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        parameters::find(name).map(|(_, value)| value.to_owned()).or_else(|| {
            let settings = self.live.settings();
            settings.into_iter().find(|setting| setting.key == name).map(|setting| setting.value)
        })
    }

    fn control(&mut self, control: TransactionControl) -> &'static str {
        use TransactionControl as Control;

        let failed = self.block == Block::Failed;
        match control {
            Control::Begin | Control::StartTransaction => self.block = Block::Open,
            Control::Commit | Control::Rollback => self.block = Block::None,
            Control::RollbackToSavepoint if failed => self.block = Block::Open,
            Control::RollbackToSavepoint | Control::Savepoint | Control::Release => {}
        }
        match control {
            Control::Begin => "BEGIN",
            Control::StartTransaction => "START TRANSACTION",
            // As PostgreSQL does: COMMIT of a failed block is a ROLLBACK.
            Control::Commit if failed => "ROLLBACK",
            Control::Commit => "COMMIT",
            Control::Rollback | Control::RollbackToSavepoint => "ROLLBACK",
            Control::Savepoint => "SAVEPOINT",
            Control::Release => "RELEASE",
        }
    }

    async fn command(&self, command: &Command, stop: &Stop) -> Result<Outcome, Refusal> {
        let user = &self.session.user;
        if self.session.role != Role::Admin {
            tracing::warn!(%user, %command, "console command refused: admin access needed");
            return Err(Refusal::error("42501", "admin access needed"));
        }
        tracing::info!(%user, %command, "console command");
        let done = tokio::select! {
            biased;
            done = self.live.execute(command.clone()) => done,
            () = stop.is_asked_for(), if command.waits() => {
                tracing::info!(%user, %command, "console command cancelled while it waited");
                if let Some(back) = command.taken_back() {
                    // Whoever has taken it back before has done it.
                    let _ = self.live.execute(back).await;
                }
                let message = "canceling statement due to user request";
                return Err(Refusal::error("57014", message));
            }
        };
        let warnings = done.map_err(|error| {
            tracing::warn!(%user, %command, %error, "console command failed");
            refusal::of_command(&error)
        })?;
        let warnings = warnings
            .into_iter()
            .map(|warning| ErrorFields::new(Severity::Warning, "01000", warning));
        Ok(Outcome::Notices(warnings.collect(), command.name()))
    }
}

fn ends_failed_block(statement: &Statement) -> bool {
    use TransactionControl as Control;

    let ends = |control| {
        matches!(control, Control::Commit | Control::Rollback | Control::RollbackToSavepoint)
    };
    matches!(statement, Statement::Transaction(control) if ends(*control))
}

/// Named as PostgreSQL writes it: `SHOW datestyle` gives a column `DateStyle`.
fn parameter_column(name: &str) -> Column {
    let known = parameters::find(name).map(|(name, _)| Cow::Borrowed(name));
    let name = known.unwrap_or_else(|| Cow::Owned(name.to_owned()));
    Column { name, ..Column::text("") }
}

fn single(column: Column, value: Value, tag: &'static str) -> Outcome {
    Outcome::Rows(Table { columns: vec![column], rows: vec![vec![value]] }, tag.into())
}
