//! Percentiles of what a statement has in its rows.

use rusqlite::functions::{Aggregate, Context};
use rusqlite::{Connection, Result};

use super::{FLAGS, number, refused};
use crate::refusal::Refusal;

pub(super) fn register(connection: &Connection) -> Result<()> {
    let continuous = Percentile { continuous: true };
    connection.create_aggregate_function("pg_percentile_cont", 2, FLAGS, continuous)?;
    let discrete = Percentile { continuous: false };
    connection.create_aggregate_function("pg_percentile_disc", 2, FLAGS, discrete)
}

struct Percentile {
    /// Between two values, or one of them.
    continuous: bool,
}

#[derive(Default)]
struct Seen {
    values: Vec<f64>,
    fraction: f64,
}

impl Aggregate<Seen, Option<f64>> for Percentile {
    fn init(&self, _: &mut Context<'_>) -> Result<Seen> {
        Ok(Seen::default())
    }

    fn step(&self, context: &mut Context<'_>, seen: &mut Seen) -> Result<()> {
        if context.get_raw(0) != rusqlite::types::ValueRef::Null {
            seen.values.push(number(context, 0));
        }
        seen.fraction = number(context, 1);
        if (0.0..=1.0).contains(&seen.fraction) {
            return Ok(());
        }
        let message = format!("percentile value {} is not between 0 and 1", seen.fraction);
        Err(refused(&Refusal::error("22003", message)))
    }

    fn finalize(&self, _: &mut Context<'_>, seen: Option<Seen>) -> Result<Option<f64>> {
        let Some(Seen { mut values, fraction }) = seen else { return Ok(None) };
        values.sort_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else { return Ok(None) };
        if !self.continuous {
            let place = (fraction * values.len() as f64).ceil().max(1.0) as usize - 1;
            return Ok(values.get(place.min(last)).copied());
        }
        let place = fraction * last as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        let pair = values.get(low).zip(values.get(high.min(last)));
        Ok(pair.map(|(low, high)| low + (high - low) * place.fract()))
    }
}
