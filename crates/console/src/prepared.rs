//! The extended protocol's prepared statements and portals (PostgreSQL manual, "Extended Query").

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::protocol::{Bind, Target};
use crate::refusal::Refusal;
use crate::sql::{self, BoundValue, ParameterType};
use crate::statement::Statement;
use crate::table::{Column, Format, Row};

/// Prepared statements, and portals, that one connection may have at a time.
const MAX_NAMED: usize = 256;
/// Names longer than this are refused, bytes. PostgreSQL cuts its own at 63.
const MAX_NAME_BYTES: usize = 255;

/// What Parse made of a string.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// None where the string was empty.
    pub(crate) statement: Option<Statement>,
    /// None where it gives no rows.
    pub(crate) columns: Option<Vec<Column>>,
    /// What a query has become.
    pub(crate) sql: Option<Arc<sql::Prepared>>,
}

impl Prepared {
    /// The types of its parameters; only queries have any.
    pub(crate) fn parameters(&self) -> &[ParameterType] {
        self.sql.as_ref().map_or(&[], |sql| &sql.parameters)
    }
}

/// A prepared statement that is bound, and how far it has got.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) prepared: Prepared,
    pub(crate) values: Vec<BoundValue>,
    pub(crate) formats: Vec<Format>,
    pub(crate) progress: Progress,
}

/// How far a portal has got.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Not run yet.
    Bound,
    /// Run; rows that are left, if any, and the tag to send after them.
    Rows(std::vec::IntoIter<Row>, Cow<'static, str>),
    /// Run; it gives no rows and cannot be run again.
    Done,
}

/// The prepared statements and portals of one connection, by name; the unnamed ones by "".
#[derive(Debug, Default)]
pub(crate) struct Named {
    statements: HashMap<String, Prepared>,
    portals: HashMap<String, Portal>,
}

impl Named {
    pub(crate) fn prepare(&mut self, name: String, prepared: Prepared) -> Result<(), Refusal> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Refusal::error("42P05", message));
        }
        check_room(&name, self.statements.len())?;
        self.statements.insert(name, prepared);
        Ok(())
    }

    pub(crate) fn bind(&mut self, bind: Bind) -> Result<(), Refusal> {
        let prepared = self.statement(&bind.statement)?.clone();
        let types = prepared.parameters();
        if bind.parameters.len() != types.len() {
            let message = format!(
                "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                bind.parameters.len(),
                bind.statement,
                types.len()
            );
            return Err(Refusal::error("08P01", message));
        }
        let values = types
            .iter()
            .zip(&bind.parameters)
            .map(|(kind, (format, bytes))| kind.read(bytes.as_deref(), *format));
        let values = values.collect::<Result<_, _>>()?;
        let columns = prepared.columns.as_ref().map_or(0, Vec::len);
        if bind.formats.len() > 1 && bind.formats.len() != columns {
            let message = format!(
                "bind message has {} result formats but query has {columns} columns",
                bind.formats.len()
            );
            return Err(Refusal::error("08P01", message));
        }
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            let message = format!("cursor \"{}\" already exists", bind.portal);
            return Err(Refusal::error("42P03", message));
        }
        check_room(&bind.portal, self.portals.len())?;
        let portal = Portal { prepared, values, formats: bind.formats, progress: Progress::Bound };
        self.portals.insert(bind.portal, portal);
        Ok(())
    }

    pub(crate) fn statement(&self, name: &str) -> Result<&Prepared, Refusal> {
        self.statements.get(name).ok_or_else(|| {
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            Refusal::error("26000", message)
        })
    }

    pub(crate) fn portal(&mut self, name: &str) -> Result<&mut Portal, Refusal> {
        self.portals
            .get_mut(name)
            .ok_or_else(|| Refusal::error("34000", format!("portal \"{name}\" does not exist")))
    }

    /// Closing what does not exist is no error.
    pub(crate) fn close(&mut self, target: &Target) {
        match target {
            Target::Statement(name) => drop(self.statements.remove(name)),
            Target::Portal(name) => drop(self.portals.remove(name)),
        }
    }

    /// `DEALLOCATE` of a statement, or of all. Portals made of them stay.
    pub(crate) fn deallocate(&mut self, name: Option<&str>) -> Result<(), Refusal> {
        match name {
            None => self.statements.clear(),
            Some(name) => {
                self.statement(name)?;
                self.statements.remove(name);
            }
        }
        Ok(())
    }

    /// The transaction is over: portals do not outlive it.
    pub(crate) fn close_portals(&mut self) {
        self.portals.clear();
    }

    /// A Query message replaces the unnamed statement and portal.
    pub(crate) fn close_unnamed(&mut self) {
        self.statements.remove("");
        self.portals.remove("");
    }
}

fn check_room(name: &str, taken: usize) -> Result<(), Refusal> {
    if name.len() > MAX_NAME_BYTES {
        let message = format!("name of {} bytes is longer than {MAX_NAME_BYTES}", name.len());
        return Err(Refusal::error("42622", message));
    }
    // The unnamed one replaces the one before.
    if taken >= MAX_NAMED && !name.is_empty() {
        let message = "too many prepared statements or portals on one console connection";
        return Err(Refusal::error("54000", message));
    }
    Ok(())
}
