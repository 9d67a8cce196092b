//! Reading a span of all instances.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use model::{FingerprintId, Labels, Mark, ShapeId, ShapeInfo, Snapshot, StrictId};
use tokio_postgres::{Client, Row};

use super::send::time;
use super::{Fleet, schema};
use crate::assembly::Assembly;
use crate::conclusions::Conclusions;
use crate::error::StoreError;
use crate::grain::Grain;
use crate::local::mark_kind;
use crate::rows::{Kind, labels_of_texts, others};
use crate::span::{Period, Plan, Span};

impl Fleet {
    /// As [`crate::Stored::snapshot`], of all instances together. Cancel-safe.
    ///
    /// # Errors
    /// The store is away, refuses, or is of a later version; rows that no version of pgweir writes.
    pub async fn snapshot(
        &self,
        from: Timestamp,
        until: Timestamp,
        cuts: &[Timestamp],
    ) -> Result<Snapshot, StoreError> {
        let connection = self.connection().await?;
        let client: &Client = &connection;
        schema::check(schema::version(client).await?, &self.shown)?;
        let span = Span::new(from, until, cuts);
        let periods = periods(client, &span).await?;
        let plan = Plan::new(&span, &periods.iter().map(|(one, _)| *one).collect::<Vec<_>>());
        let known = HashMap::new();
        let mut assembly = Assembly::new(&span, &known);
        for (period, dropped) in periods.iter().filter(|(one, _)| plan.chosen.contains(one)) {
            assembly.add_period(period, *dropped);
        }
        let labels = labels(client).await?;
        let mut seen = std::collections::HashSet::new();
        for (grain, begin, end) in &plan.ranges {
            let range = (*grain, moment(*begin), moment(*end));
            read_queries(client, range, &plan, &labels, &mut assembly, &mut seen).await?;
            read_traffic(client, range, &plan, &labels, &mut assembly).await?;
        }
        let shapes = shapes(client, seen).await?;
        let (begun, ended) = extent(client).await?.unwrap_or((until, until));
        Ok(assembly.finish(shapes, begun, until.min(ended)))
    }

    /// What each instance found at its last look in `from..until`, put together. Cancel-safe.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub async fn conclusions(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Conclusions, StoreError> {
        let connection = self.connection().await?;
        let rows = connection
            .query(
                "SELECT DISTINCT ON (instance) instance, conclusions::text
                 FROM pgweir.conclusions JOIN pgweir.runs USING (run)
                 WHERE taken_at BETWEEN $1 AND $2 ORDER BY instance, taken_at DESC",
                &[&time(from), &time(until)],
            )
            .await?;
        let mut all = Conclusions::default();
        for row in rows {
            // Of a version whose findings are made otherwise: as if there were none.
            let Ok(one) = serde_json::from_str::<Conclusions>(row.get(1)) else { continue };
            // Several instances before one server find the same.
            for finding in one.findings {
                let same = |other: &model::Finding| {
                    (&other.detector, &other.title) == (&finding.detector, &finding.title)
                };
                if !all.findings.iter().any(same) {
                    all.findings.push(finding);
                }
            }
            all.results.extend(one.results);
            all.checked.extend(one.checked);
            all.not_checked.extend(one.not_checked);
        }
        all.checked.sort_unstable();
        all.checked.dedup();
        Ok(all)
    }

    /// What happened to any instance in `from..=until`, the oldest first. Cancel-safe.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub async fn marks(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Mark>, StoreError> {
        let connection = self.connection().await?;
        let sql = "SELECT at, kind, text FROM pgweir.marks WHERE at BETWEEN $1 AND $2
                   ORDER BY at, kind, text";
        let rows = connection.query(sql, &[&time(from), &time(until)]).await?;
        let mark = |row: &Row| {
            let kind = mark_kind(row.get(1))?;
            Some(Mark { at: timestamp(row, 0), kind, text: row.get(2) })
        };
        Ok(rows.iter().filter_map(mark).collect())
    }

    /// From when to when there is anything; none where there is nothing. Cancel-safe.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub async fn extent(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let connection = self.connection().await?;
        schema::check(schema::version(&connection).await?, &self.shown)?;
        extent(&connection).await
    }

    /// The instances, with the version that each ran last. Cancel-safe.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub async fn instances(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let connection = self.connection().await?;
        let sql = "SELECT DISTINCT ON (instance) instance, version FROM pgweir.runs
                   ORDER BY instance, started_at DESC";
        let rows = connection.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

async fn extent(client: &Client) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let sql = "SELECT greatest(min(start), (SELECT min(started_at) FROM pgweir.runs)),
                 max(start + grain_s * interval '1 second') FROM pgweir.periods";
    let row = client.query_one(sql, &[]).await?;
    let time = |at: usize| row.get::<_, Option<SystemTime>>(at).and_then(|at| at.try_into().ok());
    let (first, end): (Option<Timestamp>, Option<Timestamp>) = (time(0), time(1));
    Ok(first.zip(end))
}

async fn periods(client: &Client, span: &Span) -> Result<Vec<(Period, u64)>, StoreError> {
    let sql = "SELECT grain_s, start, run, dropped FROM pgweir.periods
               WHERE start >= $1 AND start < $2";
    let (begin, end) = span.days();
    let rows = client.query(sql, &[&moment(begin), &moment(end)]).await?;
    let period = |row: &Row| Some((period_of(row)?, u64::try_from(row.get::<_, i64>(3)).ok()?));
    Ok(rows.iter().filter_map(period).collect())
}

/// Of a row that begins with grain, start and run.
fn period_of(row: &Row) -> Option<Period> {
    let grain = Grain::of_seconds(i64::from(row.get::<_, i32>(0)))?;
    let start = timestamp(row, 1).as_second().div_euclid(60);
    Some(Period { grain, start, run: row.get(2) })
}

type Range = (Grain, SystemTime, SystemTime);
type LabelNames = HashMap<i64, Arc<Labels>>;

async fn read_queries(
    client: &Client,
    (grain, begin, end): Range,
    plan: &Plan,
    labels: &LabelNames,
    assembly: &mut Assembly<'_>,
    seen: &mut std::collections::HashSet<FingerprintId>,
) -> Result<(), StoreError> {
    let sql = "SELECT grain_s, start, run, fingerprint, label, stats FROM pgweir.query_rollups
               WHERE grain_s = $1 AND start >= $2 AND start < $3";
    let others = others();
    for row in client.query(sql, &[&(grain.seconds() as i32), &begin, &end]).await? {
        let Some(period) = period_of(&row).filter(|one| plan.chosen.contains(one)) else {
            continue;
        };
        let fingerprint = row.get::<_, &str>(3).parse().unwrap_or(FingerprintId::OTHERS);
        seen.insert(fingerprint);
        let labels = labels.get(&row.get(4)).unwrap_or(&others);
        assembly.add_query(&period, fingerprint, labels, row.get(5))?;
    }
    Ok(())
}

async fn read_traffic(
    client: &Client,
    (grain, begin, end): Range,
    plan: &Plan,
    labels: &LabelNames,
    assembly: &mut Assembly<'_>,
) -> Result<(), StoreError> {
    let sql = "SELECT grain_s, start, run, kind, label, stats FROM pgweir.traffic_rollups
               WHERE grain_s = $1 AND start >= $2 AND start < $3";
    let others = others();
    for row in client.query(sql, &[&(grain.seconds() as i32), &begin, &end]).await? {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == row.get::<_, &str>(3));
        let period = period_of(&row).filter(|one| plan.chosen.contains(one));
        if let (Some(period), Some(kind)) = (period, kind) {
            let labels = labels.get(&row.get(4)).unwrap_or(&others);
            assembly.add_traffic(&period, kind, labels, row.get(5))?;
        }
    }
    Ok(())
}

async fn labels(client: &Client) -> Result<LabelNames, StoreError> {
    let sql = "SELECT label, database, \"user\", application, tags FROM pgweir.labels";
    let rows = client.query(sql, &[]).await?;
    let named = rows.iter().map(|row| {
        let text = |at: usize| Arc::<str>::from(row.get::<_, &str>(at));
        let one = labels_of_texts(text(1), text(2), text(3), row.get(4));
        (row.get(0), Arc::new(one))
    });
    Ok(named.collect())
}

async fn shapes(
    client: &Client,
    seen: std::collections::HashSet<FingerprintId>,
) -> Result<HashMap<FingerprintId, ShapeInfo>, StoreError> {
    let ids: Vec<String> = seen.iter().map(ToString::to_string).collect();
    let sql = "SELECT fingerprint, text, class, parsed, strict_ids, shapes, first_seen, last_seen
               FROM pgweir.fingerprints WHERE fingerprint = ANY ($1)";
    let rows = client.query(sql, &[&ids]).await?;
    let shape = |row: &Row| -> Option<(FingerprintId, ShapeInfo)> {
        let ids = |at: usize| row.get::<_, Vec<String>>(at);
        let info = ShapeInfo {
            text: Arc::from(row.get::<_, &str>(1)),
            class: row.get::<_, String>(2).into(),
            parsed: row.get(3),
            strict_ids: ids(4).iter().filter_map(|id| id.parse::<StrictId>().ok()).collect(),
            shapes: ids(5).iter().filter_map(|id| id.parse::<ShapeId>().ok()).collect(),
            first_seen: timestamp(row, 6),
            last_seen: timestamp(row, 7),
            ..ShapeInfo::default()
        };
        let id: FingerprintId = row.get::<_, &str>(0).parse().ok()?;
        (id != FingerprintId::OTHERS).then_some((id, info))
    };
    Ok(rows.iter().filter_map(shape).collect())
}

fn moment(minute: i64) -> SystemTime {
    time(Timestamp::from_second(minute.saturating_mul(60)).unwrap_or_default())
}

fn timestamp(row: &Row, at: usize) -> Timestamp {
    row.get::<_, SystemTime>(at).try_into().unwrap_or_default()
}
