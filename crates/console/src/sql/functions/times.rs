//! Times and intervals, which are whole µs here.

use jiff::Timestamp;
use rusqlite::{Connection, Result};

use super::{FLAGS, refused, strict, text, whole};
use crate::refusal::Refusal;
use crate::sql::time;

pub(super) fn register(connection: &Connection) -> Result<()> {
    // One time for the whole statement, as in a transaction of PostgreSQL's.
    let now = Timestamp::now().as_microsecond();
    connection.create_scalar_function("pg_now", 0, FLAGS, move |_| Ok(now))?;
    strict(connection, "date_trunc", 2, |c| {
        let unit = text(c, 0).to_ascii_lowercase();
        time::truncate(&unit, whole(c, 1)).map(Some).ok_or_else(|| no_unit(&unit))
    })?;
    strict(connection, "pg_date_bin", 2, |c| bin(whole(c, 0), whole(c, 1), 0))?;
    strict(connection, "pg_date_bin", 3, |c| bin(whole(c, 0), whole(c, 1), whole(c, 2)))?;
    strict(connection, "pg_to_char", 2, |c| Ok(time::to_char(whole(c, 0), &text(c, 1))))?;
    strict(connection, "pg_add_months", 2, |c| Ok(time::add_months(whole(c, 0), whole(c, 1))))?;
    strict(connection, "pg_part", 2, |c| {
        let field = text(c, 0);
        time::part(&field, whole(c, 1)).map(Some).ok_or_else(|| no_unit(&field))
    })?;
    strict(connection, "pg_interval_part", 2, |c| {
        let field = text(c, 0);
        time::interval_part(&field, whole(c, 1)).map(Some).ok_or_else(|| no_unit(&field))
    })
}

fn bin(stride: i64, at: i64, origin: i64) -> Result<Option<i64>> {
    if stride <= 0 {
        let message = "stride must be greater than zero";
        return Err(refused(&Refusal::error("22008", message)));
    }
    let since = at.checked_sub(origin);
    Ok(since.and_then(|since| origin.checked_add(since.div_euclid(stride).checked_mul(stride)?)))
}

fn no_unit(unit: &str) -> rusqlite::Error {
    let unit: String = unit.chars().take(40).collect();
    refused(&Refusal::error("22023", format!("unit \"{unit}\" not recognized for type timestamp")))
}
