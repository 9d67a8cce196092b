//! A histogram: buckets by their distance, most with their count in the same byte.

use model::{Histogram, HistogramParts};

use super::{Damaged, Read, Reader, Writer};

impl Writer {
    pub(super) fn histogram(&mut self, histogram: &Histogram) {
        let buckets = histogram.buckets();
        self.number(histogram.zeros());
        self.number(buckets.len() as u64);
        let mut before = 0i64;
        for (at, (bucket, count)) in buckets.iter().enumerate() {
            let bucket = i64::from(*bucket);
            // The lowest bit says whether a count follows; one execution a bucket is usual.
            let several = i64::from(*count != 1);
            if at == 0 {
                self.signed(bucket << 1 | several);
            } else {
                self.number(((bucket - before) << 1 | several).cast_unsigned());
            }
            if several == 1 {
                self.number(*count);
            }
            before = bucket;
        }
        self.duration(histogram.sum());
        self.duration(histogram.shortest());
        self.duration(histogram.longest().saturating_sub(histogram.shortest()));
    }
}

impl Reader<'_> {
    pub(super) fn histogram(&mut self) -> Read<Histogram> {
        let zeros = self.number()?;
        let buckets = self.number()?;
        let mut parts = HistogramParts { zeros, ..HistogramParts::default() };
        let mut before = 0i64;
        for at in 0..buckets {
            let token = match at {
                0 => self.signed()?,
                _ => i64::try_from(self.number()?).map_err(|_| Damaged::Number)?,
            };
            let bucket = if at == 0 { token >> 1 } else { before.saturating_add(token >> 1) };
            let count = if token & 1 == 1 { self.number()? } else { 1 };
            let key = i16::try_from(bucket).map_err(|_| Damaged::Number)?;
            parts.buckets.push((key, count));
            before = bucket;
        }
        parts.sum = self.duration()?;
        parts.shortest = self.duration()?;
        parts.longest = parts.shortest.checked_add(self.duration()?).ok_or(Damaged::Number)?;
        Histogram::from_parts(parts).ok_or(Damaged::Number)
    }
}
