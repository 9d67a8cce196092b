//! From rows to a snapshot of the past.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use model::{
    Coverage, FingerprintId, LabelId, Labels, Minute, PoolKey, RowKey, ShapeInfo, Snapshot,
};

use crate::codec;
use crate::error::StoreError;
use crate::rows::{Kind, others};
use crate::span::{Period, Span};

/// Rows being put together.
pub(crate) struct Assembly<'a> {
    span: &'a Span,
    minutes: BTreeMap<i64, Minute>,
    labels: LabelIds,
}

/// Ids for labels: those that are known, and such as no registry gives.
struct LabelIds {
    ids: HashMap<Arc<Labels>, LabelId>,
    new: u32,
    used: HashMap<LabelId, Arc<Labels>>,
}

impl LabelIds {
    fn id(&mut self, labels: &Arc<Labels>) -> LabelId {
        if let Some(id) = self.ids.get(labels) {
            if !self.used.contains_key(id) {
                self.used.insert(*id, Arc::clone(labels));
            }
            return *id;
        }
        let id = LabelId::of_history(self.new);
        self.new += 1;
        self.ids.insert(Arc::clone(labels), id);
        self.used.insert(id, Arc::clone(labels));
        id
    }
}

impl<'a> Assembly<'a> {
    /// Nothing yet. Labels in `known` keep their ids.
    pub(crate) fn new(span: &'a Span, known: &HashMap<LabelId, Arc<Labels>>) -> Self {
        let mut ids: HashMap<_, _> =
            known.iter().map(|(id, labels)| (Arc::clone(labels), *id)).collect();
        ids.insert(others(), LabelId::OTHERS);
        let labels = LabelIds { ids, new: 0, used: HashMap::new() };
        Self { span, minutes: BTreeMap::new(), labels }
    }

    /// Takes a period, whether it has rows or none.
    pub(crate) fn add_period(&mut self, period: &Period, dropped: u64) {
        if let Some(minute) = self.minute(period) {
            minute.dropped += dropped;
        }
    }

    /// Takes a statement's row.
    pub(crate) fn add_query(
        &mut self,
        period: &Period,
        fingerprint: FingerprintId,
        labels: &Arc<Labels>,
        stats: &[u8],
    ) -> Result<(), StoreError> {
        let labels = self.labels.id(labels);
        let stats = codec::decode_query(stats)?;
        if let Some(minute) = self.minute(period) {
            minute.queries.entry(RowKey { fingerprint, labels }).or_default().merge(&stats);
        }
        Ok(())
    }

    /// Takes a row of another kind.
    pub(crate) fn add_traffic(
        &mut self,
        period: &Period,
        kind: Kind,
        labels: &Arc<Labels>,
        stats: &[u8],
    ) -> Result<(), StoreError> {
        let id = match kind {
            Kind::Transactions | Kind::Arrivals => self.labels.id(labels),
            Kind::Pool | Kind::Connections => LabelId::OTHERS,
        };
        let Some(minute) = self.minute(period) else { return Ok(()) };
        match kind {
            Kind::Transactions => {
                let stats = codec::decode_transactions(stats)?;
                minute.transactions.entry(id).or_default().merge(&stats);
            }
            Kind::Pool => {
                let key = PoolKey {
                    database: Arc::clone(&labels.database),
                    user: Arc::clone(&labels.user),
                };
                minute.pools.entry(key).or_default().merge(&codec::decode_pool(stats)?);
            }
            Kind::Connections => minute.connections.merge(&codec::decode_connections(stats)?),
            Kind::Arrivals => {
                let stats = codec::decode_connections(stats)?;
                minute.arrivals.entry(id).or_default().merge(&stats);
            }
        }
        Ok(())
    }

    fn minute(&mut self, period: &Period) -> Option<&mut Minute> {
        let (begin, end) = self.span.part(period.start)?;
        let minute = self.minutes.entry(begin).or_insert_with(|| Minute {
            minute: begin,
            span_minutes: length(begin, end),
            ..Minute::default()
        });
        // Where finer rows are gone, what overlaps is taken whole.
        if period.start < minute.minute {
            minute.span_minutes = length(period.start, minute.end());
            minute.minute = period.start;
        }
        Some(minute)
    }

    /// The snapshot, taken at `taken_at`, of a history that begins with `started_at`.
    pub(crate) fn finish(
        self,
        shapes: HashMap<FingerprintId, ShapeInfo>,
        started_at: Timestamp,
        taken_at: Timestamp,
    ) -> Snapshot {
        let minutes: Vec<_> = self.minutes.into_values().map(Arc::new).collect();
        let rows = || minutes.iter().flat_map(|minute| &minute.queries);
        let calls = |others: bool| {
            rows()
                .filter(|(key, _)| !others || key.fingerprint == FingerprintId::OTHERS)
                .map(|(_, stats)| stats.calls + stats.lost)
                .sum()
        };
        let coverage = Coverage {
            statements: calls(false),
            others: calls(true),
            dropped: minutes.iter().map(|minute| minute.dropped).sum(),
            fingerprints: shapes.len() as u64,
            fingerprint_limit: 0,
            parsed: shapes.values().filter(|shape| shape.parsed == Some(true)).count() as u64,
        };
        Snapshot {
            taken_at,
            started_at,
            minutes: minutes.into(),
            shapes,
            labels: self.labels.used,
            coverage,
            ..Snapshot::default()
        }
    }
}

fn length(begin: i64, end: i64) -> u32 {
    u32::try_from(end.saturating_sub(begin)).unwrap_or(u32::MAX)
}
