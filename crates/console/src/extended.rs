//! The messages of the extended protocol (PostgreSQL manual, "Extended Query").

use std::mem;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::interpreter::Interpreter;
use crate::prepared::{Prepared, Progress};
use crate::protocol::{Frontend, Target};
use crate::refusal::Refusal;
use crate::serve::{Connection, Halt};
use crate::statement::Statement;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Carries out any message but Query, FunctionCall, Sync and Terminate.
    pub(crate) async fn extended(&mut self, message: Frontend) -> Result<(), Halt> {
        match message {
            Frontend::Parse { statement, query, types } => {
                self.parse(statement, &query, types).await?;
            }
            Frontend::Bind(bind) => {
                self.named.bind(bind)?;
                self.replies.bind_complete();
            }
            Frontend::Describe(target) => self.describe(&target)?,
            Frontend::Close(target) => {
                self.named.close(&target);
                self.replies.close_complete();
            }
            Frontend::Execute { portal, max_rows } => self.execute(&portal, max_rows).await?,
            // Answers are sent anyway before the next read.
            Frontend::Flush
            | Frontend::Copy
            | Frontend::Query(_)
            | Frontend::FunctionCall
            | Frontend::Sync
            | Frontend::Terminate => {}
        }
        Ok(())
    }

    async fn parse(&mut self, name: String, query: &str, types: Vec<u32>) -> Result<(), Refusal> {
        let mut statements = self.interpreter.parse(query)?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Refusal::error("42601", message));
        }
        let statement = statements.pop();
        let mut prepared = Prepared { columns: None, sql: None, statement };
        match &prepared.statement {
            Some(Statement::Sql(sql)) => {
                let sql = self.interpreter.prepare(sql, types).await?;
                prepared.columns = Some(sql.columns.clone());
                prepared.sql = Some(Arc::new(sql));
            }
            statement => prepared.columns = statement.as_ref().and_then(Interpreter::columns),
        }
        self.named.prepare(name, prepared)?;
        self.replies.parse_complete();
        Ok(())
    }

    fn describe(&mut self, target: &Target) -> Result<(), Refusal> {
        match target {
            Target::Statement(name) => {
                let prepared = self.named.statement(name)?;
                self.replies.parameters(prepared.parameters());
                self.replies.columns(prepared.columns.as_deref(), &[]);
            }
            Target::Portal(name) => {
                let portal = self.named.portal(name)?;
                self.replies.columns(portal.prepared.columns.as_deref(), &portal.formats);
            }
        }
        Ok(())
    }

    /// Sends at most `max_rows` rows; all if it is not above zero.
    async fn execute(&mut self, name: &str, max_rows: i32) -> Result<(), Halt> {
        let portal = self.named.portal(name)?;
        let formats = portal.formats.clone();
        let (mut rows, tag) = match mem::replace(&mut portal.progress, Progress::Done) {
            Progress::Rows(rows, tag) => (rows, tag),
            Progress::Done => {
                let message = format!("portal \"{name}\" cannot be run");
                return Err(Refusal::error("55000", message).into());
            }
            Progress::Bound => {
                let Some(statement) = &portal.prepared.statement else {
                    self.replies.empty_query();
                    return Ok(());
                };
                let bound = portal.prepared.sql.clone().map(|sql| (sql, portal.values.clone()));
                let statement = statement.clone();
                let outcome = self.attended(&statement, bound).await??;
                let Some((table, tag)) = self.complete(outcome)? else {
                    return Ok(());
                };
                (table.rows.into_iter(), tag)
            }
        };
        let limit = usize::try_from(max_rows).ok().filter(|limit| *limit > 0);
        let mut sent = 0;
        while Some(sent) != limit
            && let Some(row) = rows.next()
        {
            self.replies.row(&row, &formats);
            self.send_if_much().await?;
            sent += 1;
        }
        // As PostgreSQL does: at the limit it does not look whether another row would follow.
        if Some(sent) == limit {
            self.replies.portal_suspended();
        } else {
            self.replies.complete(&tag);
        }
        self.named.portal(name)?.progress = Progress::Rows(rows, tag);
        Ok(())
    }
}
