//! One parcel, in one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use model::{FingerprintId, Labels, ShapeInfo};
use tokio_postgres::{Client, Transaction};

use super::Fleet;
use crate::codec;
use crate::error::StoreError;
use crate::grain::Grain;
use crate::local::{Bounds, Parcel, ParcelRun};
use crate::rows::{labels_of_texts, text_of_tags};

/// How long one statement may take; and what is committed must not be lost with the server, whatever
/// its own setting is, since it is not sent again.
const STATEMENT: &str = "SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '10s';
                         SET LOCAL synchronous_commit = on";

impl Fleet {
    /// Sends it. Once this returns it is there, however often it was sent before; where it fails,
    /// nothing of it is. Not cancel-safe: what becomes of it is then not known, and it may be sent
    /// again.
    pub(crate) async fn send(&self, parcel: &Parcel) -> Result<(), StoreError> {
        let mut client = self.connection().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(STATEMENT).await?;
        match parcel {
            Parcel::Period { .. } => send_period(&transaction, parcel).await?,
            Parcel::Mark { of, mark } => {
                let run = run(&transaction, of).await?;
                let sql = "INSERT INTO pgweir.marks (at, run, kind, text) VALUES ($1, $2, $3, $4)
                           ON CONFLICT DO NOTHING";
                let (at, kind) = (time(mark.at), mark.kind.as_str());
                transaction.execute(sql, &[&at, &run, &kind, &mark.text]).await?;
            }
            Parcel::Conclusions { of, slot_s, taken_at, json } => {
                let run = run(&transaction, of).await?;
                let sql = "INSERT INTO pgweir.conclusions (slot, run, taken_at, conclusions)
                           VALUES ($1, $2, $3, $4::text::jsonb) ON CONFLICT (slot, run) DO UPDATE SET
                             taken_at = excluded.taken_at, conclusions = excluded.conclusions";
                let slot = time(Timestamp::from_second(*slot_s).unwrap_or_default());
                transaction.execute(sql, &[&slot, &run, &time(*taken_at), json]).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Removes what is too old of this instance. Each instance removes its own, so that one with
    /// other bounds keeps what it wants.
    pub(crate) async fn trim(
        &self,
        instance: &str,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let client = self.connection().await?;
        for (grain, age) in [
            (Grain::Minute, bounds.minutes),
            (Grain::Hour, bounds.hours),
            (Grain::Day, bounds.days),
        ] {
            let grain_s = grain.seconds() as i32;
            // Whole hours of minutes, whole days of hours.
            let slice_s = if grain == Grain::Minute { Grain::Hour } else { Grain::Day }.seconds();
            let before = age_before(now, age).as_second().div_euclid(slice_s) * slice_s;
            let before = time(Timestamp::from_second(before).unwrap_or_default());
            for table in ["query_rollups", "traffic_rollups", "periods"] {
                let sql = format!(
                    "DELETE FROM pgweir.{table} AS old USING pgweir.runs
                     WHERE old.grain_s = $1 AND old.start < $2 AND old.run = runs.run
                       AND runs.instance = $3 AND ($1 = 86400 OR EXISTS (
                         SELECT 1 FROM pgweir.periods AS coarse WHERE coarse.run = old.run
                         AND coarse.grain_s > old.grain_s AND coarse.start <= old.start
                         AND coarse.start + coarse.grain_s * interval '1 second' > old.start))"
                );
                client.execute(&sql, &[&grain_s, &before, &instance]).await?;
            }
        }
        let before = |age: Duration| time(age_before(now, age));
        for (table, column, age) in
            [("marks", "at", bounds.days), ("conclusions", "slot", bounds.hours)]
        {
            let sql = format!(
                "DELETE FROM pgweir.{table} AS old USING pgweir.runs
                 WHERE old.{column} < $1 AND old.run = runs.run AND runs.instance = $2"
            );
            client.execute(&sql, &[&before(age), &instance]).await?;
        }
        Ok(())
    }

    /// Makes the tables where there are none. Not cancel-safe: the connection is closed then.
    pub(crate) async fn prepare(&self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let client: &mut Client = connection.as_mut();
        super::schema::migrate(client, &self.shown).await
    }
}

fn age_before(now: Timestamp, age: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(age)
        .ok()
        .and_then(|age| now.checked_sub(age).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

async fn send_period(transaction: &Transaction<'_>, parcel: &Parcel) -> Result<(), StoreError> {
    let Parcel::Period { of, grain, start, dropped, queries, traffic, shapes, .. } = parcel else {
        return Ok(());
    };
    let run = run(transaction, of).await?;
    send_shapes(transaction, shapes).await?;
    let all = queries.iter().map(|(_, labels, _)| labels).chain(traffic.iter().map(|(_, l, _)| l));
    let labels = label_numbers(transaction, all).await?;
    let number = |one: &Arc<Labels>| labels.get(one).copied().unwrap_or(0);
    let grain_s = grain.seconds() as i32;
    let start = time(Timestamp::from_second(start * 60).unwrap_or_default());
    for table in ["query_rollups", "traffic_rollups"] {
        let sql =
            format!("DELETE FROM pgweir.{table} WHERE grain_s = $1 AND start = $2 AND run = $3");
        transaction.execute(&sql, &[&grain_s, &start, &run]).await?;
    }
    let mut columns = Columns::default();
    for (fingerprint, one, bytes) in queries {
        columns.add(*fingerprint, number(one), bytes)?;
    }
    columns.insert(transaction, grain_s, start, run).await?;
    let kinds: Vec<&str> = traffic.iter().map(|(kind, _, _)| kind.name()).collect();
    let of_kind: Vec<i64> = traffic.iter().map(|(_, one, _)| number(one)).collect();
    let stats: Vec<&[u8]> = traffic.iter().map(|(_, _, bytes)| &**bytes).collect();
    let sql = "INSERT INTO pgweir.traffic_rollups (grain_s, start, run, kind, label, stats)
               SELECT $1, $2, $3, * FROM unnest($4::text[], $5::bigint[], $6::bytea[])";
    transaction.execute(sql, &[&grain_s, &start, &run, &kinds, &of_kind, &stats]).await?;
    let sql = "INSERT INTO pgweir.periods (grain_s, start, run, dropped) VALUES ($1, $2, $3, $4)
               ON CONFLICT (grain_s, start, run) DO UPDATE SET dropped = excluded.dropped";
    let dropped = i64::try_from(*dropped).unwrap_or(i64::MAX);
    transaction.execute(sql, &[&grain_s, &start, &run, &dropped]).await?;
    Ok(())
}

/// Rows of statements, column by column, as `unnest` takes them.
#[derive(Default)]
struct Columns<'a> {
    fingerprints: Vec<String>,
    labels: Vec<i64>,
    counts: [Vec<i64>; 5],
    times_ms: [Vec<f64>; 7],
    stats: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn add(
        &mut self,
        fingerprint: FingerprintId,
        label: i64,
        bytes: &'a [u8],
    ) -> Result<(), StoreError> {
        let stats = codec::decode_query(bytes)?;
        self.fingerprints.push(fingerprint.to_string());
        self.labels.push(label);
        let counts =
            [stats.calls, stats.failed(), stats.rows, stats.bytes_received, stats.bytes_sent];
        for (column, count) in self.counts.iter_mut().zip(counts) {
            column.push(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let (total, wait) = (&stats.total, stats.wait.sum_ms());
        let times_ms = [
            total.sum_ms(),
            (total.sum_ms() - wait).max(0.0),
            wait,
            total.quantile_ms(0.5),
            total.quantile_ms(0.95),
            total.quantile_ms(0.99),
            total.max_ms(),
        ];
        for (column, time_ms) in self.times_ms.iter_mut().zip(times_ms) {
            column.push(time_ms);
        }
        self.stats.push(bytes);
        Ok(())
    }

    async fn insert(
        &self,
        transaction: &Transaction<'_>,
        grain_s: i32,
        start: SystemTime,
        run: i64,
    ) -> Result<(), StoreError> {
        let [calls, errors, rows, received, sent] = &self.counts;
        let [total, database, wait, p50, p95, p99, max] = &self.times_ms;
        transaction
            .execute(
                "INSERT INTO pgweir.query_rollups (grain_s, start, run, fingerprint, label, calls,
                   errors, rows, bytes_received, bytes_sent, total_ms, database_ms, wait_ms,
                   p50_ms, p95_ms, p99_ms, max_ms, stats)
                 SELECT $1, $2, $3, * FROM unnest($4::text[], $5::bigint[], $6::bigint[],
                   $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::float8[],
                   $12::float8[], $13::float8[], $14::float8[], $15::float8[], $16::float8[],
                   $17::float8[], $18::bytea[])",
                &[
                    &grain_s,
                    &start,
                    &run,
                    &self.fingerprints,
                    &self.labels,
                    calls,
                    errors,
                    rows,
                    received,
                    sent,
                    total,
                    database,
                    wait,
                    p50,
                    p95,
                    p99,
                    max,
                    &self.stats,
                ],
            )
            .await?;
        Ok(())
    }
}

/// The number of a run.
async fn run(transaction: &Transaction<'_>, of: &ParcelRun) -> Result<i64, StoreError> {
    let sql = "INSERT INTO pgweir.runs (instance, started_at, version) VALUES ($1, $2, $3)
               ON CONFLICT (instance, started_at) DO UPDATE SET version = excluded.version
               RETURNING run";
    let started_at = time(of.run.started_at);
    let row = transaction.query_one(sql, &[&of.run.instance, &started_at, &of.run.version]).await?;
    Ok(row.get(0))
}

/// In the order of their ids, so that instances that send the same ones do not wait in a circle.
async fn send_shapes(
    transaction: &Transaction<'_>,
    shapes: &HashMap<FingerprintId, ShapeInfo>,
) -> Result<(), StoreError> {
    let mut sorted: Vec<_> = shapes.iter().collect();
    sorted.sort_unstable_by_key(|(id, _)| **id);
    let statement = transaction
        .prepare(
            "INSERT INTO pgweir.fingerprints AS known (fingerprint, text, class, parsed,
               strict_ids, shapes, first_seen, last_seen)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (fingerprint) DO UPDATE SET
               parsed = coalesce(excluded.parsed, known.parsed),
               first_seen = least(known.first_seen, excluded.first_seen),
               last_seen = greatest(known.last_seen, excluded.last_seen)
             WHERE excluded.last_seen > known.last_seen + interval '10 minutes'
               OR excluded.first_seen < known.first_seen
               OR known.parsed IS NULL AND excluded.parsed IS NOT NULL",
        )
        .await?;
    let sending = sorted.into_iter().map(async |(id, info)| {
        let strict: Vec<String> = info.strict_ids.iter().map(ToString::to_string).collect();
        let ids: Vec<String> = info.shapes.iter().map(ToString::to_string).collect();
        let (first, last) = (time(info.first_seen), time(info.last_seen));
        let (id, text) = (id.to_string(), info.text.replace('\0', ""));
        transaction
            .execute(
                &statement,
                &[&id, &text, &&*info.class, &info.parsed, &strict, &ids, &first, &last],
            )
            .await
    });
    for one in sending {
        one.await?;
    }
    Ok(())
}

async fn label_numbers<'a>(
    transaction: &Transaction<'_>,
    labels: impl Iterator<Item = &'a Arc<Labels>>,
) -> Result<HashMap<Arc<Labels>, i64>, StoreError> {
    let mut sorted: Vec<&Arc<Labels>> = labels.collect();
    sorted.sort_unstable();
    sorted.dedup();
    let column = |of: fn(&Labels) -> &str| -> Vec<String> {
        sorted.iter().map(|labels| of(labels).replace('\0', "")).collect()
    };
    let (databases, users, applications) =
        (column(|l| &l.database), column(|l| &l.user), column(|l| &l.application));
    let tags: Vec<String> = sorted.iter().map(|labels| text_of_tags(&labels.tags)).collect();
    let arrays = "unnest($1::text[], $2::text[], $3::text[], $4::text[])";
    let sql = format!(
        "INSERT INTO pgweir.labels (database, \"user\", application, tags) SELECT * FROM {arrays}
         ON CONFLICT DO NOTHING"
    );
    transaction.execute(&sql, &[&databases, &users, &applications, &tags]).await?;
    let sql = format!(
        "SELECT label, database, \"user\", application, tags FROM pgweir.labels
         JOIN {arrays} AS wanted (database, \"user\", application, tags)
           USING (database, \"user\", application, tags)"
    );
    let mut numbers = HashMap::new();
    for row in transaction.query(&sql, &[&databases, &users, &applications, &tags]).await? {
        let text = |at: usize| Arc::<str>::from(row.get::<_, &str>(at));
        let one = labels_of_texts(text(1), text(2), text(3), row.get(4));
        numbers.insert(Arc::new(one), row.get(0));
    }
    Ok(numbers)
}

pub(super) fn time(at: Timestamp) -> SystemTime {
    at.into()
}
